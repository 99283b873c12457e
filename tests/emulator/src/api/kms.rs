//! The KMS keys of repositories.
//!
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/encryption-at-rest.html>.

use serde_json::Value;

use super::Context;
use crate::error::Error;
use crate::partition::Partition;
use crate::settings::Settings;
use crate::shape::matches;
use crate::state::uuid;

pub(super) fn key_without_kms() -> Error {
    Error::invalid(
        "encryptionConfiguration",
        "kmsKey can only be specified when encryptionType is KMS or KMS_DSSE",
    )
}

/// The AWS managed key `aws/ecr`, one per account and region.
pub(super) fn managed_key(account: &str, region: &str) -> String {
    let id = uuid(&format!("{account} {region} alias/aws/ecr"));
    let partition = Partition::of(region).id;
    format!("arn:{partition}:kms:{region}:{account}:key/{id}")
}

/// The ARN of a key that may be given as alias, alias ARN, key id or key ARN; absent, it is the AWS
/// managed key.
pub(super) fn resolve(context: &Context<'_>, key: &str) -> Result<String, Error> {
    const ID: &str = "[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|mrk-[0-9a-f]{32}";
    const KEY_ARN: &str = "arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[0-9a-zA-Z-]+";
    const ALIAS_ARN: &str = "arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:alias/[0-9a-zA-Z/_-]+";
    const ALIAS: &str = "alias/[0-9a-zA-Z/_-]+";
    let (account, region) = (&context.caller.account, &context.caller.region);
    let local = |id: &str| {
        let partition = Partition::of(region).id;
        format!("arn:{partition}:kms:{region}:{account}:key/{id}")
    };
    if key.is_empty() {
        return Ok(managed_key(account, region));
    }
    if matches(ID, key)? {
        return Ok(local(key));
    }
    if matches(ALIAS, key)? {
        return Ok(local(&uuid(&format!("{account} {region} {key}"))));
    }
    let parts: Vec<&str> = key.splitn(6, ':').collect();
    let [_, partition, _, key_region, owner, name] = parts.as_slice() else {
        return Err(invalid_key(key));
    };
    if *key_region != region.as_str() {
        // The key must be in the repository's region (model, EncryptionConfiguration$kmsKey).
        return Err(invalid_key(key));
    }
    if matches(KEY_ARN, key)? {
        Ok(key.to_owned())
    } else if matches(ALIAS_ARN, key)? {
        let id = uuid(&format!("{owner} {key_region} {name}"));
        Ok(format!("arn:{partition}:kms:{region}:{owner}:key/{id}"))
    } else {
        Err(invalid_key(key))
    }
}

fn invalid_key(key: &str) -> Error {
    Error::new(
        "KmsException",
        format!("Invalid arn or key id '{key}' for a KMS key in this region"),
    )
    .with_detail("kmsError", "NotFoundException")
}

/// What KMS refuses, ECR passes on with the name of the refusal.
pub(super) fn check(settings: &Settings, key: Option<&str>) -> Result<(), Error> {
    match key.and_then(|key| settings.kms_faults.get(key)) {
        None => Ok(()),
        Some(fault) => Err(Error::new(
            "KmsException",
            "The operation failed due to a KMS exception.",
        )
        .with_detail("kmsError", fault.as_str())),
    }
}

/// The same for the key of the repository that a call names.
pub(super) fn check_repository(context: &mut Context<'_>, input: &Value) -> Result<(), Error> {
    let key = context.repository(input)?.kms_key.clone();
    check(context.settings, key.as_deref())
}
