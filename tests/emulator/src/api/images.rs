//! Images: described, listed, fetched and deleted.

use std::collections::BTreeSet;
use std::ops::Bound;

use serde_json::{Value, json};

use super::{
    Context, IMAGE_TAG, MAX_RESULTS, REGISTRY_ID, REPOSITORY_NAME, account, answer, kms, layers,
    list as items, push, replication, text, upstream,
};
use crate::error::Error;
use crate::events::{Action, News};
use crate::paging::{self, Page, with_token};
use crate::shape::{Member, Shape, matches, optional, required};
use crate::state::{Image, Repository};

pub(super) const IMAGE_ID: Shape = Shape::Structure(&[
    optional("imageDigest", Shape::TEXT),
    optional("imageTag", IMAGE_TAG),
]);
const IMAGE_IDS: Shape = Shape::list(&IMAGE_ID, 1, 100);
/// The input of the operations on one image.
pub(super) const ONE: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    required("imageId", IMAGE_ID),
];
const FILTER: Shape = Shape::Structure(&[
    optional("tagStatus", Shape::one_of(&["TAGGED", "UNTAGGED", "ANY"])),
    optional(
        "imageStatus",
        Shape::one_of(&["ACTIVE", "ARCHIVED", "ACTIVATING", "ANY"]),
    ),
]);

pub(super) const BATCH: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    required("imageIds", IMAGE_IDS),
];
pub(super) const BATCH_GET: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    required("imageIds", IMAGE_IDS),
    optional("acceptedMediaTypes", Shape::list(&Shape::TEXT, 1, 100)),
];
pub(super) const DESCRIBE: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    optional("imageIds", IMAGE_IDS),
    optional("nextToken", Shape::TEXT),
    optional("maxResults", MAX_RESULTS),
    optional("filter", FILTER),
];
pub(super) const LIST: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    optional("nextToken", Shape::TEXT),
    optional("maxResults", MAX_RESULTS),
    optional("filter", FILTER),
];

/// Whether an image passes `filter`; without an `imageStatus` ECR shows the active ones (model,
/// `DescribeImagesFilter$imageStatus`).
fn passes(image: &Image, input: &Value, now: f64) -> bool {
    let filter = input.get("filter").unwrap_or(&Value::Null);
    let tags = match text(filter, "tagStatus") {
        "TAGGED" => !image.tags.is_empty(),
        "UNTAGGED" => image.tags.is_empty(),
        _ => true,
    };
    tags && has_status(image, text(filter, "imageStatus"), now)
}

/// Whether an image has the status that a filter asks for.
pub(super) fn has_status(image: &Image, wanted: &str, now: f64) -> bool {
    match wanted {
        "ANY" => true,
        "" => image.status(now) == "ACTIVE",
        wanted => image.status(now) == wanted,
    }
}

/// Binds a page to the operation, the repository and the filter.
fn page(operation: &str, repository: &Repository, input: &Value) -> Result<Page, Error> {
    let filter = input.get("filter").unwrap_or(&Value::Null);
    Page::read(input, format!("{operation} {} {filter}", repository.arn))
}

pub(super) fn describe(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    paging::refuse_with(input, "imageIds")?;
    let now = context.now;
    let repository = context.repository(input)?;
    let ids = items(input, "imageIds");
    if !ids.is_empty() {
        let found: BTreeSet<&str> = ids
            .iter()
            .map(|id| find(repository, id).map_err(|_| image_not_found(repository, id)))
            .collect::<Result<_, Error>>()?;
        let details: Vec<Value> = found
            .into_iter()
            .filter_map(|digest| repository.images.get(digest))
            .filter(|image| input.get("filter").is_none() || passes(image, input, now))
            .map(|image| detail(repository, image, now))
            .collect();
        return Ok(json!({ "imageDetails": details }));
    }
    let page = page("DescribeImages", repository, input)?;
    let following = repository
        .images
        .range::<str, _>((page.start(), Bound::Unbounded))
        .filter(|(_, image)| passes(image, input, now));
    let (details, token) =
        page.take(following.map(|(digest, image)| (digest, detail(repository, image, now))));
    Ok(with_token(json!({ "imageDetails": details }), token))
}

