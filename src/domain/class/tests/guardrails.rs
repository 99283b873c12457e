//! Namespaces, keys, and what a deletion asks of a class. What tenants try is in
//! `tests/tenancy/attempts.yaml`.

use serde_json::{Value, json};

use super::super::{KmsKeys, Namespaces};
use super::{class, labels, own};
use crate::api::{DeletionPolicy, ECRRepositorySpec};

fn spec(of: Value) -> ECRRepositorySpec {
    serde_json::from_value(of).unwrap()
}

#[test]
fn selectors_are_those_of_kubernetes() {
    let namespace = labels(&[("team", "payments"), ("environment", "prod")]);
    for (selector, included) in [
        (json!({}), true),
        (json!({"matchLabels": {}, "matchExpressions": []}), true),
        (json!({"matchLabels": {"team": "payments"}}), true),
        (
            json!({"matchLabels": {"team": "payments", "environment": "dev"}}),
            false,
        ),
        (json!({"matchLabels": {"team": ""}}), false),
        (
            json!({"matchExpressions": [{"key": "team", "operator": "In", "values": ["a", "payments"]}]}),
            true,
        ),
        (
            json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": [""]}]}),
            false,
        ),
        (
            json!({"matchExpressions": [{"key": "team", "operator": "In"}]}),
            false,
        ),
        (
            json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["payments"]}]}),
            false,
        ),
        (
            json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["a"]}]}),
            true,
        ),
        (
            json!({"matchExpressions": [{"key": "team", "operator": "Exists"}]}),
            true,
        ),
        (
            json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
            false,
        ),
        (
            json!({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}),
            false,
        ),
        (
            json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}),
            true,
        ),
        (
            json!({"matchLabels": {"team": "payments"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
            false,
        ),
    ] {
        let parsed = Namespaces::parse(Some(&serde_json::from_value(selector.clone()).unwrap()));
        assert_eq!(parsed.include(&namespace), included, "{selector}");
    }
    assert!(!Namespaces::parse(None).include(&namespace));
}

/// A refusal names the labels that decide, and not the values, which may be other tenants' names.
#[test]
fn a_refused_namespace_learns_of_no_other() {
    let class = class(
        json!({"allowedNamespaces": {"matchExpressions": [{"key": "team", "operator": "In", "values": ["billing"]}]}}),
    );
    let refusal = class
        .admit(&super::SUBJECT, &spec(json!({})), &own())
        .unwrap_err();
    assert!(refusal.message.contains("team"), "{refusal}");
    assert!(!refusal.message.contains("billing"), "{refusal}");
}

#[test]
fn keys_are_compared_part_by_part() {
    let arn = "arn:aws:kms:ap-southeast-1:123456789012:key/1";
    for (patterns, key, allowed) in [
        (&[arn][..], arn, true),
        (&[arn], "1", true),
        (&["1"], arn, true),
        (&["alias/a/*"], "alias/a/b", true),
        (&["alias/a/*"], "alias/a/b/c", false),
        (&["alias/a/**"], "alias/a/b/c", true),
        (
            &["arn:aws:kms:*:123456789012:key/*"],
            "arn:aws:kms:eu-west-1:123456789012:key/2",
            true,
        ),
        (
            &["arn:aws:kms:*:123456789012:key/*"],
            "arn:aws:kms:eu-west-1:999999999999:key/2",
            false,
        ),
        (
            &["arn:aws:kms:*:*:key/*"],
            "arn:aws:kms:eu-west-1:999999999999:alias/a",
            false,
        ),
        (
            &["arn:aws:kms:**:123456789012:key/*"],
            "arn:aws:kms:a:999999999999:key/x:123456789012:key/1",
            false,
        ),
        (&[], "alias/aws/ecr", false),
    ] {
        let patterns: Vec<String> = patterns.iter().map(|it| (*it).to_owned()).collect();
        let keys = KmsKeys::parse(Some(&patterns));
        assert_eq!(keys.allow(key, &own()), allowed, "{patterns:?} {key}");
    }
    let own_account = KmsKeys::parse(None);
    for (key, allowed) in [
        (arn, true),
        ("alias/a", true),
        ("1234", true),
        ("arn:aws:kms:eu-west-1:123456789012:key/1", true),
        ("arn:aws:kms:ap-southeast-1:999999999999:key/1", false),
        ("arn:aws:s3:::123456789012", false),
        ("arn:", false),
    ] {
        assert_eq!(own_account.allow(key, &own()), allowed, "{key}");
    }
}

/// A deletion asks for nothing but a permitted policy: not for the namespace, the name, the principals.
#[test]
fn a_deletion_asks_for_its_policy_alone() {
    use DeletionPolicy::{Delete, DeleteWithImages, Retain};
    let wild = json!({"repositoryName": "billing/api", "access": {"pull": ["999999999999"]}, "deletionPolicy": "Delete"});
    assert_eq!(class(json!({})).admit_deletion(&spec(wild)), Ok(Delete));
    for (of, chosen, expected) in [
        (json!({}), None, Some(Retain)),
        (json!({}), Some("DeleteWithImages"), None),
        (json!({"deletionPolicies": []}), None, Some(Retain)),
        (
            json!({"deletionPolicies": []}),
            Some("Retain"),
            Some(Retain),
        ),
        (
            json!({"deletionPolicies": ["DeleteWithImages"]}),
            Some("Delete"),
            None,
        ),
        (
            json!({"deletionPolicies": [], "defaults": {"deletionPolicy": "DeleteWithImages"}}),
            None,
            Some(DeleteWithImages),
        ),
        (
            json!({"deletionPolicies": [], "defaults": {"deletionPolicy": "DeleteWithImages"}}),
            Some("Delete"),
            None,
        ),
        (
            json!({"deletionPolicies": [], "enforced": {"deletionPolicy": "Delete"}}),
            Some("DeleteWithImages"),
            Some(Delete),
        ),
        (
            json!({"enforced": {"deletionPolicy": "Retain"}}),
            Some("Delete"),
            Some(Retain),
        ),
    ] {
        let asked = chosen.map_or(json!({}), |policy| json!({"deletionPolicy": policy}));
        let admitted = class(of.clone()).admit_deletion(&spec(asked));
        assert_eq!(admitted.ok(), expected, "{of} {chosen:?}");
    }
}

/// What the class brings is its author's, and no object can do anything about it.
#[test]
fn what_the_class_brings_is_not_held_to_its_lists() {
    let settings = json!({
        "access": {"pull": ["999999999999"]},
        "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "alias/platform"},
        "deletionPolicy": "DeleteWithImages",
    });
    for layer in ["enforced", "defaults"] {
        let of = json!({"allowedNamespaces": {}, "allowedPrincipals": [], "allowedKmsKeys": [], "deletionPolicies": [], layer: settings});
        let effective = class(of)
            .admit(&super::SUBJECT, &spec(json!({})), &own())
            .unwrap();
        assert_eq!(
            effective.spec.repository_name.as_deref(),
            Some("payments/api")
        );
        assert_eq!(
            effective.spec.access.unwrap().pull.unwrap(),
            ["999999999999"]
        );
    }
}

/// A list that is long is named in part: a condition has room for 1 KiB.
#[test]
fn a_refusal_is_short_whatever_the_list() {
    let principals: Vec<String> = (0..100)
        .map(|number| format!("arn:aws:iam::111122223333:role/{number:x>300}"))
        .collect();
    let of = json!({"allowedNamespaces": {}, "allowedPrincipals": principals});
    let asked = json!({"access": {"pull": [format!("arn:aws:iam::999999999999:role/{}", "a".repeat(600))]}});
    let refusal = class(of)
        .admit(&super::SUBJECT, &spec(asked), &own())
        .unwrap_err();
    assert!(refusal.message.contains("and 99 more"), "{refusal}");
    assert!(refusal.message.len() <= 1024, "{}", refusal.message.len());
}
