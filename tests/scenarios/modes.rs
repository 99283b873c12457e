//! Suspend, Observe, and a pass on request.

use ecr_operator::api::ECRRepository;
use serde_json::{Value, json};

use crate::{
    looking::{FLUX, REQUEST, operations, pending, writes},
    samples::{keep_last, pull_by},
    world::{NO_ROTA, World, assert_says, condition, message},
};

/// Waits until Ready is so, of the generation that is there now.
async fn says(world: &World, name: &str, ready: (&str, &str)) -> ECRRepository {
    let generation = world.get(name).await.metadata.generation;
    let is = |object: &ECRRepository| {
        let observed = object.status.as_ref().and_then(|s| s.observed_generation);
        observed == generation && condition(object, "Ready") == Some(ready)
    };
    world.wait(name, ready.1, is).await
}

/// Waits until Observe's plan is made of these operations.
async fn plans(world: &World, name: &str, operations: &[&str]) -> ECRRepository {
    let is = |object: &ECRRepository| {
        let planned = pending(object);
        condition(object, "Ready") == Some(("True", "Observed"))
            && planned
                .iter()
                .map(|p| p.action.as_str())
                .eq(operations.iter().copied())
    };
    let object = world.wait(name, "a plan", is).await;
    assert!(pending(&object).iter().all(|p| p.reason == "Observed"));
    let synced = if operations.is_empty() {
        "True"
    } else {
        "False"
    };
    assert_eq!(condition(&object, "Synced"), Some((synced, "Observed")));
    object
}

/// Waits until the operator has looked twice at another object: long enough to have looked at all.
async fn a_while(world: &World) {
    world.apply("witness", json!({})).await;
    world.ready("witness").await;
    world.looks(&world.in_ecr("witness"), 2).await;
}

#[tokio::test]
async fn an_object_that_begins_suspended_calls_nobody_until_it_is_lifted() {
    let world = World::new("suspended").await;
    let spec = |suspend: bool| json!({"suspend": suspend, "imageTagMutability": "IMMUTABLE", "deletionPolicy": "Delete"});
    world.apply("api", spec(true)).await;
    let object = says(&world, "api", ("False", "Suspended")).await;
    let since = object.status.as_ref().unwrap().suspended_since.clone();
    let told = format!(
        "Suspended since {}, and not all that the spec asks for is in force — set spec.suspend to false",
        since.unwrap()
    );
    assert_says(message(&object, "Ready"), &told);
    a_while(&world).await;
    world.annotate("api", FLUX, "1").await;
    world.looks(&world.in_ecr("witness"), 2).await;
    assert_eq!(operations(&world, "api", 0), [""; 0]);
    assert!(world.repository("api").is_none());
    world.apply("api", spec(false)).await;
    world.ready("api").await;
    assert_eq!(
        world.repository("api").unwrap().image_tag_mutability,
        "IMMUTABLE"
    );
    world.finish().await;
}

#[tokio::test]
async fn a_settled_object_may_be_suspended_and_says_what_it_leaves_undone() {
    let world = World::new("pause").await;
    let spec = |suspend: bool, mode: &str| json!({"suspend": suspend, "imageTagMutability": mode});
    world.apply("api", spec(false, "IMMUTABLE")).await;
    world.ready("api").await;
    world.apply("api", spec(true, "IMMUTABLE")).await;
    let object = says(&world, "api", ("True", "Suspended")).await;
    assert_eq!(condition(&object, "Synced"), Some(("True", "Suspended")));
    let since = object
        .status
        .as_ref()
        .unwrap()
        .suspended_since
        .clone()
        .unwrap();
    let told = format!(
        "Suspended since {since}, when all was in force, and ECR has not been looked at since"
    );
    assert_says(message(&object, "Ready"), &told);
    world.annotate("api", FLUX, "suspended").await;
    let mark = world.calls().len();
    let name = world.in_ecr("api");
    world.outside(
        "PutImageTagMutability",
        json!({"repositoryName": name, "imageTagMutability": "MUTABLE"}),
    );
    a_while(&world).await;
    assert_eq!(
        operations(&world, "api", mark),
        [""; 0],
        "drift is nobody's business now"
    );
    world.apply("api", spec(true, "MUTABLE")).await;
    says(&world, "api", ("False", "Suspended")).await;
    world.apply("api", spec(true, "IMMUTABLE")).await;
    let object = says(&world, "api", ("True", "Suspended")).await;
    let status = object.status.as_ref().unwrap();
    assert_eq!(
        status.suspended_since.as_ref(),
        Some(&since),
        "all the while"
    );
    assert_eq!(
        status.last_handled_reconcile_at.as_deref(),
        Some("suspended")
    );
    assert_eq!(operations(&world, "api", mark), [""; 0]);
    world.apply("api", spec(false, "IMMUTABLE")).await;
    world
        .until("drift is repaired", |w| {
            w.repository("api").unwrap().image_tag_mutability == "IMMUTABLE"
        })
        .await;
    world.ready("api").await;
    assert_eq!(writes(&world, "api", mark), ["PutImageTagMutability"]);
    let status = world.get("api").await.status.unwrap();
    assert_eq!(status.suspended_since, None);
    world.finish().await;
}

