//! How a class refuses: all that it does not permit at once, each with its cure, and what it would have to
//! allow. Never of other objects or namespaces, nor of what a class lists for others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::domain::desired::Refusal;
use crate::domain::reason::Reason;
use crate::domain::status::{LONGEST_MESSAGE, fit};
use crate::domain::text;

/// A guardrail, by the name of its field in the class. The order is that in which a class would have to
/// change.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Rule {
    /// Whose objects may be of the class.
    AllowedNamespaces,
    /// How repositories may be named.
    AllowedNames,
    /// Whether objects may hold the operator off.
    ManagementPolicies,
    /// What becomes of one that exists.
    Adoption,
    /// What becomes of a repository.
    DeletionPolicies,
    /// Which keys encrypt.
    AllowedKmsKeys,
    /// What policies may grant.
    AllowedActions,
    /// Whom policies may name.
    AllowedPrincipals,
    /// Which services policies may name without saying for whom they act.
    AllowedServices,
}

impl Rule {
    /// The field's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AllowedNamespaces => "allowedNamespaces",
            Self::AllowedNames => "allowedNames",
            Self::ManagementPolicies => "managementPolicies",
            Self::Adoption => "adoption",
            Self::DeletionPolicies => "deletionPolicies",
            Self::AllowedKmsKeys => "allowedKmsKeys",
            Self::AllowedActions => "allowedActions",
            Self::AllowedPrincipals => "allowedPrincipals",
            Self::AllowedServices => "allowedServices",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much a message may have, so that there is room for what else is said beside it.
const LONGEST: usize = LONGEST_MESSAGE - 40;

/// What is kept for that which the class would have to allow, if there is much of both.
const KEPT: usize = 480;

/// How much of a user's word stands in a message.
const WORD: usize = 100;

/// The most words of a kind that one offence names; what the class would have to allow names them all.
const NAMED: usize = 3;

/// A user's word, cut to what fits.
pub(super) fn cut(word: &str) -> String {
    text::cut(&fit(word, usize::MAX), WORD)
}

/// Some of many words, with the number of the others.
pub(super) fn some<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> String {
    let words = words.into_iter().map(|word| cut(word.as_ref()));
    text::some(words, NAMED)
}

/// Something that a class does not permit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Offence {
    reason: Reason,
    what: String,
    cure: String,
    pub(super) wanted: Wanted,
}

/// What a class would have to allow, by its fields; and beside what, where a field is absent and stands for
/// something: whoever writes it must write that as well.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Wanted(pub(super) BTreeMap<Rule, (BTreeSet<String>, Option<String>)>);

impl Wanted {
    /// These words of a field.
    pub(super) fn of<T: Into<String>>(
        rule: Rule,
        words: impl IntoIterator<Item = T>,
        beside: Option<String>,
    ) -> Self {
        let words: BTreeSet<String> = words.into_iter().map(Into::into).collect();
        let some = (!words.is_empty()).then_some((rule, (words, beside)));
        Self(some.into_iter().collect())
    }

    fn add(&mut self, other: Self) {
        for (rule, (words, beside)) in other.0 {
            let here = self.0.entry(rule).or_default();
            here.0.extend(words);
            here.1 = here.1.take().or(beside);
        }
    }
}

impl Offence {
    /// `what` says what the class does not permit, with the class as its subject; `cure` what to do in the
    /// object.
    pub(super) fn new(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            reason: Reason::NotPermitted,
            what: what.into(),
            cure: cure.into(),
            wanted: Wanted::default(),
        }
    }

    /// The same, where the class could permit it.
    pub(super) fn wants(mut self, wanted: Wanted) -> Self {
        self.wanted.add(wanted);
        self
    }

    /// The same, where no class permits it.
    pub(super) fn invalid(self) -> Self {
        Self {
            reason: Reason::InvalidSpec,
            ..self
        }
    }
}

/// One refusal of all offences, the first of which is the gravest; none where there are none.
pub(super) fn refusal(class: &str, offences: &[Offence]) -> Result<(), Refusal> {
    let Some(reason) = offences.first().map(|it| it.reason) else {
        return Ok(());
    };
    let mut wanted = Wanted::default();
    for offence in offences {
        wanted.add(offence.wanted.clone());
    }
    let whole = told(class, offences, LONGEST);
    let room = KEPT.max(LONGEST.saturating_sub(whole.len()));
    let would = would_have_to_allow(&wanted, room);
    let mut message = told(class, offences, LONGEST.saturating_sub(would.len()));
    message.push_str(&would);
    Err(Refusal { reason, message })
}

/// The offences, as many as there is room for, the first of them always.
fn told(class: &str, offences: &[Offence], room: usize) -> String {
    let mut text = format!("Class {class}");
    for (before, Offence { what, cure, .. }) in offences.iter().enumerate() {
        let comma = if before == 0 { "" } else { ";" };
        let number = format!(" ({})", before + 1);
        let number = if offences.len() == 1 { "" } else { &number };
        let next = format!("{comma}{number} {what} — {cure}");
        let more = |left: usize| match left {
            0 => String::new(),
            left => format!("; and {left} more"),
        };
        let after = more(offences.len() - before - 1);
        if text.len() + next.len() + after.len() <= room {
            text.push_str(&next);
        } else if before == 0 {
            text.push_str(&fit(&next, room.saturating_sub(text.len() + after.len())));
            text.push_str(&after);
            return text;
        } else {
            text.push_str(&more(offences.len() - before));
            return text;
        }
    }
    text
}

/// The line for those who may change the class. It holds what the object itself asks for, and nothing of what
/// the class lists.
fn would_have_to_allow(wanted: &Wanted, room: usize) -> String {
    let mut text = String::new();
    let mut left: usize = wanted.0.values().map(|(words, _)| words.len()).sum();
    for (rule, (words, beside)) in &wanted.0 {
        for (number, word) in words.iter().enumerate() {
            let before = match (number, text.is_empty()) {
                (0, true) => format!("; or the class would have to allow: {rule} "),
                (0, false) => format!("; {rule} "),
                (_, _) => ", ".to_owned(),
            };
            let beside = beside.as_ref().filter(|_| number + 1 == words.len());
            let beside = beside.map_or_else(String::new, |it| format!(" (beside {it})"));
            let more = format!(" and {left} more");
            let after = if left > 1 { more.len() } else { 0 };
            let all = [&before, word, &beside].map(String::len);
            if text.len() + all.iter().sum::<usize>() + after > room {
                if !text.is_empty() {
                    text.push_str(&more);
                }
                return text;
            }
            text.extend([before.as_str(), word, &beside]);
            left -= 1;
        }
    }
    text
}
