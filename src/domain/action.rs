//! The writes to ECR, one variant for each of AWS's operations that the operator calls.

use std::{collections::BTreeSet, fmt};

use super::{
    desired::{Encryption, Mutability},
    digest::digest,
    lifecycle::Lifecycle,
    observed::Tags,
    policy::Document,
};
use crate::api::{Aspect, EncryptionType};

/// All that `CreateRepository` takes, so that a repository is never half-made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewRepository {
    /// Tag mutability; ECR's default where absent.
    pub mutability: Option<Mutability>,
    /// Scanning; ECR's default where absent.
    pub scan_on_push: Option<bool>,
    /// Encryption; ECR's default where absent.
    pub encryption: Option<Encryption>,
    /// The user's tags and ours.
    pub tags: Tags,
}

/// One write to ECR.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Creates the repository.
    CreateRepository(NewRepository),
    /// Writes these tags, and lets all others be.
    TagResource(Tags),
    /// Removes the tags of these keys.
    UntagResource(BTreeSet<String>),
    /// Replaces tag mutability and filters.
    PutImageTagMutability(Mutability),
    /// Replaces scanning.
    PutImageScanningConfiguration(bool),
    /// Replaces the lifecycle policy.
    PutLifecyclePolicy(Lifecycle),
    /// Removes the lifecycle policy.
    DeleteLifecyclePolicy,
    /// Replaces the repository policy.
    SetRepositoryPolicy(Document),
    /// Removes the repository policy.
    DeleteRepositoryPolicy,
    /// Deletes the repository; forced, with all its images.
    DeleteRepository {
        /// With all its images.
        force: bool,
    },
}

impl Action {
    /// AWS's name of the operation.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::CreateRepository(_) => "CreateRepository",
            Self::TagResource(_) => "TagResource",
            Self::UntagResource(_) => "UntagResource",
            Self::PutImageTagMutability(_) => "PutImageTagMutability",
            Self::PutImageScanningConfiguration(_) => "PutImageScanningConfiguration",
            Self::PutLifecyclePolicy(_) => "PutLifecyclePolicy",
            Self::DeleteLifecyclePolicy => "DeleteLifecyclePolicy",
            Self::SetRepositoryPolicy(_) => "SetRepositoryPolicy",
            Self::DeleteRepositoryPolicy => "DeleteRepositoryPolicy",
            Self::DeleteRepository { .. } => "DeleteRepository",
        }
    }

    /// The aspect that it writes; `None` for the repository itself.
    #[must_use]
    pub const fn aspect(&self) -> Option<Aspect> {
        match self {
            Self::CreateRepository(_) | Self::DeleteRepository { .. } => None,
            Self::TagResource(_) | Self::UntagResource(_) => Some(Aspect::Tags),
            Self::PutImageTagMutability(_) => Some(Aspect::ImageTagMutability),
            Self::PutImageScanningConfiguration(_) => Some(Aspect::ImageScanningConfiguration),
            Self::PutLifecyclePolicy(_) | Self::DeleteLifecyclePolicy => {
                Some(Aspect::LifecyclePolicy)
            }
            Self::SetRepositoryPolicy(_) | Self::DeleteRepositoryPolicy => {
                Some(Aspect::RepositoryPolicy)
            }
        }
    }

    /// The tags that it writes, if it writes tags.
    #[must_use]
    pub const fn tags(&self) -> Option<&Tags> {
        match self {
            Self::CreateRepository(new) => Some(&new.tags),
            Self::TagResource(tags) => Some(tags),
            Self::UntagResource(_)
            | Self::PutImageTagMutability(_)
            | Self::PutImageScanningConfiguration(_)
            | Self::PutLifecyclePolicy(_)
            | Self::DeleteLifecyclePolicy
            | Self::SetRepositoryPolicy(_)
            | Self::DeleteRepositoryPolicy
            | Self::DeleteRepository { .. } => None,
        }
    }

    /// The repository policy that it writes, if it writes one.
    #[must_use]
    pub const fn policy(&self) -> Option<&Document> {
        match self {
            Self::SetRepositoryPolicy(policy) => Some(policy),
            Self::CreateRepository(_)
            | Self::TagResource(_)
            | Self::UntagResource(_)
            | Self::PutImageTagMutability(_)
            | Self::PutImageScanningConfiguration(_)
            | Self::PutLifecyclePolicy(_)
            | Self::DeleteLifecyclePolicy
            | Self::DeleteRepositoryPolicy
            | Self::DeleteRepository { .. } => None,
        }
    }

    /// Equal for requests that AWS would answer alike; what failed is held back by it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        digest("action", &format!("{self:?}"))
    }
}

/// The line that a plan prints.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation())?;
        match self {
            Self::TagResource(tags) => write!(f, " {}", list(tags.keys())),
            Self::UntagResource(keys) => write!(f, " {}", list(keys)),
            Self::PutImageTagMutability(mutability) => write!(f, " {mutability}"),
            Self::PutImageScanningConfiguration(scan) => write!(f, " scanOnPush={scan}"),
            Self::DeleteRepository { force: true } => write!(f, " with all its images"),
            Self::CreateRepository(_)
            | Self::PutLifecyclePolicy(_)
            | Self::DeleteLifecyclePolicy
            | Self::SetRepositoryPolicy(_)
            | Self::DeleteRepositoryPolicy
            | Self::DeleteRepository { force: false } => Ok(()),
        }
    }
}

impl fmt::Display for Mutability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.mode.as_str())?;
        if self.exclusions.is_empty() {
            return Ok(());
        }
        write!(f, " except {}", list(&self.exclusions))
    }
}

impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            EncryptionType::Aes256 => "AES256",
            EncryptionType::Kms => "KMS",
            EncryptionType::KmsDsse => "KMS_DSSE",
        };
        match &self.key {
            Some(key) => write!(f, "{kind} ({key})"),
            None => f.write_str(kind),
        }
    }
}

fn list<'a>(words: impl IntoIterator<Item = &'a String>) -> String {
    words
        .into_iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
