//! Takeovers: each is good once, and whoever loses by one says so.

use std::time::Duration;

use ecr_emulator::Fault;
use ecr_operator::api::{ECRRepository, OWNER_TAG};
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::{
    looking::FLUX,
    world::{ACCOUNT, CLUSTER, NO_ROTA, REGION, World, assert_says, condition, is_sweep, message},
};

/// A world in which no sweep comes by itself.
async fn without_sweeps(name: &str) -> World {
    let mut world = World::without_operator(name).await;
    world.flag("--resync-seconds=600");
    world.flag(NO_ROTA);
    world
}

fn owner(world: &World, name: &str) -> String {
    format!("{CLUSTER}/{}/{name}", world.namespace)
}

/// An object that asks for a repository, and to take it over from another one.
fn takes(world: &World, repository: &str, from: &str) -> Value {
    json!({
        "repositoryName": repository,
        "imageTagMutability": "IMMUTABLE",
        "adoption": {"policy": "TakeOver", "from": owner(world, from)},
    })
}

/// Whose the repository was at each time that its owner's tag was written, until now.
fn owners_replaced(world: &World, repository: &str) -> Vec<String> {
    let mut written = world.written();
    written.retain(|call| {
        let about = call.input["resourceArn"].as_str();
        let tags = call.input["tags"].to_string();
        about.is_some_and(|arn| arn.ends_with(repository)) && tags.contains(OWNER_TAG)
    });
    let owner = |call: &ecr_emulator::Call| call.owner_before.as_ref()?.get(OWNER_TAG).cloned();
    written.iter().filter_map(owner).collect()
}

fn taken_over(object: &ECRRepository) -> Option<&str> {
    let status = object.status.as_ref()?;
    Some(&status.taken_over.as_ref()?.from)
}

/// Waits until the object says that its takeover was undone.
async fn is_taken_back(world: &World, name: &str) {
    let stalled = world.stalled(name, "NameConflict").await;
    let says = message(&stalled, "Stalled");
    assert_says(says, "Two objects ask for one repository");
    assert_says(says, "remove spec.adoption and set it again");
}

#[tokio::test]
async fn two_that_take_over_from_each_other_do_so_once_each() {
    let mut world = World::new("good-once").await;
    let repository = world.in_ecr("shared");
    let [first, second] = ["first", "second"].map(|name| owner(&world, name));
    world
        .apply(
            "first",
            json!({"repositoryName": repository, "imageTagMutability": "MUTABLE"}),
        )
        .await;
    world.ready("first").await;
    // It is killed once the tag is there, before status may have it.
    world
        .apply("second", takes(&world, &repository, "first"))
        .await;
    let is_tagged = |world: &World| world.held(&repository).tags[OWNER_TAG] == second;
    world.until("the second's tag", is_tagged).await;
    world.kill_operator();
    world.start_operator().await;
    let taken = world.ready("second").await;
    assert_eq!(taken_over(&taken), Some(first.as_str()));
    world.stalled("first", "NameConflict").await;

    // It is taken back, and the second's spec stays as it is, as in Git.
    world
        .apply("first", takes(&world, &repository, "second"))
        .await;
    world.ready("first").await;
    is_taken_back(&world, "second").await;
    // What else changes in spec is no new wish. Nor does a restart make one.
    let mut other = takes(&world, &repository, "first");
    other["tags"] = json!({"team": "other"});
    world.apply("second", other.clone()).await;
    is_taken_back(&world, "second").await;
    world.stop_operator().await;
    world.start_operator().await;
    world.annotate("second", FLUX, "now").await;
    world.looks(&repository, 3).await;
    is_taken_back(&world, "second").await;
    assert_eq!(world.held(&repository).tags[OWNER_TAG], first);
    assert_eq!(
        owners_replaced(&world, &repository),
        [first.clone(), second.clone()]
    );

    // Who means it takes it out, and asks again.
    let adoption = other.as_object_mut().unwrap().remove("adoption");
    world.apply("second", other.clone()).await;
    let forgotten = world.stalled("second", "NameConflict").await;
    assert_eq!(taken_over(&forgotten), None);
    other["adoption"] = adoption.unwrap();
    world.apply("second", other).await;
    world.ready("second").await;
    is_taken_back(&world, "first").await;
    let replaced = owners_replaced(&world, &repository);
    assert_eq!(replaced, [first.clone(), second, first]);
    world.finish().await;
}

