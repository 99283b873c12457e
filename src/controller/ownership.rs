//! Whose the repository is, and how one that exists comes to be ours.

use std::time::Duration;

use super::{error::Error, kubernetes::look_up, pass::Pass};
use crate::{
    api::ECRRepositoryStatus as Status,
    domain::{
        desired::{Adoption, Desired},
        observed::Tags,
        ownership::{Conflict, OwnerObject, Rights, judge},
        reason::Reason,
        status::{Problem, Standing, binding},
    },
    ecr::{Clients, LONGEST_WRITE},
};

/// How long an adoption waits before it reads its own tag back. Another adopter whose proof is from before
/// our tag has made its call by then, and has its answer, or never will; a second more is for clocks that
/// go at another speed.
const ADOPTION_WAIT: Duration = LONGEST_WRITE.saturating_add(Duration::from_secs(1));

impl<C: Clients> Pass<'_, C> {
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
        self.problems.push(Problem::for_a_person(
            "CreateRepository",
            conflict.reason(),
            conflict.message(),
        ));
        self.finish().await
    }

    /// Says that an adoption begins, before the tag is written: a process that starts after a crash
    /// knows by it that the wait is still to come.
    pub(super) async fn begin_adoption(&mut self) -> Result<(), Error> {
        self.conclude(Standing::Enforced(vec![adopting()]))
            .await
            .map(drop)
    }

    /// Our tag is written, or may be: an answer can be lost. Another adopter may write its own yet: wait,
    /// and read again.
    pub(super) async fn adopted(&mut self) -> Result<Duration, Error> {
        self.memory.adopting_until = Some(self.ctx.now().after(ADOPTION_WAIT));
        if !self.problems.is_empty() {
            return self.finish().await;
        }
        self.adopting().await
    }

    /// Whether an adoption's wait is not over. One that an earlier process began is waited out from
    /// the beginning: where the object asks for an adoption, a repository that has our tag and is not yet in
    /// status may have been tagged a moment ago, whatever the conditions say.
    pub(super) fn is_adopting(&mut self, adoption: &Adoption) -> bool {
        let now = self.ctx.now();
        let is_established = binding(&self.before).is_some_and(|it| it.established);
        let may_be = match adoption {
            Adoption::Never => false,
            Adoption::IfUnowned | Adoption::TakeOver(_) => !is_established,
        };
        if self.memory.adopting_until.is_none() && (may_be || says_adopting(&self.before)) {
            self.memory.adopting_until = Some(now.after(ADOPTION_WAIT));
        }
        self.memory.adopting_until.is_some_and(|until| until > now)
    }

    /// Comes back when an adoption's wait is over.
    pub(super) async fn adopting(&mut self) -> Result<Duration, Error> {
        self.conclude(Standing::Enforced(vec![adopting()])).await?;
        let until = self.memory.adopting_until.unwrap_or_default();
        Ok(self.ctx.now().until(until).max(Duration::from_millis(50)))
    }
}

/// Whether status says that an adoption is under way.
fn says_adopting(status: &Status) -> bool {
    let mut conditions = status.conditions.iter();
    conditions.any(|c| c.type_ == "Reconciling" && c.reason == Reason::Adopting.as_str())
}

fn adopting() -> Problem {
    let message = "Nothing to do: the repository is tagged as this object's, and the rest follows \
                   once the tag is read back";
    Problem {
        aspect: None,
        action: "TagResource",
        reason: Reason::Adopting,
        message: message.to_owned(),
        stalled: false,
    }
}
