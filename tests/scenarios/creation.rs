//! What comes with a new repository: in few calls, and what status and kubectl then say of it.

use serde_json::json;

use crate::{
    looking::writes,
    samples::{keep_last, pull_by, whole},
    world::{ACCOUNT, REGION, World, assert_says, condition},
};

#[tokio::test]
async fn all_of_it_is_created_in_three_calls() {
    let world = World::new("create").await;
    world
        .apply(
            "api",
            json!({
                "imageTagMutability": "IMMUTABLE",
                "imageScanningConfiguration": {"scanOnPush": true},
                "lifecyclePolicy": keep_last(10),
                "access": {"pull": ["111122223333"]},
                "tags": {"team": "payments"},
            }),
        )
        .await;
    world.ready("api").await;
    let calls: Vec<_> = world.calls().into_iter().map(|c| c.operation).collect();
    assert_eq!(
        calls,
        [
            "GetCallerIdentity",
            "CreateRepository",
            "PutLifecyclePolicy",
            "SetRepositoryPolicy"
        ]
    );
    let note = world.event("api", "Created").await;
    assert_says(
        &note,
        "CreateRepository; PutLifecyclePolicy; SetRepositoryPolicy",
    );
    world.finish().await;
}

#[tokio::test]
async fn an_empty_aspect_of_a_new_repository_costs_no_call() {
    let world = World::new("nothing").await;
    let spec = json!({"lifecyclePolicy": {"rules": []}, "repositoryPolicy": {"Statement": []}, "access": {"pull": []}, "tags": {}});
    world.apply("api", spec).await;
    world.ready("api").await;
    assert_eq!(writes(&world, "api", 0), ["CreateRepository"]);
    world.finish().await;
}

#[tokio::test]
async fn encryption_is_set_at_creation_and_an_alias_is_never_fought_over() {
    let world = World::new("encryption").await;
    let key = "arn:aws:kms:ap-southeast-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let wanted = [
        ("aes", json!({"encryptionType": "AES256"}), "AES256"),
        (
            "arn",
            json!({"encryptionType": "KMS", "kmsKey": key}),
            "KMS",
        ),
        (
            "alias",
            json!({"encryptionType": "KMS", "kmsKey": "alias/team"}),
            "KMS",
        ),
        ("managed", json!({"encryptionType": "KMS"}), "KMS"),
    ];
    for (name, encryption, _) in &wanted {
        let spec = json!({"encryptionConfiguration": encryption});
        world.apply(name, spec).await;
    }
    for (name, _, kind) in &wanted {
        world.ready(name).await;
        assert_eq!(&world.repository(name).unwrap().encryption_type, kind);
    }
    assert_eq!(
        world.repository("arn").unwrap().kms_key.as_deref(),
        Some(key)
    );
    let of_alias = world.repository("alias").unwrap().kms_key.unwrap();
    assert_says(&of_alias, ":key/");
    for (name, _, _) in &wanted {
        world.looks(&world.in_ecr(name), 1).await;
        let object = world.get(name).await;
        assert_eq!(
            condition(&object, "Ready"),
            Some(("True", "Synced")),
            "{name}"
        );
        assert_eq!(writes(&world, name, 0), ["CreateRepository"]);
    }
    world.finish().await;
}

