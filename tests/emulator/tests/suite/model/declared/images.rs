//! The errors of images, each provoked.

use ecr_emulator::Emulator;
use serde_json::{Value, json};

use super::super::samples::image;
use super::{Provocation, named, sealed};
use crate::support::{apply, digest, index, manifest, upload_by_hook};

pub(super) const TABLE: &[Provocation] = &[
    ("DescribeImages", "ImageNotFoundException", |_| {
        named(json!({ "imageIds": [{ "imageTag": "none" }] }))
    }),
    (
        "DescribeImageReplicationStatus",
        "ImageNotFoundException",
        |_| none(),
    ),
    (
        "DescribeImageScanFindings",
        "ImageNotFoundException",
        |_| none(),
    ),
    ("DescribeImageScanFindings", "ScanNotFoundException", |_| {
        v1()
    }),
    (
        "DescribeImageSigningStatus",
        "ImageNotFoundException",
        |_| none(),
    ),
    ("StartImageScan", "ImageNotFoundException", |_| none()),
    ("StartImageScan", "ImageArchivedException", |emulator| {
        archive(emulator);
        v1()
    }),
    ("StartImageScan", "LimitExceededException", |emulator| {
        apply(emulator, "StartImageScan", v1());
        v1()
    }),
    (
        "StartImageScan",
        "UnsupportedImageTypeException",
        |emulator| {
            apply(emulator, "PutImage", list(&digest(image().as_bytes())));
            named(json!({ "imageId": { "imageTag": "list" } }))
        },
    ),
    ("StartImageScan", "ValidationException", |emulator| {
        let enhanced = json!({ "scanType": "ENHANCED" });
        apply(emulator, "PutRegistryScanningConfiguration", enhanced);
        v1()
    }),
    ("UpdateImageStorageClass", "ImageNotFoundException", |_| {
        class("none")
    }),
    (
        "UpdateImageStorageClass",
        "ImageStorageClassUpdateNotSupportedException",
        |emulator| {
            archive(emulator);
            class("v1")
        },
    ),
    ("PutImage", "ImageAlreadyExistsException", |_| {
        push("v1", "v1")
    }),
    ("PutImage", "ImageTagAlreadyExistsException", |emulator| {
        let immutable = named(json!({ "imageTagMutability": "IMMUTABLE" }));
        apply(emulator, "PutImageTagMutability", immutable);
        push("other", "v1")
    }),
    ("PutImage", "ImageDigestDoesNotMatchException", |_| {
        let mut input = push("other", "v2");
        input["imageDigest"] = json!(digest(b"another"));
        input
    }),
    ("PutImage", "LayersNotFoundException", |_| {
        let text = manifest(&digest(b"none"), &digest(b"layer"), "other");
        named(json!({ "imageManifest": text }))
    }),
    ("PutImage", "ReferencedImagesNotFoundException", |_| {
        list(&digest(b"none"))
    }),
    ("PutImage", "LimitExceededException", |emulator| {
        emulator.configure(|settings| settings.images_quota = 1);
        push("other", "v2")
    }),
    ("PutImage", "KmsException", |emulator| {
        sealed(emulator, |emulator| {
            upload_by_hook(emulator, "sealed", b"config");
            upload_by_hook(emulator, "sealed", b"layer");
            push("other", "v2")
        })
    }),
];

fn class(tag: &str) -> Value {
    named(json!({ "imageId": { "imageTag": tag }, "targetStorageClass": "ARCHIVE" }))
}

fn archive(emulator: &Emulator) {
    apply(emulator, "UpdateImageStorageClass", class("v1"));
}

fn list(child: &str) -> Value {
    named(json!({ "imageManifest": index(&[child]).to_string(), "imageTag": "list" }))
}

fn v1() -> Value {
    named(json!({ "imageId": { "imageTag": "v1" } }))
}

fn none() -> Value {
    named(json!({ "imageId": { "imageTag": "none" } }))
}

fn push(note: &str, tag: &str) -> Value {
    let text = manifest(&digest(b"config"), &digest(b"layer"), note);
    named(json!({ "imageManifest": text, "imageTag": tag }))
}
