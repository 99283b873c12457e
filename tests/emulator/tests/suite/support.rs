//! What the tests share: a running emulator, SDK clients for it, and plain HTTP.

use std::fmt::Debug;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ecr::config::BehaviorVersion;
use aws_sdk_ecr::config::retry::RetryConfig;
use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};
use aws_types::SdkConfig;
use aws_types::region::Region;
use ecr_emulator::Emulator;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "eu-central-1";

pub(crate) async fn start() -> Emulator {
    Emulator::start(([127, 0, 0, 1], 0).into()).await.unwrap()
}

/// What a client of any service needs. Without retries: a test wants to see each answer.
pub(crate) fn sdk(emulator: &Emulator, credentials: Credentials, region: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(emulator.url())
        .region(Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .build()
}

/// The credentials of an access key, which may be the account itself.
pub(crate) fn key(key: &str) -> Credentials {
    Credentials::new(key, "secret", None, None, "test")
}

pub(crate) fn client_of(emulator: &Emulator, id: &str, region: &str) -> aws_sdk_ecr::Client {
    aws_sdk_ecr::Client::new(&sdk(emulator, key(id), region))
}

pub(crate) fn client(emulator: &Emulator) -> aws_sdk_ecr::Client {
    client_of(emulator, ACCOUNT, REGION)
}

/// Code and message of a refusal.
pub(crate) fn refused<T: Debug, E: ProvideErrorMetadata + Debug>(
    outcome: Result<T, SdkError<E>>,
) -> (String, String) {
    let error = outcome.expect_err("it should be refused");
    (
        error.code().unwrap_or_default().to_owned(),
        error.message().unwrap_or_default().to_owned(),
    )
}

/// Asserts a refusal by code and full message.
pub(crate) fn assert_refused<T: Debug, E: ProvideErrorMetadata + Debug>(
    outcome: Result<T, SdkError<E>>,
    code: &str,
    message: &str,
) {
    assert_eq!(refused(outcome), (code.to_owned(), message.to_owned()));
}

pub(crate) fn authorization(key: &str, region: &str, service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={key}/20261124/{region}/{service}/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=0123456789abcdef"
    )
}

