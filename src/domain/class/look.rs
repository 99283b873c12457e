//! What a class says to an object that only looks (`managementPolicy: Observe`).
//!
//! Whoever is admitted under a name may see what has it: its namespace, its name and that it may observe are
//! held to the class before anything is read. What else the class refuses stands beside the plan.

use super::refusal::{Offence, refusal};
use super::{Class, Effective, Subject};
use crate::{
    api::{Adoption, AdoptionPolicy, ECRRepositorySpec, ManagementPolicy},
    domain::{desired::Refusal, digest::digest, identity::Registry},
};

/// What holds for an object that looks, and what the class refuses of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// What holds, as if the class refused nothing.
    pub effective: Effective,
    /// What it refuses.
    pub unmet: Unmet,
}

/// What a class says against an object that looks.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Unmet {
    /// What the class refuses of what the object asks for.
    pub refused: Option<Refusal>,
    /// What it would refuse beyond that once the object is to be enforced.
    pub to_enforce: Option<Refusal>,
    /// And what beyond that, once the object is to adopt a repository without an owner.
    pub to_adopt: Option<Refusal>,
}

impl Unmet {
    /// A digest of what is asked for, `asked` by itself, and what the class says to it.
    #[must_use]
    pub fn digest(&self, asked: String) -> String {
        if *self == Self::default() {
            return asked;
        }
        digest("unmet", &format!("{asked} {self:?}"))
    }
}

impl Class {
    /// What holds for an object that looks at a repository in `own`.
    ///
    /// # Errors
    /// Where it may not look.
    pub fn admit_look(
        &self,
        subject: &Subject<'_>,
        spec: &ECRRepositorySpec,
        own: &Registry,
    ) -> Result<Look, Refusal> {
        self.admit_sight(subject, spec)?;
        let (effective, refused) = self.judged(subject, spec, own);
        let enforcing = ECRRepositorySpec {
            management_policy: Some(ManagementPolicy::Enforce),
            ..spec.clone()
        };
        let adopting = ECRRepositorySpec {
            adoption: Some(Adoption {
                policy: AdoptionPolicy::IfUnowned,
                from: None,
            }),
            ..enforcing.clone()
        };
        let (_, mut to_enforce) = self.judged(subject, &enforcing, own);
        let (_, mut to_adopt) = self.judged(subject, &adopting, own);
        to_adopt.retain(|it| !refused.contains(it) && !to_enforce.contains(it));
        to_enforce.retain(|it| !refused.contains(it));
        let refusal = |offences: &[Offence]| refusal(&self.name, offences).err();
        let unmet = Unmet {
            refused: refusal(&refused),
            to_enforce: refusal(&to_enforce),
            to_adopt: refusal(&to_adopt),
        };
        Ok(Look { effective, unmet })
    }
}
