//! The constraints of AWS's model as data, and the check of an input against them.
//!
//! Growing the emulator by an operation means one more table of members, no more code.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use regex_lite::Regex;
use serde_json::Value;

use crate::error::Error;

/// A shape of the model with its constraints.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// A string: lengths in characters, a pattern that must match all of it, the values of an enum.
    Text {
        min: usize,
        max: usize,
        pattern: Option<&'static str>,
        values: &'static [&'static str],
    },
    /// An integer or a long.
    Integer { min: i64, max: i64 },
    /// A boolean.
    Boolean,
    /// Bytes, base64 on the wire; the bound is on the decoded length.
    Blob { max: usize },
    /// A list of one shape.
    List {
        of: &'static Shape,
        min: usize,
        max: usize,
    },
    /// A structure.
    Structure(&'static [Member]),
}

/// A member of a structure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) shape: Shape,
}

/// A member that has to be there.
pub(crate) const fn required(name: &'static str, shape: Shape) -> Member {
    Member {
        name,
        required: true,
        shape,
    }
}

/// A member that may be absent.
pub(crate) const fn optional(name: &'static str, shape: Shape) -> Member {
    Member {
        name,
        required: false,
        shape,
    }
}

impl Shape {
    /// A string without a constraint.
    pub(crate) const TEXT: Self = Self::text(0, usize::MAX);

    /// A string with bounds on its length.
    pub(crate) const fn text(min: usize, max: usize) -> Self {
        Self::Text {
            min,
            max,
            pattern: None,
            values: &[],
        }
    }

    /// A string with bounds on its length and a pattern.
    pub(crate) const fn matching(min: usize, max: usize, pattern: &'static str) -> Self {
        Self::Text {
            min,
            max,
            pattern: Some(pattern),
            values: &[],
        }
    }

    /// An enum.
    pub(crate) const fn one_of(values: &'static [&'static str]) -> Self {
        Self::Text {
            min: 0,
            max: usize::MAX,
            pattern: None,
            values,
        }
    }

    /// A list with bounds on its length.
    pub(crate) const fn list(of: &'static Shape, min: usize, max: usize) -> Self {
        Self::List { of, min, max }
    }
}

/// Checks an input: first that it can be read at all (`SerializationException`), then every
/// constraint (`InvalidParameterException`). AWS deserialises before it validates, so one wrong
/// type hides every other fault.
pub(crate) fn check(members: &'static [Member], input: &Value) -> Result<(), Error> {
    let shape = Shape::Structure(members);
    check_types(&shape, input)?;
    check_constraints(&shape, input, "")
}

/// A checked value as ECR keeps it: without the members that the model does not have, and without
/// those that are null.
pub(crate) fn known(shape: &Shape, value: &Value) -> Value {
    match (shape, value) {
        (Shape::List { of, .. }, Value::Array(items)) => {
            items.iter().map(|item| known(of, item)).collect()
        }
        (Shape::Structure(members), Value::Object(fields)) => {
            let fields = members.iter().filter_map(|member| {
                let field = fields.get(member.name).filter(|field| !field.is_null())?;
                Some((member.name.to_owned(), known(&member.shape, field)))
            });
            Value::Object(fields.collect())
        }
        (_, value) => value.clone(),
    }
}

fn check_types(shape: &Shape, value: &Value) -> Result<(), Error> {
    match (shape, value) {
        (_, Value::Null)
        | (Shape::Text { .. } | Shape::Blob { .. }, Value::String(_))
        | (Shape::Boolean, Value::Bool(_)) => Ok(()),
        (Shape::Integer { .. }, Value::Number(number)) if number.is_i64() => Ok(()),
        (Shape::List { of, .. }, Value::Array(items)) => {
            items.iter().try_for_each(|item| check_types(of, item))
        }
        (Shape::Structure(members), Value::Object(fields)) => members
            .iter()
            .filter_map(|member| Some((member, fields.get(member.name)?)))
            .try_for_each(|(member, field)| check_types(&member.shape, field)),
        _ => Err(Error::serialization(mismatch(shape, value))),
    }
}

