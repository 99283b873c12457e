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
            "spec.imageTagMutability has exclusions and no filters — add 1 to 5 to \
             spec.imageTagMutabilityExclusionFilters, or set it to MUTABLE or IMMUTABLE",
        ),
        (
            json!({"imageTagMutabilityExclusionFilters": filters}),
            Aspect::ImageTagMutability,
            "spec.imageTagMutabilityExclusionFilters need a mode with exclusions — set \
             spec.imageTagMutability to MUTABLE_WITH_EXCLUSION or IMMUTABLE_WITH_EXCLUSION, or remove them",
        ),
        (
            json!({"imageScanningConfiguration": {}}),
            Aspect::ImageScanningConfiguration,
            "spec.imageScanningConfiguration does not say scanOnPush — write \
             `imageScanningConfiguration: {scanOnPush: true}`, or false for no scan on push",
        ),
        (
            json!({"lifecyclePolicy": {"rules": [rule(1), rule(2)]}}),
            Aspect::LifecyclePolicy,
            "spec.lifecyclePolicy.rules[1] selects all images, as does the rule of priority 1, and ECR takes \
             one such rule a storage class — merge the two",
        ),
        (
            json!({"repositoryPolicy": {"Statement": [
                {"Sid": "EcrOperatorPull", "Effect": "Allow", "Principal": "*", "Action": "ecr:*"}
            ]}}),
            Aspect::RepositoryPolicy,
            "The Sid `EcrOperatorPull` begins with `EcrOperator`, as do only the statements that stand for \
             spec.access — rename it",
        ),
        (
            json!({"repositoryPolicy": {}, "access": {"pull": ["111122223333"]}}),
            Aspect::RepositoryPolicy,
            "spec.repositoryPolicy has no Statement — write one, or `repositoryPolicy: {Statement: []}` \
             where there shall be no policy",
        ),
        (
            json!({"access": {}}),
            Aspect::RepositoryPolicy,
            "spec.access has neither pull nor push — write one of them, or `access: {pull: []}` where it \
             shall grant nothing",
        ),
        (
            json!({"tags": {"AWS:x": ""}}),
            Aspect::Tags,
            "The tag \"AWS:x\" begins with aws: or ecr-operator.dev/, which are reserved — rename it",
        ),
        (
            json!({"tags": many}),
            Aspect::Tags,
            "There are 49 tags, and ECR takes 50, of which two are the operator's — remove some until 48 are \
             left",
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
            "spec.repositoryName is no name in ECR — use 2 to 256 characters: lower case letters and digits, \
             separated by one of '.', '_', '__', dashes or '/': \"Team/web\" is not one",
        ),
        (
            json!({"encryptionConfiguration": {"encryptionType": "AES256", "kmsKey": "alias/a"}}),
            "spec.encryptionConfiguration has encryptionType AES256, which takes no key — remove kmsKey, or \
             set encryptionType to KMS or KMS_DSSE",
        ),
        (
            json!({"encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "arn:aws:kms:key"}}),
            "spec.encryptionConfiguration.kmsKey names no key of AWS KMS — write the ARN of a key or an alias \
             (arn:aws:kms:REGION:ACCOUNT:key/ID), a key's id, or alias/NAME",
        ),
        (
            json!({"adoption": {"policy": "TakeOver"}}),
            "spec.adoption has policy TakeOver and no owner — set spec.adoption.from to the one that is \
             replaced, <cluster>/<namespace>/<name>",
        ),
        (
            json!({"adoption": {"policy": "TakeOver", "from": "somebody"}}),
            "spec.adoption.from names no owner — write it as <cluster>/<namespace>/<name>",
        ),
        (
            json!({"adoption": {"policy": "IfUnowned", "from": "a/b/c"}}),
            "spec.adoption.from goes with policy TakeOver alone, which replaces an owner — remove it, or set \
             that policy",
        ),
        (
            json!({"adoption": {"policy": "Never", "from": "a/b/c"}}),
            "spec.adoption.from goes with policy TakeOver alone, which replaces an owner — remove it, or set \
             that policy",
        ),
    ];
    for (manifest, message) in table {
        let refusal = refusal(manifest.clone());
        assert_eq!(refusal.message, message, "{manifest}");
        assert_eq!(refusal.reason, Reason::InvalidSpec, "{manifest}");
    }
}
