//! What no plan ever does, whatever is asked for, held, remembered or forged.

use std::collections::BTreeSet;

use proptest::{option, prelude::*, sample::select};

use super::{
    action::Action,
    arbitrary::{Situation, desired, owned, situation, stamps},
    desired::{Encryption, EncryptionType, is_reserved},
    ecr_model::run,
    identity::Owner,
    observed::{Reading, Tags},
    ownership::{Conflict, Rights},
    plan::{Plan, Step, plan, plan_creation},
    policy::Document,
    reason::Reason,
    setting::Setting,
};
use crate::api::Aspect;

/// All rights that there are, for the same situation.
fn all_rights() -> Vec<Rights> {
    let none = Tags::new();
    vec![
        Rights::Ours { stamps: none },
        Rights::Ours { stamps: stamps() },
        Rights::MayAdopt { stamps: stamps() },
        Rights::LookUp(Owner::parse("prod/payments/web").unwrap()),
        Rights::Refused(Conflict::AlreadyExists),
        Rights::Refused(Conflict::OtherOwner),
        Rights::Refused(Conflict::TakenBack),
        Rights::Refused(Conflict::TwoClusters),
    ]
}

fn is_unmanaged<T, E>(wanted: &Result<Setting<T>, E>) -> bool {
    matches!(wanted, Ok(Setting::Unmanaged) | Err(_))
}

/// The aspects that nothing may be done to: not asked for, or asked for what can't be.
fn untouchable(at: &Situation) -> BTreeSet<Aspect> {
    [
        (
            Aspect::ImageTagMutability,
            is_unmanaged(&at.desired.mutability),
        ),
        (
            Aspect::ImageScanningConfiguration,
            is_unmanaged(&at.desired.scan_on_push),
        ),
        (Aspect::LifecyclePolicy, is_unmanaged(&at.desired.lifecycle)),
        (Aspect::RepositoryPolicy, is_unmanaged(&at.desired.policy)),
    ]
    .into_iter()
    .filter_map(|(aspect, untouchable)| untouchable.then_some(aspect))
    .collect()
}

/// Independent of the code under test: prefixes in any case for AWS, as written for ours.
fn is_untouchable(key: &str) -> bool {
    key.to_lowercase().starts_with("aws:") || key.starts_with("ecr-operator.dev/")
}

/// The same, as if encryption had not been asked for.
fn without_encryption(at: &Situation) -> Plan {
    let mut at = at.clone();
    at.desired.encryption = None;
    at.plan()
}

