//! Tenants: nothing that one is told speaks of another, by name, by namespace or by what it owns.

use ecr_operator::api::OWNER_TAG;
use serde_json::{Value, json};

use crate::world::{CLUSTER, World, condition};

/// All that the owner of an object can read of it, but what it wrote itself.
async fn all_told(world: &World, name: &str) -> String {
    let object = world.get(name).await;
    let status = serde_json::to_string(&object.status).unwrap();
    let events = world.events(name).await;
    format!("{status}\n{events:?}")
}

/// Waits until the object has been refused, and gives all that it was told.
async fn refused(world: &World, name: &str, spec: &Value, reason: &str) -> String {
    world.apply(name, spec.clone()).await;
    let object = world.stalled(name, reason).await;
    assert_eq!(
        condition(&object, "Accepted"),
        Some(("False", reason)),
        "{name}"
    );
    let status = object.status.unwrap();
    let of_the_other = (status.arn, status.repository_uri, status.created_at);
    assert_eq!(of_the_other, (None, None, None), "{name}");
    assert!(
        status.working_memory.is_empty() && status.tag_keys.is_empty(),
        "{name}"
    );
    world.looks(&status.repository_name.unwrap(), 1).await;
    all_told(world, name).await
}

#[tokio::test]
async fn nothing_that_a_tenant_is_told_speaks_of_another() {
    let mut world = World::new("tenant").await;
    let mut other = world.sibling("neighbour").await;
    other.start_operator().await;
    let mine = world.in_ecr("shared");
    let settings = json!({
        "repositoryName": mine,
        "imageTagMutability": "IMMUTABLE",
        "lifecyclePolicy": {"rules": []},
        "access": {"pull": ["arn:aws:iam::111122223333:role/neighbours-role"]},
        "tags": {"cost-center": "neighbours-budget"},
    });
    other.apply("neighbours-object", settings).await;
    other.ready("neighbours-object").await;
    let before = other.held(&mine);
    let owner = format!("{CLUSTER}/{}/neighbours-object", other.namespace);
    assert_eq!(before.tags[OWNER_TAG], owner);
    let foreign = world.in_ecr("foreign");
    world.make_outside(
        &foreign,
        &[(OWNER_TAG, "far-away/neighbour/neighbours-object")],
    );

    let from = |from: &str| json!({"policy": "TakeOver", "from": from});
    let guess = format!("{CLUSTER}/{}/guess", world.namespace);
    let cases = [
        ("plain", json!({"repositoryName": mine}), "NameConflict"),
        (
            "adopting",
            json!({"repositoryName": mine, "adoption": {"policy": "IfUnowned"}}),
            "NameConflict",
        ),
        (
            "guessing",
            json!({"repositoryName": mine, "adoption": from(&guess)}),
            "NameConflict",
        ),
        (
            "observing",
            json!({"repositoryName": mine, "managementPolicy": "Observe", "imageTagMutability": "MUTABLE"}),
            "NameConflict",
        ),
        (
            "deleting",
            json!({"repositoryName": mine, "deletionPolicy": "DeleteWithImages"}),
            "NameConflict",
        ),
        (
            "abroad",
            json!({"repositoryName": foreign, "adoption": {"policy": "IfUnowned"}}),
            "NameConflict",
        ),
    ];
    for (name, spec, reason) in &cases {
        let told = Box::pin(refused(&world, name, spec, reason)).await;
        for secret in [
            "neighbour",
            "far-away",
            "cost-center",
            "IMMUTABLE",
            &other.namespace,
            &before.tags[ecr_operator::api::CLUSTER_UID_TAG],
        ] {
            assert!(!told.contains(secret), "{name} is told of {secret}: {told}");
        }
        assert!(!told.contains("arn:aws"), "{name}: {told}");
    }
    let object = world.get("deleting").await;
    world.delete("deleting").await;
    world.gone(&object).await;
    assert_eq!(other.held(&mine), before);
    // Nor is the owner told of those who tried.
    let told = all_told(&other, "neighbours-object").await;
    for (name, ..) in &cases {
        assert!(!told.contains(name), "{told}");
    }
    // The neighbour's own namespace is part of what it reads; the tenant's, in the shared name alone.
    let elsewhere = told.replace(&mine, "");
    assert!(!elsewhere.contains(&world.namespace), "{elsewhere}");
    assert_eq!(world.written(), []);
    world.finish().await;
    other.finish().await;
}
