//! A policy document by its meaning.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::word::Word;
use super::{PolicyError, grammar};
use crate::domain::digest::digest;

/// The longest text that ECR stores, in characters (`RepositoryPolicyText` of its API model).
pub const MAX_CHARACTERS: usize = 10_240;

/// A repository policy; `==` is equality of meaning, as told in the documentation of this module.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document(Content);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Content {
    Policy(Policy),
    /// What is stored in AWS and does not follow the grammar that we know; made by
    /// [`Document::stored`] alone.
    Opaque(String),
}

impl Document {
    /// Reads what AWS has stored.
    ///
    /// Never fails: a text that we do not understand equals itself alone, so that it counts as
    /// different from whatever a user asks for.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        let policy = serde_json::from_str::<Map<String, Value>>(text)
            .ok()
            .and_then(|map| grammar::policy(&map).ok())
            .filter(|policy| !policy.statements.is_empty());
        Self(policy.map_or_else(|| Content::Opaque(text.to_owned()), Content::Policy))
    }

    /// Takes a policy that is to be sent.
    ///
    /// # Errors
    ///
    /// [`PolicyError::TooLong`] if ECR would not take it.
    pub(super) fn wanted(policy: Policy) -> Result<Self, PolicyError> {
        let document = Self(Content::Policy(policy));
        let characters = document.text().chars().count();
        if characters > MAX_CHARACTERS {
            Err(PolicyError::TooLong { characters })
        } else {
            Ok(document)
        }
    }

    /// Whether the document follows the grammar that we know; always true of what a user asks for.
    ///
    /// A stored document that is not understood right after it was written as asked has been put by
    /// AWS into words that are newer than this program: to write it again would change nothing.
    #[must_use]
    pub fn is_understood(&self) -> bool {
        self.policy().is_some()
    }

    /// The document as compact JSON, to be sent to `SetRepositoryPolicy`.
    ///
    /// Words stand as they were written; order and shape depend on the meaning alone.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.0 {
            Content::Policy(policy) => policy.json(Word::written).to_string(),
            Content::Opaque(text) => text.clone(),
        }
    }

    /// 16 hexadecimal digits, the same for two documents exactly when they are equal.
    #[must_use]
    pub fn hash(&self) -> String {
        match &self.0 {
            Content::Policy(policy) => {
                digest("repositoryPolicy", &policy.json(Word::meaning).to_string())
            }
            Content::Opaque(text) => digest("repositoryPolicy, opaque", text),
        }
    }

    /// The policy, where it could be understood.
    pub(super) fn policy(&self) -> Option<&Policy> {
        match &self.0 {
            Content::Policy(policy) => Some(policy),
            Content::Opaque(_) => None,
        }
    }
}

/// A document that follows the grammar.
///
/// Statements are a set: they are evaluated together, so neither their order nor a repetition
/// changes anything.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Policy {
    pub(super) version: Version,
    pub(super) id: Option<String>,
    pub(super) statements: BTreeSet<Statement>,
}

/// The version of the policy language.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Version {
    /// What IAM assumes for a document without a version.
    #[default]
    V2008,
    /// The one with policy variables.
    V2012,
}

/// One statement.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Statement {
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    pub(super) principals: Only<Principals>,
    pub(super) actions: Only<BTreeSet<Word>>,
    pub(super) conditions: Conditions,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// A block and its negation, as `Action` and `NotAction`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Only<T> {
    /// These.
    These(T),
    /// All but these.
    AllBut(T),
}

/// Principals by kind; `"*"` alone is kept as `{"AWS": "*"}`.
pub(super) type Principals = BTreeMap<PrincipalKind, BTreeSet<Word>>;

/// Values by operator and key.
pub(super) type Conditions = BTreeMap<Word, BTreeMap<Word, BTreeSet<Word>>>;

/// The kinds of principals.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum PrincipalKind {
    Aws,
    CanonicalUser,
    Federated,
    Service,
}

impl PrincipalKind {
    /// All kinds, in the order in which users are told of them.
    pub(super) const ALL: [Self; 4] = [
        Self::Aws,
        Self::Service,
        Self::Federated,
        Self::CanonicalUser,
    ];

    /// AWS's word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::CanonicalUser => "CanonicalUser",
            Self::Federated => "Federated",
            Self::Service => "Service",
        }
    }
}

/// Which side of a word is rendered.
type Side = fn(&Word) -> &str;

impl Policy {
    fn json(&self, side: Side) -> Value {
        let version = match self.version {
            Version::V2008 => "2008-10-17",
            Version::V2012 => "2012-10-17",
        };
        object([
            ("Id", self.id.as_deref().map(Value::from)),
            (
                "Statement",
                Some(
                    self.statements
                        .iter()
                        .map(|statement| statement.json(side))
                        .collect(),
                ),
            ),
            ("Version", Some(version.into())),
        ])
    }
}

impl Statement {
    fn json(&self, side: Side) -> Value {
        let effect = match self.effect {
            Effect::Allow => "Allow",
            Effect::Deny => "Deny",
        };
        let (action, not_action) = self.actions.json(|actions| words_json(actions, side));
        let (principal, not_principal) = self
            .principals
            .json(|principals| principals_json(principals, side));
        object([
            ("Action", action),
            (
                "Condition",
                (!self.conditions.is_empty()).then(|| conditions_json(&self.conditions, side)),
            ),
            ("Effect", Some(effect.into())),
            ("NotAction", not_action),
            ("NotPrincipal", not_principal),
            ("Principal", principal),
            ("Sid", self.sid.as_deref().map(Value::from)),
        ])
    }
}

impl<T> Only<T> {
    /// The content as the value of the key and of its negation: one of the two.
    fn json(&self, json: impl Fn(&T) -> Value) -> (Option<Value>, Option<Value>) {
        match self {
            Self::These(content) => (Some(json(content)), None),
            Self::AllBut(content) => (None, Some(json(content))),
        }
    }
}

fn principals_json(principals: &Principals, side: Side) -> Value {
    object(
        principals
            .iter()
            .map(|(kind, words)| (kind.name(), Some(words_json(words, side)))),
    )
}

fn conditions_json(conditions: &Conditions, side: Side) -> Value {
    let keys = |keys: &BTreeMap<Word, BTreeSet<Word>>| {
        object(
            keys.iter()
                .map(|(key, values)| (side(key), Some(words_json(values, side)))),
        )
    };
    object(
        conditions
            .iter()
            .map(|(operator, of_operator)| (side(operator), Some(keys(of_operator)))),
    )
}

/// The members that there are, sorted: whether or not some dependency turns on `preserve_order` of
/// `serde_json`.
fn object<'a>(members: impl IntoIterator<Item = (&'a str, Option<Value>)>) -> Value {
    let sorted: BTreeMap<&str, Value> = members
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect();
    Value::Object(
        sorted
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

/// One word stands alone, several stand in a list.
fn words_json(words: &BTreeSet<Word>, side: Side) -> Value {
    let mut all: Vec<Value> = words.iter().map(|word| side(word).into()).collect();
    if all.len() == 1 {
        all.remove(0)
    } else {
        all.into()
    }
}
