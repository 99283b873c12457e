//! The settings of repositories that a class decides.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Access, DeletionPolicy, EncryptionConfiguration, ImageScanningConfiguration,
    ImageTagMutability, ImageTagMutabilityExclusionFilter, LifecyclePolicy, RepositoryPolicy,
    class_schema, repository, rules,
};

/// Settings as in the spec of an ECRRepository: absent, the class says nothing of it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("x-kubernetes-validations" = rules::spec()))]
#[serde(rename_all = "camelCase")]
pub struct ClassSettings {
    /// Whether a tag may be moved to another image: MUTABLE, IMMUTABLE, MUTABLE_WITH_EXCLUSION or
    /// IMMUTABLE_WITH_EXCLUSION, as in an ECRRepository. It comes together with its filters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_tag_mutability: Option<ImageTagMutability>,
    /// Tags that are excepted from imageTagMutability, as in an ECRRepository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5), extend("x-kubernetes-list-type" = "atomic"))]
    pub image_tag_mutability_exclusion_filters: Option<Vec<ImageTagMutabilityExclusionFilter>>,
    /// How images are scanned for vulnerabilities, as in an ECRRepository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub image_scanning_configuration: Option<ImageScanningConfiguration>,
    /// How images are encrypted at rest, as in an ECRRepository. It counts when a repository is created;
    /// one that exists keeps what it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub encryption_configuration: Option<EncryptionConfiguration>,
    /// Lifecycle policy, as in an ECRRepository. In a repository that has images it takes effect only
    /// within lifecycleGuard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub lifecycle_policy: Option<LifecyclePolicy>,
    /// Repository policy, as in an ECRRepository. It makes one setting with access: the two are taken
    /// from here, or none of them is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_policy: Option<RepositoryPolicy>,
    /// Who may pull and push, as in an ECRRepository. It makes one setting with repositoryPolicy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub access: Option<Access>,
    /// Statements that others write into the repository policy and that stay, as in an ECRRepository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "repository::sids")]
    pub keep_statements: Option<Vec<String>>,
    /// Tags in AWS, at most 48, merged key by key with those of the ECRRepository. In values ${namespace}
    /// and ${name} stand for the object's, ${labels.KEY} for a label of it, which its author chooses, and
    /// ${namespaceLabels.KEY} for a label of its namespace; a label that is missing is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "class_schema::tags")]
    pub tags: Option<BTreeMap<String, String>>,
    /// What becomes of a repository when its object is deleted: Retain, Delete or DeleteWithImages, as
    /// in an ECRRepository. It is not held to deletionPolicies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}
