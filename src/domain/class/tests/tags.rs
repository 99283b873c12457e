//! What a class enforces of tags is there whatever the object names, and whatever is there already.

use std::collections::BTreeSet;

use proptest::collection::btree_map;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::Class;
use super::{SUBJECT, class, own};
use crate::api::{Aspect, OWNER_TAG};
use crate::domain::action::Action;
use crate::domain::desired::Desired;
use crate::domain::identity::{Identity, Owner, RepositoryName};
use crate::domain::observed::{Described, Observed, Reading, Tags};
use crate::domain::ownership::Rights;
use crate::domain::plan::{Step, plan, plan_creation};

/// What ECR takes a resource.
const ROOM: usize = 50;

fn owner() -> Owner {
    Owner::parse("prod/payments/api").unwrap()
}

fn desired(of: Value, asked: Value) -> Desired {
    let asked = serde_json::from_value(asked).unwrap();
    let class = class(of);
    let effective = class.admit(&SUBJECT, &asked, &own()).unwrap();
    effective.desired(&class, owner(), own()).unwrap()
}

fn of_class(enforced: &Tags, defaults: &Tags) -> Value {
    json!({"allowedNamespaces": {}, "enforced": {"tags": enforced}, "defaults": {"tags": defaults}})
}

/// Carries out steps on tags as ECR does: what would be too many is refused as a whole. Gives what was.
fn carried_out(mut held: Tags, steps: &[Step]) -> (Tags, usize) {
    let mut refused = 0;
    for step in steps {
        match &step.action {
            Action::UntagResource(keys) => held.retain(|key, _| !keys.contains(key)),
            Action::TagResource(tags) => {
                let mut after = held.clone();
                after.extend(tags.clone());
                if after.len() <= ROOM {
                    held = after;
                } else {
                    refused += 1;
                }
            }
            _ => {}
        }
    }
    (held, refused)
}

fn keys(prefix: &'static str, most: usize) -> impl Strategy<Value = Tags> {
    btree_map(
        (0..most).prop_map(move |n| format!("{prefix}{n:02}")),
        "[ab]",
        0..=most,
    )
}

fn observed(tags: Tags) -> Observed {
    Observed {
        described: Described {
            uri: "uri".to_owned(),
            created_at: "then".to_owned(),
            mutability: None,
            scan_on_push: false,
            encryption: None,
        },
        tags,
        lifecycle: Reading::Absent,
        policy: Reading::Absent,
    }
}

fn ours() -> Rights {
    Rights::Ours {
        stamps: Tags::new(),
    }
}

proptest! {
    /// Whatever the object names and the repository holds, the enforced tags come to be there where
    /// others' tags leave the room; nobody else's tag goes, and in the end nothing is left to do.
    #[test]
    fn enforced_tags_come_first(
        enforced in keys("e", 6),
        defaults in keys("d", 4),
        asked in prop_oneof![keys("o", 48), keys("o", 60)],
        remembered in keys("o", 60),
        foreign in keys("f", 40),
        held_own in keys("o", 60),
    ) {
        let desired = desired(of_class(&enforced, &defaults), json!({"tags": asked}));
        let mut held: Tags = foreign.clone();
        held.insert(OWNER_TAG.to_owned(), owner().to_string());
        let room = ROOM - held.len();
        // What is held of the object's own is named or remembered: anything else is somebody's.
        let own = held_own.into_iter().filter(|(key, _)| asked.contains_key(key) || remembered.contains_key(key));
        held.extend(own.take(room));
        let ours_before: BTreeSet<String> = remembered.keys().cloned().collect();
        let mut last = None;
        for _ in 0..3 {
            let plan = plan(&desired, &observed(held.clone()), &ours(), &ours_before);
            let (after, _) = carried_out(held.clone(), &plan.steps);
            prop_assert!(foreign.iter().all(|it| after.get(it.0) == Some(it.1)), "a foreign tag went");
            prop_assert!(after.contains_key(OWNER_TAG));
            held = after;
            last = Some(plan);
        }
        for (key, value) in &enforced {
            prop_assert_eq!(held.get(key), Some(value), "{}", key);
        }
        let refused = desired.refusals().any(|(aspect, _)| aspect == Aspect::Tags);
        let whole = foreign.len() + 1 + desired.tags.as_ref().map_or(0, Tags::len) <= ROOM;
        if refused || whole {
            prop_assert_eq!(last.unwrap().steps, []);
        }
    }

    /// A repository is created with them, and with all that is named where that is not refused.
    #[test]
    fn a_repository_is_created_with_what_is_enforced(enforced in keys("e", 6), asked in keys("o", 60)) {
        let desired = desired(of_class(&enforced, &Tags::new()), json!({"tags": asked}));
        let plan = plan_creation(&desired, Tags::new());
        let Action::CreateRepository(new) = &plan.steps[0].action else { panic!() };
        let mut expected = enforced.clone();
        if enforced.len() + asked.len() <= 48 {
            expected.extend(asked);
        }
        prop_assert_eq!(&new.tags, &expected);
    }

    /// An object that is refused as a whole: what is enforced, and nothing else but room for it.
    #[test]
    fn of_a_refused_object_the_enforced_alone_is_written(
        enforced in keys("e", 6),
        held_own in keys("o", 49),
        scan in any::<bool>(),
        settings in any::<bool>(),
    ) {
        let mut of = of_class(&enforced, &Tags::new());
        if settings {
            of["enforced"]["imageScanningConfiguration"] = json!({"scanOnPush": scan});
        }
        let alone = alone(&class(of), held_own.keys().cloned().collect());
        let Some(desired) = alone else {
            prop_assert!(enforced.is_empty() && !settings);
            return Ok(());
        };
        let mut held = held_own.clone();
        held.insert(OWNER_TAG.to_owned(), owner().to_string());
        let plan = plan(&desired, &observed(held.clone()), &ours(), &BTreeSet::new());
        let (after, refused) = carried_out(held.clone(), &plan.steps);
        prop_assert_eq!(refused, 0);
        prop_assert!(enforced.iter().all(|it| after.get(it.0) == Some(it.1)));
        let lost = held_own.keys().filter(|key| !after.contains_key(*key)).count();
        prop_assert_eq!(lost, (held.len() + enforced.len()).saturating_sub(ROOM));
        let others = plan.steps.iter().filter(|it| it.action.aspect() != Some(Aspect::Tags)).count();
        prop_assert!(others <= usize::from(settings));
    }
}

