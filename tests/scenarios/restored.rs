//! Statuses that came from elsewhere: a restore into another namespace, or under another name, brings the status of
//! another object along.

use ecr_operator::api::{ECRRepository, OWNER_TAG};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::{
    looking::told,
    world::{CLUSTER, World, assert_says, condition},
};

fn spec(name: &str) -> Value {
    json!({"deletionPolicy": "Delete", "tags": {"of": name}})
}

/// Two objects that rest, `one` and `two`.
async fn pair(name: &str) -> World {
    let world = World::quiet(name).await;
    for name in ["one", "two"] {
        world.apply(name, spec(name)).await;
        world.ready(name).await;
    }
    world
}

/// What a restore with its status does: `two` has the status of `one`.
async fn restore(world: &World, without: &[&str]) -> ECRRepository {
    let status = world.get("one").await.status.unwrap();
    let mut status = serde_json::to_value(status).unwrap();
    for field in without {
        status[*field] = Value::Null;
    }
    let status = Patch::Merge(json!({"status": status}));
    let params = PatchParams::default();
    let api = world.api();
    api.patch_status("two", &params, &status).await.unwrap()
}

#[tokio::test]
async fn the_status_of_another_object_is_refused_at_once() {
    let world = pair("restored").await;
    let before = world.get("two").await;
    let own = before.status.as_ref().unwrap().clone();
    let mark = world.written().len();
    restore(&world, &[]).await;
    // Nobody asks for it: that the status is another's is enough.
    let object = world
        .wait("two", "its own status", |object| {
            let status = object.status.as_ref().unwrap();
            status.arn == own.arn && condition(object, "Ready") == Some(("True", "Synced"))
        })
        .await;
    let status = object.status.unwrap();
    assert_eq!(status.repository_uri, own.repository_uri);
    assert_eq!(
        status.owner,
        Some(format!("{CLUSTER}/{}/two", world.namespace))
    );
    let note = world.event("two", "StatusOfAnother").await;
    assert_says(&note, "restore ECRRepositories without their status");
    assert_eq!(world.written().len(), mark, "it had all that it asks for");
    assert_eq!(told(&world, "one", "StatusOfAnother").await.len(), 0);
    world.ready("one").await;
    world.finish_looking().await;
}

#[tokio::test]
async fn what_is_deleted_with_the_status_of_another_takes_its_own_repository_along() {
    let mut world = pair("restored-deleted").await;
    world.stop_operator().await;
    let object = restore(&world, &[]).await;
    world.delete("two").await;
    world.start_operator().await;
    world.gone(&object).await;
    assert!(world.repository("two").is_none(), "it was left behind");
    let one = world.repository("one").unwrap();
    assert_eq!(
        one.tags[OWNER_TAG],
        format!("{CLUSTER}/{}/one", world.namespace)
    );
    world.ready("one").await;
    world.finish_looking().await;
}

#[tokio::test]
async fn what_is_deleted_without_a_status_takes_its_repository_along() {
    let mut world = pair("restored-bare").await;
    world.stop_operator().await;
    let api = world.api();
    let none = Patch::Merge(json!({"status": null}));
    let params = PatchParams::default();
    let object = api.patch_status("two", &params, &none).await.unwrap();
    world.delete("two").await;
    world.start_operator().await;
    world.gone(&object).await;
    assert!(world.repository("two").is_none(), "it was left behind");
    world.finish_looking().await;
}

/// A status of before it named its object.
#[tokio::test]
async fn a_status_that_names_no_object_is_looked_at_at_once() {
    let world = pair("restored-old").await;
    restore(&world, &["owner"]).await;
    world.stalled("two", "IdentityChanged").await;
    assert!(world.repository("one").is_some());
    world
        .apply("two", json!({"deletionPolicy": "Retain"}))
        .await;
    let object = world.get("two").await;
    world.delete("two").await;
    world.gone(&object).await;
}