#[tokio::test]
async fn kubectl_and_status_tell_what_is_in_ecr() {
    let world = World::new("status").await;
    world
        .apply(
            "api",
            json!({
                "imageTagMutability": "IMMUTABLE",
                "imageScanningConfiguration": {"scanOnPush": true},
                "deletionPolicy": "Delete",
                "tags": {"team": "payments", "cost": "1"},
            }),
        )
        .await;
    let object = world.ready("api").await;
    let repository = world
        .repository("api")
        .expect("<namespace>/<name> when none is named");
    let status = object.status.clone().unwrap();
    assert_eq!(
        status.repository_name.as_deref(),
        Some(world.in_ecr("api").as_str())
    );
    assert_eq!(status.registry_id.as_deref(), Some("123456789012"));
    assert_eq!(status.region.as_deref(), Some("ap-southeast-1"));
    assert_eq!(status.arn.as_ref(), Some(&repository.arn));
    assert_eq!(status.repository_uri.as_ref(), Some(&repository.uri));
    assert_eq!(status.tag_keys, ["cost", "team"]);
    assert_eq!(status.observed_generation, object.metadata.generation);
    assert_eq!(
        status.cluster_uid.as_ref(),
        repository.tags.get("ecr-operator.dev/cluster-uid")
    );
    assert!(status.created_at.is_some() && status.pending.is_empty());
    let get = [
        "get",
        "ecrrepo",
        "api",
        "-o",
        "wide",
        "-n",
        &world.namespace,
    ];
    let table = world.server.kubectl.run(&get).await.unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows[0],
        [
            "NAME",
            "READY",
            "STATUS",
            "URI",
            "CLASS",
            "MUTABILITY",
            "SCAN",
            "DELETION",
            "MESSAGE",
            "AGE"
        ]
    );
    assert_eq!(
        rows[1][..4],
        ["api", "True", "Synced", repository.uri.as_str()]
    );
    assert_eq!(
        rows[1][4..9],
        ["local", "IMMUTABLE", "scanOnPush:", "true", "Delete"]
    );
    world.finish().await;
}

/// Whether each setting is asked for, as bits.
fn combination(bits: usize) -> serde_json::Value {
    let settings = [
        ("imageTagMutability", json!("IMMUTABLE")),
        ("imageScanningConfiguration", json!({"scanOnPush": true})),
        ("lifecyclePolicy", keep_last(10)),
        ("repositoryPolicy", pull_by("111122223333")),
        ("access", json!({"push": ["444455556666"]})),
        ("tags", json!({"team": "payments"})),
    ];
    let asked = settings.into_iter().enumerate();
    asked
        .filter(|(n, _)| bits >> n & 1 == 1)
        .map(|(_, (field, value))| (field.to_owned(), value))
        .collect()
}

#[tokio::test]
async fn every_combination_of_settings_is_there_after_the_creation() {
    let world = World::new("combinations").await;
    for bits in 0..64 {
        world.apply(&format!("api-{bits}"), combination(bits)).await;
    }
    for bits in 0..64 {
        let name = format!("api-{bits}");
        world.ready(&name).await;
        let mut wanted = vec!["CreateRepository"];
        if bits & 0b100 != 0 {
            wanted.push("PutLifecyclePolicy");
        }
        if bits & 0b11000 != 0 {
            wanted.push("SetRepositoryPolicy");
        }
        assert_eq!(writes(&world, &name, 0), wanted, "{}", combination(bits));
    }
    world.status_is_true().await;
    // So many would be long in coming to rest.
    for bits in 0..64 {
        world.delete(&format!("api-{bits}")).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn every_call_names_the_account() {
    let world = World::new("account").await;
    world.apply("api", whole(10)).await;
    world.ready("api").await;
    let mut spec = json!({
        "imageTagMutability": "MUTABLE",
        "imageScanningConfiguration": {"scanOnPush": false},
        "lifecyclePolicy": {"rules": []},
        "repositoryPolicy": {"Statement": []},
        "tags": {"other": "1"},
        "deletionPolicy": "Delete",
    });
    world.apply("api", spec.clone()).await;
    world.ready("api").await;
    spec["lifecyclePolicy"] = keep_last(20);
    spec["repositoryPolicy"] = pull_by("444455556666");
    world.apply("api", spec).await;
    let object = world.ready("api").await;
    world.push(&world.in_ecr("api"), "v1");
    world.delete("api").await;
    world
        .until("its images are counted", |w| w.count("DescribeImages") > 0)
        .await;
    world.delete_images(&world.in_ecr("api"), &["v1"]);
    world.gone(&object).await;
    let mut seen = std::collections::BTreeSet::new();
    for call in world.calls() {
        let by_arn = call.input["resourceArn"].as_str().unwrap_or_default();
        // Both tell of the caller's account alone.
        let of_caller = ["GetCallerIdentity", "GetResources"];
        let names = of_caller.contains(&call.operation.as_str())
            || call.input["registryId"] == json!(ACCOUNT)
            || by_arn.starts_with(&format!("arn:aws:ecr:{REGION}:{ACCOUNT}:"));
        assert!(names, "{} {}", call.operation, call.input);
        seen.insert(call.operation);
    }
    assert!(seen.len() >= 15, "only {seen:?}");
    world.finish().await;
}
