//! What a class lets an object ask for.

use super::refusal::{Rule, cut, not_permitted};
use super::{Class, Effective, Glob, Subject, effective, invalid};
use crate::api::{
    AdoptionPolicy, ClassAdoption, ClassSetting, DeletionPolicy, ECRRepositorySpec, SettingSource,
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
        self.admit_adoption(spec)?;
        self.admit_deletion(spec)?;
        self.admit_key(&effective, own)?;
        self.admit_policy(&effective, own)?;
        Ok(effective)
    }

    /// What becomes of the repository with its object; all that a deletion asks of the class.
    ///
    /// # Errors
    /// Where the object chose what the class does not permit: then nothing is deleted.
    pub fn admit_deletion(&self, spec: &ECRRepositorySpec) -> Result<DeletionPolicy, Refusal> {
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

    fn admit_namespace(&self, subject: &Subject<'_>) -> Result<(), Refusal> {
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
        // A pattern without a variable may be the name of others.
        let (own, others): (Vec<_>, Vec<_>) = self.names.iter().partition(|it| it.varies());
        let own = own.into_iter().map(Glob::to_string);
        let others = (!others.is_empty()).then(|| "names that the class lists".to_owned());
        let allowed: Vec<String> = own.chain(others).collect();
        Err(not_permitted(&what, Rule::AllowedNames, &allowed))
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
        Err(not_permitted(
            &what,
            Rule::AllowedKmsKeys,
            &self.keys.shown(own),
        ))
    }

    /// As for the key. A policy that can't be read is not sent, and refused as an aspect.
    fn admit_policy(&self, effective: &Effective, own: &Registry) -> Result<(), Refusal> {
        if effective.is_from_class(ClassSetting::RepositoryPolicy) {
            return Ok(());
        }
        let spec = &effective.spec;
        let user = spec.repository_policy.as_ref().map(|policy| &policy.0);
        match policy::with_access(user, spec.access.as_ref()) {
            Ok(Setting::Present(document)) => self.grantable.check(&document, &own.id),
            Ok(Setting::Absent | Setting::Unmanaged) | Err(_) => Ok(()),
        }
    }
}
