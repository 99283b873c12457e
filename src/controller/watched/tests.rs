use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::arbitrary;

fn sent(spec: &Value, status: &Value) -> Value {
    json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": "ECRRepository",
        "metadata": {
            "name": "api",
            "namespace": "payments",
            "uid": "uid-1",
            "resourceVersion": "7",
            "generation": 3,
            "labels": {"team": "payments"},
            "annotations": {
                "ecr-operator.dev/approve-recreate": "then",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
            },
            "finalizers": ["ecr-operator.dev/repository"],
            "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
        },
        "spec": spec,
        "status": status,
    })
}

fn watched(spec: &Value, status: &Value) -> Watched {
    serde_json::from_value(sent(spec, status)).unwrap()
}

proptest! {
    /// Above all absent stays absent, and empty stays empty: the two ask for opposite things.
    #[test]
    fn what_is_packed_comes_out_as_it_was(spec in arbitrary::spec()) {
        let status = ECRRepositoryStatus {
            observed_generation: Some(3),
            tag_keys: vec!["team".to_owned()],
            ..ECRRepositoryStatus::default()
        };
        let sent = [serde_json::to_value(&spec).unwrap(), serde_json::to_value(&status).unwrap()];
        let read = watched(&sent[0], &sent[1]).read().unwrap();
        prop_assert_eq!(read.spec, spec);
        prop_assert_eq!(read.status, Some(status));
    }
}

#[test]
fn what_means_something_of_the_metadata_is_kept() {
    let sent = sent(&json!({}), &Value::Null);
    let read = serde_json::from_value::<Watched>(sent.clone())
        .unwrap()
        .read()
        .unwrap();
    let mut meta: ObjectMeta = serde_json::from_value(sent["metadata"].clone()).unwrap();
    meta.managed_fields = None;
    let annotations = meta.annotations.as_mut().unwrap();
    annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    assert_eq!(read.metadata, meta);
    assert_eq!(read.status, None);
}

#[test]
fn an_object_that_cannot_be_read_is_there_all_the_same() {
    for (spec, status) in [
        (json!({"suspend": "perhaps"}), json!({})),
        (json!({}), json!({"conditions": 1})),
        (Value::Null, Value::Null),
    ] {
        let watched = watched(&spec, &status);
        assert!(watched.read().is_err(), "{spec} {status}");
        assert_eq!(watched.meta().name.as_deref(), Some("api"));
        assert!(watched.class_name().is_err());
        assert!(watched.place().is_none());
    }
}

/// A text that nothing makes shorter.
fn noise(length: usize) -> String {
    let mut dice = fastrand::Rng::with_seed(length as u64);
    std::iter::repeat_with(|| dice.alphanumeric())
        .take(length)
        .collect()
}

#[test]
fn of_what_is_too_large_a_little_is_kept() {
    let policy = |text: String| json!({"Statement": [{"Sid": text}]});
    let message = |text: String| {
        json!([{
            "type": "Ready", "status": "True", "reason": "Synced", "message": text,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }])
    };
    let maps = json!({"Statement": vec![json!({"a": 0}); 2000]});
    let small = || (policy(String::new()), message(String::new()));
    for (policy, conditions, spec, status) in [
        (policy(noise(60_000)), message(noise(25_000)), None, false),
        (policy(noise(1_400_000)), small().1, Some(LONG_SPEC), false),
        (
            policy("x".repeat(1_400_000)),
            small().1,
            Some(LONG_SPEC),
            false,
        ),
        (maps, small().1, Some(LONG_SPEC), false),
        (policy(noise(120_000)), small().1, Some(LARGE_SPEC), false),
        (small().0, message("x".repeat(200_000)), None, true),
        (small().0, message(noise(50_000)), None, true),
        (
            policy(noise(120_000)),
            message(noise(50_000)),
            Some(LARGE_SPEC),
            true,
        ),
        (
            policy(noise(140_000)),
            message(noise(140_000)),
            Some(LONG_SPEC),
            true,
        ),
    ] {
        let place = json!({"className": "test", "registryId": "111122223333", "tagKeys": ["team"]});
        let (mut spec_sent, mut status_sent) =
            (json!({"className": "prod", "suspend": true}), place);
        spec_sent["repositoryPolicy"] = policy;
        status_sent["conditions"] = conditions;
        let watched = watched(&spec_sent, &status_sent);
        assert_eq!(watched.excess(), Excess { spec, status });
        let read = watched.read().unwrap();
        assert_eq!(read.spec.suspend, Some(true));
        assert_eq!(read.spec.repository_policy.is_some(), spec.is_none());
        assert_eq!(watched.class_name(), Ok(Some("prod")));
        assert_eq!(watched.last_class_name(), Some("test"));
        let said = read.status.unwrap();
        assert_eq!(said.conditions.is_empty(), status);
        assert_eq!(said.registry_id.as_deref(), Some("111122223333"));
        assert_eq!(said.tag_keys, ["team"]);
        assert!(watched.weight() <= LARGEST_SPEC + LARGEST_STATUS);
    }
}

