//! Repositories whose owner tag was taken off outside, or that were made anew there: what became of them is told as
//! what it is, and a deletion that leaves them says so.

use ecr_operator::api::{CLUSTER_UID_TAG, ECRRepository, OWNER_TAG};
use serde_json::json;

use crate::{
    looking::{reconcile_now, told},
    world::{CLUSTER, World, assert_says, condition, message},
};

/// What a cleaner of tags does.
fn clean(world: &World, keys: &[&str]) {
    let arn = world.repository("api").unwrap().arn;
    world.outside(
        "UntagResource",
        json!({"resourceArn": arn, "tagKeys": keys}),
    );
}

/// An object whose repository has lost its owner tag.
async fn cleaned(name: &str) -> (World, ECRRepository) {
    let world = World::new(name).await;
    world
        .apply(
            "api",
            json!({"deletionPolicy": "Delete", "tags": {"a": "b"}}),
        )
        .await;
    world.ready("api").await;
    clean(&world, &[OWNER_TAG, CLUSTER_UID_TAG, "a"]);
    reconcile_now(&world, "api", "1").await;
    let object = world.stalled("api", "OwnerTagMissing").await;
    (world, object)
}

fn owner(world: &World) -> String {
    format!("{CLUSTER}/{}/api", world.namespace)
}

#[tokio::test]
async fn a_lost_owner_tag_is_told_as_what_it_is_and_put_back_it_is_over() {
    let (world, object) = cleaned("tag-lost").await;
    assert_eq!(
        condition(&object, "Accepted"),
        Some(("False", "OwnerTagMissing"))
    );
    let says = message(&object, "Stalled");
    assert_says(
        says,
        "The owner tag was taken off this object's repository outside",
    );
    assert_says(
        says,
        &format!("put the tag {OWNER_TAG}={} back", owner(&world)),
    );
    assert_says(says, "set spec.adoption.policy to IfUnowned");
    assert!(!says.contains("repositoryName"), "it is immutable: {says}");
    assert_says(&world.event("api", "OwnerTagMissing").await, "CloudTrail");
    assert!(
        object.status.unwrap().last_loss.is_none(),
        "nothing is lost"
    );
    let mark = world.written().len();
    world.looks(&world.in_ecr("api"), 2).await;
    assert_eq!(world.written().len(), mark, "nothing is written to it");
    // The owner tag alone is enough: the other is the operator's to put back.
    world.tag(&world.in_ecr("api"), OWNER_TAG, &owner(&world));
    world.ready("api").await;
    let tags = world.repository("api").unwrap().tags;
    assert!(tags.contains_key(CLUSTER_UID_TAG), "{tags:?}");
    assert_eq!(tags["a"], "b");
    world.finish().await;
}

#[tokio::test]
async fn a_lost_owner_tag_comes_back_by_adoption() {
    let (mut world, _) = cleaned("tag-adopted").await;
    world.permit_adoption("api");
    let adopt = json!({"deletionPolicy": "Delete", "tags": {"a": "b"}, "adoption": {"policy": "IfUnowned"}});
    world.apply("api", adopt).await;
    let object = world.ready("api").await;
    assert_eq!(
        world.repository("api").unwrap().tags[OWNER_TAG],
        owner(&world)
    );
    world.delete("api").await;
    world.gone(&object).await;
    assert!(world.repository("api").is_none(), "it is its own again");
    world.finish().await;
}

#[tokio::test]
async fn a_deletion_that_leaves_what_lost_its_tag_says_so() {
    let (world, object) = cleaned("tag-lost-delete").await;
    world.delete("api").await;
    world.gone(&object).await;
    assert!(world.repository("api").is_some(), "hands off");
    let note = world.event("api", "RepositoryKept").await;
    assert_says(&note, &world.in_ecr("api"));
    assert_says(
        &note,
        "stays in ECR with its images, though this object had it",
    );
    assert_says(&note, "its owner tag was taken off outside");
    let events = world.events("api").await;
    let kept = events
        .iter()
        .find(|(_, reason, _)| reason == "RepositoryKept");
    assert_eq!(kept.unwrap().0, "Warning");
    world.finish().await;
}

