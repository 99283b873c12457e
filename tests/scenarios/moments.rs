//! What permits a write is true when it is made, however long the calls before it took, and whatever no watch
//! told of meanwhile. The invariants judge by the times; here AWS is slow, and the watches are silent.

use std::{collections::BTreeMap, time::Duration};

use ecr_emulator::{Call, Fault};
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::{
    gaps::relayed,
    proof::{TEAM, change, is_about, late, now, repository},
    samples::keep_last,
    world::{
        ACCOUNT, End, REGION, Relay,
        estate::{Estate, Object},
        timed::{PROOF, TOLERANCE},
    },
};

/// Longer than what was read before a call serves.
const SLOW: Duration = Duration::from_secs(4);

fn open() -> Value {
    json!({
        "allowedNamespaces": {},
        "allowedPrincipals": ["*"],
        "deletionPolicies": ["Retain", "Delete", "DeleteWithImages"],
    })
}

fn count(estate: &Estate, operation: &str, name: &str) -> usize {
    let calls = estate.calls();
    let of_it = |it: &&Call| it.operation == operation && is_about(it, name);
    calls.iter().filter(of_it).count()
}

fn images(estate: &Estate, name: &str) -> usize {
    let held = estate
        .emulator
        .repository(ACCOUNT, REGION, &repository(name));
    held.unwrap().images.len()
}

fn push(estate: &Estate, name: &str, many: usize) {
    for n in 0..many {
        estate.push(ACCOUNT, REGION, &repository(name), &format!("v{n}"));
    }
}

#[tokio::test]
async fn a_policy_of_the_class_is_previewed_where_images_came_before_the_answer_to_the_creation() {
    let estate = Estate::quiet("moment-created").await;
    estate.namespace(TEAM, json!({})).await;
    let mut class = open();
    class["defaults"] = json!({"lifecyclePolicy": keep_last(1)});
    estate.default_class("default", class).await;
    let slow = Fault::on("CreateRepository").delay_answer(SLOW);
    estate.emulator.inject(slow.forever());
    for name in ["gone", "pushed"] {
        estate.apply(TEAM, name, json!({})).await;
        let is_there = |it: &Estate| {
            let held = it.emulator.repository(ACCOUNT, REGION, &repository(name));
            held.is_some()
        };
        estate.until("the repository", is_there).await;
        push(&estate, name, 4);
    }
    estate.delete(&estate.repositories(TEAM), "gone").await;
    // What is empty has its policy without a question. All that would follow for the one that is gone has by then.
    estate.apply(TEAM, "empty", json!({})).await;
    estate
        .stalled(TEAM, "pushed", "LifecycleNeedsApproval")
        .await;
    estate.ready(TEAM, "empty").await;
    for name in ["gone", "pushed"] {
        assert_eq!(count(&estate, "PutLifecyclePolicy", name), 0, "{name}");
        assert_eq!(images(&estate, name), 4, "{name}");
    }
    assert_eq!(count(&estate, "PutLifecyclePolicy", "empty"), 1);
    estate.finish().await;
}

/// An object with an image, which goes with it, and whose deletion comes so far as to read its tags.
async fn deleted_in_a_gap(estate: &Estate, relay: &Relay, name: &str) {
    let spec = json!({"deletionPolicy": "DeleteWithImages"});
    estate.apply(TEAM, name, spec).await;
    estate.ready(TEAM, name).await;
    push(estate, name, 1);
    let slow = Fault::on("ListTagsForResource").repository(&repository(name));
    estate.emulator.inject(slow.delay(SLOW));
    estate.delete(&estate.repositories(TEAM), name).await;
    estate.struck().await;
    relay.gap();
}

/// Waits until the tags were read so often again, or something is wrong already.
async fn more_reads(estate: &Estate, more: usize, is_wrong: impl Fn(&Estate) -> bool) {
    let reads = |it: &Estate| count(it, "ListTagsForResource", "api");
    let enough = reads(estate) + more;
    estate
        .until("more passes", |it| reads(it) >= enough || is_wrong(it))
        .await;
}

