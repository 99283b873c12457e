//! A takeover is good once. What `spec.adoption` asked to take over and the object has is noted in status, and
//! is not taken again from the same owner until `spec.adoption` changes: that owner may ask for it as well, and
//! then two objects would take it from each other for ever.

use kube::{ResourceExt as _, runtime::reflector::ObjectRef};

use super::pass::Pass;
use crate::{
    api::{AdoptionPolicy, ECRRepositorySpec, TakenOver},
    domain::{
        desired::Adoption,
        identity::{Identity, Owner},
        observed::Tags,
        status::binding,
    },
    ecr::Clients,
};

impl<C: Clients> Pass<'_, C> {
    /// What was noted holds while `spec.adoption` is what it was. Whatever else changes in spec, it was not asked
    /// for anew.
    pub(super) fn review_takeover(&mut self) {
        // Of one that is too large nobody knows what it asks for.
        if self.excess.is_some() {
            return;
        }
        let asked = asked_from(&self.object.spec);
        let noted = [self.memory.taken_over.take(), self.status.taken_over.take()];
        let mut noted = noted.into_iter().flatten();
        let noted = noted.find(|it| asked == Some(it.from.as_str()));
        self.memory.taken_over.clone_from(&noted);
        self.status.taken_over = noted;
    }

    /// Of the place that is bound now: status forgets with a name that is corrected.
    pub(super) fn bound_takeover(&mut self) {
        self.memory.taken_over.clone_from(&self.status.taken_over);
    }

    /// The object has the repository, however it came by it: what it asks to take over is done.
    pub(super) fn note_takeover(&mut self, adoption: &Adoption) {
        let from = match adoption {
            Adoption::TakeOver(from) => from.to_string(),
            Adoption::Never | Adoption::IfUnowned => return,
        };
        let noted = Some(TakenOver { from });
        self.memory.taken_over.clone_from(&noted);
        self.status.taken_over = noted;
    }

    /// Has the object looked at that the repository belonged to, where it is one of our cluster's: it says that
    /// all is well, and no sweep may show it otherwise for long.
    pub(super) fn wake_former(&self, at: &Identity, before: &Tags) {
        let cluster = &self.ctx.cluster;
        let owner = before.get(Owner::TAG).and_then(|tag| Owner::parse(tag));
        let is_ours =
            |it: &Owner| it.cluster == cluster.name || cluster.previous_names.contains(&it.cluster);
        let Some(owner) = owner.filter(is_ours) else {
            return;
        };
        let former = ObjectRef::new(&owner.name).within(&owner.namespace);
        let Some(object) = self.ctx.store.get(&former) else {
            return;
        };
        let bound = object.place().and_then(|status| binding(&status));
        if let Some(uid) = object.uid()
            && bound.is_some_and(|it| it.identity == *at)
        {
            self.ctx.memories.note_former(&uid);
            // Nobody listens any more once the process stops.
            let _ = self.ctx.woken.unbounded_send(former);
        }
    }

    fn uid(&self) -> String {
        self.object.uid().unwrap_or_default()
    }

    /// Whether another object has adopted what this one had, since it last looked.
    pub(super) fn is_former_owner(&self) -> bool {
        self.ctx.memories.is_former(&self.uid())
    }

    /// It looks: what is adopted from now on it has not seen. Tells whether it was to look.
    pub(super) fn no_longer_former(&self) -> bool {
        self.ctx.memories.take_former(&self.uid())
    }

    /// It could not look.
    pub(super) fn still_former(&self, was: bool) {
        if was {
            self.ctx.memories.note_former(&self.uid());
        }
    }
}

/// Whom an object asks to take its repository over from.
fn asked_from(spec: &ECRRepositorySpec) -> Option<&str> {
    let adoption = spec.adoption.as_ref()?;
    match adoption.policy {
        AdoptionPolicy::TakeOver => adoption.from.as_deref(),
        AdoptionPolicy::Never | AdoptionPolicy::IfUnowned => None,
    }
}
