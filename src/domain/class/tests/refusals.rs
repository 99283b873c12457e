//! One refusal names all that a class does not permit, and one round of changes is enough.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{Rule, Subject, refusal::Wanted};
use super::policies::{World, document, runner, world};
use super::{SUBJECT, class, labels, own};
use crate::api::{AllowedService, ECRRepositoryClassSpec, ECRRepositorySpec};
use crate::domain::desired::Refusal;
use crate::domain::policy::pull_and_push;
use crate::domain::status::LONGEST_MESSAGE;

fn spec(of: Value) -> ECRRepositorySpec {
    serde_json::from_value(of).unwrap()
}

fn refused(of: Value, asked: Value) -> Refusal {
    let refusal = class(of).admit(&SUBJECT, &spec(asked), &own()).unwrap_err();
    assert!(refusal.message.len() <= LONGEST_MESSAGE - 40, "{refusal}");
    refusal
}

/// The policy that terraform-aws-modules/ecr 2.x writes for every private repository
/// (`data.aws_iam_policy_document.repository`), with a reader in another account, and functions of Lambda.
pub(super) fn of_terraform_aws_modules() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "PrivateReadOnly",
                "Effect": "Allow",
                "Principal": {"AWS": ["arn:aws:iam::111122223333:root", "arn:aws:iam::123456789012:role/ci"]},
                "Action": [
                    "ecr:ListTagsForResource", "ecr:ListImages", "ecr:GetRepositoryPolicy", "ecr:GetLifecyclePolicyPreview",
                    "ecr:GetLifecyclePolicy", "ecr:GetDownloadUrlForLayer", "ecr:GetAuthorizationToken", "ecr:DescribeRepositories",
                    "ecr:DescribeImages", "ecr:DescribeImageScanFindings", "ecr:BatchGetImage", "ecr:BatchCheckLayerAvailability",
                ],
            },
            {
                "Sid": "PrivateLambdaReadOnly",
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": ["ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"],
            },
            {
                "Sid": "ReadWrite",
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::123456789012:role/ci"},
                "Action": ["ecr:UploadLayerPart", "ecr:PutImage", "ecr:InitiateLayerUpload", "ecr:CompleteLayerUpload"],
            },
        ],
    })
}

#[test]
fn a_policy_of_terraform_takes_one_round() {
    let asked = json!({"repositoryPolicy": of_terraform_aws_modules()});
    let refusal = refused(json!({"allowedNamespaces": {}}), asked.clone());
    let would = "or the class would have to allow: allowedActions ecr:DescribeImageScanFindings, \
                 ecr:DescribeImages, ecr:DescribeRepositories, ecr:GetAuthorizationToken, \
                 ecr:GetLifecyclePolicy, ecr:GetLifecyclePolicyPreview, ecr:GetRepositoryPolicy, \
                 ecr:ListImages, ecr:ListTagsForResource (beside pull and push); allowedPrincipals \
                 111122223333 (beside account 123456789012); allowedServices lambda.amazonaws.com";
    assert!(refusal.message.ends_with(would), "{refusal}");
    let listed: Vec<String> = would
        .split([' ', ','])
        .filter(|it| it.starts_with("ecr:"))
        .chain(pull_and_push())
        .map(str::to_owned)
        .collect();
    let changed = json!({
        "allowedNamespaces": {},
        "allowedActions": listed,
        "allowedPrincipals": ["111122223333", "123456789012"],
        "allowedServices": [{"service": "lambda.amazonaws.com", "anySource": true}],
    });
    let admitted = class(changed).admit(&SUBJECT, &spec(asked), &own());
    assert!(admitted.is_ok(), "{admitted:?}");
}

/// The class that the page of migration shows is for the policies that the three tools write.
#[test]
fn the_class_of_the_migrations_page_takes_what_the_tools_write() {
    let page = include_str!("../../../../docs/migration.md");
    let shown = page.split("```yaml\n").nth(1).unwrap();
    let shown = shown.split("```").next().unwrap().replace("\n   ", "\n");
    let shown: Value = serde_yaml::from_str(shown.trim_start()).unwrap();
    assert_eq!(shown["kind"], "ECRRepositoryClass");
    let of: ECRRepositoryClassSpec = serde_json::from_value(shown["spec"].clone()).unwrap();
    let class = super::Class::parse("migration", &of).unwrap();
    let migrating = labels(&[("migration", "true")]);
    let subject = Subject {
        namespace_labels: &migrating,
        ..SUBJECT
    };
    // The example of Terraform's page of aws_ecr_repository_policy, which many have copied.
    let example = json!({"Version": "2008-10-17", "Statement": [{
        "Sid": "new policy", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
        "Action": [
            "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage", "ecr:BatchCheckLayerAvailability", "ecr:PutImage",
            "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:DescribeRepositories",
            "ecr:GetRepositoryPolicy", "ecr:ListImages", "ecr:DeleteRepository", "ecr:BatchDeleteImage",
            "ecr:SetRepositoryPolicy", "ecr:DeleteRepositoryPolicy",
        ],
    }]});
    // What AWS Lambda adds by itself, and so ACK and Crossplane are given as well.
    let lambda = json!({"Statement": [{
        "Sid": "LambdaECRImageRetrievalPolicy", "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        "Condition": {"StringLike": {"aws:sourceArn": "arn:aws:lambda:eu-central-1:123456789012:function:*"}},
    }]});
    for policy in [of_terraform_aws_modules(), example, lambda] {
        let asked = json!({
            "repositoryName": "payments-api-prod", "managementPolicy": "Observe", "adoption": {"policy": "IfUnowned"},
            "repositoryPolicy": policy,
        });
        let admitted = class.admit(&subject, &spec(asked), &own());
        assert!(admitted.is_ok(), "{admitted:?}");
    }
}