/// The words in which AWS's JSON deserialiser complains.
fn mismatch(shape: &Shape, value: &Value) -> String {
    let wanted = match shape {
        Shape::Text { .. } => "a String",
        Shape::Integer { .. } => "an Integer",
        Shape::Boolean => "a Boolean",
        Shape::Blob { .. } => "a Blob",
        Shape::List { .. } => return "Expected list or null".to_owned(),
        Shape::Structure(_) => return "Expected structure or null".to_owned(),
    };
    match value {
        Value::Object(_) => "Start of structure or map found where not expected.".to_owned(),
        Value::Array(_) => "Start of list found where not expected".to_owned(),
        Value::String(_) => format!("STRING_VALUE can not be converted to {wanted}"),
        Value::Number(_) => format!("NUMBER_VALUE can not be converted to {wanted}"),
        Value::Bool(true) => format!("TRUE_VALUE can not be converted to {wanted}"),
        Value::Bool(false) | Value::Null => {
            format!("FALSE_VALUE can not be converted to {wanted}")
        }
    }
}

fn check_constraints(shape: &Shape, value: &Value, at: &str) -> Result<(), Error> {
    match (shape, value) {
        (Shape::Text { .. }, Value::String(text)) => check_text(shape, text, at),
        (Shape::Integer { min, max }, Value::Number(number)) => {
            let number = number.as_i64().unwrap_or(*min);
            in_range(number >= *min, "value greater than or equal to", min, at)?;
            in_range(number <= *max, "value less than or equal to", max, at)
        }
        (Shape::Blob { max }, Value::String(text)) => check_blob(text, *max, at),
        (Shape::List { of, min, max }, Value::Array(items)) => {
            check_length(items.len(), *min, *max, at)?;
            items.iter().enumerate().try_for_each(|(index, item)| {
                let at = format!("{at}.{}.member", index + 1);
                if item.is_null() {
                    return Err(Error::invalid(&at, "Member must not be null"));
                }
                check_constraints(of, item, &at)
            })
        }
        (Shape::Structure(members), Value::Object(_)) => members
            .iter()
            .try_for_each(|member| check_member(member, value, at)),
        _ => Ok(()),
    }
}

fn check_member(member: &Member, structure: &Value, at: &str) -> Result<(), Error> {
    let name = lower_first(member.name);
    let at = match at {
        "" => name,
        outer => format!("{outer}.{name}"),
    };
    match structure.get(member.name) {
        None | Some(Value::Null) if member.required => {
            Err(Error::invalid(&at, "Member must not be null"))
        }
        None | Some(Value::Null) => Ok(()),
        Some(value) => check_constraints(&member.shape, value, &at),
    }
}

/// AWS names `Key` as `tags.1.member.key` in its refusals.
fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

fn check_text(shape: &Shape, text: &str, at: &str) -> Result<(), Error> {
    let Shape::Text {
        min,
        max,
        pattern,
        values,
    } = shape
    else {
        return Ok(());
    };
    check_length(text.chars().count(), *min, *max, at)?;
    if !values.is_empty() && !values.contains(&text) {
        let set = values.join(", ");
        return Err(Error::invalid(
            at,
            format!("Member must satisfy enum value set: [{set}]"),
        ));
    }
    match pattern {
        Some(pattern) if !matches(pattern, text)? => Err(Error::invalid(
            at,
            format!("must satisfy regular expression '{pattern}'"),
        )),
        _ => Ok(()),
    }
}

fn check_blob(text: &str, max: usize, at: &str) -> Result<(), Error> {
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|_| Error::serialization("Invalid base64: the blob could not be decoded"))?;
    check_length(decoded.len(), 0, max, at)
}

fn check_length(length: usize, min: usize, max: usize, at: &str) -> Result<(), Error> {
    in_range(length >= min, "length greater than or equal to", &min, at)?;
    in_range(length <= max, "length less than or equal to", &max, at)
}

fn in_range(holds: bool, what: &str, bound: &dyn std::fmt::Display, at: &str) -> Result<(), Error> {
    if holds {
        Ok(())
    } else {
        Err(Error::invalid(
            at,
            format!("Member must have {what} {bound}"),
        ))
    }
}

type Patterns = Mutex<BTreeMap<&'static str, Arc<Regex>>>;

/// Whether all of `text` matches a pattern of the model. Patterns are compiled once.
pub(crate) fn matches(pattern: &'static str, text: &str) -> Result<bool, Error> {
    static COMPILED: LazyLock<Patterns> = LazyLock::new(Patterns::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let regex = if let Some(known) = compiled.get(pattern) {
        Arc::clone(known)
    } else {
        let regex = Regex::new(&format!("^(?:{pattern})$"))
            .map_err(|error| Error::server(format!("pattern {pattern}: {error}")))?;
        let regex = Arc::new(regex);
        compiled.insert(pattern, Arc::clone(&regex));
        regex
    };
    drop(compiled);
    Ok(regex.is_match(text))
}
