//! Tests of classes: tables here, laws beside.

mod choice;
mod denials;
mod evaluator;
mod guardrails;
mod keep;
mod laws;
mod lifecycle_guard;
mod names;
mod policies;
mod refusals;
mod tags;
mod variables;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Budget, Class, Labels, Subject};
use crate::domain::identity::{Region, Registry, RegistryId};

/// A class with this spec.
fn class(spec: Value) -> Class {
    Class::parse("prod", &serde_json::from_value(spec).unwrap()).unwrap()
}

/// Where the repositories of all tests are.
fn own() -> Registry {
    Registry {
        id: RegistryId::parse("123456789012").unwrap(),
        region: Region::parse("ap-southeast-1").unwrap(),
    }
}

fn labels(of: &[(&str, &str)]) -> Labels {
    of.iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

const NONE: &Labels = &BTreeMap::new();

/// The object that most tests speak of.
const SUBJECT: Subject<'_> = Subject {
    namespace: "payments",
    name: "api",
    labels: NONE,
    namespace_labels: NONE,
};

#[test]
fn a_class_that_says_nothing_is_safe() {
    let class = class(json!({}));
    assert_eq!(class.registry, None);
    assert_eq!(class.role, None);
    assert_eq!(class.lifecycle_allowance(false), None);
    let unset = class.lifecycle_allowance(true);
    assert_eq!(unset.map(|it| it.most), Some(0));
    assert_eq!(class.budget, Budget::of(10, 5));
    let refusal = class
        .admit(
            &SUBJECT,
            &serde_json::from_value(json!({})).unwrap(),
            &own(),
        )
        .unwrap_err();
    assert_eq!(
        refusal.message,
        "Class prod permits no namespace, and so not payments (allowedNamespaces) — set spec.className to \
         another class; or the class would have to allow: allowedNamespaces payments"
    );
}

#[test]
fn a_class_whose_settings_ecr_would_refuse_is_refused() {
    for (spec, words) in [
        (json!({"nameTemplate": "${team}"}), "spec.nameTemplate"),
        (json!({"nameTemplate": ""}), "spec.nameTemplate"),
        (
            json!({"allowedNames": ["${labels.a}-*"]}),
            "namespaceLabels.a",
        ),
        (json!({"allowedNames": ["A/*"]}), "spec.allowedNames"),
        (
            json!({"allowedNames": ["${namespace}/*", "${name}/**"]}),
            "${name} alone limits nothing",
        ),
        (
            json!({"enforced": {"tags": {"environment": "prod"}}, "defaults": {"tags": {"Environment": "dev"}}}),
            "\"environment\" and \"Environment\"",
        ),
        (
            json!({"enforced": {"encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": " arn:aws:kms:eu-west-1:123456789012:key/1"}}}),
            "In spec.enforced: ",
        ),
        (
            json!({"defaults": {"tags": {"team": "${team}"}}}),
            "${team} stands for nothing",
        ),
        (
            json!({"enforced": {"tags": {"team": "${namespace"}}}),
            "spec.enforced.tags, \"team\"",
        ),
        (
            json!({"registry": {"accountId": "1", "region": "eu-central-1"}}),
            "spec.registry.accountId",
        ),
        (
            json!({"registry": {"accountId": "123456789012", "region": "EU"}}),
            "spec.registry.region",
        ),
        (
            json!({
                "registry": {"accountId": "123456789012", "region": "cn-north-1"},
                "assumeRole": {"roleArn": "arn:aws:iam::123456789012:role/a"},
            }),
            "spec.assumeRole.roleArn is of the partition aws, and cn-north-1 is of aws-cn — write it as \
             arn:aws-cn:iam::123456789012:role/a",
        ),
        (
            json!({
                "registry": {"accountId": "123456789012", "region": "us-gov-west-1"},
                "defaults": {"encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "arn:aws:kms:us-gov-west-1:123456789012:key/1"}},
            }),
            "spec.defaults.encryptionConfiguration.kmsKey is of the partition aws, and us-gov-west-1 is of aws-us-gov",
        ),
        (
            json!({"defaults": {"imageScanningConfiguration": {}}}),
            "In spec.defaults: spec.imageScanningConfiguration does not say scanOnPush",
        ),
        (
            json!({"enforced": {"repositoryPolicy": {}}}),
            "In spec.enforced: spec.repositoryPolicy has no Statement",
        ),
        (
            json!({"enforced": {"tags": {"aws:a": "b"}}}),
            "In spec.enforced: ",
        ),
        (
            json!({"defaults": {"repositoryPolicy": {"Statement": [{"Effect": "Allow"}]}}}),
            "In spec.defaults: ",
        ),
        (
            json!({"defaults": {"encryptionConfiguration": {"encryptionType": "AES256", "kmsKey": "a"}}}),
            "In spec.defaults: ",
        ),
    ] {
        let refusal =
            Class::parse("prod", &serde_json::from_value(spec.clone()).unwrap()).unwrap_err();
        assert_eq!(refusal.reason.as_str(), "InvalidSpec");
        assert!(refusal.message.contains(words), "{spec}: {refusal}");
    }
}

#[test]
fn a_class_says_where_and_how() {
    let class = class(json!({
        "registry": {"accountId": "111122223333", "region": "eu-central-1"},
        "assumeRole": {"roleArn": "arn:aws:iam::111122223333:role/a", "externalId": "x"},
        "lifecycleGuard": {"maxExpire": 7},
        "apiBudget": {"readsPerSecond": 1},
    }));
    for of_class in [true, false] {
        let most = class.lifecycle_allowance(of_class).map(|it| it.most);
        assert_eq!(most, Some(7));
    }
    assert_eq!(class.registry.unwrap().id.as_str(), "111122223333");
    let role = class.role.unwrap();
    assert_eq!(role.external_id.as_deref(), Some("x"));
    assert!(!role.session_tags);
    assert_eq!(class.budget, Budget::of(1, 5));
}

#[test]
fn a_role_of_the_regions_partition_or_of_one_that_is_new_is_taken() {
    for (region, partition) in [
        ("eu-west-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-east-1", "aws-us-gov"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eusc-de-east-1", "aws-eusc"),
        ("xx-new-east-1", "aws-new"),
    ] {
        class(json!({
            "registry": {"accountId": "123456789012", "region": region},
            "assumeRole": {"roleArn": format!("arn:{partition}:iam::123456789012:role/a")},
            "enforced": {"encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "alias/a"}},
        }));
    }
}
