//! Namespaces, keys, and what a deletion asks of a class. What tenants try is in
//! `tests/tenancy/attempts.yaml`.

use serde_json::{Value, json};

use super::super::{KmsKeys, Namespaces};
use super::{SUBJECT, Subject, class, labels, own};
use crate::api::{DeletionPolicy, ECRRepositorySpec};
use crate::domain::identity::RepositoryName;

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

/// That a class permits a deletion counts for the objects that it admits, and for the names.
#[test]
fn a_deletion_needs_a_class_that_admits_the_object() {
    use DeletionPolicy::{Delete, DeleteWithImages, Retain};
    let bound = |name: &str| RepositoryName::parse(name).unwrap();
    let tier = labels(&[("tier", "platform")]);
    let platform = Subject {
        namespace_labels: &tier,
        ..SUBJECT
    };
    let of = json!({
        "allowedNamespaces": {"matchLabels": {"tier": "platform"}}, "allowedNames": ["platform/*", "${namespace}/*"],
        "deletionPolicies": ["Retain", "Delete", "DeleteWithImages"],
    });
    let enforcing = |policy: &str| {
        let mut of = of.clone();
        of["enforced"] = json!({"deletionPolicy": policy});
        of
    };
    let strict = json!({"allowedNamespaces": {"matchLabels": {"tier": "platform"}}});
    for (of, subject, name, asked, expected) in [
        (
            of.clone(),
            platform,
            "payments/api",
            "DeleteWithImages",
            Ok(DeleteWithImages),
        ),
        (of.clone(), platform, "platform/api", "Delete", Ok(Delete)),
        (
            of.clone(),
            platform,
            "billing/api",
            "Delete",
            Err("allowedNames"),
        ),
        (
            of.clone(),
            platform,
            "payments/api/x",
            "DeleteWithImages",
            Err("allowedNames"),
        ),
        (
            of.clone(),
            SUBJECT,
            "payments/api",
            "DeleteWithImages",
            Err("allowedNamespaces"),
        ),
        (
            of.clone(),
            SUBJECT,
            "payments/api",
            "Delete",
            Err("allowedNamespaces"),
        ),
        (of.clone(), SUBJECT, "billing/api", "Retain", Ok(Retain)),
        (
            strict,
            platform,
            "payments/api",
            "DeleteWithImages",
            Err("deletionPolicies"),
        ),
        (
            enforcing("Retain"),
            SUBJECT,
            "billing/api",
            "DeleteWithImages",
            Ok(Retain),
        ),
        (
            enforcing("DeleteWithImages"),
            SUBJECT,
            "payments/api",
            "Retain",
            Err("allowedNamespaces"),
        ),
        (
            enforcing("DeleteWithImages"),
            platform,
            "billing/api",
            "Retain",
            Err("allowedNames"),
        ),
        (
            enforcing("Delete"),
            platform,
            "payments/api",
            "DeleteWithImages",
            Ok(Delete),
        ),
        (
            json!({}),
            SUBJECT,
            "payments/api",
            "Delete",
            Err("allowedNamespaces"),
        ),
        (
            json!({"allowedNamespaces": {}, "managementPolicies": ["Observe"]}),
            SUBJECT,
            "payments/api",
            "Delete",
            Err("managementPolicies"),
        ),
    ] {
        // What else the object asks for makes no difference.
        let wild = json!({"repositoryName": "billing/other", "access": {"pull": ["999999999999"]}, "deletionPolicy": asked});
        let admitted = class(of.clone()).admit_deletion(&subject, &spec(wild), &bound(name));
        match (admitted, expected) {
            (Ok(policy), Ok(expected)) => assert_eq!(policy, expected, "{of} {name} {asked}"),
            (Err(refusal), Err(rule)) => {
                assert!(refusal.message.contains(&format!("({rule})")), "{refusal}");
            }
            (admitted, expected) => panic!("{of} {name} {asked}: {admitted:?}, not {expected:?}"),
        }
    }
}

/// A class has a say over repositories of its namespaces and names alone. Nothing in an object's spec or labels
/// changes that.
#[test]
fn a_class_has_a_say_over_the_names_that_it_permits() {
    let other = labels(&[("project", "billing")]);
    let relabelled = Subject {
        labels: &other,
        ..SUBJECT
    };
    for (of, name, has) in [
        (json!({"allowedNamespaces": {}}), "payments/api", true),
        (json!({"allowedNamespaces": {}}), "billing/api", false),
        (json!({}), "payments/api", false),
        (
            json!({"allowedNamespaces": {}, "allowedNames": ["dev/**"]}),
            "payments/api",
            false,
        ),
        (
            json!({"allowedNamespaces": {}, "allowedNames": ["dev/**", "${namespace}/*"], "deletionPolicies": [], "managementPolicies": []}),
            "payments/api",
            true,
        ),
    ] {
        for subject in [SUBJECT, relabelled] {
            let bound = RepositoryName::parse(name).unwrap();
            let admitted = class(of.clone()).admit_repository(&subject, &bound);
            assert_eq!(admitted.is_ok(), has, "{of} {name}");
        }
    }
}