#[tokio::test]
async fn a_tag_that_is_dropped_while_suspended_is_left_undone() {
    let world = World::new("dropped").await;
    let spec = |suspend: bool, tags: Value| json!({"suspend": suspend, "tags": tags});
    world
        .apply("api", spec(false, json!({"team": "payments"})))
        .await;
    world.ready("api").await;
    for tags in [
        json!({}),
        json!({"team": "other"}),
        json!({"team": "payments", "cost": "1"}),
    ] {
        world.apply("api", spec(true, tags)).await;
        says(&world, "api", ("False", "Suspended")).await;
    }
    world.apply("api", spec(true, json!({}))).await;
    says(&world, "api", ("False", "Suspended")).await;
    assert_eq!(writes(&world, "api", 0), ["CreateRepository"]);
    world.apply("api", spec(false, json!({}))).await;
    world.ready("api").await;
    assert!(!world.repository("api").unwrap().tags.contains_key("team"));
    world.finish().await;
}

#[tokio::test]
async fn observe_writes_nothing_and_shows_what_enforce_would_do() {
    let world = World::new("observe").await;
    let spec = |policy: &str| {
        json!({
            "managementPolicy": policy,
            "lifecyclePolicy": keep_last(10),
            "repositoryPolicy": pull_by("111122223333"),
            "tags": {"team": "payments"},
        })
    };
    world.apply("api", spec("Observe")).await;
    let whole = [
        "CreateRepository",
        "PutLifecyclePolicy",
        "SetRepositoryPolicy",
    ];
    let object = plans(&world, "api", &whole).await;
    assert_says(
        message(&object, "Synced"),
        "3 changes pending — set spec.managementPolicy to Enforce to make them",
    );
    let shown = object.status.as_ref().unwrap().pending.first();
    let shown = shown.and_then(|it| it.message.as_deref());
    assert_eq!(shown, Some("CreateRepository; ECR holds none"));
    world
        .until("it looks again", |w| w.count("DescribeRepositories") >= 3)
        .await;
    assert_eq!(writes(&world, "api", 0), [""; 0]);
    world.apply("api", spec("Enforce")).await;
    let object = world.ready("api").await;
    assert!(pending(&object).is_empty());
    assert_eq!(writes(&world, "api", 0), whole);
    world.finish().await;
}

#[tokio::test]
async fn observe_shows_drift_and_a_change_of_spec_until_enforce_is_back() {
    let world = World::new("plan").await;
    let spec = |policy: &str, count: i64| {
        json!({
            "managementPolicy": policy,
            "imageTagMutability": "IMMUTABLE",
            "lifecyclePolicy": keep_last(count),
            "tags": {"team": "payments"},
        })
    };
    world.apply("api", spec("Enforce", 10)).await;
    world.ready("api").await;
    let mark = world.calls().len();
    world.apply("api", spec("Observe", 10)).await;
    plans(&world, "api", &[]).await;
    let name = world.in_ecr("api");
    world.outside(
        "PutImageTagMutability",
        json!({"repositoryName": name, "imageTagMutability": "MUTABLE"}),
    );
    let object = plans(&world, "api", &["PutImageTagMutability"]).await;
    let planned = &pending(&object)[0];
    assert_eq!(
        planned.aspect.map(ecr_operator::api::Aspect::as_str),
        Some("imageTagMutability")
    );
    assert_says(
        planned.message.as_ref().unwrap(),
        "PutImageTagMutability IMMUTABLE; ECR holds MUTABLE",
    );
    world.apply("api", spec("Observe", 20)).await;
    plans(
        &world,
        "api",
        &["PutImageTagMutability", "PutLifecyclePolicy"],
    )
    .await;
    world.looks(&name, 2).await;
    assert_eq!(writes(&world, "api", mark), [""; 0]);
    world.apply("api", spec("Enforce", 20)).await;
    world.ready("api").await;
    assert_eq!(
        writes(&world, "api", mark),
        ["PutImageTagMutability", "PutLifecyclePolicy"]
    );
    world.finish().await;
}

