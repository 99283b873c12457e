//! Each aspect: created, changed, dropped, emptied, and edited without a change of meaning.

use serde_json::{Value, json};

use crate::{
    looking::{reconcile_now, told, writes},
    samples::{self, keep_last, pull_by},
    world::{World, assert_says, condition, message},
};

/// The aspects that status says are in force.
fn applied(object: &ecr_operator::api::ECRRepository) -> Vec<(&'static str, String)> {
    let applied = object.status.iter().flat_map(|status| &status.applied);
    applied
        .map(|a| (a.aspect.as_str(), a.hash.clone()))
        .collect()
}

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
async fn each_aspect_is_created_and_a_change_of_it_is_one_write() {
    let world = World::new("change").await;
    for sample in samples::all() {
        world.apply(sample.name, sample.first.clone()).await;
    }
    for sample in samples::all() {
        let object = world.ready(sample.name).await;
        assert_eq!(sample.held(&world), sample.holds_first, "{}", sample.name);
        let aspects: Vec<_> = applied(&object)
            .into_iter()
            .map(|(aspect, _)| aspect)
            .collect();
        assert_eq!(aspects, [sample.aspect]);
    }
    let mark = world.calls().len();
    for sample in samples::all() {
        world.apply(sample.name, sample.second.clone()).await;
    }
    for sample in samples::all() {
        world.ready(sample.name).await;
        assert_eq!(sample.held(&world), sample.holds_second, "{}", sample.name);
        assert_eq!(writes(&world, sample.name, mark), [sample.put]);
        assert_says(&world.event(sample.name, "Updated").await, sample.put);
        let drift = told(&world, sample.name, "DriftRepaired").await;
        assert!(drift.is_empty(), "a change of spec is no drift: {drift:?}");
    }
    world.finish().await;
}

#[tokio::test]
async fn an_aspect_that_is_dropped_is_released_and_left_alone() {
    let world = World::new("release").await;
    for sample in samples::all() {
        world.apply(sample.name, sample.first.clone()).await;
    }
    for sample in samples::all() {
        world.ready(sample.name).await;
    }
    let mark = world.calls().len();
    for sample in samples::all() {
        world.apply(sample.name, json!({})).await;
    }
    for sample in samples::all() {
        let object = world.ready(sample.name).await;
        assert_eq!(sample.held(&world), sample.holds_first, "left as it is");
        let left = format!(
            "no longer managed, and left as it is in ECR: {}",
            sample.aspect
        );
        assert_says(message(&object, "Synced"), &left);
        assert_says(&world.event(sample.name, "Released").await, sample.aspect);
        let changed = sample.change_outside(&world);
        reconcile_now(&world, sample.name, "1").await;
        world.looks(&world.in_ecr(sample.name), 2).await;
        assert_eq!(sample.held(&world), changed, "somebody else's now");
        assert_eq!(told(&world, sample.name, "Released").await.len(), 1);
        assert_eq!(writes(&world, sample.name, mark), [""; 0]);
    }
    world.finish().await;
}

#[tokio::test]
async fn an_aspect_that_was_released_may_be_ours_again() {
    let world = World::new("again").await;
    let all = samples::all();
    for dropped in [false, true] {
        for sample in &all {
            let spec = if dropped {
                json!({})
            } else {
                sample.first.clone()
            };
            world.apply(sample.name, spec).await;
        }
        for sample in &all {
            world.ready(sample.name).await;
        }
    }
    for sample in &all {
        sample.change_outside(&world);
    }
    let mark = world.calls().len();
    for sample in &all {
        world.apply(sample.name, sample.first.clone()).await;
    }
    for sample in &all {
        let object = world.ready(sample.name).await;
        assert_eq!(sample.held(&world), sample.holds_first, "{}", sample.name);
        assert_eq!(writes(&world, sample.name, mark), [sample.put]);
        assert_eq!(message(&object, "Synced"), "ECR matches");
        let drift = told(&world, sample.name, "DriftRepaired").await;
        assert!(drift.is_empty(), "it was not ours: {drift:?}");
    }
    world.finish().await;
}

#[tokio::test]
async fn an_aspect_that_is_empty_is_removed_and_kept_away() {
    let world = World::new("empty").await;
    let emptied = || {
        samples::all()
            .into_iter()
            .filter_map(|s| s.none.clone().map(|none| (s, none)))
    };
    for (sample, _) in emptied() {
        world.apply(sample.name, sample.first.clone()).await;
    }
    for (sample, _) in emptied() {
        world.ready(sample.name).await;
    }
    let mark = world.calls().len();
    for (sample, (none, _)) in emptied() {
        world.apply(sample.name, none).await;
    }
    for (sample, (_, remove)) in emptied() {
        world.ready(sample.name).await;
        assert_eq!(writes(&world, sample.name, mark), [remove]);
        let held = sample.held(&world);
        assert!(held.is_null() || held == json!(false), "{held}");
        assert!(told(&world, sample.name, "Released").await.is_empty());
    }
    // Somebody else adds one.
    let name = world.in_ecr("lifecycle");
    let text = keep_last(99).to_string();
    world.outside(
        "PutLifecyclePolicy",
        json!({"repositoryName": name, "lifecyclePolicyText": text}),
    );
    reconcile_now(&world, "lifecycle", "1").await;
    assert!(
        world
            .repository("lifecycle")
            .unwrap()
            .lifecycle_policy
            .is_none()
    );
    let note = world.event("lifecycle", "DriftRepaired").await;
    assert_says(&note, "repaired by DeleteLifecyclePolicy");
    world.finish().await;
}

