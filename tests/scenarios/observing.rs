//! `managementPolicy: Observe` on what exists already: it needs no adoption, shows what there is and what Enforce
//! would do and need, and makes nothing of it this object's.

use ecr_operator::api::{ECRRepository, OWNER_TAG, Ownership};
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::{
    looking::{pending, reconcile_now, told},
    samples::{keep_last, pull_by},
    world::{
        ACCOUNT, REGION, World, assert_says, condition,
        estate::{self, Estate},
        message,
    },
};

/// Asks for something else than what `make_outside` makes.
fn asks(policy: &str) -> Value {
    json!({"managementPolicy": policy, "imageTagMutability": "MUTABLE", "deletionPolicy": "Delete"})
}

/// The plan: operation and reason of each part.
fn plan(object: &ECRRepository) -> Vec<String> {
    let pending = pending(object).into_iter();
    let parts = pending.map(|it| format!("{} {}", it.action, it.reason));
    parts.collect()
}

/// Waits until it is observed with this plan.
async fn observed(world: &World, name: &str, parts: &[&str]) -> ECRRepository {
    let generation = world.get(name).await.metadata.generation;
    let is = |object: &ECRRepository| {
        let seen = object.status.as_ref().and_then(|it| it.observed_generation);
        seen == generation
            && condition(object, "Ready") == Some(("True", "Observed"))
            && plan(object) == parts
    };
    world.wait(name, "observed, with its plan", is).await
}

const PLAN: [&str; 2] = [
    "TagResource AlreadyExists",
    "PutImageTagMutability Observed",
];

#[tokio::test]
async fn what_is_nobodys_is_looked_at_without_adoption_and_stays_nobodys() {
    let world = World::new("observed").await;
    let repository = world.in_ecr("api");
    let before = world.make_outside(&repository, &[("by", "hand")]);
    world.apply("api", asks("Observe")).await;
    let object = observed(&world, "api", &PLAN).await;
    assert_says(
        message(&object, "Ready"),
        "1 change pending; Enforce would first need: spec.adoption.policy IfUnowned",
    );
    assert_eq!(condition(&object, "Accepted"), Some(("True", "Accepted")));
    assert_eq!(condition(&object, "Synced"), Some(("False", "Observed")));
    let status = object.status.as_ref().unwrap();
    assert_eq!(status.arn.as_ref(), Some(&before.arn));
    assert_eq!(status.repository_uri.as_ref(), Some(&before.uri));
    assert!(status.created_at.is_some());
    assert_eq!(status.ownership, Some(Ownership::NotOwned));
    let change = pending(&object).remove(1).message.unwrap();
    assert_says(
        &change,
        "PutImageTagMutability MUTABLE; ECR holds IMMUTABLE",
    );
    // Drift shows as well.
    world.outside(
        "PutImageTagMutability",
        json!({"repositoryName": repository, "imageTagMutability": "MUTABLE"}),
    );
    let object = observed(&world, "api", &PLAN[..1]).await;
    assert_says(
        message(&object, "Ready"),
        "ECR matches; Enforce would first need",
    );
    // Enforce without adoption is refused as ever, and what was looked at is not on record as its own.
    world.apply("api", asks("Enforce")).await;
    let object = world.stalled("api", "AlreadyExists").await;
    let status = object.status.as_ref().unwrap();
    assert_eq!(
        (&status.arn, &status.repository_uri, status.ownership),
        (&None, &None, None)
    );
    world.apply("api", asks("Observe")).await;
    let object = observed(&world, "api", &PLAN[..1]).await;
    world.delete("api").await;
    world.gone(&object).await;
    let after = world.held(&repository);
    assert_eq!(after.tags, before.tags);
    assert_eq!(world.written(), []);
    world.finish().await;
}

