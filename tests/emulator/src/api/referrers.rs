//! The artifacts that refer to an image: signatures, SBOMs and the like.

use std::ops::Bound;

use serde_json::{Value, json};

use super::{Context, REGISTRY_ID, REPOSITORY_NAME, images, layers, list as items, text, upstream};
use crate::error::Error;
use crate::paging::{Page, with_token};
use crate::shape::{Member, Shape, matches, optional, required};
use crate::state::Image;

pub(super) const LIST: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    required(
        "subjectId",
        Shape::Structure(&[required("imageDigest", Shape::TEXT)]),
    ),
    optional(
        "filter",
        Shape::Structure(&[
            optional("artifactTypes", Shape::list(&Shape::text(1, 255), 0, 5)),
            optional(
                "artifactStatus",
                Shape::one_of(&["ACTIVE", "ARCHIVED", "ACTIVATING", "ANY"]),
            ),
        ]),
    ),
    optional("nextToken", Shape::TEXT),
    optional("maxResults", Shape::Integer { min: 1, max: 50 }),
];

/// A page when the caller does not say how long (model, `ListImageReferrers$maxResults`).
const PAGE: usize = 20;

/// A subject that is not there has no referrers: the operation declares no error for it. Those that an
/// upstream has are asked for, and here it never has any.
pub(super) fn list(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let now = context.now;
    let name = context.repository(input)?.name.clone();
    upstream::enter(
        context,
        &name,
        "UnableToListUpstreamImageReferrersException",
    )?;
    let repository = context.repository(input)?;
    let subject = input.get("subjectId").unwrap_or(&Value::Null);
    let subject = text(subject, "imageDigest");
    if !matches(layers::DIGEST, subject)? {
        let pattern = layers::DIGEST;
        return Err(Error::invalid(
            "subjectId.imageDigest",
            format!("must satisfy regular expression '{pattern}'"),
        ));
    }
    let filter = input.get("filter").unwrap_or(&Value::Null);
    let scope = format!("ListImageReferrers {} {subject} {filter}", repository.arn);
    let page = Page::read(input, scope)?.or_size(input, PAGE);
    let kinds = items(filter, "artifactTypes");
    let following = repository
        .images
        .range::<str, _>((page.start(), Bound::Unbounded))
        .filter(|(_, image)| image.subject.as_deref() == Some(subject))
        .filter(|(_, image)| {
            let kind = image.artifact_media_type.as_deref().unwrap_or_default();
            kinds.is_empty() || kinds.iter().any(|wanted| wanted == kind)
        })
        .filter(|(_, image)| images::has_status(image, text(filter, "artifactStatus"), now));
    let (referrers, token) =
        page.take(following.map(|(digest, image)| (digest, referrer(image, now))));
    Ok(with_token(json!({ "referrers": referrers }), token))
}

fn referrer(image: &Image, now: f64) -> Value {
    let mut referrer = json!({
        "digest": image.digest,
        "mediaType": image.media_type,
        "size": image.size,
        "artifactStatus": image.status(now),
    });
    let manifest: Value = serde_json::from_str(&image.manifest).unwrap_or_default();
    if let Some(members) = referrer.as_object_mut() {
        if let Some(kind) = &image.artifact_media_type {
            members.insert("artifactType".to_owned(), json!(kind));
        }
        if let Some(annotations) = manifest.get("annotations").and_then(Value::as_object) {
            let mut annotations = annotations.clone();
            annotations.retain(|_, value| value.is_string());
            members.insert("annotations".to_owned(), annotations.into());
        }
    }
    referrer
}
