//! How specs are parsed: the three states of every aspect.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    arbitrary::{parse, registry},
    desired::{Adoption, Desired, Encryption, EncryptionType, Mutability, is_reserved},
    identity::Owner,
    setting::Setting,
};
use crate::api::{Aspect, DeletionPolicy, ECRRepositorySpec, ImageTagMutability, ManagementPolicy};

/// The spec, as a manifest has it.
fn spec(manifest: Value) -> ECRRepositorySpec {
    serde_json::from_value(manifest).unwrap()
}

fn desired(manifest: Value) -> Desired {
    parse(&spec(manifest)).unwrap()
}

fn state<T, E>(wanted: &Result<Setting<T>, E>) -> &'static str {
    match wanted {
        Ok(Setting::Unmanaged) => "unmanaged",
        Ok(Setting::Absent) => "absent",
        Ok(Setting::Present(_)) => "present",
        Err(_) => "refused",
    }
}

/// Of mutability, scanning, lifecycle and policy.
fn states(desired: &Desired) -> [&'static str; 4] {
    [
        state(&desired.mutability),
        state(&desired.scan_on_push),
        state(&desired.lifecycle),
        state(&desired.policy),
    ]
}

fn rule(priority: u32) -> Value {
    json!({
        "rulePriority": priority,
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10},
        "action": {"type": "expire"},
    })
}

const UNMANAGED: [&str; 4] = ["unmanaged"; 4];

#[test]
fn what_is_absent_is_not_ours() {
    let desired = desired(json!({}));
    assert_eq!(states(&desired), UNMANAGED);
    assert_eq!(desired.tags, Ok([].into()));
    assert_eq!(desired.encryption, None);
    assert_eq!(desired.adoption, Adoption::Never);
    assert_eq!(desired.management, ManagementPolicy::Enforce);
    assert_eq!(desired.deletion, DeletionPolicy::Retain);
    assert_eq!(desired.identity.registry, registry());
    assert_eq!(desired.identity.name.as_str(), "payments/api");
    assert!(desired.hashes().is_empty());
    assert_eq!(desired.refusals().count(), 0);
}

#[test]
fn every_aspect_has_three_states_of_its_own() {
    let filters = json!([{"filterType": "WILDCARD", "filter": "dev-*"}]);
    let table = [
        (json!({"imageTagMutability": "IMMUTABLE"}), 0, "present"),
        (
            json!({"imageTagMutability": "IMMUTABLE", "imageTagMutabilityExclusionFilters": []}),
            0,
            "present",
        ),
        (
            json!({"imageTagMutabilityExclusionFilters": []}),
            0,
            "unmanaged",
        ),
        (
            json!({"imageTagMutability": "MUTABLE_WITH_EXCLUSION", "imageTagMutabilityExclusionFilters": filters}),
            0,
            "present",
        ),
        (
            json!({"imageTagMutability": "MUTABLE_WITH_EXCLUSION"}),
            0,
            "refused",
        ),
        (
            json!({"imageTagMutability": "MUTABLE", "imageTagMutabilityExclusionFilters": filters}),
            0,
            "refused",
        ),
        (
            json!({"imageTagMutabilityExclusionFilters": filters}),
            0,
            "refused",
        ),
        (json!({"imageScanningConfiguration": {}}), 1, "refused"),
        (
            json!({"imageScanningConfiguration": {"scanOnPush": false}}),
            1,
            "present",
        ),
        (json!({"lifecyclePolicy": {"rules": []}}), 2, "absent"),
        (
            json!({"lifecyclePolicy": {"rules": [rule(1)]}}),
            2,
            "present",
        ),
        (
            json!({"lifecyclePolicy": {"rules": [rule(1), rule(2)]}}),
            2,
            "refused",
        ),
    ];
    for (manifest, aspect, expected) in table {
        let mut all = UNMANAGED;
        all[aspect] = expected;
        assert_eq!(states(&desired(manifest.clone())), all, "{manifest}");
    }
}

