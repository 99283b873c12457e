//! The errors of repositories and what they are set to, each provoked.

use ecr_emulator::Emulator;
use serde_json::{Value, json};

use super::{KEY, Provocation, named, sealed};
use crate::lifecycle_world::{any, keep, policy};
use crate::support::{apply, arn};

pub(super) const TABLE: &[Provocation] = &[
    (
        "DescribeRepositories",
        "RepositoryNotFoundException",
        |_| json!({ "repositoryNames": ["api", "none"] }),
    ),
    (
        "CreateRepository",
        "RepositoryAlreadyExistsException",
        |_| named(json!({})),
    ),
    ("CreateRepository", "LimitExceededException", |emulator| {
        emulator.configure(|settings| settings.repositories_quota = 1);
        json!({ "repositoryName": "other" })
    }),
    (
        "CreateRepository",
        "InvalidTagParameterException",
        |_| json!({ "repositoryName": "other", "tags": reserved() }),
    ),
    (
        "CreateRepository",
        "TooManyTagsException",
        |_| json!({ "repositoryName": "other", "tags": many_tags() }),
    ),
    ("CreateRepository", "KmsException", |emulator| {
        let mut input = sealed(emulator, |_| json!({}));
        input["encryptionConfiguration"] = json!({ "encryptionType": "KMS", "kmsKey": KEY });
        input["repositoryName"] = json!("other");
        input
    }),
    ("DeleteRepository", "RepositoryNotEmptyException", |_| {
        named(json!({}))
    }),
    ("DeleteRepository", "KmsException", |emulator| {
        sealed(emulator, |_| json!({}))
    }),
    (
        "TagResource",
        "InvalidTagParameterException",
        |_| json!({ "resourceArn": arn("api"), "tags": reserved() }),
    ),
    (
        "TagResource",
        "TooManyTagsException",
        |_| json!({ "resourceArn": arn("api"), "tags": many_tags() }),
    ),
    (
        "UntagResource",
        "InvalidTagParameterException",
        |_| json!({ "resourceArn": arn("api"), "tagKeys": ["aws:x"] }),
    ),
    (
        "DeleteRepositoryPolicy",
        "RepositoryPolicyNotFoundException",
        |emulator| {
            apply(emulator, "DeleteRepositoryPolicy", named(json!({})));
            named(json!({}))
        },
    ),
    (
        "GetRepositoryPolicy",
        "RepositoryPolicyNotFoundException",
        |emulator| {
            apply(emulator, "DeleteRepositoryPolicy", named(json!({})));
            named(json!({}))
        },
    ),
    (
        "DeleteLifecyclePolicy",
        "LifecyclePolicyNotFoundException",
        bare,
    ),
    (
        "GetLifecyclePolicy",
        "LifecyclePolicyNotFoundException",
        bare,
    ),
    (
        "StartLifecyclePolicyPreview",
        "LifecyclePolicyNotFoundException",
        bare,
    ),
    (
        "StartLifecyclePolicyPreview",
        "LifecyclePolicyPreviewInProgressException",
        |emulator| {
            emulator.configure(|settings| settings.job_millis = 60_000);
            apply(emulator, "StartLifecyclePolicyPreview", lifecycle(1));
            lifecycle(2)
        },
    ),
    (
        "GetLifecyclePolicyPreview",
        "LifecyclePolicyPreviewNotFoundException",
        |emulator| {
            crate::support::create(emulator, "other");
            json!({ "repositoryName": "other" })
        },
    ),
];

/// A repository without a lifecycle policy.
fn bare(emulator: &Emulator) -> Value {
    apply(emulator, "DeleteLifecyclePolicy", named(json!({})));
    named(json!({}))
}

fn lifecycle(number: u64) -> Value {
    named(json!({ "lifecyclePolicyText": policy(json!([keep(any(), number)])) }))
}

fn many_tags() -> Vec<Value> {
    let numbers = 0..51;
    numbers
        .map(|number| json!({ "Key": format!("k{number}"), "Value": "" }))
        .collect()
}

fn reserved() -> Value {
    json!([{ "Key": "aws:x", "Value": "" }])
}
