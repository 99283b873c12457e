//! What belongs to a registry as a whole: its policy, signing, account settings, exclusions.

use aws_sdk_ecr::client::Waiters as _;
use aws_sdk_ecr::types::ImageIdentifier;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, REGION, apply, client, create, hook, push, refusal, start};

const PROFILE: &str = "arn:aws:signer:eu-central-1:111122223333:/signing-profiles/one";

fn policy(resource: Option<&str>) -> String {
    let mut statement = json!({
        "Sid": "replicate",
        "Effect": "Allow",
        "Principal": { "AWS": "444455556666" },
        "Action": ["ecr:ReplicateImage", "ecr:CreateRepository"],
    });
    if let Some(resource) = resource {
        statement["Resource"] = json!(resource);
    }
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

#[tokio::test]
async fn a_registry_policy_is_stored_normalised_and_deleted() {
    let emulator = start().await;
    let not_found = "RegistryPolicyNotFoundException";
    assert_eq!(
        refusal(&emulator, "GetRegistryPolicy", json!({})),
        not_found
    );
    assert_eq!(
        refusal(&emulator, "DeleteRegistryPolicy", json!({})),
        not_found
    );
    let resource = format!("arn:aws:ecr:{REGION}:{ACCOUNT}:repository/*");
    let input = json!({ "policyText": policy(Some(&resource)) });
    let stored = apply(&emulator, "PutRegistryPolicy", input);
    let text = stored["policyText"].as_str().unwrap();
    assert!(
        text.contains("\"AWS\" : \"arn:aws:iam::444455556666:root\""),
        "{text}"
    );
    assert!(
        text.contains(&format!("\"Resource\" : \"{resource}\"")),
        "{text}"
    );
    assert_eq!(apply(&emulator, "GetRegistryPolicy", json!({})), stored);
    assert_eq!(apply(&emulator, "DeleteRegistryPolicy", json!({})), stored);
    assert_eq!(
        refusal(&emulator, "GetRegistryPolicy", json!({})),
        not_found
    );
}

#[tokio::test]
async fn a_registry_policy_names_resources_and_known_principals() {
    let emulator = start().await;
    for text in [
        String::new(),
        "{}".to_owned(),
        policy(None),
        policy(Some("arn:aws:s3:::bucket")),
        policy(Some("*")).replace("ReplicateImage", "Nope"),
    ] {
        let outcome = emulator.call(
            ACCOUNT,
            REGION,
            "PutRegistryPolicy",
            json!({ "policyText": text }),
        );
        let message = "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid \
                       registry policy provided'";
        assert_eq!(outcome.unwrap_err().message, message, "{text}");
    }
    let principal = "arn:aws:iam::444455556666:root".to_owned();
    emulator.configure(|settings| {
        settings.unknown_principals.insert(principal, Some(1));
    });
    let input = json!({ "policyText": policy(Some("*")) });
    let refused = refusal(&emulator, "PutRegistryPolicy", input.clone());
    assert_eq!(refused, "InvalidParameterException");
    apply(&emulator, "PutRegistryPolicy", input);
    let tokens = policy(Some("*")).replace("ReplicateImage", "GetAuthorizationToken");
    apply(
        &emulator,
        "PutRegistryPolicy",
        json!({ "policyText": tokens }),
    );
}

#[tokio::test]
async fn account_settings_have_defaults_and_take_only_their_values() {
    let emulator = start().await;
    let get = |name: &str| apply(&emulator, "GetAccountSetting", json!({ "name": name }));
    for (name, value) in [
        ("BASIC_SCAN_TYPE_VERSION", "AWS_NATIVE"),
        ("BLOB_MOUNTING", "DISABLED"),
        ("REGISTRY_POLICY_SCOPE", "V2"),
    ] {
        assert_eq!(get(name)["value"], value);
    }
    let input = json!({ "name": "BLOB_MOUNTING", "value": "ENABLED" });
    assert_eq!(apply(&emulator, "PutAccountSetting", input.clone()), input);
    assert_eq!(get("BLOB_MOUNTING"), input);
    for input in [
        json!({ "name": "BLOB_MOUNTING", "value": "PERHAPS" }),
        json!({ "name": "BASIC_SCAN_TYPE_VERSION", "value": "CLAIR" }),
        json!({ "name": "OTHER", "value": "ENABLED" }),
    ] {
        let refused = refusal(&emulator, "PutAccountSetting", input);
        assert_eq!(refused, "InvalidParameterException");
    }
    let refused = refusal(&emulator, "GetAccountSetting", json!({ "name": "OTHER" }));
    assert_eq!(refused, "InvalidParameterException");
}

fn role(number: usize) -> Value {
    json!({ "principalArn": format!("arn:aws:iam::{ACCOUNT}:role/scanner-{number:03}") })
}

#[tokio::test]
async fn exclusions_are_listed_by_page_and_limited() {
    let emulator = start().await;
    for number in 0..100 {
        apply(&emulator, "RegisterPullTimeUpdateExclusion", role(number));
    }
    for (number, code) in [
        (0, "ExclusionAlreadyExistsException"),
        (100, "LimitExceededException"),
    ] {
        let refused = refusal(&emulator, "RegisterPullTimeUpdateExclusion", role(number));
        assert_eq!(refused, code);
    }
    let list = |input| apply(&emulator, "ListPullTimeUpdateExclusions", input);
    let first = list(json!({ "maxResults": 60 }));
    assert_eq!(
        first["pullTimeUpdateExclusions"].as_array().unwrap().len(),
        60
    );
    let rest = list(json!({ "maxResults": 60, "nextToken": first["nextToken"] }));
    assert_eq!(
        rest["pullTimeUpdateExclusions"].as_array().unwrap().len(),
        40
    );
    assert!(rest.get("nextToken").is_none());
    apply(&emulator, "DeregisterPullTimeUpdateExclusion", role(0));
    let refused = refusal(&emulator, "DeregisterPullTimeUpdateExclusion", role(0));
    assert_eq!(refused, "ExclusionNotFoundException");
}

#[tokio::test]
async fn pulls_of_an_excluded_principal_leave_no_trace() {
    let emulator = start().await;
    create(&emulator, "api");
    push(&client(&emulator), "api", &["v1"]).await;
    let me = json!({ "principalArn": format!("arn:aws:iam::{ACCOUNT}:user/emulator") });
    apply(&emulator, "RegisterPullTimeUpdateExclusion", me.clone());
    let pull = || {
        let input = json!({ "repositoryName": "api", "imageIds": [{ "imageTag": "v1" }] });
        apply(&emulator, "BatchGetImage", input);
        let details = apply(
            &emulator,
            "DescribeImages",
            json!({ "repositoryName": "api" }),
        );
        details["imageDetails"][0]
            .get("lastRecordedPullTime")
            .is_some()
    };
    assert!(!pull());
    apply(&emulator, "DeregisterPullTimeUpdateExclusion", me);
    assert!(pull());
}

fn signing(filters: Option<&str>) -> Value {
    let mut rule = json!({ "signingProfileArn": PROFILE });
    if let Some(filter) = filters {
        rule["repositoryFilters"] = json!([{ "filter": filter, "filterType": "WILDCARD_MATCH" }]);
    }
    json!({ "signingConfiguration": { "rules": [rule] } })
}

#[tokio::test]
async fn the_signing_configuration_is_replaced_and_deleted() {
    let emulator = start().await;
    let not_found = "SigningConfigurationNotFoundException";
    for operation in ["GetSigningConfiguration", "DeleteSigningConfiguration"] {
        assert_eq!(refusal(&emulator, operation, json!({})), not_found);
    }
    let input = signing(Some("team/*"));
    assert_eq!(
        apply(&emulator, "PutSigningConfiguration", input.clone()),
        input
    );
    for operation in ["GetSigningConfiguration", "DeleteSigningConfiguration"] {
        let answer = apply(&emulator, operation, json!({}));
        assert_eq!(
            answer["signingConfiguration"],
            input["signingConfiguration"]
        );
        assert_eq!(answer["registryId"], ACCOUNT);
    }
    assert_eq!(
        refusal(&emulator, "GetSigningConfiguration", json!({})),
        not_found
    );
}

#[tokio::test]
async fn pushes_are_signed_by_the_rules_that_match() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    let statuses = |tag: &str| {
        let input = json!({ "repositoryName": "api", "imageId": { "imageTag": tag } });
        apply(&emulator, "DescribeImageSigningStatus", input)["signingStatuses"].clone()
    };
    apply(
        &emulator,
        "PutSigningConfiguration",
        signing(Some("team/*")),
    );
    push(&client, "api", &["v1"]).await;
    assert_eq!(statuses("v1"), json!([]));
    apply(&emulator, "PutSigningConfiguration", signing(None));
    push(&client, "api", &["v2"]).await;
    let signed = |status: &str| json!([{ "signingProfileArn": PROFILE, "status": status }]);
    assert_eq!(statuses("v2"), signed("COMPLETE"));
    emulator.configure(|settings| settings.job_millis = 3_600_000);
    push(&client, "api", &["v3"]).await;
    assert_eq!(statuses("v3"), signed("IN_PROGRESS"));
}

