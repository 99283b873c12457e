//! The errors of layers and their upload, each provoked.

use ecr_emulator::{Emulator, SecretFault};
use serde_json::{Value, json};

use super::super::Model;
use super::super::samples::sample;
use super::upstreams::broken;
use super::{Provocation, named, sealed};
use crate::support::{apply, digest, upload_by_hook};

pub(super) const TABLE: &[Provocation] = &[
    ("InitiateLayerUpload", "KmsException", |emulator| {
        sealed(emulator, |_| json!({}))
    }),
    ("UploadLayerPart", "UploadNotFoundException", |_| {
        part(
            &json!({ "uploadId": "01234567-89ab-cdef-0123-456789abcdef" }),
            0,
        )
    }),
    ("UploadLayerPart", "InvalidLayerPartException", |emulator| {
        part(&upload(emulator, &[1]), 5)
    }),
    ("UploadLayerPart", "LimitExceededException", |emulator| {
        part(&upload(emulator, &[1; 4_200]), 4_200)
    }),
    ("UploadLayerPart", "KmsException", |emulator| {
        sealed(emulator, |emulator| part(&upload(emulator, &[1]), 1))
    }),
    ("CompleteLayerUpload", "UploadNotFoundException", |_| {
        sample(Model::get(), "CompleteLayerUploadRequest")
    }),
    ("CompleteLayerUpload", "InvalidLayerException", |emulator| {
        let mut input = upload(emulator, &[1]);
        input["layerDigests"] = json!([digest(b"another")]);
        input
    }),
    (
        "CompleteLayerUpload",
        "LayerPartTooSmallException",
        |emulator| upload(emulator, &[1, 1]),
    ),
    (
        "CompleteLayerUpload",
        "LayerAlreadyExistsException",
        |emulator| {
            let again = upload(emulator, &[1]);
            let first = upload(emulator, &[1]);
            apply(emulator, "CompleteLayerUpload", first);
            again
        },
    ),
    ("CompleteLayerUpload", "EmptyUploadException", |emulator| {
        upload(emulator, &[])
    }),
    ("CompleteLayerUpload", "KmsException", |emulator| {
        sealed(emulator, |emulator| upload(emulator, &[1]))
    }),
    ("GetDownloadUrlForLayer", "LayersNotFoundException", |_| {
        named(json!({ "layerDigest": digest(b"none") }))
    }),
    (
        "GetDownloadUrlForLayer",
        "LayerInaccessibleException",
        |emulator| {
            let loose = upload_by_hook(emulator, "api", b"loose");
            named(json!({ "layerDigest": loose }))
        },
    ),
    (
        "GetDownloadUrlForLayer",
        "UnableToGetUpstreamLayerException",
        |emulator| {
            broken(emulator, SecretFault::Rejected);
            json!({ "repositoryName": "hub/alpine", "layerDigest": digest(b"layer") })
        },
    ),
];

/// An upload with parts of these sizes; the input that completes it as if all were well.
fn upload(emulator: &Emulator, parts: &[usize]) -> Value {
    use base64::Engine as _;
    let id = apply(emulator, "InitiateLayerUpload", named(json!({})))["uploadId"].clone();
    let mut first = 0;
    for size in parts {
        let blob = base64::engine::general_purpose::STANDARD.encode(vec![b'x'; *size]);
        let part = json!({
            "uploadId": id, "partFirstByte": first, "partLastByte": first + size - 1,
            "layerPartBlob": blob,
        });
        apply(emulator, "UploadLayerPart", named(part));
        first += size;
    }
    named(json!({ "uploadId": id, "layerDigests": [digest(&vec![b'x'; first])] }))
}

/// The next part of an upload.
fn part(upload: &Value, first: usize) -> Value {
    named(json!({
        "uploadId": upload["uploadId"], "partFirstByte": first, "partLastByte": first,
        "layerPartBlob": "eA==",
    }))
}