/// Which policy counts, where the class admits the object.
#[test]
fn a_deletion_policy_is_the_classs_or_one_that_it_permits() {
    use DeletionPolicy::{Delete, DeleteWithImages, Retain};
    let bound = RepositoryName::parse("payments/api").unwrap();
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
        let mut open = of.clone();
        open["allowedNamespaces"] = json!({});
        let admitted = class(open).admit_deletion(&SUBJECT, &spec(asked), &bound);
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

/// Accounts, principals and keys are those of other teams, too: nobody is told of them.
#[test]
fn a_refusal_names_nobody_elses_principals_or_keys() {
    let secrets = ["444455556666", "o-a1b2c3d4e5", "other-team", "codebuild"];
    let of = json!({
        "allowedNamespaces": {},
        "allowedPrincipals": ["444455556666", "arn:aws:iam::444455556666:role/other-team", "o-a1b2c3d4e5", "codebuild.amazonaws.com"],
        "allowedServices": [{"service": "codebuild.amazonaws.com", "anySource": true}],
        "allowedKmsKeys": ["alias/other-team/*", "arn:aws:kms:*:444455556666:key/*"],
    });
    let long = format!("arn:aws:iam::999999999999:role/{}", "a".repeat(600));
    let statement = |of: Value| json!({"repositoryPolicy": {"Statement": of}});
    for asked in [
        json!({"access": {"pull": [long]}}),
        json!({"access": {"pull": ["lambda.amazonaws.com"]}}),
        json!({"encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "alias/mine"}}),
        statement(json!({"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"})),
        statement(
            json!({"Effect": "Allow", "NotPrincipal": {"AWS": "123456789012"}, "Action": "ecr:BatchGetImage"}),
        ),
        statement(json!({"Effect": "Deny", "Principal": "*", "Action": "ecr:*"})),
    ] {
        let refusal = class(of.clone()).admit(&SUBJECT, &spec(asked.clone()), &own());
        let refusal = refusal.unwrap_err();
        assert_eq!(
            refusal.reason.as_str(),
            "NotPermitted",
            "{asked}: {refusal}"
        );
        for secret in secrets {
            assert!(!refusal.message.contains(secret), "{asked}: {refusal}");
        }
        assert!(refusal.message.len() <= 1024, "{}", refusal.message.len());
    }
}

/// What has a `:` is an ARN to the letter, or no key at all.
#[test]
fn what_is_no_key_is_no_key_whatever_the_list() {
    let arn = "arn:aws:kms:ap-southeast-1:123456789012:key/1234abcd";
    let lists = [
        None,
        Some(vec![
            "arn:aws:kms:**:**:key/**".to_owned(),
            "**".to_owned(),
            "alias/**".to_owned(),
        ]),
    ];
    for list in lists {
        let keys = KmsKeys::parse(list.as_deref());
        for key in [arn, "1234abcd", "alias/a/b"] {
            assert!(keys.allow(key, &own()), "{key}");
        }
        for key in [
            " arn:aws:kms:ap-southeast-1:999999999999:key/1",
            "\tarn:aws:kms:ap-southeast-1:123456789012:key/1",
            "ARN:aws:kms:ap-southeast-1:999999999999:key/1",
            "Arn:aws:kms:ap-southeast-1:123456789012:key/1",
            "arn:AWS:kms:ap-southeast-1:123456789012:key/1",
            "arn:aws:KMS:ap-southeast-1:123456789012:key/1",
            "arn:aws:kms:ap-southeast-1:12345678901:key/1",
            "arn:aws:kms:ap-southeast-1:123456789012:key/1 ",
            "arn:aws:kms:ap-southeast-1:123456789012:key/1\n",
            "arn:aws:kms:ap-southeast-1:123456789012:key/",
            "arn:aws:kms:ap-southeast-1:123456789012:grant/1",
            "arn:aws:kms::123456789012:key/1",
            "x:arn:aws:kms:ap-southeast-1:123456789012:key/1",
            "key/1",
            "alias/",
            "alias",
            "a b",
            "",
            "1\u{202e}",
            "a:b",
        ] {
            let allowed = keys.allow(key, &own());
            assert_eq!(allowed, key == "alias", "{key:?} {list:?}");
        }
    }
}

/// Who observes or is suspended may do so where the class says it; an object that is worked on, too.
#[test]
fn who_holds_the_operator_off_is_the_classs_to_say() {
    let modes = [
        (json!({}), "Enforce"),
        (
            json!({"managementPolicy": "Enforce", "suspend": false}),
            "Enforce",
        ),
        (json!({"managementPolicy": "Observe"}), "Observe"),
        (json!({"suspend": true}), "Suspend"),
        (
            json!({"managementPolicy": "Observe", "suspend": true}),
            "Suspend",
        ),
    ];
    let lists: [Option<&[&str]>; 5] = [
        None,
        Some(&[]),
        Some(&["Enforce"]),
        Some(&["Observe", "Enforce"]),
        Some(&["Suspend"]),
    ];
    for list in lists {
        let of = match list {
            None => json!({"allowedNamespaces": {}}),
            Some(list) => json!({"allowedNamespaces": {}, "managementPolicies": list}),
        };
        for (asked, mode) in &modes {
            let admitted = class(of.clone()).admit(&SUBJECT, &spec(asked.clone()), &own());
            let allowed = list.is_none_or(|list| list.contains(mode));
            assert_eq!(admitted.is_ok(), allowed, "{list:?} {asked}");
            if let Err(refusal) = admitted {
                assert!(
                    refusal.message.contains("(managementPolicies)"),
                    "{refusal}"
                );
            }
        }
    }
}
