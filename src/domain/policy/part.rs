//! Pieces of a JSON document that know where they stand, for messages that say where.

use serde_json::{Map, Value};

use super::PolicyError;
use super::error::{meant, shown};
use crate::domain::near::nearest;
use crate::domain::text::hides;

/// A value and its path within `spec`.
pub(super) struct Part<'a> {
    pub(super) at: String,
    pub(super) value: &'a Value,
}

impl<'a> Part<'a> {
    /// The members of an object, all of which are known.
    pub(super) fn members(
        self,
        known: &[&str],
        expected: &'static str,
    ) -> Result<Members<'a>, PolicyError> {
        Members::new(self.any_members(expected)?, known)
    }

    /// Whether this is a list with nothing in it.
    pub(super) fn is_empty_list(&self) -> bool {
        self.value.as_array().is_some_and(Vec::is_empty)
    }

    /// Whether this is an object with nothing in it.
    pub(super) fn is_empty_object(&self) -> bool {
        self.value.as_object().is_some_and(Map::is_empty)
    }

    /// The members of an object.
    pub(super) fn any_members(self, expected: &'static str) -> Result<Members<'a>, PolicyError> {
        match self.value {
            Value::Object(map) if map.is_empty() => Err(PolicyError::Empty { at: self.at }),
            Value::Object(map) => Ok(Members { at: self.at, map }),
            _ => Err(self.wrong(expected)),
        }
    }

    /// The items of a list, or the one that stands without a list.
    pub(super) fn items(self) -> Result<Vec<Self>, PolicyError> {
        let Value::Array(items) = self.value else {
            return Ok(vec![self]);
        };
        if items.is_empty() {
            return Err(PolicyError::Empty { at: self.at });
        }
        let place = |(i, value)| Self {
            at: format!("{}[{i}]", self.at),
            value,
        };
        Ok(items.iter().enumerate().map(place).collect())
    }

    /// The items, each of them read.
    pub(super) fn collect<T, C: FromIterator<T>>(
        self,
        read: impl Fn(Self) -> Result<T, PolicyError>,
    ) -> Result<C, PolicyError> {
        self.items()?.into_iter().map(read).collect()
    }

    /// A string that says something.
    pub(super) fn text(&self, expected: &'static str) -> Result<&'a str, PolicyError> {
        match self.value {
            Value::String(text) if text.is_empty() => Err(PolicyError::Empty {
                at: self.at.clone(),
            }),
            Value::String(text) => Ok(text),
            _ => Err(self.wrong(expected)),
        }
    }

    /// Refuses what does not show, in any word and any key.
    pub(super) fn shows(&self) -> Result<(), PolicyError> {
        let hidden = |at: &str| PolicyError::Hidden { at: at.to_owned() };
        match self.value {
            Value::String(text) if hides(text) => Err(hidden(&self.at)),
            Value::Array(items) => items.iter().enumerate().try_for_each(|(i, value)| {
                let at = format!("{}[{i}]", self.at);
                Part { at, value }.shows()
            }),
            Value::Object(map) => map.iter().try_for_each(|(key, value)| {
                if hides(key) {
                    return Err(hidden(&self.at));
                }
                let at = format!("{}.{}", self.at, shown(key));
                Part { at, value }.shows()
            }),
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }

    /// The refusal of a value that is not what is expected here.
    pub(super) fn wrong(&self, expected: &'static str) -> PolicyError {
        let at = self.at.clone();
        if self.value.is_null() {
            PolicyError::Null { at }
        } else {
            PolicyError::Value { at, expected }
        }
    }
}

/// An object and its path within `spec`.
pub(super) struct Members<'a> {
    pub(super) at: String,
    map: &'a Map<String, Value>,
}

impl<'a> Members<'a> {
    /// A whole document, whose members are all known.
    pub(super) fn root(
        at: &str,
        map: &'a Map<String, Value>,
        known: &[&str],
    ) -> Result<Self, PolicyError> {
        Self::new(
            Self {
                at: at.to_owned(),
                map,
            },
            known,
        )
    }

    fn new(members: Self, known: &[&str]) -> Result<Self, PolicyError> {
        let unknown = members
            .map
            .keys()
            .find(|key| !known.contains(&key.as_str()));
        match unknown.map(String::as_str) {
            None => Ok(members),
            Some(key @ ("Resource" | "NotResource")) => Err(PolicyError::Resource {
                at: members.at,
                key: key.to_owned(),
            }),
            Some(key) => Err(PolicyError::UnknownKey {
                at: members.at,
                key: shown(key),
                cure: meant(nearest(key, known.iter().copied()), "correct or remove it"),
                known: known.join(", "),
            }),
        }
    }

    /// A member, where it is there; never a null.
    pub(super) fn get(&self, key: &str) -> Result<Option<Part<'a>>, PolicyError> {
        let part = self.map.get(key).map(|value| Part {
            at: self.path(key),
            value,
        });
        match part {
            Some(part) if part.value.is_null() => Err(PolicyError::Null { at: part.at }),
            part => Ok(part),
        }
    }

    /// All members by key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, Part<'a>)> {
        self.map.iter().map(|(key, value)| {
            (
                key.as_str(),
                Part {
                    at: self.path(key),
                    value,
                },
            )
        })
    }

    fn path(&self, key: &str) -> String {
        format!("{}.{}", self.at, shown(key))
    }
}
