//! Images, from push to deletion.

use aws_sdk_ecr::types::{
    DescribeImagesFilter, ImageIdentifier, ImageStatus, ListImagesFilter, TagStatus,
};
use serde_json::{Value, json};

use crate::support::{
    ACCOUNT, REGION, apply, assert_refused, client, create, digest, index, manifest, post, push,
    refused, start, upload,
};

fn by_tag(tag: &str) -> ImageIdentifier {
    ImageIdentifier::builder().image_tag(tag).build()
}

fn by_digest(digest: &str) -> ImageIdentifier {
    ImageIdentifier::builder().image_digest(digest).build()
}

fn list_of(digests: &[String]) -> String {
    let digests: Vec<&str> = digests.iter().map(String::as_str).collect();
    index(&digests).to_string()
}

#[tokio::test]
async fn an_image_is_pushed_and_described() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    let digests = push(&client, "api", &["v1"]).await;
    let described = client
        .describe_images()
        .repository_name("api")
        .image_ids(by_tag("v1"))
        .send()
        .await
        .unwrap();
    let [detail] = described.image_details() else {
        panic!("one image: {described:?}");
    };
    assert_eq!(detail.image_digest(), Some(digests[0].as_str()));
    assert_eq!(detail.image_tags(), ["v1"]);
    assert_eq!(detail.image_size_in_bytes(), Some(11));
    assert_eq!(
        detail.image_manifest_media_type(),
        Some("application/vnd.oci.image.manifest.v1+json")
    );
    assert_eq!(
        detail.artifact_media_type(),
        Some("application/vnd.oci.image.config.v1+json")
    );
    assert_eq!(
        detail.image_status().map(ImageStatus::as_str),
        Some("ACTIVE")
    );
    assert!(detail.image_pushed_at().unwrap().secs() > 1_700_000_000);
    assert!(detail.last_recorded_pull_time().is_none());
    let fetched = client
        .batch_get_image()
        .repository_name("api")
        .image_ids(by_tag("v1"))
        .image_ids(by_tag("none"))
        .send()
        .await
        .unwrap();
    let body = fetched.images()[0].image_manifest().unwrap();
    assert_eq!(digest(body.as_bytes()), digests[0]);
    assert_eq!(
        fetched.failures()[0].failure_code().unwrap().as_str(),
        "ImageNotFound"
    );
    let state = emulator.repository(ACCOUNT, REGION, "api").unwrap();
    assert!(state.images[&digests[0]].pulled_at.is_some());
    let other_type = client
        .batch_get_image()
        .repository_name("api")
        .image_ids(by_tag("v1"))
        .accepted_media_types("application/vnd.docker.distribution.manifest.v2+json")
        .send()
        .await
        .unwrap();
    assert!(other_type.images().is_empty());
}

#[tokio::test]
async fn an_image_needs_its_config_and_layers() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    let (config, layer) = (digest(b"config"), digest(b"layer"));
    let put = || {
        let manifest = manifest(&config, &layer, "");
        client
            .put_image()
            .repository_name("api")
            .image_manifest(manifest)
            .send()
    };
    let message = |missing: &str| {
        format!(
            "Layers with digests '[{missing}]' required for pushing image into repository with \
             name 'api' in the registry with id '111122223333' do not exist"
        )
    };
    let code = "LayersNotFoundException";
    assert_refused(put().await, code, &message(&format!("{config}, {layer}")));
    upload(&client, "api", b"layer").await;
    assert_refused(put().await, code, &message(&config));
    upload(&client, "api", b"config").await;
    put().await.unwrap();
}