#[tokio::test]
async fn an_empty_aspect_of_a_new_repository_costs_no_call() {
    let world = World::new("nothing").await;
    let spec =
        json!({"lifecyclePolicy": {"rules": []}, "repositoryPolicy": {}, "access": {}, "tags": {}});
    world.apply("api", spec).await;
    world.ready("api").await;
    assert_eq!(writes(&world, "api", 0), ["CreateRepository"]);
    world.finish().await;
}

fn rule(priority: i64, prefixes: [&str; 2]) -> Value {
    json!({
        "rulePriority": priority,
        "selection": {
            "tagStatus": "tagged",
            "tagPrefixList": prefixes,
            "countType": "imageCountMoreThan",
            "countNumber": 5,
        },
        "action": {"type": "expire"},
    })
}

fn allow(sid: &str, principal: &Value, action: &Value) -> Value {
    json!({"Sid": sid, "Effect": "Allow", "Principal": {"AWS": principal}, "Action": action})
}

#[tokio::test]
async fn an_edit_without_a_change_of_meaning_writes_nothing() {
    let world = World::new("meaning").await;
    let (get, list) = ("ecr:BatchGetImage", "ecr:ListImages");
    let one = allow("One", &json!("111122223333"), &json!(get));
    let two = allow(
        "Two",
        &json!(["444455556666", "777788889999"]),
        &json!([get, list]),
    );
    let before = json!({
        "imageTagMutability": "MUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": [
            {"filterType": "WILDCARD", "filter": "a*"}, {"filterType": "WILDCARD", "filter": "b*"},
        ],
        "lifecyclePolicy": {"rules": [rule(1, ["a", "b"]), rule(2, ["c", "d"])]},
        "repositoryPolicy": {"Version": "2012-10-17", "Statement": [one, two]},
        "tags": {"a": "1", "b": "2"},
    });
    world.apply("api", before).await;
    let settled = world.ready("api").await;
    let mark = world.calls().len();
    let root = "arn:aws:iam::111122223333:root";
    let one = allow("One", &json!([root]), &json!([get]));
    let two = allow(
        "Two",
        &json!(["777788889999", "444455556666"]),
        &json!([list, get]),
    );
    let after = json!({
        "imageTagMutability": "MUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": [
            {"filterType": "WILDCARD", "filter": "b*"}, {"filterType": "WILDCARD", "filter": "a*"},
        ],
        "lifecyclePolicy": {"rules": [rule(2, ["d", "c"]), rule(1, ["b", "a"])]},
        "repositoryPolicy": {"Statement": [two, one], "Version": "2012-10-17"},
        "tags": {"b": "2", "a": "1"},
    });
    world.apply("api", after).await;
    let edited = world.ready("api").await;
    assert!(edited.metadata.generation > settled.metadata.generation);
    assert_eq!(applied(&edited), applied(&settled), "the same is in force");
    reconcile_now(&world, "api", "1").await;
    assert_eq!(writes(&world, "api", mark), [""; 0]);
    world.finish().await;
}

#[tokio::test]
async fn access_and_repository_policy_are_one_document() {
    let world = World::new("document").await;
    let both =
        json!({"repositoryPolicy": pull_by("111122223333"), "access": {"push": ["444455556666"]}});
    world.apply("api", both).await;
    world.ready("api").await;
    assert_eq!(
        writes(&world, "api", 0),
        ["CreateRepository", "SetRepositoryPolicy"]
    );
    let mark = world.calls().len();
    world
        .apply("api", json!({"repositoryPolicy": pull_by("111122223333")}))
        .await;
    let object = world.ready("api").await;
    assert_eq!(writes(&world, "api", mark), ["SetRepositoryPolicy"]);
    let policy = world.repository("api").unwrap().policy.unwrap();
    assert_says(&policy, "111122223333");
    assert!(!policy.contains("444455556666"), "access is gone: {policy}");
    assert_eq!(
        message(&object, "Synced"),
        "ECR matches",
        "half of it is no release"
    );
    world.finish().await;
}

#[tokio::test]
async fn several_aspects_that_change_at_once_are_one_write_each() {
    let world = World::new("several").await;
    let spec = |mode: &str, scan: bool, count: i64, account: &str, tag: &str| {
        json!({
            "imageTagMutability": mode,
            "imageScanningConfiguration": {"scanOnPush": scan},
            "lifecyclePolicy": keep_last(count),
            "access": {"pull": [account]},
            "tags": {"team": tag},
        })
    };
    world
        .apply("api", spec("MUTABLE", false, 10, "111122223333", "a"))
        .await;
    world.ready("api").await;
    let mark = world.calls().len();
    world
        .apply("api", spec("IMMUTABLE", true, 20, "444455556666", "b"))
        .await;
    world.ready("api").await;
    let mut written = writes(&world, "api", mark);
    written.sort();
    assert_eq!(
        written,
        [
            "PutImageScanningConfiguration",
            "PutImageTagMutability",
            "PutLifecyclePolicy",
            "SetRepositoryPolicy",
            "TagResource"
        ]
    );
    assert_eq!(
        told(&world, "api", "Updated").await.len(),
        1,
        "one event a pass"
    );
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
            "AGE",
            "MUTABILITY",
            "SCAN",
            "DELETION"
        ]
    );
    assert_eq!(
        rows[1][..4],
        ["api", "True", "Synced", repository.uri.as_str()]
    );
    assert_eq!(rows[1][5..], ["IMMUTABLE", "true", "Delete"]);
    world.finish().await;
}
