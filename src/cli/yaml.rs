//! YAML that every reader takes for the same, whether it follows YAML 1.1 or 1.2.
//!
//! The two differ in what a word without quotes is: `2012-10-17`, `on` and `010` are a date, true and 8 to one
//! of them. Kustomize, and with it Flux and `kubectl apply -k`, reads 1.1. So whatever begins like a number, or is
//! a word of either, stands in quotes ([types of 1.1](https://yaml.org/type/), [schema of
//! 1.2](https://yaml.org/spec/1.2.2/#103-core-schema)).

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// Words that one of the readers takes for something else than a text, whatever their case.
const WORDS: [&str; 11] = [
    "y", "n", "yes", "no", "on", "off", "true", "false", "null", ".inf", ".nan",
];

/// One document, without a mark at its beginning.
#[must_use]
pub fn text(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

/// A value that begins a line of its own, where the cursor is.
fn block(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (number, (key, it)) in fields.iter().enumerate() {
                indent(if number == 0 { 0 } else { depth }, out);
                out.push_str(&scalar(key));
                out.push(':');
                below(it, depth, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (number, it) in items.iter().enumerate() {
                indent(if number == 0 { 0 } else { depth }, out);
                out.push_str("- ");
                item(it, depth, out);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        // Lines stand further in than where they begin, also at the top.
        | Value::Object(_) => inline(value, depth.max(2), out),
    }
}

/// A field's value: behind its key, or on the lines below.
fn below(value: &Value, depth: usize, out: &mut String) {
    let (nested, depth_below) = match value {
        Value::Object(fields) => (!fields.is_empty(), depth + 2),
        Value::Array(items) => (!items.is_empty(), depth),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (false, depth),
    };
    if nested {
        out.push('\n');
        indent(depth_below, out);
        block(value, depth_below, out);
    } else {
        out.push(' ');
        inline(value, depth + 2, out);
    }
}

/// An item's value, behind its dash.
fn item(value: &Value, depth: usize, out: &mut String) {
    block(value, depth + 2, out);
}

/// What ends its line, or is a text of several lines at `depth`.
fn inline(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(it) => out.push_str(if *it { "true" } else { "false" }),
        Value::Number(it) => out.push_str(&number(it)),
        Value::String(it) if in_lines(it) => {
            lines(it, depth, out);
            return;
        }
        Value::String(it) => out.push_str(&scalar(it)),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
    out.push('\n');
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', depth));
}

/// Without an exponent: `1e3` is a text to a reader of 1.1.
fn number(number: &Number) -> String {
    match number.as_f64() {
        Some(it) if number.is_f64() => {
            let text = it.to_string();
            if text.contains('.') {
                text
            } else {
                text + ".0"
            }
        }
        Some(_) | None => number.to_string(),
    }
}

/// Whether a text is shown line by line.
fn in_lines(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && !body.starts_with([' ', '\n'])
        && !body.ends_with('\n')
        && body.chars().all(|it| it == '\n' || printable(it))
}

fn lines(text: &str, depth: usize, out: &mut String) {
    out.push_str(if text.ends_with('\n') { "|\n" } else { "|-\n" });
    for line in text.lines() {
        if !line.is_empty() {
            indent(depth, out);
        }
        out.push_str(line);
        out.push('\n');
    }
}

/// A text on one line, without quotes where no reader can mistake it.
fn scalar(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    if text.chars().all(printable) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut quoted = "\"".to_owned();
    for it in text.chars() {
        match it {
            '"' | '\\' => quoted.extend(['\\', it]),
            '\n' => quoted.push_str("\\n"),
            it if printable(it) => quoted.push(it),
            // Writing to a String cannot fail.
            it => drop(write!(quoted, "\\U{:08X}", u32::from(it))),
        }
    }
    quoted + "\""
}

fn is_plain(text: &str) -> bool {
    let word = text.strip_prefix('.').unwrap_or(text);
    let begins = word.starts_with(|it: char| it.is_ascii_alphabetic())
        || text.starts_with(['/', '^', '$', '(', '_']);
    begins
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && text.chars().all(printable)
        && !WORDS.iter().any(|it| it.eq_ignore_ascii_case(text))
}

/// Whether a character stands for itself: what breaks lines or does not show in either version does not.
fn printable(it: char) -> bool {
    match it {
        ' '..='~' => true,
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => false,
        it => it > '\u{a0}',
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

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
            let written = scalar(text);
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
            assert_eq!(scalar(text), text);
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
        let expected = "a:\n  none: []\n  nothing: {}\n  of:\n  - b: 1\n    c:\n    - x\n    - 'on'\n  - - 1.0\n    \
                        - 2\n  - d\ne: |\n  one\n\n    two\nf: |-\n  one\n  two\ng: null\n";
        assert_eq!(text(&value), expected);
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
            let written = text(&value);
            let read: Value = serde_yaml::from_str(&written).unwrap();
            prop_assert_eq!(read, value, "{}", written);
        }
    }
}