#[test]
fn the_repository_policy_has_three_states_and_nothing_at_all_is_refused() {
    let statement = json!({"Effect": "Deny", "Principal": "*", "Action": "ecr:PutImage"});
    let table = [
        (json!({"repositoryPolicy": {}}), 3, "refused"),
        (json!({"access": {}}), 3, "refused"),
        (json!({"repositoryPolicy": {"Statement": []}}), 3, "absent"),
        (json!({"access": {"pull": []}}), 3, "absent"),
        (json!({"access": {"push": []}}), 3, "absent"),
        (
            json!({"access": {"pull": [], "push": []}, "repositoryPolicy": {"Statement": []}}),
            3,
            "absent",
        ),
        (
            json!({"access": {"pull": []}, "repositoryPolicy": {}}),
            3,
            "refused",
        ),
        (json!({"access": {"pull": ["111122223333"]}}), 3, "present"),
        (
            json!({"access": {"push": ["111122223333"]}, "repositoryPolicy": {"Statement": []}}),
            3,
            "present",
        ),
        (
            json!({"access": {"push": ["111122223333"]}, "repositoryPolicy": {}}),
            3,
            "refused",
        ),
        (
            json!({"repositoryPolicy": {"Statement": [statement]}}),
            3,
            "present",
        ),
        (
            json!({"repositoryPolicy": {"Statement": statement}, "access": {"pull": []}}),
            3,
            "present",
        ),
        (
            json!({"repositoryPolicy": {"Statement": statement}, "access": {}}),
            3,
            "refused",
        ),
        (
            json!({"repositoryPolicy": {"Statement": [statement]}, "access": {"pull": ["nobody"]}}),
            3,
            "refused",
        ),
    ];
    for (manifest, aspect, expected) in table {
        let mut all = UNMANAGED;
        all[aspect] = expected;
        assert_eq!(states(&desired(manifest.clone())), all, "{manifest}");
    }
}

#[test]
fn values_are_taken_as_they_are_written() {
    let desired = desired(json!({
        "repositoryName": "team/web",
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": [
            {"filterType": "WILDCARD", "filter": "v*"},
            {"filterType": "WILDCARD", "filter": "dev-*"},
            {"filterType": "WILDCARD", "filter": "v*"},
        ],
        "imageScanningConfiguration": {"scanOnPush": true},
        "encryptionConfiguration": {"encryptionType": "KMS_DSSE", "kmsKey": "alias/a"},
        "tags": {"team": "payments"},
        "deletionPolicy": "DeleteWithImages",
        "managementPolicy": "Observe",
    }));
    let mutability = Mutability {
        mode: ImageTagMutability::ImmutableWithExclusion,
        exclusions: ["dev-*".to_owned(), "v*".to_owned()].into(),
    };
    let shown = "IMMUTABLE_WITH_EXCLUSION except dev-*, v*";
    assert_eq!(mutability.to_string(), shown);
    assert_eq!(desired.mutability, Ok(Setting::Present(mutability)));
    assert_eq!(desired.scan_on_push, Ok(Setting::Present(true)));
    let encryption = Encryption {
        kind: EncryptionType::KmsDsse,
        key: Some("alias/a".to_owned()),
    };
    assert_eq!(encryption.to_string(), "KMS_DSSE (alias/a)");
    assert_eq!(desired.encryption, Some(encryption));
    assert_eq!(
        desired.tags,
        Ok([("team".to_owned(), "payments".to_owned())].into())
    );
    assert_eq!(desired.identity.name.as_str(), "team/web");
    assert_eq!(desired.deletion, DeletionPolicy::DeleteWithImages);
    assert_eq!(desired.management, ManagementPolicy::Observe);
    let hashed: BTreeSet<_> = desired.hashes().into_keys().collect();
    let ours = [
        Aspect::ImageTagMutability,
        Aspect::ImageScanningConfiguration,
        Aspect::Tags,
    ];
    assert_eq!(hashed, ours.into());
}

