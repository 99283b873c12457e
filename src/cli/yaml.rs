//! YAML that every reader takes for the same, whether it follows YAML 1.1 or 1.2.
//!
//! The two differ in what a word without quotes is: `2012-10-17`, `on` and `010` are a date, true and 8 to one
//! of them. Kustomize, and with it Flux and `kubectl apply -k`, reads 1.1.

use serde::Serialize;

pub use serde_yaml::ser::Error;

/// One document, without a mark at its beginning.
///
/// # Errors
/// Where the value has a map whose keys are no texts.
pub fn text(value: &impl Serialize) -> Result<String, Error> {
    let options = serde_yaml::ser_options! {
        compact_list_indent: true,
        // Words of both versions stand in quotes.
        yaml_12: false,
        // A description is one line, however long.
        folded_wrap_chars: usize::MAX,
    };
    serde_yaml::to_string_with_options(value, options)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_a_reader_could_mistake_stands_in_quotes() {
        for text in [
            "2012-10-17",
            "2001-12-14t21:59:43.10-05:00",
            "on",
            "Off",
            "YES",
            "no",
            "y",
            "N",
            "true",
            "null",
            "~",
            "",
            "010",
            "0o17",
            "0x1f",
            "0b101",
            "1_000",
            "190:20:30",
            "1e3",
            "1.5",
            ".5",
            "-.inf",
            ".NaN",
            "+1",
            "=",
            "<<",
            "- a",
            "a: b",
            "a #b",
            "a:",
            "a ",
            " a",
            "#a",
            "&a",
            "*a",
            "!a",
            "%a",
            "@a",
            "`a",
            "{a",
            "[a",
            "?",
            "|",
            ">",
            "'a",
            "\"a",
            "a\tb",
            "a\u{2028}b",
            "a\u{85}b",
        ] {
            let written = super::text(&text).unwrap();
            assert!(written.starts_with(['\'', '"']), "{written}");
        }
        for text in [
            "string",
            "IMMUTABLE",
            "x-kubernetes-map-type",
            "https://a",
            "size(self) >= 2 && self",
            "e3",
        ] {
            assert_eq!(super::text(&text).unwrap(), format!("{text}\n"));
        }
    }

    #[test]
    fn it_looks_like_what_people_write() {
        let value = json!({
            "a": {"none": [], "nothing": {}, "of": [{"b": 1, "c": ["x", "on"]}, [1.0, 2], "d"]},
            "e": "one\n\n  two\n",
            "f": "one\ntwo",
            "g": null,
        });
        let expected = "a:\n  none: []\n  nothing: {}\n  of:\n  - b: 1\n    c:\n    - x\n    - \"on\"\n  - - 1.0\n    \
                        - 2\n  - d\ne: |\n  one\n\n    two\nf: |-\n  one\n  two\ng: null\n";
        assert_eq!(text(&value).unwrap(), expected);
    }

    fn any_text() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "\n", " ", "a", "1", "0", ":", "-", "#", "'", "\"", "\\", ".", "e", "~", "_", "on",
            "\t", "\r", "ä", "\u{85}", "\u{2028}", "{", "[", "|",
        ]);
        prop::collection::vec(pieces, 0..6).prop_map(|it| it.concat())
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1000_i32..1000).prop_map(|it| Value::from(f64::from(it) / 8.0)),
            any_text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any_text(), inner, 0..4)
                    .prop_map(|it| Value::Object(it.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_read_as_it_was(value in any_value()) {
            let written = text(&value).unwrap();
            let read: Value = serde_yaml::from_str(&written).unwrap();
            prop_assert_eq!(read, value, "{}", written);
        }
    }
}
