//! Changes behind the operator's back: what is ours comes back, what is not is left alone.

use serde_json::json;

use crate::{
    looking::{FLUX, told, writes},
    samples::{self, keep_last, pull_by},
    world::{NO_ROTA, World, assert_says, condition},
};

#[tokio::test]
async fn each_aspect_that_was_changed_outside_is_repaired_and_told() {
    let world = World::new("drift").await;
    let all = samples::all();
    for sample in &all {
        world.apply(sample.name, sample.first.clone()).await;
    }
    for sample in &all {
        world.ready(sample.name).await;
    }
    let mark = world.calls().len();
    for sample in &all {
        sample.change_outside(&world);
    }
    for sample in &all {
        let note = world.event(sample.name, "DriftRepaired").await;
        assert_says(&note, &format!("{} was changed outside", sample.aspect));
        assert_says(&note, sample.then);
        assert_says(&note, &format!("repaired by {}", sample.put));
        assert_eq!(sample.held(&world), sample.holds_first, "{}", sample.name);
    }
    for sample in &all {
        world.looks(&world.in_ecr(sample.name), 2).await;
        assert_eq!(writes(&world, sample.name, mark), [sample.put]);
        assert_eq!(told(&world, sample.name, "DriftRepaired").await.len(), 1);
    }
    world.finish().await;
}

#[tokio::test]
async fn tags_of_ours_come_back_and_others_are_left_alone() {
    let world = World::new("tagdrift").await;
    for name in ["changed", "removed"] {
        world
            .apply(name, json!({"tags": {"team": "payments", "cost": "1"}}))
            .await;
    }
    for name in ["changed", "removed"] {
        world.ready(name).await;
    }
    let mark = world.calls().len();
    let arn = |name| world.repository(name).unwrap().arn;
    let tags = json!([{"Key": "team", "Value": "other"}, {"Key": "foreign", "Value": "x"}]);
    world.outside(
        "TagResource",
        json!({"resourceArn": arn("changed"), "tags": tags}),
    );
    world.outside(
        "UntagResource",
        json!({"resourceArn": arn("removed"), "tagKeys": ["team"]}),
    );
    let note = world.event("changed", "DriftRepaired").await;
    assert_says(
        &note,
        "tags was changed outside: it was team=other; repaired by TagResource team",
    );
    let note = world.event("removed", "DriftRepaired").await;
    assert_says(
        &note,
        "tags was changed outside: it was none; repaired by TagResource team",
    );
    let tags = world.repository("changed").unwrap().tags;
    assert_eq!(tags.get("team").unwrap(), "payments");
    assert_eq!(tags.get("foreign").unwrap(), "x", "somebody else's");
    assert_eq!(
        world
            .repository("removed")
            .unwrap()
            .tags
            .get("team")
            .unwrap(),
        "payments"
    );
    for name in ["changed", "removed"] {
        assert_eq!(writes(&world, name, mark), ["TagResource"]);
    }
    world.finish().await;
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    let world = World::new("unmanaged").await;
    world.apply("api", json!({})).await;
    world.ready("api").await;
    for (operation, mut input) in [
        (
            "PutImageTagMutability",
            json!({"imageTagMutability": "IMMUTABLE"}),
        ),
        (
            "PutImageScanningConfiguration",
            json!({"imageScanningConfiguration": {"scanOnPush": true}}),
        ),
        (
            "PutLifecyclePolicy",
            json!({"lifecyclePolicyText": keep_last(99).to_string()}),
        ),
        (
            "SetRepositoryPolicy",
            json!({"policyText": pull_by("111122223333").to_string()}),
        ),
    ] {
        input["repositoryName"] = json!(world.in_ecr("api"));
        world.outside(operation, input);
    }
    let changed = world.repository("api");
    world.annotate("api", FLUX, "1").await;
    world.looks(&world.in_ecr("api"), 2).await;
    assert_eq!(world.repository("api"), changed);
    assert_eq!(writes(&world, "api", 0), ["CreateRepository"]);
    world.finish().await;
}

#[tokio::test]
async fn policies_are_repaired_at_once_when_a_person_asks() {
    let mut world = World::without_operator("ask").await;
    world.flag(NO_ROTA);
    world.start_operator().await;
    let ours = || {
        samples::all()
            .into_iter()
            .filter(|s| s.name != "mutability" && s.name != "scanning")
    };
    for sample in ours() {
        world.apply(sample.name, sample.first.clone()).await;
    }
    let mut changed = Vec::new();
    for sample in ours() {
        world.ready(sample.name).await;
        changed.push(sample.change_outside(&world));
    }
    for (sample, changed) in ours().zip(changed) {
        world.looks(&world.in_ecr(sample.name), 2).await;
        assert_eq!(
            sample.held(&world),
            changed,
            "policies are read on a slow rota"
        );
        world.annotate(sample.name, FLUX, "now").await;
        world.event(sample.name, "DriftRepaired").await;
        assert_eq!(sample.held(&world), sample.holds_first);
    }
    world.finish().await;
}

#[tokio::test]
async fn drift_that_can_not_be_repaired_is_said_and_told_once_it_is() {
    let world = World::new("denied").await;
    world
        .apply("api", json!({"imageTagMutability": "IMMUTABLE"}))
        .await;
    world.ready("api").await;
    let fault = ecr_emulator::Fault::on("PutImageTagMutability");
    world.emulator.inject(fault.times(2).deny());
    let name = world.in_ecr("api");
    world.outside(
        "PutImageTagMutability",
        json!({"repositoryName": name, "imageTagMutability": "MUTABLE"}),
    );
    world
        .wait("api", "Reconciling", |o| {
            condition(o, "Reconciling") == Some(("True", "AccessDenied"))
        })
        .await;
    world.ready("api").await;
    let note = world.event("api", "DriftRepaired").await;
    assert_says(
        &note,
        "it was MUTABLE; repaired by PutImageTagMutability IMMUTABLE",
    );
    world.finish().await;
}