#[tokio::test]
async fn manifests_that_cannot_be_read_are_refused() {
    let emulator = start().await;
    create(&emulator, "api");
    let config = json!({ "digest": digest(b"config") });
    let oci = "application/vnd.oci.image.manifest.v1+json";
    for (what, manifest, media_type, at) in [
        ("no JSON", "{nope".to_owned(), Value::Null, "ImageManifest"),
        ("no object", "[]".to_owned(), Value::Null, "ImageManifest"),
        (
            "no media type",
            json!({ "schemaVersion": 2, "config": config }).to_string(),
            Value::Null,
            "imageManifestMediaType",
        ),
        (
            "another media type",
            json!({ "schemaVersion": 2, "mediaType": oci, "config": config }).to_string(),
            json!("application/vnd.oci.image.index.v1+json"),
            "imageManifestMediaType",
        ),
        (
            "an unknown media type",
            json!({ "schemaVersion": 2, "config": config }).to_string(),
            json!("text/plain"),
            "imageManifestMediaType",
        ),
        (
            "schema 1",
            json!({ "schemaVersion": 1, "mediaType": oci, "config": config }).to_string(),
            Value::Null,
            "ImageManifest",
        ),
        (
            "no config",
            json!({ "schemaVersion": 2, "mediaType": oci }).to_string(),
            Value::Null,
            "ImageManifest",
        ),
        (
            "no digest",
            json!({ "schemaVersion": 2, "mediaType": oci, "config": {} }).to_string(),
            Value::Null,
            "ImageManifest",
        ),
    ] {
        let input = json!({
            "repositoryName": "api", "imageManifest": manifest, "imageManifestMediaType": media_type,
        });
        let (status, body) = post(&emulator, "PutImage", input).await;
        assert_eq!(
            (status, &body["__type"]),
            (400, &json!("InvalidParameterException")),
            "{what}"
        );
        let message = body["message"].as_str().unwrap();
        assert!(
            message.starts_with(&format!("Invalid parameter at '{at}'")),
            "{what}: {message}"
        );
    }
}

#[tokio::test]
async fn digests_and_tags_are_checked() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    let digests = push(&client, "api", &["v1"]).await;
    let state = emulator.repository(ACCOUNT, REGION, "api").unwrap();
    let manifest = state.images[&digests[0]].manifest.clone();
    let put = || {
        client
            .put_image()
            .repository_name("api")
            .image_manifest(&manifest)
    };
    let digest = &digests[0];
    assert_refused(
        put().image_tag("v1").send().await,
        "ImageAlreadyExistsException",
        &format!(
            "Image with digest '{digest}' and tag 'v1' already exists in the repository with name \
             'api' in registry with id '111122223333'"
        ),
    );
    assert_eq!(refused(put().send().await).0, "ImageAlreadyExistsException");
    let wrong = put().image_tag("v2").image_digest("sha256:00");
    assert_eq!(
        refused(wrong.send().await).0,
        "ImageDigestDoesNotMatchException"
    );
    for tag in ["-v", ".v", "a/b", "a b", &"t".repeat(129)] {
        assert_eq!(
            refused(put().image_tag(tag).send().await).0,
            "InvalidParameterException",
            "{tag}"
        );
    }
    put()
        .image_tag("v2")
        .image_digest(digest)
        .send()
        .await
        .unwrap();
    let state = emulator.repository(ACCOUNT, REGION, "api").unwrap();
    assert_eq!(state.images[digest].tags, ["v1", "v2"]);
}

#[tokio::test]
async fn a_tag_moves_unless_it_is_immutable() {
    let emulator = start().await;
    let exclusion = json!([{ "filterType": "WILDCARD", "filter": "dev-*" }]);
    for (name, mutability, filters, moves) in [
        ("mutable", "MUTABLE", Value::Null, [true, true]),
        ("immutable", "IMMUTABLE", Value::Null, [false, false]),
        (
            "immutable-but",
            "IMMUTABLE_WITH_EXCLUSION",
            exclusion.clone(),
            [false, true],
        ),
        (
            "mutable-but",
            "MUTABLE_WITH_EXCLUSION",
            exclusion,
            [true, false],
        ),
    ] {
        let input = json!({
            "repositoryName": name, "imageTagMutability": mutability,
            "imageTagMutabilityExclusionFilters": filters,
        });
        apply(&emulator, "CreateRepository", input);
        let client = client(&emulator);
        let digests = push(&client, name, &["v1", "dev-1", "other"]).await;
        let state = emulator.repository(ACCOUNT, REGION, name).unwrap();
        let other = state.images[&digests[2]].manifest.clone();
        for (tag, moves) in ["v1", "dev-1"].into_iter().zip(moves) {
            let put = client
                .put_image()
                .repository_name(name)
                .image_manifest(&other)
                .image_tag(tag);
            let outcome = put.send().await;
            if moves {
                outcome.unwrap();
            } else {
                assert_refused(
                    outcome,
                    "ImageTagAlreadyExistsException",
                    &format!(
                        "The image tag '{tag}' already exists in the '{name}' repository and \
                         cannot be overwritten because the repository is immutable."
                    ),
                );
            }
        }
        let state = emulator.repository(ACCOUNT, REGION, name).unwrap();
        assert_eq!(state.images.len(), 3);
        assert_eq!(state.images[&digests[0]].tags.is_empty(), moves[0]);
    }
}

