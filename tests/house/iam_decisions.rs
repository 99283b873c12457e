//! deploy/iam, tried on requests: a small reading of how IAM evaluates a policy, after "IAM JSON policy
//! elements: Condition operators" and "Variables and tags" in AWS's IAM User Guide. It does not show what
//! ECR puts into a request; that needs AWS itself.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::iam::{OF_REPOSITORIES, file, statements, strings};

const OWNER: &str = "aws:ResourceTag/ecr-operator.dev/owner";
const TAGGED_OWNER: &str = "aws:RequestTag/ecr-operator.dev/owner";
const TAGGED_CLUSTER: &str = "aws:RequestTag/ecr-operator.dev/cluster";
const SESSION_CLUSTER: &str = "aws:PrincipalTag/ecr-operator.dev/cluster";
const KEYS: &str = "aws:TagKeys";
const EXTERNAL_ID: &str = "sts:ExternalId";

/// A request's context: keys with their values.
type Context<'a> = BTreeMap<&'a str, Vec<&'a str>>;

fn context<'a>(entries: &[(&'a str, &'a str)]) -> Context<'a> {
    let mut context = Context::new();
    for (key, value) in entries {
        context.entry(key).or_default().push(value);
    }
    context
}

/// The policy of the cluster `prod`.
fn policy(name: &str) -> Value {
    serde_json::from_str(&file(name).replace("CLUSTER_NAME", "prod")).unwrap()
}

/// Whether the policy allows the action: a Deny wins, and what nobody allows is denied.
fn allows(policy: &Value, action: &str, context: &Context) -> bool {
    let holds = |effect: &str| {
        let mut of_effect = statements(policy)
            .iter()
            .filter(|it| it["Effect"] == effect);
        of_effect
            .any(|it| strings(&it["Action"]).contains(&action) && meets(&it["Condition"], context))
    };
    holds("Allow") && !holds("Deny")
}

/// All conditions together; a variable without a value makes the statement void.
fn meets(conditions: &Value, context: &Context) -> bool {
    let operators = conditions.as_object().into_iter().flatten();
    let mut tests = operators.flat_map(|(operator, keys)| {
        let keys = keys.as_object().into_iter().flatten();
        keys.map(move |(key, values)| (operator.as_str(), key.as_str(), values))
    });
    tests.all(|(operator, key, values)| {
        let values: Option<Vec<String>> = strings(values)
            .into_iter()
            .map(|it| resolved(it, context))
            .collect();
        values.is_some_and(|values| meets_one(operator, context.get(key), &values))
    })
}

fn meets_one(operator: &str, found: Option<&Vec<&str>>, values: &[String]) -> bool {
    let any = |equal: fn(&str, &str) -> bool| {
        let mut found = found.into_iter().flatten();
        found.any(|found| values.iter().any(|value| equal(value, found)))
    };
    match operator {
        "Null" => values == [found.is_none().to_string()],
        "StringEquals" => any(|value, found| value == found),
        "StringEqualsIfExists" => found.is_none() || any(|value, found| value == found),
        "StringLike" | "ForAnyValue:StringLike" => any(like),
        "StringNotLike" => !any(like),
        other => panic!("teach this test the operator {other}"),
    }
}

fn like(pattern: &str, text: &str) -> bool {
    let wild = |it: &str| it.contains(['*', '?']);
    match pattern.strip_suffix('*') {
        Some(prefix) if !wild(prefix) => text.starts_with(prefix),
        None if !wild(pattern) => text == pattern,
        _ => panic!("teach this test the pattern {pattern}"),
    }
}

/// The value with its variable replaced; `None` where the variable has no value.
fn resolved(value: &str, context: &Context) -> Option<String> {
    let Some((before, rest)) = value.split_once("${") else {
        return Some(value.to_owned());
    };
    let (variable, after) = rest.split_once('}').unwrap();
    Some(format!(
        "{before}{}{after}",
        context.get(variable)?.first()?
    ))
}

/// Action, context, and whether it is allowed to the cluster `prod`.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], bool);

