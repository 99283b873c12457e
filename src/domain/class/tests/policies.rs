//! Whatever the check lets through grants nothing to anybody, and no action, beyond the lists.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use super::super::{AllowedActions, AllowedPrincipals, Grantable};
use super::evaluator::{Caller, allows, wild};
use super::own;
use crate::api::AllowedService;
use crate::domain::policy::{Document, pull_and_push, with_access};
use crate::domain::setting::Setting;

pub(super) const OWN: &str = "123456789012";
pub(super) const PARTNER: &str = "333333333333";
pub(super) const STRANGER: &str = "999999999999";

macro_rules! aws {
    ($account:expr, $organization:expr, $identity:expr, $id:expr) => {
        Caller::Aws {
            account: $account,
            organization: $organization,
            identity: $identity,
            unique_id: $id,
            canonical: "79a59df900b949e55d96a1e698fbaced",
        }
    };
}

macro_rules! service {
    ($name:expr, $account:expr, $organization:expr, $source:expr) => {
        Caller::Service {
            name: $name,
            account: $account,
            organization: $organization,
            source: $source,
        }
    };
}

/// Everybody who might call.
pub(super) const CALLERS: &[Caller] = &[
    Caller::Anonymous,
    aws!(
        OWN,
        Some("o-a1b2c3d4e5"),
        "arn:aws:iam::123456789012:root",
        "123456789012root"
    ),
    aws!(
        OWN,
        None,
        "arn:aws:iam::123456789012:role/ci",
        "AROAOWNCIROLEOWNCI"
    ),
    aws!(
        OWN,
        Some("o-a1b2c3d4e5"),
        "arn:aws:iam::123456789012:user/alice",
        "AIDAALICEALICEALICE"
    ),
    aws!(
        PARTNER,
        Some("o-a1b2c3d4e5"),
        "arn:aws:iam::333333333333:role/ci",
        "AROAPARTNERPARTNER"
    ),
    aws!(
        PARTNER,
        Some("o-bbbbbbbbbb"),
        "arn:aws:iam::333333333333:root",
        "333333333333root"
    ),
    aws!(
        PARTNER,
        None,
        "arn:aws:iam::333333333333:role/path/deploy",
        "AROADEPLOYDEPLOYDE"
    ),
    aws!(
        STRANGER,
        Some("o-ffffffffff"),
        "arn:aws:iam::999999999999:user/eve",
        "AIDAEVEEVEEVEEVEEVE"
    ),
    aws!(
        STRANGER,
        Some("o-a1b2c3d4e5"),
        "arn:aws:iam::999999999999:role/ci",
        "AROASTRANGERSTRANG"
    ),
    aws!(
        STRANGER,
        None,
        "arn:aws:iam::999999999999:root",
        "999999999999root"
    ),
    service!(
        "codebuild.amazonaws.com",
        OWN,
        None,
        "arn:aws:codebuild:ap-southeast-1:123456789012:project/images"
    ),
    service!(
        "codebuild.amazonaws.com",
        PARTNER,
        Some("o-a1b2c3d4e5"),
        "arn:aws:codebuild:eu-west-1:333333333333:project/images"
    ),
    // A resource may have colons in its name.
    service!(
        "codebuild.amazonaws.com",
        STRANGER,
        Some("o-ffffffffff"),
        "arn:aws:codebuild:eu-west-1:999999999999:project/x:123456789012:project/y"
    ),
    service!(
        "lambda.amazonaws.com",
        STRANGER,
        None,
        "arn:aws:lambda:eu-west-1:999999999999:function:f"
    ),
    service!(
        "lambda.amazonaws.com",
        OWN,
        None,
        "arn:aws:lambda:eu-west-1:123456789012:function:f"
    ),
    Caller::Federated("cognito-identity.amazonaws.com"),
    Caller::Federated("accounts.google.com"),
    Caller::Federated("arn:aws:iam::123456789012:saml-provider/corp"),
];

