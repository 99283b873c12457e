//! Words that may be written in several ways.

use std::cmp::Ordering;
use std::fmt;

use super::arn;

/// A word of a policy: compared by what it means, sent as it was written.
///
/// AWS reads either spelling, so the one that the user will look for in the console is kept.
#[derive(Clone)]
pub(super) struct Word {
    meaning: String,
    written: String,
}

impl Word {
    /// A word that means what it says, to the letter.
    pub(super) fn exact(written: &str) -> Self {
        Self {
            meaning: written.to_owned(),
            written: written.to_owned(),
        }
    }

    /// A word in which case does not matter.
    pub(super) fn caseless(written: &str) -> Self {
        Self {
            meaning: written.to_ascii_lowercase(),
            written: written.to_owned(),
        }
    }

    /// A principal of the kind `AWS`: an account's root ARN means the account.
    pub(super) fn principal(written: &str) -> Self {
        let meaning = arn::account_of_root(written).unwrap_or(written).to_owned();
        Self {
            meaning,
            written: written.to_owned(),
        }
    }

    /// What decides about equality and order.
    pub(super) fn meaning(&self) -> &str {
        &self.meaning
    }

    /// What is sent to AWS.
    pub(super) fn written(&self) -> &str {
        &self.written
    }
}

/// Shows the meaning, so that equal values look equal.
impl fmt::Debug for Word {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.meaning, formatter)
    }
}

impl PartialEq for Word {
    fn eq(&self, other: &Self) -> bool {
        self.meaning == other.meaning
    }
}

impl Eq for Word {}

impl PartialOrd for Word {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Word {
    fn cmp(&self, other: &Self) -> Ordering {
        self.meaning.cmp(&other.meaning)
    }
}
