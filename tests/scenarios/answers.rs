//! What one answer says is neither everybody's nor final: of many names, of a success with nothing in it, of a list
//! that has no end, and of what does not show.

use std::time::Duration;

use ecr_emulator::{Call, Fault};
use ecr_operator::api::ECRRepository;
use serde_json::{Value, json};

use crate::{
    samples::{keep_last, pull_by, whole},
    world::{World, assert_says, condition, message},
};

const LIST: &str = "ListTagsForResource";
const DESCRIBE: &str = "DescribeRepositories";
const NOT_FOUND: &str = "RepositoryNotFoundException";

fn fleet(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("api-{number}")).collect()
}

/// All that conditions of an object ever said.
async fn ever_told(world: &World, name: &str) -> String {
    let versions = world.versions(name).await;
    let statuses = versions.iter().map(|it| json!(it.status).to_string());
    statuses.collect()
}

#[tokio::test]
async fn a_repository_that_denies_the_operator_is_told_to_its_own_object_alone() {
    let mut world = World::quiet("denies").await;
    let names = fleet(14);
    for name in &names {
        world
            .apply(name, json!({"imageTagMutability": "MUTABLE"}))
            .await;
    }
    for name in &names {
        world.ready(name).await;
    }
    world.stop_operator().await;
    let denied = Fault::on(DESCRIBE).repository(&world.in_ecr("api-0"));
    world.emulator.inject(denied.forever().deny());
    // All change at once, and more are looked up than have a turn at once.
    for name in &names {
        let spec = json!({"imageTagMutability": "IMMUTABLE"});
        world.apply(name, spec).await;
    }
    let mark = world.calls().len();
    world.start_operator().await;
    for name in &names[1..] {
        world.ready(name).await;
        let told = ever_told(&world, name).await;
        for word in ["AccessDenied", "api-0\""] {
            assert!(!told.contains(word), "{name} is told of {word}: {told}");
        }
    }
    let says =
        |object: &ECRRepository| condition(object, "Reconciling") == Some(("True", "AccessDenied"));
    world.wait("api-0", "AccessDenied", says).await;
    let calls = world.calls().split_off(mark);
    let shared = calls
        .iter()
        .filter_map(|it| it.input["repositoryNames"].as_array());
    assert!(
        shared.filter(|it| it.len() > 1).count() > 0,
        "nobody shared a call"
    );
    world.emulator.clear_faults();
    world.ready("api-0").await;
    world.finish_looking().await;
}

/// Writes that an empty success is no answer to, and what asks for each.
fn updates() -> [(&'static str, &'static str, Value); 6] {
    let (keep, pull) = (keep_last(20), pull_by("444455556666"));
    [
        (
            "PutImageTagMutability",
            "{}",
            json!({"imageTagMutability": "MUTABLE"}),
        ),
        (
            "PutImageScanningConfiguration",
            "",
            json!({"imageScanningConfiguration": {"scanOnPush": false}}),
        ),
        ("PutLifecyclePolicy", "{}", json!({"lifecyclePolicy": keep})),
        (
            "DeleteLifecyclePolicy",
            "",
            json!({"lifecyclePolicy": {"rules": []}}),
        ),
        ("SetRepositoryPolicy", "", json!({"repositoryPolicy": pull})),
        (
            "DeleteRepositoryPolicy",
            "{}",
            json!({"repositoryPolicy": {"Statement": []}}),
        ),
    ]
}

