//! Identity: which cluster, which account, which repository; and a status that says otherwise.

use ecr_emulator::Fault;
use ecr_operator::api::{CLUSTER_UID_TAG, ECRRepositoryStatus, OWNER_TAG};
use kube::{
    ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::world::{CLUSTER, Crash, World, assert_says, condition, message, operations};

#[tokio::test]
async fn a_renamed_cluster_writes_its_new_name() {
    let mut world = World::new("renamed").await;
    world
        .apply("api", json!({"deletionPolicy": "Delete"}))
        .await;
    world.ready("api").await;
    world.stop_operator().await;
    world.cluster("new-name");
    // Without a word about the former name they are strangers.
    world.start_operator().await;
    world.stalled("api", "NameConflict").await;
    world.stop_operator().await;
    world.flag(&format!("--previous-cluster-names=older,{CLUSTER}"));
    world.start_operator().await;
    world.ready("api").await;
    let owner = format!("new-name/{}/api", world.namespace);
    assert_eq!(world.repository("api").unwrap().tags[OWNER_TAG], owner);
    assert_eq!(
        operations(&world.written()),
        ["CreateRepository", "TagResource"]
    );
    world.finish().await;
}

#[tokio::test]
async fn a_rebuilt_cluster_writes_its_uid_once() {
    let world = World::new("rebuilt").await;
    let owner = format!("{CLUSTER}/{}/api", world.namespace);
    let repository = world.in_ecr("api");
    let tags = [
        (OWNER_TAG, owner.as_str()),
        (CLUSTER_UID_TAG, "uid-of-before"),
    ];
    let before = world.make_outside(&repository, &tags);
    world
        .apply("api", json!({"deletionPolicy": "Delete"}))
        .await;
    let object = world.ready("api").await;
    let uid = object.status.unwrap().cluster_uid.unwrap();
    let after = world.held(&repository);
    assert_eq!(after.tags[CLUSTER_UID_TAG], uid);
    assert_eq!(World::without_tags(after), World::without_tags(before));
    assert_eq!(operations(&world.written()), ["TagResource"]);
    world.finish().await;
}

#[tokio::test]
async fn two_clusters_with_one_name_do_not_fight() {
    let world = World::new("two-clusters").await;
    world
        .apply(
            "api",
            json!({"tags": {"team": "a"}, "deletionPolicy": "DeleteWithImages"}),
        )
        .await;
    world.ready("api").await;
    let repository = world.in_ecr("api");
    world.tag(&repository, CLUSTER_UID_TAG, "uid-of-the-other");
    let stalled = world.stalled("api", "TwoClusters").await;
    assert_says(message(&stalled, "Stalled"), "--cluster-name");
    world
        .apply(
            "api",
            json!({"tags": {"team": "b"}, "deletionPolicy": "DeleteWithImages"}),
        )
        .await;
    world.stalled("api", "TwoClusters").await;
    world.looks(&repository, 2).await;
    let tags = world.held(&repository).tags;
    assert_eq!(
        (tags[CLUSTER_UID_TAG].as_str(), tags["team"].as_str()),
        ("uid-of-the-other", "a")
    );
    // Nor is it deleted; and Retain lets the object go.
    world.delete("api").await;
    let waiting = world
        .wait("api", "its wait", |object| {
            object.metadata.deletion_timestamp.is_some()
                && condition(object, "Stalled") == Some(("True", "TwoClusters"))
                && message(object, "Stalled").contains("Retain")
        })
        .await;
    world
        .apply("api", json!({"deletionPolicy": "Retain"}))
        .await;
    world.gone(&waiting).await;
    assert_eq!(operations(&world.written()), ["CreateRepository"]);
    world.finish().await;
}

#[tokio::test]
async fn the_binding_decides_and_not_the_operators_credentials_or_region() {
    let mut world = World::new("identity").await;
    world
        .apply(
            "api",
            json!({"tags": {"team": "a"}, "deletionPolicy": "Delete"}),
        )
        .await;
    let bound = world.ready("api").await.status.unwrap();
    for environment in [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "999988887777"),
    ] {
        world.stop_operator().await;
        world.start_operator_with(&[environment]).await;
        world
            .apply(
                "api",
                json!({"tags": {"team": environment.0}, "deletionPolicy": "Delete"}),
            )
            .await;
        let stalled = world.stalled("api", "IdentityChanged").await;
        let status = stalled.status.as_ref().unwrap();
        assert_eq!(
            (&status.arn, &status.registry_id, &status.region),
            (&bound.arn, &bound.registry_id, &bound.region)
        );
        assert_says(message(&stalled, "Stalled"), "account and region back");
    }
    assert_eq!(operations(&world.written()), ["CreateRepository"]);
    // Nor is anything deleted in the other account, or forgotten in ours.
    world.delete("api").await;
    world
        .wait("api", "its wait", |object| {
            object.metadata.deletion_timestamp.is_some()
                && condition(object, "Stalled") == Some(("True", "IdentityChanged"))
                && message(object, "Stalled").contains("Retain")
        })
        .await;
    let waiting = world.get("api").await;
    world.stop_operator().await;
    world.start_operator().await;
    world.gone(&waiting).await;
    assert!(world.repository("api").is_none());
    world.finish().await;
}

