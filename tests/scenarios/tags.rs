//! Tags go by key: ours are those that spec names, status remembers them, all others are foreign.

use std::{collections::BTreeMap, time::Duration};

use ecr_emulator::Fault;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::{
    looking::{tag_keys, told, writes},
    world::{Crash, World, assert_says, message},
};

/// The tags in ECR, the operator's own left out.
fn tags(world: &World, name: &str) -> Vec<(String, String)> {
    let mut tags: BTreeMap<_, _> = world.repository(name).unwrap().tags;
    let stamps = tags
        .keys()
        .filter(|k| k.starts_with("ecr-operator.dev/"))
        .count();
    assert_eq!(
        stamps, 2,
        "the owner and the cluster stand always: {tags:?}"
    );
    tags.retain(|key, _| !key.starts_with("ecr-operator.dev/"));
    tags.into_iter().collect()
}

fn pairs(tags: &[(&str, &str)]) -> Vec<(String, String)> {
    tags.iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

/// Tags the repository behind the operator's back.
fn tag_outside(world: &World, name: &str, key: &str, value: &str) {
    let arn = world.repository(name).unwrap().arn;
    let tags = json!([{"Key": key, "Value": value}]);
    world.outside("TagResource", json!({"resourceArn": arn, "tags": tags}));
}

fn tagged(tags: &Value) -> Value {
    json!({"tags": tags})
}

#[tokio::test]
async fn tags_are_added_changed_and_dropped_and_foreign_ones_survive() {
    let world = World::new("tags").await;
    world
        .apply("api", tagged(&json!({"a": "1", "b": "1", "c": "1"})))
        .await;
    let object = world.ready("api").await;
    assert_eq!(tag_keys(&object), ["a", "b", "c"]);
    tag_outside(&world, "api", "foreign", "x");
    let mark = world.calls().len();
    world
        .apply("api", tagged(&json!({"a": "1", "b": "2", "d": "1"})))
        .await;
    let object = world.ready("api").await;
    let wanted = pairs(&[("a", "1"), ("b", "2"), ("d", "1"), ("foreign", "x")]);
    assert_eq!(tags(&world, "api"), wanted);
    assert_eq!(tag_keys(&object), ["a", "b", "d"]);
    assert_eq!(
        writes(&world, "api", mark),
        ["UntagResource", "TagResource"]
    );
    let sent = &world
        .calls()
        .into_iter()
        .rfind(|c| c.operation == "TagResource")
        .unwrap()
        .input;
    let sent: Vec<_> = sent["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| &t["Key"])
        .collect();
    assert_eq!(sent, ["b", "d"], "what is so already is not sent");
    let drift = told(&world, "api", "DriftRepaired").await;
    assert!(drift.is_empty(), "{drift:?}");
    world.finish().await;
}

#[tokio::test]
async fn no_tags_and_empty_tags_are_the_same() {
    let world = World::new("untagged").await;
    let both = [("absent", json!({})), ("empty", tagged(&json!({})))];
    for (name, _) in &both {
        world.apply(name, tagged(&json!({"a": "1"}))).await;
    }
    for (name, _) in &both {
        world.ready(name).await;
        tag_outside(&world, name, "foreign", "x");
    }
    let mark = world.calls().len();
    for (name, spec) in &both {
        world.apply(name, spec.clone()).await;
    }
    for (name, _) in &both {
        let object = world.ready(name).await;
        assert_eq!(tags(&world, name), pairs(&[("foreign", "x")]));
        assert_eq!(writes(&world, name, mark), ["UntagResource"]);
        assert!(tag_keys(&object).is_empty());
        assert_eq!(
            message(&object, "Synced"),
            "ECR matches",
            "tags are never released"
        );
    }
    world.apply("empty", json!({})).await;
    world.ready("empty").await;
    assert_eq!(writes(&world, "empty", mark), ["UntagResource"]);
    world.finish().await;
}

#[tokio::test]
async fn a_key_is_remembered_before_it_is_written() {
    let world = World::new("remember").await;
    let slowly = |operation: &str| Fault::on(operation).delay(Duration::from_secs(2));
    world.emulator.inject(slowly("CreateRepository"));
    world.apply("api", tagged(&json!({"a": "1"}))).await;
    world
        .wait("api", "a is remembered", |o| tag_keys(o) == ["a"])
        .await;
    assert!(
        world.repository("api").is_none(),
        "remembered before it is there"
    );
    world.ready("api").await;
    world.emulator.inject(slowly("TagResource"));
    world.apply("api", tagged(&json!({"b": "1"}))).await;
    world
        .wait("api", "b is remembered, and a still", |o| {
            tag_keys(o) == ["a", "b"]
        })
        .await;
    let written = world.repository("api").unwrap().tags.contains_key("b");
    assert!(!written, "remembered before it is there");
    let object = world.ready("api").await;
    assert_eq!(tag_keys(&object), ["b"]);
    assert_eq!(tags(&world, "api"), pairs(&[("b", "1")]));
    world.finish().await;
}

#[tokio::test]
async fn a_dropped_key_goes_although_the_operator_was_killed_before_it_untagged() {
    let mut world = World::new("dropped").await;
    world
        .apply("api", tagged(&json!({"a": "1", "b": "1"})))
        .await;
    world.ready("api").await;
    world.arm(Crash::Before, Fault::on("UntagResource"));
    world.apply("api", tagged(&json!({"a": "1"}))).await;
    world.crash(Crash::Before).await;
    assert_eq!(tags(&world, "api"), pairs(&[("a", "1"), ("b", "1")]));
    world.start_operator().await;
    world.ready("api").await;
    assert_eq!(tags(&world, "api"), pairs(&[("a", "1")]));
    world.finish().await;
}

#[tokio::test]
async fn a_key_that_was_written_as_the_operator_died_goes_when_spec_no_longer_names_it() {
    let mut world = World::new("written").await;
    world.apply("api", tagged(&json!({"a": "1"}))).await;
    world.ready("api").await;
    tag_outside(&world, "api", "foreign", "x");
    world.arm(Crash::After, Fault::on("TagResource"));
    world
        .apply("api", tagged(&json!({"a": "1", "late": "1"})))
        .await;
    world.crash(Crash::After).await;
    assert!(world.repository("api").unwrap().tags.contains_key("late"));
    world.apply("api", tagged(&json!({"a": "1"}))).await;
    world.start_operator().await;
    let object = world.ready("api").await;
    assert_eq!(tags(&world, "api"), pairs(&[("a", "1"), ("foreign", "x")]));
    assert_eq!(tag_keys(&object), ["a"]);
    world.finish().await;
}

#[tokio::test]
async fn a_key_that_could_not_be_removed_stays_remembered() {
    let world = World::new("stuck").await;
    world
        .apply("api", tagged(&json!({"a": "1", "b": "1"})))
        .await;
    world.ready("api").await;
    world
        .emulator
        .inject(Fault::on("UntagResource").forever().deny());
    world.apply("api", tagged(&json!({"c": "1"}))).await;
    let object = world
        .wait("api", "AccessDenied", |o| {
            !message(o, "Reconciling").is_empty() && !o.status.as_ref().unwrap().pending.is_empty()
        })
        .await;
    assert_says(message(&object, "Reconciling"), "allow the operator's role");
    assert!(
        tag_keys(&object).contains(&"b".to_owned()),
        "{:?}",
        tag_keys(&object)
    );
    world.emulator.clear_faults();
    let object = world.ready("api").await;
    assert_eq!(tags(&world, "api"), pairs(&[("c", "1")]));
    assert_eq!(tag_keys(&object), ["c"]);
    world.finish().await;
}

#[tokio::test]
async fn reserved_keys_are_never_removed_whatever_status_says() {
    let world = World::new("reserved").await;
    world.apply("api", tagged(&json!({"a": "1"}))).await;
    world.ready("api").await;
    let rogue = [
        "a",
        "ecr-operator.dev/owner",
        "ecr-operator.dev/cluster-uid",
        "AWS:x",
    ];
    let patch = json!({"status": {"tagKeys": rogue}});
    let patch = Patch::Merge(patch);
    world
        .api()
        .patch_status("api", &PatchParams::default(), &patch)
        .await
        .unwrap();
    let mark = world.calls().len();
    world.apply("api", tagged(&json!({"b": "1"}))).await;
    let object = world.ready("api").await;
    assert_eq!(tags(&world, "api"), pairs(&[("b", "1")]));
    assert_eq!(tag_keys(&object), ["b"]);
    let calls = &world.calls()[mark..];
    let untag = calls
        .iter()
        .find(|c| c.operation == "UntagResource")
        .unwrap();
    assert_eq!(untag.input["tagKeys"], json!(["a"]));
    world.finish().await;
}

#[tokio::test]
async fn all_tags_may_be_exchanged_at_once() {
    let world = World::new("exchange").await;
    let many = |prefix: &str| -> Value {
        (0..48)
            .map(|n| (format!("{prefix}{n:02}"), json!("1")))
            .collect()
    };
    world.apply("api", tagged(&many("old"))).await;
    world.ready("api").await;
    let mark = world.calls().len();
    world.apply("api", tagged(&many("new"))).await;
    world.ready("api").await;
    let written = writes(&world, "api", mark);
    assert_eq!(
        written,
        ["UntagResource", "TagResource"],
        "what goes makes room"
    );
    let held = tags(&world, "api");
    assert_eq!(held.len(), 48);
    assert!(
        held.iter().all(|(key, _)| key.starts_with("new")),
        "{held:?}"
    );
    world.finish().await;
}
