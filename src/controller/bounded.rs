//! JSON that is read as far as it may go, and skipped from there on but for a few fields: memory is taken as it
//! is read, and the text of one object is up to 1.5 MB, which may become fifty times as much.

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

/// What is left of spec and status where they are too large as a whole: what an object is held by. Each of these
/// has a room of its own.
const LEFT: [&str; 25] = [
    "className",
    "repositoryName",
    // Of spec.
    "deletionPolicy",
    "managementPolicy",
    "suspend",
    "tags",
    // Of status.
    "observedGeneration",
    "registryId",
    "region",
    "arn",
    "repositoryUri",
    "createdAt",
    "ownership",
    "tagKeys",
    "owner",
    "clusterUid",
    "applied",
    "compared",
    "lifecycleApproval",
    "lastLoss",
    "takenOver",
    "suspendedSince",
    "lastHandledReconcileAt",
    "lastHandledRequestAt",
    "workingMemory",
];

/// A value.
#[derive(Debug)]
pub(super) struct Bounded {
    /// Where it is too large, its fields of `LEFT`.
    pub(super) value: Value,
    /// Whether that is all of it.
    pub(super) is_whole: bool,
}

/// What has not been said.
impl Default for Bounded {
    fn default() -> Self {
        Self {
            value: Value::Null,
            is_whole: true,
        }
    }
}

impl<'de> Deserialize<'de> for Bounded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (mut room, mut left) = (Room::whole(), Map::new());
        let reader = Reader {
            room: &mut room,
            left: Some(&mut left),
        };
        let value = reader.deserialize(deserializer)?;
        let is_whole = room.is_left();
        let value = match value {
            Value::Object(mut rest) if is_whole => {
                rest.append(&mut left);
                rest.into()
            }
            value if is_whole => value,
            _ => left.into(),
        };
        Ok(Self { value, is_whole })
    }
}

/// What may still come; none once it was too much.
struct Room {
    text: Option<usize>,
    maps: Option<usize>,
}

impl Room {
    fn whole() -> Self {
        Self {
            text: Some(TEXT),
            maps: Some(MAPS),
        }
    }

    /// Takes what was taken of a whole room, which is all where none of that is left.
    fn takes(&mut self, of: &Self) {
        let taken = |whole: usize, left: Option<usize>| left.map(|left| whole.saturating_sub(left));
        let less = |have: Option<usize>, taken: Option<usize>| have?.checked_sub(taken?);
        self.text = less(self.text, taken(TEXT, of.text));
        self.maps = less(self.maps, taken(MAPS, of.maps));
    }

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

struct Reader<'a> {
    room: &'a mut Room,
    /// Where the fields of `LEFT` go; none below the first map.
    left: Option<&'a mut Map<String, Value>>,
}

/// Reads what is in something.
fn inner(room: &mut Room) -> Reader<'_> {
    Reader { room, left: None }
}

/// Reads the first map: all of it, and what is left where that is too much.
fn parts<'de, A: MapAccess<'de>>(
    room: &mut Room,
    left: &mut Map<String, Value>,
    mut map: A,
) -> Result<Value, A::Error> {
    let mut values = Map::new();
    while let Some(key) = map.next_key::<String>()? {
        room.text(key.len());
        if LEFT.contains(&key.as_str()) {
            let mut own = Room::whole();
            let value = map.next_value_seed(inner(&mut own))?;
            room.takes(&own);
            if own.is_left() {
                left.insert(key, value);
            }
        } else if room.is_left() {
            let value = map.next_value_seed(inner(room))?;
            values.insert(key, value);
        } else {
            map.next_value::<IgnoredAny>()?;
        }
    }
    Ok(values.into())
}

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
        self.room.text(VALUE);
        Ok(it.into())
    }

    fn visit_i64<E>(self, it: i64) -> Result<Value, E> {
        self.room.text(VALUE);
        Ok(it.into())
    }

    fn visit_u64<E>(self, it: u64) -> Result<Value, E> {
        self.room.text(VALUE);
        Ok(it.into())
    }

    fn visit_f64<E>(self, it: f64) -> Result<Value, E> {
        self.room.text(VALUE);
        Ok(it.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        self.room.text(VALUE);
        Ok(Value::Null)
    }

    fn visit_str<E>(self, it: &str) -> Result<Value, E> {
        self.room.text(it.len().saturating_add(VALUE));
        Ok(if self.room.is_left() {
            it.into()
        } else {
            Value::Null
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        self.room.text(VALUE);
        let mut values = Vec::new();
        while self.room.is_left() {
            match seq.next_element_seed(inner(self.room))? {
                Some(value) => values.push(value),
                None => return Ok(values.into()),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        self.room.text(VALUE);
        self.room.map();
        if let Some(left) = self.left {
            return parts(self.room, left, map);
        }
        let mut values = Map::new();
        while self.room.is_left() {
            let Some(key) = map.next_key::<String>()? else {
                return Ok(values.into());
            };
            self.room.text(key.len());
            let value = map.next_value_seed(inner(self.room))?;
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
        let read: Bounded = serde_json::from_str(text).unwrap();
        read.is_whole.then_some(read.value)
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
            assert!(!first.is_whole, "{}", &text[..60]);
            assert_eq!(second, 7);
        }
        assert!(read(&json!(vec![json!({"a": 0}); MAPS]).to_string()).is_some());
        assert!(read(&json!("x".repeat(TEXT - VALUE)).to_string()).is_some());
    }
    #[test]
    fn a_few_fields_are_left_of_what_has_no_room() {
        let fields = json!({"className": "prod", "tags": {"team": "payments"}, "arn": "arn"});
        for much in [
            json!("x".repeat(10 * TEXT)),
            json!(vec![json!({"a": 0}); 2 * MAPS]),
        ] {
            for place in ["a", "b", "zz"] {
                let mut value = fields.clone();
                value[place] = much.clone();
                let read: Bounded = serde_json::from_str(&value.to_string()).unwrap();
                assert!(!read.is_whole);
                assert_eq!(read.value, fields, "{place}");
            }
        }
        let alone = json!({"suspend": true, "tagKeys": vec!["x".repeat(100); TEXT / 100]});
        let read: Bounded = serde_json::from_str(&alone.to_string()).unwrap();
        assert!(!read.is_whole);
        assert_eq!(read.value, json!({"suspend": true}));
        let below = json!({"a": {"arn": "x".repeat(2 * TEXT)}});
        let read: Bounded = serde_json::from_str(&below.to_string()).unwrap();
        assert!(!read.is_whole);
        assert_eq!(read.value, json!({}));
    }
}
