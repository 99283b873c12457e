//! What a class lets an object ask for.

use super::refusal::{Rule, cut, not_listed, not_permitted};
use super::{Class, Effective, Glob, Subject, effective, invalid};
use crate::api::{
    AdoptionPolicy, ClassAdoption, ClassManagement, ClassSetting, DeletionPolicy,
    ECRRepositorySpec, ManagementPolicy, SettingSource,
};
use crate::domain::desired::Refusal;
use crate::domain::identity::{Registry, RepositoryName};
use crate::domain::policy;
use crate::domain::setting::Setting;

impl Class {
    /// What holds for an object whose repository is in `own`, the name of the repository included.
    ///
    /// # Errors
    /// `NotPermitted` with the first rule that is broken; `InvalidSpec` where the
    /// object has no name under the template. Nothing may then be sent to AWS for it but what its
    /// deletion needs, for which see [`Self::admit_deletion`].
    pub fn admit(
        &self,
        subject: &Subject<'_>,
        spec: &ECRRepositorySpec,
        own: &Registry,
    ) -> Result<Effective, Refusal> {
        self.admit_namespace(subject)?;
        let name = self.repository_name(subject, spec)?;
        let mut effective = effective(spec, self);
        effective.spec.repository_name = Some(name.to_string());
        self.admit_management(spec)?;
        self.admit_adoption(spec)?;
        self.chosen_deletion(spec)?;
        self.admit_key(&effective, own)?;
        self.admit_policy(&effective, own)?;
        Ok(effective)
    }

    /// What becomes of the repository `bound` with its object. What deletes it needs a class that, now,
    /// has the namespace and the name among those that it permits, and lets the operator work there:
    /// that an object may be moved to another class gives nobody what that class lets others do. Retain
    /// needs nothing.
    ///
    /// # Errors
    /// Where the class permits no deletion, or not this one: then nothing is deleted.
    pub fn admit_deletion(
        &self,
        subject: &Subject<'_>,
        spec: &ECRRepositorySpec,
        bound: &RepositoryName,
    ) -> Result<DeletionPolicy, Refusal> {
        let policy = self.chosen_deletion(spec)?;
        if policy == DeletionPolicy::Retain {
            return Ok(policy);
        }
        self.admit_repository(subject, bound)?;
        self.admit_management(spec)?;
        Ok(policy)
    }

    /// Whether the class has a say over the repository `bound` of an object: what becomes of it, and what is
    /// enforced in it. Neither its namespace nor its name is for the object's author to choose anew, nor what
    /// patterns make of them.
    ///
    /// # Errors
    /// Where it has none, because another class is for repositories like this.
    pub fn admit_repository(
        &self,
        subject: &Subject<'_>,
        bound: &RepositoryName,
    ) -> Result<(), Refusal> {
        self.admit_namespace(subject)?;
        self.admit_bound(subject, bound)
    }

    fn chosen_deletion(&self, spec: &ECRRepositorySpec) -> Result<DeletionPolicy, Refusal> {
        let of_class = (self.enforced.deletion_policy, self.defaults.deletion_policy);
        match (of_class, spec.deletion_policy) {
            ((Some(policy), _), _) | ((None, Some(policy)), None) => Ok(policy),
            (_, chosen) => {
                let chosen = chosen.unwrap_or_default();
                if chosen == DeletionPolicy::Retain || self.deletion_policies.contains(&chosen) {
                    return Ok(chosen);
                }
                let what = format!("Set spec.deletionPolicy to Retain or another, not {chosen:?}");
                let listed = self.deletion_policies.iter();
                let allowed: Vec<String> = listed.map(|it| format!("{it:?}")).collect();
                Err(not_permitted(&what, Rule::DeletionPolicies, &allowed))
            }
        }
    }

    /// Whether the class decides what becomes of the repository, whatever the object says.
    #[must_use]
    pub fn enforces_deletion(&self) -> bool {
        self.enforced.deletion_policy.is_some()
    }

    /// Whether an object may have the images go with the repository.
    #[must_use]
    pub fn permits_deletion_with_images(&self) -> bool {
        self.deletion_policies
            .contains(&DeletionPolicy::DeleteWithImages)
    }

    /// Whether the object may hold the operator off, as far as it does.
    ///
    /// # Errors
    /// Where it observes or is suspended and may not, or wants to be worked on where nothing is.
    pub fn admit_management(&self, spec: &ECRRepositorySpec) -> Result<(), Refusal> {
        let suspended = spec.suspend == Some(true);
        let asked = match spec.management_policy.unwrap_or_default() {
            _ if suspended => ClassManagement::Suspend,
            ManagementPolicy::Enforce => ClassManagement::Enforce,
            ManagementPolicy::Observe => ClassManagement::Observe,
        };
        if self.management.contains(&asked) {
            return Ok(());
        }
        let what = match asked {
            ClassManagement::Suspend => "Remove spec.suspend",
            ClassManagement::Observe => "Set spec.managementPolicy to Enforce, not Observe",
            ClassManagement::Enforce => "Set spec.managementPolicy to Observe, not Enforce",
        };
        let listed = self.management.iter().map(|it| format!("{it:?}"));
        let allowed: Vec<String> = listed.collect();
        Err(not_permitted(what, Rule::ManagementPolicies, &allowed))
    }