/// What may be listed.
const LISTABLE: &[&str] = &[
    OWN,
    PARTNER,
    "arn:aws:iam::123456789012:root",
    "arn:aws:iam::333333333333:role/ci",
    "arn:aws:iam::333333333333:role/path/deploy",
    "arn:aws:iam::123456789012:user/alice",
    "arn:aws:iam::123456789012:saml-provider/corp",
    "o-a1b2c3d4e5",
    "o-bbbbbbbbbb",
    "codebuild.amazonaws.com",
    "cognito-identity.amazonaws.com",
    "accounts.google.com",
];

const OPERATIONS: &[&str] = &[
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchDeleteImage",
    "ecr:BatchGetImage",
    "ecr:BatchGetRepositoryScanningConfiguration",
    "ecr:CompleteLayerUpload",
    "ecr:CreateRepository",
    "ecr:DeleteRepository",
    "ecr:DeleteRepositoryPolicy",
    "ecr:DescribeImages",
    "ecr:GetDownloadUrlForLayer",
    "ecr:GetLifecyclePolicy",
    "ecr:GetRepositoryPolicy",
    "ecr:InitiateLayerUpload",
    "ecr:ListImages",
    "ecr:PutImage",
    "ecr:PutImageTagMutability",
    "ecr:PutLifecyclePolicy",
    "ecr:ReplicateImage",
    "ecr:SetRepositoryPolicy",
    "ecr:StartImageScan",
    "ecr:TagResource",
    "ecr:UploadLayerPart",
    "ecr:UpdateImageStorageClass",
];

/// Whether the lists, by their documented meaning, have room for this call.
fn listed(principals: Option<&[String]>, services: &[AllowedService], caller: Caller) -> bool {
    let own = [OWN.to_owned()];
    let list = principals.unwrap_or(&own);
    let has = |text: &str| list.iter().any(|it| it == text);
    match caller {
        Caller::Anonymous => false,
        Caller::Federated(name) => has(name),
        Caller::Service {
            name,
            account,
            organization,
            ..
        } => {
            let mut entries = services.iter().filter(|it| it.service == name);
            let any_source = entries.clone().any(|it| it.any_source == Some(true));
            let permitted = has(name) || entries.any(|it| it.any_source != Some(true));
            let acts_for = account == OWN
                || has(account)
                || has(&format!("arn:aws:iam::{account}:root"))
                || organization.is_some_and(has);
            any_source || (permitted && acts_for)
        }
        Caller::Aws {
            account,
            organization,
            identity,
            ..
        } => {
            has(account)
                || has(&format!("arn:aws:iam::{account}:root"))
                || organization.is_some_and(has)
                || has(identity)
        }
    }
}

fn permitted(actions: Option<&[String]>, action: &str) -> bool {
    let action = action.to_lowercase();
    match actions {
        None => pull_and_push().any(|it| it.to_lowercase() == action),
        Some(list) => list.iter().any(|it| wild(&it.to_lowercase(), &action)),
    }
}

pub(super) fn one_or_list(of: impl Strategy<Value = &'static str>) -> impl Strategy<Value = Value> {
    (vec(of, 1..3), any::<bool>()).prop_map(|(words, list)| match words.as_slice() {
        [only] if !list => json!(only),
        _ => json!(words),
    })
}

pub(super) fn principal() -> impl Strategy<Value = Value> {
    let aws = select(vec![
        OWN,
        PARTNER,
        STRANGER,
        "*",
        "arn:aws:iam::123456789012:role/ci",
        "arn:aws:iam::123456789012:root",
        "arn:aws-cn:iam::333333333333:root",
        "arn:aws:iam::333333333333:role/ci",
        "arn:aws:iam::999999999999:user/eve",
        "AIDAEVEEVEEVEEVEEVE",
        "AROAPARTNERPARTNER",
        "arn:aws:iam::999999999999:root",
        "o-a1b2c3d4e5",
    ]);
    let likely = select(vec![OWN, PARTNER, "arn:aws:iam::123456789012:role/ci"]);
    let hosts = select(vec![
        "codebuild.amazonaws.com",
        "lambda.amazonaws.com",
        "cognito-identity.amazonaws.com",
        "accounts.google.com",
        "arn:aws:iam::123456789012:saml-provider/corp",
        "codebuild.amazonaws.com",
        "*",
    ]);
    let kind = select(vec!["Service", "Federated", "CanonicalUser"]);
    let canonical = Just("79a59df900b949e55d96a1e698fbaced");
    prop_oneof![
        4 => Just(json!("*")),
        7 => one_or_list(likely).prop_map(|it| json!({"AWS": it})),
        4 => one_or_list(aws.clone()).prop_map(|it| json!({"AWS": it})),
        3 => (kind, one_or_list(prop_oneof![5 => hosts.clone(), 1 => canonical])).prop_map(|(kind, it)| json!({kind: it})),
        2 => (one_or_list(aws), one_or_list(hosts)).prop_map(|(aws, service)| json!({"AWS": aws, "Service": service})),
    ]
}

