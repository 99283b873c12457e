//! What a person does in ECR with AWS's own tools: look, change, push.

use anyhow::{Context, Result};
use aws_sdk_ecr::Client;
use aws_sdk_ecr::error::SdkError;
use aws_sdk_ecr::primitives::Blob;
use aws_sdk_ecr::types::{ImageDetail, ImageIdentifier, ImageScanningConfiguration, Repository};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A repository as ECR describes it; none when there is none.
pub(super) async fn describe(ecr: &Client, name: &str) -> Result<Option<Repository>> {
    let call = ecr.describe_repositories().repository_names(name);
    match call.send().await.map_err(SdkError::into_service_error) {
        Ok(answer) => Ok(answer.repositories.unwrap_or_default().into_iter().next()),
        Err(error) if error.is_repository_not_found_exception() => Ok(None),
        Err(error) => Err(error).context("DescribeRepositories"),
    }
}

/// Whether images are scanned when they are pushed.
pub(super) fn scans_on_push(repository: &Repository) -> bool {
    let configuration = repository.image_scanning_configuration();
    configuration.is_some_and(ImageScanningConfiguration::scan_on_push)
}

/// As `describe`, when it has to be there.
pub(super) async fn existing(ecr: &Client, name: &str) -> Result<Repository> {
    let found = describe(ecr, name).await?;
    found.with_context(|| format!("ECR has no repository {name}"))
}

/// The lifecycle policy as JSON.
pub(super) async fn lifecycle_policy(ecr: &Client, name: &str) -> Result<Value> {
    let answer = ecr
        .get_lifecycle_policy()
        .repository_name(name)
        .send()
        .await?;
    Ok(serde_json::from_str(
        answer.lifecycle_policy_text().unwrap_or_default(),
    )?)
}

/// The repository policy as JSON.
pub(super) async fn repository_policy(ecr: &Client, name: &str) -> Result<Value> {
    let answer = ecr
        .get_repository_policy()
        .repository_name(name)
        .send()
        .await?;
    Ok(serde_json::from_str(
        answer.policy_text().unwrap_or_default(),
    )?)
}

/// The tags, sorted.
pub(super) async fn tags(ecr: &Client, arn: &str) -> Result<Vec<(String, String)>> {
    let answer = ecr
        .list_tags_for_resource()
        .resource_arn(arn)
        .send()
        .await?;
    let pairs = answer
        .tags()
        .iter()
        .map(|tag| (tag.key().to_owned(), tag.value().to_owned()));
    let mut tags: Vec<_> = pairs.collect();
    tags.sort();
    Ok(tags)
}

/// Switches scanning on push, behind the operator's back.
pub(super) async fn set_scan_on_push(ecr: &Client, name: &str, on: bool) -> Result<()> {
    let configuration = ImageScanningConfiguration::builder()
        .scan_on_push(on)
        .build();
    let call = ecr.put_image_scanning_configuration().repository_name(name);
    call.image_scanning_configuration(configuration)
        .send()
        .await?;
    Ok(())
}

/// The images, newest tag last.
pub(super) async fn images(ecr: &Client, name: &str) -> Result<Vec<ImageDetail>> {
    let mut pages = ecr
        .describe_images()
        .repository_name(name)
        .into_paginator()
        .items()
        .send();
    let mut images = Vec::new();
    while let Some(image) = pages.next().await {
        images.push(image.context("DescribeImages")?);
    }
    images.sort_by_key(|image| image.image_tags().concat());
    Ok(images)
}

/// Deletes an image by its tag.
pub(super) async fn delete_image(ecr: &Client, name: &str, tag: &str) -> Result<()> {
    let image = ImageIdentifier::builder().image_tag(tag).build();
    ecr.batch_delete_image()
        .repository_name(name)
        .image_ids(image)
        .send()
        .await?;
    Ok(())
}

/// Pushes an image as docker does: its layer, its configuration, then the manifest with the tag.
pub(super) async fn push(ecr: &Client, name: &str, tag: &str, content: &str) -> Result<()> {
    let layer = format!("the only layer of {content}");
    let configuration = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": {"content": content}},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer.as_bytes())]},
    });
    let configuration = configuration.to_string();
    for blob in [&layer, &configuration] {
        upload(ecr, name, blob.as_bytes()).await?;
    }
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": configuration.len(),
            "digest": digest(configuration.as_bytes()),
        },
        "layers": [{
            "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "size": layer.len(),
            "digest": digest(layer.as_bytes()),
        }],
    });
    let call = ecr.put_image().repository_name(name).image_tag(tag);
    call.image_manifest(manifest.to_string()).send().await?;
    Ok(())
}

async fn upload(ecr: &Client, name: &str, blob: &[u8]) -> Result<()> {
    let upload = ecr
        .initiate_layer_upload()
        .repository_name(name)
        .send()
        .await?;
    let id = upload
        .upload_id()
        .context("InitiateLayerUpload gave no uploadId")?;
    let last = i64::try_from(blob.len())? - 1;
    let part = ecr.upload_layer_part().repository_name(name).upload_id(id);
    let part = part.part_first_byte(0).part_last_byte(last);
    part.layer_part_blob(Blob::new(blob)).send().await?;
    let complete = ecr
        .complete_layer_upload()
        .repository_name(name)
        .upload_id(id);
    complete.layer_digests(digest(blob)).send().await?;
    Ok(())
}

fn digest(content: &[u8]) -> String {
    let hash = Sha256::digest(content);
    let hex: Vec<String> = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", hex.concat())
}
