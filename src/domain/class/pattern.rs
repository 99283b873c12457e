//! Texts with variables: the syntax that name templates, name patterns and the values of tags share.

use std::collections::BTreeMap;

use crate::domain::near::nearest;

/// Labels of an object or of its namespace.
pub type Labels = BTreeMap<String, String>;

/// An object and its namespace, as far as a class looks at them.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The namespace's name.
    pub namespace: &'a str,
    /// The object's name.
    pub name: &'a str,
    /// The object's labels, which its author chooses.
    pub labels: &'a Labels,
    /// The namespace's labels.
    pub namespace_labels: &'a Labels,
}

/// A piece of a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Piece {
    /// Itself.
    Text(String),
    /// What a variable stands for.
    Variable(Variable),
}

/// What differs from object to object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Variable {
    Namespace,
    Name,
    Label(String),
    NamespaceLabel(String),
}

/// Why a text with variables can't be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PatternError {
    /// Nothing at all.
    #[error("it is empty")]
    Empty,
    /// A `${` without its `}`.
    #[error("close the variable that begins with ${{")]
    Open,
    /// A name that stands for nothing.
    #[error(
        "${{{0}}} stands for nothing: use ${{namespace}}, ${{name}}, ${{labels.KEY}} or ${{namespaceLabels.KEY}}"
    )]
    Unknown(String),
    /// A character that no name of a repository has.
    #[error("{0:?} is in no repository's name")]
    Character(char),
    /// A label that who writes the object chooses.
    #[error(
        "${{labels.{0}}} limits nothing, because the object's author chooses its labels: use ${{namespaceLabels.{0}}}"
    )]
    OwnLabel(String),
    /// A name that who writes the object chooses, with nothing of the namespace beside it.
    #[error(
        "${{name}} alone limits nothing, because the object's author chooses its name: put ${{namespace}} or ${{namespaceLabels.KEY}} beside it"
    )]
    OwnName,
}

/// What a variable stands for is not there, or is not what may stand in its place.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it {} — {}", self.needs(), self.cure())]
pub enum ValueError {
    /// The object has no such label.
    NoLabel {
        /// Its key.
        key: String,
        /// A label that the object has, of nearly the same key.
        near: Option<String>,
    },
    /// The namespace has no such label.
    NoNamespaceLabel {
        /// Its key.
        key: String,
        /// The namespace.
        namespace: String,
        /// A label that it has, of nearly the same key.
        near: Option<String>,
    },
    /// A value that could reach into another path, or that AWS takes nowhere.
    Value {
        /// Which variable.
        of: String,
        /// Its value.
        value: String,
        /// What may stand there.
        allowed: &'static str,
    },
}

impl ValueError {
    /// What the class lacks, with the class as the subject.
    #[must_use]
    pub fn needs(&self) -> String {
        match self {
            Self::NoLabel { key, near } => {
                format!(
                    "needs the label {key} on this object{}",
                    meant(key, near.as_deref())
                )
            }
            Self::NoNamespaceLabel {
                key,
                namespace,
                near,
            } => {
                let meant = meant(key, near.as_deref());
                format!("needs the label {key} on namespace {namespace}{meant}")
            }
            Self::Value { of, value, .. } => format!("has no use for the value {value:?} of {of}"),
        }
    }

    /// What to do.
    #[must_use]
    pub fn cure(&self) -> String {
        match self {
            Self::NoLabel { .. } => "add it".to_owned(),
            Self::NoNamespaceLabel { .. } => "have the namespace labelled".to_owned(),
            Self::Value { allowed, .. } => format!("change it to {allowed}"),
        }
    }
}

/// That a label is there which may have been meant to be this one.
pub(super) fn meant(key: &str, near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| {
        format!(" (it has {near}: did you mean {key}?)")
    })
}

/// The label's value, or the key of one that is nearly called so.
fn label<'a>(labels: &'a Labels, key: &str) -> Result<&'a str, Option<String>> {
    let near = || nearest(key, labels.keys().map(String::as_str)).map(str::to_owned);
    labels.get(key).map(String::as_str).ok_or_else(near)
}

