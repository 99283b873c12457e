//! What a class lets an object ask for.

use super::partitions::foreign;
use super::pattern::Labels;
use super::refusal::{Offence, Rule, Wanted, cut, refusal};
use super::tags::Unfit;
use super::{AdoptionLeave, Class, Effective, Glob, NamingError, Subject, effective};
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
    /// `NotPermitted` with all that is not permitted; `InvalidSpec` where the object has no name under the
    /// template, or no value for a tag that is enforced, and nothing graver is wrong. Nothing may then be sent to
    /// AWS for it but what its deletion needs, for which see [`Self::admit_deletion`].
    pub fn admit(
        &self,
        subject: &Subject<'_>,
        spec: &ECRRepositorySpec,
        own: &Registry,
    ) -> Result<Effective, Refusal> {
        let (effective, offences) = self.judged(subject, spec, own);
        refusal(&self.name, &offences)?;
        Ok(effective)
    }

    /// What would hold for the object, and all that the class does not permit of it.
    pub(super) fn judged(
        &self,
        subject: &Subject<'_>,
        spec: &ECRRepositorySpec,
        own: &Registry,
    ) -> (Effective, Vec<Offence>) {
        let mut effective = effective(spec, self, subject);
        let mut offences: Vec<Offence> = self.of_namespace(subject).into_iter().collect();
        let name = match self.repository_name(subject, spec) {
            Ok(name) => Some(name.to_string()),
            Err(offence) => {
                offences.push(offence);
                None
            }
        };
        effective.spec.repository_name = name;
        let unfit = effective.unfit().iter().filter(|it| it.is_enforced());
        offences.extend(unfit.map(Unfit::offence));
        offences.extend(self.of_management(spec));
        offences.extend(self.of_adoption(spec));
        offences.extend(self.chosen_deletion(spec).err());
        offences.extend(self.of_key(&effective, own));
        offences.extend(self.of_policy(&effective, own));
        (effective, offences)
    }

    /// Whether the object may look at what has its name, whatever else the class does not permit of it.
    ///
    /// # Errors
    /// Where its namespace or its name is not among those of the class, or it may not observe.
    pub(super) fn admit_sight(
        &self,
        subject: &Subject<'_>,
        spec: &ECRRepositorySpec,
    ) -> Result<(), Refusal> {
        let offences = [
            self.of_namespace(subject),
            self.repository_name(subject, spec).err(),
            self.of_management(spec),
        ];
        let offences: Vec<Offence> = offences.into_iter().flatten().collect();
        refusal(&self.name, &offences)
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
        let policy = self.chosen_deletion(spec);
        if policy == Ok(DeletionPolicy::Retain) {
            return Ok(DeletionPolicy::Retain);
        }
        let mut offences = self.of_repository(subject, bound);
        offences.extend(self.of_management(spec));
        match policy {
            Ok(policy) => refusal(&self.name, &offences).map(|()| policy),
            Err(offence) => {
                offences.push(offence);
                refusal(&self.name, &offences).map(|()| DeletionPolicy::Retain)
            }
        }
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
        refusal(&self.name, &self.of_repository(subject, bound))
    }

    fn of_repository(&self, subject: &Subject<'_>, bound: &RepositoryName) -> Vec<Offence> {
        let offences = [self.of_namespace(subject), self.of_bound(subject, bound)];
        offences.into_iter().flatten().collect()
    }

    fn chosen_deletion(&self, spec: &ECRRepositorySpec) -> Result<DeletionPolicy, Offence> {
        let of_class = (self.enforced.deletion_policy, self.defaults.deletion_policy);
        match (of_class, spec.deletion_policy) {
            ((Some(policy), _), _) | ((None, Some(policy)), None) => Ok(policy),
            (_, chosen) => {
                let chosen = chosen.unwrap_or_default();
                if chosen == DeletionPolicy::Retain || self.deletion_policies.contains(&chosen) {
                    return Ok(chosen);
                }
                let others = self.deletion_policies.iter();
                let others = others.filter(|it| **it != DeletionPolicy::Retain);
                let allowed =
                    others.fold("Retain".to_owned(), |all, it| format!("{all} or {it:?}"));
                let beside = (!self.lists_deletions).then(|| "Delete".to_owned());
                let wanted = Wanted::of(Rule::DeletionPolicies, [format!("{chosen:?}")], beside);
                Err(Offence::new(
                    format!("does not permit the deletionPolicy {chosen:?} (deletionPolicies)"),
                    format!("set spec.deletionPolicy to {allowed}"),
                )
                .wants(wanted))
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

    /// What the class permits where a repository exists already.
    #[must_use]
    pub fn adoption(&self) -> AdoptionLeave {
        AdoptionLeave::of(&self.name, self.adoption)
    }

    /// Whether the object may hold the operator off, as far as it does.
    ///
    /// # Errors
    /// Where it observes or is suspended and may not, or wants to be worked on where nothing is.
    pub fn admit_management(&self, spec: &ECRRepositorySpec) -> Result<(), Refusal> {
        refusal(&self.name, self.of_management(spec).as_slice())
    }

    fn of_management(&self, spec: &ECRRepositorySpec) -> Option<Offence> {
        let suspended = spec.suspend == Some(true);
        let asked = match spec.management_policy.unwrap_or_default() {
            _ if suspended => ClassManagement::Suspend,
            ManagementPolicy::Enforce => ClassManagement::Enforce,
            ManagementPolicy::Observe => ClassManagement::Observe,
        };
        if self.management.contains(&asked) {
            return None;
        }
        let (what, cure) = match asked {
            ClassManagement::Suspend => ("suspend: true", "remove spec.suspend"),
            ClassManagement::Observe => (
                "the managementPolicy Observe",
                "set spec.managementPolicy to Enforce",
            ),
            ClassManagement::Enforce => (
                "the managementPolicy Enforce, and has nothing written",
                "set spec.managementPolicy to Observe, or spec.className to another class",
            ),
        };
        let wanted = Wanted::of(Rule::ManagementPolicies, [format!("{asked:?}")], None);
        let what = format!("does not permit {what} (managementPolicies)");
        Some(Offence::new(what, cure).wants(wanted))
    }

    /// Whether objects of this namespace may be of the class.
    ///
    /// # Errors
    /// Where they may not.
    pub fn admit_namespace(&self, subject: &Subject<'_>) -> Result<(), Refusal> {
        refusal(&self.name, self.of_namespace(subject).as_slice())
    }

    /// Whether objects of a namespace with these labels may be of the class.
    #[must_use]
    pub fn serves(&self, namespace_labels: &Labels) -> bool {
        self.namespaces.include(namespace_labels)
    }

    fn of_namespace(&self, subject: &Subject<'_>) -> Option<Offence> {
        let (labels, namespace) = (subject.namespace_labels, subject.namespace);
        if self.serves(labels) {
            return None;
        }
        Some(match self.namespaces.lacks(labels) {
            Some(lacks) => Offence::new(
                format!(
                    "needs {} on namespace {namespace} (allowedNamespaces)",
                    lacks.join(" and ")
                ),
                "have the namespace labelled so, or set spec.className to a class for it",
            ),
            None => Offence::new(
                format!("permits no namespace, and so not {namespace} (allowedNamespaces)"),
                "set spec.className to another class",
            )
            .wants(Wanted::of(Rule::AllowedNamespaces, [namespace], None)),
        })
    }

    /// The name of the repository that an object leads to, where it has one that the class permits.
    #[must_use]
    pub fn leads_to(
        &self,
        subject: &Subject<'_>,
        spec: &ECRRepositorySpec,
    ) -> Option<RepositoryName> {
        self.repository_name(subject, spec).ok()
    }

    /// The name of the object's repository.
    fn repository_name(
        &self,
        subject: &Subject<'_>,
        spec: &ECRRepositorySpec,
    ) -> Result<RepositoryName, Offence> {
        let name = match &spec.repository_name {
            Some(name) => RepositoryName::parse(name).map_err(|why| {
                Offence::new(
                    "can make no repository of spec.repositoryName",
                    why.to_string(),
                )
                .invalid()
            })?,
            None => self.template.expand(subject).map_err(nameless)?,
        };
        if self.names.iter().any(|glob| glob.allows(&name, subject)) {
            return Ok(name);
        }
        let cure = match self.own_names() {
            Some(own) => format!("choose another spec.repositoryName, such as {own}"),
            None => "choose another spec.repositoryName".to_owned(),
        };
        Err(self.not_among_names(&name, cure))
    }

    /// As [`Self::repository_name`], of a name that is there and cannot be chosen anew.
    fn of_bound(&self, subject: &Subject<'_>, bound: &RepositoryName) -> Option<Offence> {
        if self.names.iter().any(|glob| glob.allows(bound, subject)) {
            return None;
        }
        let cure = "set spec.className to a class that permits it".to_owned();
        Some(self.not_among_names(bound, cure))
    }

    /// The patterns that are another for each object. One without a variable may be the name of others.
    fn own_names(&self) -> Option<String> {
        let own = self.names.iter().filter(|it| it.varies()).take(3);
        let own: Vec<String> = own.map(|it| cut(&it.to_string())).collect();
        (!own.is_empty()).then(|| own.join(" or "))
    }

    fn not_among_names(&self, name: &RepositoryName, cure: String) -> Offence {
        let beside = (!self.lists_names).then(|| Glob::DEFAULT.to_owned());
        let what = format!(
            "does not permit the name {} (allowedNames)",
            cut(name.as_str())
        );
        let wanted = Wanted::of(Rule::AllowedNames, [name.as_str()], beside);
        Offence::new(what, cure).wants(wanted)
    }

    fn of_adoption(&self, spec: &ECRRepositorySpec) -> Option<Offence> {
        let asked = match spec.adoption.as_ref().map(|it| it.policy) {
            None | Some(AdoptionPolicy::Never) => ClassAdoption::Forbidden,
            Some(AdoptionPolicy::IfUnowned) => ClassAdoption::IfUnowned,
            Some(AdoptionPolicy::TakeOver) => ClassAdoption::TakeOver,
        };
        if asked <= self.adoption {
            return None;
        }
        let (what, cure) = match self.adoption {
            ClassAdoption::Forbidden => {
                ("does not allow adoption (adoption)", "remove spec.adoption")
            }
            ClassAdoption::IfUnowned | ClassAdoption::TakeOver => (
                "does not allow to take repositories over (adoption)",
                "set spec.adoption.policy to IfUnowned, or remove spec.adoption",
            ),
        };
        let wanted = Wanted::of(Rule::Adoption, [format!("{asked:?}")], None);
        Some(Offence::new(what, cure).wants(wanted))
    }

    /// Only what the object chose is held to the list: what the class brings is its author's.
    fn of_key(&self, effective: &Effective, own: &Registry) -> Option<Offence> {
        let encryption = effective.spec.encryption_configuration.as_ref();
        let key = encryption?.kms_key.as_deref()?;
        let chosen = effective.source(ClassSetting::EncryptionConfiguration) == SettingSource::Spec;
        if chosen && let Some((what, cure)) = foreign(key, own) {
            let what = format!("can use no spec.encryptionConfiguration.kmsKey that {what}");
            return Some(Offence::new(what, cure).invalid());
        }
        if !chosen || self.keys.allow(key, own) {
            return None;
        }
        let shown = self.keys.shown(own);
        let such = shown
            .as_ref()
            .map_or_else(String::new, |it| format!(", such as one of {it}"));
        let what = format!("does not permit the key {} (allowedKmsKeys)", cut(key));
        let cure = format!("choose another spec.encryptionConfiguration.kmsKey{such}");
        let wanted = Wanted::of(Rule::AllowedKmsKeys, [key], shown);
        Some(Offence::new(what, cure).wants(wanted))
    }

    /// As for the key. A policy that can't be read is not sent, and refused as an aspect.
    fn of_policy(&self, effective: &Effective, own: &Registry) -> Vec<Offence> {
        if effective.is_from_class(ClassSetting::RepositoryPolicy) {
            return Vec::new();
        }
        let spec = &effective.spec;
        let user = spec.repository_policy.as_ref().map(|policy| &policy.0);
        match policy::with_access(user, spec.access.as_ref(), &own.id) {
            Ok(Setting::Present(document)) => self.grantable.offences(&document, &own.id),
            Ok(Setting::Absent | Setting::Unmanaged) | Err(_) => Vec::new(),
        }
    }
}

/// Why the template makes no name.
fn nameless(why: NamingError) -> Offence {
    let otherwise = "or set spec.repositoryName";
    match why {
        NamingError::Value(why) => Offence::new(
            format!("{} for its nameTemplate", why.needs()),
            format!("{}, {otherwise}", why.cure()),
        ),
        NamingError::Name(why) => Offence::new(
            "makes a name by its nameTemplate that ECR does not take",
            format!("{why}; rename the object or its labels, {otherwise}"),
        ),
    }
    .invalid()
}