#[tokio::test]
async fn no_image_goes_by_the_leave_of_a_class_that_is_no_longer_the_default() {
    let (estate, relay) = relayed("moment-default").await;
    estate.namespace(TEAM, json!({})).await;
    let keeps = json!({"allowedNamespaces": {}, "enforced": {"deletionPolicy": "Retain"}});
    estate.default_class("former", open()).await;
    estate.class("keeps", keeps.clone()).await;
    deleted_in_a_gap(&estate, &relay, "api").await;
    estate.class("former", open()).await;
    estate.default_class("keeps", keeps).await;
    let deletions = |it: &Estate| count(it, "DeleteRepository", "api");
    more_reads(&estate, 5, |it| deletions(it) > 0).await;
    assert_eq!(deletions(&estate), 0, "by the former default's leave");
    relay.end(End::Told);
    estate.gone(&estate.repositories(TEAM), "api").await;
    assert_eq!(images(&estate, "api"), 1);
    estate.finish().await;
}

/// Two defaults at a time: the newer one counts from the moment that it is there.
#[tokio::test]
async fn no_image_goes_by_the_leave_of_a_default_class_that_is_not_the_newest() {
    let (estate, relay) = relayed("moment-newest").await;
    estate.namespace(TEAM, json!({})).await;
    let keeps = json!({"allowedNamespaces": {}, "enforced": {"deletionPolicy": "Retain"}});
    estate.default_class("former", open()).await;
    deleted_in_a_gap(&estate, &relay, "api").await;
    // Where both are of one second, it is the first by name.
    estate.default_class("a-newer", keeps).await;
    let deletions = |it: &Estate| count(it, "DeleteRepository", "api");
    more_reads(&estate, 5, |it| deletions(it) > 0).await;
    assert_eq!(deletions(&estate), 0, "by the older default's leave");
    relay.end(End::Told);
    estate.gone(&estate.repositories(TEAM), "api").await;
    assert_eq!(images(&estate, "api"), 1);
    estate.finish().await;
}

#[tokio::test]
async fn a_label_that_no_class_asks_for_holds_up_no_deletion_while_the_watches_are_silent() {
    let (estate, relay) = relayed("moment-label").await;
    estate.namespace(TEAM, json!({"ecr": "yes"})).await;
    let mut class = open();
    class["allowedNamespaces"] = json!({"matchLabels": {"ecr": "yes"}});
    estate.default_class("default", class).await;
    deleted_in_a_gap(&estate, &relay, "api").await;
    let labels = json!({"ecr": "yes", "cost-centre": "7"});
    estate.namespace(TEAM, labels).await;
    estate.gone(&estate.repositories(TEAM), "api").await;
    let held = estate
        .emulator
        .repository(ACCOUNT, REGION, &repository("api"));
    assert_eq!(held.map(|it| it.name), None);
    relay.end(End::Told);
    estate.finish().await;
}

#[tokio::test]
async fn no_lifecycle_policy_is_written_for_a_namespace_that_lost_its_class_unheard() {
    let (estate, relay) = relayed("moment-lost").await;
    estate.namespace(TEAM, json!({"ecr": "yes"})).await;
    let mut class = open();
    class["allowedNamespaces"] = json!({"matchLabels": {"ecr": "yes"}});
    estate.default_class("default", class).await;
    let spec = |keep: i64| json!({"lifecyclePolicy": keep_last(keep)});
    estate.apply(TEAM, "api", spec(10)).await;
    estate.ready(TEAM, "api").await;
    push(&estate, "api", 4);
    let slow = Fault::on("GetLifecyclePolicy").delay(SLOW);
    estate.emulator.inject(slow);
    estate.apply(TEAM, "api", spec(1)).await;
    estate.struck().await;
    relay.gap();
    estate.namespace(TEAM, json!({})).await;
    let puts = |it: &Estate| count(it, "PutLifecyclePolicy", "api");
    more_reads(&estate, 4, |it| puts(it) > 1).await;
    assert_eq!(puts(&estate), 1, "nobody permits the second");
    relay.end(End::Told);
    estate.stalled(TEAM, "api", "NotPermitted").await;
    assert_eq!(puts(&estate), 1);
    estate.finish().await;
}

const STEPS: [&str; 4] = [
    "PutImageTagMutability",
    "PutImageScanningConfiguration",
    "SetRepositoryPolicy",
    "TagResource",
];

/// One for each thing that ends what an object asks for.
const ENDED: [&str; 4] = ["suspended", "observed", "gone", "anew"];

