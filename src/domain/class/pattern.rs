//! Texts with variables: the syntax that name templates and name patterns share.

use std::collections::BTreeMap;

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

/// What a variable stands for is not there, or is not a part of a name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ValueError {
    /// The object has no such label.
    #[error("Add the label {0:?} to this object")]
    NoLabel(String),
    /// The namespace has no such label.
    #[error("Ask for the label {0:?} on the namespace")]
    NoNamespaceLabel(String),
    /// A value that could reach into another path.
    #[error(
        "Change the value {value:?} of {of}: lower-case letters, digits, '.', '_' and '-' make a part of a name"
    )]
    Value {
        /// Which variable.
        of: String,
        /// Its value.
        value: String,
    },
}

/// Takes a text apart; `wildcards` tells whether `*` is one of its characters.
pub(super) fn pieces(text: &str, wildcards: bool) -> Result<Vec<Piece>, PatternError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        pieces.extend(literal(before, wildcards)?);
        let (name, behind) = after.split_once('}').ok_or(PatternError::Open)?;
        pieces.push(Piece::Variable(variable(name)?));
        rest = behind;
    }
    pieces.extend(literal(rest, wildcards)?);
    if pieces.is_empty() {
        return Err(PatternError::Empty);
    }
    Ok(pieces)
}

fn literal(text: &str, wildcards: bool) -> Result<Option<Piece>, PatternError> {
    let legal = |c: char| is_of_part(c) || c == '/' || (wildcards && c == '*');
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
    /// What it stands for. The API server lets no label hold a `/`; that a value stays within its part
    /// of the name does not depend on it.
    pub(super) fn value<'a>(&self, subject: &Subject<'a>) -> Result<&'a str, ValueError> {
        let value = match self {
            Self::Namespace => subject.namespace,
            Self::Name => subject.name,
            Self::Label(key) => subject
                .labels
                .get(key)
                .ok_or_else(|| ValueError::NoLabel(key.clone()))?,
            Self::NamespaceLabel(key) => subject
                .namespace_labels
                .get(key)
                .ok_or_else(|| ValueError::NoNamespaceLabel(key.clone()))?,
        };
        if value.chars().all(is_of_part) && !value.is_empty() {
            Ok(value)
        } else {
            Err(ValueError::Value {
                of: self.to_string(),
                value: value.to_owned(),
            })
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
