//! Pull through cache rules: their secrets, their checks, and the pulls that go through them.

use ecr_emulator::{Emulator, SecretFault};
use serde_json::{Value, json};

use crate::support::{ACCOUNT, REGION, apply, digest, manifest, refusal, start};

fn secret() -> String {
    format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:ecr-pullthroughcache/hub-AbCdEf")
}

fn docker_hub() -> Value {
    json!({
        "ecrRepositoryPrefix": "hub",
        "upstreamRegistryUrl": "registry-1.docker.io",
        "credentialArn": secret(),
    })
}

fn quay(prefix: &str) -> Value {
    json!({ "ecrRepositoryPrefix": prefix, "upstreamRegistryUrl": "quay.io" })
}

fn prefix(prefix: &str) -> Value {
    json!({ "ecrRepositoryPrefix": prefix })
}

fn fault(emulator: &Emulator, fault: SecretFault) {
    emulator.configure(|settings| settings.secret_faults = [(secret(), fault)].into());
}

#[tokio::test]
async fn a_rule_is_created_updated_described_and_deleted() {
    let emulator = start().await;
    let created = apply(&emulator, "CreatePullThroughCacheRule", docker_hub());
    assert_eq!(created["upstreamRegistry"], "docker-hub");
    assert_eq!(created["upstreamRepositoryPrefix"], "ROOT");
    let again = refusal(&emulator, "CreatePullThroughCacheRule", docker_hub());
    assert_eq!(again, "PullThroughCacheRuleAlreadyExistsException");
    let other = secret().replace("hub-", "other-");
    let input = json!({ "ecrRepositoryPrefix": "hub", "credentialArn": other });
    let updated = apply(&emulator, "UpdatePullThroughCacheRule", input);
    assert_eq!(updated["credentialArn"], other);
    let input = json!({ "ecrRepositoryPrefixes": ["hub"] });
    let described = apply(&emulator, "DescribePullThroughCacheRules", input);
    assert_eq!(
        described["pullThroughCacheRules"][0]["credentialArn"],
        other
    );
    apply(&emulator, "DeletePullThroughCacheRule", prefix("hub"));
    for operation in [
        "DeletePullThroughCacheRule",
        "UpdatePullThroughCacheRule",
        "ValidatePullThroughCacheRule",
    ] {
        let refused = refusal(&emulator, operation, prefix("hub"));
        assert_eq!(refused, "PullThroughCacheRuleNotFoundException");
    }
    let input = json!({ "ecrRepositoryPrefixes": ["hub"] });
    let refused = refusal(&emulator, "DescribePullThroughCacheRules", input);
    assert_eq!(refused, "PullThroughCacheRuleNotFoundException");
}

#[tokio::test]
async fn rules_have_pages_and_a_limit() {
    let emulator = start().await;
    for number in 0..50 {
        apply(
            &emulator,
            "CreatePullThroughCacheRule",
            quay(&format!("quay-{number:02}")),
        );
    }
    let refused = refusal(&emulator, "CreatePullThroughCacheRule", quay("more"));
    assert_eq!(refused, "LimitExceededException");
    let ask = |input| apply(&emulator, "DescribePullThroughCacheRules", input);
    let first = ask(json!({ "maxResults": 30 }));
    let rest = ask(json!({ "maxResults": 30, "nextToken": first["nextToken"] }));
    assert_eq!(rest["pullThroughCacheRules"].as_array().unwrap().len(), 20);
    assert!(rest.get("nextToken").is_none());
}

