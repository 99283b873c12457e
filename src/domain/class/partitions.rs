//! Partitions: AWS's separate worlds. No role and no key of one is known in another ("Amazon Resource Names",
//! AWS General Reference).

use super::invalid;
use super::refusal::cut;
use crate::api::{ClassSettings, ECRRepositoryClassSpec};
use crate::domain::desired::Refusal;
use crate::domain::identity::{Registry, partition};

/// Whether role and keys of a class are of the partition of its region.
pub(super) fn check(spec: &ECRRepositoryClassSpec, registry: &Registry) -> Result<(), Refusal> {
    if let Some(role) = &spec.assume_role {
        of_region("spec.assumeRole.roleArn", &role.role_arn, registry)?;
    }
    let key = |settings: &ClassSettings| settings.encryption_configuration.clone()?.kms_key;
    for (at, settings) in [
        ("spec.enforced", &spec.enforced),
        ("spec.defaults", &spec.defaults),
    ] {
        if let Some(key) = settings.as_ref().and_then(key) {
            let at = format!("{at}.encryptionConfiguration.kmsKey");
            of_region(&at, &key, registry)?;
        }
    }
    Ok(())
}

/// The partitions that this program can tell apart.
const KNOWN: [&str; 8] = [
    "aws",
    "aws-cn",
    "aws-eusc",
    "aws-iso",
    "aws-iso-b",
    "aws-iso-e",
    "aws-iso-f",
    "aws-us-gov",
];

fn of_region(at: &str, arn: &str, registry: &Registry) -> Result<(), Refusal> {
    let foreign = foreign(arn, registry);
    foreign.map_or(Ok(()), |(what, cure)| {
        Err(invalid(format!("{at} {what} — {cure}")))
    })
}

/// What is wrong with an ARN of another partition than the region's, and what to do. What is no ARN is of whatever
/// partition it is used in, and of a new one nobody knows the regions.
pub(super) fn foreign(arn: &str, registry: &Registry) -> Option<(String, String)> {
    let own = partition(&registry.region);
    let (written, rest) = arn.strip_prefix("arn:")?.split_once(':')?;
    if written == own || !KNOWN.contains(&written) {
        return None;
    }
    Some((
        format!(
            "is of the partition {written}, and {} is of {own}",
            registry.region
        ),
        format!("write it as {}", cut(&format!("arn:{own}:{rest}"))),
    ))
}
