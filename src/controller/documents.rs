//! Lifecycle and repository policy: ECR has no bulk read for them, so they are read only when there
//! is a reason to.

use std::collections::BTreeMap;

use super::{
    context::jittered,
    pass::{OUTDATED, Pass},
};
use crate::{
    api::Aspect,
    domain::{
        failure::Failure,
        identity::Identity,
        lifecycle::Lifecycle,
        observed::Reading,
        policy::Document,
        retry::{Moment, Slot},
    },
    ecr::{Clients, Ecr},
};

/// What was read of the two.
#[derive(Default)]
pub(super) struct Documents {
    pub(super) lifecycle: Reading<Lifecycle>,
    pub(super) policy: Reading<Document>,
}

impl<C: Clients> Pass<'_, C> {
    /// Reads the documents that are ours and are due, were not what is wanted when last seen, or could
    /// not be repaired then.
    pub(super) async fn read_documents(
        &mut self,
        at: &Identity,
        wanted: &BTreeMap<Aspect, String>,
    ) -> Documents {
        let due = self.asked || self.policies_due();
        let mut documents = Documents::default();
        let mut all_read = true;
        if self.is_to_be_read(Aspect::LifecyclePolicy, wanted, due) {
            let read = self.aws.lifecycle(at).await;
            all_read &= read.is_ok();
            documents.lifecycle =
                self.read(Aspect::LifecyclePolicy, "GetLifecyclePolicy", wanted, read);
        }
        if self.is_to_be_read(Aspect::RepositoryPolicy, wanted, due) {
            let read = self.aws.policy(at).await;
            all_read &= read.is_ok();
            documents.policy = self.read(
                Aspect::RepositoryPolicy,
                "GetRepositoryPolicy",
                wanted,
                read,
            );
        }
        if due && all_read && self.problems.is_empty() {
            self.policies_read();
        }
        documents
    }

    fn is_to_be_read(
        &mut self,
        aspect: Aspect,
        wanted: &BTreeMap<Aspect, String>,
        due: bool,
    ) -> bool {
        let Some(hash) = wanted.get(&aspect) else {
            return false;
        };
        let differs = self.applied().get(&aspect) != Some(hash)
            || self
                .before
                .pending
                .iter()
                .any(|it| it.aspect == Some(aspect));
        let slot = Slot::Aspect(aspect);
        (due || differs) && self.held_back(slot, hash, write_of(aspect)).is_none()
    }

    /// What was read. At rest a failed read flips nothing, until it has been due for a day.
    fn read<T>(
        &mut self,
        aspect: Aspect,
        action: &'static str,
        wanted: &BTreeMap<Aspect, String>,
        read: Result<Reading<T>, Failure>,
    ) -> Reading<T> {
        read.unwrap_or_else(|failure| {
            // Its own request: what AWS says of the read says nothing of the write.
            self.failed(Slot::Aspect(aspect), action, action, failure);
            let in_force = self.at_rest() && self.applied().get(&aspect) == wanted.get(&aspect);
            let now = self.ctx.now();
            let due = self.memory.policies_due.unwrap_or(now);
            if in_force && due.until(now) < OUTDATED {
                self.problems.pop();
            }
            Reading::NotRead
        })
    }

    /// Whether the rota has come round. A process that has just started spreads its first turn.
    fn policies_due(&mut self) -> bool {
        let now = self.ctx.now();
        let first = || now.after(self.ctx.settings.policy_resync.mul_f64(fastrand::f64()));
        *self.memory.policies_due.get_or_insert_with(first) <= now
    }

    /// Notes that ECR's documents are known as of now.
    pub(super) fn policies_read(&mut self) {
        let next: Moment = self
            .ctx
            .now()
            .after(jittered(self.ctx.settings.policy_resync));
        self.memory.policies_due = Some(next);
    }
}

/// The operation by which an aspect is written, for people.
pub(super) fn write_of(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::LifecyclePolicy => "PutLifecyclePolicy",
        Aspect::RepositoryPolicy => "SetRepositoryPolicy",
        Aspect::ImageTagMutability => "PutImageTagMutability",
        Aspect::ImageScanningConfiguration => "PutImageScanningConfiguration",
        Aspect::Tags => "TagResource",
    }
}
