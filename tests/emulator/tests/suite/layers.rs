//! Layers and their upload in parts.

use serde_json::{Value, json};

use crate::support::{ACCOUNT, apply, client, create, digest, post, refused, start, upload};

const PART: usize = 5 * 1024 * 1024;

fn begin(emulator: &ecr_emulator::Emulator) -> String {
    let answer = apply(
        emulator,
        "InitiateLayerUpload",
        json!({ "repositoryName": "api" }),
    );
    assert_eq!(answer["partSize"], 10 * 1024 * 1024);
    answer["uploadId"].as_str().unwrap().to_owned()
}

fn part(id: &str, first: usize, last: usize, bytes: &[u8]) -> Value {
    use base64::Engine as _;
    json!({
        "repositoryName": "api", "uploadId": id, "partFirstByte": first, "partLastByte": last,
        "layerPartBlob": base64::engine::general_purpose::STANDARD.encode(bytes),
    })
}

fn complete(id: &str, digest: &str) -> Value {
    json!({ "repositoryName": "api", "uploadId": id, "layerDigests": [digest] })
}

#[tokio::test]
async fn a_layer_is_uploaded_in_parts() {
    let emulator = start().await;
    create(&emulator, "api");
    let bytes: Vec<u8> = (0..PART + 3)
        .map(|index| u8::try_from(index % 251).unwrap())
        .collect();
    let id = begin(&emulator);
    let first = apply(
        &emulator,
        "UploadLayerPart",
        part(&id, 0, PART - 1, &bytes[..PART]),
    );
    assert_eq!(first["lastByteReceived"], PART - 1);
    assert_eq!(first["registryId"], ACCOUNT);
    let second = apply(
        &emulator,
        "UploadLayerPart",
        part(&id, PART, PART + 2, &bytes[PART..]),
    );
    assert_eq!(second["lastByteReceived"], PART + 2);
    let done = apply(
        &emulator,
        "CompleteLayerUpload",
        complete(&id, &digest(&bytes)),
    );
    assert_eq!(done["layerDigest"], digest(&bytes));
    let (_, gone) = post(
        &emulator,
        "CompleteLayerUpload",
        complete(&id, &digest(&bytes)),
    )
    .await;
    assert_eq!(gone["__type"], "UploadNotFoundException");
}

#[tokio::test]
async fn parts_that_do_not_fit_are_refused() {
    let emulator = start().await;
    create(&emulator, "api");
    let id = begin(&emulator);
    apply(&emulator, "UploadLayerPart", part(&id, 0, 3, b"four"));
    for (first, last, bytes) in [
        (0, 3, b"four".as_slice()),
        (5, 8, b"four"),
        (4, 8, b"four"),
        (4, 6, b"four"),
        (4, 4, b""),
    ] {
        let (status, body) =
            post(&emulator, "UploadLayerPart", part(&id, first, last, bytes)).await;
        assert_eq!(status, 400, "{first} {last}");
        assert_eq!(body["__type"], "InvalidLayerPartException");
        assert_eq!(body["lastValidByteReceived"], 3);
        assert_eq!(body["uploadId"], id);
    }
    apply(&emulator, "UploadLayerPart", part(&id, 4, 7, b"more"));
    let (_, body) = post(
        &emulator,
        "CompleteLayerUpload",
        complete(&id, &digest(b"fourmore")),
    )
    .await;
    assert_eq!(body["__type"], "LayerPartTooSmallException");
}

#[tokio::test]
async fn an_upload_must_be_what_it_says() {
    let emulator = start().await;
    create(&emulator, "api");
    create(&emulator, "other");
    let code_of = async |operation: &str, input: Value| {
        post(&emulator, operation, input).await.1["__type"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let id = begin(&emulator);
    let empty = complete(&id, &digest(b""));
    assert_eq!(
        code_of("CompleteLayerUpload", empty).await,
        "EmptyUploadException"
    );
    apply(&emulator, "UploadLayerPart", part(&id, 0, 3, b"four"));
    let wrong = complete(&id, &digest(b"five"));
    assert_eq!(
        code_of("CompleteLayerUpload", wrong).await,
        "InvalidLayerException"
    );
    let mut elsewhere = complete(&id, &digest(b"four"));
    elsewhere["repositoryName"] = json!("other");
    assert_eq!(
        code_of("CompleteLayerUpload", elsewhere).await,
        "UploadNotFoundException"
    );
    apply(
        &emulator,
        "CompleteLayerUpload",
        complete(&id, &digest(b"four")),
    );
    let again = begin(&emulator);
    apply(&emulator, "UploadLayerPart", part(&again, 0, 3, b"four"));
    let known = complete(&again, &digest(b"four"));
    assert_eq!(
        code_of("CompleteLayerUpload", known).await,
        "LayerAlreadyExistsException"
    );
    // Uploads go with their repository.
    apply(
        &emulator,
        "DeleteRepository",
        json!({ "repositoryName": "api" }),
    );
    create(&emulator, "api");
    assert_eq!(
        code_of("UploadLayerPart", part(&again, 4, 7, b"four")).await,
        "UploadNotFoundException"
    );
}

#[tokio::test]
async fn the_log_leaves_the_bytes_out() {
    let emulator = start().await;
    create(&emulator, "api");
    upload(&client(&emulator), "api", b"layer").await;
    let calls = emulator.log();
    let part = calls
        .iter()
        .find(|call| call.operation == "UploadLayerPart")
        .unwrap();
    assert_eq!(part.input["layerPartBlob"], "(8 characters of base64)");
    assert_eq!(part.input["partLastByte"], 4);
}

#[tokio::test]
async fn availability_is_told_layer_by_layer() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    let known = upload(&client, "api", b"layer").await;
    let absent = digest(b"absent");
    let answer = client
        .batch_check_layer_availability()
        .repository_name("api")
        .layer_digests(&known)
        .layer_digests(&absent)
        .layer_digests("nonsense")
        .layer_digests("")
        .send()
        .await
        .unwrap();
    let layers: Vec<_> = answer
        .layers()
        .iter()
        .map(|layer| {
            (
                layer.layer_digest().unwrap(),
                layer.layer_availability().unwrap().as_str(),
                layer.layer_size(),
            )
        })
        .collect();
    assert_eq!(
        layers,
        [
            (known.as_str(), "AVAILABLE", Some(5)),
            (absent.as_str(), "UNAVAILABLE", None)
        ]
    );
    let failures: Vec<_> = answer
        .failures()
        .iter()
        .map(|failure| failure.failure_code().unwrap().as_str())
        .collect();
    assert_eq!(failures, ["InvalidLayerDigest", "MissingLayerDigest"]);
    let none = client.initiate_layer_upload().repository_name("none");
    assert_eq!(refused(none.send().await).0, "RepositoryNotFoundException");
}
