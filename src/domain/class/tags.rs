//! Tags, of which some are the class's and some the object's. IAM does not tell keys apart by their case
//! ("IAM JSON policy elements: Condition", tag keys): a policy that asks for a tag of the class would
//! be answered by one of the object that differs in case alone.

use std::collections::{BTreeMap, BTreeSet};

use super::{Class, Effective, effective::spec_of, invalid};
use crate::api::{ClassManagement, ClassSettings, ECRRepositorySpec, SettingSource};
use crate::domain::desired::{Desired, Refusal};
use crate::domain::identity::{Identity, Owner, Registry};

/// Whether a class's own keys can be told apart.
pub(super) fn check_class(
    enforced: &ClassSettings,
    defaults: &ClassSettings,
) -> Result<(), Refusal> {
    let mut seen: BTreeMap<String, &String> = BTreeMap::new();
    let tags = [enforced, defaults].into_iter();
    for key in tags
        .filter_map(|it| it.tags.as_ref())
        .flat_map(BTreeMap::keys)
    {
        if let Some(other) = seen.insert(key.to_lowercase(), key)
            && other != key
        {
            return Err(invalid(format!(
                "Rename one of the tags {other:?} and {key:?} of spec.enforced and spec.defaults: IAM does \
                 not tell keys apart by their case"
            )));
        }
    }
    Ok(())
}

impl Effective {
    /// All that is asked for, parsed.
    ///
    /// # Errors
    /// As [`Desired::parse`].
    pub fn desired(&self, owner: Owner, registry: Registry) -> Result<Desired, Refusal> {
        let mut desired = Desired::parse(owner, registry, &self.spec)?;
        if let Some(refusal) = self.clash() {
            desired.tags = desired.tags.and(Err(refusal));
        }
        let of = |source| {
            let of_source = self
                .tag_sources()
                .iter()
                .filter(move |(_, it)| **it == source);
            of_source.map(|(key, _)| key)
        };
        let tags = self.spec.tags.iter().flatten();
        let enforced: BTreeSet<&String> = of(SettingSource::Enforced).collect();
        let enforced = tags.filter(|(key, _)| enforced.contains(key));
        desired.enforced_tags = enforced.map(|(k, v)| (k.clone(), v.clone())).collect();
        desired.own_tag_keys = of(SettingSource::Spec).cloned().collect();
        Ok(desired)
    }

    /// A tag of the object that differs from one of the class in case alone.
    fn clash(&self) -> Option<Refusal> {
        let all = self.tag_sources();
        let own = all.iter().filter(|(_, it)| **it == SettingSource::Spec);
        let (own, of_class) = own.into_iter().find_map(|(own, _)| {
            let folded = own.to_lowercase();
            let mut others = all.iter().filter(|(_, it)| **it != SettingSource::Spec);
            others
                .find(|(other, _)| other.to_lowercase() == folded)
                .map(|(other, _)| (own, other))
        })?;
        Some(invalid(format!(
            "Rename or remove the tag {own:?}: it differs from the class's tag {of_class:?} in case \
             alone, and IAM does not tell keys apart by their case"
        )))
    }
}

impl Class {
    /// What the class enforces in the repository `at`, which exists, and nothing of what its object asks
    /// for, which is refused as a whole; `None` where that is nothing. `own_tag_keys` are keys of the
    /// object's, whose tags make room where they must.
    #[must_use]
    pub fn enforced_alone(
        &self,
        owner: Owner,
        at: &Identity,
        own_tag_keys: BTreeSet<String>,
    ) -> Option<Desired> {
        if !self.management.contains(&ClassManagement::Enforce) {
            return None;
        }
        let mut spec = ECRRepositorySpec {
            // These count when the repository is created and when it goes.
            encryption_configuration: None,
            deletion_policy: None,
            ..spec_of(&self.enforced)
        };
        let enforced_tags = spec.tags.take().unwrap_or_default();
        if enforced_tags.is_empty() && spec == ECRRepositorySpec::default() {
            return None;
        }
        spec.repository_name = Some(at.name.to_string());
        let desired = Desired::parse(owner, at.registry.clone(), &spec).ok()?;
        Some(Desired {
            tags: Err(invalid("The object as a whole is refused".to_owned())),
            enforced_tags,
            own_tag_keys,
            ..desired
        })
    }
}
