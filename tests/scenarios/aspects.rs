//! Each aspect: created, changed, dropped, emptied, and edited without a change of meaning.

use serde_json::{Value, json};

use crate::{
    looking::{reconcile_now, told, writes},
    samples::{self, keep_last, pull_by},
    world::{World, assert_says, message},
};

/// The aspects that status says are in force.
fn applied(object: &ecr_operator::api::ECRRepository) -> Vec<(&'static str, String)> {
    let applied = object
        .status
        .iter()
        .flat_map(|status| &status.working_memory.applied);
    applied
        .map(|a| (a.aspect.as_str(), a.hash.clone()))
        .collect()
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
async fn an_aspect_that_is_dropped_while_nobody_looks_is_released_all_the_same() {
    let mut world = World::new("release-down").await;
    for sample in samples::all() {
        world.apply(sample.name, sample.first.clone()).await;
    }
    for sample in samples::all() {
        world.ready(sample.name).await;
    }
    let mark = world.calls().len();
    world.kill_operator();
    for sample in samples::all() {
        world.apply(sample.name, json!({})).await;
    }
    world.start_operator().await;
    for sample in samples::all() {
        let object = world.ready(sample.name).await;
        assert_eq!(applied(&object), [(sample.aspect, "released".to_owned())]);
        assert_says(message(&object, "Synced"), sample.aspect);
        assert_says(&world.event(sample.name, "Released").await, sample.aspect);
        assert_eq!(sample.held(&world), sample.holds_first, "left as it is");
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
