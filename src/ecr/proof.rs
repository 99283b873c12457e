//! What permits a write, and since when.
//!
//! A turn may be long in coming, and what was true before it may not be true after it. So whoever
//! writes has a turn first, reads last, and calls within [`SERVES`]: the adapter takes nothing older,
//! neither when it is asked nor, once the SDK
//! has credentials and a signature, just before it sends.

use std::time::Duration;

use aws_sdk_ecr::config::{
    ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextRef,
};
use tokio::time::Instant;

use super::clients::CALL_TIMEOUT;
use crate::domain::action::Action;

/// How long a proof serves, from when its read was sent.
const SERVES: Duration = Duration::from_secs(2);

/// A write ends at the latest so long after the read that permits it was sent.
pub const LONGEST_WRITE: Duration = SERVES.saturating_add(CALL_TIMEOUT);

/// What was read before a write, and when that read was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Proof {
    of: Of,
    read: Instant,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Of {
    Wanted,
    Ours,
    Adoptable,
    Deletable,
}

impl Proof {
    /// The object, read live, asks for a repository.
    #[must_use]
    pub const fn wanted(read: Instant) -> Self {
        let of = Of::Wanted;
        Self { of, read }
    }

    /// The owner tag is ours, or we have just created the repository with it.
    #[must_use]
    pub const fn ours(read: Instant) -> Self {
        let of = Of::Ours;
        Self { of, read }
    }

    /// The owner tag is none that forbids an adoption, and the object, read live, asks for one.
    #[must_use]
    pub fn adoptable(tags: Instant, object: Instant) -> Self {
        let of = Of::Adoptable;
        let read = tags.min(object);
        Self { of, read }
    }

    /// The owner tag is ours, and the object, read live, is being deleted and asks for this deletion.
    #[must_use]
    pub fn deletable(tags: Instant, object: Instant) -> Self {
        let of = Of::Deletable;
        let read = tags.min(object);
        Self { of, read }
    }

    /// Whether a call may still be made by it.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.serves_at(Instant::now())
    }

    fn serves_at(&self, now: Instant) -> bool {
        now < self.read + SERVES
    }

    /// Whether it is a proof of what this write needs.
    pub(super) const fn permits(&self, action: &Action) -> bool {
        match action {
            Action::CreateRepository(_) => matches!(self.of, Of::Wanted),
            Action::DeleteRepository { .. } => matches!(self.of, Of::Deletable),
            Action::TagResource(_) => matches!(self.of, Of::Ours | Of::Adoptable),
            Action::UntagResource(_)
            | Action::PutImageTagMutability(_)
            | Action::PutImageScanningConfiguration(_)
            | Action::PutLifecyclePolicy(_)
            | Action::DeleteLifecyclePolicy
            | Action::SetRepositoryPolicy(_)
            | Action::DeleteRepositoryPolicy => matches!(self.of, Of::Ours),
        }
    }
}

/// Nothing was sent, because what permits it has grown too old on the way.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("what permits it was read more than {} seconds ago, and nothing was sent", SERVES.as_secs())]
pub(super) struct TooOld;

/// Stops a request whose proof no longer serves. The SDK asks it last of all: what is left is the connection.
#[derive(Debug)]
pub(super) struct WhileItServes(pub(super) Proof);

impl Intercept for WhileItServes {
    fn name(&self) -> &'static str {
        "WhileItServes"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if self.0.serves() {
            Ok(())
        } else {
            Err(TooOld.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{action::NewRepository, observed::Tags};

    #[test]
    fn a_proof_serves_for_two_seconds_from_its_oldest_read() {
        let first = Instant::now();
        let second = first + Duration::from_secs(1);
        for proof in [
            Proof::wanted(first),
            Proof::ours(first),
            Proof::adoptable(first, second),
            Proof::deletable(second, first),
        ] {
            assert!(proof.serves_at(first + Duration::from_millis(1999)));
            assert!(!proof.serves_at(first + SERVES));
        }
    }

    #[test]
    fn each_write_needs_its_own_proof() {
        let new = NewRepository {
            mutability: None,
            scan_on_push: None,
            encryption: None,
            tags: Tags::new(),
        };
        let writes = [
            (Action::CreateRepository(new), [true, false, false, false]),
            (Action::TagResource(Tags::new()), [false, true, true, false]),
            (Action::DeleteLifecyclePolicy, [false, true, false, false]),
            (
                Action::DeleteRepository { force: false },
                [false, false, false, true],
            ),
        ];
        let now = Instant::now();
        let proofs = [
            Proof::wanted(now),
            Proof::ours(now),
            Proof::adoptable(now, now),
            Proof::deletable(now, now),
        ];
        for (action, expected) in writes {
            assert_eq!(proofs.map(|it| it.permits(&action)), expected, "{action:?}");
        }
    }
}
