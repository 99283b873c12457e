//! Ownership: a repository has one owner, which its tag in ECR names, and nobody is robbed.

use std::collections::BTreeSet;

use ecr_emulator::{Call, Repository};
use ecr_operator::api::{CLUSTER_UID_TAG, OWNER_TAG};
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::world::{CLUSTER, World, assert_says, condition, message};

fn operations(calls: &[Call]) -> Vec<&str> {
    calls.iter().map(|call| call.operation.as_str()).collect()
}

/// A repository that somebody made without the operator, with settings and an image.
fn make_outside(world: &World, repository: &str, tags: &[(&str, &str)]) -> Repository {
    let tags: Vec<_> = tags
        .iter()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    world.outside(
        "CreateRepository",
        json!({
            "repositoryName": repository,
            "imageTagMutability": "IMMUTABLE",
            "imageScanningConfiguration": {"scanOnPush": true},
            "tags": tags,
        }),
    );
    world.outside(
        "SetRepositoryPolicy",
        json!({"repositoryName": repository, "policyText": json!({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "ecr:BatchGetImage"}],
        }).to_string()}),
    );
    world.push(repository, "v1");
    held(world, repository)
}

fn held(world: &World, repository: &str) -> Repository {
    let found = world
        .emulator
        .repository(crate::world::ACCOUNT, crate::world::REGION, repository);
    found.expect("the repository exists")
}

fn tag(world: &World, repository: &str, key: &str, value: &str) {
    let arn = held(world, repository).arn;
    world.outside(
        "TagResource",
        json!({"resourceArn": arn, "tags": [{"Key": key, "Value": value}]}),
    );
}

/// The repository without its tags.
fn without_tags(mut repository: Repository) -> Repository {
    repository.tags.clear();
    repository
}

#[tokio::test]
async fn what_exists_without_an_owner_is_let_be_until_adoption_is_asked_for() {
    let mut world = World::new("exists").await;
    let repository = world.in_ecr("api");
    let before = make_outside(&world, &repository, &[("by", "hand")]);
    world
        .apply("api", json!({"imageTagMutability": "MUTABLE"}))
        .await;
    let object = world.stalled("api", "AlreadyExists").await;
    assert_eq!(
        condition(&object, "Accepted"),
        Some(("False", "AlreadyExists"))
    );
    assert_says(
        message(&object, "Stalled"),
        "spec.adoption.policy to IfUnowned",
    );
    assert_eq!(object.status.as_ref().unwrap().arn, None);
    world.looks(&repository, 2).await;
    assert_eq!(held(&world, &repository), before, "nothing was written");

    world.permit_adoption("api");
    let adopt = json!({"imageTagMutability": "MUTABLE", "adoption": {"policy": "IfUnowned"}});
    world.apply("api", adopt).await;
    world.ready("api").await;
    let after = held(&world, &repository);
    assert_eq!(after.image_tag_mutability, "MUTABLE");
    assert_eq!(after.images, before.images);
    world.finish().await;
}

#[tokio::test]
async fn adopting_changes_our_tags_and_then_only_what_is_declared() {
    let mut world = World::new("adopt").await;
    world.permit_adoption("api");
    let repository = world.in_ecr("api");
    let before = make_outside(&world, &repository, &[("by", "hand"), ("team", "old")]);
    let spec = json!({
        "adoption": {"policy": "IfUnowned"},
        "tags": {"team": "payments"},
        "imageScanningConfiguration": {"scanOnPush": false},
    });
    world.apply("api", spec).await;
    world
        .wait("api", "Adopting", |object| {
            condition(object, "Reconciling") == Some(("True", "Adopting"))
        })
        .await;
    let adopted = held(&world, &repository);
    let ours = [OWNER_TAG, CLUSTER_UID_TAG].map(ToOwned::to_owned);
    let mut tags = adopted.tags.clone();
    tags.retain(|key, _| !ours.contains(key));
    assert_eq!(tags, before.tags, "adopting alone writes our tags");
    assert_eq!(without_tags(adopted), without_tags(before.clone()));

    world.ready("api").await;
    let written = world.written();
    assert_eq!(
        operations(&written),
        [
            "TagResource",
            "PutImageScanningConfiguration",
            "TagResource"
        ]
    );
    assert!(
        written[1].time - written[0].time >= 12.0,
        "it waits for others"
    );
    let mut wanted = before;
    wanted.scan_on_push = false;
    wanted.tags.insert("team".to_owned(), "payments".to_owned());
    let mut after = held(&world, &repository);
    after.tags.retain(|key, _| !ours.contains(key));
    assert_eq!(after, wanted);
    world.finish().await;
}

