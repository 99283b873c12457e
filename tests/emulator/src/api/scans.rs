//! Scans of images and what they find. What they find is set by the test: see `Settings::findings`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::jobs::{Job, Work};
use super::{
    Context, MAX_RESULTS, REGISTRY_ID, REPOSITORY_NAME, answer, images, manifest, scanning, text,
};
use crate::error::Error;
use crate::paging::{Page, with_token};
use crate::registry::Scan;
use crate::shape::{Member, Shape, optional, required};
use crate::state::{Image, Repository};

pub(super) const FINDINGS: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    required("imageId", images::IMAGE_ID),
    optional("nextToken", Shape::TEXT),
    optional("maxResults", MAX_RESULTS),
];

const DAY: f64 = 24.0 * 3600.0;
/// When enhanced scanning is switched on, it looks at images that were pushed in so many days:
/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-enhanced.html>.
const ENHANCED_LOOKS_BACK: f64 = 14.0 * DAY;

/// A basic scan, at most one a day and image, those on push included (model, `StartImageScan`).
pub(super) fn start(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let (now, done) = (context.now, context.job_end());
    let (enhanced, quota) = (
        context.registry.config.enhanced,
        context.settings.scans_quota,
    );
    let repository = context.repository(input)?;
    let image = images::one(repository, input)?;
    check(repository, image, now, enhanced)?;
    let id = input.get("imageId").unwrap_or(&Value::Null);
    let (digest, image_id) = (image.digest.clone(), image.id(text(id, "imageTag")));
    let recent = &mut context.registry.config.basic_scans;
    recent.retain(|started| now - started < DAY);
    if recent.len() >= quota {
        return Err(limit(
            "The scan quota of the registry has been exceeded. Wait and try again.",
        ));
    }
    recent.push(now);
    tell_of_end(context, text(input, "repositoryName"), &digest);
    let repository = context.repository(input)?;
    if let Some(image) = repository.images.get_mut(&digest) {
        image.scan = Some(Scan {
            enhanced: false,
            started_at: now,
            completed_at: done,
        });
    }
    let status = json!({ "status": "IN_PROGRESS" });
    Ok(answer(
        repository,
        [("imageId", image_id), ("imageScanStatus", status)],
    ))
}

/// The end of a basic scan is told by ECR; those of enhanced ones are told by Amazon Inspector, which
/// is not here.
fn tell_of_end(context: &mut Context<'_>, repository: &str, digest: &str) {
    let work = Work::Scan {
        at: context.place(),
        repository: repository.to_owned(),
        digest: digest.to_owned(),
    };
    let due = context.job_end();
    context.jobs.push(Job { due, work });
}

fn check(repository: &Repository, image: &Image, now: f64, enhanced: bool) -> Result<(), Error> {
    if enhanced {
        // Users of enhanced scanning report these words.
        return Err(Error::new(
            "ValidationException",
            "This feature is disabled",
        ));
    }
    if image.status(now) != "ACTIVE" {
        return Err(Error::new(
            "ImageArchivedException",
            format!(
                "The image with digest '{}' in the repository with name '{}' is archived and \
                 cannot be scanned",
                image.digest, repository.name
            ),
        ));
    }
    if !manifest::is_container_image(image) {
        return Err(Error::new(
            "UnsupportedImageTypeException",
            format!(
                "The image with digest '{}' in the repository with name '{}' is of a type that \
                 cannot be scanned",
                image.digest, repository.name
            ),
        ));
    }
    match image.scan {
        Some(scan) if now - scan.started_at < DAY => Err(limit(
            "The scan quota per image has been exceeded. Wait and try again.",
        )),
        _ => Ok(()),
    }
}

fn limit(message: &str) -> Error {
    Error::new("LimitExceededException", message)
}

/// Scans an image that was pushed, if its repository is scanned then.
pub(super) fn on_push(context: &mut Context<'_>, name: &str, digest: &str) {
    let (now, done) = (context.now, context.job_end());
    let config = &mut context.registry.config;
    let Some(repository) = context.registry.repositories.get_mut(name) else {
        return;
    };
    if scanning::effective(config, repository).frequency == "MANUAL" {
        return;
    }
    let Some(image) = repository.images.get_mut(digest) else {
        return;
    };
    if !manifest::is_container_image(image) || image.scan.is_some() {
        return;
    }
    let enhanced = config.enhanced;
    image.scan = Some(Scan {
        enhanced,
        started_at: now,
        completed_at: done,
    });
    if !enhanced {
        config.basic_scans.push(now);
        tell_of_end(context, name, digest);
    }
}

