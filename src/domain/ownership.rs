//! Whose repository is it? Decided by its tags alone.
//!
//! A status can be forged by whoever may write it, a name can be guessed: neither permits a write.

use super::{
    desired::Adoption,
    identity::{ClusterName, ClusterUid, Owner},
    observed::Tags,
    reason::Reason,
};
use crate::api::{CLUSTER_UID_TAG, OWNER_TAG};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The object.
    pub owner: &'a Owner,
    /// Names that this cluster went by before.
    pub previous_names: &'a [ClusterName],
    /// This cluster's uid.
    pub cluster_uid: &'a ClusterUid,
    /// The uid that the object's status says we wrote.
    pub written_uid: Option<&'a str>,
    /// What the object permits where the repository is not ours.
    pub adoption: &'a Adoption,
    /// The owner that it took the repository over from, by an adoption that is still in its spec.
    pub taken_over: Option<&'a str>,
}

/// What is known of another owner of our own cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OwnerObject {
    /// Nobody looked.
    NotLookedUp,
    /// It exists, or it can't be told.
    Alive,
    /// The API server says that there is no such object.
    Gone,
}

/// What may be done with the repository.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rights {
    /// It is ours. Our own tags that are not as they should be are to be written first.
    Ours {
        /// Our own tags to write; usually none.
        stamps: Tags,
    },
    /// It may be adopted: our tags are written and nothing else.
    MayAdopt {
        /// Our own tags.
        stamps: Tags,
    },
    /// It belongs to another object of our cluster; is that still alive? Look, and judge again.
    LookUp(Owner),
    /// Hands off.
    Refused(Conflict),
}

/// Why hands are off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Conflict {
    /// It exists and has no owner.
    AlreadyExists,
    /// It was the object's, and its owner tag is gone.
    OwnerTagMissing,
    /// The object's was deleted outside, and this one was made in its place, without an owner.
    Replaced,
    /// It has another owner.
    OtherOwner,
    /// It was the object's and has another owner.
    TakenAway,
    /// The owner that it was taken over from has it again.
    TakenBack,
    /// Another cluster that goes by our name writes its uid whenever we write ours.
    TwoClusters,
}

impl Conflict {
    /// All reasons that conditions carry for one.
    pub const REASONS: [Reason; 4] = [
        Self::AlreadyExists.reason(),
        Self::OwnerTagMissing.reason(),
        Self::OtherOwner.reason(),
        Self::TwoClusters.reason(),
    ];

    /// The reason that conditions carry.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::AlreadyExists | Self::Replaced => Reason::AlreadyExists,
            Self::OwnerTagMissing => Reason::OwnerTagMissing,
            Self::OtherOwner | Self::TakenAway | Self::TakenBack => Reason::NameConflict,
            Self::TwoClusters => Reason::TwoClusters,
        }
    }

    /// The operation that is still to be made.
    #[must_use]
    pub const fn action(self) -> &'static str {
        match self {
            Self::OwnerTagMissing | Self::Replaced | Self::TakenAway => "TagResource",
            Self::AlreadyExists | Self::OtherOwner | Self::TakenBack | Self::TwoClusters => {
                "CreateRepository"
            }
        }
    }

    /// The same of an object whose status says that it had a repository there, perhaps another one.
    #[must_use]
    pub fn of_former(self, tags: &Tags, is_replaced: bool) -> Self {
        match self {
            Self::AlreadyExists if tags.contains_key(OWNER_TAG) => Self::TakenAway,
            Self::AlreadyExists if is_replaced => Self::Replaced,
            Self::AlreadyExists => Self::OwnerTagMissing,
            Self::OtherOwner => Self::TakenAway,
            other @ (Self::OwnerTagMissing
            | Self::Replaced
            | Self::TakenAway
            | Self::TakenBack
            | Self::TwoClusters) => other,
        }
    }

    /// What happened and what to do, for the object that `owner` names. It never names another owner:
    /// namespaces are not to learn of each other.
    #[must_use]
    pub fn message(self, owner: &Owner) -> String {
        let fixed = match self {
            Self::AlreadyExists => {
                "A repository of this name exists and has no owner; nothing was changed — set \
                 spec.adoption.policy to IfUnowned to manage it, where the class permits that, or choose \
                 another spec.repositoryName"
            }
            Self::OwnerTagMissing => {
                return format!(
                    "The owner tag was taken off this object's repository outside (AWS CloudTrail: \
                     UntagResource); nothing is written to it — put the tag {OWNER_TAG}={owner} back, or \
                     set spec.adoption.policy to IfUnowned, where the class permits that"
                );
            }
            Self::Replaced => {
                "This object's repository was deleted outside and another was made in its place, without \
                 an owner: the former images are gone; nothing was changed — set spec.adoption.policy to \
                 IfUnowned to manage the new one, where the class permits that, or delete it in ECR: it is \
                 created anew then"
            }
            Self::OtherOwner => {
                "The repository of this name belongs to another object; nothing was changed — choose \
                 another spec.repositoryName, or take it over with spec.adoption (TakeOver, naming its \
                 owner), where the class permits that"
            }
            Self::TakenAway => {
                "The repository that this object had belongs to another object now; nothing was changed \
                 — take it over with spec.adoption (TakeOver, naming the owner that its tag \
                 ecr-operator.dev/owner names), where the class permits that, or delete this object: the \
                 repository stays"
            }
            Self::TakenBack => {
                "Two objects ask for one repository: this one took it over, as spec.adoption says, \
                 and its former owner has it again; nothing was changed — delete the object that \
                 is not to have it; or, to take it over once more, remove spec.adoption and set it \
                 again once status.takenOver is gone"
            }
            Self::TwoClusters => {
                "Another cluster with this --cluster-name manages the same repository; nothing more is \
                 written — give each cluster a --cluster-name of its own"
            }
        };
        fixed.to_owned()
    }
}