/// Objects of which four things are to be changed, each of which takes long; the first is under way.
async fn slowly_changed(estate: &Estate) {
    estate.namespace(TEAM, json!({})).await;
    estate.default_class("default", open()).await;
    for name in ENDED {
        estate.apply(TEAM, name, json!({})).await;
    }
    for name in ENDED {
        estate.ready(TEAM, name).await;
    }
    let [first, others @ ..] = STEPS;
    let many = u64::try_from(ENDED.len()).unwrap();
    let slow = Fault::on(first).times(many).delay(SLOW);
    estate.emulator.inject(slow);
    let spec = json!({
        "imageTagMutability": "IMMUTABLE",
        "imageScanningConfiguration": {"scanOnPush": true},
        "access": {"pull": ["111122223333"]},
        "tags": {"team": "a"},
    });
    for name in ENDED {
        estate.apply(TEAM, name, spec.clone()).await;
    }
    estate.struck().await;
    for operation in others {
        let slow = Fault::on(operation).forever();
        estate.emulator.inject(slow.delay(SLOW));
    }
}

/// Ends what all of them ask for, and waits until that is said; when it was accepted.
async fn all_end(estate: &Estate) -> BTreeMap<String, f64> {
    let mut ended = BTreeMap::new();
    let api = estate.repositories(TEAM);
    for name in ["gone", "anew"] {
        api.delete(name, &DeleteParams::default()).await.unwrap();
        ended.insert(name.to_owned(), now());
    }
    estate.apply(TEAM, "anew", json!({})).await;
    for (name, spec) in [
        ("suspended", json!({"suspend": true})),
        ("observed", json!({"managementPolicy": "Observe"})),
    ] {
        let accepted = change(estate, name, spec).await;
        ended.insert(name.to_owned(), accepted.unwrap());
    }
    estate.gone(&api, "gone").await;
    estate.ready(TEAM, "anew").await;
    for name in ["suspended", "observed"] {
        let generation = api.get(name).await.unwrap().metadata.generation;
        let is_said = |it: &Object| it.data["status"]["observedGeneration"].as_i64() >= generation;
        estate.wait(&api, name, "what was told", is_said).await;
    }
    ended
}

fn nothing_came_later(estate: &Estate, ended: &BTreeMap<String, f64>) {
    for operation in STEPS {
        let by = PROOF + TOLERANCE;
        assert_eq!(late(estate, operation, ended, by), [""; 0]);
    }
    for name in ENDED {
        let held = estate
            .emulator
            .repository(ACCOUNT, REGION, &repository(name));
        let held = held.unwrap();
        assert_eq!(held.image_tag_mutability, "IMMUTABLE", "the first step");
        assert_eq!(held.policy, None, "a grant that nobody takes back: {name}");
    }
}

#[tokio::test]
async fn nothing_more_is_written_for_what_ends_while_a_write_is_under_way() {
    let estate = Estate::quiet("moment-steps").await;
    slowly_changed(&estate).await;
    let ended = all_end(&estate).await;
    nothing_came_later(&estate, &ended);
    estate.finish().await;
}

#[tokio::test]
async fn nothing_more_is_written_for_what_ends_unheard_while_a_write_is_under_way() {
    let (estate, relay) = relayed("moment-unheard").await;
    slowly_changed(&estate).await;
    relay.gap();
    let api = estate.repositories(TEAM);
    api.delete("gone", &DeleteParams::default()).await.unwrap();
    let mut ended = BTreeMap::from([("gone".to_owned(), now())]);
    for (name, spec) in [
        ("suspended", json!({"suspend": true})),
        ("observed", json!({"managementPolicy": "Observe"})),
        ("anew", json!({"suspend": true})),
    ] {
        let accepted = change(&estate, name, spec).await;
        ended.insert(name.to_owned(), accepted.unwrap());
    }
    for name in ["suspended", "observed", "anew"] {
        let generation = api.get(name).await.unwrap().metadata.generation;
        let is_said = |it: &Object| it.data["status"]["observedGeneration"].as_i64() >= generation;
        estate.wait(&api, name, "what was told", is_said).await;
    }
    relay.end(End::Told);
    nothing_came_later(&estate, &ended);
    estate.finish().await;
}
