//! Every refusal of a spec, in the words that users read.

use serde_json::{Value, json};

use super::{
    arbitrary::parse,
    desired::{Desired, Refusal},
    reason::Reason,
};
use crate::api::{Aspect, ECRRepositorySpec};

/// The spec, as a manifest has it.
fn spec(manifest: Value) -> ECRRepositorySpec {
    serde_json::from_value(manifest).unwrap()
}

fn desired(manifest: Value) -> Desired {
    parse(&spec(manifest)).unwrap()
}

fn refusal(manifest: Value) -> Refusal {
    parse(&spec(manifest)).unwrap_err()
}

fn rule(priority: u32) -> Value {
    json!({
        "rulePriority": priority,
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10},
        "action": {"type": "expire"},
    })
}

#[test]
fn a_refused_aspect_leaves_the_others() {
    let many: serde_json::Map<_, _> = (0..49).map(|i| (format!("k{i}"), json!(""))).collect();
    let filters = json!([{"filterType": "WILDCARD", "filter": "v*"}]);
    let table = [
        (
            json!({"imageTagMutability": "IMMUTABLE_WITH_EXCLUSION"}),
            Aspect::ImageTagMutability,
            "Add spec.imageTagMutabilityExclusionFilters, or set spec.imageTagMutability to MUTABLE \
             or IMMUTABLE: a mode with exclusions needs 1 to 5 filters",
        ),
        (
            json!({"imageTagMutabilityExclusionFilters": filters}),
            Aspect::ImageTagMutability,
            "Set spec.imageTagMutability to MUTABLE_WITH_EXCLUSION or IMMUTABLE_WITH_EXCLUSION, or \
             remove spec.imageTagMutabilityExclusionFilters: filters need such a mode",
        ),
        (
            json!({"lifecyclePolicy": {"rules": [rule(1), rule(2)]}}),
            Aspect::LifecyclePolicy,
            "Merge the rule at spec.lifecyclePolicy.rules[1] with the one of priority 1: ECR takes \
             one rule a storage class that selects all images",
        ),
        (
            json!({"repositoryPolicy": {"Statement": [
                {"Sid": "EcrOperatorPull", "Effect": "Allow", "Principal": "*", "Action": "ecr:*"}
            ]}}),
            Aspect::RepositoryPolicy,
            "Rename the Sid `EcrOperatorPull`: names that begin with `EcrOperator` are kept for the \
             statements that stand for spec.access",
        ),
        (
            json!({"tags": {"AWS:x": ""}}),
            Aspect::Tags,
            "Rename the tag \"AWS:x\": keys that start with aws: or ecr-operator.dev/ are reserved",
        ),
        (
            json!({"tags": many}),
            Aspect::Tags,
            "Remove tags until 48 are left: ECR takes 50, and two are the operator's",
        ),
    ];
    for (manifest, aspect, message) in table {
        let desired = desired(manifest.clone());
        let refusals: Vec<_> = desired.refusals().collect();
        let expected = Refusal {
            reason: Reason::InvalidSpec,
            message: message.to_owned(),
        };
        assert_eq!(refusals, [(aspect, &expected)], "{manifest}");
        assert!(desired.hashes().is_empty(), "{manifest}");
    }
}

#[test]
fn what_concerns_the_whole_refuses_the_whole() {
    let table = [
        (
            json!({"repositoryName": "Team/web"}),
            "Set spec.repositoryName: use 2 to 256 characters: lower case letters and digits, \
             separated by one of '.', '_', '__', dashes or '/': \"Team/web\" is not one",
        ),
        (
            json!({"encryptionConfiguration": {"encryptionType": "AES256", "kmsKey": "alias/a"}}),
            "Remove spec.encryptionConfiguration.kmsKey or set encryptionType to KMS: AES256 takes \
             no key",
        ),
        (
            json!({"adoption": {"policy": "TakeOver"}}),
            "Set spec.adoption.from to the owner that is replaced, <cluster>/<namespace>/<name>",
        ),
        (
            json!({"adoption": {"policy": "TakeOver", "from": "somebody"}}),
            "Set spec.adoption.from to <cluster>/<namespace>/<name>",
        ),
        (
            json!({"adoption": {"policy": "IfUnowned", "from": "a/b/c"}}),
            "Remove spec.adoption.from or set policy to TakeOver: only that replaces an owner",
        ),
        (
            json!({"adoption": {"policy": "Never", "from": "a/b/c"}}),
            "Remove spec.adoption.from or set policy to TakeOver: only that replaces an owner",
        ),
    ];
    for (manifest, message) in table {
        let refusal = refusal(manifest.clone());
        assert_eq!(refusal.message, message, "{manifest}");
        assert_eq!(refusal.reason, Reason::InvalidSpec, "{manifest}");
    }
}