/// Everything at once, in the order of its weight, each with its cure.
#[test]
fn all_that_is_not_permitted_is_said_at_once() {
    let of = json!({
        "allowedNamespaces": {"matchLabels": {"environment": "prod"}}, "managementPolicies": ["Enforce"],
        "deletionPolicies": ["Retain"], "enforced": {"tags": {"team": "${namespaceLabels.team}"}},
    });
    let asked = json!({
        "repositoryName": "billing/api", "managementPolicy": "Observe", "adoption": {"policy": "IfUnowned"},
        "deletionPolicy": "Delete",
        "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "arn:aws:kms:eu-west-1:999999999999:key/1"},
        "access": {"pull": ["999999999999", "codebuild.amazonaws.com"]},
    });
    let refusal = refused(of, asked);
    let said = refusal.message;
    let parts = [
        "Class prod (1) needs the label environment=prod on namespace payments (allowedNamespaces) — have the \
         namespace labelled so",
        "(2) does not permit the name billing/api (allowedNames) — choose another spec.repositoryName, such as \
         ${namespace}/*",
        "(3) needs the label team on namespace payments for its tag team — have the namespace labelled",
        "(4) does not permit the managementPolicy Observe (managementPolicies) — set",
        "(5) does not allow adoption (adoption) — remove spec.adoption",
        "; or the class would have to allow: allowedNames billing/api (beside ${namespace}/*); \
         managementPolicies Observe; adoption IfUnowned; deletionPolicies Delete; allowedKmsKeys \
         arn:aws:kms:eu-west-1:999999999999:key/1 (beside the keys of account 123456789012); allowedPrincipals \
         999999999999 (beside account 123456789012); allowedServices codebuild.amazonaws.com",
    ];
    let mut from = 0;
    for part in parts {
        let at = said[from..].find(part);
        assert!(at.is_some(), "{part} in {said}");
        from += at.unwrap();
    }
    assert!(said.contains("; and "), "{said}");
    assert_eq!(refusal.reason.as_str(), "NotPermitted");
}

/// Whoever reads the first words knows what is wrong and what to do.
#[test]
fn one_offence_is_a_sentence() {
    let open = json!({"allowedNamespaces": {}});
    for (asked, said) in [
        (
            json!({"adoption": {"policy": "IfUnowned"}}),
            "Class prod does not allow adoption (adoption) — remove spec.adoption; or the class would have to \
             allow: adoption IfUnowned",
        ),
        (
            json!({"deletionPolicy": "DeleteWithImages"}),
            "Class prod does not permit the deletionPolicy DeleteWithImages (deletionPolicies) — set \
             spec.deletionPolicy to Retain or Delete; or the class would have to allow: deletionPolicies \
             DeleteWithImages (beside Delete)",
        ),
        (
            json!({"access": {"pull": ["111122223333"]}}),
            "Class prod does not permit the principal 111122223333 in spec.access (allowedPrincipals) — remove \
             it; or the class would have to allow: allowedPrincipals 111122223333 (beside account 123456789012)",
        ),
    ] {
        assert_eq!(refused(open.clone(), asked).message, said);
    }
}

/// What a label lacks, and the one that was meant.
#[test]
fn a_namespace_is_told_which_label_it_lacks() {
    let of = json!({"matchLabels": {"environment": "prod"}});
    let team = json!({"matchExpressions": [{"key": "team", "operator": "In", "values": ["billing", "search"]}]});
    let free = json!({"matchExpressions": [
        {"key": "quarantined", "operator": "DoesNotExist"}, {"key": "tier", "operator": "NotIn", "values": ["sandbox", "x"]},
        {"key": "reviewed", "operator": "Exists"},
    ]});
    for (selector, has, said) in [
        (
            &of,
            &[][..],
            "needs the label environment=prod on namespace payments",
        ),
        (
            &of,
            &[("environment", "dev")],
            "needs the label environment=prod (it has environment=dev) on namespace payments",
        ),
        (
            &of,
            &[("enviroment", "prod")],
            "needs the label environment=prod (it has enviroment: did you mean environment?) on namespace payments",
        ),
        (
            &of,
            &[("Environment", "prod"), ("env", "prod")],
            "(it has Environment: did you mean environment?)",
        ),
        (
            &team,
            &[("team", "payments")],
            "needs one of the class's values of the label team (it has team=payments) on namespace payments",
        ),
        (
            &free,
            &[("quarantined", "yes"), ("tier", "sandbox")],
            "needs no label quarantined (it has quarantined=yes) and another value of the label tier (it has \
             tier=sandbox) and the label reviewed on namespace payments",
        ),
    ] {
        let has = labels(has);
        let subject = Subject {
            namespace_labels: &has,
            ..SUBJECT
        };
        let refused = class(json!({"allowedNamespaces": selector})).admit_namespace(&subject);
        let refusal = refused.unwrap_err();
        assert!(refusal.message.contains(said), "{refusal}");
        for other in ["billing", "search\"", "\"x\""] {
            assert!(!refusal.message.contains(other), "{refusal}");
        }
    }
}