#[tokio::test]
async fn enforce_right_before_the_deletion_leaves_what_was_looked_at() {
    let world = World::new("flipped").await;
    let repository = world.in_ecr("api");
    let before = world.make_outside(&repository, &[]);
    let mut spec = asks("Observe");
    world.apply("api", spec.clone()).await;
    observed(&world, "api", &PLAN).await;
    spec["managementPolicy"] = json!("Enforce");
    world.apply("api", spec).await;
    let object = world.stalled("api", "AlreadyExists").await;
    assert!(!object.finalizers().is_empty(), "it asks for its deletion");
    world.delete("api").await;
    world.gone(&object).await;
    assert_eq!(world.held(&repository), before);
    assert_eq!(world.written(), []);
    world.finish().await;
}

#[tokio::test]
async fn what_was_only_looked_at_and_is_gone_is_no_loss() {
    let world = World::new("vanished").await;
    let repository = world.in_ecr("api");
    world.make_outside(&repository, &[]);
    world.apply("api", asks("Observe")).await;
    observed(&world, "api", &PLAN).await;
    world.outside(
        "DeleteRepository",
        json!({"repositoryName": repository, "force": true}),
    );
    let object = observed(&world, "api", &["CreateRepository Observed"]).await;
    let status = object.status.as_ref().unwrap();
    assert_eq!(
        (&status.arn, &status.created_at, status.ownership),
        (&None, &None, None)
    );
    assert_eq!(status.last_loss, None);
    world.apply("api", asks("Enforce")).await;
    let object = world.ready("api").await;
    assert_eq!(object.status.unwrap().last_loss, None);
    assert_eq!(told(&world, "api", "RepositoryLost").await, [""; 0]);
    world.finish().await;
}

#[tokio::test]
async fn the_name_of_what_is_only_looked_at_may_be_corrected() {
    let world = World::new("renamed").await;
    for name in ["one", "two"] {
        world.make_outside(&world.in_ecr(name), &[]);
    }
    let named = |name: &str, encryption: &str| {
        let mut spec = asks("Observe");
        spec["repositoryName"] = json!(world.in_ecr(name));
        spec["encryptionConfiguration"] = json!({"encryptionType": encryption});
        spec
    };
    world.apply("api", named("one", "AES256")).await;
    observed(&world, "api", &PLAN).await;
    world.apply("api", named("two", "AES256")).await;
    let object = observed(&world, "api", &PLAN).await;
    let arn = object.status.unwrap().arn.unwrap();
    assert!(arn.ends_with("/two"), "{arn}");
    // Nor is the encryption settled: that of the repository is what it is.
    world.apply("api", named("two", "KMS")).await;
    let object = world.stalled("api", "ImmutableField").await;
    assert_says(
        message(&object, "Ready"),
        "The repository is encrypted with AES256, KMS is asked for, and ECR can't change it — set",
    );
    assert_eq!(plan(&object)[1..], PLAN);
    world.apply("api", named("two", "AES256")).await;
    observed(&world, "api", &PLAN).await;
    assert_eq!(world.written(), []);
    world.finish().await;
}

#[tokio::test]
async fn an_adoption_after_a_look_begins_as_any_other() {
    let mut world = World::quiet("looked").await;
    let repository = world.in_ecr("api");
    world.make_outside(&repository, &[]);
    world.apply("api", asks("Observe")).await;
    observed(&world, "api", &PLAN).await;
    world.permit_adoption("api");
    let mut spec = asks("Enforce");
    spec["adoption"] = json!({"policy": "IfUnowned"});
    world.apply("api", spec).await;
    let object = world.ready("api").await;
    let status = object.status.unwrap();
    assert_eq!(status.ownership, None);
    assert!(status.arn.is_some());
    let owner = &world.held(&repository).tags[OWNER_TAG];
    assert!(owner.ends_with("/api"), "{owner}");
    let written: Vec<_> = world.written().into_iter().map(|it| it.operation).collect();
    assert_eq!(written, ["TagResource", "PutImageTagMutability"]);
    world.finish_looking().await;
}