fn detail(repository: &Repository, image: &Image, now: f64) -> Value {
    let mut detail = answer(
        repository,
        [
            ("imageDigest", json!(image.digest)),
            ("imageSizeInBytes", json!(image.size)),
            ("imagePushedAt", json!(image.pushed_at)),
            ("imageManifestMediaType", json!(image.media_type)),
            ("imageStatus", json!(image.status(now))),
        ],
    );
    let tags = (!image.tags.is_empty()).then(|| json!(image.tags));
    let members = [
        ("imageTags", tags),
        (
            "artifactMediaType",
            image.artifact_media_type.as_ref().map(|kind| json!(kind)),
        ),
        (
            "subjectManifestDigest",
            image.subject.as_ref().map(|digest| json!(digest)),
        ),
        (
            "lastRecordedPullTime",
            image.pulled_at.map(|time| json!(time)),
        ),
        ("lastArchivedAt", image.archived_at.map(|time| json!(time))),
        (
            "lastActivatedAt",
            image
                .activated_at
                .filter(|time| *time <= now)
                .map(|time| json!(time)),
        ),
    ];
    if let Some(object) = detail.as_object_mut() {
        object.extend(
            members
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?))),
        );
    }
    detail
}

/// The image that the `imageId` of an input means; an id that cannot be one is a wrong parameter.
pub(super) fn one<'a>(repository: &'a Repository, input: &Value) -> Result<&'a Image, Error> {
    let id = input.get("imageId").unwrap_or(&Value::Null);
    match find(repository, id) {
        Ok(digest) => repository
            .images
            .get(digest)
            .ok_or_else(|| image_not_found(repository, id)),
        Err(("ImageNotFound" | "ImageTagDoesNotMatchDigest", _)) => {
            Err(image_not_found(repository, id))
        }
        Err((_, reason)) => Err(Error::invalid("imageId", reason)),
    }
}

fn image_not_found(repository: &Repository, id: &Value) -> Error {
    let or_null = |name: &str| {
        match text(id, name) {
            "" => "null",
            value => value,
        }
        .to_owned()
    };
    Error::new(
        "ImageNotFoundException",
        format!(
            "The image with imageId {{imageDigest:'{}', imageTag:'{}'}} does not exist within the \
             repository with name '{}' in the registry with id '{}'",
            or_null("imageDigest"),
            or_null("imageTag"),
            repository.name,
            repository.registry_id
        ),
    )
}

/// An entry for every tag, and one for every image without.
pub(super) fn list(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let now = context.now;
    let repository = context.repository(input)?;
    let page = page("ListImages", repository, input)?;
    let entries = repository
        .images
        .values()
        .filter(|image| passes(image, input, now))
        .flat_map(|image| ids(image).map(|(tag, id)| (format!("{} {tag}", image.digest), id)))
        .filter(|(key, _)| page.follows(key));
    let (image_ids, token) = page.take(entries);
    Ok(with_token(json!({ "imageIds": image_ids }), token))
}

/// The ids of an image, one for every tag.
fn ids(image: &Image) -> impl Iterator<Item = (&str, Value)> {
    let untagged = image
        .tags
        .is_empty()
        .then(|| ("", json!({ "imageDigest": image.digest })));
    let tagged = image.tags.iter().map(|tag| {
        (
            tag.as_str(),
            json!({ "imageDigest": image.digest, "imageTag": tag }),
        )
    });
    untagged.into_iter().chain(tagged)
}

/// The digest of the image that an id means, or the failure code and reason.
fn find<'a>(repository: &'a Repository, id: &Value) -> Result<&'a str, (&'static str, String)> {
    let (digest, tag) = (text(id, "imageDigest"), text(id, "imageTag"));
    let fits = |pattern, value: &str| matches(pattern, value).unwrap_or(false);
    if digest.is_empty() && tag.is_empty() {
        let reason = "Invalid request parameters: both tag and digest cannot be null";
        return Err(("MissingDigestAndTag", reason.to_owned()));
    }
    if !digest.is_empty() && !fits(layers::DIGEST, digest) {
        let pattern = layers::DIGEST;
        let reason = format!(
            "Invalid request parameters: image digest should satisfy the regex '{pattern}'"
        );
        return Err(("InvalidImageDigest", reason));
    }
    if !tag.is_empty() && !fits(push::TAG_PATTERN, tag) {
        let pattern = push::TAG_PATTERN;
        let reason =
            format!("Invalid request parameters: image tag should satisfy the regex '{pattern}'");
        return Err(("InvalidImageTag", reason));
    }
    let by_digest = repository.images.get(digest);
    let by_tag = repository.image_tagged(tag);
    match (by_digest, by_tag) {
        (Some(image), _) if tag.is_empty() => Ok(&image.digest),
        (_, Some(image)) if digest.is_empty() || image.digest == digest => Ok(&image.digest),
        (Some(_), Some(_)) => Err((
            "ImageTagDoesNotMatchDigest",
            "Requested image tag does not map to the requested image digest".to_owned(),
        )),
        _ => Err(("ImageNotFound", "Requested image not found".to_owned())),
    }
}