const REPOSITORIES: &[Row] = &[
    ("CreateRepository", &[(TAGGED_OWNER, "prod/a/b")], true),
    ("CreateRepository", &[], false),
    ("CreateRepository", &[(TAGGED_OWNER, "dev/a/b")], false),
    ("CreateRepository", &[(TAGGED_OWNER, "prod-2/a/b")], false),
    // An adoption, and the tags of a repository that is being created.
    ("TagResource", &[(TAGGED_OWNER, "prod/a/b")], true),
    ("TagResource", &[], false),
    (
        "TagResource",
        &[(OWNER, "dev/a/b"), (TAGGED_OWNER, "prod/a/b")],
        false,
    ),
    (
        "TagResource",
        &[(OWNER, "prod-2/a/b"), (TAGGED_OWNER, "prod/a/b")],
        false,
    ),
    ("TagResource", &[(OWNER, "prod/a/b")], true),
    (
        "TagResource",
        &[(OWNER, "prod/a/b"), (TAGGED_OWNER, "prod/c/d")],
        true,
    ),
    (
        "TagResource",
        &[(OWNER, "prod/a/b"), (TAGGED_OWNER, "dev/a/b")],
        false,
    ),
    (
        "UntagResource",
        &[(OWNER, "prod/a/b"), (KEYS, "team")],
        true,
    ),
    (
        "UntagResource",
        &[(OWNER, "dev/a/b"), (KEYS, "team")],
        false,
    ),
    ("UntagResource", &[(KEYS, "team")], false),
    (
        "UntagResource",
        &[(OWNER, "prod/a/b"), (KEYS, "ecr-operator.dev/owner")],
        false,
    ),
    (
        "UntagResource",
        &[
            (OWNER, "prod/a/b"),
            (KEYS, "team"),
            (KEYS, "ecr-operator.dev/cluster-uid"),
        ],
        false,
    ),
    ("DescribeRepositories", &[], true),
    ("DescribeRepositories", &[(OWNER, "dev/a/b")], true),
    ("ListTagsForResource", &[], true),
    ("DescribeImages", &[], false),
    ("PutImage", &[(OWNER, "prod/a/b")], false),
    ("BatchDeleteImage", &[(OWNER, "prod/a/b")], false),
    ("BatchGetImage", &[(OWNER, "prod/a/b")], false),
];

/// What is allowed exactly on what the cluster owns.
const ON_OURS: [&str; 10] = [
    "DeleteLifecyclePolicy",
    "DeleteRepository",
    "DeleteRepositoryPolicy",
    "DescribeImages",
    "GetLifecyclePolicyPreview",
    "PutImageScanningConfiguration",
    "PutImageTagMutability",
    "PutLifecyclePolicy",
    "SetRepositoryPolicy",
    "StartLifecyclePolicyPreview",
];

#[test]
fn only_what_the_cluster_owns_is_written() {
    for name in OF_REPOSITORIES {
        let policy = policy(name);
        let allows = |action: &str, entries: &[(&str, &str)]| {
            let mut context = context(entries);
            context.insert(SESSION_CLUSTER, vec!["prod"]);
            allows(&policy, &format!("ecr:{action}"), &context)
        };
        for (action, entries, allowed) in REPOSITORIES {
            assert_eq!(
                allows(action, entries),
                *allowed,
                "{name}: {action} {entries:?}"
            );
        }
        for action in ON_OURS {
            assert!(allows(action, &[(OWNER, "prod/a/b")]), "{name}: {action}");
            for other in ["dev/a/b", "prod-2/a/b", "prod", "", "x/prod/a"] {
                assert!(
                    !allows(action, &[(OWNER, other)]),
                    "{name}: {action} of {other:?}"
                );
            }
            // A tag in the request is no owner.
            assert!(
                !allows(action, &[(TAGGED_OWNER, "prod/a/b")]),
                "{name}: {action} of nobody's"
            );
        }
    }
}

#[test]
fn a_session_without_its_tag_writes_nothing() {
    let policy = policy(OF_REPOSITORIES[1]);
    for (action, entries, _) in REPOSITORIES {
        let context = context(entries);
        let read = ["DescribeRepositories", "ListTagsForResource"].contains(action);
        assert_eq!(
            allows(&policy, &format!("ecr:{action}"), &context),
            read,
            "{action} {entries:?}"
        );
    }
}

