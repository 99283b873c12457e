//! The constraints of the model, by operation: each is checked before the operation runs.

use serde_json::{Value, json};

use crate::support::{post, post_text, start};

const NAME_PATTERN: &str = r"must satisfy regular expression '[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*'";
const NOT_NULL: &str = "Member must not be null";

/// Operation, input, the place and the constraint of the refusal.
fn refusals() -> Vec<(&'static str, Value, &'static str, String)> {
    let long = "a".repeat(257);
    let uuid = "01234567-89ab-cdef-0123-456789abcdef";
    let ids = |count: usize| vec![json!({ "imageTag": "v" }); count];
    let enum_of = |set: &str| format!("Member must satisfy enum value set: [{set}]");
    let least =
        |what: &str, n: u32| format!("Member must have {what} greater than or equal to {n}");
    let most = |what: &str, n: u32| format!("Member must have {what} less than or equal to {n}");
    let registry = "must satisfy regular expression '[0-9]{12}'".to_owned();
    let mut table = vec![
        ("CreateRepository", json!({}), "repositoryName", NOT_NULL.to_owned()),
        ("CreateRepository", json!({ "repositoryName": null }), "repositoryName", NOT_NULL.to_owned()),
        ("CreateRepository", json!({ "repositoryName": "a" }), "repositoryName", least("length", 2)),
        ("CreateRepository", json!({ "repositoryName": long }), "repositoryName", most("length", 256)),
        ("CreateRepository", json!({ "repositoryName": "ok", "registryId": "12" }), "registryId", registry),
        ("CreateRepository", json!({ "repositoryName": "ok", "imageTagMutability": "mutable" }), "imageTagMutability", enum_of("IMMUTABLE, MUTABLE, MUTABLE_WITH_EXCLUSION, IMMUTABLE_WITH_EXCLUSION")),
        ("CreateRepository", json!({ "repositoryName": "ok", "tags": [{ "Key": "k" }] }), "tags.1.member.value", NOT_NULL.to_owned()),
        ("CreateRepository", json!({ "repositoryName": "ok", "tags": [{ "Key": "k", "Value": "v" }, null] }), "tags.2.member", NOT_NULL.to_owned()),
        ("CreateRepository", json!({ "repositoryName": "ok", "encryptionConfiguration": {} }), "encryptionConfiguration.encryptionType", NOT_NULL.to_owned()),
        ("CreateRepository", json!({ "repositoryName": "ok", "encryptionConfiguration": { "encryptionType": "AES" } }), "encryptionConfiguration.encryptionType", enum_of("AES256, KMS, KMS_DSSE")),
        ("CreateRepository", json!({ "repositoryName": "ok", "encryptionConfiguration": { "encryptionType": "KMS", "kmsKey": "" } }), "encryptionConfiguration.kmsKey", least("length", 1)),
        ("PutImageTagMutability", json!({ "repositoryName": "ok" }), "imageTagMutability", NOT_NULL.to_owned()),
        ("PutImageTagMutability", json!({ "repositoryName": "ok", "imageTagMutability": "MUTABLE_WITH_EXCLUSION", "imageTagMutabilityExclusionFilters": [{ "filterType": "REGEX", "filter": "a" }] }), "imageTagMutabilityExclusionFilters.1.member.filterType", enum_of("WILDCARD")),
        ("PutImageTagMutability", json!({ "repositoryName": "ok", "imageTagMutability": "MUTABLE_WITH_EXCLUSION", "imageTagMutabilityExclusionFilters": [{ "filterType": "WILDCARD", "filter": "a/b" }] }), "imageTagMutabilityExclusionFilters.1.member.filter", "must satisfy regular expression '^[0-9a-zA-Z._*-]{1,128}$'".to_owned()),
        ("PutImageScanningConfiguration", json!({ "repositoryName": "ok" }), "imageScanningConfiguration", NOT_NULL.to_owned()),
        ("DescribeRepositories", json!({ "maxResults": 0 }), "maxResults", least("value", 1)),
        ("DescribeRepositories", json!({ "maxResults": 1001 }), "maxResults", most("value", 1000)),
        ("DescribeRepositories", json!({ "repositoryNames": [] }), "repositoryNames", least("length", 1)),
        ("DescribeRepositories", json!({ "repositoryNames": ["ok", "Not"] }), "repositoryNames.2.member", NAME_PATTERN.to_owned()),
        ("PutLifecyclePolicy", json!({ "repositoryName": "ok" }), "lifecyclePolicyText", NOT_NULL.to_owned()),
        ("PutLifecyclePolicy", json!({ "repositoryName": "ok", "lifecyclePolicyText": "x".repeat(99) }), "lifecyclePolicyText", least("length", 100)),
        ("PutLifecyclePolicy", json!({ "repositoryName": "ok", "lifecyclePolicyText": "x".repeat(30721) }), "lifecyclePolicyText", most("length", 30720)),
        ("SetRepositoryPolicy", json!({ "repositoryName": "ok" }), "policyText", NOT_NULL.to_owned()),
        ("SetRepositoryPolicy", json!({ "repositoryName": "ok", "policyText": "x".repeat(10241) }), "policyText", most("length", 10240)),
        ("TagResource", json!({ "tags": [] }), "resourceArn", NOT_NULL.to_owned()),
        ("TagResource", json!({ "resourceArn": "x" }), "tags", NOT_NULL.to_owned()),
        ("UntagResource", json!({ "resourceArn": "x" }), "tagKeys", NOT_NULL.to_owned()),
        ("ListTagsForResource", json!({}), "resourceArn", NOT_NULL.to_owned()),
        ("UploadLayerPart", json!({ "repositoryName": "ok", "uploadId": "x" }), "uploadId", "must satisfy regular expression '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}'".to_owned()),
        ("UploadLayerPart", json!({ "repositoryName": "ok", "uploadId": uuid }), "partFirstByte", NOT_NULL.to_owned()),
        ("UploadLayerPart", json!({ "repositoryName": "ok", "uploadId": uuid, "partFirstByte": -1 }), "partFirstByte", least("value", 0)),
        ("CompleteLayerUpload", json!({ "repositoryName": "ok", "uploadId": uuid, "layerDigests": [] }), "layerDigests", least("length", 1)),
        ("CompleteLayerUpload", json!({ "repositoryName": "ok", "uploadId": uuid, "layerDigests": ["x"] }), "layerDigests.1.member", "must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'".to_owned()),
        ("BatchCheckLayerAvailability", json!({ "repositoryName": "ok", "layerDigests": ["x".repeat(1001)] }), "layerDigests.1.member", most("length", 1000)),
        ("PutImage", json!({ "repositoryName": "ok" }), "imageManifest", NOT_NULL.to_owned()),
        ("PutImage", json!({ "repositoryName": "ok", "imageManifest": "" }), "imageManifest", least("length", 1)),
        ("PutImage", json!({ "repositoryName": "ok", "imageManifest": "{}", "imageTag": "x".repeat(301) }), "imageTag", most("length", 300)),
        ("BatchDeleteImage", json!({ "repositoryName": "ok" }), "imageIds", NOT_NULL.to_owned()),
        ("BatchDeleteImage", json!({ "repositoryName": "ok", "imageIds": ids(101) }), "imageIds", most("length", 100)),
        ("BatchGetImage", json!({ "repositoryName": "ok", "imageIds": ids(1), "acceptedMediaTypes": [] }), "acceptedMediaTypes", least("length", 1)),
        ("ListImages", json!({ "repositoryName": "ok", "filter": { "tagStatus": "tagged" } }), "filter.tagStatus", enum_of("TAGGED, UNTAGGED, ANY")),
        ("DescribeImages", json!({ "repositoryName": "ok", "filter": { "imageStatus": "GONE" } }), "filter.imageStatus", enum_of("ACTIVE, ARCHIVED, ACTIVATING, ANY")),
    ];
    for operation in WITH_REPOSITORY {
        table.push((operation, json!({}), "repositoryName", NOT_NULL.to_owned()));
        for wrong in [
            "Upper", "a..b", "a/", "/a", "a___b", "a_-b", "a//b", "-a", "a-", "ä-b",
        ] {
            let input = json!({ "repositoryName": wrong });
            table.push((operation, input, "repositoryName", NAME_PATTERN.to_owned()));
        }
    }
    table
}

