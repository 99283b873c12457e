//! Repositories and their simple settings.

use aws_sdk_ecr::types::{
    EncryptionConfiguration, EncryptionType, ImageScanningConfiguration, ImageTagMutability,
    ImageTagMutabilityExclusionFilter, ImageTagMutabilityExclusionFilterType, Tag,
};
use serde_json::{Value, json};

use crate::support::{
    ACCOUNT, REGION, apply, arn, assert_refused, client, client_of, create, post, push, refused,
    start,
};

fn filter(pattern: &str) -> ImageTagMutabilityExclusionFilter {
    ImageTagMutabilityExclusionFilter::builder()
        .filter_type(ImageTagMutabilityExclusionFilterType::Wildcard)
        .filter(pattern)
        .build()
        .unwrap()
}

fn encryption(kind: EncryptionType, key: Option<&str>) -> EncryptionConfiguration {
    EncryptionConfiguration::builder()
        .encryption_type(kind)
        .set_kms_key(key.map(str::to_owned))
        .build()
        .unwrap()
}

#[tokio::test]
async fn what_is_not_asked_for_has_the_defaults_of_aws() {
    let emulator = start().await;
    let created = client(&emulator)
        .create_repository()
        .repository_name("team/api")
        .send()
        .await
        .unwrap();
    let repository = created.repository().unwrap();
    assert_eq!(repository.registry_id(), Some(ACCOUNT));
    assert_eq!(repository.repository_arn(), Some(arn("team/api").as_str()));
    assert_eq!(
        repository.repository_uri(),
        Some("111122223333.dkr.ecr.eu-central-1.amazonaws.com/team/api")
    );
    assert_eq!(
        repository.image_tag_mutability(),
        Some(&ImageTagMutability::Mutable)
    );
    assert!(
        repository
            .image_tag_mutability_exclusion_filters()
            .is_empty()
    );
    assert!(
        !repository
            .image_scanning_configuration()
            .unwrap()
            .scan_on_push()
    );
    let encryption = repository.encryption_configuration().unwrap();
    assert_eq!(encryption.encryption_type(), &EncryptionType::Aes256);
    assert_eq!(encryption.kms_key(), None);
    assert!(repository.created_at().unwrap().secs() > 1_700_000_000);
}

#[tokio::test]
async fn every_input_is_stored_and_described() {
    let emulator = start().await;
    let client = client(&emulator);
    let key = "arn:aws:kms:eu-central-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef";
    client
        .create_repository()
        .registry_id(ACCOUNT)
        .repository_name("api")
        .image_tag_mutability(ImageTagMutability::ImmutableWithExclusion)
        .image_tag_mutability_exclusion_filters(filter("dev-*"))
        .image_tag_mutability_exclusion_filters(filter("*-rc*"))
        .image_scanning_configuration(
            ImageScanningConfiguration::builder()
                .scan_on_push(true)
                .build(),
        )
        .encryption_configuration(encryption(EncryptionType::KmsDsse, Some(key)))
        .tags(
            Tag::builder()
                .key("team")
                .value("payments")
                .build()
                .unwrap(),
        )
        .send()
        .await
        .unwrap();
    let described = client
        .describe_repositories()
        .repository_names("api")
        .send()
        .await
        .unwrap();
    let repository = &described.repositories()[0];
    let filters: Vec<&str> = repository
        .image_tag_mutability_exclusion_filters()
        .iter()
        .map(ImageTagMutabilityExclusionFilter::filter)
        .collect();
    assert_eq!(filters, ["dev-*", "*-rc*"]);
    assert!(
        repository
            .image_scanning_configuration()
            .unwrap()
            .scan_on_push()
    );
    assert_eq!(
        repository.encryption_configuration(),
        Some(&encryption(EncryptionType::KmsDsse, Some(key)))
    );
    let state = emulator.repository(ACCOUNT, REGION, "api").unwrap();
    assert_eq!(state.tags.get("team").map(String::as_str), Some("payments"));
}

