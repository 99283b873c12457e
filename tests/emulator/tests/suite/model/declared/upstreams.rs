//! The errors of pulls that go through, each provoked.

use ecr_emulator::{Emulator, SecretFault};
use serde_json::{Value, json};

use super::super::samples::image;
use super::Provocation;
use crate::support::{ACCOUNT, REGION, apply, digest};

pub(super) const TABLE: &[Provocation] = &[
    ("BatchGetImage", "LimitExceededException", |emulator| {
        let place = "quay.io/api:v1".to_owned();
        emulator.configure(|settings| {
            settings.upstream_images = [(place, image())].into();
            settings.repositories_quota = 1;
        });
        json!({ "repositoryName": "team/api", "imageIds": [{ "imageTag": "v1" }] })
    }),
    (
        "BatchGetImage",
        "UnableToGetUpstreamImageException",
        |emulator| {
            broken(emulator, SecretFault::Rejected);
            pull("4")
        },
    ),
    (
        "ListImageReferrers",
        "UnableToListUpstreamImageReferrersException",
        |emulator| {
            broken(emulator, SecretFault::Rejected);
            let subject = json!({ "imageDigest": digest(image().as_bytes()) });
            json!({ "repositoryName": "hub/alpine", "subjectId": subject })
        },
    ),
    (
        "CreatePullThroughCacheRule",
        "PullThroughCacheRuleAlreadyExistsException",
        |_| json!({ "ecrRepositoryPrefix": "team", "upstreamRegistryUrl": "quay.io" }),
    ),
    (
        "CreatePullThroughCacheRule",
        "UnsupportedUpstreamRegistryException",
        |_| json!({ "ecrRepositoryPrefix": "new", "upstreamRegistryUrl": "example.com" }),
    ),
    (
        "CreatePullThroughCacheRule",
        "LimitExceededException",
        |emulator| {
            let rule = |number: u32| {
                let prefix = format!("quay-{number}");
                json!({ "ecrRepositoryPrefix": prefix, "upstreamRegistryUrl": "quay.io" })
            };
            for number in 1..50 {
                apply(emulator, "CreatePullThroughCacheRule", rule(number));
            }
            rule(50)
        },
    ),
    (
        "CreatePullThroughCacheRule",
        "ValidationException",
        |_| json!({ "ecrRepositoryPrefix": "new", "upstreamRegistryUrl": "ghcr.io" }),
    ),
    (
        "CreatePullThroughCacheRule",
        "SecretNotFoundException",
        |emulator| refused_secret(emulator, SecretFault::NotFound),
    ),
    (
        "CreatePullThroughCacheRule",
        "UnableToAccessSecretException",
        |emulator| refused_secret(emulator, SecretFault::Inaccessible),
    ),
    (
        "CreatePullThroughCacheRule",
        "UnableToDecryptSecretValueException",
        |emulator| refused_secret(emulator, SecretFault::Undecryptable),
    ),
    (
        "UpdatePullThroughCacheRule",
        "PullThroughCacheRuleNotFoundException",
        |_| prefix("no"),
    ),
    ("UpdatePullThroughCacheRule", "ValidationException", |_| {
        let role = format!("arn:aws:iam::{ACCOUNT}:role/cache");
        json!({ "ecrRepositoryPrefix": "team", "customRoleArn": role })
    }),
    (
        "UpdatePullThroughCacheRule",
        "SecretNotFoundException",
        |emulator| refused_update(emulator, SecretFault::NotFound),
    ),
    (
        "UpdatePullThroughCacheRule",
        "UnableToAccessSecretException",
        |emulator| refused_update(emulator, SecretFault::Inaccessible),
    ),
    (
        "UpdatePullThroughCacheRule",
        "UnableToDecryptSecretValueException",
        |emulator| refused_update(emulator, SecretFault::Undecryptable),
    ),
    (
        "DeletePullThroughCacheRule",
        "PullThroughCacheRuleNotFoundException",
        |_| prefix("no"),
    ),
    (
        "ValidatePullThroughCacheRule",
        "PullThroughCacheRuleNotFoundException",
        |_| prefix("no"),
    ),
    (
        "DescribePullThroughCacheRules",
        "PullThroughCacheRuleNotFoundException",
        |_| json!({ "ecrRepositoryPrefixes": ["no"] }),
    ),
];

fn prefix(prefix: &str) -> Value {
    json!({ "ecrRepositoryPrefix": prefix })
}

fn secret() -> String {
    format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:ecr-pullthroughcache/hub-AbCdEf")
}

fn hub() -> Value {
    json!({
        "ecrRepositoryPrefix": "hub", "upstreamRegistryUrl": "registry-1.docker.io",
        "credentialArn": secret(),
    })
}

/// A rule whose secret comes to have a fault, after the image of the upstream was pulled once.
pub(super) fn broken(emulator: &Emulator, fault: SecretFault) {
    apply(emulator, "CreatePullThroughCacheRule", hub());
    let place = "registry-1.docker.io/alpine:3".to_owned();
    emulator.configure(|settings| settings.upstream_images = [(place, image())].into());
    apply(emulator, "BatchGetImage", pull("3"));
    let other = "registry-1.docker.io/alpine:4".to_owned();
    emulator.configure(|settings| {
        settings.upstream_images.insert(other, image());
        settings.secret_faults = [(secret(), fault)].into();
    });
}

fn pull(tag: &str) -> Value {
    json!({ "repositoryName": "hub/alpine", "imageIds": [{ "imageTag": tag }] })
}

fn refused_secret(emulator: &Emulator, fault: SecretFault) -> Value {
    emulator.configure(|settings| settings.secret_faults = [(secret(), fault)].into());
    hub()
}

fn refused_update(emulator: &Emulator, fault: SecretFault) -> Value {
    broken(emulator, fault);
    json!({ "ecrRepositoryPrefix": "hub", "credentialArn": secret() })
}
