//! Classes: where repositories are, how they are named, what they have in common, and what those who
//! ask for them may choose.
//!
//! All of it is decided here, before AWS hears anything. [`Class::parse`] makes a class of its spec
//! once; [`choose`] says which class counts for an object; [`Class::admit`] turns the object's spec
//! into the one that holds, or says what the class does not permit.

mod actions;
mod admit;
mod adoption;
mod budget;
mod choice;
mod denials;
mod effective;
mod grants;
mod keep;
mod keys;
mod lifecycle_guard;
mod look;
mod names;
mod namespaces;
mod partitions;
mod pattern;
mod principals;
mod records;
mod refusal;
mod standing;
mod tags;

#[cfg(test)]
mod tests;

pub use actions::AllowedActions;
pub use adoption::AdoptionLeave;
pub use budget::Budget;
pub use choice::{Candidate, Defaults, NoChoice, choose};
pub use effective::{Effective, effective, setting_of};
pub use grants::Grantable;
pub use keep::Keep;
pub use keys::KmsKeys;
pub use lifecycle_guard::{Allowance, Case, Guarded, Preview, answered, guard, needs_approval};
pub use look::{Look, Unmet};
pub use names::{Glob, NameTemplate, NamingError};
pub use namespaces::Namespaces;
pub use pattern::{Labels, PatternError, Subject, ValueError};
pub use principals::AllowedPrincipals;
pub use refusal::Rule;
pub use standing::{ClassStanding, conclude_class};

use effective::spec_of;

use super::desired::{Desired, Refusal};
use super::identity::{Owner, Region, Registry, RegistryId};
use super::reason::Reason;
use crate::api::{
    ClassAdoption, ClassManagement, ClassRegistry, ClassSettings, DeletionPolicy,
    ECRRepositoryClassSpec,
};

/// A role that is assumed for a class.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// What its trust policy asks for.
    pub external_id: Option<String>,
    /// Whether the session is tagged.
    pub session_tags: bool,
}

/// A class that can be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// Its name.
    name: String,
    /// Where repositories are; `None` for the operator's own account and region.
    pub registry: Option<Registry>,
    /// With which role; `None` for the operator's own credentials.
    pub role: Option<Role>,
    /// How often AWS is called.
    pub budget: Budget,
    /// How many images a lifecycle policy may take away without a person's word, where that is said.
    max_expire: Option<u64>,
    /// What policies may grant.
    pub grantable: Grantable,
    namespaces: Namespaces,
    template: NameTemplate,
    names: Vec<Glob>,
    lists_names: bool,
    keys: KmsKeys,
    deletion_policies: Vec<DeletionPolicy>,
    lists_deletions: bool,
    management: Vec<ClassManagement>,
    adoption: ClassAdoption,
    enforced: ClassSettings,
    defaults: ClassSettings,
}

impl Class {
    /// Parses a class.
    ///
    /// # Errors
    /// Where it can't be used as it is. A class that the API server took is refused only for what the
    /// API server can't tell.
    pub fn parse(name: &str, spec: &ECRRepositoryClassSpec) -> Result<Self, Refusal> {
        let enforced = spec.enforced.clone().unwrap_or_default();
        let defaults = spec.defaults.clone().unwrap_or_default();
        check_settings("spec.enforced", &enforced)?;
        check_settings("spec.defaults", &defaults)?;
        tags::check_class(&enforced, &defaults)?;
        let registry = spec.registry.as_ref().map(registry).transpose()?;
        if let Some(registry) = &registry {
            partitions::check(spec, registry)?;
        }
        Ok(Self {
            name: name.to_owned(),
            registry,
            role: spec.assume_role.as_ref().map(|role| Role {
                arn: role.role_arn.clone(),
                external_id: role.external_id.clone(),
                session_tags: role.session_tags.unwrap_or(false),
            }),
            budget: Budget::parse(spec.api_budget.as_ref()),
            max_expire: max_expire(spec),
            grantable: Grantable::new(
                AllowedPrincipals::parse(
                    spec.allowed_principals.as_deref(),
                    spec.allowed_services.as_deref(),
                ),
                AllowedActions::parse(spec.allowed_actions.as_deref()),
                spec.assume_role.as_ref().map(|role| role.role_arn.as_str()),
            ),
            namespaces: Namespaces::parse(spec.allowed_namespaces.as_ref()),
            template: template(spec.name_template.as_deref())?,
            names: names(spec.allowed_names.as_deref())?,
            lists_names: spec.allowed_names.is_some(),
            keys: KmsKeys::parse(spec.allowed_kms_keys.as_deref()),
            deletion_policies: spec
                .deletion_policies
                .clone()
                .unwrap_or_else(|| vec![DeletionPolicy::Retain, DeletionPolicy::Delete]),
            lists_deletions: spec.deletion_policies.is_some(),
            management: spec.management_policies.clone().unwrap_or_else(|| {
                vec![
                    ClassManagement::Enforce,
                    ClassManagement::Observe,
                    ClassManagement::Suspend,
                ]
            }),
            adoption: spec.adoption.unwrap_or_default(),
            enforced,
            defaults,
        })
    }
}

fn invalid(message: String) -> Refusal {
    Refusal {
        reason: Reason::InvalidSpec,
        message,
    }
}

fn registry(spec: &ClassRegistry) -> Result<Registry, Refusal> {
    let id = RegistryId::parse(&spec.account_id);
    let region = Region::parse(&spec.region);
    match (id, region) {
        (Ok(id), Ok(region)) => Ok(Registry { id, region }),
        (Err(why), _) => Err(invalid(format!("spec.registry.accountId is none — {why}"))),
        (_, Err(why)) => Err(invalid(format!("spec.registry.region is none — {why}"))),
    }
}

fn max_expire(spec: &ECRRepositoryClassSpec) -> Option<u64> {
    let guard = spec.lifecycle_guard.as_ref();
    guard
        .and_then(|guard| guard.max_expire)
        .map(|most| u64::try_from(most).unwrap_or(0))
}

fn template(text: Option<&str>) -> Result<NameTemplate, Refusal> {
    NameTemplate::parse(text.unwrap_or(NameTemplate::DEFAULT))
        .map_err(|why| invalid(format!("spec.nameTemplate cannot be read — {why}")))
}

fn names(list: Option<&[String]>) -> Result<Vec<Glob>, Refusal> {
    let default = [Glob::DEFAULT.to_owned()];
    let parse = |text: &String| {
        Glob::parse(text).map_err(|why| {
            invalid(format!(
                "The pattern {text:?} of spec.allowedNames cannot be used — {why}"
            ))
        })
    };
    list.unwrap_or(&default).iter().map(parse).collect()
}

/// Whether an object could ask for this: a class whose settings ECR would never take would stop
/// each of its objects.
fn check_settings(at: &str, settings: &ClassSettings) -> Result<(), Refusal> {
    let nobody = || {
        Some((
            Owner::parse("class/class/class")?,
            Registry {
                id: RegistryId::parse("000000000000").ok()?,
                region: Region::parse("us-east-1").ok()?,
            },
        ))
    };
    let Some((owner, registry)) = nobody() else {
        return Ok(());
    };
    let within = |why: &Refusal| invalid(format!("In {at}: {}", why.message));
    let desired =
        Desired::parse(owner, registry, &spec_of(settings)).map_err(|why| within(&why))?;
    let refused = desired.refusals().next().map(|(_, why)| within(why));
    refused.map_or(Ok(()), Err)
}
