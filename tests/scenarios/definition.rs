//! The definition itself is deleted while there are objects: an administrator's slip, or an
//! uninstallation. Kubernetes then deletes every object.

use serde_json::json;
use xtask::install::apply_install;

use crate::{
    deletion::waits,
    installation::{CRD, installed},
    world::{World, assert_says, message, operations},
};

#[tokio::test]
async fn deleting_the_definition_loses_nothing_that_is_retained() {
    let (control_plane, server) = installed("crd-deleted").await;
    let kubectl = server.kubectl.clone();
    let mut world = World::on(server, "crd").await;
    world.start_operator().await;
    world.apply("kept", json!({"tags": {"team": "a"}})).await;
    world
        .apply("full", json!({"deletionPolicy": "Delete"}))
        .await;
    let kept = world.ready("kept").await;
    world.ready("full").await;
    for name in ["kept", "full"] {
        world.push(&world.in_ecr(name), "v1");
    }
    let before = ["kept", "full"].map(|name| world.repository(name));
    let [kind, name] = CRD;
    kubectl
        .run(&["delete", kind, name, "--wait=false"])
        .await
        .unwrap();
    world.gone(&kept).await;
    // The definition waits for the object that waits for its images to go.
    let waiting = waits(&world, "full", "RepositoryNotEmpty").await;
    assert_says(message(&waiting, "Stalled"), "still holds 1 image");
    world
        .apply("full", json!({"deletionPolicy": "Retain"}))
        .await;
    let definition = format!("{kind}/{name}");
    let gone = ["wait", "--for=delete", &definition, "--timeout=60s"];
    kubectl.run(&gone).await.unwrap();
    world
        .operator()
        .readiness(|status, body| status == 503 && body.contains("install the CRDs"))
        .await;

    apply_install(control_plane.kubeconfig()).await.unwrap();
    world.operator().ready().await;
    for name in ["kept", "full"] {
        world.apply(name, json!({"tags": {"team": "a"}})).await;
    }
    for name in ["kept", "full"] {
        let object = world.ready(name).await;
        assert_eq!(object.status.unwrap().last_loss, None);
    }
    let after = ["kept", "full"].map(|name| world.repository(name));
    assert_eq!(after[0], before[0], "it is ours as before");
    let images = |held: &Option<ecr_emulator::Repository>| held.as_ref().unwrap().images.clone();
    assert_eq!(images(&after[1]), images(&before[1]));
    let written = world.written();
    assert_eq!(
        operations(&written),
        ["CreateRepository", "CreateRepository", "TagResource"]
    );
    world.finish().await;
}
