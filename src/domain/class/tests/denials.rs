//! Whatever the check lets through takes nothing from the operator.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::super::{AllowedActions, AllowedPrincipals, Grantable};
use super::evaluator::{Caller, denies};
use super::own;
use super::policies::{
    CALLERS, OWN, PARTNER, STRANGER, World, action, conditions, document, one_or_list, principal,
    runner,
};
use crate::domain::operations::USED;

/// The operator's role, where it is known, and another of its name in a path.
const ROLE: &str = "arn:aws:iam::123456789012:role/platform/ecr-operator";
const OPERATOR: Caller = Caller::Aws {
    account: OWN,
    organization: Some("o-a1b2c3d4e5"),
    identity: ROLE,
    unique_id: "AROAOPERATOROPERATOR",
    canonical: "79a59df900b949e55d96a1e698fbaced",
};

prop_compose! {
    /// Statements that deny, some of them what the operator does.
    fn denying()(
        turned_principal in 0..8,
        turned_action in 0..8,
        principal in prop_oneof![
            4 => principal(),
            4 => one_or_list(select(vec![
                ROLE, "arn:aws:iam::123456789012:role/ci", "arn:aws:iam::333333333333:role/ci", PARTNER, STRANGER,
                "AROAOPERATOROPERATOR", "arn:aws:iam::999999999999:role/ecr-operator",
            ])).prop_map(|it| json!({"AWS": it})),
        ],
        action in prop_oneof![
            3 => action(),
            2 => one_or_list(select(vec![
                "ecr:BatchDeleteImage", "ecr:BatchGetImage", "ecr:PutImage", "ecr:*LayerUpload", "ecr:Describe*", "ecr:DescribeImageScanFindings",
                "ecr:ListTagsFor*", "ecr:ListImages", "ecr:SetRepository????cy", "ecr:Untag*",
            ])),
        ],
        condition in conditions(),
    ) -> Value {
        let mut statement = json!({"Effect": "Deny", "Condition": condition});
        statement[if turned_principal == 0 { "NotPrincipal" } else { "Principal" }] = principal;
        statement[if turned_action == 0 { "NotAction" } else { "Action" }] = action;
        if statement["Condition"].as_object().is_some_and(Map::is_empty) {
            statement.as_object_mut().unwrap().remove("Condition");
        }
        json!({"Version": "2012-10-17", "Statement": [statement]})
    }
}

/// What a class with lists lets through, and what is not warned of elsewhere, takes nothing from the
/// operator, whatever the circumstances.
#[test]
fn what_is_let_through_leaves_the_operator_its_rights() {
    let (passed, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    runner()
        .run(&(denying(), any::<bool>()), |(policy, known)| {
            let Some(document) = document(&policy) else {
                return Ok(());
            };
            let role = known.then_some(ROLE);
            let lists = |principals: Option<Vec<String>>| World {
                policy: policy.clone(),
                principals,
                services: Vec::new(),
                actions: None,
            };
            let checked = lists(None).grantable(role).offences(&document, &own().id);
            let open = lists(Some(vec!["*".to_owned()])).grantable(role);
            prop_assert_eq!(open.offences(&document, &own().id), []);
            prop_assert_eq!(
                open.warning(&document, &own().id).is_none(),
                checked.is_empty()
            );
            if !checked.is_empty() {
                refused.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            passed.fetch_add(1, Ordering::Relaxed);
            let own_ones = CALLERS
                .iter()
                .filter(|it| matches!(it, Caller::Aws { account, .. } if *account == OWN));
            let others: Vec<Caller> = own_ones.copied().filter(|_| !known).collect();
            for caller in others.into_iter().chain([OPERATOR]) {
                for operation in USED {
                    let action = format!("ecr:{operation}");
                    prop_assert!(!denies(&policy, caller, &action), "{action} to {caller:?}");
                }
            }
            Ok(())
        })
        .unwrap();
    let (passed, refused) = (passed.into_inner(), refused.into_inner());
    assert!(
        passed >= 200 && refused >= 200,
        "{passed} passed, {refused} did not"
    );
}

/// Denials that a class with lists takes, and those that it does not.
#[test]
fn a_denial_may_not_meet_the_operator() {
    let deny = |principal: Value, action: &str| json!({"Statement": {"Effect": "Deny", "Principal": principal, "Action": action}});
    let aws = |arn: &str| json!({"AWS": arn});
    let by_date = json!({"Statement": {"Effect": "Deny", "Principal": "*", "Action": "ecr:*", "Condition": {"DateGreaterThan": {"aws:CurrentTime": "2036-01-01T00:00:00Z"}}}});
    let all_but = |of: &str, key: &str, value: Value| {
        let mut policy = deny(json!("*"), of);
        let statement = policy["Statement"].as_object_mut().unwrap();
        statement.remove(key.strip_prefix("Not").unwrap());
        statement.insert(key.to_owned(), value);
        policy
    };
    let session = "arn:aws:sts::123456789012:assumed-role/ecr-operator/session";
    for (policy, by_known, by_unknown) in [
        (deny(json!("*"), "ecr:BatchDeleteImage"), true, true),
        (deny(json!("*"), "ecr:PutImage"), true, true),
        (deny(json!("*"), "ecr:Batch*"), true, true),
        (deny(json!("*"), "ecr:*"), false, false),
        (deny(json!("*"), "ecr:DescribeRepositories"), false, false),
        (deny(json!("*"), "ECR:listtagsforresource"), false, false),
        (deny(json!("*"), "ecr:Put*"), false, false),
        (deny(json!("*"), "*"), false, false),
        (deny(aws(OWN), "ecr:TagResource"), false, false),
        (
            deny(aws("arn:aws:iam::123456789012:root"), "ecr:TagResource"),
            false,
            false,
        ),
        (deny(aws(ROLE), "ecr:DeleteRepository"), false, false),
        (deny(aws(session), "ecr:DeleteRepository"), false, false),
        (
            deny(aws("AROAOPERATOROPERATOR"), "ecr:DeleteRepository"),
            false,
            false,
        ),
        // Which role the operator has of its own is not known.
        (
            deny(
                aws("arn:aws:iam::123456789012:role/ci"),
                "ecr:DeleteRepository",
            ),
            true,
            false,
        ),
        (
            deny(json!({"Federated": "accounts.google.com"}), "ecr:*"),
            true,
            false,
        ),
        (deny(aws(STRANGER), "ecr:*"), true, true),
        (
            deny(aws("arn:aws:iam::999999999999:role/ecr-operator"), "ecr:*"),
            true,
            true,
        ),
        (
            deny(json!({"Service": "codebuild.amazonaws.com"}), "ecr:*"),
            true,
            true,
        ),
        (by_date, false, false),
        (all_but("ecr:*", "NotPrincipal", aws(ROLE)), false, false),
        (
            all_but("ecr:BatchDeleteImage", "NotPrincipal", aws(OWN)),
            true,
            true,
        ),
        (
            all_but("", "NotAction", json!("ecr:PutImage")),
            false,
            false,
        ),
        (all_but("", "NotAction", json!("ecr:*")), true, true),
    ] {
        let document = document(&policy).unwrap();
        for (role, passes) in [(Some(ROLE), by_known), (None, by_unknown)] {
            let principals = AllowedPrincipals::parse(None, None);
            let grantable = Grantable::new(principals, AllowedActions::parse(None), role);
            let checked = grantable.offences(&document, &own().id);
            assert_eq!(checked.is_empty(), passes, "{policy} {role:?}: {checked:?}");
            assert_eq!(grantable.warning(&document, &own().id).is_none(), passes);
        }
    }
}
