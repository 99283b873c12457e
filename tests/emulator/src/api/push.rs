//! `PutImage`.

use serde_json::{Value, json};

use super::manifest::{self, Manifest};
use super::{
    Context, IMAGE_TAG, REGISTRY_ID, REPOSITORY_NAME, answer, creation, kms, replication, scans,
    signing, text,
};
use crate::error::Error;
use crate::events::{Action, News};
use crate::shape::{Member, Shape, matches, optional, required};
use crate::state::{Image, Repository, sha256_hex};

pub(super) const PUT: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    required("imageManifest", Shape::text(1, 4_194_304)),
    optional("imageManifestMediaType", Shape::TEXT),
    optional("imageTag", IMAGE_TAG),
    optional("imageDigest", Shape::TEXT),
];

/// What a tag may be made of, by the OCI distribution specification.
pub(super) const TAG_PATTERN: &str = "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}";

pub(super) fn put(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    creation::with_push(context, input, put_image)
}

fn put_image(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let (place, now) = (context.place(), context.now);
    let quota = context.settings.images_quota;
    let tags_quota = context.settings.image_tags_quota;
    kms::check_repository(context, input)?;
    let repository = context.repository(input)?;
    let image = pushed(repository, input, now)?;
    let digest = image.digest.clone();
    match text(input, "imageTag") {
        "" if repository.images.contains_key(&digest) => {
            return Err(already_exists(repository, &digest, None));
        }
        "" => {}
        tag => check_tag(repository, &digest, tag, tags_quota)?,
    }
    if !repository.images.contains_key(&digest) && counted(repository) >= quota {
        return Err(Error::new(
            "LimitExceededException",
            format!(
                "The repository with name '{}' in registry with id '{}' already has the maximum \
                 allowed number of images which is '{}'",
                repository.name, repository.registry_id, quota
            ),
        ));
    }
    let (name, tag) = (text(input, "repositoryName"), text(input, "imageTag"));
    let news = News::image((&place, now), name, (Action::Push, tag), &image);
    let answer = store(repository, image, tag);
    context.news.push(news);
    scans::on_push(context, name, &digest);
    signing::on_push(context, name, &digest);
    replication::on_push(context, name, &digest, tag);
    Ok(answer)
}

/// The images that count towards the quota: those in the archive do not.
fn counted(repository: &Repository) -> usize {
    let images = repository.images.values();
    images.filter(|image| !image.archived).count()
}

/// The image that is pushed, checked against what the repository holds.
fn pushed(repository: &Repository, input: &Value, now: f64) -> Result<Image, Error> {
    let manifest = text(input, "imageManifest");
    let found = manifest::read(manifest, text(input, "imageManifestMediaType"))?;
    let digest = format!("sha256:{}", sha256_hex(manifest.as_bytes()));
    let announced = text(input, "imageDigest");
    if !announced.is_empty() && announced != digest {
        return Err(Error::new(
            "ImageDigestDoesNotMatchException",
            format!(
                "The image digest '{announced}' does not match the digest '{digest}' of the manifest"
            ),
        ));
    }
    check_references(repository, &found)?;
    let size = size(repository, &found);
    Ok(image(manifest, digest, found, size, now))
}

/// An image that has just arrived.
pub(super) fn image(text: &str, digest: String, found: Manifest, size: u64, now: f64) -> Image {
    Image {
        size,
        digest,
        tags: Vec::new(),
        manifest: text.to_owned(),
        media_type: found.media_type,
        artifact_media_type: found.artifact_media_type,
        subject: found.subject,
        children: found.children,
        pushed_at: now,
        pulled_at: None,
        archived: false,
        archived_at: None,
        activated_at: None,
        scan: None,
        signings: Vec::new(),
        replications: Vec::new(),
    }
}

/// Layers and referenced images must be there before the manifest that names them.
fn check_references(repository: &Repository, manifest: &Manifest) -> Result<(), Error> {
    let missing = |digests: &[String], held: &dyn Fn(&String) -> bool| -> Vec<String> {
        digests
            .iter()
            .filter(|digest| !held(digest))
            .cloned()
            .collect()
    };
    let layers = missing(&manifest.layers, &|digest| {
        repository.layers.contains_key(digest)
    });
    if !layers.is_empty() {
        let code = "LayersNotFoundException";
        return Err(not_found(code, "Layers", &layers, repository));
    }
    let children = missing(&manifest.children, &|digest| {
        repository.images.contains_key(digest)
    });
    if !children.is_empty() {
        let code = "ReferencedImagesNotFoundException";
        return Err(not_found(code, "Images", &children, repository));
    }
    Ok(())
}