#[tokio::test]
async fn what_an_upstream_needs_and_does_not_take_is_checked() {
    let emulator = start().await;
    let with = |url: &str, more: Value| {
        let mut input = json!({ "ecrRepositoryPrefix": "up", "upstreamRegistryUrl": url });
        input
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        input
    };
    let role = format!("arn:aws:iam::{ACCOUNT}:role/cache");
    let nobodys = "arn:aws:iam::444455556666:role/cache";
    let foreign = format!("444455556666.dkr.ecr.{REGION}.amazonaws.com");
    let elsewhere = secret().replace(REGION, "us-east-1");
    for (input, code) in [
        (
            with("example.com", json!({})),
            "UnsupportedUpstreamRegistryException",
        ),
        (
            with("quay.io", json!({ "upstreamRegistry": "k8s" })),
            "UnsupportedUpstreamRegistryException",
        ),
        (with("ghcr.io", json!({})), "ValidationException"),
        (
            with("quay.io", json!({ "customRoleArn": role })),
            "ValidationException",
        ),
        (with(&foreign, json!({})), "ValidationException"),
        (
            with(&foreign, json!({ "credentialArn": secret() })),
            "ValidationException",
        ),
        (
            with(&foreign, json!({ "customRoleArn": nobodys })),
            "InvalidParameterException",
        ),
        (
            with("ghcr.io", json!({ "credentialArn": elsewhere })),
            "SecretNotFoundException",
        ),
    ] {
        let refused = refusal(&emulator, "CreatePullThroughCacheRule", input.clone());
        assert_eq!(refused, code, "{input}");
    }
    let input = with(&foreign, json!({ "customRoleArn": role }));
    assert_eq!(
        apply(&emulator, "CreatePullThroughCacheRule", input)["upstreamRegistry"],
        "ecr"
    );
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_is_refused_or_not_valid() {
    let emulator = start().await;
    for (kind, code) in [
        (SecretFault::NotFound, "SecretNotFoundException"),
        (SecretFault::Inaccessible, "UnableToAccessSecretException"),
        (
            SecretFault::Undecryptable,
            "UnableToDecryptSecretValueException",
        ),
    ] {
        fault(&emulator, kind);
        assert_eq!(
            refusal(&emulator, "CreatePullThroughCacheRule", docker_hub()),
            code
        );
    }
    fault(&emulator, SecretFault::Rejected);
    apply(&emulator, "CreatePullThroughCacheRule", docker_hub());
    let validate = || apply(&emulator, "ValidatePullThroughCacheRule", prefix("hub"));
    assert_eq!(validate()["isValid"], false);
    assert!(validate()["failure"].is_string());
    emulator.configure(|settings| settings.secret_faults.clear());
    assert_eq!(validate()["isValid"], true);
    assert!(validate().get("failure").is_none());
}

#[tokio::test]
async fn a_pull_goes_through_into_a_repository_made_by_a_template() {
    let emulator = start().await;
    apply(&emulator, "CreatePullThroughCacheRule", docker_hub());
    let template = json!({
        "prefix": "hub",
        "appliedFor": ["PULL_THROUGH_CACHE"],
        "resourceTags": [{ "Key": "cache", "Value": "yes" }],
        "customRoleArn": format!("arn:aws:iam::{ACCOUNT}:role/templates"),
    });
    apply(&emulator, "CreateRepositoryCreationTemplate", template);
    let text = manifest(&digest(b"config"), &digest(b"layer"), "upstream");
    let place = "registry-1.docker.io/library/alpine:3".to_owned();
    emulator.configure(|settings| settings.upstream_images = [(place, text.clone())].into());
    let pull = |tag: &str| json!({ "repositoryName": "hub/library/alpine", "imageIds": [{ "imageTag": tag }] });
    let refused = refusal(&emulator, "BatchGetImage", pull("4"));
    assert_eq!(refused, "RepositoryNotFoundException");
    fault(&emulator, SecretFault::Malformed);
    let refused = refusal(&emulator, "BatchGetImage", pull("3"));
    assert_eq!(refused, "UnableToGetUpstreamImageException");
    emulator.configure(|settings| settings.secret_faults.clear());
    emulator.configure(|settings| settings.repositories_quota = 0);
    let refused = refusal(&emulator, "BatchGetImage", pull("3"));
    assert_eq!(refused, "LimitExceededException");
    emulator.configure(|settings| settings.repositories_quota = 1);
    let pulled = apply(&emulator, "BatchGetImage", pull("3"));
    assert_eq!(
        pulled["images"][0]["imageId"]["imageDigest"],
        digest(text.as_bytes())
    );
    let made = emulator
        .repository(ACCOUNT, REGION, "hub/library/alpine")
        .unwrap();
    assert_eq!(made.tags["cache"], "yes");
}

#[tokio::test]
async fn what_cannot_be_read_leaves_no_repository_behind() {
    let emulator = start().await;
    apply(&emulator, "CreatePullThroughCacheRule", quay("quay"));
    let good = manifest(&digest(b"config"), &digest(b"layer"), "upstream");
    emulator.configure(|settings| {
        let place = |tag: &str| format!("quay.io/api:{tag}");
        let held = [(place("good"), good), (place("bad"), "{".to_owned())];
        settings.upstream_images = held.into();
    });
    let ids = json!([{ "imageTag": "good" }, { "imageTag": "bad" }]);
    let pull = json!({ "repositoryName": "quay/api", "imageIds": ids });
    let refused = refusal(&emulator, "BatchGetImage", pull);
    assert_eq!(refused, "UnableToGetUpstreamImageException");
    assert!(emulator.repositories(ACCOUNT, REGION).is_empty());
}

#[tokio::test]
async fn the_layers_of_a_cached_image_come_from_its_upstream() {
    let emulator = start().await;
    apply(&emulator, "CreatePullThroughCacheRule", quay("quay"));
    let text = manifest(&digest(b"config"), &digest(b"layer"), "upstream");
    let place = "quay.io/api:v1".to_owned();
    emulator.configure(|settings| settings.upstream_images = [(place, text)].into());
    let pull = json!({ "repositoryName": "quay/api", "imageIds": [{ "imageTag": "v1" }] });
    apply(&emulator, "BatchGetImage", pull);
    let layer =
        |bytes: &[u8]| json!({ "repositoryName": "quay/api", "layerDigest": digest(bytes) });
    let answer = apply(&emulator, "GetDownloadUrlForLayer", layer(b"layer"));
    assert_eq!(answer["layerDigest"], digest(b"layer"));
    let refused = refusal(&emulator, "GetDownloadUrlForLayer", layer(b"another"));
    assert_eq!(refused, "LayersNotFoundException");
    let subject = json!({ "imageDigest": digest(b"any") });
    let ask = json!({ "repositoryName": "quay/api", "subjectId": subject });
    let referrers = apply(&emulator, "ListImageReferrers", ask);
    assert_eq!(referrers["referrers"], json!([]));
}