#[tokio::test]
async fn a_deletion_says_also_that_there_is_nothing_of_the_objects() {
    let mut world = World::new("nothing-to-delete").await;
    let delete = json!({"deletionPolicy": "Delete"});
    for name in ["mine", "gone", "theirs"] {
        if name == "theirs" {
            world.make_outside(&world.in_ecr(name), &[]);
        }
        world.apply(name, delete.clone()).await;
    }
    let object = world.stalled("theirs", "AlreadyExists").await;
    world.delete("theirs").await;
    world.gone(&object).await;
    let events = world.events("theirs").await;
    let kept = events
        .iter()
        .find(|(_, reason, _)| reason == "RepositoryKept");
    let (kind, _, note) = kept.unwrap();
    assert_eq!(kind, "Normal");
    assert_says(note, "it was never this object's");
    world.ready("mine").await;
    let object = world.ready("gone").await;
    world.stop_operator().await;
    world.delete("gone").await;
    let repository = world.in_ecr("gone");
    world.lose(&repository);
    world.start_operator().await;
    world.gone(&object).await;
    let note = world.event("gone", "NothingToDelete").await;
    assert_says(&note, "is not in ECR");
    world.finish().await;
}

#[tokio::test]
async fn a_repository_that_was_made_anew_outside_is_a_loss() {
    let mut world = World::new("made-anew").await;
    let spec = json!({"deletionPolicy": "Delete", "access": {"pull": ["111122223333"]}});
    world.apply("api", spec.clone()).await;
    let before = world.ready("api").await.status.unwrap();
    world.stop_operator().await;
    let repository = world.in_ecr("api");
    world.lose(&repository);
    world.outside("CreateRepository", json!({"repositoryName": repository}));
    world.start_operator().await;
    reconcile_now(&world, "api", "1").await;
    let object = world.stalled("api", "AlreadyExists").await;
    let says = message(&object, "Stalled");
    assert_says(
        says,
        "was deleted outside and another was made in its place",
    );
    assert!(!says.contains("repositoryName"), "it is immutable: {says}");
    let loss = object.status.unwrap().last_loss.unwrap();
    assert_eq!(loss.previous_created_at, before.created_at);
    assert_says(
        &world.event("api", "RepositoryLost").await,
        "images are gone",
    );
    // It is told once, and kept when the new one is adopted.
    world.permit_adoption("api");
    let mut adopt = spec;
    adopt["adoption"] = json!({"policy": "IfUnowned"});
    world.apply("api", adopt).await;
    let status = world.ready("api").await.status.unwrap();
    assert_eq!(status.last_loss.unwrap().at, loss.at);
    assert_ne!(status.created_at, before.created_at);
    assert!(
        world.held(&repository).policy.is_some(),
        "nothing of it was in force"
    );
    assert_eq!(told(&world, "api", "RepositoryLost").await.len(), 1);
    world.finish().await;
}

/// By somebody who made it anew with all its tags, ours among them.
#[tokio::test]
async fn what_was_made_anew_with_our_tags_is_a_loss_and_gets_its_documents() {
    let mut world = World::new("made-anew-tagged").await;
    let spec = json!({"access": {"pull": ["111122223333"]}, "tags": {"a": "b"}});
    world.apply("api", spec).await;
    let before = world.ready("api").await.status.unwrap();
    world.stop_operator().await;
    let repository = world.in_ecr("api");
    let tags: Vec<_> = world.held(&repository).tags.into_iter().collect();
    world.lose(&repository);
    let tags: Vec<_> = tags
        .iter()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    world.outside(
        "CreateRepository",
        json!({"repositoryName": repository, "tags": tags}),
    );
    world.start_operator().await;
    assert_says(
        &world.event("api", "RepositoryLost").await,
        "images are gone",
    );
    world
        .until("the policy", |it| it.held(&repository).policy.is_some())
        .await;
    let object = world.ready("api").await;
    let loss = object.status.unwrap().last_loss.unwrap();
    assert_eq!(loss.previous_created_at, before.created_at);
    world.finish().await;
}

#[tokio::test]
async fn the_clusters_tag_alone_is_put_back() {
    let world = World::new("uid-lost").await;
    world.apply("api", json!({"tags": {"a": "b"}})).await;
    world.ready("api").await;
    let before = world.repository("api").unwrap().tags;
    clean(&world, &[CLUSTER_UID_TAG]);
    reconcile_now(&world, "api", "1").await;
    world
        .until("our tag", |it| it.repository("api").unwrap().tags == before)
        .await;
    world.ready("api").await;
    assert_eq!(told(&world, "api", "TwoClusters").await.len(), 0);
    world.finish().await;
}
