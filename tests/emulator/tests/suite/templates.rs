//! Repository creation templates, and the repositories that come into being by them on push.

use serde_json::{Value, json};

use crate::support::{ACCOUNT, REGION, apply, create, manifest, refusal, start, upload_by_hook};

fn template(prefix: &str) -> Value {
    json!({
        "prefix": prefix,
        "description": "ours",
        "appliedFor": ["CREATE_ON_PUSH"],
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": [{ "filterType": "WILDCARD", "filter": "dev*" }],
        "resourceTags": [{ "Key": "team", "Value": "one" }],
        "customRoleArn": format!("arn:aws:iam::{ACCOUNT}:role/templates"),
        "encryptionConfiguration": { "encryptionType": "KMS" },
        "repositoryPolicy": policy(),
        "lifecyclePolicy": lifecycle(),
    })
}

fn policy() -> String {
    let statement = json!({
        "Effect": "Allow", "Principal": { "AWS": "444455556666" }, "Action": "ecr:BatchGetImage",
    });
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

fn lifecycle() -> String {
    json!({ "rules": [{
        "rulePriority": 1,
        "selection": { "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 9 },
        "action": { "type": "expire" },
    }] })
    .to_string()
}

fn with(prefix: &str, name: &str, value: Value) -> Value {
    let mut template = template(prefix);
    template[name] = value;
    template
}

#[tokio::test]
async fn a_template_is_created_described_updated_and_deleted() {
    let emulator = start().await;
    let created = apply(
        &emulator,
        "CreateRepositoryCreationTemplate",
        template("team"),
    );
    let stored = &created["repositoryCreationTemplate"];
    assert_eq!(stored["prefix"], "team");
    assert_eq!(stored["createdAt"], stored["updatedAt"]);
    let again = refusal(
        &emulator,
        "CreateRepositoryCreationTemplate",
        template("team/"),
    );
    assert_eq!(again, "TemplateAlreadyExistsException");

    let input = json!({ "prefix": "team", "description": "theirs", "lifecyclePolicy": "" });
    let updated = apply(&emulator, "UpdateRepositoryCreationTemplate", input);
    let updated = &updated["repositoryCreationTemplate"];
    assert_eq!(updated["description"], "theirs");
    assert_eq!(updated["lifecyclePolicy"], "");
    assert_eq!(updated["imageTagMutability"], "MUTABLE");
    assert_eq!(updated["repositoryPolicy"], stored["repositoryPolicy"]);

    let input = json!({ "prefixes": ["team", "none"] });
    let described = apply(&emulator, "DescribeRepositoryCreationTemplates", input);
    assert_eq!(described["repositoryCreationTemplates"], json!([updated]));
    let deleted = apply(
        &emulator,
        "DeleteRepositoryCreationTemplate",
        json!({ "prefix": "team" }),
    );
    assert_eq!(deleted["repositoryCreationTemplate"], *updated);
    for operation in [
        "UpdateRepositoryCreationTemplate",
        "DeleteRepositoryCreationTemplate",
    ] {
        let refused = refusal(&emulator, operation, json!({ "prefix": "team" }));
        assert_eq!(refused, "TemplateNotFoundException");
    }
}

#[tokio::test]
async fn templates_have_pages() {
    let emulator = start().await;
    for number in 0..3 {
        let input = json!({ "prefix": format!("p{number}"), "appliedFor": ["REPLICATION"] });
        apply(&emulator, "CreateRepositoryCreationTemplate", input);
    }
    let ask = |input| apply(&emulator, "DescribeRepositoryCreationTemplates", input);
    let first = ask(json!({ "maxResults": 2 }));
    assert_eq!(
        first["repositoryCreationTemplates"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let rest = ask(json!({ "maxResults": 2, "nextToken": first["nextToken"] }));
    assert_eq!(rest["repositoryCreationTemplates"][0]["prefix"], "p2");
    assert!(rest.get("nextToken").is_none());
}

#[tokio::test]
async fn what_no_repository_could_have_is_refused() {
    let emulator = start().await;
    let nobodys = "arn:aws:iam::444455556666:role/templates";
    let aes_key = json!({
        "encryptionType": "AES256",
        "kmsKey": format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/0"),
    });
    for input in [
        with("a1", "imageTagMutability", json!("MUTABLE")),
        with(
            "a1",
            "resourceTags",
            json!([{ "Key": "aws:x", "Value": "" }]),
        ),
        with("a1", "customRoleArn", Value::Null),
        with("a1", "customRoleArn", json!(nobodys)),
        with("a1", "encryptionConfiguration", aes_key),
        with("a1", "repositoryPolicy", json!("{}")),
        with("a1", "lifecyclePolicy", json!("{}")),
    ] {
        let refused = refusal(&emulator, "CreateRepositoryCreationTemplate", input.clone());
        assert_eq!(refused, "InvalidParameterException", "{input}");
    }
}

#[tokio::test]
async fn a_push_creates_what_a_template_says() {
    let emulator = start().await;
    let upload = |name: &str| json!({ "repositoryName": name });
    let refused = refusal(&emulator, "InitiateLayerUpload", upload("team/api"));
    assert_eq!(refused, "RepositoryNotFoundException");
    apply(
        &emulator,
        "CreateRepositoryCreationTemplate",
        template("team"),
    );
    let special = json!({ "prefix": "team/special", "appliedFor": ["CREATE_ON_PUSH"] });
    apply(&emulator, "CreateRepositoryCreationTemplate", special);
    let config = upload_by_hook(&emulator, "team/api", b"config");
    let layer = upload_by_hook(&emulator, "team/api", b"layer");
    let image = json!({
        "repositoryName": "team/api", "imageTag": "v1",
        "imageManifest": manifest(&config, &layer, "one"),
    });
    apply(&emulator, "PutImage", image);
    let made = emulator.repository(ACCOUNT, REGION, "team/api").unwrap();
    assert_eq!(made.image_tag_mutability, "IMMUTABLE_WITH_EXCLUSION");
    assert_eq!(made.exclusion_filters, ["dev*"]);
    assert_eq!(made.tags["team"], "one");
    assert_eq!(made.encryption_type, "KMS");
    assert!(made.kms_key.unwrap().contains(":key/"));
    assert!(made.policy.unwrap().contains("BatchGetImage"));
    assert!(
        made.lifecycle_policy
            .unwrap()
            .contains("imageCountMoreThan")
    );

    apply(&emulator, "InitiateLayerUpload", upload("team/special/api"));
    let made = emulator
        .repository(ACCOUNT, REGION, "team/special/api")
        .unwrap();
    assert_eq!(made.image_tag_mutability, "MUTABLE");
    let refused = refusal(&emulator, "InitiateLayerUpload", upload("other/api"));
    assert_eq!(refused, "RepositoryNotFoundException");
    apply(
        &emulator,
        "CreateRepositoryCreationTemplate",
        template("ROOT"),
    );
    apply(&emulator, "InitiateLayerUpload", upload("other/api"));
}

#[tokio::test]
async fn a_push_that_fails_creates_nothing_and_the_quota_holds() {
    let emulator = start().await;
    apply(
        &emulator,
        "CreateRepositoryCreationTemplate",
        template("team"),
    );
    let image = json!({ "repositoryName": "team/api", "imageManifest": "{}" });
    let refused = refusal(&emulator, "PutImage", image);
    assert_eq!(refused, "InvalidParameterException");
    assert_eq!(emulator.repositories(ACCOUNT, REGION), [""; 0]);
    create(&emulator, "other");
    emulator.configure(|settings| settings.repositories_quota = 1);
    let input = json!({ "repositoryName": "team/api" });
    let refused = refusal(&emulator, "InitiateLayerUpload", input);
    assert_eq!(refused, "RepositoryNotFoundException");
}