pub(super) fn action() -> impl Strategy<Value = Value> {
    let odd = select(vec![
        "*",
        "ecr:*",
        "ECR:*",
        "ecr:Batch*",
        "ecr:BatchGet*",
        "ecr:Get*",
        "ecr:Put*",
        "ecr:*Layer*",
        "ecr:*LayerUpload",
        "ecr:?utImage",
        "ecr:*Image",
        "ecr:GetDownload*",
        "e*:*",
        "*:*",
        "s3:GetObject",
        "ecr:batchgetimage",
    ]);
    let plain = select(OPERATIONS.to_vec());
    let pull = select(pull_and_push().collect::<Vec<_>>());
    one_or_list(prop_oneof![8 => pull, 2 => plain, 2 => odd])
}

pub(super) fn conditions() -> impl Strategy<Value = Value> {
    let operator = prop_oneof![
        6 => Just("StringEquals"),
        4 => select(vec![
            "stringequals", "StringEqualsIfExists", "ForAllValues:StringEquals", "ForAnyValue:StringEquals", "StringLike",
            "StringNotEquals", "StringEqualsIgnoreCase", "ArnLike", "ArnEquals", "Null", "Bool", "IpAddress",
        ]),
    ];
    let key = prop_oneof![
        6 => select(vec!["aws:PrincipalOrgID", "aws:PrincipalAccount", "aws:PrincipalArn", "AWS:principalorgid"]),
        4 => select(vec!["aws:SourceAccount", "aws:SourceArn", "aws:sourcearn", "aws:SourceOrgID"]),
        1 => select(vec!["aws:SourceAccount", "aws:SourceIp", "aws:PrincipalTag/team", "aws:ResourceOrgID", "aws:PrincipalOrgPaths"]),
    ];
    let likely = select(vec![
        "o-a1b2c3d4e5",
        OWN,
        "arn:aws:iam::333333333333:role/ci",
    ]);
    let value = prop_oneof![
        5 => likely,
        3 => select(vec![
            PARTNER, STRANGER, "o-bbbbbbbbbb", "o-ffffffffff", "o-*", "*", "", "true", "false", "${aws:PrincipalOrgID}",
            "arn:aws:codebuild:*:123456789012:project/*", "arn:aws:codebuild:eu-west-1:123456789012:*",
            "arn:aws:codebuild:eu-west-1:999999999999:*", "arn:aws:codebuild:eu-west-1:*:project/*", "arn:*",
            "arn:aws:iam::123456789012:role/ci", "arn:aws:iam::*:role/ci", "arn:aws:iam::999999999999:role/ci", "O-A1B2C3D4E5",
        ]),
    ];
    let block = (operator, key, one_or_list(value))
        .prop_map(|(operator, key, values)| (operator, json!({key: values})));
    vec(block, 0..3).prop_map(|blocks| {
        let mut conditions = Map::new();
        for (operator, keys) in blocks {
            conditions.insert(operator.to_owned(), keys);
        }
        Value::Object(conditions)
    })
}

prop_compose! {
    fn statement()(
        effect in prop_oneof![6 => Just("Allow"), 1 => Just("Deny")],
        (turned_principal, turned_action) in (0..12, 0..12),
        principal in principal(),
        action in action(),
        condition in conditions(),
    ) -> Value {
        let mut statement = json!({"Effect": effect});
        statement[if turned_principal == 0 { "NotPrincipal" } else { "Principal" }] = principal;
        statement[if turned_action == 0 { "NotAction" } else { "Action" }] = action;
        if condition.as_object().is_some_and(|it| !it.is_empty()) {
            statement["Condition"] = condition;
        }
        statement
    }
}

