//! Lifecycle and repository policy: ECR has no bulk read for them, so they are read only when there
//! is a reason to.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use super::pass::{OUTDATED, Pass};
use crate::{
    api::Aspect,
    domain::{
        failure::Failure,
        identity::Identity,
        lifecycle::Lifecycle,
        observed::Reading,
        policy::Document,
        retry::{Call, Slot},
        rota::{Rota, Turn},
        status::Problem,
    },
    ecr::{Clients, Ecr},
};

/// What was read of the two.
#[derive(Default)]
pub(super) struct Documents {
    pub(super) lifecycle: Reading<Lifecycle>,
    pub(super) policy: Reading<Document>,
    /// Something is due and could not be read, which is told only once it lasts.
    pub(super) is_lacking: bool,
}

impl<C: Clients> Pass<'_, C> {
    /// Reads the documents that are ours and are due, were not what is wanted when last seen, or could
    /// not be repaired then.
    pub(super) async fn read_documents(
        &mut self,
        at: &Identity,
        wanted: &BTreeMap<Aspect, String>,
    ) -> Documents {
        let mut documents = Documents::default();
        let before = self.problems.len();
        if self.is_to_be_read(Aspect::LifecyclePolicy, wanted) {
            let read = self.aws.lifecycle(at).await;
            documents.lifecycle = self.read(Aspect::LifecyclePolicy, wanted, read);
        }
        if self.is_to_be_read(Aspect::RepositoryPolicy, wanted) {
            let read = self.aws.policy(at).await;
            documents.policy = self.read(Aspect::RepositoryPolicy, wanted, read);
        }
        let told = self.problems.len() > before;
        documents.is_lacking = !told && self.lacks_documents();
        documents
    }

    fn lacks_documents(&self) -> bool {
        [Aspect::LifecyclePolicy, Aspect::RepositoryPolicy]
            .into_iter()
            .any(|aspect| self.memory.attempts.has_failed(reading(aspect)))
    }

    fn is_to_be_read(&mut self, aspect: Aspect, wanted: &BTreeMap<Aspect, String>) -> bool {
        let Some(hash) = wanted.get(&aspect) else {
            *self.turn_of(aspect) = Turn::default();
            return false;
        };
        if self.document_waits(aspect, wanted) {
            return false;
        }
        // A plan that is only shown is made from all that there is.
        let differs = !self.is_enforced()
            || self.applied().get(&aspect) != Some(hash)
            || self
                .before
                .pending
                .iter()
                .any(|it| it.aspect == Some(aspect));
        self.is_due(aspect) || self.asked || differs
    }

    /// Whether a read would be in vain: the write that follows is not due again, or the read itself.
    fn document_waits(&mut self, aspect: Aspect, wanted: &BTreeMap<Aspect, String>) -> bool {
        let hash = wanted.get(&aspect).map_or("", String::as_str);
        let slot = Slot::Aspect(aspect);
        let mut writes = writes_of(aspect).iter();
        if writes.any(|write| self.held_back(slot, hash, write).is_some()) {
            return true;
        }
        let Call { slot, operation } = reading(aspect);
        let is_held_back = self.held_back(slot, operation, operation).is_some();
        if is_held_back {
            self.is_unread(aspect, self.is_in_force(aspect, wanted));
        }
        is_held_back
    }

    /// What was read. At rest a failed read flips nothing, until it has been due for a day. It moves its own
    /// turn: nothing is read at another pace than that at which it is tried again.
    fn read<T>(
        &mut self,
        aspect: Aspect,
        wanted: &BTreeMap<Aspect, String>,
        read: Result<Reading<T>, Failure>,
    ) -> Reading<T> {
        let Call { slot, operation } = reading(aspect);
        match read {
            Ok(read) => {
                self.succeeded(slot, operation);
                self.is_known(aspect);
                read
            }
            Err(failure) => {
                let again = self.failed(slot, operation, operation, failure);
                let now = self.ctx.now();
                let owed = self.turn_of(aspect).missed(now, again);
                let is_silent = self.is_in_force(aspect, wanted) && owed < OUTDATED;
                self.is_unread(aspect, is_silent);
                Reading::NotRead
            }
        }
    }

    /// The problem of a read that was just noted stays, unless it is not to be told; what was refused of
    /// the writes that would follow stays in any case.
    fn is_unread(&mut self, aspect: Aspect, is_silent: bool) {
        if is_silent {
            self.problems.pop();
        }
        self.does_not_reach(aspect, writes_of(aspect));
    }

    /// What comes before these writes of an aspect is not done: nothing of them is over. Where a person was
    /// asked because of one of them, that is said in the place of what was noted last.
    pub(super) fn does_not_reach(&mut self, aspect: Aspect, writes: &[&'static str]) {
        let slot = Slot::Aspect(aspect);
        for operation in writes {
            self.memory.attempts.keep(Call { slot, operation });
            if let Some(asked) = self.asked_for_by(slot, operation) {
                let is_of_it = |it: &&mut Problem| it.aspect == Some(aspect) && !it.stalled;
                match self.problems.last_mut().filter(is_of_it) {
                    Some(noted) => *noted = asked,
                    None => self.problems.push(asked),
                }
            }
        }
    }

    fn is_in_force(&self, aspect: Aspect, wanted: &BTreeMap<Aspect, String>) -> bool {
        let is_applied = self.applied().get(&aspect) == wanted.get(&aspect);
        self.at_rest() && (is_applied || !self.is_enforced())
    }

    fn turn_of(&mut self, aspect: Aspect) -> &mut Turn {
        match aspect {
            Aspect::RepositoryPolicy => &mut self.memory.policy_turn,
            // The others have no document.
            Aspect::LifecyclePolicy
            | Aspect::ImageTagMutability
            | Aspect::ImageScanningConfiguration
            | Aspect::Tags => &mut self.memory.lifecycle_turn,
        }
    }

    fn rota(&self) -> Rota {
        let uid = self.object.metadata.uid.as_deref().unwrap_or_default();
        Rota::of(uid, self.ctx.settings.policy_resync)
    }

    /// Whether the rota has come round.
    fn is_due(&mut self, aspect: Aspect) -> bool {
        let (now, ctx, rota) = (self.ctx.now(), self.ctx, self.rota());
        let first = || ctx.moment_of(rota.first(ctx.idle));
        self.turn_of(aspect).has_come(now, first)
    }

    /// Whether any turn of the rota has come.
    pub(super) fn is_any_due(&mut self, wanted: &BTreeMap<Aspect, String>) -> bool {
        let documents = [Aspect::LifecyclePolicy, Aspect::RepositoryPolicy];
        let mut wanted = documents.into_iter().filter(|it| wanted.contains_key(it));
        wanted.any(|it| self.is_due(it))
    }

    /// Notes that ECR's document is known as of now.
    fn is_known(&mut self, aspect: Aspect) {
        let next = self.ctx.moment_of(self.rota().after(Timestamp::now()));
        self.turn_of(aspect).taken(next);
    }

    /// Notes that both of ECR's documents are known as of now.
    pub(super) fn policies_read(&mut self) {
        self.is_known(Aspect::LifecyclePolicy);
        self.is_known(Aspect::RepositoryPolicy);
    }
}

/// The operations by which a document is written.
fn writes_of(aspect: Aspect) -> &'static [&'static str] {
    match aspect {
        Aspect::LifecyclePolicy => &["PutLifecyclePolicy", "DeleteLifecyclePolicy"],
        Aspect::RepositoryPolicy => &["SetRepositoryPolicy", "DeleteRepositoryPolicy"],
        Aspect::ImageTagMutability | Aspect::ImageScanningConfiguration | Aspect::Tags => &[],
    }
}

/// The call by which a document is read.
const fn reading(aspect: Aspect) -> Call {
    Call {
        slot: Slot::Document(aspect),
        operation: match aspect {
            Aspect::LifecyclePolicy => "GetLifecyclePolicy",
            Aspect::RepositoryPolicy => "GetRepositoryPolicy",
            Aspect::ImageTagMutability | Aspect::ImageScanningConfiguration => {
                "DescribeRepositories"
            }
            Aspect::Tags => "ListTagsForResource",
        },
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