/// One request on a connection of its own; none if the connection is cut instead of an answer.
pub(crate) async fn http(
    emulator: &Emulator,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<(u16, String)> {
    let address = emulator.url().replace("http://", "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len().to_string();
    let own = [
        ("host", "emulator"),
        ("connection", "close"),
        ("content-length", &length),
    ];
    let lines: Vec<String> = own
        .iter()
        .chain(headers)
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let request = format!("{method} {path} HTTP/1.1\r\n{}\r\n{body}", lines.concat());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().unwrap();
    Some((status, body.to_owned()))
}

/// An operation by plain HTTP, with a body that is sent as it is.
pub(crate) async fn post_text(emulator: &Emulator, operation: &str, body: &str) -> (u16, Value) {
    let target = format!("AmazonEC2ContainerRegistry_V20150921.{operation}");
    let headers = [
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", target.as_str()),
        ("authorization", &authorization(ACCOUNT, REGION, "ecr")),
    ];
    let (status, body) = http(emulator, "POST", "/", &headers, body).await.unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

/// An operation by plain HTTP.
pub(crate) async fn post(emulator: &Emulator, operation: &str, input: Value) -> (u16, Value) {
    post_text(emulator, operation, &input.to_string()).await
}

/// A hook.
pub(crate) async fn hook(
    emulator: &Emulator,
    method: &str,
    path: &str,
    body: Value,
) -> (u16, Value) {
    let path = format!("/_emulator/{path}");
    let (status, body) = http(emulator, method, &path, &[], &body.to_string())
        .await
        .unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

/// An operation behind everybody's back, which must succeed.
pub(crate) fn apply(emulator: &Emulator, operation: &str, input: Value) -> Value {
    emulator.call(ACCOUNT, REGION, operation, input).unwrap()
}

/// The code with which an operation behind everybody's back is refused, as it must be.
pub(crate) fn refusal(emulator: &Emulator, operation: &str, input: Value) -> String {
    let outcome = emulator.call(ACCOUNT, REGION, operation, input);
    outcome.expect_err("it should be refused").code
}

/// A repository to work on.
pub(crate) fn create(emulator: &Emulator, name: &str) {
    apply(
        emulator,
        "CreateRepository",
        json!({ "repositoryName": name }),
    );
}

pub(crate) fn arn(name: &str) -> String {
    format!("arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}")
}

/// The SHA-256 digest of some bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    use sha2::{Digest as _, Sha256};
    let hex: Vec<String> = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{}", hex.concat())
}

/// Uploads a layer, as a docker push does, and returns its digest.
pub(crate) async fn upload(client: &aws_sdk_ecr::Client, repository: &str, bytes: &[u8]) -> String {
    let upload = client
        .initiate_layer_upload()
        .repository_name(repository)
        .send()
        .await
        .unwrap();
    let id = upload.upload_id().unwrap();
    let last = i64::try_from(bytes.len()).unwrap() - 1;
    client
        .upload_layer_part()
        .repository_name(repository)
        .upload_id(id)
        .part_first_byte(0)
        .part_last_byte(last)
        .layer_part_blob(aws_sdk_ecr::primitives::Blob::new(bytes))
        .send()
        .await
        .unwrap();
    let done = client
        .complete_layer_upload()
        .repository_name(repository)
        .upload_id(id)
        .layer_digests(digest(bytes))
        .send()
        .await
        .unwrap();
    done.layer_digest().unwrap().to_owned()
}

/// Uploads a layer behind everybody's back.
pub(crate) fn upload_by_hook(emulator: &Emulator, repository: &str, bytes: &[u8]) -> String {
    use base64::Engine as _;
    let named = |mut input: Value| {
        input["repositoryName"] = json!(repository);
        input
    };
    let begun = apply(emulator, "InitiateLayerUpload", named(json!({})));
    let part = json!({
        "uploadId": begun["uploadId"],
        "partFirstByte": 0,
        "partLastByte": bytes.len() - 1,
        "layerPartBlob": base64::engine::general_purpose::STANDARD.encode(bytes),
    });
    apply(emulator, "UploadLayerPart", named(part));
    let done = json!({ "uploadId": begun["uploadId"], "layerDigests": [digest(bytes)] });
    apply(emulator, "CompleteLayerUpload", named(done));
    digest(bytes)
}

/// A manifest of one config and one layer.
pub(crate) fn manifest(config: &str, layer: &str, note: &str) -> String {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 6 },
        "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer, "size": 5 }],
        "annotations": { "note": note },
    })
    .to_string()
}

/// The manifest of a list of images.
pub(crate) fn index(digests: &[&str]) -> Value {
    let manifests = digests.iter().map(|digest| {
        json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 1,
        })
    });
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests.collect::<Vec<Value>>(),
    })
}

/// Pushes images, each with one tag (none for the empty one), and returns their digests.
pub(crate) async fn push(
    client: &aws_sdk_ecr::Client,
    repository: &str,
    tags: &[&str],
) -> Vec<String> {
    let config = upload_once(client, repository, b"config").await;
    let layer = upload_once(client, repository, b"layer").await;
    let mut digests = Vec::new();
    for (index, tag) in tags.iter().enumerate() {
        let manifest = manifest(&config, &layer, &format!("{index} {tag}"));
        let tag = (!tag.is_empty()).then(|| (*tag).to_owned());
        let pushed = client
            .put_image()
            .repository_name(repository)
            .image_manifest(&manifest)
            .set_image_tag(tag)
            .send()
            .await
            .unwrap();
        let id = pushed.image().unwrap().image_id().unwrap();
        assert_eq!(id.image_digest().unwrap(), digest(manifest.as_bytes()));
        digests.push(digest(manifest.as_bytes()));
    }
    digests
}

/// Uploads a layer unless it is there.
pub(crate) async fn upload_once(
    client: &aws_sdk_ecr::Client,
    repository: &str,
    bytes: &[u8],
) -> String {
    let known = client
        .batch_check_layer_availability()
        .repository_name(repository)
        .layer_digests(digest(bytes))
        .send()
        .await
        .unwrap();
    let available = known.layers()[0].layer_availability().unwrap().as_str() != "UNAVAILABLE";
    if available {
        return digest(bytes);
    }
    upload(client, repository, bytes).await
}