/// Judges by the repository's tags what the claimant may do.
#[must_use]
pub fn judge(tags: &Tags, claim: &Claim, other: OwnerObject) -> Rights {
    let Some(tag) = tags.get(OWNER_TAG) else {
        return adopt_unowned(claim);
    };
    match Owner::parse(tag) {
        Some(owner) if claim.is_mine(&owner) => judge_uid(tags, claim),
        Some(owner) if claim.adoption == &Adoption::TakeOver(owner.clone()) => {
            take_over(&owner, claim)
        }
        Some(owner) if claim.is_our_clusters(&owner, tags) => match other {
            OwnerObject::NotLookedUp => Rights::LookUp(owner),
            OwnerObject::Alive => Rights::Refused(Conflict::OtherOwner),
            OwnerObject::Gone => adopt_unowned(claim),
        },
        Some(_) | None => Rights::Refused(Conflict::OtherOwner),
    }
}

/// A takeover is good once: two objects that each take the repository from the other would never end.
fn take_over(owner: &Owner, claim: &Claim) -> Rights {
    if claim.taken_over == Some(owner.to_string().as_str()) {
        return Rights::Refused(Conflict::TakenBack);
    }
    Rights::MayAdopt {
        stamps: claim.stamps(),
    }
}

fn adopt_unowned(claim: &Claim) -> Rights {
    match claim.adoption {
        Adoption::IfUnowned => Rights::MayAdopt {
            stamps: claim.stamps(),
        },
        Adoption::Never | Adoption::TakeOver(_) => Rights::Refused(Conflict::AlreadyExists),
    }
}

/// The repository is ours by name; is the cluster the one that we are?
fn judge_uid(tags: &Tags, claim: &Claim) -> Rights {
    let ours = claim.cluster_uid.as_str();
    let written = tags.get(CLUSTER_UID_TAG).map(String::as_str);
    // Another cluster writes its own: one that is gone was taken off, and is put back.
    if written.is_some_and(|it| it != ours) && claim.written_uid == Some(ours) {
        return Rights::Refused(Conflict::TwoClusters);
    }
    let stamps = claim
        .stamps()
        .into_iter()
        .filter(|(key, value)| tags.get(key) != Some(value));
    Rights::Ours {
        stamps: stamps.collect(),
    }
}

