//! deploy/iam, tried on requests: a small reading of how IAM evaluates a policy, after "IAM JSON policy
//! elements: Condition operators", "Variables and tags" and "Policy evaluation logic" in AWS's IAM User Guide. It does not show what
//! ECR puts into a request; that needs AWS itself.

use std::collections::BTreeMap;

use serde_json::{Value, json};

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
        of_effect.any(|it| names(it, action) && meets(&it["Condition"], context))
    };
    holds("Allow") && !holds("Deny")
}

/// Whether a statement is about the action.
fn names(statement: &Value, action: &str) -> bool {
    strings(&statement["Action"])
        .iter()
        .any(|it| like(it, action))
}

/// Whether a statement of this effect meets a request.
fn has(policy: &Value, effect: &str, action: &str, context: &Context) -> bool {
    let mut all = statements(policy)
        .iter()
        .filter(|it| it["Effect"] == effect);
    all.any(|it| names(it, action) && meets(&it["Condition"], context))
}

/// As IAM decides about a principal and a resource of one account ("Policy evaluation logic"): a Deny of any policy
/// wins; else it is enough that one of the two grants it.
fn decides(
    identity: &Value,
    resource: &Value,
    rcp: &Value,
    action: &str,
    context: &Context,
) -> bool {
    let all = [identity, resource, rcp];
    let denied = all.iter().any(|it| has(it, "Deny", action, context));
    let granted = [identity, resource];
    !denied && granted.iter().any(|it| has(it, "Allow", action, context))
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
        "StringEquals" | "Bool" => any(|value, found| value == found),
        "StringEqualsIfExists" | "BoolIfExists" => {
            found.is_none() || any(|value, found| value == found)
        }
        "StringNotEqualsIfExists" => found.is_none() || !any(|value, found| value == found),
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

/// What moves images, and logging in to do so.
const OF_IMAGES: [&str; 12] = [
    "BatchCheckLayerAvailability",
    "BatchDeleteImage",
    "BatchGetImage",
    "BatchImportUpstreamImage",
    "CompleteLayerUpload",
    "GetAuthorizationToken",
    "GetDownloadUrlForLayer",
    "InitiateLayerUpload",
    "PutImage",
    "ReplicateImage",
    "UpdateImageStorageClass",
    "UploadLayerPart",
];

/// A policy of a repository, of its owner's making.
fn grant(principal: &str) -> Value {
    json!({"Statement": [{
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": "ecr:*",
    }]})
}

#[test]
fn what_a_stolen_role_grants_itself_is_denied_to_it() {
    let nothing = json!({});
    let granted = grant("arn:aws:iam::111122223333:role/ecr-operator");
    for name in OF_REPOSITORIES {
        let policy = policy(name);
        let mut context = context(&[(OWNER, "prod/a/b")]);
        context.insert(SESSION_CLUSTER, vec!["prod"]);
        let decides = |action: &str| {
            let action = format!("ecr:{action}");
            decides(&policy, &granted, &nothing, &action, &context)
        };
        for action in OF_IMAGES {
            assert!(!decides(action), "{name}: {action}");
        }
        // Nothing else became less, and the grant is one where nothing denies it.
        for action in ON_OURS {
            assert!(decides(action), "{name}: {action}");
        }
        assert!(decides("GetRegistryScanningConfiguration"), "{name}");
    }
}

#[test]
fn a_role_writes_below_its_prefix_alone() {
    for name in OF_REPOSITORIES {
        let text = file(name).replace("NAME_PREFIX", "prod/");
        let policy: Value = serde_json::from_str(&text).unwrap();
        let on = |resource: &str, action: &str| {
            let arn = format!("arn:aws:ecr:REGION:ACCOUNT_ID:repository/{resource}");
            let mut allowing = statements(&policy)
                .iter()
                .filter(|it| it["Effect"] == "Allow");
            allowing.any(|it| {
                let resources = strings(&it["Resource"]);
                names(it, action) && resources.iter().any(|it| like(it, &arn))
            })
        };
        for action in [
            "ecr:CreateRepository",
            "ecr:TagResource",
            "ecr:SetRepositoryPolicy",
        ] {
            assert!(on("prod/team/api", action), "{name}: {action}");
            for other in ["dev/team/api", "prod", "production/api"] {
                assert!(!on(other, action), "{name}: {action} of {other}");
            }
        }
        // Whose a repository is has to be read first, of any name.
        assert!(on("dev/team/api", "ecr:ListTagsForResource"), "{name}");
    }
}

#[test]
fn images_stay_within_the_organisation_whatever_a_policy_grants() {
    let rcp: Value = serde_json::from_str(&file("rcp-organisation.json")).unwrap();
    let (nothing, granted) = (json!({}), grant("*"));
    let pulled = |entries: &[(&str, &str)]| {
        let context = context(entries);
        decides(&nothing, &granted, &rcp, "ecr:BatchGetImage", &context)
    };
    let (organisation, service) = ("aws:PrincipalOrgID", "aws:PrincipalIsAWSService");
    assert!(pulled(&[
        (organisation, "ORGANISATION_ID"),
        (service, "false")
    ]));
    assert!(!pulled(&[(organisation, "o-another"), (service, "false")]));
    // An account of no organisation, and nobody at all.
    assert!(!pulled(&[(service, "false")]));
    assert!(!pulled(&[]));
    // Lambda, say.
    assert!(pulled(&[(service, "true")]));
    // It is about images: what AWS tells of a repository is none.
    let context = context(&[(service, "false")]);
    assert!(decides(
        &nothing,
        &granted,
        &rcp,
        "ecr:DescribeRepositories",
        &context
    ));
}

#[test]
fn grants_on_a_key_are_for_aws_services_alone() {
    let policy = policy("kms-policy.json");
    let (via, service) = ("kms:ViaService", "kms:GrantIsForAWSResource");
    let ecr = (via, "ecr.REGION.amazonaws.com");
    let allows = |action: &str, entries: &[(&str, &str)]| {
        allows(&policy, &format!("kms:{action}"), &context(entries))
    };
    assert!(allows("CreateGrant", &[ecr, (service, "true")]));
    assert!(!allows("CreateGrant", &[ecr, (service, "false")]));
    assert!(!allows("CreateGrant", &[ecr]));
    assert!(!allows("CreateGrant", &[(service, "true")]));
    // The key says of neither what it is for.
    assert!(allows("DescribeKey", &[ecr]));
    assert!(!allows("DescribeKey", &[]));
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