prop_compose! {
    /// Something for services, on behalf of this one or that.
    fn for_services()(
        services in one_or_list(select(vec!["codebuild.amazonaws.com", "lambda.amazonaws.com"])),
        action in select(pull_and_push().collect::<Vec<_>>()),
        operator in select(vec![
            "StringEquals", "StringEquals", "StringLike", "ArnLike", "ArnEquals", "StringEqualsIfExists", "ForAllValues:StringEquals", "StringNotEquals",
        ]),
        (key, values) in prop_oneof![
            ("aws:Source(Account|OrgID)", one_or_list(select(vec![OWN, PARTNER, STRANGER, "o-a1b2c3d4e5", "o-ffffffffff", "*"]))),
            (Just("aws:SourceArn".to_owned()), one_or_list(select(vec![
                "arn:aws:codebuild:*:123456789012:project/*", "arn:aws:codebuild:ap-southeast-1:123456789012:project/images",
                "arn:aws:codebuild:eu-west-1:999999999999:project/x*", "arn:aws:*:eu-west-1:333333333333:*", "arn:*", "arn:aws:codebuild:*:*:*",
            ]))),
        ],
    ) -> Value {
        json!({"Effect": "Allow", "Principal": {"Service": services}, "Action": action, "Condition": {operator: {key: values}}})
    }
}

prop_compose! {
    pub(super) fn world()(
        statements in prop_oneof![3 => vec(statement(), 1), 1 => vec(statement(), 2), 1 => vec(for_services(), 1)],
        principals in option::weighted(0.8, subsequence(LISTABLE.to_vec(), 0..=LISTABLE.len())),
        services in subsequence(vec![("codebuild.amazonaws.com", false), ("codebuild.amazonaws.com", true), ("lambda.amazonaws.com", true)], 0..=2),
        actions in option::weighted(0.4, subsequence(vec!["ecr:*", "ecr:Batch*", "ecr:get*", "ecr:PutImage", "ecr:*LayerUpload", "ecr:BatchGetImage"], 0..=4)),
    ) -> World {
        let texts = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
        World {
            policy: json!({"Version": "2012-10-17", "Statement": statements}),
            principals: principals.map(texts),
            services: services.into_iter().map(|(name, any)| service(name, any)).collect(),
            actions: actions.map(texts),
        }
    }
}

/// A policy, and the lists of a class.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) policy: Value,
    pub(super) principals: Option<Vec<String>>,
    pub(super) services: Vec<AllowedService>,
    pub(super) actions: Option<Vec<String>>,
}

fn service(name: &str, any_source: bool) -> AllowedService {
    AllowedService {
        service: name.to_owned(),
        any_source: any_source.then_some(true),
    }
}

pub(super) fn document(policy: &Value) -> Option<Document> {
    match with_access(policy.as_object(), None, &own().id) {
        Ok(Setting::Present(document)) => Some(document),
        Ok(Setting::Absent | Setting::Unmanaged) | Err(_) => None,
    }
}

impl World {
    pub(super) fn grantable(&self, role: Option<&str>) -> Grantable {
        let principals = AllowedPrincipals::parse(self.principals.as_deref(), Some(&self.services));
        Grantable::new(
            principals,
            AllowedActions::parse(self.actions.as_deref()),
            role,
        )
    }

    fn has_room_for(&self, caller: Caller, action: &str) -> bool {
        listed(self.principals.as_deref(), &self.services, caller)
            && permitted(self.actions.as_deref(), action)
    }

    /// What the check lets through, and is allowed all the same beyond the lists.
    fn beyond(&self) -> Option<Vec<(Caller, &'static str)>> {
        let document = document(&self.policy)?;
        let offences = self.grantable(None).offences(&document, &own().id);
        offences.is_empty().then_some(())?;
        let calls = CALLERS
            .iter()
            .flat_map(|caller| OPERATIONS.iter().map(|action| (*caller, *action)));
        Some(
            calls
                .filter(|(caller, action)| allows(&self.policy, *caller, action))
                .filter(|(caller, action)| !self.has_room_for(*caller, action))
                .collect(),
        )
    }
}