#[tokio::test]
async fn the_managed_key_is_one_for_an_account_and_region() {
    let emulator = start().await;
    let key = |name: &str, region: &str| {
        let input = json!({
            "repositoryName": name, "encryptionConfiguration": { "encryptionType": "KMS" },
        });
        let answer = emulator
            .call(ACCOUNT, region, "CreateRepository", input)
            .unwrap();
        answer["repository"]["encryptionConfiguration"]["kmsKey"].clone()
    };
    let first = key("one", REGION);
    assert!(
        first
            .as_str()
            .unwrap()
            .starts_with("arn:aws:kms:eu-central-1:111122223333:key/")
    );
    assert_eq!(first, key("two", REGION));
    assert_ne!(first, key("one", "us-east-1"));
}

#[tokio::test]
async fn keys_are_stored_as_arns() {
    let emulator = start().await;
    let stored = |index: usize, kind: &str, key: &str| {
        let input = json!({
            "repositoryName": format!("repo{index}"),
            "encryptionConfiguration": { "encryptionType": kind, "kmsKey": key },
        });
        emulator
            .call(ACCOUNT, REGION, "CreateRepository", input)
            .map(|answer| answer["repository"]["encryptionConfiguration"]["kmsKey"].clone())
            .map_err(|error| error.code)
    };
    let prefix = "arn:aws:kms:eu-central-1:111122223333:key/";
    let id = "01234567-89ab-cdef-0123-456789abcdef";
    assert_eq!(stored(1, "KMS", id).unwrap(), format!("{prefix}{id}"));
    let by_alias = stored(2, "KMS", "alias/registry").unwrap();
    assert!(by_alias.as_str().unwrap().starts_with(prefix));
    let alias_arn = "arn:aws:kms:eu-central-1:111122223333:alias/registry";
    assert_eq!(stored(3, "KMS", alias_arn).unwrap(), by_alias);
    let foreign = "arn:aws:kms:eu-central-1:999999999999:key/mrk-1234";
    assert_eq!(stored(4, "KMS_DSSE", foreign).unwrap(), foreign);
    for (index, kind, key, code) in [
        (5, "AES256", id, "InvalidParameterException"),
        (6, "KMS", "no such key", "KmsException"),
        (
            7,
            "KMS",
            "arn:aws:kms:us-east-1:111122223333:key/x",
            "KmsException",
        ),
        (
            8,
            "KMS",
            "arn:aws:s3:eu-central-1:111122223333:x",
            "KmsException",
        ),
    ] {
        assert_eq!(
            stored(index, kind, key),
            Err(code.to_owned()),
            "{kind} {key}"
        );
    }
}

#[tokio::test]
async fn filters_are_there_if_and_only_if_there_is_an_exclusion() {
    let emulator = start().await;
    create(&emulator, "api");
    let dev = json!([{ "filterType": "WILDCARD", "filter": "dev-*" }]);
    let wild = json!([{ "filterType": "WILDCARD", "filter": "*a*b*" }]);
    let six: Vec<Value> = (0..6)
        .map(|index| json!({ "filterType": "WILDCARD", "filter": format!("v{index}") }))
        .collect();
    let at =
        "Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy constraint:";
    for (mutability, filters, constraint) in [
        (
            "IMMUTABLE_WITH_EXCLUSION",
            Value::Null,
            "'ImageTagMutabilityExclusionFilters can't be null when imageTagMutability is set as IMMUTABLE_WITH_EXCLUSION'",
        ),
        (
            "MUTABLE_WITH_EXCLUSION",
            Value::Null,
            "'ImageTagMutabilityExclusionFilters can't be null when imageTagMutability is set as MUTABLE_WITH_EXCLUSION'",
        ),
        (
            "MUTABLE",
            dev.clone(),
            "'ImageTagMutabilityExclusionFilters must be null when imageTagMutability is set as MUTABLE'",
        ),
        (
            "IMMUTABLE",
            dev.clone(),
            "'ImageTagMutabilityExclusionFilters must be null when imageTagMutability is set as IMMUTABLE'",
        ),
        (
            "IMMUTABLE_WITH_EXCLUSION",
            wild,
            "'The filter *a*b* has more than the maximum of 2 wildcards'",
        ),
        (
            "IMMUTABLE_WITH_EXCLUSION",
            json!(six),
            "'Member must have length less than or equal to 5'",
        ),
        (
            "IMMUTABLE_WITH_EXCLUSION",
            json!([]),
            "'Member must have length greater than or equal to 1'",
        ),
    ] {
        for operation in ["CreateRepository", "PutImageTagMutability"] {
            let input = json!({
                "repositoryName": if operation == "CreateRepository" { "new" } else { "api" },
                "imageTagMutability": mutability,
                "imageTagMutabilityExclusionFilters": filters,
            });
            let (status, body) = post(&emulator, operation, input).await;
            assert_eq!(status, 400, "{operation} {mutability}");
            assert_eq!(body["__type"], "InvalidParameterException");
            assert_eq!(body["message"], format!("{at} {constraint}"));
        }
    }
    assert_eq!(emulator.repositories(ACCOUNT, REGION), ["api"]);
}

