//! Deletion, when something changes while it waits: the mode, the namespace, the object itself.

use std::time::Duration;

use ecr_emulator::Fault;
use kube::ResourceExt as _;
use serde_json::json;

use crate::{
    deletion::{manifest, waits, with_images},
    world::{World, assert_says, message, operations},
};

#[tokio::test]
async fn a_waiting_object_goes_at_once_when_it_is_suspended_or_only_observes() {
    for (name, change) in [
        (
            "delete-suspend",
            json!({"deletionPolicy": "Delete", "suspend": true}),
        ),
        (
            "delete-observe",
            json!({"deletionPolicy": "Delete", "managementPolicy": "Observe"}),
        ),
    ] {
        let world = World::quiet(name).await;
        let object = with_images(&world, "Delete", &["v1"]).await;
        world.delete("api").await;
        waits(&world, "api", "RepositoryNotEmpty").await;
        let deletes = world.count("DeleteRepository");
        // Even an empty repository stays now.
        world.delete_images(&world.in_ecr("api"), &["v1"]);
        world.apply("api", change).await;
        world.gone(&object).await;
        assert!(world.repository("api").is_some(), "{name}");
        assert_eq!(world.count("DeleteRepository"), deletes, "{name}");
        world.finish().await;
    }
}

#[tokio::test]
async fn a_namespace_waits_for_images_until_retain_lets_it_go() {
    let world = World::new("delete-full-namespace").await;
    let object = with_images(&world, "Delete", &["v1"]).await;
    world.delete_namespace().await;
    let waiting = waits(&world, "api", "RepositoryNotEmpty").await;
    assert_says(message(&waiting, "Stalled"), "still holds 1 image");
    world
        .apply("api", json!({"deletionPolicy": "Retain"}))
        .await;
    world.gone(&object).await;
    world.namespace_gone().await;
    assert_eq!(world.repository("api").unwrap().images.len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn replaced_by_force_an_empty_repository_is_made_anew_and_a_full_one_is_waited_for() {
    let world = World::new("replace-delete").await;
    let kubectl = &world.server.kubectl;
    let replace = ["replace", "--force", "-f", "-"];
    let spec = |n: &str| json!({"deletionPolicy": "Delete", "tags": {"n": n}});
    world.apply("api", spec("1")).await;
    let first = world.ready("api").await;
    kubectl
        .run_with(&replace, &manifest(&world, &spec("2")))
        .await
        .unwrap();
    let second = world.ready("api").await;
    assert_ne!(second.uid(), first.uid());
    assert_eq!(
        operations(&world.written()),
        ["CreateRepository", "DeleteRepository", "CreateRepository"]
    );
    // With an image in it, kubectl gives up waiting, and the image is still there.
    world.push(&world.in_ecr("api"), "v1");
    let impatient = [&replace[..], &["--timeout=2s"]].concat();
    let gave_up = kubectl
        .run_with(&impatient, &manifest(&world, &spec("3")))
        .await;
    assert_says(&gave_up.unwrap_err().to_string(), "deadline exceeded");
    waits(&world, "api", "RepositoryNotEmpty").await;
    world
        .apply("api", json!({"deletionPolicy": "Retain"}))
        .await;
    world.gone(&second).await;
    world.apply("api", spec("3")).await;
    world.ready("api").await;
    let held = world.repository("api").unwrap();
    assert_eq!(
        (held.images.len(), held.tags["n"].as_str()),
        (1, "3"),
        "it is the same repository"
    );
    world.finish().await;
}

#[tokio::test]
async fn made_anew_while_its_first_creation_is_under_way_it_is_created_once() {
    let world = World::new("anew-creating").await;
    let create = Fault::on("CreateRepository").delay(Duration::from_secs(2));
    world.emulator.inject(create);
    let first = world.apply("api", json!({"tags": {"n": "1"}})).await;
    world.struck().await;
    world.delete("api").await;
    world.gone(&first).await;
    let second = world.apply("api", json!({"tags": {"n": "2"}})).await;
    assert_ne!(second.uid(), first.uid());
    let ready = world.ready("api").await;
    assert_eq!(ready.uid(), second.uid());
    assert_eq!(world.repository("api").unwrap().tags["n"], "2");
    let written = world.written();
    let created = written.iter().filter(|c| c.operation == "CreateRepository");
    assert_eq!(created.count(), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_name_is_not_free_while_its_object_waits() {
    let world = World::quiet("delete-taken").await;
    let object = with_images(&world, "Delete", &["v1"]).await;
    world.delete("api").await;
    waits(&world, "api", "RepositoryNotEmpty").await;
    let create = ["create", "-f", "-"];
    let manifest = manifest(&world, &json!({}));
    let refused = world.server.kubectl.run_with(&create, &manifest).await;
    assert_says(&refused.unwrap_err().to_string(), "object is being deleted");
    // Another object cannot have the repository either.
    let name = world.in_ecr("api");
    let spec = json!({"repositoryName": name, "adoption": {"policy": "IfUnowned"}});
    world.apply("heir", spec).await;
    world.stalled("heir", "NameConflict").await;
    world
        .apply("api", json!({"deletionPolicy": "Retain"}))
        .await;
    world.gone(&object).await;
    assert_eq!(world.repository("api").unwrap().images.len(), 1);
    world.finish().await;
}
