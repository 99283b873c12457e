//! What AWS refuses: the rest is done, the cause is named, and it heals without a restart.

use ecr_emulator::Fault;
use ecr_operator::api::ECRRepository;
use serde_json::json;

use crate::{
    looking::{FLUX, called, pending, told},
    samples::whole,
    world::{World, assert_says, condition, message},
};

fn rejects(fault: Fault) -> Fault {
    let said = "Lifecycle policy validation failure: the moon is full";
    fault.fail(400, "InvalidParameterException", said)
}

/// Waits until nothing but this is left to be done, for this reason, with this sign.
async fn lacks(world: &World, name: &str, sign: &str, reason: &str, action: &str) -> ECRRepository {
    let generation = world.get(name).await.metadata.generation;
    let lacking = |object: &ECRRepository| {
        let observed = object.status.as_ref().and_then(|s| s.observed_generation);
        observed == generation
            && condition(object, sign) == Some(("True", reason))
            && condition(object, "Ready") == Some(("False", reason))
            && pending(object)
                .iter()
                .map(|p| p.action.as_str())
                .eq([action])
    };
    let object = world.wait(name, reason, lacking).await;
    assert_eq!(pending(&object)[0].reason, reason);
    object
}

#[tokio::test]
async fn what_aws_refuses_is_said_and_the_rest_is_done() {
    let world = World::new("rejected").await;
    world
        .emulator
        .inject(rejects(Fault::on("PutLifecyclePolicy").forever()));
    world.apply("api", whole(10)).await;
    let object = lacks(
        &world,
        "api",
        "Stalled",
        "RejectedByAws",
        "PutLifecyclePolicy",
    )
    .await;
    assert_says(
        message(&object, "Stalled"),
        "correct the value that AWS names",
    );
    assert_says(message(&object, "Stalled"), "the moon is full");
    assert_says(
        pending(&object)[0].message.as_ref().unwrap(),
        "the moon is full",
    );
    assert_eq!(condition(&object, "Accepted"), Some(("True", "Accepted")));
    let repository = world.repository("api").unwrap();
    assert!(repository.policy.is_some() && repository.tags.contains_key("team"));
    // Other aspects go on, and a second object is not held up.
    let mut spec = whole(10);
    spec["tags"] = json!({"team": "other"});
    world.apply("api", spec).await;
    world
        .until("the tag is changed", |w| {
            w.repository("api").unwrap().tags["team"] == "other"
        })
        .await;
    world.apply("second", json!({})).await;
    world.ready("second").await;
    // It is tried again by itself, and told once.
    let tries = world.count("PutLifecyclePolicy");
    called(&world, "PutLifecyclePolicy", tries + 1).await;
    assert_eq!(told(&world, "api", "RejectedByAws").await.len(), 1);
    world.emulator.clear_faults();
    let object = world.ready("api").await;
    assert!(pending(&object).is_empty());
    assert!(condition(&object, "Stalled").is_none());
    world.finish().await;
}

/// An object whose lifecycle policy AWS refuses once, in a world that tries such a thing again
/// after an hour.
async fn refused_once(name: &str) -> World {
    let mut world = World::without_operator(name).await;
    world.flag("--stalled-retry-seconds=3600");
    world.start_operator().await;
    world
        .emulator
        .inject(rejects(Fault::on("PutLifecyclePolicy")));
    world.apply("api", whole(10)).await;
    lacks(
        &world,
        "api",
        "Stalled",
        "RejectedByAws",
        "PutLifecyclePolicy",
    )
    .await;
    world.looks(&world.in_ecr("api"), 2).await;
    assert_eq!(world.count("PutLifecyclePolicy"), 1, "it rests");
    world
}

#[tokio::test]
async fn what_aws_refused_is_tried_again_when_spec_changes() {
    let world = refused_once("change").await;
    world.apply("api", whole(20)).await;
    world.ready("api").await;
    assert_eq!(world.count("PutLifecyclePolicy"), 2);
    world.finish().await;
}

#[tokio::test]
async fn what_aws_refused_is_tried_again_when_another_aspect_changes() {
    let world = refused_once("other").await;
    let mut spec = whole(10);
    spec["imageTagMutability"] = json!("MUTABLE");
    world.apply("api", spec).await;
    world.ready("api").await;
    world.finish().await;
}

#[tokio::test]
async fn what_aws_refused_is_tried_again_on_request() {
    let world = refused_once("request").await;
    world.annotate("api", FLUX, "1").await;
    world.ready("api").await;
    assert_eq!(world.count("PutLifecyclePolicy"), 2);
    world.finish().await;
}

