//! Every reason that a condition, a pending action or an event may carry: a closed list.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Why something is as it is; docs/ecrrepository.md tells cause and cure of each.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Reason { $($(#[$doc])* $name),+ }

        impl Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The reason of a word that was shown.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.as_str() == word)
            }

            /// The word that Kubernetes shows.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
        }
    };
}

reasons! {
    /// ECR matches the object.
    Synced,
    /// Repositories of the class can be worked on.
    Ready,
    /// The class is to be deleted, and objects are of it.
    InUse,
    /// The object is well-formed.
    Accepted,
    /// Work is under way for the first time.
    Progressing,
    /// Nothing is written (`managementPolicy: Observe`).
    Observed,
    /// Nothing is done (`suspend: true`).
    Suspended,
    /// The owner tag was written to a repository that existed; the rest follows.
    Adopting,
    /// The object says something that ECR would never take.
    InvalidSpec,
    /// The object is too large to be read.
    TooLarge,
    /// AWS refused a value.
    RejectedByAws,
    /// AWS refused the repository policy.
    InvalidPolicy,
    /// AWS refused the repository policy, perhaps because a principal is very new.
    PolicyNotYetAccepted,
    /// AWS asked to slow down.
    Throttled,
    /// AWS did not answer, or with a fault of its own.
    AwsUnavailable,
    /// AWS denied the call, or does not accept the operator's credentials.
    AccessDenied,
    /// The credentials of the class belong to another account than it declares.
    WrongAccount,
    /// A quota of AWS is used up.
    LimitExceeded,
    /// The KMS key can't be used.
    KmsKeyUnusable,
    /// The repository exists and has no owner.
    AlreadyExists,
    /// The repository was the object's, and its owner tag was taken off.
    OwnerTagMissing,
    /// The repository belongs to another object.
    NameConflict,
    /// Another cluster goes by this cluster's name.
    TwoClusters,
    /// The object now leads to another place than the one it is bound to.
    IdentityChanged,
    /// The object asks to change what ECR can't change.
    ImmutableField,
    /// Somebody else keeps changing an aspect back: it is repaired once an hour only.
    DriftFight,
    /// AWS keeps another document than the one that it was sent.
    StoredDiffers,
    /// The repository vanished outside of the operator.
    RepositoryLost,
    /// So many repositories vanished at once that nothing is re-created without a person's word.
    ManyRepositoriesLost,
    /// The repository still holds images.
    RepositoryNotEmpty,
    /// What is known of ECR is over a day old.
    Outdated,
    /// The object's class does not permit what it asks for.
    NotPermitted,
    /// The object names no class, and there is no default class.
    NoClass,
    /// The class is one of several default classes, of which the newest counts.
    SeveralDefaultClasses,
    /// The class that the object names does not exist.
    ClassNotFound,
    /// The object's class can't be used: it is being deleted, is not well-formed, or its role does not
    /// work.
    ClassNotReady,
    /// The object's class enforces something else than what the object asks for.
    OverriddenByClass,
    /// A lifecycle policy of the class would delete more images than the class lets it.
    LifecycleNeedsApproval,
}

impl Reason {
    /// Whether it says that the object can't be carried out as it is: `Accepted` is false then.
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::InvalidSpec
                | Self::TooLarge
                | Self::AlreadyExists
                | Self::OwnerTagMissing
                | Self::NameConflict
                | Self::TwoClusters
                | Self::IdentityChanged
                | Self::ImmutableField
                | Self::NotPermitted
                | Self::NoClass
                | Self::ClassNotFound
                | Self::ClassNotReady
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
