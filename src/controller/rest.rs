//! Objects at rest: a sweep tells that nothing has changed, and that is all they ask.

use std::time::Duration;

use kube::ResourceExt as _;

use super::{
    documents::Documents,
    pass::{Pass, SeenTo},
    sweep,
};
use crate::{
    api::{ConditionType, ECRRepositoryStatus as Status, ManagementPolicy},
    domain::{
        conditions::says,
        desired::Desired,
        failure::Failure,
        identity::Registry,
        observed::{Described, Observed, Reading, Tags, held},
        ownership::{Conflict, OwnerObject, Rights, judge},
        plan::{documents_match, plan},
        reason::Reason,
        status::{binding, is_applied},
    },
    ecr::{Clients, Ecr, Glance, Sight, Tagged},
};

/// How long an object at rest goes without a pass, where sweeps see to it.
pub(super) const REST: Duration = Duration::from_hours(1);

/// How an object stands that may be at rest.
pub(super) enum Rest {
    /// All is as it should be.
    Holds,
    /// No sweep has looked yet: it will wake whom it concerns.
    AwaitsSweep,
    /// It only observes, and a policy is due to be read: this is what there is.
    Found((Described, Tagged)),
    /// It is to be looked at by itself. Documents that were read on the way need not be read again.
    Look(Option<Documents>),
}

