//! From JSON to a policy: the IAM User Guide's "Grammar of the IAM JSON policy language", without `Resource`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::PolicyError;
use super::document::{
    Conditions, Effect, Only, Policy, PrincipalKind, Principals, Statement, Version,
};
use super::error::shown;
use super::word::Word;

type Object = Map<String, Value>;

const ROOT: &str = "spec.repositoryPolicy";
const DOCUMENT_KEYS: &[&str] = &["Version", "Id", "Statement"];
const STATEMENT_KEYS: &[&str] = &[
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Condition",
];
const PRINCIPAL_KINDS: &[&str] = &["AWS", "Service", "Federated", "CanonicalUser"];

/// Reads a whole document.
pub(super) fn policy(map: &Object) -> Result<Policy, PolicyError> {
    known_keys(ROOT, map, DOCUMENT_KEYS)?;
    Ok(Policy {
        version: version(map)?,
        id: label(ROOT, map, "Id")?,
        statements: statements(map)?,
    })
}

fn version(map: &Object) -> Result<Version, PolicyError> {
    match member(ROOT, map, "Version")?.map(Value::as_str) {
        None => Ok(Version::default()),
        Some(Some("2008-10-17")) => Ok(Version::V2008),
        Some(Some("2012-10-17")) => Ok(Version::V2012),
        Some(_) => Err(wrong(
            &format!("{ROOT}.Version"),
            "the string \"2012-10-17\" (or \"2008-10-17\"), in quotes",
        )),
    }
}

fn statements(map: &Object) -> Result<BTreeSet<Statement>, PolicyError> {
    let at = format!("{ROOT}.Statement");
    let value = member(ROOT, map, "Statement")?.ok_or_else(|| PolicyError::Missing {
        at: ROOT.to_owned(),
        key: "`Statement`",
    })?;
    each(&at, value)?
        .into_iter()
        .map(|(at, value)| statement(&at, value))
        .collect()
}

fn statement(at: &str, value: &Value) -> Result<Statement, PolicyError> {
    let map = value.as_object().ok_or_else(|| {
        wrong(
            at,
            "a statement: an object with Effect, Principal and Action",
        )
    })?;
    if let Some(key) = ["Resource", "NotResource"]
        .into_iter()
        .find(|key| map.contains_key(*key))
    {
        return Err(PolicyError::Resource {
            at: at.to_owned(),
            key: key.to_owned(),
        });
    }
    known_keys(at, map, STATEMENT_KEYS)?;
    let conditions = member(at, map, "Condition")?;
    Ok(Statement {
        sid: label(at, map, "Sid")?,
        effect: effect(at, map)?,
        principals: only(at, map, PRINCIPAL, principals)?,
        actions: only(at, map, ACTION, actions)?,
        conditions: conditions.map_or_else(
            || Ok(Conditions::new()),
            |value| conditions_of(&child(at, "Condition"), value),
        )?,
    })
}

fn effect(at: &str, map: &Object) -> Result<Effect, PolicyError> {
    match member(at, map, "Effect")?.map(Value::as_str) {
        Some(Some("Allow")) => Ok(Effect::Allow),
        Some(Some("Deny")) => Ok(Effect::Deny),
        Some(_) => Err(wrong(&child(at, "Effect"), "`Allow` or `Deny`")),
        None => Err(PolicyError::Missing {
            at: at.to_owned(),
            key: "`Effect`",
        }),
    }
}

/// A key, its negation, and how the two are named together.
struct Pair {
    plain: &'static str,
    negated: &'static str,
    either: &'static str,
}

const PRINCIPAL: Pair = Pair {
    plain: "Principal",
    negated: "NotPrincipal",
    either: "`Principal` (or `NotPrincipal`)",
};
const ACTION: Pair = Pair {
    plain: "Action",
    negated: "NotAction",
    either: "`Action` (or `NotAction`)",
};

fn only<T>(
    at: &str,
    map: &Object,
    pair: Pair,
    read: fn(&str, &Value) -> Result<T, PolicyError>,
) -> Result<Only<T>, PolicyError> {
    let Pair {
        plain,
        negated,
        either,
    } = pair;
    match (member(at, map, plain)?, member(at, map, negated)?) {
        (Some(value), None) => read(&child(at, plain), value).map(Only::These),
        (None, Some(value)) => read(&child(at, negated), value).map(Only::AllBut),
        (Some(_), Some(_)) => Err(PolicyError::Both {
            at: at.to_owned(),
            plain,
            negated,
        }),
        (None, None) => Err(PolicyError::Missing {
            at: at.to_owned(),
            key: either,
        }),
    }
}

fn principals(at: &str, value: &Value) -> Result<Principals, PolicyError> {
    if value.as_str() == Some("*") {
        return Ok(Principals::from([(
            PrincipalKind::Aws,
            BTreeSet::from([Word::exact("*")]),
        )]));
    }
    let map = value
        .as_object()
        .ok_or_else(|| wrong(at, "\"*\", or an object such as {AWS: \"123456789012\"}"))?;
    known_keys(at, map, PRINCIPAL_KINDS)?;
    if map.is_empty() {
        return Err(PolicyError::Empty { at: at.to_owned() });
    }
    let kinds = [
        PrincipalKind::Aws,
        PrincipalKind::CanonicalUser,
        PrincipalKind::Federated,
        PrincipalKind::Service,
    ];
    let mut principals = Principals::new();
    for kind in kinds {
        if let Some(value) = member(at, map, kind.name())? {
            let words = each(&child(at, kind.name()), value)?
                .into_iter()
                .map(|(at, value)| principal(&at, kind, value));
            principals.insert(kind, words.collect::<Result<_, _>>()?);
        }
    }
    Ok(principals)
}

