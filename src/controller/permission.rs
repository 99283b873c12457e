//! Whether class and namespace still permit what a pass is about to do: by what the watches told, and, where
//! images can be lost, by the API server's own word.

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Resource as _, ResourceExt as _,
    api::{ListParams, ObjectMeta},
};

use super::{
    assign::{Course, access, candidate, counts},
    error::Error,
    pass::Pass,
};
use crate::{
    api::{DeletionPolicy, ECRRepositoryClass},
    domain::{
        action::Action,
        class::{Class, Labels, Subject},
        identity::Identity,
    },
    ecr::Clients,
};

/// By what the pass may do what it plans.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Permission {
    course: Course,
    /// Which class it is, and as of which generation.
    pub(super) class: String,
    /// The labels of the namespace.
    labels: Labels,
}

impl<C: Clients> Pass<'_, C> {
    /// What decides over the object beside itself: its class, and the labels of its namespace.
    pub(super) fn permission_by(&self, class: &ObjectMeta, course: Course) -> Permission {
        let namespace = self.object.namespace().unwrap_or_default();
        Permission {
            course,
            class: version(class),
            labels: self.ctx.surroundings.labels(&namespace),
        }
    }

    fn permission_now(&self, course: Course) -> Option<Permission> {
        let class = self.ctx.class_of(&self.object, course).ok()?;
        Some(self.permission_by(class.meta(), course))
    }

    /// Object, class and namespace are as they were when the plan was made, as far as the watches told: what a
    /// pass waited for may have been forbidden meanwhile.
    pub(super) fn still_permitted(&self) -> Result<(), Error> {
        let permission = self.permission.as_ref();
        let holds =
            permission.is_some_and(|it| self.permission_now(it.course).as_ref() == Some(it));
        if holds && !self.changed.is_cancelled() {
            Ok(())
        } else {
            Err(Error::Superseded)
        }
    }

    /// Whether class and namespace permit a write by which images can go, by the API server's word, which no watch
    /// holds back. What was read is judged, and not whether it is the same: a label that no class asks for says
    /// nothing. The object itself has just been read.
    pub(super) async fn still_permitted_live(
        &self,
        at: &Identity,
        action: &Action,
    ) -> Result<(), Error> {
        let permission = self.permission.as_ref().ok_or(Error::Superseded)?;
        let labels = self.labels_live().await?;
        let class = self.class_live(permission.course).await?;
        let parsed = self.ctx.parsed.of(&class).map_err(|_| Error::Superseded)?;
        let owner = self.owner();
        let subject = Subject {
            namespace: &owner.namespace,
            name: &owner.name,
            labels: self.object.labels(),
            namespace_labels: &labels,
        };
        let holds = if let Action::DeleteRepository { force } = action {
            access(&class.name_any(), &parsed) == self.access
                && self.deletes(&parsed, &subject, at) == Some(*force)
        } else {
            version(&class.metadata) == permission.class
                && parsed.admit_repository(&subject, &at.name).is_ok()
        };
        if holds {
            Ok(())
        } else {
            Err(Error::Superseded)
        }
    }

    /// Whether the repository goes with its object, and its images with it.
    fn deletes(&self, class: &Class, subject: &Subject<'_>, at: &Identity) -> Option<bool> {
        match class.admit_deletion(subject, &self.object.spec, &at.name) {
            Ok(DeletionPolicy::Delete) => Some(false),
            Ok(DeletionPolicy::DeleteWithImages) => Some(true),
            Ok(DeletionPolicy::Retain) | Err(_) => None,
        }
    }

    async fn labels_live(&self) -> Result<Labels, Error> {
        let namespaces = Api::<Namespace>::all(self.ctx.client.clone());
        let namespace = self.object.namespace().unwrap_or_default();
        let live = namespaces.get_metadata_opt(&namespace).await;
        let live = live.map_err(Error::kubernetes("read the namespace"))?;
        live.map(|it| it.labels().clone()).ok_or(Error::Superseded)
    }

    /// The class that counts. Which one is the default stands in annotations, which are of no generation: of all
    /// classes only these are read.
    async fn class_live(&self, course: Course) -> Result<ECRRepositoryClass, Error> {
        let classes = Api::<ECRRepositoryClass>::all(self.ctx.client.clone());
        let named = self.object.spec.class_name.as_deref();
        let name = if let Some(name) = named {
            name.to_owned()
        } else {
            let all = classes.list_metadata(&ListParams::default()).await;
            let all = all.map_err(Error::kubernetes("list the classes"))?;
            let candidates: Vec<_> = all.iter().map(candidate).collect();
            let chosen = counts(None, &candidates, course);
            chosen.map_err(|_| Error::Superseded)?.name.to_owned()
        };
        let class = classes.get_opt(&name).await;
        let class = class.map_err(Error::kubernetes("read the class"))?;
        let still = |it: &ECRRepositoryClass| counts(named, &[candidate(it)], course).is_ok();
        class.filter(still).ok_or(Error::Superseded)
    }
}

/// Which class it is, and as of which generation.
pub(super) fn version(class: &ObjectMeta) -> String {
    let uid = class.uid.as_deref().unwrap_or_default();
    format!("{uid} {}", class.generation.unwrap_or_default())
}