pub(super) fn runner() -> TestRunner {
    TestRunner::new(Config {
        cases: 3000,
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn what_is_let_through_grants_nothing_beyond_the_lists() {
    let (passed, granting) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let to_services = AtomicUsize::new(0);
    runner()
        .run(&world(), |world| {
            if let Some(beyond) = world.beyond() {
                passed.fetch_add(1, Ordering::Relaxed);
                let granted = |it: &&Caller| {
                    let mut actions = OPERATIONS.iter();
                    actions.any(|action| allows(&world.policy, **it, action))
                };
                let some: Vec<&Caller> = CALLERS.iter().filter(granted).collect();
                let service = |it: &&Caller| matches!(it, Caller::Service { .. });
                granting.fetch_add(usize::from(!some.is_empty()), Ordering::Relaxed);
                to_services.fetch_add(usize::from(some.iter().any(service)), Ordering::Relaxed);
                prop_assert!(beyond.is_empty(), "{beyond:?}");
            }
            Ok(())
        })
        .unwrap();
    // A check that lets nothing through would be right about everything.
    let (passed, granting) = (passed.into_inner(), granting.into_inner());
    assert!(
        granting >= 60,
        "{granting} of {passed} policies granted anything"
    );
    let to_services = to_services.into_inner();
    assert!(to_services >= 20, "{to_services} granted services anything");
}

/// What each part of the check is for: policies that a check without it would let through.
#[test]
fn the_evaluator_sees_what_is_refused() {
    let open = |principal: Value, condition: Value| json!({"Statement": [{"Effect": "Allow", "Principal": principal, "Action": "ecr:BatchGetImage", "Condition": condition}]});
    let by_service =
        |condition: Value| open(json!({"Service": "codebuild.amazonaws.com"}), condition);
    let list = [OWN, "o-a1b2c3d4e5", "codebuild.amazonaws.com"];
    let world = |policy: &Value| World {
        policy: policy.clone(),
        principals: Some(list.iter().map(|it| (*it).to_owned()).collect()),
        services: Vec::new(),
        actions: None,
    };
    for policy in [
        open(
            json!("*"),
            json!({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
        ),
        open(
            json!("*"),
            json!({"ForAllValues:StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
        ),
        open(
            json!("*"),
            json!({"StringLike": {"aws:PrincipalOrgID": "o-*"}}),
        ),
        open(
            json!("*"),
            json!({"StringEquals": {"aws:PrincipalOrgID": ["o-a1b2c3d4e5", "o-ffffffffff"]}}),
        ),
        open(
            json!("*"),
            json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
        ),
        open(json!({"AWS": STRANGER}), json!({})),
        open(json!({"Service": "*"}), json!({})),
        open(
            json!({"CanonicalUser": "79a59df900b949e55d96a1e698fbaced"}),
            json!({}),
        ),
        by_service(json!({})),
        by_service(json!({"StringEquals": {"aws:SourceAccount": STRANGER}})),
        by_service(json!({"StringEquals": {"aws:SourceAccount": [OWN, STRANGER]}})),
        by_service(json!({"StringEqualsIfExists": {"aws:PrincipalAccount": OWN}})),
        by_service(
            json!({"StringLike": {"aws:SourceArn": "arn:aws:codebuild:*:123456789012:project/*"}}),
        ),
        by_service(json!({"ArnLike": {"aws:SourceArn": "arn:aws:codebuild:*:*:project/*"}})),
        by_service(json!({"StringEquals": {"aws:SourceOrgID": "o-ffffffffff"}})),
        json!({"Statement": {"Effect": "Allow", "NotPrincipal": {"AWS": OWN}, "Action": "ecr:BatchGetImage"}}),
        json!({"Statement": {"Effect": "Allow", "Principal": {"AWS": OWN}, "NotAction": "ecr:PutImage"}}),
        json!({"Statement": {"Effect": "Allow", "Principal": {"AWS": OWN}, "Action": "ecr:B*"}}),
    ] {
        let world = world(&policy);
        assert_eq!(world.beyond(), None, "{policy}");
        let reaches = CALLERS.iter().any(|it| {
            OPERATIONS
                .iter()
                .any(|action| allows(&policy, *it, action) && !world.has_room_for(*it, action))
        });
        assert!(reaches, "{policy}");
    }
}