#[tokio::test]
async fn a_request_is_echoed_and_leads_to_a_pass() {
    let mut world = World::without_operator("request").await;
    world.flag(NO_ROTA);
    world.start_operator().await;
    world
        .apply("api", json!({"lifecyclePolicy": keep_last(10)}))
        .await;
    world.ready("api").await;
    let read = || world.count("GetLifecyclePolicy");
    for (annotation, token) in [
        (FLUX, "2026-01-01T00:00:00Z"),
        (REQUEST, "now"),
        (FLUX, "later"),
    ] {
        let before = read();
        world.annotate("api", annotation, token).await;
        let echoed = |object: &ECRRepository| {
            let status = object.status.clone().unwrap_or_default();
            let echo = match annotation {
                FLUX => status.last_handled_reconcile_at,
                _ => status.last_handled_request_at,
            };
            echo.as_deref() == Some(token)
        };
        let object = world.wait("api", "the echo", echoed).await;
        assert_eq!(
            read(),
            before + 1,
            "{annotation} reads what is else read on a slow rota"
        );
        assert_eq!(condition(&object, "Ready"), Some(("True", "Synced")));
    }
    let status = world.get("api").await.status.unwrap();
    assert_eq!(status.last_handled_reconcile_at.as_deref(), Some("later"));
    assert_eq!(status.last_handled_request_at.as_deref(), Some("now"));
    world.looks(&world.in_ecr("api"), 2).await;
    assert_eq!(read(), 3, "a request is handled once");
    // As Flux does at its next run with what `kubectl annotate` set.
    world.annotate("api", "ecr-operator.dev/other", "1").await;
    for annotation in [FLUX, REQUEST] {
        world.without_annotation("api", annotation).await;
    }
    world.looks(&world.in_ecr("api"), 2).await;
    assert_eq!(read(), 3, "no annotation is no request");
    let status = world.get("api").await.status.unwrap();
    assert_eq!(status.last_handled_reconcile_at.as_deref(), Some("later"));
    assert_eq!(status.last_handled_request_at.as_deref(), Some("now"));
    world.finish().await;
}

#[tokio::test]
async fn a_very_long_request_breaks_nothing() {
    let mut world = World::without_operator("token").await;
    world.flag(NO_ROTA);
    world.start_operator().await;
    world
        .apply("api", json!({"lifecyclePolicy": keep_last(10)}))
        .await;
    world.ready("api").await;
    // One that is cut in the middle of a character, and one that a status could not take as it is.
    for token in [
        "ä".repeat(20_000) + "x",
        "\u{202e}\n".to_owned() + &"y".repeat(5000),
    ] {
        for annotation in [FLUX, REQUEST] {
            world.annotate("api", annotation, &token).await;
        }
        let start: String = token.chars().skip(2).take(100).collect();
        let echoed = |echo: &Option<String>| {
            echo.as_ref()
                .is_some_and(|e| e.contains(&start) && e.len() <= 1024)
        };
        world
            .wait("api", "the beginning is echoed", |object| {
                let status = object.status.clone().unwrap_or_default();
                echoed(&status.last_handled_reconcile_at) && echoed(&status.last_handled_request_at)
            })
            .await;
    }
    let read = world.count("GetLifecyclePolicy");
    world.looks(&world.in_ecr("api"), 2).await;
    let again = world.count("GetLifecyclePolicy");
    assert_eq!(again, read, "what was cut is no new request at every pass");
    world.finish().await;
}
