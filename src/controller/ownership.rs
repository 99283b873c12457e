//! Whose the repository is, and how one that exists comes to be ours.

use std::time::Duration;

use super::{error::Error, kubernetes::look_up, pass::Pass};
use crate::{
    domain::{
        desired::Desired,
        observed::Tags,
        ownership::{Conflict, OwnerObject, Rights, judge},
        reason::Reason,
        status::{Problem, Standing},
    },
    ecr::Ecr,
};

/// How long an adoption waits before it reads its own tag back: longer than any call of another
/// adopter that read before us may still be under way.
const ADOPTION_WAIT: Duration = Duration::from_secs(12);

impl<E: Ecr> Pass<'_, E> {
    /// Judges by the tags; whether another owner of our own cluster lives is asked of Kubernetes.
    pub(super) async fn rights(&self, desired: &Desired, tags: &Tags) -> Rights {
        let claim = self.claim(&desired.owner, &desired.adoption);
        match judge(tags, &claim, OwnerObject::NotLookedUp) {
            Rights::LookUp(owner) => judge(tags, &claim, look_up(self.ctx, &owner).await),
            rights => rights,
        }
    }

    /// Hands off: the pass ends with what to do about it.
    pub(super) async fn contested(&mut self, conflict: Conflict) -> Result<Duration, Error> {
        self.problems.push(Problem {
            aspect: None,
            action: "CreateRepository",
            reason: conflict.reason(),
            message: conflict.message().to_owned(),
            stalled: true,
        });
        self.finish().await
    }

    /// Our tag is written. Another adopter may write its own yet: wait, and read again.
    pub(super) async fn adopted(&mut self) -> Result<Duration, Error> {
        if !self.problems.is_empty() {
            return self.finish().await;
        }
        self.memory.adopting_until = Some(self.ctx.now().after(ADOPTION_WAIT));
        self.adopting().await
    }

    /// Whether an adoption's wait is not over.
    pub(super) fn is_adopting(&self) -> bool {
        self.memory
            .adopting_until
            .is_some_and(|until| until > self.ctx.now())
    }

    /// Comes back when an adoption's wait is over.
    pub(super) async fn adopting(&mut self) -> Result<Duration, Error> {
        let message = "Nothing to do: the repository is tagged as this object's, and the rest \
                       follows once the tag is read back";
        let problem = Problem {
            aspect: None,
            action: "TagResource",
            reason: Reason::Adopting,
            message: message.to_owned(),
            stalled: false,
        };
        self.conclude(Standing::Enforced(vec![problem])).await?;
        let until = self.memory.adopting_until.unwrap_or_default();
        Ok(self.ctx.now().until(until).max(Duration::from_millis(50)))
    }
}