#[tokio::test]
async fn an_object_that_is_made_anew_may_take_over_again() {
    let mut world = World::new("taken-anew").await;
    world.permit_adoption("shared");
    let repository = world.in_ecr("shared");
    let legacy = "legacy/shop/api";
    world.make_outside(&repository, &[(OWNER_TAG, legacy)]);
    let spec = json!({
        "repositoryName": repository,
        "adoption": {"policy": "TakeOver", "from": legacy},
    });
    let object = world.apply("api", spec.clone()).await;
    world.ready("api").await;
    world.tag(&repository, OWNER_TAG, legacy);
    is_taken_back(&world, "api").await;
    world.delete("api").await;
    world.gone(&object).await;
    assert_eq!(world.held(&repository).tags[OWNER_TAG], legacy);
    world.apply("api", spec).await;
    world.ready("api").await;
    assert_eq!(
        world.held(&repository).tags[OWNER_TAG],
        owner(&world, "api")
    );
    world.finish().await;
}

/// So many pairs of objects for one repository.
const PAIRS: usize = 6;

/// The names of the objects that lose, and of those that take over.
fn pairs() -> Vec<(String, String)> {
    let pairs = (0..PAIRS).map(|n| (format!("former-{n}"), format!("next-{n}")));
    pairs.collect()
}

/// The former ones are ready, and the others have taken all over.
async fn taken(world: &World, pairs: &[(String, String)]) -> Vec<ECRRepository> {
    for (former, _) in pairs {
        world
            .apply(former, json!({"imageTagMutability": "MUTABLE"}))
            .await;
    }
    let mut ready = Vec::new();
    for (former, _) in pairs {
        ready.push(world.ready(former).await);
    }
    for (former, next) in pairs {
        let repository = world.in_ecr(former);
        world.apply(next, takes(world, &repository, former)).await;
    }
    ready
}

#[tokio::test]
async fn whoever_loses_by_a_takeover_says_so_before_the_next_sweep() {
    let mut world = without_sweeps("losers").await;
    let pairs = pairs();
    world.start_operator().await;
    taken(&world, &pairs).await;
    for (former, next) in &pairs {
        world.stalled(former, "NameConflict").await;
        world.ready(next).await;
    }
    assert!(!world.calls().iter().any(is_sweep));
    world.finish_looking().await;
}

#[tokio::test]
async fn what_the_winner_agreed_with_tells_the_loser_nothing() {
    let mut world = World::without_operator("agreed").await;
    world.flag(NO_ROTA);
    let pairs = pairs();
    world.start_operator().await;
    let ready = taken(&world, &pairs).await;
    for (former, next) in &pairs {
        world.ready(next).await;
        world.stalled(former, "NameConflict").await;
    }
    world.stop_operator().await;
    // As where nobody came to tell them: they still say that all is well.
    for before in ready {
        let name = before.metadata.name.unwrap();
        let mut now = world.get(&name).await;
        now.status = before.status;
        world
            .api()
            .replace_status(&name, &PostParams::default(), &now)
            .await
            .unwrap();
        assert_eq!(
            condition(&world.get(&name).await, "Ready"),
            Some(("True", "Synced"))
        );
    }
    world.flag("--resync-seconds=600");
    world.start_operator().await;
    for (former, next) in &pairs {
        world.stalled(former, "NameConflict").await;
        world.ready(next).await;
    }
    world.flag("--resync-seconds=2");
    world.stop_operator().await;
    world.start_operator().await;
    world.finish().await;
}

/// Nobody has heard AWS's answer when the object is deleted, and its owner's tag comes after that.
#[tokio::test]
async fn a_takeover_that_is_applied_late_leaves_nothing_behind() {
    let world = World::quiet("late-takeover").await;
    let repository = world.in_ecr("shared");
    world
        .apply("first", json!({"repositoryName": repository}))
        .await;
    let first = world.ready("first").await;
    world.delete("first").await;
    world.gone(&first).await;
    let late = Fault::on("TagResource").late(Duration::from_secs(12));
    world.emulator.inject(late);
    let mut spec = takes(&world, &repository, "first");
    spec["deletionPolicy"] = json!("Delete");
    world.apply("second", spec).await;
    world.struck().await;
    let second = world.get("second").await;
    world.delete("second").await;
    world.gone(&second).await;
    let tagged = |world: &World| world.count("TagResource") == 1;
    world.until("the second's tag", tagged).await;
    let left = world.emulator.repository(ACCOUNT, REGION, &repository);
    assert!(left.is_none(), "it was left behind: {left:?}");
    world.finish().await;
}
