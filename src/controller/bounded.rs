//! JSON that is read as far as it may go, and skipped from there on: memory is taken as it is read, and the
//! text of one object is up to 1.5 MB, which may become fifty times as much.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// How long it may be as text. What AWS takes of policies and tags is half of it.
const TEXT: usize = 128 * 1024;

/// What a value counts for beside the text in it: however short it is, it takes more memory than that.
const VALUE: usize = 8;

/// How many maps it may have: each costs 600 bytes (`BTreeMap`), however little is in it. All that AWS takes
/// has less than half of them.
const MAPS: usize = 1024;

/// A value; none where it is too large.
#[derive(Debug)]
pub(super) struct Bounded(pub(super) Option<Value>);

/// What has not been said.
impl Default for Bounded {
    fn default() -> Self {
        Self(Some(Value::Null))
    }
}

impl<'de> Deserialize<'de> for Bounded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut room = Room {
            text: Some(TEXT),
            maps: Some(MAPS),
        };
        let value = Reader(&mut room).deserialize(deserializer)?;
        Ok(Self(room.is_left().then_some(value)))
    }
}

/// What may still come; none once it was too much.
struct Room {
    text: Option<usize>,
    maps: Option<usize>,
}

impl Room {
    fn is_left(&self) -> bool {
        self.text.is_some() && self.maps.is_some()
    }

    fn text(&mut self, length: usize) {
        self.text = self.text.and_then(|left| left.checked_sub(length));
    }

    fn map(&mut self) {
        self.maps = self.maps.and_then(|left| left.checked_sub(1));
    }
}

struct Reader<'a>(&'a mut Room);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, it: bool) -> Result<Value, E> {
        self.0.text(VALUE);
        Ok(it.into())
    }

    fn visit_i64<E>(self, it: i64) -> Result<Value, E> {
        self.0.text(VALUE);
        Ok(it.into())
    }

    fn visit_u64<E>(self, it: u64) -> Result<Value, E> {
        self.0.text(VALUE);
        Ok(it.into())
    }

    fn visit_f64<E>(self, it: f64) -> Result<Value, E> {
        self.0.text(VALUE);
        Ok(it.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        self.0.text(VALUE);
        Ok(Value::Null)
    }

    fn visit_str<E>(self, it: &str) -> Result<Value, E> {
        self.0.text(it.len().saturating_add(VALUE));
        Ok(if self.0.is_left() {
            it.into()
        } else {
            Value::Null
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        self.0.text(VALUE);
        let mut values = Vec::new();
        while self.0.is_left() {
            match seq.next_element_seed(Reader(self.0))? {
                Some(value) => values.push(value),
                None => return Ok(values.into()),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        self.0.text(VALUE);
        self.0.map();
        let mut values = Map::new();
        while self.0.is_left() {
            let Some(key) = map.next_key::<String>()? else {
                return Ok(values.into());
            };
            self.0.text(key.len());
            let value = map.next_value_seed(Reader(self.0))?;
            values.insert(key, value);
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Option<Value> {
        serde_json::from_str::<Bounded>(text).unwrap().0
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..8)
                    .prop_map(|it| it.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_has_room_is_read_as_it_is(value in any_value()) {
            let text = value.to_string();
            prop_assert_eq!(read(&text), serde_json::from_str(&text).ok());
        }
    }

    #[test]
    fn what_has_no_room_is_skipped_and_what_follows_is_read() {
        let much = [
            json!("x".repeat(TEXT)),
            json!({ "x".repeat(TEXT): 1 }),
            json!(vec![0; TEXT / VALUE]),
            json!(vec![json!([]); TEXT / VALUE]),
            json!(vec![json!({"a": 0}); MAPS + 1]),
            json!({"a": {"b": [{"c": vec!["x".repeat(1000); TEXT / 1000]}, 1]}, "d": {}}),
        ];
        for value in &much {
            let text = format!("[{value}, 7]");
            let (first, second): (Bounded, u8) = serde_json::from_str(&text).unwrap();
            assert!(first.0.is_none(), "{}", &text[..60]);
            assert_eq!(second, 7);
        }
        assert!(read(&json!(vec![json!({"a": 0}); MAPS]).to_string()).is_some());
        assert!(read(&json!("x".repeat(TEXT - VALUE)).to_string()).is_some());
    }
}