#[tokio::test]
async fn the_settings_of_jobs_and_upstreams_are_written_as_the_readme_says() {
    let emulator = start().await;
    let secret = "arn:aws:secretsmanager:a:secret:ecr-pullthroughcache/a";
    let settings = json!({
        "jobMillis": 5,
        "scansQuota": 7,
        "scanningBlocked": true,
        "findings": { "*": [{ "name": "CVE-2026-1", "severity": "LOW" }] },
        "secretFaults": { secret: "undecryptable" },
        "upstreamImages": { "quay.io/team/api:v1": "{}" },
    });
    let (status, answer) = hook(&emulator, "POST", "settings", settings.clone()).await;
    assert_eq!(status, 200, "{answer}");
    for (name, value) in settings.as_object().unwrap() {
        assert_eq!(answer[name], *value);
    }
    let wrong = json!({ "secretFaults": { secret: "lost" } });
    assert_eq!(hook(&emulator, "POST", "settings", wrong).await.0, 400);
}

#[tokio::test]
async fn the_sdk_reads_every_page_and_waits_for_a_scan() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    push(&client, "api", &["v1"]).await;
    for number in 0..5 {
        let input = json!({
            "ecrRepositoryPrefix": format!("quay-{number}"), "upstreamRegistryUrl": "quay.io",
        });
        apply(&emulator, "CreatePullThroughCacheRule", input);
        let input = json!({ "prefix": format!("p{number}"), "appliedFor": ["REPLICATION"] });
        apply(&emulator, "CreateRepositoryCreationTemplate", input);
    }
    let pages = client.describe_pull_through_cache_rules().into_paginator();
    let rules = pages
        .page_size(2)
        .items()
        .send()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(rules.len(), 5);
    assert!(rules.iter().all(|rule| rule.created_at().is_some()));
    let pages = client
        .describe_repository_creation_templates()
        .into_paginator();
    let templates = pages
        .page_size(2)
        .items()
        .send()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(templates.len(), 5);

    let v1 = ImageIdentifier::builder().image_tag("v1").build();
    let scan = client
        .start_image_scan()
        .repository_name("api")
        .image_id(v1.clone());
    scan.send().await.unwrap();
    let done = client
        .wait_until_image_scan_complete()
        .repository_name("api")
        .image_id(v1)
        .wait(std::time::Duration::from_secs(20))
        .await
        .unwrap();
    assert_eq!(done.as_result().unwrap().registry_id(), Some(ACCOUNT));
}
