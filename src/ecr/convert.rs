//! AWS's types to ours and back.

use std::collections::BTreeSet;

use aws_sdk_ecr::{
    operation::get_lifecycle_policy_preview::GetLifecyclePolicyPreviewOutput,
    primitives::DateTimeFormat,
    types::{
        self, EncryptionConfiguration, EncryptionType as AwsEncryptionType,
        ImageScanningConfiguration, ImageTagMutability as AwsMutability,
        ImageTagMutabilityExclusionFilter, ImageTagMutabilityExclusionFilterType,
        LifecyclePolicyPreviewStatus,
    },
};

use crate::domain::{
    desired::{Encryption, EncryptionType, ImageTagMutability, Mutability},
    failure::Failure,
    identity::Identity,
    lifecycle::Lifecycle,
    observed::{Described, Tags},
};

use super::{port::Preview, said::steady};

/// What a preview says. Its summary counts all images, whatever the size of the page.
pub(super) fn previewed(answer: &GetLifecyclePolicyPreviewOutput) -> Result<Preview, Failure> {
    match answer.status() {
        Some(LifecyclePolicyPreviewStatus::InProgress) => Ok(Preview::Running),
        Some(LifecyclePolicyPreviewStatus::Complete) => {
            let summary = answer
                .summary()
                .ok_or_else(|| unreadable("a preview without a summary"))?;
            let text = answer
                .lifecycle_policy_text()
                .ok_or_else(|| unreadable("a preview without its policy"))?;
            let count = |count: i32| u64::try_from(count).unwrap_or_default();
            let archiving = summary.transitioning_image_total_counts().iter();
            Ok(Preview::Done {
                policy: Lifecycle::stored(text),
                expiring: count(summary.expiring_image_total_count().unwrap_or_default()),
                archiving: archiving
                    .map(|it| count(it.image_total_count().unwrap_or_default()))
                    .sum(),
            })
        }
        // Expired or failed: another one is to be made.
        Some(_) | None => Ok(Preview::None),
    }
}

/// A required member that AWS left out, or text that the SDK can't build a request from.
pub(super) fn unreadable(what: impl std::fmt::Display) -> Failure {
    let what = steady(&what.to_string());
    Failure::unavailable(format!("an answer without sense: {what}"))
}

/// Whether an answer is AWS's to this very call: it names the repository. A success with nothing in it, as of
/// something on the way, tells nothing of what became of the call.
pub(super) fn is_about(
    at: &Identity,
    operation: &str,
    answered: Option<&str>,
) -> Result<(), Failure> {
    if answered == Some(at.name.as_str()) {
        Ok(())
    } else {
        Err(unreadable(format!(
            "{operation} does not name the repository"
        )))
    }
}

pub(super) fn described(repository: &types::Repository) -> Result<Described, Failure> {
    let uri = repository
        .repository_uri()
        .ok_or_else(|| unreadable("no repositoryUri"))?;
    let created = repository
        .created_at()
        .ok_or_else(|| unreadable("no createdAt"))?;
    Ok(Described {
        uri: uri.to_owned(),
        created_at: created.fmt(DateTimeFormat::DateTime).map_err(unreadable)?,
        mutability: mutability(repository),
        scan_on_push: repository
            .image_scanning_configuration()
            .is_some_and(|c| c.scan_on_push),
        encryption: encryption(repository.encryption_configuration()),
    })
}

fn mutability(repository: &types::Repository) -> Option<Mutability> {
    let mode = match repository.image_tag_mutability() {
        None | Some(AwsMutability::Mutable) => ImageTagMutability::Mutable,
        Some(AwsMutability::Immutable) => ImageTagMutability::Immutable,
        Some(AwsMutability::MutableWithExclusion) => ImageTagMutability::MutableWithExclusion,
        Some(AwsMutability::ImmutableWithExclusion) => ImageTagMutability::ImmutableWithExclusion,
        Some(_) => return None,
    };
    let filters = repository.image_tag_mutability_exclusion_filters();
    let exclusions: BTreeSet<_> = filters.iter().map(|f| f.filter().to_owned()).collect();
    Some(Mutability { mode, exclusions })
}

fn encryption(held: Option<&EncryptionConfiguration>) -> Option<Encryption> {
    let kind = match held.map(EncryptionConfiguration::encryption_type) {
        None | Some(AwsEncryptionType::Aes256) => EncryptionType::Aes256,
        Some(AwsEncryptionType::Kms) => EncryptionType::Kms,
        Some(AwsEncryptionType::KmsDsse) => EncryptionType::KmsDsse,
        Some(_) => return None,
    };
    let key = held
        .and_then(EncryptionConfiguration::kms_key)
        .map(ToOwned::to_owned);
    Some(Encryption { kind, key })
}

pub(super) fn tags(tags: &[types::Tag]) -> Tags {
    tags.iter()
        .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
        .collect()
}

pub(super) fn to_tags(tags: &Tags) -> Result<Vec<types::Tag>, Failure> {
    tags.iter()
        .map(|(key, value)| {
            types::Tag::builder()
                .key(key)
                .value(value)
                .build()
                .map_err(unreadable)
        })
        .collect()
}

pub(super) fn to_mode(mode: ImageTagMutability) -> AwsMutability {
    match mode {
        ImageTagMutability::Mutable => AwsMutability::Mutable,
        ImageTagMutability::Immutable => AwsMutability::Immutable,
        ImageTagMutability::MutableWithExclusion => AwsMutability::MutableWithExclusion,
        ImageTagMutability::ImmutableWithExclusion => AwsMutability::ImmutableWithExclusion,
    }
}

/// The filters; `None` where there are none, for ECR refuses an empty list.
pub(super) fn to_filters(
    mutability: &Mutability,
) -> Result<Option<Vec<ImageTagMutabilityExclusionFilter>>, Failure> {
    let filters: Result<Vec<_>, _> = mutability
        .exclusions
        .iter()
        .map(|filter| {
            ImageTagMutabilityExclusionFilter::builder()
                .filter_type(ImageTagMutabilityExclusionFilterType::Wildcard)
                .filter(filter)
                .build()
                .map_err(unreadable)
        })
        .collect();
    Ok(Some(filters?).filter(|filters| !filters.is_empty()))
}

pub(super) fn to_scanning(scan_on_push: bool) -> ImageScanningConfiguration {
    ImageScanningConfiguration::builder()
        .scan_on_push(scan_on_push)
        .build()
}

pub(super) fn to_encryption(encryption: &Encryption) -> Result<EncryptionConfiguration, Failure> {
    let kind = match encryption.kind {
        EncryptionType::Aes256 => AwsEncryptionType::Aes256,
        EncryptionType::Kms => AwsEncryptionType::Kms,
        EncryptionType::KmsDsse => AwsEncryptionType::KmsDsse,
    };
    EncryptionConfiguration::builder()
        .encryption_type(kind)
        .set_kms_key(encryption.key.clone())
        .build()
        .map_err(unreadable)
}
