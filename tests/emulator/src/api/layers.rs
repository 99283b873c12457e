//! Layers and their upload in parts.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Context, REGISTRY_ID, REPOSITORY_NAME, creation, kms, list, manifest, text, upstream};
use crate::error::Error;
use crate::partition::Partition;
use crate::shape::{Member, Shape, matches, optional, required};
use crate::state::{Image, Repository, Upload, sha256_hex, uuid};

/// The part size that ECR proposes.
const PART_SIZE: usize = 10 * 1024 * 1024;
/// Every part but the last must have this size:
/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html>.
const MIN_PART: usize = 5 * 1024 * 1024;
/// In one layer (the same page).
const MAX_PARTS: usize = 4_200;

pub(super) const UPLOAD_ID: Shape = Shape::matching(
    0,
    usize::MAX,
    "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
);
pub(super) const DIGEST: &str = "[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+";
const LAYER_DIGEST: Shape = Shape::matching(0, usize::MAX, DIGEST);
const BYTE: Shape = Shape::Integer {
    min: 0,
    max: i64::MAX,
};

pub(super) const DOWNLOAD: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    required("layerDigest", LAYER_DIGEST),
];
pub(super) const CHECK: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    required("layerDigests", Shape::list(&Shape::text(0, 1000), 1, 100)),
];
pub(super) const UPLOAD: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    required("uploadId", UPLOAD_ID),
    required("partFirstByte", BYTE),
    required("partLastByte", BYTE),
    required("layerPartBlob", Shape::Blob { max: 20_971_520 }),
];
pub(super) const COMPLETE: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    required("uploadId", UPLOAD_ID),
    required("layerDigests", Shape::list(&LAYER_DIGEST, 1, 100)),
];

pub(super) fn initiate(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    creation::with_push(context, input, begin)
}

fn begin(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    kms::check_repository(context, input)?;
    let name = context.repository(input)?.name.clone();
    let id = uuid(&format!("upload {} {name}", context.serial));
    let upload = Upload {
        repository: name,
        bytes: Vec::new(),
        parts: Vec::new(),
    };
    context.registry.uploads.insert(id.clone(), upload);
    Ok(json!({ "uploadId": id, "partSize": PART_SIZE }))
}

/// Parts must follow one another without a gap, and their bounds must tell the truth.
pub(super) fn upload(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    kms::check_repository(context, input)?;
    let part = STANDARD
        .decode(text(input, "layerPartBlob"))
        .map_err(|_| Error::serialization("Invalid base64: the blob could not be decoded"))?;
    let registry = context.caller.account.clone();
    let upload = open_upload(context, input)?;
    let byte = |name: &str| {
        let byte = input.get(name).and_then(Value::as_u64).unwrap_or_default();
        usize::try_from(byte).unwrap_or(usize::MAX)
    };
    let (first, last) = (byte("partFirstByte"), byte("partLastByte"));
    let received = upload.bytes.len();
    if first != received || last.checked_add(1) != first.checked_add(part.len()) {
        let message = format!(
            "Layer part with first byte '{first}' and last byte '{last}' does not follow the \
             '{received}' bytes received so far, or its bounds differ from its size '{}'",
            part.len()
        );
        return Err(Error::new("InvalidLayerPartException", message)
            .with_detail("registryId", registry)
            .with_detail("repositoryName", text(input, "repositoryName"))
            .with_detail("uploadId", text(input, "uploadId"))
            .with_detail("lastValidByteReceived", received.saturating_sub(1)));
    }
    if upload.parts.len() >= MAX_PARTS {
        return Err(Error::new(
            "LimitExceededException",
            format!(
                "The upload already has the maximum allowed number of layer parts which is \
                 '{MAX_PARTS}'"
            ),
        ));
    }
    upload.parts.push(part.len());
    upload.bytes.extend(part);
    let last_received = upload.bytes.len().saturating_sub(1);
    Ok(json!({
        "registryId": registry,
        "repositoryName": text(input, "repositoryName"),
        "uploadId": text(input, "uploadId"),
        "lastByteReceived": last_received,
    }))
}

pub(super) fn complete(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let (name, id) = (text(input, "repositoryName"), text(input, "uploadId"));
    kms::check_repository(context, input)?;
    let account = context.caller.account.clone();
    let upload = open_upload(context, input)?;
    let digest = checked_digest(upload, input, id)?;
    let repository = context.repository(input)?;
    if repository.layers.contains_key(&digest) {
        return Err(Error::new(
            "LayerAlreadyExistsException",
            format!(
                "The layer with digest '{digest}' already exists in the repository with name \
                 '{name}' in the registry with id '{account}'"
            ),
        ));
    }
    let Some(upload) = context.registry.uploads.remove(id) else {
        return Err(Error::server("the upload has gone"));
    };
    let layer: Arc<[u8]> = upload.bytes.into();
    context
        .repository(input)?
        .layers
        .insert(digest.clone(), layer);
    Ok(json!({
        "registryId": account,
        "repositoryName": name,
        "uploadId": id,
        "layerDigest": digest,
    }))
}