/// The sum of config and layers; for a manifest list the largest of its images (model,
/// `ImageDetail$imageSizeInBytes`).
fn size(repository: &Repository, manifest: &Manifest) -> u64 {
    let layers = manifest
        .layers
        .iter()
        .filter_map(|digest| repository.layers.get(digest))
        .map(|layer| layer.len() as u64)
        .sum();
    manifest
        .children
        .iter()
        .filter_map(|digest| repository.images.get(digest))
        .map(|image| image.size)
        .fold(layers, u64::max)
}

fn not_found(code: &str, what: &str, digests: &[String], repository: &Repository) -> Error {
    Error::new(
        code,
        format!(
            "{what} with digests '[{}]' required for pushing image into repository with name '{}' \
             in the registry with id '{}' do not exist",
            digests.join(", "),
            repository.name,
            repository.registry_id
        ),
    )
}

/// Whether the tag may be put on the image with that digest.
fn check_tag(repository: &Repository, digest: &str, tag: &str, quota: usize) -> Result<(), Error> {
    if !matches(TAG_PATTERN, tag)? {
        return Err(Error::invalid(
            "imageTag",
            format!("must satisfy regular expression '{TAG_PATTERN}'"),
        ));
    }
    match repository.image_tagged(tag) {
        Some(image) if image.digest == digest => {
            return Err(already_exists(repository, digest, Some(tag)));
        }
        Some(_) if is_immutable(repository, tag) => return Err(immutable(repository, tag)),
        _ => {}
    }
    let tags = repository
        .images
        .get(digest)
        .map_or(0, |image| image.tags.len());
    if tags >= quota {
        return Err(Error::new(
            "LimitExceededException",
            format!(
                "Adding tag '{tag}' to an image in the repository with name '{}' in registry with \
                 id '{}' exceeds the maximum allowed number of tags per image which is '{}'",
                repository.name, repository.registry_id, quota
            ),
        ));
    }
    Ok(())
}

fn immutable(repository: &Repository, tag: &str) -> Error {
    Error::new(
        "ImageTagAlreadyExistsException",
        format!(
            "The image tag '{tag}' already exists in the '{}' repository and cannot be \
             overwritten because the repository is immutable.",
            repository.name
        ),
    )
}

fn already_exists(repository: &Repository, digest: &str, tag: Option<&str>) -> Error {
    let tag = tag.map_or_else(String::new, |tag| format!(" and tag '{tag}'"));
    Error::new(
        "ImageAlreadyExistsException",
        format!(
            "Image with digest '{digest}'{tag} already exists in the repository with name '{}' in \
             registry with id '{}'",
            repository.name, repository.registry_id
        ),
    )
}

/// An exclusion turns the mutability round for the tags that match a filter.
pub(super) fn is_immutable(repository: &Repository, tag: &str) -> bool {
    let excluded = repository
        .exclusion_filters
        .iter()
        .any(|filter| glob(filter.as_bytes(), tag.as_bytes()));
    repository.image_tag_mutability.starts_with("IMMUTABLE") != excluded
}

/// `*` stands for any characters, also none.
pub(super) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            glob(rest, text)
                || text
                    .split_first()
                    .is_some_and(|(_, text)| glob(pattern, text))
        }
        (Some((wanted, pattern)), Some((found, text))) if wanted == found => glob(pattern, text),
        _ => false,
    }
}

/// Stores the image, or keeps the one that is there, and moves the tag to it. The image that had
/// the tag stays, untagged if that was its last one. ECR does not say whether `imagePushedAt` moves
/// when a known image gets one more tag; here it stays.
pub(super) fn store(repository: &mut Repository, image: Image, tag: &str) -> Value {
    let digest = image.digest.clone();
    let mut image_id = json!({ "imageDigest": digest });
    if !tag.is_empty() {
        repository
            .images
            .values_mut()
            .for_each(|other| other.tags.retain(|own| own != tag));
        if let Some(members) = image_id.as_object_mut() {
            members.insert("imageTag".to_owned(), json!(tag));
        }
    }
    let stored = repository.images.entry(digest).or_insert(image);
    if !tag.is_empty() {
        stored.tags.push(tag.to_owned());
        stored.tags.sort();
    }
    let manifest = json!(stored.manifest);
    let media_type = json!(stored.media_type);
    let image = answer(
        repository,
        [
            ("imageId", image_id),
            ("imageManifest", manifest),
            ("imageManifestMediaType", media_type),
        ],
    );
    json!({ "image": image })
}