/// What another configuration makes of the images that are there, if it is or was about enhanced
/// scanning: the scans of one type are not those of the other, and an image that enhanced scanning
/// does not cover has none. An image that is scanned already goes on being scanned.
pub(super) fn reconsider(context: &mut Context<'_>) {
    let (now, done) = (context.now, context.job_end());
    let config = &context.registry.config;
    for repository in context.registry.repositories.values_mut() {
        let scanned = scanning::effective(config, repository).frequency != "MANUAL";
        for image in repository.images.values_mut() {
            let recent = now - image.pushed_at < ENHANCED_LOOKS_BACK;
            let fresh = (recent && manifest::is_container_image(image)).then_some(Scan {
                enhanced: true,
                started_at: now,
                completed_at: done,
            });
            let kept = image.scan.filter(|scan| scan.enhanced);
            image.scan = kept.or(fresh).filter(|_| config.enhanced && scanned);
        }
    }
}

pub(super) fn findings(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let (now, seeded) = (context.now, context.settings.findings.clone());
    let repository = context.repository(input)?;
    let image = images::one(repository, input)?;
    let id = input.get("imageId").unwrap_or(&Value::Null);
    let image_id = image.id(text(id, "imageTag"));
    let scan = image
        .scan
        .ok_or_else(|| scan_not_found(repository, &image_id))?;
    let (status, description) = status(image, scan, now);
    let status = json!({ "status": status, "description": description });
    let mut answer = answer(
        repository,
        [("imageId", image_id), ("imageScanStatus", status)],
    );
    if now < scan.completed_at || image.archived {
        return Ok(answer);
    }
    let scope = format!(
        "DescribeImageScanFindings {} {}",
        repository.arn, image.digest
    );
    let page = Page::read(input, scope)?;
    let (found, token) = found(&seeded, image, scan, &page);
    if let Some(members) = answer.as_object_mut() {
        members.insert("imageScanFindings".to_owned(), found);
    }
    Ok(with_token(answer, token))
}

/// The words are those of the answers in AWS's user guide.
fn status(image: &Image, scan: Scan, now: f64) -> (&'static str, &'static str) {
    match (scan.enhanced, now < scan.completed_at) {
        _ if image.archived => ("IMAGE_ARCHIVED", "The image is archived."),
        (true, true) => ("PENDING", "The scan is pending."),
        (true, false) => ("ACTIVE", "Continuous scan is selected for image."),
        (false, true) => ("IN_PROGRESS", "The scan is in progress."),
        (false, false) => ("COMPLETE", "The scan was completed successfully."),
    }
}

/// What a scan of an image finds.
pub(super) fn found_in<'a>(seeded: &'a BTreeMap<String, Vec<Value>>, image: &Image) -> &'a [Value] {
    let found = seeded.get(&image.digest).or_else(|| seeded.get("*"));
    found.map_or(&[], Vec::as_slice)
}

/// How many findings there are of each severity.
pub(super) fn severities(findings: &[Value]) -> Map<String, Value> {
    let mut counts = Map::new();
    for finding in findings {
        let severity = text(finding, "severity").to_owned();
        let count = counts.get(&severity).and_then(Value::as_u64).unwrap_or(0);
        counts.insert(severity, json!(count + 1));
    }
    counts
}

fn found(
    seeded: &BTreeMap<String, Vec<Value>>,
    image: &Image,
    scan: Scan,
    page: &Page,
) -> (Value, Option<String>) {
    let all = found_in(seeded, image);
    let counts = severities(all);
    let numbered = all
        .iter()
        .enumerate()
        .map(|(number, finding)| (format!("{number:08}"), finding.clone()))
        .filter(|(key, _)| page.follows(key));
    let (findings, token) = page.take(numbered);
    let name = if scan.enhanced {
        "enhancedFindings"
    } else {
        "findings"
    };
    let found = json!({
        "imageScanCompletedAt": scan.completed_at,
        "vulnerabilitySourceUpdatedAt": scan.completed_at,
        "findingSeverityCounts": counts,
        name: findings,
    });
    (found, token)
}

fn scan_not_found(repository: &Repository, id: &Value) -> Error {
    let or_null = |name: &str| match text(id, name) {
        "" => "null".to_owned(),
        value => value.to_owned(),
    };
    Error::new(
        "ScanNotFoundException",
        format!(
            "Image scan does not exist for the image with '{{imageDigest:'{}', imageTag:'{}'}}' \
             in the repository with name '{}' in the registry with id '{}'",
            or_null("imageDigest"),
            or_null("imageTag"),
            repository.name,
            repository.registry_id
        ),
    )
}
