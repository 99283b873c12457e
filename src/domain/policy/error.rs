//! Why a user's policy is not sent to AWS.

use super::access::Level;
use super::document::MAX_CHARACTERS;

/// A policy that we refuse; the message says first what to do.
///
/// `at` is the path of the offending part within `spec`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PolicyError {
    /// A key that the policy grammar does not have.
    #[error("Remove `{key}` from {at}: only {known} are known there")]
    UnknownKey {
        /// Where.
        at: String,
        /// The key.
        key: String,
        /// The keys that are known there.
        known: String,
    },
    /// `Resource` or `NotResource`.
    #[error(
        "Remove `{key}` from {at}: a repository policy is about its own repository alone, and ECR refuses the key"
    )]
    Resource {
        /// Where.
        at: String,
        /// The key.
        key: String,
    },
    /// A key that must be there.
    #[error("Add {key} to {at}")]
    Missing {
        /// Where.
        at: String,
        /// The key, or the keys of which one is needed.
        key: &'static str,
    },
    /// Two keys that exclude each other.
    #[error("Keep one of `{plain}` and `{negated}` in {at}: they exclude each other")]
    Both {
        /// Where.
        at: String,
        /// The one.
        plain: &'static str,
        /// The other.
        negated: &'static str,
    },
    /// A value of the wrong type or outside its vocabulary.
    #[error("Write {expected} at {at}")]
    Value {
        /// Where.
        at: String,
        /// What is expected there.
        expected: &'static str,
    },
    /// A null.
    #[error("Give {at} a value or leave it out: AWS refuses null")]
    Null {
        /// Where.
        at: String,
    },
    /// A character that does not show.
    #[error("Remove the control characters and direction overrides at {at}: they do not show")]
    Hidden {
        /// Where.
        at: String,
    },
    /// A list, map or word without content.
    #[error(
        "Name at least one value at {at} or leave it out: it is empty, and for no policy at all write `repositoryPolicy: {{}}`"
    )]
    Empty {
        /// Where.
        at: String,
    },
    /// A Sid that is kept for generated statements.
    #[error("Rename the Sid `{sid}`: names that begin with `{prefix}` are kept for the statements that stand for spec.access", prefix = super::RESERVED_SID_PREFIX)]
    ReservedSid {
        /// The Sid.
        sid: String,
    },
    /// An operator or key of a condition that is written twice, differing in case.
    #[error(
        "Write `{name}` once at {at}: case does not tell operators and keys of conditions apart"
    )]
    Twin {
        /// Where.
        at: String,
        /// The second of the two.
        name: String,
    },
    /// A `*` inside a principal.
    #[error("Name principals in full at {at}: `*` cannot stand for a part of `{principal}`")]
    PartialWildcard {
        /// Where.
        at: String,
        /// The principal.
        principal: String,
    },
    /// An action without its service.
    #[error("Write `{action}` at {at} with its service, as in `ecr:BatchGetImage`")]
    Action {
        /// Where.
        at: String,
        /// The action.
        action: String,
    },
    /// An entry of `access` that names no principal.
    #[error(
        "Write a 12-digit account id, the ARN of a role, a user or an account's root, or a service such as `lambda.amazonaws.com` at spec.access.{level}, not `{entry}`; for anything else, such as an organisation, write a statement in spec.repositoryPolicy"
    )]
    Access {
        /// Which of the two lists.
        level: Level,
        /// The entry.
        entry: String,
    },
    /// A document over AWS's limit.
    #[error(
        "Shorten spec.repositoryPolicy and spec.access: together they make a document of {characters} characters, and ECR takes {MAX_CHARACTERS}"
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
    match word.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", word.get(..end).unwrap_or_default()),
        None => word.to_owned(),
    }
}
