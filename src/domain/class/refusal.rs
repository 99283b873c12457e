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
    /// Which services policies may name without saying for whom they act.
    AllowedServices,
    /// What policies may grant.
    AllowedActions,
    /// Which keys encrypt.
    AllowedKmsKeys,
    /// What becomes of a repository.
    DeletionPolicies,
    /// What becomes of one that exists.
    Adoption,
    /// Whether objects may hold the operator off.
    ManagementPolicies,
}

impl Rule {
    /// The field's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AllowedNamespaces => "allowedNamespaces",
            Self::AllowedNames => "allowedNames",
            Self::AllowedPrincipals => "allowedPrincipals",
            Self::AllowedServices => "allowedServices",
            Self::AllowedActions => "allowedActions",
            Self::AllowedKmsKeys => "allowedKmsKeys",
            Self::DeletionPolicies => "deletionPolicies",
            Self::Adoption => "adoption",
            Self::ManagementPolicies => "managementPolicies",
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

/// The same where what is allowed may be other teams' accounts, principals or keys: nobody is told of
/// them. `shown` is what may be told, where there is something.
pub(super) fn not_listed(what: &str, rule: Rule, shown: Option<String>) -> Refusal {
    match shown {
        Some(shown) => not_permitted(what, rule, &[shown]),
        None => Refusal {
            reason: Reason::NotPermitted,
            message: format!(
                "{what}: the class does not permit it. Its {rule} do not have it; administrators \
                 of the cluster can change that"
            ),
        },
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
