//! How repositories are named, and which names may be had.

use std::fmt;

use super::pattern::{Kind, PatternError, Piece, Subject, ValueError, Variable, pieces};
use crate::domain::identity::{InvalidName, RepositoryName};
use crate::domain::wildcard::{Token, matches, path_tokens};

/// What makes a name of an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NameTemplate(Vec<Piece>);

/// Why an object has no name under a template.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NamingError {
    /// A variable has no value, or one that is no part of a name.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The parts together are no name.
    #[error(transparent)]
    Name(#[from] InvalidName),
}

impl NameTemplate {
    /// The one that holds where a class has none.
    pub const DEFAULT: &'static str = "${namespace}/${name}";

    /// Parses a template.
    ///
    /// # Errors
    /// Where it holds what no name has, or a variable that stands for nothing.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        pieces(text, Kind::Name).map(Self)
    }

    /// The name of an object. No value can leave its place: the name has the slashes of the template
    /// and no others.
    ///
    /// # Errors
    /// Where a label is missing, a value is no part of a name, or the whole is no name.
    pub fn expand(&self, subject: &Subject<'_>) -> Result<RepositoryName, NamingError> {
        let mut name = String::new();
        for piece in &self.0 {
            name.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Variable(variable) => variable.value(subject)?,
            });
        }
        Ok(RepositoryName::parse(&name)?)
    }
}

/// A pattern of names: `*` stays before `/`, `**` does not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Glob {
    text: String,
    pieces: Vec<Piece>,
}

impl Glob {
    /// The one that holds where a class has none.
    pub const DEFAULT: &'static str = "${namespace}/*";

    /// Parses a pattern.
    ///
    /// # Errors
    /// Where it holds what no name has, a variable that stands for nothing, or one that its user
    /// chooses.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let pieces = pieces(text, Kind::Glob)?;
        let (mut name, mut namespace) = (false, false);
        for piece in &pieces {
            match piece {
                Piece::Variable(Variable::Label(key)) => {
                    return Err(PatternError::OwnLabel(key.clone()));
                }
                Piece::Variable(Variable::Name) => name = true,
                Piece::Variable(Variable::Namespace | Variable::NamespaceLabel(_)) => {
                    namespace = true;
                }
                Piece::Text(_) => {}
            }
        }
        if name && !namespace {
            return Err(PatternError::OwnName);
        }
        Ok(Self {
            text: text.to_owned(),
            pieces,
        })
    }

    /// Whether it is another pattern for another object or namespace.
    pub(super) fn varies(&self) -> bool {
        self.pieces.iter().any(|piece| match piece {
            Piece::Variable(_) => true,
            Piece::Text(_) => false,
        })
    }

    /// Whether this object may have this name. A pattern with a variable that has no value allows
    /// nothing; what a variable stands for is taken literally.
    #[must_use]
    pub fn allows(&self, name: &RepositoryName, subject: &Subject<'_>) -> bool {
        let mut tokens = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => tokens.extend(path_tokens(text)),
                Piece::Variable(variable) => match variable.value(subject) {
                    Ok(value) => tokens.extend(value.chars().map(Token::Char)),
                    Err(_) => return false,
                },
            }
        }
        matches(&tokens, name.as_str())
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
