//! Restarts: gracefully nothing happens at all; killed anywhere, the end is the same as without.

use std::time::Duration;

use ecr_emulator::Fault;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::world::{Crash, NO_ROTA, World, condition, operations};

/// All that can be written, in its n-th form.
fn spec(n: i64) -> Value {
    json!({
        "imageTagMutability": if n % 2 == 0 { "MUTABLE" } else { "IMMUTABLE" },
        "imageScanningConfiguration": {"scanOnPush": n % 2 == 0},
        "lifecyclePolicy": {"rules": [{
            "rulePriority": 1,
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10 + n},
            "action": {"type": "expire"},
        }]},
        "access": {"pull": [format!("{}", 111_122_223_333 + n)]},
        "tags": {"team": format!("team-{n}"), format!("key-{n}"): "x"},
        "deletionPolicy": "DeleteWithImages",
    })
}

/// What an operator does that nobody kills.
const CREATION: [&str; 4] = [
    "GetCallerIdentity",
    "CreateRepository",
    "PutLifecyclePolicy",
    "SetRepositoryPolicy",
];

const UPDATE: [&str; 10] = [
    "DescribeRepositories",
    "ListTagsForResource",
    "GetLifecyclePolicy",
    "GetRepositoryPolicy",
    "PutImageTagMutability",
    "PutImageScanningConfiguration",
    "PutLifecyclePolicy",
    "SetRepositoryPolicy",
    "UntagResource",
    "TagResource",
];

const DELETION: [&str; 2] = ["ListTagsForResource", "DeleteRepository"];

/// A world whose operator looks only when something changes: each call is the scenario's own.
async fn undisturbed(name: &str) -> World {
    let mut world = World::without_operator(name).await;
    world.flag("--resync-seconds=600");
    world.flag(NO_ROTA);
    world
}

/// Ends it with an operator that looks often, so that rest can be seen.
async fn finish(mut world: World) {
    world.stop_operator().await;
    world.flag("--resync-seconds=2");
    world.start_operator().await;
    world.finish().await;
}

/// A call about this object's repository, or one that names no single repository.
fn call_of(world: &World, name: &str, operation: &str) -> Fault {
    match operation {
        "GetCallerIdentity" | "DescribeRepositories" => Fault::on(operation),
        _ => Fault::on(operation).repository(&world.in_ecr(name)),
    }
}

/// How often the object's repository was created.
fn creations(world: &World, name: &str) -> usize {
    let of_it = json!(world.in_ecr(name));
    let written = world.written();
    written
        .iter()
        .filter(|c| c.operation == "CreateRepository" && c.input["repositoryName"] == of_it)
        .count()
}

#[tokio::test]
async fn calls_without_a_crash_are_those_that_the_crashes_are_tried_at() {
    let mut world = undisturbed("calm").await;
    world.start_operator().await;
    world.apply("api", spec(0)).await;
    world.ready("api").await;
    let created = world.calls();
    world.apply("api", spec(1)).await;
    let object = world.ready("api").await;
    let updated = world.calls();
    world.delete("api").await;
    world.gone(&object).await;
    let deleted = world.calls();
    let (create, update) = (created.len(), updated.len());
    assert_eq!(operations(&created), CREATION);
    assert_eq!(operations(&deleted[update..]), DELETION);
    // The two looks go out at the same time.
    let mut looks_sorted = operations(&updated[create..]);
    looks_sorted[..2].sort_unstable();
    assert_eq!(looks_sorted, UPDATE);
    world.finish().await;
}

async fn killed_while_creating(when: Crash) {
    let mut world = undisturbed("crash-create").await;
    for (n, operation) in CREATION.iter().enumerate() {
        let name = format!("api-{n}");
        world.apply(&name, spec(0)).await;
        world.arm(when, call_of(&world, &name, operation));
        world.start_operator().await;
        world.crash(when).await;
        world.start_operator().await;
        world.ready(&name).await;
        assert_eq!(creations(&world, &name), 1, "{when:?} {operation}");
        world.stop_operator().await;
    }
    finish(world).await;
}

#[tokio::test]
async fn killed_before_any_call_of_a_creation_it_ends_the_same() {
    killed_while_creating(Crash::Before).await;
}

#[tokio::test]
async fn killed_after_any_call_of_a_creation_it_ends_the_same() {
    killed_while_creating(Crash::After).await;
}

