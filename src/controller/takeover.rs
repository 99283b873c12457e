//! Who loses a repository by a takeover looks at once, and says so.

use kube::{ResourceExt as _, runtime::reflector::ObjectRef};

use super::pass::Pass;
use crate::{
    domain::{
        identity::{Identity, Owner},
        observed::Tags,
        status::binding,
    },
    ecr::Clients,
};

impl<C: Clients> Pass<'_, C> {
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
