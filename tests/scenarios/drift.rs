//! Changes behind the operator's back: what is ours comes back, what is not is left alone.

use serde_json::{Value, json};

use crate::{
    looking::{FLUX, told, writes},
    samples::{self, keep_last, pull_by},
    world::{World, assert_says, condition},
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

/// The text of the same document, its lists in another order and its keys too.
fn permuted(policy: &Value) -> String {
    let mut statements = policy["Statement"].as_array().unwrap().clone();
    statements.reverse();
    for statement in &mut statements {
        if let Some(actions) = statement["Action"].as_array_mut() {
            actions.reverse();
        }
    }
    json!({"Statement": statements, "Version": policy["Version"]}).to_string()
}

#[tokio::test]
async fn the_same_meaning_in_other_words_is_no_drift() {
    let world = World::new("words").await;
    let mut policy = pull_by("111122223333");
    let mut other = pull_by("444455556666")["Statement"][0].clone();
    other["Sid"] = json!("Other");
    policy["Statement"].as_array_mut().unwrap().push(other);
    let mut lifecycle = keep_last(10);
    lifecycle["rules"][0]["selection"] = json!({
        "tagStatus": "tagged", "tagPrefixList": ["a", "b"],
        "countType": "imageCountMoreThan", "countNumber": 10,
    });
    let filters: Vec<_> = ["a*", "b*"]
        .iter()
        .map(|f| json!({"filterType": "WILDCARD", "filter": f}))
        .collect();
    let spec = json!({
        "repositoryPolicy": policy, "lifecyclePolicy": lifecycle,
        "imageTagMutability": "MUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": filters,
    });
    world.apply("api", spec).await;
    world.ready("api").await;
    let before = world.repository("api").unwrap();
    let name = world.in_ecr("api");
    lifecycle["rules"][0]["selection"]["tagPrefixList"] = json!(["b", "a"]);
    let text = serde_json::to_string_pretty(&lifecycle).unwrap();
    world.outside(
        "PutLifecyclePolicy",
        json!({"repositoryName": name, "lifecyclePolicyText": text}),
    );
    world.outside(
        "SetRepositoryPolicy",
        json!({"repositoryName": name, "policyText": permuted(&policy)}),
    );
    let filters: Vec<_> = filters.into_iter().rev().collect();
    let mode = "MUTABLE_WITH_EXCLUSION";
    world.outside("PutImageTagMutability", json!({
        "repositoryName": name, "imageTagMutability": mode, "imageTagMutabilityExclusionFilters": filters,
    }));
    let after = world.repository("api").unwrap();
    assert_ne!(before.policy, after.policy, "other words");
    assert_ne!(
        before.lifecycle_policy, after.lifecycle_policy,
        "other words"
    );
    let mark = world.calls().len();
    let read = world.count("GetRepositoryPolicy") + 2;
    world
        .until("the policies are read twice", |w| {
            w.count("GetRepositoryPolicy") >= read
        })
        .await;
    assert_eq!(writes(&world, "api", mark), [""; 0]);
    world.finish().await;
}

#[tokio::test]
async fn policies_are_repaired_at_once_when_a_person_asks() {
    let mut world = World::without_operator("ask").await;
    world.flag("--policy-resync-seconds=3600");
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
