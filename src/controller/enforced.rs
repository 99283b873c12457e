//! What the class's word is worth over an object that is refused, or is to go: whether the repository may
//! go with it, whether it may hold the operator off, and what is enforced all the same.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    assign::Course, enforce::look, enforce::remember_tag_keys, error::Error, pass::Pass,
    prove::Right,
};
use crate::{
    api::{Aspect, DeletionPolicy},
    domain::{
        class::{Class, effective},
        desired::{Desired, Refusal},
        identity::{Identity, RepositoryName},
        observed::{Observed, Reading},
        ownership::Rights,
        plan::plan,
        retry::Slot,
        status::{binding, record_applied},
    },
    ecr::{Clients, Ecr, Proof, Tagged},
};

impl<C: Clients> Pass<'_, C> {
    /// What becomes of the repository of this name with the object, as its class and namespace are now.
    ///
    /// # Errors
    /// Where the class does not permit it: then nothing is deleted.
    pub(super) fn admit_deletion(
        &self,
        class: &Class,
        bound: &RepositoryName,
    ) -> Result<DeletionPolicy, Refusal> {
        self.as_subject(|subject| class.admit_deletion(subject, &self.object.spec, bound))
    }

    /// Sets or takes off the finalizer. A class that refuses sets none; one that is there stays while a
    /// deletion is asked for, so that the object waits and says why. `to_be` is where an object leads
    /// that has no repository yet.
    pub(super) async fn hold(
        &mut self,
        class: Option<&Class>,
        to_be: Option<&Identity>,
    ) -> Result<(), Error> {
        let bound = binding(&self.before);
        let established = bound
            .as_ref()
            .filter(|it| it.established || to_be.is_none());
        let Some(at) = established.map(|it| &it.identity).or(to_be) else {
            return Ok(());
        };
        let permitted = class.and_then(|class| self.admit_deletion(class, &at.name).ok());
        let asked = self.object.spec.deletion_policy;
        match permitted.or(asked.filter(|it| *it == DeletionPolicy::Retain)) {
            Some(policy) => self.finalizer(self.wants_finalizer(policy)).await,
            None if self.is_enforced() => Ok(()),
            None => self.finalizer(false).await,
        }
    }

    /// The class and its refusal, where a suspended object may not be. A class that would refuse it for
    /// its namespace has no say in that.
    pub(super) async fn may_not_suspend(&mut self) -> Option<(Arc<Class>, Refusal)> {
        let class = self.assign(Course::GoesOn).await.ok()?;
        self.as_subject(|subject| class.admit_namespace(subject))
            .ok()?;
        let refusal = class.admit_management(&self.object.spec).err()?;
        // What else is not permitted is said along, as far as it is known for which account.
        let bound = binding(&self.before).map(|it| it.identity.registry);
        let own = class.registry.clone().or(bound);
        let all = own.and_then(|own| {
            self.as_subject(|subject| class.admit(subject, &self.object.spec, &own))
                .err()
        });
        Some((class, all.unwrap_or(refusal)))
    }

    /// Writes what the class enforces to the repository of an object that is refused as a whole, or waits to be
    /// deleted, if it is the object's own. Nothing is created or adopted, and nothing of the object's wishes is
    /// written. Nor is anything by a class that is for other namespaces or names: whose images its lifecycle
    /// policy may delete, and who may have which rights on them, is then another class's word.
    pub(super) async fn enforce_class(&mut self, class: &Class) -> Result<(), Error> {
        let Some(bound) = binding(&self.before).filter(|it| it.established) else {
            return Ok(());
        };
        let name = &bound.identity.name;
        let admitted = self.as_subject(|subject| class.admit_repository(subject, name));
        let left_alone = !self.is_enforced() && class.admit_management(&self.object.spec).is_ok();
        if left_alone || admitted.is_err() {
            return Ok(());
        }
        let own_tag_keys = self.object.spec.tags.iter().flatten();
        let own_tag_keys = own_tag_keys.map(|(key, _)| key.clone()).collect();
        let at = &bound.identity;
        let desired = self
            .as_subject(|subject| class.enforced_alone(self.owner(), subject, at, own_tag_keys));
        let Some(mut desired) = desired else {
            return Ok(());
        };
        let spec = &self.object.spec;
        desired.keep = self
            .as_subject(|subject| effective(spec, class, subject))
            .keep();
        match self.aws.registry().await {
            Ok(registry) if registry == at.registry => self.ctx.pace(&registry),
            Ok(_) => return Ok(()),
            Err(failure) => {
                self.failed(Slot::Look, "", "GetCallerIdentity", failure);
                return Ok(());
            }
        }
        self.note_denials(class, &desired);
        self.from_class.lifecycle = class.lifecycle_allowance(true);
        self.carry_out(&desired).await
    }

    async fn carry_out(&mut self, desired: &Desired) -> Result<(), Error> {
        let at = &desired.identity;
        self.review_approval(desired);
        let (described, Tagged { tags, read }) = match look(self, at).await {
            Ok(Some(found)) => found,
            // Nothing is created anew for an object that is refused, or is to go.
            Ok(None) => return Ok(()),
            Err(failure) => {
                self.failed(Slot::Look, "", "DescribeRepositories", failure);
                return Ok(());
            }
        };
        let rights = self.rights(desired, &tags).await;
        if !matches!(rights, Rights::Ours { .. }) || self.is_adopting(&desired.adoption) {
            return Ok(());
        }
        let hashes = desired.hashes();
        let documents = self.read_documents(at, &hashes).await;
        let mut observed = Observed {
            described,
            tags,
            lifecycle: Reading::NotRead,
            policy: Reading::NotRead,
        };
        (observed.lifecycle, observed.policy) = (documents.lifecycle, documents.policy);
        let ours: BTreeSet<_> = self.status.tag_keys.iter().cloned().collect();
        let mut plan = plan(desired, &observed, &rights, &ours);
        // What is refused is the whole, and said already.
        plan.refusals.clear();
        remember_tag_keys(self, &plan);
        match self.save().await {
            // Nothing more may fit into it: that keeps nothing of this out.
            Err(Error::Kubernetes { .. }) if self.excess.is_some() => {}
            saved => saved?,
        }
        self.guard_lifecycle(at, &mut plan).await;
        let right = (Right::Ownership, Some(Proof::ours(read)));
        self.execute(at, plan, &hashes, right).await?;
        let mut untouched = self.undone();
        untouched.extend(
            Aspect::ALL
                .into_iter()
                .filter(|it| !hashes.contains_key(it)),
        );
        record_applied(&mut self.status, &hashes, &untouched);
        self.spend_approval();
        Ok(())
    }
}
