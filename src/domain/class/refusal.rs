//! How a guardrail speaks: what to do, the rule, what it allows. Never of other objects or namespaces.

use std::fmt;

use crate::domain::desired::Refusal;
use crate::domain::reason::Reason;

/// A guardrail, by the name of its field in the class.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Rule {
    /// Whose objects may be of the class.
    AllowedNamespaces,
    /// How repositories may be named.
    AllowedNames,
    /// Whom policies may name.
    AllowedPrincipals,
    /// What policies may grant.
    AllowedActions,
    /// Which keys encrypt.
    AllowedKmsKeys,
    /// What becomes of a repository.
    DeletionPolicies,
    /// What becomes of one that exists.
    Adoption,
}

impl Rule {
    /// The field's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AllowedNamespaces => "allowedNamespaces",
            Self::AllowedNames => "allowedNames",
            Self::AllowedPrincipals => "allowedPrincipals",
            Self::AllowedActions => "allowedActions",
            Self::AllowedKmsKeys => "allowedKmsKeys",
            Self::DeletionPolicies => "deletionPolicies",
            Self::Adoption => "adoption",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The most entries of a list that a message names, and the most characters that they may have:
/// conditions and Events have room for 1 KiB.
const SHOWN: usize = 10;
const SHOWN_CHARACTERS: usize = 400;

/// How much of a user's word stands in a message.
const WORD: usize = 100;

/// A user's word, cut to what fits.
pub(super) fn cut(word: &str) -> String {
    match word.char_indices().nth(WORD) {
        Some((end, _)) => format!("{}…", word.get(..end).unwrap_or_default()),
        None => word.to_owned(),
    }
}

/// What to do, the rule, and what it allows.
pub(super) fn not_permitted(what: &str, rule: Rule, allowed: &[impl AsRef<str>]) -> Refusal {
    Refusal {
        reason: Reason::NotPermitted,
        message: format!(
            "{what}: the class does not permit it. Its {rule} are {}",
            listed(allowed)
        ),
    }
}

fn listed(allowed: &[impl AsRef<str>]) -> String {
    let mut text = String::new();
    let mut named = 0;
    for entry in allowed.iter().map(AsRef::as_ref).take(SHOWN) {
        if text.chars().count() + entry.chars().count() > SHOWN_CHARACTERS {
            break;
        }
        if named > 0 {
            text.push_str(", ");
        }
        text.push_str(entry);
        named += 1;
    }
    match (allowed.len(), allowed.len() - named) {
        (0, _) => "none".to_owned(),
        (_, 0) => text,
        (_, more) => format!("{text} … and {more} more"),
    }
}