fn principal(at: &str, kind: PrincipalKind, value: &Value) -> Result<Word, PolicyError> {
    let text = word(
        at,
        value,
        "a principal as a string (put account ids in quotes)",
    )?;
    if text != "*" && text.contains('*') {
        return Err(PolicyError::PartialWildcard {
            at: at.to_owned(),
            principal: shown(text),
        });
    }
    Ok(match kind {
        PrincipalKind::Aws => Word::principal(text),
        PrincipalKind::CanonicalUser | PrincipalKind::Federated | PrincipalKind::Service => {
            Word::exact(text)
        }
    })
}

fn actions(at: &str, value: &Value) -> Result<BTreeSet<Word>, PolicyError> {
    each(at, value)?
        .into_iter()
        .map(|(at, value)| action(&at, value))
        .collect()
}

fn action(at: &str, value: &Value) -> Result<Word, PolicyError> {
    let text = word(
        at,
        value,
        "an action as a string, such as `ecr:BatchGetImage`",
    )?;
    if text != "*" && !text.contains(':') {
        return Err(PolicyError::Action {
            at: at.to_owned(),
            action: shown(text),
        });
    }
    Ok(Word::caseless(text))
}

fn conditions_of(at: &str, value: &Value) -> Result<Conditions, PolicyError> {
    caseless_map(
        at,
        value,
        "an object of operators, such as {StringEquals: {…}}",
        |at, keys| {
            caseless_map(at, keys, "an object of condition keys", |at, values| {
                each(at, values)?
                    .into_iter()
                    .map(|(at, value)| condition_value(&at, value))
                    .collect()
            })
        },
    )
}

/// Reads an object whose keys differ by more than their case.
fn caseless_map<T>(
    at: &str,
    value: &Value,
    expected: &'static str,
    read: impl Fn(&str, &Value) -> Result<T, PolicyError>,
) -> Result<std::collections::BTreeMap<Word, T>, PolicyError> {
    let map = value.as_object().ok_or_else(|| wrong(at, expected))?;
    if map.is_empty() {
        return Err(PolicyError::Empty { at: at.to_owned() });
    }
    let mut read_map = std::collections::BTreeMap::new();
    for (key, value) in map {
        let at_key = child(at, key);
        if value.is_null() {
            return Err(PolicyError::Null { at: at_key });
        }
        if read_map
            .insert(Word::caseless(key), read(&at_key, value)?)
            .is_some()
        {
            return Err(PolicyError::Twin {
                at: at.to_owned(),
                name: shown(key),
            });
        }
    }
    Ok(read_map)
}

/// A string, or a number or Boolean without its quotation marks, which the grammar calls optional.
fn condition_value(at: &str, value: &Value) -> Result<Word, PolicyError> {
    match value {
        Value::String(text) => Ok(Word::exact(text)),
        Value::Bool(flag) => Ok(Word::exact(&flag.to_string())),
        Value::Number(number) => Ok(Word::exact(&number.to_string())),
        Value::Null => Err(PolicyError::Null { at: at.to_owned() }),
        Value::Array(_) | Value::Object(_) => Err(wrong(at, "a string, a number or a Boolean")),
    }
}

/// An optional piece of text that names something; empty names nothing, as if absent.
fn label(at: &str, map: &Object, key: &'static str) -> Result<Option<String>, PolicyError> {
    match member(at, map, key)? {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err(wrong(&child(at, key), "a string")),
    }
}

fn word<'a>(at: &str, value: &'a Value, expected: &'static str) -> Result<&'a str, PolicyError> {
    match value {
        Value::String(text) if text.is_empty() => Err(PolicyError::Empty { at: at.to_owned() }),
        Value::String(text) => Ok(text),
        Value::Null => Err(PolicyError::Null { at: at.to_owned() }),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(wrong(at, expected))
        }
    }
}

/// The items of a list with their paths, or the one item that stands without a list.
fn each<'a>(at: &str, value: &'a Value) -> Result<Vec<(String, &'a Value)>, PolicyError> {
    match value {
        Value::Array(items) if items.is_empty() => Err(PolicyError::Empty { at: at.to_owned() }),
        Value::Array(items) => Ok(items
            .iter()
            .enumerate()
            .map(|(i, item)| (format!("{at}[{i}]"), item))
            .collect()),
        _ => Ok(vec![(at.to_owned(), value)]),
    }
}

fn member<'a>(at: &str, map: &'a Object, key: &str) -> Result<Option<&'a Value>, PolicyError> {
    match map.get(key) {
        Some(Value::Null) => Err(PolicyError::Null { at: child(at, key) }),
        other => Ok(other),
    }
}

fn known_keys(at: &str, map: &Object, known: &[&str]) -> Result<(), PolicyError> {
    match map.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(PolicyError::UnknownKey {
            at: at.to_owned(),
            key: shown(key),
            known: known.join(", "),
        }),
        None => Ok(()),
    }
}

fn child(at: &str, key: &str) -> String {
    format!("{at}.{}", shown(key))
}

fn wrong(at: &str, expected: &'static str) -> PolicyError {
    PolicyError::Value {
        at: at.to_owned(),
        expected,
    }
}
