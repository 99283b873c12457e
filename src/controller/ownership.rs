//! Whose the repository is, and how one that exists comes to be ours.

use std::time::Duration;

use super::{error::Error, kubernetes::look_up, pass::Pass};
use crate::{
    domain::{
        conditions::say_adopting,
        desired::{Adoption, Desired, is_reserved},
        failure::Failure,
        observed::Tags,
        ownership::{Conflict, OwnerObject, Rights, judge},
        reason::Reason,
        retry::Moment,
        status::{Problem, Standing, is_lost},
    },
    ecr::{Clients, LONGEST_WRITE},
};

/// How long an adoption waits before it reads its own tag back. Another adopter whose proof is from before
/// our tag has made its call by then, and has its answer, or never will; a second more is for clocks that
/// go at another speed.
const ADOPTION_WAIT: Duration = LONGEST_WRITE.saturating_add(Duration::from_secs(1));

/// For how long reads may show what was there before a write. AWS promises nothing of a read right after one.
const LAG: Duration = Duration::from_secs(10);

/// How long after the last moment at which something can have been sent it is settled what is there: the call has
/// ended by then, or was applied after its time-out, and reads show it.
const SETTLED: Duration = LONGEST_WRITE.saturating_add(LAG);

/// That tags which say whose the repository is were written.
#[derive(Clone, Debug)]
pub(super) struct Stamped {
    at: Moment,
    /// What they said before, as far as it is ours to say; `None` where there was no repository.
    before: Option<Tags>,
}

impl<C: Clients> Pass<'_, C> {
    /// Notes that our tags were written, also by a creation; `before` are those that were there.
    pub(super) fn note_stamps(&mut self, before: Option<&Tags>) {
        self.memory.stamped = Some(Box::new(Stamped {
            at: self.ctx.now(),
            before: before.map(reserved),
        }));
    }

    /// Why a read tells nothing that says that the repository is not ours, or not there: it is of what was there
    /// before we wrote our tags, and that was a moment ago. Another's tag there would be another one.
    pub(super) fn lags_behind(&self, found: Option<&Tags>) -> Option<Failure> {
        let stamped = self.memory.stamped.as_ref()?;
        let is_young = stamped.at.until(self.ctx.now()) < LAG;
        let is_former = match (&stamped.before, found) {
            (before, Some(found)) => reserved(found) == before.clone().unwrap_or_default(),
            (None, None) => true,
            (Some(_), None) => false,
        };
        (is_young && is_former).then(|| {
            Failure::unsettled(
                "ListTagsForResource does not show yet the tags that were just written",
            )
        })
    }

    /// Why a read that finds no repository, or none of ours, is not the last word where nothing more is sent for the
    /// object from now on: a creation or an adoption whose answer nobody has had may have its effect yet. None once it
    /// would show.
    pub(super) fn may_yet_come(&mut self, found: Option<&Tags>) -> Option<Failure> {
        let lags = self.lags_behind(found);
        if lags.is_some() {
            return lags;
        }
        // One that vanished may be on its way anew.
        let has_it = self.is_established() && !is_lost(&self.before);
        let adopts =
            || self.memory.adopting_until.is_some() || say_adopting(&self.before.conditions);
        let is_under_way = found.is_none_or(|_| adopts());
        if has_it || !is_under_way {
            return None;
        }
        let now = self.ctx.now();
        let since = *self.memory.left_since.get_or_insert(now);
        (since.until(now) < SETTLED).then(|| {
            Failure::unsettled(format!(
                "ListTagsForResource shows nothing of this object, and what was sent for it may still have its effect: \
                 it is looked at again for {} seconds",
                SETTLED.as_secs()
            ))
        })
    }

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
        let leave = self.from_class.adoption.as_ref();
        let message = match leave.filter(|_| conflict == Conflict::AlreadyExists) {
            Some(leave) => leave.already_exists(),
            None => conflict.message(&self.owner()),
        };
        self.problems.push(Problem::for_a_person(
            conflict.action(),
            conflict.reason(),
            message,
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
        let may_be = match adoption {
            Adoption::Never => false,
            Adoption::IfUnowned | Adoption::TakeOver(_) => !self.is_established(),
        };
        if self.memory.adopting_until.is_none() && (may_be || say_adopting(&self.before.conditions))
        {
            self.memory.adopting_until = Some(now.after(ADOPTION_WAIT));
        }
        self.memory.adopting_until.is_some_and(|until| until > now)
    }

    /// Whether what was read is told only once an adoption's wait is over. A process that has just begun knows
    /// nothing of a write of our tags that a read does not show yet.
    pub(super) fn awaits_its_tag(&mut self, rights: &Rights, adoption: &Adoption) -> bool {
        match rights {
            Rights::Ours { .. } => self.is_adopting(adoption),
            Rights::Refused(Conflict::TakenBack) => {
                say_adopting(&self.before.conditions) && self.is_adopting(adoption)
            }
            Rights::Refused(
                Conflict::AlreadyExists
                | Conflict::OwnerTagMissing
                | Conflict::Replaced
                | Conflict::OtherOwner
                | Conflict::TakenAway
                | Conflict::TwoClusters,
            )
            | Rights::MayAdopt { .. }
            | Rights::LookUp(_) => false,
        }
    }

    /// Comes back when an adoption's wait is over.
    pub(super) async fn adopting(&mut self) -> Result<Duration, Error> {
        self.conclude(Standing::Enforced(vec![adopting()])).await?;
        let until = self.memory.adopting_until.unwrap_or_default();
        Ok(self.ctx.now().until(until).max(Duration::from_millis(50)))
    }
}

fn reserved(tags: &Tags) -> Tags {
    let reserved = tags.iter().filter(|(key, _)| is_reserved(key));
    reserved.map(|(k, v)| (k.clone(), v.clone())).collect()
}

fn adopting() -> Problem {
    let message = "The repository is tagged as this object's, and the rest follows once the tag is read \
                   back — nothing to do";
    Problem {
        aspect: None,
        action: "TagResource",
        reason: Reason::Adopting,
        message: message.to_owned(),
        stalled: false,
    }
}
