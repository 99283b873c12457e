//! What comes back differently again and again: it is told, and never fought over.

use serde_json::json;

use crate::{
    looking::{called, pending, reconcile_now, told, writes},
    world::{World, assert_says, condition, message},
};

/// Somebody else makes tags mutable.
fn loosen(world: &World) {
    let name = world.in_ecr("api");
    world.outside(
        "PutImageTagMutability",
        json!({"repositoryName": name, "imageTagMutability": "MUTABLE"}),
    );
}

fn mutability(world: &World) -> String {
    world.repository("api").unwrap().image_tag_mutability
}

/// A repository whose mutability was changed outside and repaired three times, and is changed again.
async fn fought_over(name: &str) -> World {
    let world = World::new(name).await;
    let spec = json!({"imageTagMutability": "IMMUTABLE", "tags": {"team": "payments"}});
    world.apply("api", spec).await;
    world.ready("api").await;
    for _ in 0..3 {
        loosen(&world);
        world
            .until("the repair", |w| mutability(w) == "IMMUTABLE")
            .await;
    }
    world.ready("api").await;
    loosen(&world);
    world.stalled("api", "DriftFight").await;
    world
}

#[tokio::test]
async fn a_fight_is_told_and_slowed_down_and_the_rest_goes_on() {
    let world = fought_over("fight").await;
    let object = world.get("api").await;
    assert_says(
        message(&object, "Ready"),
        "imageTagMutability was repaired three times within an hour",
    );
    assert_eq!(condition(&object, "Accepted"), Some(("True", "Accepted")));
    let aspects: Vec<_> = pending(&object).iter().map(|p| p.aspect).collect();
    assert_eq!(
        aspects,
        [Some(ecr_operator::api::Aspect::ImageTagMutability)]
    );
    let mark = world.calls().len();
    let arn = world.repository("api").unwrap().arn;
    world.outside(
        "UntagResource",
        json!({"resourceArn": arn, "tagKeys": ["team"]}),
    );
    called(&world, "TagResource", 1).await;
    world.looks(&world.in_ecr("api"), 3).await;
    assert_eq!(writes(&world, "api", mark), ["TagResource"]);
    assert_eq!(mutability(&world), "MUTABLE");
    assert_eq!(told(&world, "api", "DriftFight").await.len(), 1);
    assert_eq!(told(&world, "api", "DriftRepaired").await.len(), 4);
    world.finish().await;
}

#[tokio::test]
async fn a_person_ends_a_fight_by_asking() {
    let world = fought_over("askedfight").await;
    reconcile_now(&world, "api", "now").await;
    world.ready("api").await;
    assert_eq!(mutability(&world), "IMMUTABLE");
    world.finish().await;
}

#[tokio::test]
async fn a_fight_that_the_other_side_gives_up_is_over() {
    let world = fought_over("givenup").await;
    let name = world.in_ecr("api");
    world.outside(
        "PutImageTagMutability",
        json!({"repositoryName": name, "imageTagMutability": "IMMUTABLE"}),
    );
    world.ready("api").await;
    world.finish().await;
}

#[tokio::test]
async fn a_principal_that_was_deleted_is_named_and_its_successor_takes_its_place() {
    let world = World::new("deletedrole").await;
    let (role, id) = ("arn:aws:iam::111122223333:role/ci", "AROAEXAMPLEEXAMPLE123");
    world
        .apply(
            "api",
            json!({"access": {"pull": [role]}, "tags": {"team": "payments"}}),
        )
        .await;
    world.ready("api").await;
    world.emulator.configure(|settings| {
        settings
            .deleted_principals
            .insert(role.to_owned(), id.to_owned());
    });
    let object = world
        .wait("api", "PolicyNotYetAccepted", |object| {
            condition(object, "Reconciling") == Some(("True", "PolicyNotYetAccepted"))
        })
        .await;
    assert_says(
        message(&object, "Ready"),
        &format!(
            "ECR has {id} in the place of {role}, as it does once a principal was deleted in IAM"
        ),
    );
    world
        .emulator
        .configure(|settings| settings.deleted_principals.clear());
    world.ready("api").await;
    assert_says(&world.repository("api").unwrap().policy.unwrap(), role);
    world.finish().await;
}
