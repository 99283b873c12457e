//! From JSON to a policy: the IAM User Guide's "Grammar of the IAM JSON policy language", without
//! `Resource`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::PolicyError;
use super::document::{
    Conditions, Effect, Only, Policy, PrincipalKind, Principals, Statement, Version,
};
use super::error::shown;
use super::part::{Members, Part};
use super::word::Word;

/// Reads a whole document, which may have no statement in its list.
pub(super) fn policy(map: &Map<String, Value>) -> Result<Policy, PolicyError> {
    for (key, value) in map {
        let at = format!("spec.repositoryPolicy.{}", shown(key));
        Part { at, value }.shows()?;
    }
    let members = Members::root(
        "spec.repositoryPolicy",
        map,
        &["Version", "Id", "Statement"],
    )?;
    let statements = members.get("Statement")?.ok_or(PolicyError::NoStatement)?;
    Ok(Policy {
        version: version(&members)?,
        id: label(&members, "Id")?,
        statements: if statements.is_empty_list() {
            BTreeSet::new()
        } else {
            statements.collect(statement)?
        },
    })
}

fn version(members: &Members<'_>) -> Result<Version, PolicyError> {
    let Some(part) = members.get("Version")? else {
        return Ok(Version::default());
    };
    match part.value.as_str() {
        Some("2008-10-17") => Ok(Version::V2008),
        Some("2012-10-17") => Ok(Version::V2012),
        _ => Err(part.wrong("the string \"2012-10-17\" (or \"2008-10-17\"), in quotes")),
    }
}

/// An optional text that names something; empty names nothing, as if absent.
fn label(members: &Members<'_>, key: &str) -> Result<Option<String>, PolicyError> {
    match members.get(key)? {
        None => Ok(None),
        Some(Part {
            value: Value::String(text),
            ..
        }) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(part) => Err(part.wrong("a string")),
    }
}

fn statement(part: Part<'_>) -> Result<Statement, PolicyError> {
    let members = part.members(
        &[
            "Sid",
            "Effect",
            "Principal",
            "NotPrincipal",
            "Action",
            "NotAction",
            "Condition",
        ],
        "a statement: an object with Effect, Principal and Action",
    )?;
    Ok(Statement {
        sid: label(&members, "Sid")?,
        effect: effect(&members)?,
        principals: only(&members, &PRINCIPAL, principals)?,
        actions: only(&members, &ACTION, |part| part.collect(action))?,
        conditions: members
            .get("Condition")?
            .map_or_else(|| Ok(Conditions::new()), conditions)?,
    })
}

fn effect(members: &Members<'_>) -> Result<Effect, PolicyError> {
    let Some(part) = members.get("Effect")? else {
        return Err(PolicyError::Missing {
            at: members.at.clone(),
            key: "`Effect`",
        });
    };
    match part.value.as_str() {
        Some("Allow") => Ok(Effect::Allow),
        Some("Deny") => Ok(Effect::Deny),
        _ => Err(part.wrong("`Allow` or `Deny`")),
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

fn only<'a, T>(
    members: &Members<'a>,
    &Pair {
        plain,
        negated,
        either,
    }: &Pair,
    read: impl Fn(Part<'a>) -> Result<T, PolicyError>,
) -> Result<Only<T>, PolicyError> {
    let at = || members.at.clone();
    match (members.get(plain)?, members.get(negated)?) {
        (Some(part), None) => read(part).map(Only::These),
        (None, Some(part)) => read(part).map(Only::AllBut),
        (Some(_), Some(_)) => Err(PolicyError::Both {
            at: at(),
            plain,
            negated,
        }),
        (None, None) => Err(PolicyError::Missing {
            at: at(),
            key: either,
        }),
    }
}

fn principals(part: Part<'_>) -> Result<Principals, PolicyError> {
    if part.value.as_str() == Some("*") {
        return Ok(Principals::from([(
            PrincipalKind::Aws,
            BTreeSet::from([Word::exact("*")]),
        )]));
    }
    let members = part.members(
        &PrincipalKind::ALL.map(PrincipalKind::name),
        "\"*\", or an object such as {AWS: \"123456789012\"}",
    )?;
    let mut principals = Principals::new();
    for kind in PrincipalKind::ALL {
        if let Some(part) = members.get(kind.name())? {
            principals.insert(kind, part.collect(|part| principal(kind, &part))?);
        }
    }
    Ok(principals)
}

fn principal(kind: PrincipalKind, part: &Part<'_>) -> Result<Word, PolicyError> {
    let text = part.text("a principal as a string (put account ids in quotes)")?;
    if text != "*" && text.contains('*') {
        return Err(PolicyError::PartialWildcard {
            at: part.at.clone(),
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

fn action(part: Part<'_>) -> Result<Word, PolicyError> {
    let text = part.text("an action as a string, such as `ecr:BatchGetImage`")?;
    if text != "*" && !text.contains(':') {
        return Err(PolicyError::Action {
            at: part.at,
            action: shown(text),
        });
    }
    Ok(Word::caseless(text))
}

/// Without an operator as if absent: so IAM itself writes a statement without conditions.
fn conditions(part: Part<'_>) -> Result<Conditions, PolicyError> {
    if part.is_empty_object() {
        return Ok(Conditions::new());
    }
    caseless(
        part,
        "an object of operators, such as {StringEquals: {…}}",
        |keys| {
            caseless(keys, "an object of condition keys", |values| {
                values.collect(|part| condition_value(&part))
            })
        },
    )
}

/// Reads an object whose keys differ by more than their case.
fn caseless<'a, T>(
    part: Part<'a>,
    expected: &'static str,
    read: impl Fn(Part<'a>) -> Result<T, PolicyError>,
) -> Result<BTreeMap<Word, T>, PolicyError> {
    let members = part.any_members(expected)?;
    let mut by_key = BTreeMap::new();
    for (key, part) in members.iter() {
        if by_key.insert(Word::caseless(key), read(part)?).is_some() {
            return Err(PolicyError::Twin {
                at: members.at.clone(),
                name: shown(key),
            });
        }
    }
    Ok(by_key)
}

/// A string, or a number or Boolean without the quotation marks, which the grammar calls optional.
fn condition_value(part: &Part<'_>) -> Result<Word, PolicyError> {
    match part.value {
        Value::String(text) => Ok(Word::exact(text)),
        Value::Bool(flag) => Ok(Word::exact(&flag.to_string())),
        Value::Number(number) => Ok(Word::exact(&number.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(part.wrong("a string, a number or a Boolean"))
        }
    }
}