#[tokio::test]
async fn a_success_with_nothing_in_it_is_no_success_of_an_update() {
    let world = World::quiet("empty").await;
    for (operation, ..) in updates() {
        world.apply(&operation.to_lowercase(), whole(10)).await;
    }
    for (operation, empty, change) in updates() {
        let name = operation.to_lowercase();
        world.ready(&name).await;
        let repository = world.in_ecr(&name);
        let before = world.held(&repository);
        let fault = Fault::on(operation).repository(&repository);
        world.emulator.inject(fault.foreign(200, empty));
        let mut spec = whole(10);
        for (field, value) in change.as_object().unwrap() {
            spec[field] = value.clone();
        }
        if operation == "SetRepositoryPolicy" || operation == "DeleteRepositoryPolicy" {
            spec.as_object_mut().unwrap().remove("access");
        }
        world.apply(&name, spec).await;
        world.ready(&name).await;
        assert_ne!(world.held(&repository), before, "{operation} did nothing");
    }
    world.finish_looking().await;
}

#[tokio::test]
async fn a_success_with_nothing_in_it_leaves_nothing_out_and_nothing_behind() {
    let world = World::quiet("empty-new").await;
    for (operation, empty) in [
        ("CreateRepository", ""),
        ("PutLifecyclePolicy", ""),
        ("SetRepositoryPolicy", "{}"),
        ("DeleteRepository", "{}"),
    ] {
        world
            .emulator
            .inject(Fault::on(operation).foreign(200, empty));
    }
    let mut spec = whole(10);
    spec["deletionPolicy"] = json!("Delete");
    world.apply("api", spec).await;
    let object = world.ready("api").await;
    let held = world.held(&world.in_ecr("api"));
    assert!(held.lifecycle_policy.is_some() && held.policy.is_some());
    world.delete("api").await;
    world.gone(&object).await;
    assert!(world.repository("api").is_none(), "it was left behind");
    world.finish().await;
}

#[tokio::test]
async fn a_list_without_an_end_ends_the_sweep() {
    let mut world = World::new("endless").await;
    world.apply("api", whole(10)).await;
    world.ready("api").await;
    world.looks(&world.in_ecr("api"), 2).await;
    world.stop_operator().await;
    let endless = Fault::on("GetResources").forever();
    world.emulator.inject(endless.repeat_token());
    world.outside(
        "PutImageTagMutability",
        json!({"repositoryName": world.in_ecr("api"), "imageTagMutability": "MUTABLE"}),
    );
    world.start_operator().await;
    // The tags of many can't be read then, and each reads its own.
    world.event("api", "DriftRepaired").await;
    world.emulator.clear_faults();
    world.finish().await;
}

