//! The words by which values of the API go in texts.

use super::{Aspect, ImageTagMutability};

impl Aspect {
    /// Every aspect, in the order in which they are written.
    pub const ALL: [Self; 5] = [
        Self::ImageTagMutability,
        Self::ImageScanningConfiguration,
        Self::LifecyclePolicy,
        Self::RepositoryPolicy,
        Self::Tags,
    ];

    /// The name of the field in spec.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ImageTagMutability => "imageTagMutability",
            Self::ImageScanningConfiguration => "imageScanningConfiguration",
            Self::LifecyclePolicy => "lifecyclePolicy",
            Self::RepositoryPolicy => "repositoryPolicy",
            Self::Tags => "tags",
        }
    }
}

impl ImageTagMutability {
    /// AWS's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mutable => "MUTABLE",
            Self::Immutable => "IMMUTABLE",
            Self::MutableWithExclusion => "MUTABLE_WITH_EXCLUSION",
            Self::ImmutableWithExclusion => "IMMUTABLE_WITH_EXCLUSION",
        }
    }

    /// Whether some tags are excepted.
    #[must_use]
    pub const fn has_exclusions(self) -> bool {
        match self {
            Self::Mutable | Self::Immutable => false,
            Self::MutableWithExclusion | Self::ImmutableWithExclusion => true,
        }
    }
}
