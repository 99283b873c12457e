//! Reads that show what was there before the operator's own write. AWS promises nothing of a read right after
//! one, and what it does not show yet is no news of anybody else.

use ecr_emulator::Fault;
use ecr_operator::api::{CLUSTER_UID_TAG, OWNER_TAG};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::world::{CLUSTER, World, condition, operations};

const LIST: &str = "ListTagsForResource";

/// From now on so many looks at its tags, after the first, show a repository as it is now.
fn lags(world: &World, times: u64) {
    let repository = world.in_ecr("api");
    let tags = world.held(&repository).tags;
    let tags: Vec<_> = tags
        .iter()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    let former = json!({"tags": tags}).to_string();
    let fault = Fault::on(LIST).repository(&repository).skip(1).times(times);
    world.emulator.inject(fault.foreign(200, &former));
}

/// A world whose cluster was rebuilt: the object's status and the repository's tag have another uid.
async fn rebuilt(name: &str) -> World {
    let mut world = World::quiet(name).await;
    world
        .apply("api", json!({"deletionPolicy": "Delete"}))
        .await;
    world.ready("api").await;
    world.stop_operator().await;
    world.tag(&world.in_ecr("api"), CLUSTER_UID_TAG, "uid-of-before");
    let status = Patch::Merge(json!({"status": {"clusterUid": "uid-of-before"}}));
    let params = PatchParams::default();
    let api = world.api();
    api.patch_status("api", &params, &status).await.unwrap();
    world
}

/// Whether status ever said that there are two clusters.
async fn feared_another(world: &World) -> bool {
    let versions = world.versions("api").await;
    let stalled = Some(("True", "TwoClusters"));
    versions
        .iter()
        .any(|it| condition(it, "Stalled") == stalled)
}

#[tokio::test]
async fn a_deletion_takes_its_own_tag_for_nobody_elses() {
    let mut world = rebuilt("lag-claim").await;
    world.delete("api").await;
    let object = world.get("api").await;
    lags(&world, 1);
    world.start_operator().await;
    world.gone(&object).await;
    assert!(world.repository("api").is_none());
    assert!(!feared_another(&world).await);
    let written = world.written();
    let expected = ["CreateRepository", "TagResource", "DeleteRepository"];
    assert_eq!(operations(&written), expected);
    world.finish().await;
}

#[tokio::test]
async fn who_goes_on_takes_his_own_tag_for_nobody_elses() {
    let mut world = rebuilt("lag-stamp").await;
    let tagged = |team: &str| json!({"deletionPolicy": "Delete", "tags": {"team": team}});
    world.apply("api", tagged("a")).await;
    lags(&world, 1);
    world.start_operator().await;
    world.ready("api").await;
    world.apply("api", tagged("b")).await;
    world.ready("api").await;
    assert_eq!(world.repository("api").unwrap().tags["team"], "b");
    assert!(!feared_another(&world).await);
    world.finish_looking().await;
}

#[tokio::test]
async fn a_deletion_does_not_leave_what_does_not_show_yet() {
    let world = World::quiet("lag-creation").await;
    world.emulator.configure(|it| it.create_lag_calls = 2);
    world
        .apply("api", json!({"deletionPolicy": "Delete"}))
        .await;
    let object = world.ready("api").await;
    world.delete("api").await;
    world.gone(&object).await;
    assert!(world.repository("api").is_none(), "it was left behind");
    world.finish().await;
}

#[tokio::test]
async fn what_was_just_adopted_goes_with_its_object() {
    let mut world = World::quiet("lag-adoption").await;
    world.permit_adoption("api");
    let repository = world.in_ecr("api");
    world.make_outside(&repository, &[]);
    let spec = json!({"adoption": {"policy": "IfUnowned"}, "deletionPolicy": "DeleteWithImages"});
    // Without an owner when it is looked at, and when that is proved.
    let none = Fault::on(LIST).repository(&repository).skip(2).times(1);
    let none = none.foreign(200, r#"{"tags": []}"#);
    world.emulator.inject(none);
    world.apply("api", spec).await;
    let object = world
        .wait("api", "Adopting", |object| {
            condition(object, "Reconciling") == Some(("True", "Adopting"))
        })
        .await;
    let owner = format!("{CLUSTER}/{}/api", world.namespace);
    world
        .until("our tag", |it| {
            it.held(&repository).tags.get(OWNER_TAG) == Some(&owner)
        })
        .await;
    world.delete("api").await;
    world.gone(&object).await;
    assert!(world.repository("api").is_none(), "it was left behind");
    world.finish().await;
}
