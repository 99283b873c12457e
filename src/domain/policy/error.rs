//! Why a user's policy is not sent to AWS.

use std::fmt;

use super::access::Level;
use super::document::MAX_CHARACTERS;
use crate::domain::text::cut;

/// A policy that we refuse; the message says what is wrong, then what to do.
///
/// `at` is the path of the offending part within `spec`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PolicyError {
    /// A key that the policy grammar does not have.
    #[error("`{key}` is no key of {at} — {cure}; known are {known}")]
    UnknownKey {
        /// Where.
        at: String,
        /// The key.
        key: String,
        /// What to do.
        cure: String,
        /// The keys that are known there.
        known: String,
    },
    /// `Resource` or `NotResource`.
    #[error(
        "ECR refuses `{key}` in {at}, since a repository policy is about its own repository alone — remove it"
    )]
    Resource {
        /// Where.
        at: String,
        /// The key.
        key: String,
    },
    /// A policy without its list of statements. A key that is misspelt is taken out by the API server.
    #[error(
        "spec.repositoryPolicy has no Statement — write one, or `repositoryPolicy: {{Statement: []}}` where there shall be no policy"
    )]
    NoStatement,
    /// Neither list of `access`. A key that is misspelt is taken out by the API server.
    #[error(
        "spec.access has neither pull nor push — write one of them, or `access: {{pull: []}}` where it shall grant nothing"
    )]
    NoAccess,
    /// A key that must be there.
    #[error("{key} is missing in {at} — add it")]
    Missing {
        /// Where.
        at: String,
        /// The key, or the keys of which one is needed.
        key: &'static str,
    },
    /// Two keys that exclude each other.
    #[error("`{plain}` and `{negated}` exclude each other in {at} — keep one of them")]
    Both {
        /// Where.
        at: String,
        /// The one.
        plain: &'static str,
        /// The other.
        negated: &'static str,
    },
    /// A value of the wrong type or outside its vocabulary.
    #[error("{at} is not what AWS takes there — write {expected}")]
    Value {
        /// Where.
        at: String,
        /// What is expected there.
        expected: &'static str,
    },
    /// A null.
    #[error("{at} is null, which AWS refuses — give it a value or leave it out")]
    Null {
        /// Where.
        at: String,
    },
    /// A character that does not show.
    #[error("{at} has control characters or direction overrides, which do not show — remove them")]
    Hidden {
        /// Where.
        at: String,
    },
    /// A list, map or word without content.
    #[error("{at} is empty — name at least one value or leave it out")]
    Empty {
        /// Where.
        at: String,
    },
    /// A Sid that is kept for generated statements.
    #[error("The Sid `{sid}` begins with `{prefix}`, as do only the statements that stand for spec.access — rename it", prefix = super::RESERVED_SID_PREFIX)]
    ReservedSid {
        /// The Sid.
        sid: String,
    },
    /// An operator or key of a condition that is written twice, differing in case.
    #[error(
        "`{name}` stands twice in {at}, where case tells nothing apart — write it once, with all values"
    )]
    Twin {
        /// Where.
        at: String,
        /// The second of the two.
        name: String,
    },
    /// A `*` inside a principal.
    #[error(
        "`{principal}` at {at} has a `*`, which cannot stand for a part of a principal — name principals in full"
    )]
    PartialWildcard {
        /// Where.
        at: String,
        /// The principal.
        principal: String,
    },
    /// An action without its service.
    #[error("`{action}` at {at} names no service — write it as in `ecr:BatchGetImage`")]
    Action {
        /// Where.
        at: String,
        /// The action.
        action: String,
    },
    /// An action that ECR does not have.
    #[error("`{action}` is no action of ECR, at {at} — {cure}")]
    UnknownAction {
        /// Where.
        at: String,
        /// The action.
        action: String,
        /// What to do.
        cure: String,
    },
    /// A word with a space.
    #[error("`{word}` has a space in it, at {at} — write `{without}`")]
    Space {
        /// Where.
        at: String,
        /// The word.
        word: String,
        /// The word without its spaces.
        without: String,
    },
    /// An `AWS` principal that is nobody.
    #[error("`{principal}` {lacks}, at {at} — {cure}")]
    Principal {
        /// Where.
        at: String,
        /// The principal.
        principal: String,
        /// What it is not.
        lacks: &'static str,
        /// What to do.
        cure: &'static str,
    },
    /// A `*` for services.
    #[error(
        "`*` is no service, at {at} — name each, such as `codebuild.amazonaws.com`; for everybody write Principal: \"*\""
    )]
    EveryService {
        /// Where.
        at: String,
    },
    /// An operator that conditions do not have.
    #[error("`{operator}` is no operator of conditions, at {at} — {cure}")]
    Operator {
        /// Where.
        at: String,
        /// The operator.
        operator: String,
        /// What to do.
        cure: String,
    },
    /// An entry of `access` that names no principal.
    #[error(
        "`{entry}` is nobody, at spec.access.{level} — write a 12-digit account id, the ARN of a role, a user or an account's root, or a service such as `lambda.amazonaws.com`; for anything else, such as an organisation, write a statement in spec.repositoryPolicy"
    )]
    Access {
        /// Which of the two lists.
        level: Level,
        /// The entry.
        entry: String,
    },
    /// A document over AWS's limit.
    #[error(
        "spec.repositoryPolicy and spec.access make a document of {characters} characters together, and ECR takes {MAX_CHARACTERS} — shorten them"
    )]
    TooLong {
        /// The length of the document.
        characters: usize,
    },
}

/// How much of a user's word stands in a message; events and conditions have room for 1 KiB.
const SHOWN: usize = 100;

/// A user's word, cut to what fits in a message.
pub(super) fn shown(word: &str) -> String {
    cut(word, SHOWN)
}

/// The cure of a word that is wrong: the word that must be meant, or else something to do.
pub(super) fn meant(word: Option<impl fmt::Display>, otherwise: &str) -> String {
    word.map_or_else(
        || otherwise.to_owned(),
        |word| format!("did you mean `{word}`?"),
    )
}
