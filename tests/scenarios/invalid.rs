//! What the operator refuses by itself: it is never sent, the rest is done, and the cure works.

use serde_json::{Value, json};

use crate::{
    looking::{pending, told, writes},
    samples::{keep_last, pull_by, whole},
    world::{World, assert_says, condition, message},
};

/// A spec of which the operator refuses one aspect, and what it says of it.
struct Refused {
    name: &'static str,
    spec: Value,
    aspect: &'static str,
    says: &'static str,
}

fn refused() -> [Refused; 3] {
    let mut reserved = pull_by("111122223333");
    reserved["Statement"][0]["Sid"] = json!("EcrOperatorPull");
    let mut long = pull_by("111122223333");
    let statement = long["Statement"][0].clone();
    long["Statement"] = (0..60)
        .map(|n| {
            let mut one = statement.clone();
            one["Sid"] = json!(format!("Statement{n}"));
            one
        })
        .collect();
    let mut resource = pull_by("111122223333");
    resource["Statement"][0]["Resource"] = json!("*");
    [
        Refused {
            name: "sid",
            spec: json!({"repositoryPolicy": reserved}),
            aspect: "repositoryPolicy",
            says: "The Sid `EcrOperatorPull` begins with",
        },
        Refused {
            name: "long",
            spec: json!({"repositoryPolicy": long}),
            aspect: "repositoryPolicy",
            says: "ECR takes 10240",
        },
        Refused {
            name: "resource",
            spec: json!({"repositoryPolicy": resource}),
            aspect: "repositoryPolicy",
            says: "ECR refuses `Resource` in",
        },
    ]
}

#[tokio::test]
async fn what_the_operator_refuses_is_not_sent_and_the_rest_is_done() {
    let world = World::new("refused").await;
    for Refused { name, spec, .. } in refused() {
        let mut whole =
            json!({"imageTagMutability": "IMMUTABLE", "lifecyclePolicy": keep_last(10)});
        whole
            .as_object_mut()
            .unwrap()
            .extend(spec.as_object().unwrap().clone());
        world.apply(name, whole).await;
    }
    for Refused {
        name, aspect, says, ..
    } in refused()
    {
        let object = world.stalled(name, "InvalidSpec").await;
        assert_eq!(
            condition(&object, "Accepted"),
            Some(("False", "InvalidSpec")),
            "{name}"
        );
        assert_says(message(&object, "Accepted"), says);
        let left = pending(&object);
        let aspects: Vec<_> = left
            .iter()
            .filter_map(|p| Some(p.aspect?.as_str()))
            .collect();
        assert_eq!(aspects, [aspect], "{name}");
        assert_eq!(
            writes(&world, name, 0),
            ["CreateRepository", "PutLifecyclePolicy"]
        );
        assert_says(&world.event(name, "InvalidSpec").await, says);
        world.looks(&world.in_ecr(name), 2).await;
        assert_eq!(
            told(&world, name, "InvalidSpec").await.len(),
            1,
            "told once"
        );
        // The cure.
        world
            .apply(
                name,
                json!({"imageTagMutability": "IMMUTABLE", "lifecyclePolicy": keep_last(10)}),
            )
            .await;
        let object = world.ready(name).await;
        assert_eq!(condition(&object, "Accepted"), Some(("True", "Accepted")));
    }
    world.finish().await;
}

#[tokio::test]
async fn an_aspect_in_force_stays_so_when_a_later_edit_of_it_is_refused() {
    let world = World::new("edit").await;
    world.apply("api", whole(10)).await;
    world.ready("api").await;
    let before = world.repository("api").unwrap();
    let [Refused { spec: refused, .. }, ..] = refused();
    let mut spec = whole(10);
    spec["repositoryPolicy"] = refused["repositoryPolicy"].clone();
    world.apply("api", spec).await;
    world.stalled("api", "InvalidSpec").await;
    world.looks(&world.in_ecr("api"), 2).await;
    assert_eq!(world.repository("api").unwrap(), before);
    assert!(
        told(&world, "api", "Released").await.is_empty(),
        "it is still ours"
    );
    world.finish().await;
}

#[tokio::test]
async fn more_tags_than_ecr_has_room_for_are_refused_at_the_door() {
    let world = World::new("tags").await;
    let many = |n: usize| -> Value { (0..n).map(|n| (format!("key{n}"), json!("1"))).collect() };
    let refusal = world
        .try_apply("api", json!({"tags": many(49)}))
        .await
        .unwrap_err();
    assert_says(
        &refusal.to_string(),
        "spec.tags: Too many: 49: must have at most 48 items",
    );
    world.apply("api", json!({"tags": many(48)})).await;
    world.ready("api").await;
    world.finish().await;
}
