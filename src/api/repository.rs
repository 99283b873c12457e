//! `ECRRepository`: one repository and everything about it.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ECRRepositoryStatus, LifecyclePolicy};

/// What a team wants of one ECR repository.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[kube(
    group = "ecr-operator.dev",
    version = "v1alpha1",
    kind = "ECRRepository",
    plural = "ecrrepositories",
    singular = "ecrrepository",
    shortname = "ecrrepo",
    category = "ecr",
    category = "aws",
    namespaced,
    status = "ECRRepositoryStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ECRRepositorySpec {
    /// The repository's name in ECR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_name: Option<String>,
    /// Whether a tag may be moved to another image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_tag_mutability: Option<ImageTagMutability>,
    /// Tags that are excepted from the mutability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_tag_mutability_exclusion_filters: Option<Vec<ImageTagMutabilityExclusionFilter>>,
    /// How images are scanned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_scanning_configuration: Option<ImageScanningConfiguration>,
    /// How images are encrypted at rest. Immutable once the repository exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_configuration: Option<EncryptionConfiguration>,
    /// AWS's lifecycle policy document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle_policy: Option<LifecyclePolicy>,
    /// AWS's repository policy document, as an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_policy: Option<RepositoryPolicy>,
    /// Who may pull and push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Tags of the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
    /// What becomes of the repository when this object is deleted; `Retain` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What to do with a repository that exists already; `Never` adopted when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption: Option<Adoption>,
    /// Whether to write to AWS; `Enforce` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management_policy: Option<ManagementPolicy>,
    /// Stops all work on this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// AWS's words for tag mutability.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ImageTagMutability {
    /// Tags may be moved.
    Mutable,
    /// Tags may not be moved.
    Immutable,
    /// Tags may be moved, those matching a filter may not.
    MutableWithExclusion,
    /// Tags may not be moved, those matching a filter may.
    ImmutableWithExclusion,
}

/// A pattern of tags that are excepted from the mutability.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageTagMutabilityExclusionFilter {
    /// The kind of pattern.
    pub filter_type: ExclusionFilterType,
    /// The pattern.
    pub filter: String,
}

/// The kinds of exclusion filters.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExclusionFilterType {
    /// `*` stands for any run of characters.
    Wildcard,
}

/// How images are scanned.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageScanningConfiguration {
    /// Scan each image after it was pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan_on_push: Option<bool>,
}

/// How images are encrypted at rest.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EncryptionConfiguration {
    /// The kind of encryption.
    pub encryption_type: EncryptionType,
    /// The KMS key: its ARN, id or alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
}

/// AWS's words for encryption.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum EncryptionType {
    /// Keys of Amazon S3.
    #[serde(rename = "AES256")]
    Aes256,
    /// Keys of AWS KMS.
    #[serde(rename = "KMS")]
    Kms,
    /// Keys of AWS KMS, two layers.
    #[serde(rename = "KMS_DSSE")]
    KmsDsse,
}

/// An IAM policy document; `{}` asks for none.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(transparent)]
pub struct RepositoryPolicy(pub serde_json::Map<String, serde_json::Value>);

/// Who may pull and push; merged into the repository policy.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// Accounts, roles, users and services that may pull.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<Vec<String>>,
    /// Accounts, roles, users and services that may pull and push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<Vec<String>>,
}

/// What becomes of the repository when its object is deleted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum DeletionPolicy {
    /// The repository stays.
    #[default]
    Retain,
    /// The repository is deleted once it is empty.
    Delete,
    /// The repository is deleted with all its images.
    DeleteWithImages,
}

/// What to do with a repository that exists already.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Adoption {
    /// When to adopt.
    pub policy: AdoptionPolicy,
    /// The owner that is replaced, `<cluster>/<namespace>/<name>`; with `TakeOver` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// When a repository that exists already is adopted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum AdoptionPolicy {
    /// Never.
    #[default]
    Never,
    /// When it has no owner.
    IfUnowned,
    /// When it has the owner named in `from`, or none.
    TakeOver,
}

/// Whether the operator writes to AWS.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ManagementPolicy {
    /// ECR is made to match.
    #[default]
    Enforce,
    /// Nothing is written; the plan stands in `status.pending`.
    Observe,
}
