//! What the tests of lifecycle policies at work share: images of any age, and policies.

use std::time::Duration;

use ecr_emulator::Emulator;
use serde_json::{Value, json};

use crate::support::{apply, create, digest, index, upload_by_hook};

pub(crate) const DAY: Duration = Duration::from_hours(24);

/// An emulator's repository `api` and what may be pushed to it.
pub(crate) struct Images<'a>(pub(crate) &'a Emulator);

impl<'a> Images<'a> {
    /// Makes the repository, with the config that all its images have.
    pub(crate) fn new(emulator: &'a Emulator) -> Self {
        create(emulator, "api");
        let images = Self(emulator);
        images.layer();
        images
    }

    /// Uploads the config.
    pub(crate) fn layer(&self) {
        upload_by_hook(self.0, "api", b"config");
    }

    /// Pushes an image and lets a second go by.
    pub(crate) fn push(&self, note: &str, tags: &[&str]) -> String {
        self.push_with(note, tags, json!({}))
    }

    /// Pushes an image that refers to another.
    pub(crate) fn refer(&self, note: &str, subject: &str) -> String {
        let subject = json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": subject, "size": 1,
        });
        self.push_with(note, &[], json!({ "subject": subject }))
    }

    fn push_with(&self, note: &str, tags: &[&str], more: Value) -> String {
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest(b"config"), "size": 6,
            },
            "layers": [],
            "annotations": { "note": note },
        });
        let members = manifest.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        self.put(&manifest, tags)
    }

    /// Pushes a list of images.
    pub(crate) fn list(&self, digests: &[&str], tags: &[&str]) -> String {
        self.put(&index(digests), tags)
    }

    fn put(&self, manifest: &Value, tags: &[&str]) -> String {
        let manifest = manifest.to_string();
        let tags: Vec<Option<&str>> = if tags.is_empty() {
            vec![None]
        } else {
            tags.iter().copied().map(Some).collect()
        };
        for tag in tags {
            let input =
                json!({ "repositoryName": "api", "imageManifest": manifest, "imageTag": tag });
            apply(self.0, "PutImage", input);
        }
        self.0.advance(Duration::from_secs(1));
        digest(manifest.as_bytes())
    }

    /// Puts a policy in force.
    pub(crate) fn policy(&self, rules: Value) {
        let input = json!({ "repositoryName": "api", "lifecyclePolicyText": policy(rules) });
        apply(self.0, "PutLifecyclePolicy", input);
    }

    /// Whether an image is there, and whether in the archive.
    pub(crate) fn state(&self, digest: &str) -> &'static str {
        let repository = self.0.repository("111122223333", "eu-central-1", "api");
        match repository.unwrap().images.get(digest) {
            None => "gone",
            Some(image) if image.archived => "archived",
            Some(_) => "there",
        }
    }

    pub(crate) fn states<const N: usize>(&self, digests: [&str; N]) -> [&'static str; N] {
        digests.map(|digest| self.state(digest))
    }
}

/// The text of a policy, its rules with priorities in their order.
pub(crate) fn policy(rules: Value) -> String {
    let rules: Vec<Value> = rules
        .as_array()
        .unwrap()
        .iter()
        .zip(1..)
        .map(|(rule, priority): (&Value, u64)| {
            let mut rule = rule.clone();
            rule["rulePriority"] = json!(priority);
            rule
        })
        .collect();
    format!("{:<100}", json!({ "rules": rules }).to_string())
}

/// A rule that keeps the youngest.
pub(crate) fn keep(tags: Value, number: u64) -> Value {
    rule(
        tags,
        json!({ "countType": "imageCountMoreThan", "countNumber": number }),
        "expire",
    )
}

/// A rule on images that are older than some days.
pub(crate) fn older(tags: Value, since: &str, days: u64, action: &str) -> Value {
    let count = json!({ "countType": since, "countUnit": "days", "countNumber": days });
    rule(tags, count, action)
}

fn rule(tags: Value, count: Value, action: &str) -> Value {
    let mut selection = tags.as_object().unwrap().clone();
    selection.extend(count.as_object().unwrap().clone());
    let action = match action {
        "transition" => json!({ "type": "transition", "targetStorageClass": "archive" }),
        _ => json!({ "type": action }),
    };
    json!({ "selection": selection, "action": action })
}

pub(crate) fn any() -> Value {
    json!({ "tagStatus": "any" })
}

pub(crate) fn untagged() -> Value {
    json!({ "tagStatus": "untagged" })
}

pub(crate) fn tagged(patterns: &[&str]) -> Value {
    json!({ "tagStatus": "tagged", "tagPatternList": patterns })
}