/// Whatever a class refuses beside the look itself stands beside the plan.
#[tokio::test]
async fn what_the_class_refuses_stands_beside_the_real_plan() {
    const HUB: &str = "123456789012";
    let estate = Estate::new("refused-looks").await;
    estate.namespace("payments", json!({})).await;
    let class = json!({"allowedNamespaces": {}, "adoption": "Forbidden", "allowedActions": ["ecr:BatchGetImage"]});
    estate.default_class("prod", class).await;
    for name in ["payments/api", "payments/web"] {
        let made = json!({"repositoryName": name, "imageTagMutability": "IMMUTABLE"});
        estate
            .emulator
            .call(HUB, REGION, "CreateRepository", made)
            .unwrap();
    }
    let mut spec = asks("Observe");
    estate.apply("payments", "web", spec.clone()).await;
    let repositories = estate.repositories("payments");
    let of = |object: &estate::Object| {
        let parts = object.data["status"]["pending"].as_array().cloned();
        let parts = parts.unwrap_or_default().into_iter();
        let parts = parts.map(|it| {
            format!(
                "{} {}",
                it["action"].as_str().unwrap(),
                it["reason"].as_str().unwrap()
            )
        });
        parts.collect::<Vec<_>>()
    };
    let wanted = [
        "TagResource AlreadyExists",
        "PutImageTagMutability NotPermitted",
        "PutImageTagMutability Observed",
    ];
    let object = estate
        .wait(&repositories, "web", "what Enforce would need", |it| {
            of(it) == wanted
        })
        .await;
    let (status, reason) = estate::condition(&object, "Ready").unwrap();
    assert_eq!((status.as_str(), reason.as_str()), ("True", "Observed"));
    let told = estate::message(&object, "Ready");
    assert!(told.contains("dopt") && told.contains("class"), "{told}");
    // What the class refuses of the spec itself makes it Stalled, and the plan is that for what is there.
    spec["repositoryPolicy"] = pull_by("111122223333");
    spec["lifecyclePolicy"] = keep_last(5);
    spec["repositoryPolicy"]["Statement"][0]["Action"] = json!(["ecr:DeleteRepository"]);
    estate.apply("payments", "api", spec).await;
    let object = estate.stalled("payments", "api", "NotPermitted").await;
    let parts = of(&object);
    assert!(
        parts.contains(&"PutImageTagMutability Observed".to_owned()),
        "{parts:?}"
    );
    assert!(
        parts.contains(&"PutLifecyclePolicy Observed".to_owned()),
        "{parts:?}"
    );
    assert!(
        parts.iter().all(|it| !it.starts_with("CreateRepository")),
        "{parts:?}"
    );
    assert!(object.data["status"]["repositoryUri"].is_string());
    // Where the class does not admit the name nothing is looked at.
    let calls = |estate: &Estate| {
        let calls = estate.calls().into_iter();
        calls
            .filter(|it| it.input.to_string().contains("foreign/app"))
            .count()
    };
    let made = json!({"repositoryName": "foreign/app"});
    estate
        .emulator
        .call(HUB, REGION, "CreateRepository", made)
        .unwrap();
    let before = calls(&estate);
    let mut spec = asks("Observe");
    spec["repositoryName"] = json!("foreign/app");
    estate.apply("payments", "far", spec).await;
    let object = estate.stalled("payments", "far", "NotPermitted").await;
    assert!(object.data["status"]["arn"].is_null() && object.data["status"]["createdAt"].is_null());
    assert_eq!(calls(&estate), before);
    estate.finish().await;
}

