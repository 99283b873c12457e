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
    Created,
    Ours,
    Asked,
    Admitted,
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

    /// By what asked for a repository we have created it, with our tags. It serves no longer for that: however late
    /// the answer came, AWS may have made it at once, and others may have used it since.
    #[must_use]
    pub const fn and_created(self) -> Self {
        let of = match self.of {
            Of::Wanted => Of::Created,
            of @ (Of::Created
            | Of::Ours
            | Of::Asked
            | Of::Admitted
            | Of::Adoptable
            | Of::Deletable) => of,
        };
        Self { of, ..self }
    }

    /// The owner tag is ours.
    #[must_use]
    pub const fn ours(read: Instant) -> Self {
        let of = Of::Ours;
        Self { of, read }
    }

    /// By a proof that the repository is ours, and the object, read live, asks for what it did.
    #[must_use]
    pub fn and_asked(self, object: Instant) -> Self {
        let of = match self.of {
            Of::Ours => Of::Asked,
            of @ (Of::Wanted
            | Of::Created
            | Of::Asked
            | Of::Admitted
            | Of::Adoptable
            | Of::Deletable) => of,
        };
        let read = self.read.min(object);
        Self { of, read }
    }

    /// The same, and class and namespace, read live after it, admit what it asks for.
    #[must_use]
    pub fn and_admitted(self, object: Instant) -> Self {
        let of = match self.of {
            Of::Ours | Of::Asked => Of::Admitted,
            of @ (Of::Wanted | Of::Created | Of::Admitted | Of::Adoptable | Of::Deletable) => of,
        };
        let read = self.read.min(object);
        Self { of, read }
    }

    /// By a proof that the repository is ours, and the object, read live, is being deleted and asks for this
    /// deletion.
    #[must_use]
    pub fn and_goes(self, object: Instant) -> Self {
        match self.of {
            Of::Ours | Of::Asked | Of::Admitted => Self::deletable(self.read, object),
            Of::Wanted | Of::Created | Of::Adoptable | Of::Deletable => self,
        }
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

    /// Whether it is a proof of what this write needs: what it is for, and that it is still asked for. By a lifecycle
    /// policy ECR deletes images, so it needs class and namespace as well, but where the repository is new.
    #[must_use]
    pub const fn permits(&self, action: &Action) -> bool {
        match action {
            Action::CreateRepository(_) => matches!(self.of, Of::Wanted),
            Action::DeleteRepository { .. } => matches!(self.of, Of::Deletable),
            Action::PutLifecyclePolicy(_) => matches!(self.of, Of::Created | Of::Admitted),
            Action::TagResource(_) => {
                matches!(
                    self.of,
                    Of::Created | Of::Asked | Of::Admitted | Of::Adoptable
                )
            }
            Action::UntagResource(_)
            | Action::PutImageTagMutability(_)
            | Action::PutImageScanningConfiguration(_)
            | Action::DeleteLifecyclePolicy
            | Action::SetRepositoryPolicy(_)
            | Action::DeleteRepositoryPolicy => {
                matches!(self.of, Of::Created | Of::Asked | Of::Admitted)
            }
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
    use crate::domain::{action::NewRepository, lifecycle::Lifecycle, observed::Tags};

    #[test]
    fn a_proof_serves_for_two_seconds_from_its_oldest_read() {
        let first = Instant::now();
        let second = first + Duration::from_secs(1);
        for proof in [
            Proof::wanted(first),
            Proof::wanted(first).and_created(),
            Proof::ours(first),
            Proof::ours(first).and_asked(second),
            Proof::ours(second).and_asked(first),
            Proof::ours(first).and_admitted(second),
            Proof::ours(second).and_admitted(first),
            Proof::adoptable(first, second),
            Proof::deletable(second, first),
            Proof::ours(first).and_goes(second),
            Proof::ours(second).and_goes(first),
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
        let policy = Lifecycle::stored("{}");
        let writes = [
            (Action::CreateRepository(new), "wanted"),
            (
                Action::TagResource(Tags::new()),
                "created asked admitted adoptable adoptable",
            ),
            (Action::DeleteLifecyclePolicy, "created asked admitted"),
            (Action::PutLifecyclePolicy(policy), "created admitted"),
            (Action::DeleteRepository { force: false }, "deletable"),
        ];
        let now = Instant::now();
        let proofs = [
            ("wanted", Proof::wanted(now)),
            ("created", Proof::wanted(now).and_created()),
            ("ours", Proof::ours(now)),
            ("ours", Proof::ours(now).and_created()),
            ("asked", Proof::ours(now).and_asked(now)),
            ("admitted", Proof::ours(now).and_admitted(now)),
            ("adoptable", Proof::adoptable(now, now)),
            ("deletable", Proof::ours(now).and_goes(now)),
            ("adoptable", Proof::adoptable(now, now).and_goes(now)),
        ];
        for (action, expected) in writes {
            let permitting = proofs.iter().filter(|(_, it)| it.permits(&action));
            let permitting: Vec<_> = permitting.map(|(name, _)| *name).collect();
            assert_eq!(permitting.join(" "), expected, "{action:?}");
        }
    }
}
