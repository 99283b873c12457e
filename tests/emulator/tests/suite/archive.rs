//! The archive storage class, referrers, download addresses and authorization tokens.

use serde_json::{Value, json};

use crate::support::{ACCOUNT, REGION, apply, client, create, digest, push, start, upload};

fn code(outcome: Result<Value, ecr_emulator::Error>) -> String {
    outcome.expect_err("it should be refused").code
}

fn update(emulator: &ecr_emulator::Emulator, tag: &str, class: &str) -> Result<Value, String> {
    let input = json!({
        "repositoryName": "api", "imageId": { "imageTag": tag }, "targetStorageClass": class,
    });
    emulator
        .call(ACCOUNT, REGION, "UpdateImageStorageClass", input)
        .map_err(|error| error.code)
}

#[tokio::test]
async fn an_image_goes_to_the_archive_and_comes_back() {
    let emulator = start().await;
    create(&emulator, "api");
    let digests = push(&client(&emulator), "api", &["v1"]).await;
    let answer = update(&emulator, "v1", "ARCHIVE").unwrap();
    assert_eq!(answer["imageStatus"], "ARCHIVED");
    assert_eq!(
        answer["imageId"],
        json!({ "imageDigest": digests[0], "imageTag": "v1" })
    );

    let listed = apply(&emulator, "ListImages", json!({ "repositoryName": "api" }));
    assert_eq!(listed["imageIds"], json!([]));
    let filter = json!({ "repositoryName": "api", "filter": { "imageStatus": "ARCHIVED" } });
    let described = apply(&emulator, "DescribeImages", filter);
    assert_eq!(described["imageDetails"][0]["imageStatus"], "ARCHIVED");
    assert!(described["imageDetails"][0]["lastArchivedAt"].is_number());
    let ids = json!({ "repositoryName": "api", "imageIds": [{ "imageTag": "v1" }] });
    let fetched = apply(&emulator, "BatchGetImage", ids);
    assert_eq!(fetched["failures"][0]["failureCode"], "ImageInaccessible");
    let layer = digest(b"layer");
    let layers = json!({ "repositoryName": "api", "layerDigests": [layer] });
    let checked = apply(&emulator, "BatchCheckLayerAvailability", layers);
    assert_eq!(checked["layers"][0]["layerAvailability"], "ARCHIVED");

    let unsupported = "ImageStorageClassUpdateNotSupportedException";
    assert_eq!(update(&emulator, "v1", "ARCHIVE").unwrap_err(), unsupported);
    emulator.configure(|settings| settings.job_millis = 3_600_000);
    assert_eq!(
        update(&emulator, "v1", "STANDARD").unwrap()["imageStatus"],
        "ACTIVATING"
    );
    assert_eq!(
        update(&emulator, "v1", "STANDARD").unwrap_err(),
        unsupported
    );
    let filter = json!({ "repositoryName": "api", "filter": { "imageStatus": "ACTIVATING" } });
    let described = apply(&emulator, "DescribeImages", filter);
    assert_eq!(described["imageDetails"][0]["imageStatus"], "ACTIVATING");
    assert!(
        described["imageDetails"][0]
            .get("lastActivatedAt")
            .is_none()
    );
}

#[tokio::test]
async fn a_restore_without_delay_is_seen_by_the_next_call() {
    let emulator = start().await;
    create(&emulator, "api");
    push(&client(&emulator), "api", &["v1"]).await;
    update(&emulator, "v1", "ARCHIVE").unwrap();
    assert_eq!(
        update(&emulator, "v1", "STANDARD").unwrap()["imageStatus"],
        "ACTIVATING"
    );
    let described = apply(
        &emulator,
        "DescribeImages",
        json!({ "repositoryName": "api" }),
    );
    assert_eq!(described["imageDetails"][0]["imageStatus"], "ACTIVE");
    assert!(described["imageDetails"][0]["lastActivatedAt"].is_number());
    assert_eq!(
        update(&emulator, "v2", "ARCHIVE").unwrap_err(),
        "ImageNotFoundException"
    );
}