proptest! {
    #[test]
    fn nothing_unmanaged_is_touched(at in owned()) {
        let plan = at.plan();
        let unmanaged = untouchable(&at);
        for Step { action, .. } in &plan.steps {
            let aspect = action.aspect().unwrap();
            prop_assert!(!unmanaged.contains(&aspect), "{action}");
        }
        let after = run(&at.observed, &plan.steps);
        let (then, now) = (&at.observed, &after);
        for aspect in unmanaged {
            let same = match aspect {
                Aspect::ImageTagMutability => then.described.mutability == now.described.mutability,
                Aspect::ImageScanningConfiguration => {
                    then.described.scan_on_push == now.described.scan_on_push
                }
                Aspect::LifecyclePolicy => then.lifecycle == now.lifecycle,
                Aspect::RepositoryPolicy => then.policy == now.policy,
                Aspect::Tags => true,
            };
            prop_assert!(same, "{aspect:?}");
        }
        prop_assert_eq!(&then.described.encryption, &now.described.encryption);
    }

    #[test]
    fn statements_that_are_kept_survive(at in owned()) {
        let own = &at.desired.identity.registry.id;
        let kept = |held: &Reading<Document>| {
            let kept = at.desired.keep.with(&Setting::Absent, held, own).ok();
            kept.as_ref().and_then(Setting::value).cloned()
        };
        let asked = at.desired.policy.as_ref().ok().and_then(Setting::value);
        let asked = asked.map(Document::sids).unwrap_or_default();
        let before = kept(&at.observed.policy);
        let before = before.filter(|it| it.sids().is_disjoint(&asked));
        if let Some(before) = before {
            let after = run(&at.observed, &at.plan().steps);
            let sids = before.sids();
            let Reading::Stored(after) = &after.policy else {
                return Err(TestCaseError::fail("all of it is gone"));
            };
            prop_assert_eq!(after.only(|sid, _| sids.contains(sid)), Some(before));
        }
    }

    #[test]
    fn foreign_tags_survive(at in owned()) {
        let after = run(&at.observed, &at.plan().steps);
        let wanted = at.desired.tags.clone().unwrap_or_default();
        for (key, value) in &at.observed.tags {
            let ours = wanted.contains_key(key) || stamps().contains_key(key);
            let was_ours = at.remembered.contains(key) && at.desired.tags.is_ok();
            if is_untouchable(key) && !stamps().contains_key(key) || !ours && !was_ours {
                prop_assert_eq!(after.tags.get(key), Some(value));
            }
        }
        for key in after.tags.keys() {
            let known = at.observed.tags.contains_key(key) || wanted.contains_key(key);
            prop_assert!(known || stamps().contains_key(key), "{key} came from nowhere");
        }
    }

    #[test]
    fn nothing_is_deleted_without_leave(at in situation()) {
        let adopted = all_rights();
        let plans = adopted.iter().map(|rights| plan(&at.desired, &at.observed, rights, &at.remembered));
        for Step { action, .. } in plans.flat_map(|plan| plan.steps) {
            match action {
                Action::CreateRepository(_) | Action::DeleteRepository { .. } => {
                    prop_assert!(false, "{action}");
                }
                Action::UntagResource(keys) => for key in keys {
                    prop_assert!(at.remembered.contains(&key), "{key} was never ours");
                    prop_assert!(!is_untouchable(&key), "{key}");
                    prop_assert!(!at.desired.tags.as_ref().unwrap().contains_key(&key), "{key}");
                },
                Action::DeleteLifecyclePolicy => {
                    prop_assert_eq!(&at.desired.lifecycle, &Ok(Setting::Absent));
                }
                Action::DeleteRepositoryPolicy => {
                    prop_assert_eq!(&at.desired.policy, &Ok(Setting::Absent));
                }
                Action::TagResource(tags) => {
                    let reserved = tags.into_iter().filter(|(key, _)| is_untouchable(key));
                    for (key, value) in reserved {
                        prop_assert_eq!(stamps().get(&key).cloned(), Some(value), "{}", key);
                    }
                }
                Action::PutImageTagMutability(_)
                | Action::PutImageScanningConfiguration(_)
                | Action::PutLifecyclePolicy(_)
                | Action::SetRepositoryPolicy(_) => {}
            }
        }
        for Step { action, .. } in plan_creation(&at.desired, stamps()).steps {
            let makes = matches!(
                action,
                Action::CreateRepository(_)
                    | Action::PutLifecyclePolicy(_)
                    | Action::SetRepositoryPolicy(_)
            );
            prop_assert!(makes, "{action}");
        }
    }

    #[test]
    fn nothing_is_written_without_rights(at in situation()) {
        for rights in all_rights() {
            let plan = plan(&at.desired, &at.observed, &rights, &at.remembered);
            match rights {
                Rights::Refused(_) | Rights::LookUp(_) => prop_assert!(plan.is_empty(), "{plan:?}"),
                Rights::MayAdopt { stamps } => {
                    let actions: Vec<_> = plan.steps.into_iter().map(|step| step.action).collect();
                    prop_assert_eq!(actions, vec![Action::TagResource(stamps)]);
                    prop_assert_eq!(plan.refusals, vec![]);
                }
                Rights::Ours { stamps } => {
                    let tags: Vec<_> = plan.steps.iter().filter_map(|step| step.action.tags()).collect();
                    prop_assert!(tags.len() <= 1);
                    let written: Tags = tags.into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
                    prop_assert!(stamps.iter().all(|(key, value)| written.get(key) == Some(value)));
                }
            }
        }
    }

    #[test]
    fn the_owner_is_tagged_at_creation_whatever_tags_are_asked_for(desired in desired()) {
        let creation = plan_creation(&desired, stamps());
        let first = creation.steps.first().unwrap();
        prop_assert_eq!(first.action.operation(), "CreateRepository");
        let tags = first.action.tags().unwrap();
        prop_assert!(stamps().iter().all(|(key, value)| tags.get(key) == Some(value)));
        prop_assert!(tags.keys().all(|key| stamps().contains_key(key) || !is_reserved(key)));
    }

    #[test]
    fn other_encryption_is_refused_and_never_made(
        mut at in owned(),
        wanted in option::weighted(0.9, select(encryptions())),
        held in option::weighted(0.9, select(encryptions())),
    ) {
        (at.desired.encryption, at.observed.described.encryption) = (wanted, held);
        let immutable = |(_, refusal): &(Option<Aspect>, _)| {
            let refusal: &super::desired::Refusal = refusal;
            refusal.reason == Reason::ImmutableField
        };
        let plan = at.plan();
        let refused: Vec<_> = plan.refusals.iter().filter(|it| immutable(it)).collect();
        let differs = match (&at.desired.encryption, &at.observed.described.encryption) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(wanted), Some(held)) => wanted.kind != held.kind || other_key(wanted, held),
        };
        prop_assert_eq!(refused.len(), usize::from(differs), "{:?}", plan.refusals);
        for (aspect, refusal) in refused {
            prop_assert_eq!(*aspect, None);
            prop_assert!(refusal.message.starts_with("The repository is encrypted with "));
        }
        prop_assert_eq!(plan.steps, without_encryption(&at).steps);
    }

    #[test]
    fn what_was_not_read_is_not_written(mut at in owned()) {
        at.observed.lifecycle = Reading::NotRead;
        at.observed.policy = Reading::NotRead;
        for Step { action, .. } in at.plan().steps {
            let aspect = action.aspect();
            prop_assert_ne!(aspect, Some(Aspect::LifecyclePolicy), "{}", action);
            prop_assert_ne!(aspect, Some(Aspect::RepositoryPolicy), "{}", action);
        }
    }
}

/// Every kind, with every way to name a key.
fn encryptions() -> Vec<Encryption> {
    const ARN: &str = "arn:aws:kms:ap-southeast-1:111122223333";
    let named = ["key/a", "key/b", "alias/a"].map(|key| Some(format!("{ARN}:{key}")));
    let short = ["alias/a", "1234abcd"].map(|key| Some(key.to_owned()));
    let keys: Vec<_> = named.into_iter().chain(short).chain([None]).collect();
    let kms = [EncryptionType::Kms, EncryptionType::KmsDsse];
    let of = |kind| {
        keys.iter().map(move |key| Encryption {
            kind,
            key: key.clone(),
        })
    };
    let aes = Encryption {
        kind: EncryptionType::Aes256,
        key: None,
    };
    kms.into_iter().flat_map(of).chain([aes]).collect()
}

/// Only a key's ARN, and the id in which it ends, tell which key it is.
fn other_key(wanted: &Encryption, held: &Encryption) -> bool {
    let (Some(wanted), Some(held)) = (&wanted.key, &held.key) else {
        return false;
    };
    if wanted.contains("alias/") {
        return false;
    }
    if wanted.starts_with("arn:") {
        return wanted != held;
    }
    held.contains(":key/") && !held.ends_with(&format!(":key/{wanted}"))
}