#[tokio::test]
async fn images_are_listed_by_page_and_by_filter() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    let tags: Vec<String> = (0..12).map(|index| format!("v{index}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).chain(["", ""]).collect();
    push(&client, "api", &tags).await;
    for (status, expected) in [("TAGGED", 12), ("UNTAGGED", 2), ("ANY", 14)] {
        let status = TagStatus::from(status);
        let listed = client
            .list_images()
            .repository_name("api")
            .max_results(5)
            .filter(
                ListImagesFilter::builder()
                    .tag_status(status.clone())
                    .build(),
            )
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .unwrap();
        assert_eq!(listed.len(), expected);
        let described = client
            .describe_images()
            .repository_name("api")
            .max_results(5)
            .filter(DescribeImagesFilter::builder().tag_status(status).build())
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .unwrap();
        assert_eq!(described.len(), expected);
        let unique: std::collections::BTreeSet<_> = described
            .iter()
            .map(|detail| detail.image_digest().unwrap())
            .collect();
        assert_eq!(unique.len(), expected);
    }
    let archived = json!({ "repositoryName": "api", "filter": { "imageStatus": "ARCHIVED" } });
    let (_, body) = post(&emulator, "ListImages", archived).await;
    assert_eq!(body, json!({ "imageIds": [] }));
}

#[tokio::test]
async fn an_unknown_image_fails_the_description() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    push(&client, "api", &["v1"]).await;
    assert_refused(
        client
            .describe_images()
            .repository_name("api")
            .image_ids(by_tag("v1"))
            .image_ids(by_tag("v2"))
            .send()
            .await,
        "ImageNotFoundException",
        "The image with imageId {imageDigest:'null', imageTag:'v2'} does not exist within the \
         repository with name 'api' in the registry with id '111122223333'",
    );
}

#[tokio::test]
async fn a_tag_goes_alone_and_a_digest_with_all_its_tags() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    let digests = push(&client, "api", &["a", "b", ""]).await;
    let manifest = emulator.repository(ACCOUNT, REGION, "api").unwrap().images[&digests[0]]
        .manifest
        .clone();
    for tag in ["a2", "a3"] {
        let put = client
            .put_image()
            .repository_name("api")
            .image_manifest(&manifest);
        put.image_tag(tag).send().await.unwrap();
    }
    let delete = async |ids: Vec<ImageIdentifier>| {
        let request = client
            .batch_delete_image()
            .repository_name("api")
            .set_image_ids(Some(ids));
        request.send().await.unwrap()
    };
    let images = || emulator.repository(ACCOUNT, REGION, "api").unwrap().images;
    // One of several tags: the image stays.
    let one = delete(vec![by_tag("a2")]).await;
    assert_eq!(one.image_ids()[0].image_tag(), Some("a2"));
    assert_eq!(images()[&digests[0]].tags, ["a", "a3"]);
    // The digest: with all tags, each of which is answered.
    let all = delete(vec![by_digest(&digests[0])]).await;
    assert_eq!(all.image_ids().len(), 2);
    assert!(!images().contains_key(&digests[0]));
    // The last tag takes the image along; an untagged image is answered by its digest.
    let rest = delete(vec![by_tag("b"), by_digest(&digests[2])]).await;
    assert_eq!(rest.image_ids().len(), 2);
    assert!(rest.failures().is_empty());
    assert!(images().is_empty());
}