impl Claim<'_> {
    /// The tags by which a repository is known as the claimant's.
    #[must_use]
    pub fn stamps(&self) -> Tags {
        [
            (OWNER_TAG.to_owned(), self.owner.to_string()),
            (CLUSTER_UID_TAG.to_owned(), self.cluster_uid.to_string()),
        ]
        .into()
    }

    fn goes_by(&self, cluster: &ClusterName) -> bool {
        *cluster == self.owner.cluster || self.previous_names.contains(cluster)
    }

    fn is_mine(&self, owner: &Owner) -> bool {
        self.goes_by(&owner.cluster)
            && owner.namespace == self.owner.namespace
            && owner.name == self.owner.name
    }

    /// An owner by our cluster's name counts as one of ours only under our uid: a look-up here
    /// says nothing of an object in another cluster with the same name.
    fn is_our_clusters(&self, owner: &Owner, tags: &Tags) -> bool {
        self.goes_by(&owner.cluster)
            && tags.get(CLUSTER_UID_TAG).map(String::as_str) == Some(self.cluster_uid.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Asking {
        owner: Owner,
        previous: Vec<ClusterName>,
        uid: ClusterUid,
        written: Option<&'static str>,
        adoption: Adoption,
        taken_over: Option<&'static str>,
    }

    impl Asking {
        fn new() -> Self {
            Self {
                owner: Owner::parse("prod/payments/api").unwrap(),
                previous: vec![ClusterName::parse("old").unwrap()],
                uid: ClusterUid::parse("uid-1").unwrap(),
                written: None,
                adoption: Adoption::Never,
                taken_over: None,
            }
        }

        fn judge(&self, owner: Option<&str>, uid: Option<&str>, other: OwnerObject) -> Rights {
            let claim = Claim {
                owner: &self.owner,
                previous_names: &self.previous,
                cluster_uid: &self.uid,
                written_uid: self.written,
                adoption: &self.adoption,
                taken_over: self.taken_over,
            };
            let tags = [
                (OWNER_TAG, owner),
                (CLUSTER_UID_TAG, uid),
                ("team", Some("payments")),
            ];
            let tags = tags
                .into_iter()
                .filter_map(|(k, v)| Some((k.to_owned(), v?.to_owned())));
            judge(&tags.collect(), &claim, other)
        }
    }

    fn keys(rights: &Rights) -> Vec<&str> {
        match rights {
            Rights::Ours { stamps } | Rights::MayAdopt { stamps } => {
                stamps.keys().map(String::as_str).collect()
            }
            Rights::LookUp(_) | Rights::Refused(_) => panic!("no rights: {rights:?}"),
        }
    }

    const NONE: OwnerObject = OwnerObject::NotLookedUp;

    #[test]
    fn ours_is_ours_and_lacks_nothing() {
        let asking = Asking::new();
        let rights = asking.judge(Some("prod/payments/api"), Some("uid-1"), NONE);
        assert_eq!(
            rights,
            Rights::Ours {
                stamps: Tags::new()
            }
        );
    }

    #[test]
    fn a_renamed_cluster_stamps_its_new_name() {
        let rights = Asking::new().judge(Some("old/payments/api"), Some("uid-1"), NONE);
        assert!(matches!(rights, Rights::Ours { .. }));
        assert_eq!(keys(&rights), [OWNER_TAG]);
    }

    #[test]
    fn a_rebuilt_cluster_writes_its_uid_once_and_never_fights() {
        let mut asking = Asking::new();
        for written in [None, Some("uid-0")] {
            asking.written = written;
            let rights = asking.judge(Some("prod/payments/api"), Some("uid-0"), NONE);
            assert_eq!(keys(&rights), [CLUSTER_UID_TAG]);
        }
        asking.written = Some("uid-1");
        let rights = asking.judge(Some("prod/payments/api"), Some("uid-2"), NONE);
        assert_eq!(rights, Rights::Refused(Conflict::TwoClusters));
    }

    #[test]
    fn a_uid_that_was_taken_off_is_put_back() {
        let mut asking = Asking::new();
        asking.written = Some("uid-1");
        let rights = asking.judge(Some("prod/payments/api"), None, NONE);
        assert_eq!(keys(&rights), [CLUSTER_UID_TAG]);
    }

    #[test]
    fn who_had_the_repository_is_told_what_became_of_it() {
        let none = Tags::new();
        let tagged = Tags::from([(OWNER_TAG.to_owned(), "prod/a/b".to_owned())]);
        for (conflict, tags, is_replaced, expected) in [
            (
                Conflict::AlreadyExists,
                &none,
                false,
                Conflict::OwnerTagMissing,
            ),
            (Conflict::AlreadyExists, &none, true, Conflict::Replaced),
            (Conflict::AlreadyExists, &tagged, false, Conflict::TakenAway),
            (Conflict::OtherOwner, &tagged, true, Conflict::TakenAway),
            (Conflict::TakenBack, &tagged, false, Conflict::TakenBack),
            (Conflict::TwoClusters, &tagged, false, Conflict::TwoClusters),
        ] {
            assert_eq!(conflict.of_former(tags, is_replaced), expected);
        }
    }

    #[test]
    fn a_name_that_can_not_be_changed_is_not_asked_to_be() {
        let owner = Owner::parse("prod/payments/api").unwrap();
        for conflict in [
            Conflict::OwnerTagMissing,
            Conflict::Replaced,
            Conflict::TakenAway,
            Conflict::TakenBack,
        ] {
            let message = conflict.message(&owner);
            assert!(!message.contains("repositoryName"), "{message}");
        }
        let lost = Conflict::OwnerTagMissing.message(&owner);
        assert!(
            lost.contains("ecr-operator.dev/owner=prod/payments/api"),
            "{lost}"
        );
    }

    #[test]
    fn what_has_no_owner_is_adopted_only_when_asked() {
        let mut asking = Asking::new();
        let refused = Rights::Refused(Conflict::AlreadyExists);
        assert_eq!(asking.judge(None, None, NONE), refused);
        asking.adoption = Adoption::TakeOver(Owner::parse("a/b/c").unwrap());
        assert_eq!(asking.judge(None, None, NONE), refused);
        asking.adoption = Adoption::IfUnowned;
        let rights = asking.judge(None, None, NONE);
        assert!(matches!(rights, Rights::MayAdopt { .. }));
        assert_eq!(keys(&rights), [CLUSTER_UID_TAG, OWNER_TAG]);
    }

    #[test]
    fn a_foreign_owner_is_replaced_only_by_name() {
        let mut asking = Asking::new();
        for adoption in [
            Adoption::Never,
            Adoption::IfUnowned,
            Adoption::TakeOver(Owner::parse("other/payments/web").unwrap()),
        ] {
            asking.adoption = adoption;
            for owner in [
                "other/payments/api",
                "prod/payments/web",
                "somebody else",
                "",
            ] {
                let rights = asking.judge(Some(owner), Some("uid-9"), NONE);
                assert_eq!(rights, Rights::Refused(Conflict::OtherOwner), "{owner}");
            }
        }
        let rights = asking.judge(Some("other/payments/web"), Some("uid-9"), NONE);
        assert!(matches!(rights, Rights::MayAdopt { .. }));
    }

    #[test]
    fn a_takeover_is_good_once() {
        let mut asking = Asking::new();
        asking.adoption = Adoption::TakeOver(Owner::parse("prod/payments/web").unwrap());
        let judge = |asking: &Asking, owner| asking.judge(Some(owner), Some("uid-1"), NONE);
        // What was taken from others says nothing of this one.
        for taken_over in [None, Some("prod/payments/other")] {
            asking.taken_over = taken_over;
            let rights = judge(&asking, "prod/payments/web");
            assert!(matches!(rights, Rights::MayAdopt { .. }), "{taken_over:?}");
        }
        asking.taken_over = Some("prod/payments/web");
        assert_eq!(
            judge(&asking, "prod/payments/web"),
            Rights::Refused(Conflict::TakenBack)
        );
        assert!(matches!(
            judge(&asking, "prod/payments/api"),
            Rights::Ours { .. }
        ));
        assert_eq!(
            judge(&asking, "other/payments/other"),
            Rights::Refused(Conflict::OtherOwner)
        );
        assert_eq!(Conflict::TakenBack.reason(), Conflict::OtherOwner.reason());
    }

    #[test]
    fn a_dead_owner_of_our_own_cluster_counts_as_none() {
        let mut asking = Asking::new();
        let judge =
            |asking: &Asking, other| asking.judge(Some("prod/web/api"), Some("uid-1"), other);
        assert!(matches!(judge(&asking, NONE), Rights::LookUp(_)));
        assert_eq!(
            judge(&asking, OwnerObject::Alive),
            Rights::Refused(Conflict::OtherOwner)
        );
        assert_eq!(
            judge(&asking, OwnerObject::Gone),
            Rights::Refused(Conflict::AlreadyExists)
        );
        asking.adoption = Adoption::IfUnowned;
        assert!(matches!(
            judge(&asking, OwnerObject::Gone),
            Rights::MayAdopt { .. }
        ));
        assert_eq!(
            judge(&asking, OwnerObject::Alive),
            Rights::Refused(Conflict::OtherOwner)
        );
    }
}