/// What an administrator, or a tenant with too many rights, makes of a status.
async fn set_status(world: &World, name: &str, status: Value) {
    let patch = Patch::Merge(json!({"status": status}));
    world
        .api()
        .patch_status(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_status_that_is_lost_comes_back_without_harm() {
    let world = World::new("status-lost").await;
    let spec = json!({
        "imageTagMutability": "IMMUTABLE",
        "access": {"pull": ["111122223333"]},
        "tags": {"team": "a"},
        "deletionPolicy": "Delete",
    });
    world.apply("api", spec).await;
    let before = world.ready("api").await.status.unwrap();
    let held_before = world.repository("api");
    let written = world.written().len();
    set_status(&world, "api", Value::Null).await;
    let after = world.ready("api").await.status.unwrap();
    let identity = |s: &ECRRepositoryStatus| {
        (
            s.arn.clone(),
            s.created_at.clone(),
            s.tag_keys.clone(),
            s.working_memory.applied.clone(),
            s.cluster_uid.clone(),
        )
    };
    assert_eq!(identity(&after), identity(&before));
    assert_eq!(world.repository("api"), held_before);
    assert_eq!(operations(&world.written()[written..]), Vec::<&str>::new());
    world.finish().await;
}

#[tokio::test]
async fn a_forged_status_opens_nobody_elses_repository() {
    let mut world = World::new("forger").await;
    let mut other = world.sibling("victim").await;
    other.start_operator().await;
    other
        .apply("api", json!({"tags": {"team": "victim"}}))
        .await;
    let victim = other.ready("api").await.status.unwrap();
    other.push(&other.in_ecr("api"), "v1");
    let before = other.repository("api");
    for (name, status) in [
        (
            "by-name",
            json!({"repositoryName": victim.repository_name, "arn": victim.arn}),
        ),
        (
            "by-keys",
            json!({"repositoryName": victim.repository_name, "arn": victim.arn, "tagKeys": ["team"], "clusterUid": victim.cluster_uid}),
        ),
        ("by-account", json!({"registryId": "999988887777"})),
        (
            "unestablished",
            json!({"repositoryName": victim.repository_name, "arn": null}),
        ),
    ] {
        let spec = json!({"tags": {"a": "b"}, "deletionPolicy": "DeleteWithImages"});
        world.apply(name, spec).await;
        world.ready(name).await;
        set_status(&world, name, status).await;
        world
            .apply(
                name,
                json!({"tags": {"a": "c"}, "deletionPolicy": "DeleteWithImages"}),
            )
            .await;
        let generation = world.get(name).await.metadata.generation;
        let object = world
            .wait(name, "a word on the forgery", |object| {
                let observed = object.status.as_ref().and_then(|s| s.observed_generation);
                observed == generation && condition(object, "Reconciling").is_none()
            })
            .await;
        if name == "by-account" {
            assert_eq!(
                condition(&object, "Stalled"),
                Some(("True", "IdentityChanged"))
            );
            let retain = json!({"tags": {"a": "c"}, "deletionPolicy": "Retain"});
            world.apply(name, retain).await;
        }
        world.delete(name).await;
        world.gone(&object).await;
        assert_eq!(other.repository("api"), before, "{name}");
    }
    world.finish().await;
    other.finish().await;
}

#[tokio::test]
async fn a_name_may_be_corrected_until_the_repository_exists() {
    let world = World::new("corrected").await;
    let taken = world.in_ecr("taken");
    let before = world.make_outside(&taken, &[]);
    let named = |name: &str| json!({"repositoryName": world.in_ecr(name)});
    world.apply("api", named("taken")).await;
    let stalled = world.stalled("api", "AlreadyExists").await;
    assert_eq!(stalled.status.unwrap().repository_name, Some(taken.clone()));
    world.apply("api", named("free")).await;
    let ready = world.ready("api").await;
    assert_eq!(
        ready.status.unwrap().repository_name,
        Some(world.in_ecr("free"))
    );
    assert_eq!(world.held(&taken), before);
    let refusal = world.try_apply("api", named("other")).await.unwrap_err();
    assert_says(
        &refusal.to_string(),
        "is immutable, because the repository exists",
    );
    world.finish().await;
}

#[tokio::test]
async fn a_corrected_name_leaves_nothing_of_ours_behind() {
    let mut world = World::new("left-behind").await;
    world.arm(Crash::After, Fault::on("CreateRepository"));
    world
        .apply("api", json!({"repositoryName": world.in_ecr("typo")}))
        .await;
    world.crash(Crash::After).await;
    // ECR has it, status does not know it, and the API server lets the name be changed.
    let object = world
        .apply("api", json!({"repositoryName": world.in_ecr("right")}))
        .await;
    assert_eq!(object.status.unwrap().arn, None);
    world.start_operator().await;
    let stalled = world.stalled("api", "IdentityChanged").await;
    assert_says(message(&stalled, "Stalled"), "spec.repositoryName");
    assert_eq!(operations(&world.written()), ["CreateRepository"]);
    world
        .apply("api", json!({"repositoryName": world.in_ecr("typo")}))
        .await;
    let ready = world.ready("api").await;
    assert_eq!(ready.name_any(), "api");
    assert_eq!(operations(&world.written()), ["CreateRepository"]);
    world.finish().await;
}