async fn killed_while_updating(when: Crash) {
    let mut world = undisturbed("crash-update").await;
    world.start_operator().await;
    world.apply("api", spec(0)).await;
    world.ready("api").await;
    for (n, operation) in (1..).zip(UPDATE) {
        world.arm(when, call_of(&world, "api", operation));
        world.apply("api", spec(n)).await;
        world.crash(when).await;
        world.start_operator().await;
        world.ready("api").await;
        let tags = world.repository("api").unwrap().tags;
        let keys: Vec<_> = tags.keys().filter(|key| key.starts_with("key-")).collect();
        assert_eq!(keys, [&format!("key-{n}")], "{when:?} {operation}");
    }
    assert_eq!(creations(&world, "api"), 1);
    finish(world).await;
}

#[tokio::test]
async fn killed_before_any_call_of_an_update_it_ends_the_same() {
    killed_while_updating(Crash::Before).await;
}

#[tokio::test]
async fn killed_after_any_call_of_an_update_it_ends_the_same() {
    killed_while_updating(Crash::After).await;
}

async fn killed_while_deleting(when: Crash) {
    let mut world = undisturbed("crash-delete").await;
    world.start_operator().await;
    for policy in ["Delete", "DeleteWithImages"] {
        for operation in DELETION {
            world.apply("api", json!({"deletionPolicy": policy})).await;
            let object = world.ready("api").await;
            if policy == "DeleteWithImages" {
                world.push(&world.in_ecr("api"), "v1");
            }
            world.arm(when, call_of(&world, "api", operation));
            world.delete("api").await;
            world.crash(when).await;
            world.start_operator().await;
            world.gone(&object).await;
            assert!(world.repository("api").is_none(), "{when:?} {operation}");
        }
    }
    assert_eq!(creations(&world, "api"), 4);
    world.finish().await;
}

#[tokio::test]
async fn killed_before_any_call_of_a_deletion_it_ends_the_same() {
    Box::pin(killed_while_deleting(Crash::Before)).await;
}

#[tokio::test]
async fn killed_after_any_call_of_a_deletion_it_ends_the_same() {
    Box::pin(killed_while_deleting(Crash::After)).await;
}

#[tokio::test]
async fn restarted_with_nothing_changed_it_only_looks() {
    let mut world = World::new("restart").await;
    let names = ["a", "b", "c"];
    for (n, name) in (0..).zip(names) {
        world.apply(name, spec(n)).await;
    }
    let mut before = Vec::new();
    for name in names {
        before.push(world.ready(name).await);
    }
    let written = world.written().len();
    for _ in 0..2 {
        world.stop_operator().await;
        world.start_operator().await;
        for name in names {
            world.looks(&world.in_ecr(name), 2).await;
        }
    }
    assert_eq!(operations(&world.written()[written..]), Vec::<&str>::new());
    for object in before {
        let now = world.get(&object.name_any()).await;
        assert_eq!(now.resource_version(), object.resource_version());
    }
    world.finish().await;
}

#[tokio::test]
async fn a_pass_under_way_is_finished_before_the_end() {
    let mut world = World::new("sigterm").await;
    let slow = call_of(&world, "api", "PutLifecyclePolicy");
    world.emulator.inject(slow.delay(Duration::from_secs(2)));
    world.apply("api", spec(0)).await;
    world.struck().await;
    world.stop_operator().await;
    let object = world.get("api").await;
    assert_eq!(condition(&object, "Ready"), Some(("True", "Synced")));
    assert!(world.repository("api").unwrap().policy.is_some());
    world.start_operator().await;
    world.finish().await;
}

#[tokio::test]
async fn a_call_that_never_ends_does_not_hold_the_end_up() {
    let mut world = World::new("sigterm-hangs").await;
    let hangs = call_of(&world, "api", "PutLifecyclePolicy");
    world.emulator.inject(hangs.delay(Duration::from_mins(1)));
    world.apply("api", spec(0)).await;
    world.struck().await;
    let asked = tokio::time::Instant::now();
    world.stop_operator().await;
    assert!(asked.elapsed() < Duration::from_secs(25));
    world.start_operator().await;
    world.ready("api").await;
    assert_eq!(creations(&world, "api"), 1);
    world.finish().await;
}