#[test]
fn a_missing_label_of_a_name_is_named() {
    let of = json!({
        "allowedNamespaces": {}, "nameTemplate": "${labels.project}-${name}", "allowedNames": ["**"],
    });
    let has = labels(&[("projct", "pay")]);
    let subject = Subject {
        labels: &has,
        ..SUBJECT
    };
    let refusal = class(of)
        .admit(&subject, &spec(json!({})), &own())
        .unwrap_err();
    assert_eq!(refusal.reason.as_str(), "InvalidSpec");
    assert_eq!(
        refusal.message,
        "Class prod needs the label project on this object (it has projct: did you mean project?) for its \
         nameTemplate — add it, or set spec.repositoryName"
    );
}

/// However much is wrong, it fits, the first is told in full, and what is left out is counted.
#[test]
fn what_does_not_fit_is_counted() {
    let statement = |number: u32| {
        json!({
            "Sid": format!("Statement{number}"), "Effect": "Allow", "Action": ["ecr:DescribeImages", "ecr:ListImages"],
            "Principal": {"AWS": format!("arn:aws:iam::{}:role/{}", 999_999_900_000_u64 + u64::from(number), "r".repeat(60))},
        })
    };
    let statements: Vec<Value> = (0..30).map(statement).collect();
    let asked = json!({"repositoryPolicy": {"Statement": statements}});
    let refusal = refused(json!({"allowedNamespaces": {}}), asked);
    let said = refusal.message;
    assert!(said.starts_with("Class prod (1) does not permit the actions ecr:DescribeImages, ecr:ListImages in statement"), "{said}");
    let more = |text: &str| -> usize {
        let before = text.split(" more").next().unwrap();
        before.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let (offences, would) = said
        .split_once("; or the class would have to allow: ")
        .unwrap();
    let told = offences.matches(" — ").count();
    assert_eq!(told + more(offences), 60, "{said}");
    let entries = would.matches("arn:aws:iam::").count() + would.matches("ecr:").count();
    assert_eq!(entries + more(would), 32, "{said}");
    assert!(told >= 3 && entries >= 4, "{said}");
}

impl World {
    /// The lists, with all that was wanted in them; what was absent is written along.
    fn with(&self, wanted: &[Wanted]) -> Self {
        let mut next = self.clone();
        for (rule, (words, beside)) in wanted.iter().flat_map(|it| &it.0) {
            let absent = beside.is_some();
            let (list, default): (_, Vec<String>) = match rule {
                Rule::AllowedActions => (
                    &mut next.actions,
                    pull_and_push().map(str::to_owned).collect(),
                ),
                Rule::AllowedPrincipals => (&mut next.principals, vec![own().id.to_string()]),
                Rule::AllowedServices => {
                    let services = words.iter().map(|it| AllowedService {
                        service: it.clone(),
                        any_source: None,
                    });
                    next.services.extend(services);
                    continue;
                }
                other => panic!("{other} is no list of policies"),
            };
            assert_eq!(
                absent,
                match rule {
                    Rule::AllowedActions => self.actions.is_none(),
                    _ => self.principals.is_none(),
                }
            );
            list.get_or_insert(default).extend(words.iter().cloned());
        }
        next
    }
}

/// Once a class allows what it would have to, nothing new is asked of it: what is left is the object's to mend.
#[test]
fn a_second_round_asks_for_nothing_more() {
    let (wanting, cured) = (AtomicUsize::new(0), AtomicUsize::new(0));
    runner()
        .run(&world(), |world| {
            let Some(document) = document(&world.policy) else {
                return Ok(());
            };
            let offences = world.grantable(None).offences(&document, &own().id);
            let wanted: Vec<Wanted> = offences.into_iter().map(|it| it.wanted).collect();
            if wanted.iter().all(|it| it.0.is_empty()) {
                return Ok(());
            }
            wanting.fetch_add(1, Ordering::Relaxed);
            let left = world
                .with(&wanted)
                .grantable(None)
                .offences(&document, &own().id);
            cured.fetch_add(usize::from(left.is_empty()), Ordering::Relaxed);
            let again: BTreeSet<_> = left.iter().flat_map(|it| it.wanted.0.keys()).collect();
            prop_assert!(again.is_empty(), "{left:?} in place of {wanted:?}");
            Ok(())
        })
        .unwrap();
    let (wanting, cured) = (wanting.into_inner(), cured.into_inner());
    assert!(cured >= 100, "{cured} of {wanting}");
}
