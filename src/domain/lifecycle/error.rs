//! Why a user's lifecycle policy is not sent to AWS.

use super::{MAX_CHARACTERS, MAX_RULES};

/// A lifecycle policy that we refuse; the message says first what to do.
///
/// `at` is the path of the offending part within `spec`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LifecycleError {
    /// More rules than ECR takes.
    #[error("Merge rules of spec.lifecyclePolicy: there are {count}, and ECR takes {MAX_RULES}")]
    TooManyRules {
        /// How many there are.
        count: usize,
    },
    /// A document over AWS's limit.
    #[error(
        "Shorten spec.lifecyclePolicy: it is a document of {characters} characters, and ECR takes {MAX_CHARACTERS}"
    )]
    TooLong {
        /// The length of the document.
        characters: usize,
    },
    /// A priority on some rules only.
    #[error(
        "Set rulePriority also at {at}, or on no rule at all: then the order of the list counts"
    )]
    PriorityMissing {
        /// Where.
        at: String,
    },
    /// One priority on two rules.
    #[error(
        "Change the rulePriority at {at}: another rule has {priority} too, and each needs its own"
    )]
    PriorityTwice {
        /// Where.
        at: String,
        /// The priority.
        priority: u32,
    },
    /// A number that ECR does not take.
    #[error("Write a whole number from {least} to {greatest} at {at}", greatest = i32::MAX)]
    Number {
        /// Where.
        at: String,
        /// The least that ECR takes there.
        least: u32,
    },
    /// A field that is needed beside another.
    #[error("Set {field} at {at}: {because} needs it")]
    Missing {
        /// Where.
        at: String,
        /// What is to be set.
        field: &'static str,
        /// What needs it.
        because: &'static str,
    },
    /// A field that another excludes.
    #[error("Remove {field} at {at}: it does not go with {because}")]
    Excluded {
        /// Where.
        at: String,
        /// What is to be removed.
        field: &'static str,
        /// What excludes it.
        because: &'static str,
    },
    /// A list of tags with an empty word.
    #[error("Remove the empty string from {field} at {at}: it names no tag")]
    EmptyTag {
        /// Where.
        at: String,
        /// The list.
        field: &'static str,
    },
    /// A character that does not show.
    #[error("Remove the control characters and direction overrides at {at}: they do not show")]
    Hidden {
        /// Where.
        at: String,
    },
    /// A pattern with too many wildcards.
    #[error("Write the patterns in tagPatternList at {at} with at most four `*` each")]
    Wildcards {
        /// Where.
        at: String,
    },
    /// An action that does not go with what the rule counts.
    #[error("Set action.type to {action} at {at}: {count_type} takes no other")]
    Action {
        /// Where.
        at: String,
        /// What the rule counts.
        count_type: &'static str,
        /// The action that goes with it.
        action: &'static str,
    },
    /// Two rules of which ECR takes but one.
    #[error(
        "Merge the rule at {at} with the one of priority {priority}: ECR takes one rule a storage class that selects {images}"
    )]
    SelectedTwice {
        /// Where.
        at: String,
        /// The priority of the other rule.
        priority: u32,
        /// What both select.
        images: &'static str,
    },
    /// A rule for all images that is not the last.
    #[error(
        "Give the rule with tagStatus any the highest rulePriority of its storage class: it is at {priority}, and {later} comes after it"
    )]
    AnyNotLast {
        /// Its priority.
        priority: u32,
        /// The priority of a rule that comes later.
        later: u32,
    },
}