#[tokio::test]
async fn of_two_objects_with_one_name_the_first_owns_it() {
    let world = World::new("conflict").await;
    let repository = world.in_ecr("shared");
    let spec = |team: &str| json!({"repositoryName": repository, "tags": {"team": team}, "deletionPolicy": "DeleteWithImages"});
    world.apply("early-bird", spec("early")).await;
    world.ready("early-bird").await;
    world.push(&repository, "v1");
    let before = held(&world, &repository);
    let loser = world.apply("latecomer", spec("late")).await;
    let stalled = world.stalled("latecomer", "NameConflict").await;
    let told = world.event("latecomer", "NameConflict").await;
    for text in [message(&stalled, "Stalled"), &told] {
        assert_says(text, "spec.repositoryName");
        assert!(!text.contains("early-bird"), "{text}");
    }
    world.looks(&repository, 3).await;
    assert_eq!(held(&world, &repository), before);
    world.delete("latecomer").await;
    world.gone(&loser).await;
    assert_eq!(
        held(&world, &repository),
        before,
        "the loser takes nothing along"
    );
    assert_eq!(operations(&world.written()), ["CreateRepository"]);
    world.finish().await;
}

#[tokio::test]
async fn of_many_objects_at_once_exactly_one_owns_it() {
    let world = World::new("race").await;
    let repository = world.in_ecr("shared");
    let names = ["a", "b", "c", "d"];
    for name in names {
        let spec = json!({"repositoryName": repository, "tags": {"team": name}});
        world.apply(name, spec).await;
    }
    let mut winners = BTreeSet::new();
    for name in names {
        let decided = world.wait(name, "a decision", |object| {
            condition(object, "Ready") == Some(("True", "Synced"))
                || condition(object, "Stalled") == Some(("True", "NameConflict"))
        });
        if condition(&decided.await, "Stalled").is_none() {
            winners.insert(name);
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    let owner = format!("{CLUSTER}/{}/{}", world.namespace, winners.first().unwrap());
    let tags = held(&world, &repository).tags;
    assert_eq!(tags[OWNER_TAG], owner);
    assert_eq!(Some(&tags["team"].as_str()), winners.first());
    assert_eq!(operations(&world.written()), ["CreateRepository"]);
    world.finish().await;
}

#[tokio::test]
async fn namespaces_do_not_learn_of_each_other() {
    let mut world = World::new("first-space").await;
    let mut other = world.sibling("second-space").await;
    other.start_operator().await;
    let repository = world.in_ecr("shared");
    let spec = json!({"repositoryName": repository, "deletionPolicy": "DeleteWithImages"});
    world.apply("owner", spec.clone()).await;
    world.ready("owner").await;
    let before = held(&world, &repository);
    let loser = other.apply("loser", spec).await;
    let stalled = other.stalled("loser", "NameConflict").await;
    let told = serde_json::to_string(&stalled.status.as_ref().unwrap().conditions).unwrap()
        + &serde_json::to_string(&stalled.status.as_ref().unwrap().pending).unwrap()
        + &other.event("loser", "NameConflict").await;
    assert!(
        !told.contains(&world.namespace) && !told.contains("owner/"),
        "{told}"
    );
    // Not even by guessing: it is alive, so its repository is no orphan.
    let adopt = json!({"repositoryName": repository, "adoption": {"policy": "IfUnowned"}, "deletionPolicy": "DeleteWithImages"});
    other.apply("loser", adopt).await;
    other.stalled("loser", "NameConflict").await;
    other.looks(&repository, 2).await;
    other.delete("loser").await;
    other.gone(&loser).await;
    assert_eq!(held(&world, &repository), before);
    assert_eq!(other.written(), []);
    other.finish().await;
    world.finish().await;
}

#[tokio::test]
async fn an_owner_tag_that_is_changed_outside_is_never_taken_back() {
    let world = World::new("robbed").await;
    for (name, owner, reason) in [
        ("removed", None, "AlreadyExists"),
        ("changed", Some("elsewhere/web/api"), "NameConflict"),
        ("foreign", Some("terraform"), "NameConflict"),
    ] {
        world
            .apply(
                name,
                json!({"imageTagMutability": "MUTABLE", "tags": {"team": "a"}}),
            )
            .await;
        world.ready(name).await;
        let repository = world.in_ecr(name);
        let arn = held(&world, &repository).arn;
        if let Some(owner) = owner {
            tag(&world, &repository, OWNER_TAG, owner);
        } else {
            world.outside(
                "UntagResource",
                json!({"resourceArn": arn, "tagKeys": [OWNER_TAG]}),
            );
        }
        world.stalled(name, reason).await;
        // What changes from now on is none of our business.
        world.outside(
            "PutImageTagMutability",
            json!({"repositoryName": repository, "imageTagMutability": "IMMUTABLE"}),
        );
        world
            .apply(
                name,
                json!({"imageTagMutability": "MUTABLE", "tags": {"team": "b"}}),
            )
            .await;
        world.stalled(name, reason).await;
        world.looks(&repository, 2).await;
        let after = held(&world, &repository);
        assert_eq!(after.tags.get(OWNER_TAG).map(String::as_str), owner);
        assert_eq!(after.tags["team"], "a");
        assert_eq!(after.image_tag_mutability, "IMMUTABLE");
    }
    world.finish().await;
}

#[tokio::test]
async fn taking_over_must_name_the_owner_that_it_replaces() {
    let mut world = World::new("take-over").await;
    let repository = world.in_ecr("api");
    let before = make_outside(&world, &repository, &[(OWNER_TAG, "legacy/shop/api")]);
    let take = |from: &str| json!({"adoption": {"policy": "TakeOver", "from": from}});
    for from in [
        "legacy/shop/web",
        "legacy/web/api",
        &format!("{CLUSTER}/shop/api"),
    ] {
        world.apply("api", take(from)).await;
        world.stalled("api", "NameConflict").await;
    }
    world
        .apply("api", json!({"adoption": {"policy": "IfUnowned"}}))
        .await;
    world.stalled("api", "NameConflict").await;
    assert_eq!(held(&world, &repository), before);
    world.permit_adoption("api");
    world.apply("api", take("legacy/shop/api")).await;
    world.ready("api").await;
    let after = held(&world, &repository);
    let owner = format!("{CLUSTER}/{}/api", world.namespace);
    assert_eq!(after.tags[OWNER_TAG], owner);
    assert_eq!(without_tags(after), without_tags(before));
    assert_eq!(operations(&world.written()), ["TagResource"]);
    world.finish().await;
}

#[tokio::test]
async fn a_dead_owner_of_our_own_cluster_counts_as_none() {
    let mut world = World::new("dead-owner").await;
    let repository = world.in_ecr("legacy");
    let spec = json!({"repositoryName": repository});
    let first = world.apply("first", spec.clone()).await;
    world.ready("first").await;
    world.delete("first").await;
    world.gone(&first).await;
    world.apply("second", spec).await;
    world.stalled("second", "AlreadyExists").await;
    world.permit_adoption("legacy");
    let adopt = json!({"repositoryName": repository, "adoption": {"policy": "IfUnowned"}});
    world.apply("second", adopt).await;
    world.ready("second").await;
    let owner = format!("{CLUSTER}/{}/second", world.namespace);
    assert_eq!(held(&world, &repository).tags[OWNER_TAG], owner);
    world.finish().await;
}

#[tokio::test]
async fn an_object_that_is_made_anew_has_its_repository_back() {
    let world = World::new("anew").await;
    let first = world.apply("api", json!({"tags": {"n": "1"}})).await;
    world.ready("api").await;
    world.push(&world.in_ecr("api"), "v1");
    world.delete("api").await;
    world.gone(&first).await;
    world.apply("api", json!({"tags": {"n": "2"}})).await;
    world.ready("api").await;
    let repository = world.repository("api").unwrap();
    assert_eq!(
        (repository.tags["n"].as_str(), repository.images.len()),
        ("2", 1)
    );
    assert_eq!(
        operations(&world.written()),
        ["CreateRepository", "TagResource"]
    );
    world.finish().await;
}

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
    let before = make_outside(&world, &repository, &tags);
    world
        .apply("api", json!({"deletionPolicy": "Delete"}))
        .await;
    let object = world.ready("api").await;
    let uid = object.status.unwrap().cluster_uid.unwrap();
    let after = held(&world, &repository);
    assert_eq!(after.tags[CLUSTER_UID_TAG], uid);
    assert_eq!(without_tags(after), without_tags(before));
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
    tag(&world, &repository, CLUSTER_UID_TAG, "uid-of-the-other");
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
    let tags = held(&world, &repository).tags;
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
    use kube::api::{Patch, PatchParams};
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
    let identity = |s: &ecr_operator::api::ECRRepositoryStatus| {
        (
            s.arn.clone(),
            s.created_at.clone(),
            s.tag_keys.clone(),
            s.applied.clone(),
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
    let before = make_outside(&world, &taken, &[]);
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
    assert_eq!(held(&world, &taken), before);
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
    let create = ecr_emulator::Fault::on("CreateRepository");
    world
        .apply("api", json!({"repositoryName": world.in_ecr("typo")}))
        .await;
    world.kill_after(create).await;
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
