//! Whether a lifecycle policy of a class may reach a repository that has images.

use crate::domain::desired::Refusal;
use crate::domain::reason::Reason;

/// What ECR's preview of a policy counts in a repository (`GetLifecyclePolicyPreview`, `summary`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Preview {
    /// Images that it would delete.
    pub expiring: u64,
    /// Images that it would move to the archive, from which they can be had back.
    pub transitioning: u64,
}

/// What becomes of the policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Guarded {
    /// It may be put.
    Go,
    /// A person must let it: by the annotation `ecr-operator.dev/approve-lifecycle`, equal to `hash`.
    NeedsApproval {
        /// What it would do.
        preview: Preview,
        /// How many images it may delete without asking.
        max_expire: u64,
        /// The policy's hash.
        hash: String,
    },
}

/// Decides by what the preview of this very policy counted, and by the annotation's value.
#[must_use]
pub fn guard(max_expire: u64, preview: Preview, approval: Option<&str>, hash: &str) -> Guarded {
    if preview.expiring <= max_expire || approval == Some(hash) {
        Guarded::Go
    } else {
        Guarded::NeedsApproval {
            preview,
            max_expire,
            hash: hash.to_owned(),
        }
    }
}

impl Guarded {
    /// What waits for a person, if it does.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Go => None,
            Self::NeedsApproval {
                preview,
                max_expire,
                hash,
            } => Some(Refusal {
                reason: Reason::LifecycleNeedsApproval,
                message: format!(
                    "Annotate this object with ecr-operator.dev/approve-lifecycle={hash} to let it \
                     happen: the class's lifecycle policy would delete {} images here and archive \
                     {}, and lifecycleGuard lets it delete {max_expire}",
                    preview.expiring, preview.transitioning
                ),
            }),
        }
    }
}
