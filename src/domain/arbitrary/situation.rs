//! Objects before their repositories.

use std::collections::BTreeSet;

use proptest::{
    collection::{btree_map, btree_set, vec},
    prelude::*,
    sample::{Index, select},
};

use super::{KEYS, RESERVED, cluster_uid, desired, owner};
use crate::{
    api::{CLUSTER_UID_TAG, EncryptionType, ImageTagMutability, OWNER_TAG},
    domain::{
        desired::{Adoption, Desired, Encryption, Mutability, Refusal},
        identity::ClusterName,
        lifecycle::Lifecycle,
        observed::{Described, Observed, Reading, Tags},
        ownership::{Claim, OwnerObject, Rights, judge},
        plan::{Plan, plan},
        policy::Document,
        setting::Setting,
    },
};

fn word(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(of).prop_map(str::to_owned)
}

fn held<T: Clone>(wanted: &Result<Setting<T>, Refusal>) -> Option<T> {
    wanted.as_ref().ok().and_then(Setting::value).cloned()
}

fn reading<T: Clone>(
    wanted: &Result<Setting<T>, Refusal>,
    die: u8,
    opaque: impl FnOnce(&str) -> T,
) -> Reading<T> {
    match (held(wanted), die) {
        (_, 0) => Reading::NotRead,
        (_, 1) => Reading::Stored(opaque("{\"from\":\"the future\"}")),
        (Some(value), _) => Reading::Stored(value),
        (None, _) => Reading::Absent,
    }
}

prop_compose! {
    /// Tags that nobody here asked for.
    fn others_tags()(
        mut tags in btree_map(word(KEYS), word(&["a", "b", "c"]), 0..4),
        reserved in btree_map(word(RESERVED), word(&["a"]), 0..3),
        foreign in any::<bool>(),
        owner in select(vec![
            None, Some("prod/payments/api"), Some("old/payments/api"), Some("prod/payments/web"),
            Some("other/payments/web"), Some("terraform"),
        ]),
        uid in select(vec![None, Some("uid-0"), Some("uid-1")]),
    ) -> Tags {
        tags.extend(reserved);
        tags.extend(foreign.then(|| ("foreign".to_owned(), "x".to_owned())));
        let stamps = [(OWNER_TAG, owner), (CLUSTER_UID_TAG, uid)];
        tags.extend(stamps.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?.to_owned()))));
        tags
    }
}

prop_compose! {
    /// What ECR holds: what one of `asked` had asked for, aspect by aspect, or something else.
    pub(crate) fn observed_like(asked: Vec<Desired>)(
        which in vec(any::<Index>(), 6),
        dice in (0_u8..6, 0_u8..6, 0_u8..6, 0_u8..6),
        others in others_tags(),
        scan in any::<bool>(),
        asked in Just(asked),
    ) -> Observed {
        let of = |aspect: usize| which[aspect].get(&asked);
        let mutable = Mutability { mode: ImageTagMutability::Mutable, exclusions: BTreeSet::new() };
        let aes = Encryption { kind: EncryptionType::Aes256, key: None };
        let mut tags = of(5).tags.clone().unwrap_or_default();
        tags.extend(others);
        Observed {
            described: Described {
                uri: "uri".to_owned(),
                created_at: "then".to_owned(),
                mutability: (dice.0 > 0).then(|| held(&of(0).mutability).unwrap_or(mutable)),
                scan_on_push: held(&of(1).scan_on_push).unwrap_or(scan),
                encryption: (dice.1 > 0).then(|| of(2).encryption.clone().unwrap_or(aes)),
            },
            tags,
            lifecycle: reading(&of(3).lifecycle, dice.2, Lifecycle::stored),
            policy: reading(&of(4).policy, dice.3, Document::stored),
        }
    }
}

prop_compose! {
    fn remembered()(
        keys in btree_set(word(KEYS), 0..4),
        // Whoever may write a status can forge it.
        forged in prop_oneof![
            3 => Just(vec![]),
            1 => vec(word(RESERVED), 1..3),
            1 => Just(vec![OWNER_TAG.to_owned()]),
        ],
    ) -> BTreeSet<String> {
        keys.into_iter().chain(forged).collect()
    }
}

/// An object before its repository.
#[derive(Clone, Debug)]
pub(crate) struct Situation {
    pub(crate) desired: Desired,
    pub(crate) observed: Observed,
    /// The tag keys that status remembers.
    pub(crate) remembered: BTreeSet<String>,
    /// The uid that status says was written.
    pub(crate) written_uid: Option<&'static str>,
    pub(crate) other: OwnerObject,
}

impl Situation {
    /// What the object may do in view of these tags.
    pub(crate) fn rights(&self, tags: &Tags) -> Rights {
        rights(&self.desired.adoption, self.written_uid, tags, self.other)
    }

    pub(crate) fn plan(&self) -> Plan {
        self.plan_at(&self.observed, &self.remembered)
    }

    /// The plan once ECR holds something else.
    pub(crate) fn plan_at(&self, observed: &Observed, remembered: &BTreeSet<String>) -> Plan {
        let rights = self.rights(&observed.tags);
        plan(&self.desired, observed, &rights, remembered)
    }
}

/// The tags by which its repository is known.
pub(crate) fn stamps() -> Tags {
    [
        (OWNER_TAG.to_owned(), owner().to_string()),
        (CLUSTER_UID_TAG.to_owned(), cluster_uid().to_string()),
    ]
    .into()
}

/// Judged as by the object that all laws speak of.
pub(crate) fn rights(
    adoption: &Adoption,
    written_uid: Option<&str>,
    tags: &Tags,
    other: OwnerObject,
) -> Rights {
    let claim = Claim {
        owner: &owner(),
        previous_names: &[ClusterName::parse("old").unwrap()],
        cluster_uid: &cluster_uid(),
        written_uid,
        adoption,
        taken_over: None,
    };
    judge(tags, &claim, other)
}

prop_compose! {
    /// Any object before any repository.
    pub(crate) fn situation()(desired in desired(), past in desired())(
        observed in observed_like(vec![desired.clone(), past]),
        desired in Just(desired),
        remembered in remembered(),
        written_uid in select(vec![None, Some("uid-0"), Some("uid-1")]),
        other in select(vec![OwnerObject::NotLookedUp, OwnerObject::Alive, OwnerObject::Gone]),
    ) -> Situation {
        Situation { desired, observed, remembered, written_uid, other }
    }
}

prop_compose! {
    /// An object before the repository that is its own, by its present or an earlier cluster name
    /// and whatever uid.
    pub(crate) fn owned()(
        mut situation in situation(),
        name in select(vec!["prod/payments/api", "old/payments/api"]),
    ) -> Situation {
        situation.observed.tags.insert(OWNER_TAG.to_owned(), name.to_owned());
        situation.written_uid = None;
        situation
    }
}