#[tokio::test]
async fn a_principal_that_is_very_new_is_waited_for() {
    let world = World::new("principal").await;
    let role = "arn:aws:iam::111122223333:role/new";
    world.emulator.configure(|settings| {
        settings.unknown_principals.insert(role.to_owned(), None);
    });
    let mut spec = whole(10);
    spec["access"] = json!({"pull": [role]});
    world.apply("api", spec).await;
    let object = lacks(
        &world,
        "api",
        "Reconciling",
        "PolicyNotYetAccepted",
        "SetRepositoryPolicy",
    )
    .await;
    assert_says(
        message(&object, "Ready"),
        "check that every principal exists",
    );
    assert!(
        condition(&object, "Stalled").is_none(),
        "it may heal by itself"
    );
    assert!(world.repository("api").unwrap().lifecycle_policy.is_some());
    called(&world, "SetRepositoryPolicy", 2).await;
    world
        .emulator
        .configure(|settings| settings.unknown_principals.clear());
    world.ready("api").await;
    assert_says(&world.repository("api").unwrap().policy.unwrap(), role);
    world.finish().await;
}

#[tokio::test]
async fn what_is_denied_is_tried_again_while_the_rest_is_done() {
    let world = World::new("denied").await;
    world
        .emulator
        .inject(Fault::on("PutLifecyclePolicy").forever().deny());
    world.apply("api", whole(10)).await;
    let object = lacks(
        &world,
        "api",
        "Reconciling",
        "AccessDenied",
        "PutLifecyclePolicy",
    )
    .await;
    assert_says(
        message(&object, "Ready"),
        "allow the operator's role this action",
    );
    assert_says(message(&object, "Ready"), "ecr:PutLifecyclePolicy");
    assert!(world.repository("api").unwrap().policy.is_some());
    called(&world, "PutLifecyclePolicy", 2).await;
    world.emulator.clear_faults();
    world.ready("api").await;
    world.finish().await;
}

#[tokio::test]
async fn a_creation_that_is_denied_says_what_is_missing_and_heals() {
    let world = World::new("forbidden").await;
    world
        .emulator
        .inject(Fault::on("CreateRepository").times(2).deny());
    world.apply("api", whole(10)).await;
    let said =
        |object: &ECRRepository| condition(object, "Reconciling") == Some(("True", "AccessDenied"));
    let object = world.wait("api", "AccessDenied", said).await;
    let left: Vec<_> = pending(&object).into_iter().map(|p| p.action).collect();
    assert_eq!(
        left,
        [
            "CreateRepository",
            "PutLifecyclePolicy",
            "SetRepositoryPolicy"
        ]
    );
    world.ready("api").await;
    assert_eq!(world.count("CreateRepository"), 3);
    world.finish().await;
}

#[tokio::test]
async fn a_creation_that_aws_refuses_says_the_same_while_it_waits() {
    let world = World::new("refused").await;
    let refuse = Fault::on("CreateRepository").forever();
    let refuse = refuse.fail(400, "InvalidParameterException", "no such thing");
    world.emulator.inject(refuse);
    world.apply("api", whole(10)).await;
    let object = world.stalled("api", "RejectedByAws").await;
    let left: Vec<_> = pending(&object).into_iter().map(|p| p.action).collect();
    assert_eq!(
        left,
        [
            "CreateRepository",
            "PutLifecyclePolicy",
            "SetRepositoryPolicy"
        ]
    );
    // Between two attempts are passes that make none.
    let tried = world.count("CreateRepository");
    world
        .until("two more attempts", |world| {
            world.count("CreateRepository") >= tried + 2
        })
        .await;
    assert_eq!(
        world.get("api").await.metadata.resource_version,
        object.metadata.resource_version,
        "nothing new is known, and nothing is written"
    );
    world.finish().await;
}

#[tokio::test]
async fn foreign_tags_that_leave_no_room_are_named_and_not_removed() {
    let world = World::new("quota").await;
    world.apply("api", json!({})).await;
    world.ready("api").await;
    let arn = world.repository("api").unwrap().arn;
    let foreign: Vec<_> = (0..47)
        .map(|n| json!({"Key": format!("foreign{n}"), "Value": "x"}))
        .collect();
    world.outside("TagResource", json!({"resourceArn": arn, "tags": foreign}));
    let spec = json!({"imageTagMutability": "IMMUTABLE", "tags": {"a": "1", "b": "1"}});
    world.apply("api", spec).await;
    let object = lacks(&world, "api", "Stalled", "LimitExceeded", "TagResource").await;
    assert_says(
        message(&object, "Stalled"),
        "ask AWS for a higher quota or remove",
    );
    let repository = world.repository("api").unwrap();
    assert_eq!(repository.image_tag_mutability, "IMMUTABLE");
    assert_eq!(repository.tags.len(), 49, "nobody's tag is touched");
    let keys = ["foreign0", "foreign1"];
    world.outside(
        "UntagResource",
        json!({"resourceArn": arn, "tagKeys": keys}),
    );
    world.ready("api").await;
    assert_eq!(world.repository("api").unwrap().tags.len(), 49);
    world.finish().await;
}