#[tokio::test]
async fn status_names_what_holds_where_nobody_asks() {
    let mut world = World::new("in-force").await;
    world.apply("api", json!({})).await;
    let object = world.ready("api").await;
    let value = |object: &ECRRepository, setting: &str| {
        let effective = &object.status.as_ref().unwrap().effective;
        let found = effective.iter().find(|it| it.setting.as_str() == setting);
        found.and_then(|it| it.value.clone()).unwrap_or_default()
    };
    assert_eq!(value(&object, "deletionPolicy"), "Retain (built in)");
    assert_eq!(
        value(&object, "encryptionConfiguration"),
        "AES256 (read from ECR)"
    );
    assert_eq!(value(&object, "imageTagMutability"), "");
    // Nor is it forgotten by those who look at nothing.
    world.stop_operator().await;
    world.start_operator().await;
    world.looks(&world.in_ecr("api"), 2).await;
    reconcile_now(&world, "api", "again").await;
    let object = world.ready("api").await;
    assert_eq!(
        value(&object, "encryptionConfiguration"),
        "AES256 (read from ECR)"
    );
    let by_kms = json!({"encryptionConfiguration": {"encryptionType": "KMS"}});
    world.apply("kms", by_kms).await;
    let object = world.ready("kms").await;
    assert_eq!(value(&object, "encryptionConfiguration"), "KMS");
    world.finish().await;
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_named_with_its_cause_and_its_cure() {
    let world = World::new("keys").await;
    let key = |id: &str| format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}");
    let causes = [
        (
            "disabled",
            "DisabledException",
            "is disabled (DisabledException) — enable it",
        ),
        (
            "missing",
            "NotFoundException",
            "is not there (NotFoundException) — correct its ARN",
        ),
        (
            "denied",
            "AccessDeniedException",
            "may not be used by the operator's role (AccessDeniedException) — allow",
        ),
        (
            "pending",
            "KMSInvalidStateException",
            "is in a state in which it can't be used",
        ),
    ];
    world.emulator.configure(|settings| {
        for (id, error, _) in causes {
            settings.kms_faults.insert(key(id), error.to_owned());
        }
    });
    let spec =
        |key: &str| json!({"encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": key}});
    for (id, _, said) in causes {
        world.apply(id, spec(&key(id))).await;
        let object = world.stalled(id, "KmsKeyUnusable").await;
        let told = message(&object, "Ready");
        let expected = format!("the KMS key {} {said}", key(id));
        assert!(told.contains(&expected), "{told}");
    }
    let elsewhere = format!("arn:aws:kms:sa-east-1:{ACCOUNT}:key/it");
    world.apply("far", spec(&elsewhere)).await;
    let object = world.stalled("far", "KmsKeyUnusable").await;
    let told = message(&object, "Ready");
    let said = format!(
        "is in sa-east-1, and the repository in {REGION} (NotFoundException) — choose a key of {REGION}"
    );
    assert!(told.contains(&said), "{told}");
    // What is KMS's own trouble needs nobody.
    world.emulator.configure(|settings| {
        settings.kms_faults.clear();
        settings
            .kms_faults
            .insert(key("tired"), "KMSInternalException".to_owned());
    });
    world.apply("tired", spec(&key("tired"))).await;
    let reconciling = |object: &ECRRepository| {
        condition(object, "Reconciling") == Some(("True", "AwsUnavailable"))
    };
    world
        .wait("tired", "it goes on by itself", reconciling)
        .await;
    world
        .emulator
        .configure(|settings| settings.kms_faults.clear());
    for (id, ..) in causes {
        reconcile_now(&world, id, "mended").await;
        world.ready(id).await;
    }
    world.ready("tired").await;
    world.finish().await;
}

#[tokio::test]
async fn an_event_says_what_a_lifecycle_policy_replaced() {
    let world = World::new("replaced").await;
    let spec = |count: i64| json!({"lifecyclePolicy": keep_last(count)});
    world.apply("api", spec(10)).await;
    world.ready("api").await;
    world.apply("api", spec(1)).await;
    world.ready("api").await;
    let notes = told(&world, "api", "Updated").await;
    let note = notes.last().unwrap();
    assert!(note.starts_with("PutLifecyclePolicy (was {"), "{note}");
    let (was, is) = note.split_once("; is ").unwrap();
    assert!(
        was.contains("\"countNumber\":10") && is.contains("\"countNumber\":1,"),
        "{note}"
    );
    world.finish().await;
}
