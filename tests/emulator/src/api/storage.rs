//! The storage classes of images.
//!
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/archive_restore_image.html>.

use serde_json::{Value, json};

use super::jobs::{Job, Work};
use super::{Context, REGISTRY_ID, REPOSITORY_NAME, answer, images, text};
use crate::error::Error;
use crate::events::{Action, News};
use crate::shape::{Member, Shape, optional, required};

pub(super) const UPDATE: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    required("imageId", images::IMAGE_ID),
    required(
        "targetStorageClass",
        Shape::one_of(&["STANDARD", "ARCHIVE"]),
    ),
];

/// Archiving takes effect at once; restoring takes a while, in which the image is `ACTIVATING`. AWS
/// does not say which updates it does not support; here they are those to the class that the image
/// has, and any update of an image that is being restored.
pub(super) fn update(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let (now, done) = (context.now, context.job_end());
    let place = context.place();
    let repository = context.repository(input)?;
    let image = images::one(repository, input)?;
    let (digest, status) = (image.digest.clone(), image.status(now));
    let archive = text(input, "targetStorageClass") == "ARCHIVE";
    match (archive, status) {
        (true, "ACTIVE") | (false, "ARCHIVED") => {}
        _ => {
            return Err(Error::new(
                "ImageStorageClassUpdateNotSupportedException",
                format!(
                    "The image with digest '{digest}' in the repository with name '{}' in the \
                     registry with id '{}' has the status {status} and cannot be moved to the \
                     storage class {}",
                    repository.name,
                    repository.registry_id,
                    text(input, "targetStorageClass")
                ),
            ));
        }
    }
    let name = repository.name.clone();
    let Some(image) = repository.images.get_mut(&digest) else {
        return Err(Error::server("the image has gone"));
    };
    image.archived = archive;
    if archive {
        image.archived_at = Some(now);
    } else {
        image.activated_at = Some(done);
    }
    // A restore is never done before it is answered.
    let status = if archive { "ARCHIVED" } else { "ACTIVATING" };
    let id = input.get("imageId").unwrap_or(&Value::Null);
    let tag = text(id, "imageTag");
    let image_id = image.id(tag);
    let archived =
        archive.then(|| News::image((&place, now), &name, (Action::Archive, tag), image));
    let answer = answer(
        repository,
        [("imageId", image_id), ("imageStatus", json!(status))],
    );
    // A restore is told when it is done.
    if archived.is_none() {
        let work = Work::Restore {
            at: place,
            repository: name,
            digest,
            tag: tag.to_owned(),
        };
        context.jobs.push(Job { due: done, work });
    }
    context.news.extend(archived);
    Ok(answer)
}