#[test]
fn a_key_is_the_same_by_its_id_and_its_arn() {
    let held = Encryption {
        kind: EncryptionType::Kms,
        key: Some("arn:aws:kms:ap-southeast-1:111122223333:key/1234abcd-12ab".to_owned()),
    };
    for (key, contradicts) in [
        (None, false),
        (
            Some("arn:aws:kms:ap-southeast-1:111122223333:key/1234abcd-12ab"),
            false,
        ),
        (Some("1234abcd-12ab"), false),
        (Some("1234ABCD-12AB"), false),
        // What an alias stands for is known to KMS alone.
        (Some("alias/payments"), false),
        (
            Some("arn:aws:kms:ap-southeast-1:111122223333:alias/payments"),
            false,
        ),
        (Some("12ab"), true),
        (Some("0000abcd-12ab"), true),
        (
            Some("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab"),
            true,
        ),
        (
            Some("arn:aws:kms:ap-southeast-1:444455556666:key/1234abcd-12ab"),
            true,
        ),
    ] {
        let wanted = Encryption {
            kind: EncryptionType::Kms,
            key: key.map(str::to_owned),
        };
        assert_eq!(wanted.contradicts(&held), contradicts, "{key:?}");
        let other = Encryption {
            kind: EncryptionType::KmsDsse,
            ..wanted
        };
        assert!(other.contradicts(&held), "{key:?}");
    }
}

#[test]
fn every_other_request_has_another_digest() {
    let excluding = |mode: &str, filters: &[&str]| {
        let filter = |filter| json!({"filterType": "WILDCARD", "filter": filter});
        let filters: Vec<_> = filters.iter().map(filter).collect();
        json!({"imageTagMutability": mode, "imageTagMutabilityExclusionFilters": filters})
    };
    let manifests = [
        json!({"imageTagMutability": "MUTABLE"}),
        json!({"imageTagMutability": "IMMUTABLE"}),
        excluding("MUTABLE_WITH_EXCLUSION", &["v*"]),
        excluding("IMMUTABLE_WITH_EXCLUSION", &["v*"]),
        excluding("IMMUTABLE_WITH_EXCLUSION", &["dev-*"]),
        excluding("IMMUTABLE_WITH_EXCLUSION", &["dev-*", "v*"]),
        json!({"imageScanningConfiguration": {"scanOnPush": true}}),
        json!({"imageScanningConfiguration": {"scanOnPush": false}}),
        json!({"tags": {"team": "a"}}),
        json!({"tags": {"team": "b"}}),
        json!({"tags": {"a": "team"}}),
        json!({"tags": {"team": "a", "env": "a"}}),
    ];
    let digests: BTreeSet<_> = manifests
        .iter()
        .flat_map(|manifest| desired(manifest.clone()).hashes().into_values())
        .collect();
    assert_eq!(digests.len(), manifests.len(), "{digests:?}");
}

#[test]
fn what_is_asked_to_be_none_is_in_force_too() {
    let hashes =
        desired(json!({"lifecyclePolicy": {"rules": []}, "access": {"pull": []}})).hashes();
    assert_eq!(hashes.len(), 2);
    assert!(hashes.values().all(|hash| hash == "none"), "{hashes:?}");
}

#[test]
fn adoption_is_asked_for_by_name() {
    let other = Owner::parse("other/payments/web").unwrap();
    for (manifest, expected) in [
        (json!({"policy": "Never"}), Adoption::Never),
        (json!({"policy": "IfUnowned"}), Adoption::IfUnowned),
        (
            json!({"policy": "TakeOver", "from": "other/payments/web"}),
            Adoption::TakeOver(other),
        ),
    ] {
        assert_eq!(desired(json!({"adoption": manifest})).adoption, expected);
    }
}

#[test]
fn reserved_keys_are_those_of_aws_and_ours_in_any_case() {
    for reserved in [
        "aws:",
        "aws:x",
        "AWS:x",
        "aWs:x",
        "ecr-operator.dev/",
        "ecr-operator.dev/owner",
        "ECR-Operator.dev/owner",
    ] {
        assert!(is_reserved(reserved), "{reserved}");
    }
    for free in [
        "",
        "aws",
        "aws-x",
        "awé:",
        "xaws:",
        "ecr-operator.dev",
        "ecr-operator.devel/x",
    ] {
        assert!(!is_reserved(free), "{free}");
    }
}
