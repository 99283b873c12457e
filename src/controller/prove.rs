//! Proofs: what permits a write is read once its turn has come, and serves for a moment only.

use tokio::time::Instant;

use super::{
    error::Error,
    kubernetes::{live, version},
    pass::Pass,
};
use crate::{
    api::ECRRepository,
    domain::{
        action::Action,
        desired::{Adoption, Desired},
        failure::Failure,
        identity::Identity,
        observed::Tags,
        ownership::{OwnerObject, Rights, judge},
    },
    ecr::{Clients, Ecr, Proof, Tagged, Turn},
};

/// By what right something is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Right<'a> {
    /// The object asks for a repository, and there is none.
    Creation,
    /// It has just been created for the object.
    Created,
    /// The repository is the object's.
    Ownership,
    /// The object may adopt it.
    Adoption(&'a Desired),
}

/// How often a proof that grew old while it was read is read again.
const TRIES: u32 = 3;

impl<C: Clients> Pass<'_, C> {
    /// Waits for the turn of a write, unless the object changes meanwhile: then something else may be
    /// asked for.
    pub(super) async fn turn(&self, at: &Identity, action: &Action) -> Result<Turn, Error> {
        self.unless_changed(self.aws.turn(at, action)).await
    }

    /// The turns of several, waited for together.
    pub(super) async fn turns<'b>(
        &self,
        at: &Identity,
        actions: impl Iterator<Item = &'b Action>,
    ) -> Result<Vec<Turn>, Error> {
        let turns = actions.map(|action| self.aws.turn(at, action));
        self.unless_changed(futures::future::join_all(turns)).await
    }

    /// Waits for something, unless the object, its class or its namespace changes meanwhile.
    async fn unless_changed<T>(&self, comes: impl Future<Output = T>) -> Result<T, Error> {
        tokio::select! {
            biased;
            it = comes => Ok(it),
            () = self.changed.cancelled() => Err(Error::Superseded),
        }
    }

    /// A proof that serves for a write: the one that there is, or another one.
    ///
    /// # Errors
    /// The outer one where the right is gone, or Kubernetes does not tell; the inner one where AWS does not.
    pub(super) async fn proof(
        &mut self,
        at: &Identity,
        (right, known): (Right<'_>, Option<Proof>),
        action: &Action,
    ) -> Result<Result<Proof, Failure>, Error> {
        let mut known = known;
        for _ in 0..TRIES {
            let proof = match known.take().filter(Proof::serves) {
                Some(known) => known,
                None if self.is_guarded_later(right, action) => return Ok(Err(late())),
                None => match self.prove(at, right).await? {
                    Ok(proof) => proof,
                    Err(failure) => return Ok(Err(failure)),
                },
            };
            let proof = if proof.permits(action) {
                proof
            } else {
                self.with_object(proof, at, action).await?
            };
            let is_new = self.is_guarded_later(right, action);
            if matches!(action, Action::PutLifecyclePolicy(_)) && !self.still_guarded(is_new) {
                return Err(Error::Superseded);
            }
            if proof.serves() {
                self.still_permitted()?;
                return Ok(Ok(proof));
            }
        }
        Ok(Err(slow()))
    }

    /// Whether this is the lifecycle policy of a new repository, which would need a preview anywhere else. By the time
    /// that what permitted the creation serves no more there may be images: then it is left to the next pass, which
    /// previews it.
    pub(super) const fn is_guarded_later(&self, right: Right<'_>, action: &Action) -> bool {
        matches!(right, Right::Created)
            && matches!(action, Action::PutLifecyclePolicy(_))
            && self.from_class.lifecycle.is_some()
    }

    /// What whose repository it is does not prove by itself: that the object is there and asks for what it did,
    /// and, where images can be lost, that class and namespace still permit it, by the API server's own word.
    async fn with_object(
        &mut self,
        proof: Proof,
        at: &Identity,
        action: &Action,
    ) -> Result<Proof, Error> {
        let read = self.still_asked_for().await?;
        match action {
            Action::DeleteRepository { .. } => {
                self.still_permitted_live(at, action).await?;
                Ok(proof.and_goes(read))
            }
            Action::PutLifecyclePolicy(_) => {
                self.still_permitted_live(at, action).await?;
                Ok(proof.and_admitted(read))
            }
            Action::CreateRepository(_)
            | Action::TagResource(_)
            | Action::UntagResource(_)
            | Action::PutImageTagMutability(_)
            | Action::PutImageScanningConfiguration(_)
            | Action::DeleteLifecyclePolicy
            | Action::SetRepositoryPolicy(_)
            | Action::DeleteRepositoryPolicy => Ok(proof.and_asked(read)),
        }
    }

    async fn prove(
        &mut self,
        at: &Identity,
        right: Right<'_>,
    ) -> Result<Result<Proof, Failure>, Error> {
        match right {
            Right::Creation => Ok(Ok(Proof::wanted(self.still_asked_for().await?))),
            Right::Created | Right::Ownership => match self.tags(at).await? {
                Ok(Some(tagged)) if self.is_ours(&tagged.tags) => Ok(Ok(Proof::ours(tagged.read))),
                Ok(Some(_)) => Err(Error::Superseded),
                Ok(None) => Ok(Err(vanished())),
                Err(failure) => Ok(Err(failure)),
            },
            Right::Adoption(desired) => {
                let tagged = match self.tags(at).await? {
                    Ok(Some(tagged)) => tagged,
                    Ok(None) => return Ok(Err(vanished())),
                    Err(failure) => return Ok(Err(failure)),
                };
                match self.rights(desired, &tagged.tags).await {
                    Rights::MayAdopt { .. } => {}
                    Rights::Ours { .. } | Rights::Refused(_) | Rights::LookUp(_) => {
                        return Err(Error::Superseded);
                    }
                }
                let object = self.still_asked_for().await?;
                Ok(Ok(Proof::adoptable(tagged.read, object)))
            }
        }
    }

    /// Reads whose the repository is.
    pub(super) async fn tags(
        &self,
        at: &Identity,
    ) -> Result<Result<Option<Tagged>, Failure>, Error> {
        self.unless_changed(self.aws.tags(at)).await
    }

    /// Reads the object live: it is there, asks for what it did, and is being deleted only if it was. Tells when
    /// that was asked.
    async fn still_asked_for(&mut self) -> Result<Instant, Error> {
        let _room = self.ctx.room(self.excess.is_some()).await;
        let read = Instant::now();
        let live = live(&self.ctx.client, &self.object).await?;
        // Should this end the pass, the next one waits for no watch that may lag: its copy is too old.
        self.memory.written = live.as_ref().map_or(Some(u64::MAX), version);
        // Its spec, and so suspend, managementPolicy and deletionPolicy, is that of its generation.
        let of = |it: &ECRRepository| {
            let meta = &it.metadata;
            (meta.generation, meta.deletion_timestamp.is_some())
        };
        let same = live.filter(|it| of(it) == of(&self.object));
        self.object = same.ok_or(Error::Superseded)?;
        Ok(read)
    }

    /// Whether the tags say that the repository is this object's.
    pub(super) fn is_ours(&self, tags: &Tags) -> bool {
        matches!(self.rights_by_tags(tags), Rights::Ours { .. })
    }

    /// What the tags alone permit: nothing is adopted.
    pub(super) fn rights_by_tags(&self, tags: &Tags) -> Rights {
        let owner = self.owner();
        judge(
            tags,
            &self.claim(&owner, &Adoption::Never),
            OwnerObject::Alive,
        )
    }
}

/// AWS takes so long to tell whose the repository is that it may no longer be so.
fn slow() -> Failure {
    Failure::unavailable("ListTagsForResource: the answer came too late to write by it")
}

fn vanished() -> Failure {
    Failure::unsettled("ListTagsForResource does not find the repository that was there before")
}

fn late() -> Failure {
    Failure::unsettled(
        "CreateRepository took so long that there may be images by now: the lifecycle policy follows once that \
         is looked at",
    )
}
