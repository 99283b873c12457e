//! Image manifests: what ECR reads from them.
//!
//! Formats: <https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-manifest-formats.html>.

use serde_json::Value;

use super::{list, text};
use crate::error::Error;
use crate::state::Image;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What a manifest says.
pub(super) struct Manifest {
    pub(super) media_type: String,
    pub(super) artifact_media_type: Option<String>,
    pub(super) subject: Option<String>,
    /// The digests that must be among the layers: the config, and every layer that is not to be
    /// fetched from elsewhere.
    pub(super) layers: Vec<String>,
    /// The digests that must be among the images.
    pub(super) children: Vec<String>,
}

/// Reads a manifest; `media_type` is what the caller says of it, possibly empty.
pub(super) fn read(manifest: &str, media_type: &str) -> Result<Manifest, Error> {
    let document: Value = serde_json::from_str(manifest)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| Error::invalid("ImageManifest", "Invalid JSON syntax"))?;
    let media_type = media_type_of(&document, media_type)?;
    if document.get("schemaVersion").and_then(Value::as_u64) != Some(2) {
        return Err(Error::invalid(
            "ImageManifest",
            "Manifest schemaVersion must be 2",
        ));
    }
    let found = if [DOCKER_LIST, OCI_INDEX].contains(&media_type) {
        Manifest {
            media_type: media_type.to_owned(),
            artifact_media_type: member(&document, "artifactType"),
            subject: subject(&document),
            layers: Vec::new(),
            children: digests(list(&document, "manifests"))?,
        }
    } else {
        let config = document
            .get("config")
            .ok_or_else(|| Error::invalid("ImageManifest", "Manifest has no config"))?;
        let mut layers = digests(std::slice::from_ref(config))?;
        layers.extend(digests(list(&document, "layers"))?);
        Manifest {
            media_type: media_type.to_owned(),
            artifact_media_type: member(&document, "artifactType")
                .or_else(|| member(config, "mediaType")),
            subject: subject(&document),
            layers,
            children: Vec::new(),
        }
    };
    Ok(found)
}

/// The model: a manifest without mediaType needs `imageManifestMediaType`. The words are ours.
fn media_type_of<'a>(document: &'a Value, given: &'a str) -> Result<&'a str, Error> {
    let own = text(document, "mediaType");
    let refuse = |message: &str| Err(Error::invalid("imageManifestMediaType", message));
    let media_type = match (own, given) {
        ("", "") => return refuse("The manifest has no mediaType, so it must be specified"),
        ("", given) => given,
        (own, "") => own,
        (own, given) if own == given => own,
        _ => return refuse("It differs from the mediaType of the manifest"),
    };
    if [DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX].contains(&media_type) {
        Ok(media_type)
    } else {
        refuse("The media type of the manifest is not supported")
    }
}

fn member(document: &Value, name: &str) -> Option<String> {
    let value = text(document, name);
    (!value.is_empty()).then(|| value.to_owned())
}

fn subject(document: &Value) -> Option<String> {
    member(document.get("subject")?, "digest")
}

/// The digests of descriptors, without those of layers that are fetched from elsewhere.
fn digests(descriptors: &[Value]) -> Result<Vec<String>, Error> {
    descriptors
        .iter()
        .filter(|descriptor| {
            let media_type = text(descriptor, "mediaType");
            !media_type.contains(".foreign.") && !media_type.contains(".nondistributable.")
        })
        .map(|descriptor| {
            member(descriptor, "digest")
                .ok_or_else(|| Error::invalid("ImageManifest", "A descriptor has no digest"))
        })
        .collect()
}

/// Whether an image is one that runs, and so can be scanned: no list, and no other artifact.
pub(super) fn is_container_image(image: &Image) -> bool {
    const CONFIGS: [&str; 2] = [
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.oci.image.config.v1+json",
    ];
    let kind = image.artifact_media_type.as_deref();
    kind.is_some_and(|kind| CONFIGS.contains(&kind))
        && [DOCKER_MANIFEST, OCI_MANIFEST].contains(&image.media_type.as_str())
}
