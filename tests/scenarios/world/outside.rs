//! What others do in ECR, behind the operator's back.

use ecr_emulator::Repository;
use serde_json::{Value, json};

use super::{ACCOUNT, REGION, World};

impl World {
    /// Does something in ECR behind the operator's back.
    pub(crate) fn outside(&self, operation: &str, input: Value) -> Value {
        self.emulator
            .call(ACCOUNT, REGION, operation, input)
            .unwrap()
    }

    /// A repository by its name in ECR.
    pub(crate) fn held(&self, repository: &str) -> Repository {
        let found = self.emulator.repository(ACCOUNT, REGION, repository);
        found.unwrap_or_else(|| panic!("{repository} does not exist"))
    }

    /// The repository without its tags.
    pub(crate) fn without_tags(mut repository: Repository) -> Repository {
        repository.tags.clear();
        repository
    }

    /// Makes a repository with settings, a policy and an image.
    pub(crate) fn make_outside(&self, repository: &str, tags: &[(&str, &str)]) -> Repository {
        let tags: Vec<_> = tags
            .iter()
            .map(|(key, value)| json!({"Key": key, "Value": value}))
            .collect();
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
            "Action": "ecr:BatchGetImage",
        }]});
        self.outside(
            "CreateRepository",
            json!({
                "repositoryName": repository,
                "imageTagMutability": "IMMUTABLE",
                "imageScanningConfiguration": {"scanOnPush": true},
                "tags": tags,
            }),
        );
        self.outside(
            "SetRepositoryPolicy",
            json!({"repositoryName": repository, "policyText": policy.to_string()}),
        );
        self.push(repository, "v1");
        self.held(repository)
    }

    /// Writes a tag.
    pub(crate) fn tag(&self, repository: &str, key: &str, value: &str) {
        let arn = self.held(repository).arn;
        self.outside(
            "TagResource",
            json!({"resourceArn": arn, "tags": [{"Key": key, "Value": value}]}),
        );
    }

    /// Deletes a repository with all its images.
    pub(crate) fn lose(&mut self, repository: &str) {
        self.outside(
            "DeleteRepository",
            json!({"repositoryName": repository, "force": true}),
        );
        self.lost.push(repository.to_owned());
    }

    /// Pushes an image: the smallest that ECR takes.
    pub(crate) fn push(&self, repository: &str, tag: &str) {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [],
            "annotations": {"tag": tag},
        });
        self.outside(
            "PutImage",
            json!({"repositoryName": repository, "imageManifest": manifest.to_string(), "imageTag": tag}),
        );
    }

    /// Deletes images, by tag.
    pub(crate) fn delete_images(&self, repository: &str, tags: &[&str]) {
        let ids: Vec<_> = tags.iter().map(|tag| json!({"imageTag": tag})).collect();
        self.outside(
            "BatchDeleteImage",
            json!({"repositoryName": repository, "imageIds": ids}),
        );
    }
}