const WITH_REPOSITORY: [&str; 18] = [
    "BatchCheckLayerAvailability",
    "BatchDeleteImage",
    "BatchGetImage",
    "CompleteLayerUpload",
    "CreateRepository",
    "DeleteLifecyclePolicy",
    "DeleteRepository",
    "DeleteRepositoryPolicy",
    "DescribeImages",
    "GetLifecyclePolicy",
    "GetRepositoryPolicy",
    "InitiateLayerUpload",
    "ListImages",
    "PutImage",
    "PutImageScanningConfiguration",
    "PutImageTagMutability",
    "PutLifecyclePolicy",
    "SetRepositoryPolicy",
];

#[tokio::test]
async fn what_the_model_forbids_is_refused() {
    let emulator = start().await;
    for (operation, input, at, constraint) in refusals() {
        let (status, body) = post(&emulator, operation, input.clone()).await;
        let shown = format!("{operation} {at}: {body}");
        assert_eq!(status, 400, "{shown}");
        assert_eq!(body["__type"], "InvalidParameterException", "{shown}");
        let message =
            format!("Invalid parameter at '{at}' failed to satisfy constraint: '{constraint}'");
        assert_eq!(body["message"], message, "{shown}");
    }
}

#[tokio::test]
async fn names_at_the_bounds_are_accepted() {
    let emulator = start().await;
    let longest = "a".repeat(256);
    for name in [
        "ab",
        "0a",
        "a__b",
        "a---b",
        "a.b_c-d/e",
        longest.as_str(),
        "team/sub/api",
    ] {
        let (status, body) = post(
            &emulator,
            "CreateRepository",
            json!({ "repositoryName": name }),
        )
        .await;
        assert_eq!(status, 200, "{name}: {body}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_a_serialization_fault() {
    let emulator = start().await;
    for (operation, body, message) in [
        ("CreateRepository", "{nope", None),
        ("CreateRepository", "", None),
        ("CreateRepository", "[]", Some("Expected structure or null")),
        (
            "CreateRepository",
            r#"{"repositoryName": 5}"#,
            Some("NUMBER_VALUE can not be converted to a String"),
        ),
        (
            "CreateRepository",
            r#"{"repositoryName": true}"#,
            Some("TRUE_VALUE can not be converted to a String"),
        ),
        (
            "CreateRepository",
            r#"{"repositoryName": ["ok"]}"#,
            Some("Start of list found where not expected"),
        ),
        (
            "CreateRepository",
            r#"{"repositoryName": {}}"#,
            Some("Start of structure or map found where not expected."),
        ),
        (
            "CreateRepository",
            r#"{"repositoryName": "ok", "tags": {}}"#,
            Some("Expected list or null"),
        ),
        (
            "CreateRepository",
            r#"{"repositoryName": "ok", "tags": ["x"]}"#,
            Some("Expected structure or null"),
        ),
        (
            "DeleteRepository",
            r#"{"repositoryName": "ok", "force": "yes"}"#,
            Some("STRING_VALUE can not be converted to a Boolean"),
        ),
        (
            "DescribeRepositories",
            r#"{"maxResults": "ten"}"#,
            Some("STRING_VALUE can not be converted to an Integer"),
        ),
        (
            "DescribeRepositories",
            r#"{"maxResults": 1.5}"#,
            Some("NUMBER_VALUE can not be converted to an Integer"),
        ),
        (
            "UploadLayerPart",
            r#"{"repositoryName": "ok", "uploadId": "01234567-89ab-cdef-0123-456789abcdef", "partFirstByte": 0, "partLastByte": 0, "layerPartBlob": "?"}"#,
            None,
        ),
    ] {
        let (status, answer) = post_text(&emulator, operation, body).await;
        assert_eq!(status, 400, "{body}");
        assert_eq!(answer["__type"], "SerializationException", "{body}");
        if let Some(message) = message {
            assert_eq!(answer["message"], message, "{body}");
        }
    }
    // A member that the model does not have is ignored, as AWS does.
    let (status, _) = post(
        &emulator,
        "CreateRepository",
        json!({ "repositoryName": "ok", "new": 1 }),
    )
    .await;
    assert_eq!(status, 200);
}