/// The seconds between calls of an operation about a repository, one after the other.
fn gaps(calls: &[Call], operation: &str) -> Vec<f64> {
    let calls = calls.iter().filter(|it| it.operation == operation);
    let arrived: Vec<_> = calls.map(|it| it.arrived).collect();
    arrived.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Waits for so many calls, from `mark` on, of which each is to come later than the one before.
async fn ever_more_seldom(world: &World, mark: usize, operation: &str) {
    let made = |world: &World| gaps(&world.calls()[mark..], operation);
    let what = format!("five calls of {operation}");
    world.until(&what, |it| made(it).len() >= 4).await;
    let gaps = made(world);
    // After 1, 2, 4 and 8 seconds, by the dice after half of them.
    assert!(
        gaps[3] > 3.9,
        "{operation} is made again after {gaps:?} seconds"
    );
}

fn not_found(operation: &str, repository: &str) -> Fault {
    let fault = Fault::on(operation).repository(repository).forever();
    fault.fail(400, NOT_FOUND, "The repository does not exist")
}

#[tokio::test]
async fn what_exists_and_is_never_found_is_created_ever_more_seldom() {
    let world = World::quiet("unfound").await;
    let repository = world.in_ecr("api");
    let exists = Fault::on("CreateRepository").repository(&repository);
    let exists = exists.fail(400, "RepositoryAlreadyExistsException", "It exists");
    world.emulator.inject(exists.forever());
    for operation in [LIST, DESCRIBE] {
        world.emulator.inject(not_found(operation, &repository));
    }
    world.apply("api", json!({})).await;
    ever_more_seldom(&world, 0, "CreateRepository").await;
    let object = world.get("api").await;
    assert_says(
        message(&object, "Reconciling"),
        "CreateRepository says that it exists",
    );
    world.emulator.clear_faults();
    world.ready("api").await;
    world.finish_looking().await;
}

#[tokio::test]
async fn what_is_listed_and_not_found_by_its_name_is_looked_for_ever_more_seldom() {
    let world = World::quiet("listed").await;
    world.apply("api", json!({})).await;
    world.ready("api").await;
    let repository = world.in_ecr("api");
    for operation in [LIST, DESCRIBE] {
        world.emulator.inject(not_found(operation, &repository));
    }
    let mark = world.calls().len();
    world.apply("api", json!({"tags": {"team": "a"}})).await;
    ever_more_seldom(&world, mark, LIST).await;
    world.emulator.clear_faults();
    world.finish_looking().await;
}

#[tokio::test]
async fn what_can_not_be_proved_in_time_is_tried_ever_more_seldom() {
    let world = World::quiet("slow").await;
    world.apply("api", json!({"tags": {"team": "a"}})).await;
    world.ready("api").await;
    let repository = world.in_ecr("api");
    // The look goes well and takes so long that its tags prove nothing; what is read for the proof fails.
    let slow = Fault::on(DESCRIBE).repository(&repository).forever();
    world
        .emulator
        .inject(slow.delay(Duration::from_millis(2100)));
    let fails = Fault::on(LIST).repository(&repository).every(2).forever();
    world.emulator.inject(fails.server_error());
    let mark = world.calls().len();
    world.apply("api", json!({"tags": {"team": "b"}})).await;
    ever_more_seldom(&world, mark, DESCRIBE).await;
    world.emulator.clear_faults();
    world.ready("api").await;
    world.finish_looking().await;
}

/// An object that is deleted, or renamed, while AWS takes longer for its creation than anybody waits.
async fn created_late(name: &str, spec: Value) -> World {
    let world = World::quiet(name).await;
    let late = Fault::on("CreateRepository").late(Duration::from_secs(12));
    world.emulator.inject(late);
    world.apply("api", spec).await;
    world.struck().await;
    world
}

#[tokio::test]
async fn what_is_created_after_its_object_was_deleted_goes_with_it() {
    let world = created_late("late", json!({"deletionPolicy": "Delete"})).await;
    let object = world.get("api").await;
    world.delete("api").await;
    world.gone(&object).await;
    let created = |world: &World| world.count("CreateRepository") == 1;
    world.until("the creation", created).await;
    assert!(world.repository("api").is_none(), "it was left behind");
    world.finish().await;
}

#[tokio::test]
async fn what_is_created_under_a_name_that_was_corrected_meanwhile_is_told() {
    let world = World::quiet("late-name").await;
    let named = |name: &str| json!({"repositoryName": world.in_ecr(name)});
    let late = Fault::on("CreateRepository").late(Duration::from_secs(12));
    world.emulator.inject(late);
    world.apply("api", named("typo")).await;
    world.struck().await;
    world.apply("api", named("right")).await;
    world.stalled("api", "IdentityChanged").await;
    assert_eq!(world.count("CreateRepository"), 1);
    world.apply("api", named("typo")).await;
    world.ready("api").await;
    world.finish_looking().await;
}

#[tokio::test]
async fn a_deletion_believes_no_single_answer_that_there_is_nothing() {
    let mut world = World::quiet("unseen").await;
    world
        .apply("api", json!({"deletionPolicy": "Delete"}))
        .await;
    let object = world.ready("api").await;
    // Nothing is remembered of when it was made.
    world.stop_operator().await;
    world.start_operator().await;
    let fault = Fault::on(LIST).repository(&world.in_ecr("api"));
    world
        .emulator
        .inject(fault.fail(400, NOT_FOUND, "The repository does not exist"));
    world.delete("api").await;
    world.gone(&object).await;
    assert!(world.repository("api").is_none(), "it was left behind");
    world.finish().await;
}