#[test]
fn of_long_lists_nothing_is_kept_of_what_is_too_large() {
    let long = json!({
        "tagKeys": vec![noise(120); 400], "arn": "arn",
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Synced", "message": noise(140_000),
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }],
    });
    let tags: BTreeMap<_, _> = (0..500).map(|n| (n.to_string(), noise(200))).collect();
    let spec =
        json!({"tags": tags, "lifecyclePolicy": {"rules": [{"description": noise(140_000)}]}});
    let watched = watched(&spec, &long);
    let read = watched.read().unwrap();
    assert_eq!(read.spec, ECRRepositorySpec::default());
    let expected = ECRRepositoryStatus {
        arn: Some("arn".to_owned()),
        ..ECRRepositoryStatus::default()
    };
    assert_eq!(read.status, Some(expected));
    assert!(watched.weight() < 1024);
}

#[test]
fn of_metadata_only_a_little_is_kept() {
    let kept = |change: &dyn Fn(&mut Value)| {
        let mut sent = sent(&json!({}), &Value::Null);
        change(&mut sent["metadata"]);
        let watched: Watched = serde_json::from_value(sent).unwrap();
        assert!(watched.read().is_ok() && !watched.excess().is_any());
        watched.meta().clone()
    };
    let many = |count: usize| (0..count).map(|n| (format!("key-{n}"), json!("x")));
    let much: [&dyn Fn(&mut Value); 6] = [
        &|meta| meta["annotations"] = json!({"other": noise(250_000)}),
        &|meta| meta["annotations"] = json!({RECONCILE_ANNOTATION: noise(250_000)}),
        &|meta| meta["ownerReferences"] = json!(vec![json!({"name": noise(200)}); 1000]),
        &|meta| meta["labels"] = many(100).collect(),
        &|meta| meta["labels"] = many(10_000).collect(),
        &|meta| {
            let others = std::iter::repeat_n(noise(60), 10_000);
            let all: Vec<_> = others.chain([FINALIZER.to_owned()]).collect();
            meta["finalizers"] = json!(all);
        },
    ];
    for (number, change) in much.into_iter().enumerate() {
        let meta = kept(change);
        let length = serde_json::to_string(&meta).unwrap().len();
        assert!(length < 8192, "{number}: {length}");
        assert_eq!(meta.finalizers, Some(vec![FINALIZER.to_owned()]));
    }
    let usual = kept(&|meta| meta["labels"] = many(100).collect());
    assert_eq!(usual.labels.map(|it| it.len()), Some(100));
}

#[test]
fn the_shortest_labels_are_kept() {
    let long = (0..700).map(|n| (format!("{n}-{}", noise(50)), noise(60)));
    let labels: BTreeMap<_, _> = long
        .chain([("team".to_owned(), "payments".to_owned())])
        .collect();
    let kept = few(labels);
    assert_eq!(kept.get("team").map(String::as_str), Some("payments"));
    assert!((20..100).contains(&kept.len()));
}

#[test]
fn a_glance_shows_what_is_bound() {
    let spec = json!({"className": "prod"});
    let status = json!({
        "className": "test",
        "registryId": "111122223333",
        "region": "eu-central-1",
        "repositoryName": "payments/api",
        "arn": "arn:aws:ecr:eu-central-1:111122223333:repository/payments/api",
        "lastLoss": {"at": "2026-01-01T00:00:00Z"},
    });
    let watched = watched(&spec, &status);
    assert_eq!(watched.class_name(), Ok(Some("prod")));
    assert_eq!(watched.last_class_name(), Some("test"));
    let whole = watched.read().unwrap().status.unwrap();
    let place = watched.place().unwrap();
    assert_eq!(place.last_loss, whole.last_loss);
    let bound = crate::domain::status::binding(&place);
    assert!(bound.is_some());
    assert_eq!(bound, crate::domain::status::binding(&whole));
}