fn alone(class: &Class, own: BTreeSet<String>) -> Option<Desired> {
    let name = RepositoryName::parse("payments/api").unwrap();
    let at = Identity {
        registry: super::own(),
        name,
    };
    class.enforced_alone(owner(), &SUBJECT, &at, own)
}

/// Where nothing is enforced that is written, there is nothing to look for; nor where the class says that
/// nothing is written.
#[test]
fn what_is_enforced_at_other_times_is_not_written() {
    let encryption = json!({"encryptionType": "KMS"});
    for of in [
        json!({}),
        json!({"enforced": {}}),
        json!({"enforced": {"deletionPolicy": "Retain", "encryptionConfiguration": encryption}}),
        json!({"defaults": {"imageScanningConfiguration": {"scanOnPush": true}, "tags": {"a": "b"}}}),
        json!({"managementPolicies": ["Observe"], "enforced": {"imageScanningConfiguration": {"scanOnPush": true}}}),
    ] {
        assert_eq!(alone(&class(of.clone()), BTreeSet::new()), None, "{of}");
    }
    let of = json!({"enforced": {
        "imageScanningConfiguration": {"scanOnPush": true}, "deletionPolicy": "Delete", "encryptionConfiguration": encryption,
    }});
    let desired = alone(&class(of), BTreeSet::new()).unwrap();
    assert_eq!(desired.hashes().len(), 1, "{desired:?}");
    assert_eq!(desired.encryption, None);
}

/// IAM does not tell keys apart by their case, and so none of the object's may look like the class's.
#[test]
fn a_tag_like_one_of_the_classs_is_refused() {
    let of = json!({
        "allowedNamespaces": {}, "enforced": {"tags": {"environment": "prod"}}, "defaults": {"tags": {"Owner": "platform", "größe": "m"}},
    });
    for (asked, refused) in [
        (json!({"tags": {"Environment": "dev"}}), true),
        (json!({"tags": {"environmenT": "prod"}}), true),
        (json!({"tags": {"owner": "me"}}), true),
        (json!({"tags": {"GRÖSSE": "s"}}), false),
        (json!({"tags": {"GRÖßE": "s"}}), true),
        (json!({"tags": {"environment": "dev"}}), false),
        (json!({"tags": {"Owner": "me"}}), false),
        (json!({"tags": {"environments": "dev", "own": "me"}}), false),
        // What is opted out of is not there; of the object's own the object alone is to blame.
        (
            json!({"tags": {"owner": "me", "OWNER": "me"}, "unmanaged": ["tags"]}),
            false,
        ),
        (
            json!({"tags": {"Environment": "dev"}, "unmanaged": ["tags"]}),
            true,
        ),
    ] {
        let desired = desired(of.clone(), asked.clone());
        let said = desired.tags.as_ref().err().map(ToString::to_string);
        assert_eq!(said.is_some(), refused, "{asked}: {said:?}");
        assert_eq!(desired.enforced_tags["environment"], "prod", "{asked}");
        assert!(said.is_none_or(|said| said.contains("in case alone")));
    }
}
