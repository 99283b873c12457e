//! What is in force of a repository's settings, and who asked for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::MAX_WORD;

/// One setting that is in force.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveSetting {
    /// Setting: a field of spec, such as lifecyclePolicy. Tags have one entry for each source.
    pub setting: ClassSetting,
    /// Where it comes from. enforced: the class, whatever spec says. spec: this object. default: the
    /// class, because spec says nothing. unmanaged: nobody asks for it, and it stays as it is in ECR;
    /// value then says what holds all the same, where that is known.
    pub source: SettingSource,
    /// In short, what it is. (built in): the operator's own default, Retain. (read from ECR): how the
    /// repository is encrypted, which ECR cannot change. When absent, nothing is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_WORD))]
    pub value: Option<String>,
}

/// What a class may decide of a repository.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "camelCase")]
pub enum ClassSetting {
    /// Tag mutability with its exclusion filters.
    ImageTagMutability,
    /// Scanning.
    ImageScanningConfiguration,
    /// Encryption, at creation.
    EncryptionConfiguration,
    /// The lifecycle policy.
    LifecyclePolicy,
    /// The repository policy, `access` included.
    RepositoryPolicy,
    /// Statements of others that stay in the repository policy; told only where some do.
    KeepStatements,
    /// Tags.
    Tags,
    /// What becomes of the repository with its object.
    DeletionPolicy,
}

impl ClassSetting {
    /// The name of the field in spec.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ImageTagMutability => "imageTagMutability",
            Self::ImageScanningConfiguration => "imageScanningConfiguration",
            Self::EncryptionConfiguration => "encryptionConfiguration",
            Self::LifecyclePolicy => "lifecyclePolicy",
            Self::RepositoryPolicy => "repositoryPolicy",
            Self::KeepStatements => "keepStatements",
            Self::Tags => "tags",
            Self::DeletionPolicy => "deletionPolicy",
        }
    }
}

/// Where a setting comes from.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "camelCase")]
pub enum SettingSource {
    /// The class, whatever spec says.
    Enforced,
    /// The object's spec.
    Spec,
    /// The class, because spec says nothing.
    Default,
    /// Nobody.
    Unmanaged,
}