    /// Whether objects of this namespace may be of the class.
    ///
    /// # Errors
    /// Where they may not.
    pub fn admit_namespace(&self, subject: &Subject<'_>) -> Result<(), Refusal> {
        if self.namespaces.include(subject.namespace_labels) {
            return Ok(());
        }
        let keys = self.namespaces.keys();
        let decides = if keys.is_empty() {
            "none".to_owned()
        } else {
            let keys: Vec<&str> = keys.into_iter().take(5).collect();
            format!("those with the right label {}", keys.join(", "))
        };
        Err(not_permitted(
            "Set spec.className to a class for this namespace, or have the namespace labelled",
            Rule::AllowedNamespaces,
            &[decides],
        ))
    }

    /// The name of the object's repository.
    ///
    /// # Errors
    /// Where it has none under the template, or one that the class does not permit.
    pub fn repository_name(
        &self,
        subject: &Subject<'_>,
        spec: &ECRRepositorySpec,
    ) -> Result<RepositoryName, Refusal> {
        let name = match &spec.repository_name {
            Some(name) => RepositoryName::parse(name)
                .map_err(|why| invalid(format!("Set spec.repositoryName: {why}")))?,
            None => self.template.expand(subject).map_err(|why| {
                invalid(format!(
                    "{why}. Or set spec.repositoryName: the class makes the name by its nameTemplate"
                ))
            })?,
        };
        if self.names.iter().any(|glob| glob.allows(&name, subject)) {
            return Ok(name);
        }
        let what = format!(
            "Choose another spec.repositoryName than {:?}",
            cut(name.as_str())
        );
        Err(self.not_among_names(&what))
    }

    /// As [`Self::repository_name`], of a name that is there and cannot be chosen anew.
    fn admit_bound(&self, subject: &Subject<'_>, bound: &RepositoryName) -> Result<(), Refusal> {
        if self.names.iter().any(|glob| glob.allows(bound, subject)) {
            return Ok(());
        }
        let what = format!(
            "Set spec.className to a class that permits the name {:?}, or have it permitted",
            cut(bound.as_str())
        );
        Err(self.not_among_names(&what))
    }

    fn not_among_names(&self, what: &str) -> Refusal {
        // A pattern without a variable may be the name of others.
        let (own, others): (Vec<_>, Vec<_>) = self.names.iter().partition(|it| it.varies());
        let own = own.into_iter().map(Glob::to_string);
        let others = (!others.is_empty()).then(|| "names that the class lists".to_owned());
        let allowed: Vec<String> = own.chain(others).collect();
        not_permitted(what, Rule::AllowedNames, &allowed)
    }

    fn admit_adoption(&self, spec: &ECRRepositorySpec) -> Result<(), Refusal> {
        let asked = match spec.adoption.as_ref().map(|it| it.policy) {
            None | Some(AdoptionPolicy::Never) => ClassAdoption::Forbidden,
            Some(AdoptionPolicy::IfUnowned) => ClassAdoption::IfUnowned,
            Some(AdoptionPolicy::TakeOver) => ClassAdoption::TakeOver,
        };
        if asked <= self.adoption {
            return Ok(());
        }
        let what = format!("Remove spec.adoption with policy {asked:?}");
        let allowed = [format!("{:?}", self.adoption)];
        Err(not_permitted(&what, Rule::Adoption, &allowed))
    }

    /// Only what the object chose is held to the list: what the class brings is its author's.
    fn admit_key(&self, effective: &Effective, own: &Registry) -> Result<(), Refusal> {
        let encryption = effective.spec.encryption_configuration.as_ref();
        let Some(key) = encryption.and_then(|it| it.kms_key.as_deref()) else {
            return Ok(());
        };
        let chosen = effective.source(ClassSetting::EncryptionConfiguration) == SettingSource::Spec;
        if !chosen || self.keys.allow(key, own) {
            return Ok(());
        }
        let what = format!(
            "Choose another spec.encryptionConfiguration.kmsKey than {:?}",
            cut(key)
        );
        Err(not_listed(
            &what,
            Rule::AllowedKmsKeys,
            self.keys.shown(own),
        ))
    }

    /// As for the key. A policy that can't be read is not sent, and refused as an aspect.
    fn admit_policy(&self, effective: &Effective, own: &Registry) -> Result<(), Refusal> {
        if effective.is_from_class(ClassSetting::RepositoryPolicy) {
            return Ok(());
        }
        let spec = &effective.spec;
        let user = spec.repository_policy.as_ref().map(|policy| &policy.0);
        match policy::with_access(user, spec.access.as_ref(), &own.id) {
            Ok(Setting::Present(document)) => self.grantable.check(&document, &own.id),
            Ok(Setting::Absent | Setting::Unmanaged) | Err(_) => Ok(()),
        }
    }
}