impl<C: Clients> Pass<'_, C> {
    /// Whether this pass has nothing to do but see that all is as it was, as far as status tells.
    fn is_routine(&self) -> bool {
        let is_known = if self.is_enforced() {
            self.is_established() && self.before.pending.is_empty() && self.at_rest()
        } else {
            let compared = &self.before.working_memory.compared;
            binding(&self.before).is_some()
                && compared.is_some()
                && (self.at_rest() || self.is_refused())
        };
        is_known
            && !self.asked
            && self.memory.attempts.only_reads()
            && self.memory.waiting.is_none()
            && !self.is_former_owner()
    }

    /// Whether status says of this very generation that object or class are to be corrected, and nothing else.
    fn is_refused(&self) -> bool {
        let refusals = [
            Reason::NotPermitted,
            Reason::InvalidSpec,
            Reason::ImmutableField,
        ];
        !self.differs
            && self.before.observed_generation == Some(self.generation())
            && says(&self.before.conditions, ConditionType::Stalled, &refusals)
    }

    /// Whether there is no use in going on before the first sweep of all has ended: many objects that
    /// start at once end here, and leave the way to those that have work to do. Whoever is woken before
    /// that has something to look for.
    pub(super) fn awaits_first_sweep(&mut self, registry: &Registry) -> bool {
        let bound = binding(&self.before).map(|it| it.identity);
        let Some(at) = bound.filter(|it| it.registry == *registry) else {
            return false;
        };
        let waits = self.is_first
            && self.is_routine()
            && self.aws.snapshot().is_untried()
            && self.glance(at.name.as_str()) == Glance::NotYet;
        if waits {
            self.aws.snapshot().hurry();
        }
        waits
    }

    /// Has the first sweep of all made at once, and looks for this repository there.
    pub(super) fn hurries_first_sweep(&mut self, name: &str) {
        self.glance(name);
        self.aws.snapshot().hurry();
    }

    /// What the last sweep saw; sees to it that there is one.
    fn glance(&mut self, name: &str) -> Glance {
        let snapshot = self.aws.snapshot();
        let glance = snapshot.glance(name, &self.object.uid().unwrap_or_default());
        sweep::want(&self.ctx.sweeps, &snapshot, &self.access);
        self.seen_to = if glance == Glance::Denied {
            SeenTo::ByItself
        } else {
            SeenTo::BySweeps
        };
        glance
    }

    /// Whether all is as it should be, by what a sweep saw and by documents that are due to be read.
    /// Anything else is looked at singly before anybody acts on it.
    pub(super) async fn rest(&mut self, desired: &Desired) -> Result<Rest, Failure> {
        if desired.management == ManagementPolicy::Observe {
            return self.rest_observing(desired).await;
        }
        let name = desired.identity.name.as_str();
        let wanted = desired.hashes();
        if !self.is_routine()
            || !is_applied(&self.before, &wanted)
            || !self.names_its_tags(desired)
            || !self.names_its_cluster(desired)
        {
            return Ok(self.looks(desired, None));
        }
        match self.glance(name) {
            Glance::NotYet => return Ok(Rest::AwaitsSweep),
            Glance::Failed(failure) => return Err(failure),
            Glance::Denied | Glance::Unlisted | Glance::Others => {
                return Ok(self.looks(desired, None));
            }
            Glance::Unchanged => {}
            Glance::Seen(sight) => {
                let tags = if sight.tags.is_some() {
                    sight.tags.clone()
                } else {
                    let found = self.aws.tags(&desired.identity).await?;
                    found.map(|it| it.tags)
                };
                if !tags.is_some_and(|tags| self.is_as_asked(desired, &sight.described, tags)) {
                    return Ok(self.looks(desired, None));
                }
                self.note_ownership(&desired.identity);
                self.note_encryption(desired, sight.described.encryption.as_ref());
                let uid = self.object.uid().unwrap_or_default();
                self.aws.snapshot().agree(name, &uid, &sight);
            }
        }
        self.is_seen();
        let documents = self.read_documents(&desired.identity, &wanted).await;
        if documents_match(desired, &documents.lifecycle, &documents.policy)
            && self.problems.is_empty()
        {
            return Ok(Rest::Holds);
        }
        Ok(self.looks(desired, Some(documents)))
    }

    /// The same of an object that only observes: whether what there is is what its plan was made from. It agrees
    /// with nothing: that would be in the name of whoever has the repository. A plan is all that comes of it,
    /// so that what a sweep saw is enough for one.
    async fn rest_observing(&mut self, desired: &Desired) -> Result<Rest, Failure> {
        let compared = self.before.working_memory.compared.as_ref();
        let compared = compared.map(|it| it.held.clone());
        let Some(before) = compared.filter(|_| self.is_routine()) else {
            return Ok(self.looks(desired, None));
        };
        let sight = match self.glance(desired.identity.name.as_str()) {
            Glance::NotYet => return Ok(Rest::AwaitsSweep),
            Glance::Failed(failure) => return Err(failure),
            Glance::Unlisted if before == held(None) => {
                self.is_seen();
                return Ok(Rest::Holds);
            }
            Glance::Denied | Glance::Unlisted | Glance::Unchanged | Glance::Others => {
                return Ok(self.looks(desired, None));
            }
            Glance::Seen(sight) => sight,
        };
        let Sight { described, tags } = sight;
        let is_due = self.is_any_due(&desired.hashes());
        if let (Some(tags), false) = (&tags, is_due) {
            if before != held(Some((&described, tags))) {
                return Ok(self.looks(desired, None));
            }
            self.is_seen();
            return Ok(Rest::Holds);
        }
        // Nobody lists the tags of a repository without an owner: at its turn they are read as well.
        let tagged = self.aws.tags(&desired.identity).await?;
        let now = tagged.as_ref().map(|it| (&described, &it.tags));
        let is_same = before == held(now);
        match tagged.filter(|_| is_same) {
            None => Ok(self.looks(desired, None)),
            Some(tagged) => {
                self.is_seen();
                Ok(if is_due {
                    Rest::Found((described, tagged))
                } else {
                    Rest::Holds
                })
            }
        }
    }

    fn is_seen(&mut self) {
        self.memory.seen = Some(self.ctx.now());
        self.memory.attempts.looked();
    }

    /// Whoever has the repository doubts what it agreed with. What others look for there is no news of it.
    fn looks(&mut self, desired: &Desired, documents: Option<Documents>) -> Rest {
        let bound = binding(&self.before).filter(|it| it.established);
        let is_its = bound.is_some_and(|it| it.identity == desired.identity);
        if is_its && !is_contested(&self.before) {
            self.aws.snapshot().doubt(desired.identity.name.as_str());
        }
        self.seen_to = SeenTo::ByItself;
        Rest::Look(documents)
    }

    fn names_its_tags(&self, desired: &Desired) -> bool {
        let tags = desired.tags.as_ref();
        tags.is_ok_and(|tags| tags.keys().eq(&self.before.tag_keys))
    }

    /// While the API server takes up a newer definition, a watch that began before it still leaves out what the
    /// older one lacked: a look puts the cluster back, and without it the next status would lose it.
    fn names_its_cluster(&self, desired: &Desired) -> bool {
        desired.management == ManagementPolicy::Observe || self.before.cluster_uid.is_some()
    }

    /// Whether a repository is ours and needs no write, but for its documents, and is the one that it was.
    fn is_as_asked(&self, desired: &Desired, described: &Described, tags: Tags) -> bool {
        let claim = self.claim(&desired.owner, &desired.adoption);
        let rights = judge(&tags, &claim, OwnerObject::NotLookedUp);
        let is_proved = matches!(&rights, Rights::Ours { stamps } if stamps.is_empty());
        let ours = self.before.tag_keys.iter().cloned().collect();
        let observed = Observed {
            described: described.clone(),
            tags,
            lifecycle: Reading::NotRead,
            policy: Reading::NotRead,
        };
        is_proved
            && self.before.created_at.as_ref() == Some(&observed.described.created_at)
            && plan(&self.of_existing(desired), &observed, &rights, &ours).is_empty()
    }

    /// From now on sweeps see to the object, where all is as it should be.
    pub(super) fn rests_on_sweeps(&mut self, desired: &Desired) {
        if self.problems.is_empty() {
            self.glance(desired.identity.name.as_str());
        }
    }
}

/// Whether status says that the repository is another's.
fn is_contested(status: &Status) -> bool {
    says(
        &status.conditions,
        ConditionType::Stalled,
        &Conflict::REASONS,
    )
}