/// What may stand in a text beside its variables.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A name.
    Name,
    /// A pattern of names.
    Glob,
    /// The value of a tag, which is held to AWS's characters by whoever reads it.
    Tag,
}

/// Takes a text apart.
pub(super) fn pieces(text: &str, kind: Kind) -> Result<Vec<Piece>, PatternError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        pieces.extend(literal(before, kind)?);
        let (name, behind) = after.split_once('}').ok_or(PatternError::Open)?;
        pieces.push(Piece::Variable(variable(name)?));
        rest = behind;
    }
    pieces.extend(literal(rest, kind)?);
    if pieces.is_empty() && kind != Kind::Tag {
        return Err(PatternError::Empty);
    }
    Ok(pieces)
}

fn literal(text: &str, kind: Kind) -> Result<Option<Piece>, PatternError> {
    let legal = |c: char| match kind {
        Kind::Name => is_of_part(c) || c == '/',
        Kind::Glob => is_of_part(c) || matches!(c, '/' | '*'),
        Kind::Tag => true,
    };
    match text.chars().find(|character| !legal(*character)) {
        Some(character) => Err(PatternError::Character(character)),
        None => Ok((!text.is_empty()).then(|| Piece::Text(text.to_owned()))),
    }
}

/// Whether a character may stand between the slashes of a repository's name.
fn is_of_part(character: char) -> bool {
    matches!(character, 'a'..='z' | '0'..='9' | '.' | '_' | '-')
}

fn variable(name: &str) -> Result<Variable, PatternError> {
    let unknown = || PatternError::Unknown(name.to_owned());
    match (name, name.split_once('.')) {
        ("namespace", _) => Ok(Variable::Namespace),
        ("name", _) => Ok(Variable::Name),
        (_, Some((_, key))) if !is_label_key(key) => Err(unknown()),
        (_, Some(("labels", key))) => Ok(Variable::Label(key.to_owned())),
        (_, Some(("namespaceLabels", key))) => Ok(Variable::NamespaceLabel(key.to_owned())),
        _ => Err(unknown()),
    }
}

fn is_label_key(key: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    key.starts_with(alphanumeric)
        && key.ends_with(alphanumeric)
        && key
            .chars()
            .all(|c| alphanumeric(c) || matches!(c, '.' | '_' | '-' | '/'))
}

impl Variable {
    /// What it stands for, as a part of a name. The API server lets no label hold a `/`; that a value stays
    /// within its part of the name does not depend on it.
    pub(super) fn value<'a>(&self, subject: &Subject<'a>) -> Result<&'a str, ValueError> {
        let value = self.raw(subject)?;
        if value.chars().all(is_of_part) && !value.is_empty() {
            Ok(value)
        } else {
            Err(self.unfit(value, "lower-case letters, digits, '.', '_' and '-'"))
        }
    }

    /// What it stands for, whatever that is.
    pub(super) fn raw<'a>(&self, subject: &Subject<'a>) -> Result<&'a str, ValueError> {
        match self {
            Self::Namespace => Ok(subject.namespace),
            Self::Name => Ok(subject.name),
            Self::Label(key) => label(subject.labels, key).map_err(|near| ValueError::NoLabel {
                key: key.clone(),
                near,
            }),
            Self::NamespaceLabel(key) => {
                label(subject.namespace_labels, key).map_err(|near| ValueError::NoNamespaceLabel {
                    key: key.clone(),
                    namespace: subject.namespace.to_owned(),
                    near,
                })
            }
        }
    }

    /// That its value may not stand in its place.
    pub(super) fn unfit(&self, value: &str, allowed: &'static str) -> ValueError {
        ValueError::Value {
            of: self.to_string(),
            value: value.to_owned(),
            allowed,
        }
    }
}

impl std::fmt::Display for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Namespace => f.write_str("${namespace}"),
            Self::Name => f.write_str("${name}"),
            Self::Label(key) => write!(f, "${{labels.{key}}}"),
            Self::NamespaceLabel(key) => write!(f, "${{namespaceLabels.{key}}}"),
        }
    }
}