#[tokio::test]
async fn mutability_is_replaced_with_its_filters() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    let put = client
        .put_image_tag_mutability()
        .repository_name("api")
        .image_tag_mutability(ImageTagMutability::MutableWithExclusion)
        .image_tag_mutability_exclusion_filters(filter("v*"))
        .send()
        .await
        .unwrap();
    assert_eq!(put.registry_id(), Some(ACCOUNT));
    assert_eq!(put.image_tag_mutability_exclusion_filters(), [filter("v*")]);
    let put = client
        .put_image_tag_mutability()
        .repository_name("api")
        .image_tag_mutability(ImageTagMutability::Immutable)
        .send()
        .await
        .unwrap();
    assert_eq!(
        put.image_tag_mutability(),
        Some(&ImageTagMutability::Immutable)
    );
    assert!(put.image_tag_mutability_exclusion_filters().is_empty());
    let state = emulator.repository(ACCOUNT, REGION, "api").unwrap();
    assert_eq!(state.image_tag_mutability, "IMMUTABLE");
    assert!(state.exclusion_filters.is_empty());
}

#[tokio::test]
async fn scanning_is_set_and_answered() {
    let emulator = start().await;
    create(&emulator, "api");
    for on in [true, false] {
        let put = client(&emulator)
            .put_image_scanning_configuration()
            .repository_name("api")
            .image_scanning_configuration(
                ImageScanningConfiguration::builder()
                    .scan_on_push(on)
                    .build(),
            )
            .send()
            .await
            .unwrap();
        assert_eq!(
            put.image_scanning_configuration().unwrap().scan_on_push(),
            on
        );
        let state = emulator.repository(ACCOUNT, REGION, "api").unwrap();
        assert_eq!(state.scan_on_push, on);
    }
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let emulator = start().await;
    let client = client(&emulator);
    create(&emulator, "api");
    assert_refused(
        client
            .create_repository()
            .repository_name("api")
            .send()
            .await,
        "RepositoryAlreadyExistsException",
        "The repository with name 'api' already exists in the registry with id '111122223333'",
    );
}

#[tokio::test]
async fn of_two_creates_at_once_exactly_one_wins() {
    let emulator = start().await;
    let client = client(&emulator);
    for round in 0..20 {
        let create = || {
            let name = format!("race/{round}");
            client.create_repository().repository_name(name).send()
        };
        let (one, other) = tokio::join!(create(), create());
        assert!(one.is_ok() != other.is_ok());
        let loser = if one.is_ok() { other } else { one };
        assert_eq!(refused(loser).0, "RepositoryAlreadyExistsException");
    }
    assert_eq!(emulator.calls().get("CreateRepository"), Some(&40));
}

#[tokio::test]
async fn the_quota_is_settable() {
    let emulator = start().await;
    emulator.configure(|settings| settings.repositories_quota = 2);
    create(&emulator, "one");
    create(&emulator, "two");
    let client = client(&emulator);
    let (code, _) = refused(
        client
            .create_repository()
            .repository_name("three")
            .send()
            .await,
    );
    assert_eq!(code, "LimitExceededException");
    // Another region counts by itself.
    emulator
        .call(
            ACCOUNT,
            "us-east-1",
            "CreateRepository",
            json!({ "repositoryName": "one" }),
        )
        .unwrap();
}