fn failure(id: &Value, code: &str, reason: &str) -> Value {
    json!({ "imageId": id, "failureCode": code, "failureReason": reason })
}

/// An image of a type that is not accepted counts as not found: the model has no code for it.
pub(super) fn batch_get(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    upstream::import(context, input)?;
    let now = context.now;
    let recorded = !account::is_excluded(context);
    let key = context.repository(input)?.kms_key.clone();
    let sealed = kms::check(context.settings, key.as_deref());
    let repository = context.repository(input)?;
    let accepted = items(input, "acceptedMediaTypes");
    let (mut images, mut failures) = (Vec::new(), Vec::new());
    let mut pulled = Vec::new();
    for id in items(input, "imageIds") {
        let image = find(repository, id)
            .map(|digest| repository.images.get(digest))
            .map(|image| {
                image.filter(|image| {
                    accepted.is_empty() || accepted.iter().any(|kind| *kind == image.media_type)
                })
            });
        match image {
            Err((code, reason)) => failures.push(failure(id, code, &reason)),
            Ok(None) => failures.push(failure(id, "ImageNotFound", "Requested image not found")),
            Ok(Some(image)) if image.status(now) != "ACTIVE" => failures.push(failure(
                id,
                "ImageInaccessible",
                "Requested image is archived; restore it before it can be pulled",
            )),
            Ok(Some(_)) if sealed.is_err() => {
                let reason = "The image cannot be decrypted with the KMS key of the repository";
                failures.push(failure(id, "KmsError", reason));
            }
            Ok(Some(image)) => {
                pulled.push(image.digest.clone());
                images.push(fetched(repository, image, text(id, "imageTag")));
            }
        }
    }
    for digest in pulled.into_iter().filter(|_| recorded) {
        if let Some(image) = repository.images.get_mut(&digest) {
            image.pulled_at = Some(now);
        }
    }
    Ok(json!({ "images": images, "failures": failures }))
}

fn fetched(repository: &Repository, image: &Image, tag: &str) -> Value {
    answer(
        repository,
        [
            ("imageId", image.id(tag)),
            ("imageManifest", json!(image.manifest)),
            ("imageManifestMediaType", json!(image.media_type)),
        ],
    )
}

/// A tag alone is removed, and the image goes with its last one; a digest alone removes the image
/// with all its tags (model, `BatchDeleteImage`); both remove the tag. Images that are in a
/// manifest list when the call begins stay, even if the list goes in the same call.
pub(super) fn batch_delete(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let (place, now) = (context.place(), context.now);
    let repository = context.repository(input)?;
    let referenced: BTreeSet<String> = repository
        .images
        .values()
        .flat_map(|image| image.children.iter().cloned())
        .collect();
    let (mut deleted, mut failures) = (Vec::new(), Vec::new());
    let mut news = Vec::new();
    for id in items(input, "imageIds") {
        match delete(repository, id, &referenced) {
            Ok((ids, image)) => {
                news.extend(ids.iter().map(|id| {
                    let action = (Action::Delete, text(id, "imageTag"));
                    News::image((&place, now), &repository.name, action, &image)
                }));
                deleted.extend(ids);
            }
            Err((code, reason)) => failures.push(failure(id, code, &reason)),
        }
    }
    context.news.extend(news);
    replication::on_delete(context, text(input, "repositoryName"), &deleted);
    Ok(json!({ "imageIds": deleted, "failures": failures }))
}

/// Deletes what one id means and returns the ids that are gone, and the image as it was.
fn delete(
    repository: &mut Repository,
    id: &Value,
    referenced: &BTreeSet<String>,
) -> Result<(Vec<Value>, Image), (&'static str, String)> {
    let digest = find(repository, id)?.to_owned();
    let tag = text(id, "imageTag");
    let Some(image) = repository.images.get_mut(&digest) else {
        return Err(("ImageNotFound", "Requested image not found".to_owned()));
    };
    let last = tag.is_empty() || image.tags.len() == 1;
    if last && referenced.contains(&digest) {
        let reason = "Requested image referenced by manifest list".to_owned();
        return Err(("ImageReferencedByManifestList", reason));
    }
    let (before, gone) = (image.clone(), ids(image).map(|(_, id)| id).collect());
    image.tags.retain(|own| own != tag);
    if last {
        repository.images.remove(&digest);
    }
    if tag.is_empty() {
        return Ok((gone, before));
    }
    let id = json!({ "imageDigest": digest, "imageTag": tag });
    Ok((vec![id], before))
}
