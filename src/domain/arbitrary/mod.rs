//! What the laws are tried on: whatever a user may ask for, in whatever state ECR may be.
//!
//! Few words make many meetings: what is asked for, held and remembered often coincides.

mod situation;
mod spec;

pub(crate) use situation::{Situation, observed_like, owned, rights, situation, stamps};
pub(crate) use spec::{desired, spec};

use super::{
    desired::{Desired, Refusal},
    identity::{ClusterUid, Owner, Region, Registry, RegistryId},
};
use crate::api::ECRRepositorySpec;

/// The object that all laws speak of.
pub(crate) fn owner() -> Owner {
    Owner::parse("prod/payments/api").unwrap()
}

/// The uid of its cluster.
pub(crate) fn cluster_uid() -> ClusterUid {
    ClusterUid::parse("uid-1").unwrap()
}

/// The place that it leads to.
pub(crate) fn registry() -> Registry {
    Registry {
        id: RegistryId::parse("111122223333").unwrap(),
        region: Region::parse("ap-southeast-1").unwrap(),
    }
}

/// Parses a spec of the object.
pub(crate) fn parse(spec: &ECRRepositorySpec) -> Result<Desired, Refusal> {
    Desired::parse(owner(), registry(), spec)
}

/// Keys that users name; each may also stand for something foreign.
const KEYS: &[&str] = &["team", "env", "cost", "aws-like", "ecr-operator.devel/x"];
/// Keys that no user may name.
const RESERVED: &[&str] = &[
    "aws:cloudformation:stack-name",
    "AWS:x",
    "ecr-operator.dev/else",
];
