//! Why a user's lifecycle policy is not sent to AWS.

use super::{MAX_CHARACTERS, MAX_RULES};

/// A lifecycle policy that we refuse; the message says what is wrong, then what to do.
///
/// `at` is the path of the offending part within `spec`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LifecycleError {
    /// More rules than ECR takes.
    #[error("spec.lifecyclePolicy has {count} rules, and ECR takes {MAX_RULES} — merge some")]
    TooManyRules {
        /// How many there are.
        count: usize,
    },
    /// A document over AWS's limit.
    #[error(
        "spec.lifecyclePolicy is a document of {characters} characters, and ECR takes {MAX_CHARACTERS} — shorten it"
    )]
    TooLong {
        /// The length of the document.
        characters: usize,
    },
    /// A priority on some rules only.
    #[error(
        "{at} has no rulePriority, and other rules have one — set it there too, or on no rule at all: then the order of the list counts"
    )]
    PriorityMissing {
        /// Where.
        at: String,
    },
    /// One priority on two rules.
    #[error("{at} has rulePriority {priority}, as another rule does — give each its own")]
    PriorityTwice {
        /// Where.
        at: String,
        /// The priority.
        priority: u32,
    },
    /// A number that ECR does not take.
    #[error("{at} is no number that ECR takes — write a whole one from {least} to {greatest}", greatest = i32::MAX)]
    Number {
        /// Where.
        at: String,
        /// The least that ECR takes there.
        least: u32,
    },
    /// A field that is needed beside another.
    #[error("{because} lacks what it needs at {at} — set {field}")]
    Missing {
        /// Where.
        at: String,
        /// What is to be set.
        field: &'static str,
        /// What needs it.
        because: &'static str,
    },
    /// A field that another excludes.
    #[error("{field} does not go with {because} at {at} — remove it")]
    Excluded {
        /// Where.
        at: String,
        /// What is to be removed.
        field: &'static str,
        /// What excludes it.
        because: &'static str,
    },
    /// A list of tags with an empty word.
    #[error("{field} at {at} has an empty string, which names no tag — remove it")]
    EmptyTag {
        /// Where.
        at: String,
        /// The list.
        field: &'static str,
    },
    /// A character that does not show.
    #[error("{at} has control characters or direction overrides, which do not show — remove them")]
    Hidden {
        /// Where.
        at: String,
    },
    /// A pattern with too many wildcards.
    #[error("A pattern in tagPatternList at {at} has more than four `*` — write it with fewer")]
    Wildcards {
        /// Where.
        at: String,
    },
    /// An action that does not go with what the rule counts.
    #[error("{count_type} takes no other action than {action} at {at} — set action.type to it")]
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
        "{at} selects {images}, as does the rule of priority {priority}, and ECR takes one such rule a storage class — merge the two"
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
        "The rule with tagStatus any is at rulePriority {priority}, and {later} comes after it — give it the highest of its storage class"
    )]
    AnyNotLast {
        /// Its priority.
        priority: u32,
        /// The priority of a rule that comes later.
        later: u32,
    },
}