/// File, action of STS, context, and whether it is allowed.
type Trust<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], bool);

const TRUST: &[Trust] = &[
    ("hub-policy.json", "AssumeRole", &[], true),
    ("hub-policy.json", "TagSession", &[], true),
    (
        "hub-policy.json",
        "TagSession",
        &[(TAGGED_CLUSTER, "prod")],
        true,
    ),
    (
        "hub-policy.json",
        "TagSession",
        &[(TAGGED_CLUSTER, "dev")],
        false,
    ),
    ("trust-member.json", "AssumeRole", &[], false),
    (
        "trust-member.json",
        "AssumeRole",
        &[(EXTERNAL_ID, "another")],
        false,
    ),
    (
        "trust-member.json",
        "AssumeRole",
        &[(EXTERNAL_ID, "EXTERNAL_ID")],
        true,
    ),
    // EKS Pod Identity's own tags come along.
    (
        "trust-member.json",
        "TagSession",
        &[("aws:RequestTag/kubernetes-namespace", "a")],
        true,
    ),
    (
        "trust-member.json",
        "TagSession",
        &[(TAGGED_CLUSTER, "prod")],
        true,
    ),
    (
        "trust-member.json",
        "TagSession",
        &[(TAGGED_CLUSTER, "dev")],
        false,
    ),
    (
        "trust-member-session-tags.json",
        "AssumeRole",
        &[(EXTERNAL_ID, "EXTERNAL_ID")],
        false,
    ),
    (
        "trust-member-session-tags.json",
        "AssumeRole",
        &[(TAGGED_CLUSTER, "prod")],
        false,
    ),
    (
        "trust-member-session-tags.json",
        "AssumeRole",
        &[(EXTERNAL_ID, "EXTERNAL_ID"), (TAGGED_CLUSTER, "dev")],
        false,
    ),
    (
        "trust-member-session-tags.json",
        "AssumeRole",
        &[(EXTERNAL_ID, "EXTERNAL_ID"), (TAGGED_CLUSTER, "prod")],
        true,
    ),
    ("trust-member-session-tags.json", "TagSession", &[], false),
    (
        "trust-member-session-tags.json",
        "TagSession",
        &[(TAGGED_CLUSTER, "prod")],
        true,
    ),
    (
        "trust-irsa.json",
        "AssumeRoleWithWebIdentity",
        &[("OIDC_PROVIDER:aud", "sts.amazonaws.com")],
        false,
    ),
    (
        "trust-irsa.json",
        "AssumeRoleWithWebIdentity",
        &[
            ("OIDC_PROVIDER:aud", "sts.amazonaws.com"),
            (
                "OIDC_PROVIDER:sub",
                "system:serviceaccount:ecr-operator-system:another",
            ),
        ],
        false,
    ),
    (
        "trust-irsa.json",
        "AssumeRoleWithWebIdentity",
        &[
            ("OIDC_PROVIDER:aud", "sts.amazonaws.com"),
            (
                "OIDC_PROVIDER:sub",
                "system:serviceaccount:ecr-operator-system:ecr-operator",
            ),
        ],
        true,
    ),
    ("trust-pod-identity.json", "AssumeRole", &[], false),
    (
        "trust-pod-identity.json",
        "AssumeRole",
        &[
            ("aws:RequestTag/eks-cluster-arn", "EKS_CLUSTER_ARN"),
            ("aws:RequestTag/kubernetes-namespace", "another"),
            ("aws:RequestTag/kubernetes-service-account", "ecr-operator"),
        ],
        false,
    ),
    (
        "trust-pod-identity.json",
        "TagSession",
        &[
            ("aws:RequestTag/eks-cluster-arn", "EKS_CLUSTER_ARN"),
            ("aws:RequestTag/kubernetes-namespace", "ecr-operator-system"),
            ("aws:RequestTag/kubernetes-service-account", "ecr-operator"),
        ],
        true,
    ),
];

#[test]
fn roles_are_assumed_by_the_operator_alone() {
    for (name, action, entries, allowed) in TRUST {
        let found = allows(&policy(name), &format!("sts:{action}"), &context(entries));
        assert_eq!(found, *allowed, "{name}: {action} {entries:?}");
    }
}
