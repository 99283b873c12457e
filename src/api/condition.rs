//! The types of conditions.

use std::fmt;

/// A type of condition in `status.conditions`, after
/// <https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md>.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ConditionType {
    /// ECR matches the spec; always there.
    Ready,
    /// The spec can be carried out and the repository is this object's; always there.
    Accepted,
    /// ECR matches what this object asks for; always there.
    Synced,
    /// The operator is at work; there only while true.
    Reconciling,
    /// A person is needed; there only while true.
    Stalled,
}

impl ConditionType {
    /// Every type, in the order in which conditions are listed.
    pub const ALL: [Self; 5] = [
        Self::Ready,
        Self::Accepted,
        Self::Synced,
        Self::Reconciling,
        Self::Stalled,
    ];

    /// The value of a condition's `type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Accepted => "Accepted",
            Self::Synced => "Synced",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