#[tokio::test]
async fn deleting_minds_images_unless_forced() {
    let emulator = start().await;
    let client = client(&emulator);
    create(&emulator, "api");
    push(&client, "api", &["v1"]).await;
    assert_refused(
        client
            .delete_repository()
            .repository_name("api")
            .send()
            .await,
        "RepositoryNotEmptyException",
        "The repository with name 'api' in registry with id '111122223333' cannot be deleted \
         because it still contains images",
    );
    let deleted = client
        .delete_repository()
        .repository_name("api")
        .force(true)
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.repository().unwrap().repository_name(), Some("api"));
    assert_refused(
        client
            .delete_repository()
            .repository_name("api")
            .send()
            .await,
        "RepositoryNotFoundException",
        "The repository with name 'api' does not exist in the registry with id '111122223333'",
    );
    create(&emulator, "empty");
    client
        .delete_repository()
        .repository_name("empty")
        .send()
        .await
        .unwrap();
    assert!(emulator.repositories(ACCOUNT, REGION).is_empty());
}

#[tokio::test]
async fn accounts_and_regions_are_apart() {
    let emulator = start().await;
    for (key, region) in [
        ("111122223333", "eu-central-1"),
        ("111122223333", "us-east-1"),
        ("444455556666", "eu-central-1"),
        ("AKIAIOSFODNN7EXAMPLE", "eu-central-1"),
    ] {
        let client = client_of(&emulator, key, region);
        let created = client
            .create_repository()
            .repository_name("api")
            .send()
            .await
            .unwrap();
        let account = if key.starts_with("AKIA") {
            "123456789012"
        } else {
            key
        };
        assert_eq!(created.repository().unwrap().registry_id(), Some(account));
        assert_eq!(emulator.repositories(account, region), ["api"]);
    }
    let china = client_of(&emulator, ACCOUNT, "cn-north-1");
    let created = china
        .create_repository()
        .repository_name("api")
        .send()
        .await
        .unwrap();
    let repository = created.repository().unwrap();
    assert_eq!(
        repository.repository_arn(),
        Some("arn:aws-cn:ecr:cn-north-1:111122223333:repository/api")
    );
    assert_eq!(
        repository.repository_uri(),
        Some("111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/api")
    );
}

#[tokio::test]
async fn a_foreign_registry_is_closed() {
    let emulator = start().await;
    emulator
        .call(
            "999999999999",
            REGION,
            "CreateRepository",
            json!({ "repositoryName": "api" }),
        )
        .unwrap();
    create(&emulator, "api");
    let client = client(&emulator);
    let not_found =
        "The repository with name 'api' does not exist in the registry with id '999999999999'";
    for operation in [
        "DeleteRepository",
        "GetLifecyclePolicy",
        "DeleteLifecyclePolicy",
        "GetRepositoryPolicy",
        "DeleteRepositoryPolicy",
        "DescribeImages",
        "ListImages",
        "InitiateLayerUpload",
    ] {
        let input = json!({ "registryId": "999999999999", "repositoryName": "api" });
        let (_, body) = post(&emulator, operation, input).await;
        assert_eq!(body["__type"], "RepositoryNotFoundException", "{operation}");
        assert_eq!(body["message"], not_found, "{operation}");
    }
    assert_refused(
        client
            .describe_repositories()
            .registry_id("999999999999")
            .repository_names("api")
            .send()
            .await,
        "RepositoryNotFoundException",
        not_found,
    );
    let (code, message) = refused(
        client
            .describe_repositories()
            .registry_id("999999999999")
            .send()
            .await,
    );
    assert_eq!(code, "AccessDeniedException");
    assert!(message.contains("ecr:DescribeRepositories"), "{message}");
    let create = client
        .create_repository()
        .registry_id("999999999999")
        .repository_name("bb");
    assert_eq!(refused(create.send().await).0, "AccessDeniedException");
}

#[tokio::test]
async fn an_outsider_leaves_no_trace_in_the_log() {
    let emulator = start().await;
    create(&emulator, "api");
    apply(
        &emulator,
        "DeleteRepository",
        json!({ "repositoryName": "api" }),
    );
    let error = emulator
        .call(
            ACCOUNT,
            REGION,
            "CreateRepository",
            json!({ "repositoryName": "A" }),
        )
        .unwrap_err();
    assert_eq!(error.code, "InvalidParameterException");
    assert!(emulator.calls().is_empty());
    assert!(emulator.log().is_empty());
}