#[tokio::test]
async fn failures_are_told_image_by_image() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    let digests = push(&client, "api", &["a", "b"]).await;
    let both = ImageIdentifier::builder()
        .image_digest(&digests[0])
        .image_tag("b")
        .build();
    let answer = client
        .batch_delete_image()
        .repository_name("api")
        .image_ids(both)
        .image_ids(by_tag("none"))
        .image_ids(by_tag("a b"))
        .image_ids(by_digest("nonsense"))
        .image_ids(by_digest(&digest(b"none")))
        .image_ids(ImageIdentifier::builder().build())
        .send()
        .await
        .unwrap();
    let codes: Vec<&str> = answer
        .failures()
        .iter()
        .map(|failure| failure.failure_code().unwrap().as_str())
        .collect();
    assert_eq!(
        codes,
        [
            "ImageTagDoesNotMatchDigest",
            "ImageNotFound",
            "InvalidImageTag",
            "InvalidImageDigest",
            "ImageNotFound",
            "MissingDigestAndTag",
        ]
    );
    assert!(answer.image_ids().is_empty());
    assert_eq!(
        emulator
            .repository(ACCOUNT, REGION, "api")
            .unwrap()
            .images
            .len(),
        2
    );
}

#[tokio::test]
async fn a_manifest_list_holds_its_images() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    let absent = digest(b"absent");
    let mut children = push(&client, "api", &["amd64", ""]).await;
    children.push(absent.clone());
    let put = |manifest: String| {
        client
            .put_image()
            .repository_name("api")
            .image_manifest(manifest)
            .image_tag("all")
            .send()
    };
    assert_refused(
        put(list_of(&children)).await,
        "ReferencedImagesNotFoundException",
        &format!(
            "Images with digests '[{absent}]' required for pushing image into repository with name \
             'api' in the registry with id '111122223333' do not exist"
        ),
    );
    children.pop();
    put(list_of(&children)).await.unwrap();
    let list = digest(list_of(&children).as_bytes());
    let delete = async |ids: Vec<ImageIdentifier>| {
        let request = client
            .batch_delete_image()
            .repository_name("api")
            .set_image_ids(Some(ids));
        request.send().await.unwrap()
    };
    for id in [
        by_digest(&children[0]),
        by_digest(&children[1]),
        by_tag("amd64"),
    ] {
        let answer = delete(vec![id]).await;
        let failure = answer.failures()[0].failure_code().unwrap();
        assert_eq!(failure.as_str(), "ImageReferencedByManifestList");
    }
    // Together with the list they stay still; after it they go.
    let together = delete(vec![by_digest(&list), by_digest(&children[0])]).await;
    assert_eq!(
        (together.image_ids().len(), together.failures().len()),
        (1, 1)
    );
    let after = delete(vec![by_digest(&children[0]), by_digest(&children[1])]).await;
    assert!(after.failures().is_empty());
    assert!(
        emulator
            .repository(ACCOUNT, REGION, "api")
            .unwrap()
            .images
            .is_empty()
    );
}

#[tokio::test]
async fn quotas_of_images_are_settable() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    let digests = push(&client, "api", &["a"]).await;
    emulator.configure(|settings| {
        settings.images_quota = 1;
        settings.image_tags_quota = 2;
    });
    let state = emulator.repository(ACCOUNT, REGION, "api").unwrap();
    let known = state.images[&digests[0]].manifest.clone();
    let new = manifest(&digest(b"config"), &digest(b"layer"), "new");
    let put = |manifest: &str, tag: &str| {
        client
            .put_image()
            .repository_name("api")
            .image_manifest(manifest)
            .image_tag(tag)
            .send()
    };
    assert_eq!(refused(put(&new, "n").await).0, "LimitExceededException");
    put(&known, "b").await.unwrap();
    assert_eq!(refused(put(&known, "c").await).0, "LimitExceededException");
}