/// The digest of the content, which must be the one that the caller announces.
fn checked_digest(upload: &Upload, input: &Value, id: &str) -> Result<String, Error> {
    if upload.bytes.is_empty() {
        return Err(Error::new(
            "EmptyUploadException",
            format!("The upload with upload id '{id}' does not contain any layer parts"),
        ));
    }
    let (_, all_but_last) = upload.parts.split_last().unwrap_or((&0, &[]));
    if all_but_last.iter().any(|size| *size < MIN_PART) {
        return Err(Error::new(
            "LayerPartTooSmallException",
            format!("All layer parts but the last must have at least {MIN_PART} bytes"),
        ));
    }
    let digest = format!("sha256:{}", sha256_hex(&upload.bytes));
    let announced = list(input, "layerDigests");
    if announced.iter().any(|other| other != digest.as_str()) {
        return Err(Error::new(
            "InvalidLayerException",
            format!("The digest of the uploaded layer is '{digest}', which is not the one given"),
        ));
    }
    Ok(digest)
}

fn open_upload<'a>(context: &'a mut Context<'_>, input: &Value) -> Result<&'a mut Upload, Error> {
    let (name, id) = (text(input, "repositoryName"), text(input, "uploadId"));
    let account = &context.caller.account;
    context
        .registry
        .uploads
        .get_mut(id)
        .filter(|upload| upload.repository == name)
        .ok_or_else(|| {
            Error::new(
                "UploadNotFoundException",
                format!(
                    "The upload with upload id '{id}' does not exist in the repository with name \
                     '{name}' in the registry with id '{account}'"
                ),
            )
        })
}

pub(super) fn check(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let repository = context.repository(input)?;
    let (mut layers, mut failures) = (Vec::new(), Vec::new());
    for digest in list(input, "layerDigests").iter().filter_map(Value::as_str) {
        let fault = if digest.is_empty() {
            Some((
                "MissingLayerDigest",
                "The layer digest cannot be null".to_owned(),
            ))
        } else if matches(DIGEST, digest)? {
            None
        } else {
            let reason = format!("The layer digest should satisfy the regex '{DIGEST}'");
            Some(("InvalidLayerDigest", reason))
        };
        match (fault, repository.layers.get(digest)) {
            (Some((code, reason)), _) => failures.push(json!({
                "layerDigest": digest, "failureCode": code, "failureReason": reason,
            })),
            (None, Some(layer)) => layers.push(json!({
                "layerDigest": digest,
                "layerAvailability": if is_archived(repository, digest) {
                    "ARCHIVED"
                } else {
                    "AVAILABLE"
                },
                "layerSize": layer.len(),
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
            })),
            (None, None) => layers.push(json!({
                "layerDigest": digest, "layerAvailability": "UNAVAILABLE",
            })),
        }
    }
    Ok(json!({ "layers": layers, "failures": failures }))
}

/// The images that use a layer.
fn users<'a>(repository: &'a Repository, layer: &'a str) -> impl Iterator<Item = &'a Image> {
    repository.images.values().filter(move |image| {
        manifest::read(&image.manifest, &image.media_type)
            .is_ok_and(|manifest| manifest.layers.iter().any(|digest| digest == layer))
    })
}

/// A layer goes to the archive with the last of its images.
fn is_archived(repository: &Repository, layer: &str) -> bool {
    // Reading every manifest is only worth it when there is an archived image at all.
    repository.images.values().any(|image| image.archived) && {
        let mut users = users(repository, layer).peekable();
        users.peek().is_some() && users.all(|image| image.archived)
    }
}

/// Only layers of images have a URL (model, `GetDownloadUrlForLayer`); those of cached images come
/// from the upstream when they are asked for. The URL has the form of the pre-signed ones of AWS, but
/// leads nowhere: the emulator is a control plane.
pub(super) fn download(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let digest = text(input, "layerDigest");
    let region = context.caller.region.clone();
    let repository = &*context.repository(input)?;
    let (name, account) = (repository.name.clone(), repository.registry_id.clone());
    let held = repository.layers.contains_key(digest);
    let used = users(repository, digest).next().is_some();
    let usable = users(repository, digest).any(|image| !image.archived);
    let found =
        held || (used && upstream::enter(context, &name, "UnableToGetUpstreamLayerException")?);
    if !found {
        return Err(Error::new(
            "LayersNotFoundException",
            format!(
                "The layer with digest '{digest}' does not exist in the repository with name \
                 '{name}' in the registry with id '{account}'"
            ),
        ));
    }
    if !usable {
        return Err(Error::new(
            "LayerInaccessibleException",
            format!(
                "The layer with digest '{digest}' in the repository with name '{name}' in the \
                 registry with id '{account}' is not associated with an image that can be pulled"
            ),
        ));
    }
    let layer = uuid(&format!("{account} {name} {digest}"));
    let url = format!(
        "https://prod-{region}-starport-layer-bucket.s3.{region}.{}/{layer}?X-Amz-Expires=3600",
        Partition::of(&region).domain
    );
    Ok(json!({ "downloadUrl": url, "layerDigest": digest }))
}