#[tokio::test]
async fn archived_images_do_not_count_towards_the_quota() {
    let emulator = start().await;
    create(&emulator, "api");
    push(&client(&emulator), "api", &["v1"]).await;
    update(&emulator, "v1", "ARCHIVE").unwrap();
    emulator.configure(|settings| settings.images_quota = 1);
    push(&client(&emulator), "api", &["other"]).await;
}

fn artifact(config: &str, subject: &str, kind: &str, note: usize) -> Value {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": kind,
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 6 },
        "layers": [],
        "subject": { "digest": subject },
        "annotations": { "note": note.to_string() },
    });
    json!({ "repositoryName": "api", "imageManifest": manifest.to_string() })
}

#[tokio::test]
async fn referrers_are_listed_by_page_and_type() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    let subject = push(&client, "api", &["v1"]).await.remove(0);
    let config = upload(&client, "api", b"artifact").await;
    for note in 0..25 {
        let kind = if note < 5 {
            "application/sbom"
        } else {
            "application/signature"
        };
        apply(
            &emulator,
            "PutImage",
            artifact(&config, &subject, kind, note),
        );
    }
    let ask = |more: Value| {
        let mut input = json!({ "repositoryName": "api", "subjectId": { "imageDigest": subject } });
        let more = more.as_object().unwrap().clone();
        input.as_object_mut().unwrap().extend(more);
        apply(&emulator, "ListImageReferrers", input)
    };
    let first = ask(json!({}));
    assert_eq!(first["referrers"].as_array().unwrap().len(), 20);
    let rest = ask(json!({ "nextToken": first["nextToken"] }));
    assert_eq!(rest["referrers"].as_array().unwrap().len(), 5);
    assert!(rest.get("nextToken").is_none());
    let boms =
        ask(json!({ "filter": { "artifactTypes": ["application/sbom"] }, "maxResults": 50 }));
    assert_eq!(boms["referrers"].as_array().unwrap().len(), 5);
    assert_eq!(boms["referrers"][0]["artifactType"], "application/sbom");
    assert!(boms["referrers"][0]["annotations"]["note"].is_string());
    assert_eq!(
        ask(json!({ "filter": { "artifactStatus": "ARCHIVED" } }))["referrers"],
        json!([])
    );
    let wrong = json!({ "repositoryName": "api", "subjectId": { "imageDigest": "v1" } });
    let refused = emulator.call(ACCOUNT, REGION, "ListImageReferrers", wrong);
    assert_eq!(code(refused), "InvalidParameterException");
}

#[tokio::test]
async fn only_layers_of_images_have_a_download_url() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    push(&client, "api", &["v1"]).await;
    let alone = upload(&client, "api", b"alone").await;
    let ask = |layer: &str| {
        let input = json!({ "repositoryName": "api", "layerDigest": layer });
        emulator.call(ACCOUNT, REGION, "GetDownloadUrlForLayer", input)
    };
    let answer = ask(&digest(b"layer")).unwrap();
    assert!(
        answer["downloadUrl"]
            .as_str()
            .unwrap()
            .starts_with("https://")
    );
    assert_eq!(code(ask(&alone)), "LayerInaccessibleException");
    assert_eq!(code(ask(&digest(b"none"))), "LayersNotFoundException");
}

#[tokio::test]
async fn a_token_is_for_docker_and_lasts_twelve_hours() {
    use base64::Engine as _;
    let emulator = start().await;
    let answer = apply(&emulator, "GetAuthorizationToken", json!({}));
    let [data] = answer["authorizationData"].as_array().unwrap().as_slice() else {
        panic!("one entry: {answer}");
    };
    let token = data["authorizationToken"].as_str().unwrap();
    let token = base64::engine::general_purpose::STANDARD
        .decode(token)
        .unwrap();
    assert!(token.starts_with(b"AWS:"));
    let lasts = data["expiresAt"].as_f64().unwrap()
        - std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs_f64();
    assert!((lasts - 43_200.0).abs() < 60.0, "{lasts}");
    let two = json!({ "registryIds": [ACCOUNT, "444455556666"] });
    let answer = apply(&emulator, "GetAuthorizationToken", two);
    assert_eq!(answer["authorizationData"].as_array().unwrap().len(), 2);
}
