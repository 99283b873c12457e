//! ECR's own events. They tell of what has been done, whoever did it, so they begin where it is done.
//!
//! Their forms are those of the examples in the user guide:
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html>. `EventBridge` also
//! lists an `ECR Artifact Action`, of which AWS publishes neither form nor occasion: it is never sent.

use serde_json::{Map, Value, json};

use super::Occasion;
use crate::api::{Place, text};
use crate::clock::in_iso_parts;
use crate::state::{Image, repository_arn};

/// An event of ECR's own, before it is sent.
#[derive(Debug)]
pub(crate) struct News {
    place: Place,
    /// When it happened, in seconds since 1970.
    pub(crate) time: f64,
    kind: &'static str,
    resources: Vec<String>,
    detail: Map<String, Value>,
}

/// What happened to an image, for [`News::image`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Action {
    Push,
    Delete,
    Archive,
    /// It is available again.
    Restore,
}

impl News {
    /// The event as it is delivered; `serial` makes its identifier its own.
    pub(crate) fn event(self, serial: u64) -> Value {
        let occasion = Occasion {
            account: &self.place.0,
            region: &self.place.1,
            time: self.time,
            seed: format!("news {serial}"),
        };
        occasion.event(self.kind, &self.resources, &Value::from(self.detail))
    }

    /// `ECR Image Action`, or `ECR Referrer Action` for what refers to another image. These do not
    /// name the repository among the resources, all others do.
    pub(crate) fn image(
        (place, time): (&Place, f64),
        repository: &str,
        (action, tag): (Action, &str),
        image: &Image,
    ) -> Self {
        let (kind, class) = match action {
            Action::Push => ("PUSH", None),
            Action::Delete => ("DELETE", None),
            Action::Archive => ("UPDATE_STORAGE_CLASS", Some("ARCHIVE")),
            Action::Restore => ("UPDATE_STORAGE_CLASS", Some("STANDARD")),
        };
        let restored = match action {
            Action::Restore => image.activated_at.map(in_iso_parts),
            Action::Push | Action::Delete | Action::Archive => None,
        };
        let detail = [
            ("action-type", Some(kind)),
            ("target-storage-class", class),
            ("result", Some("SUCCESS")),
            ("repository-name", Some(repository)),
            ("image-digest", Some(&image.digest)),
            ("image-tag", Some(tag).filter(|tag| !tag.is_empty())),
            ("manifest-media-type", Some(&image.media_type)),
            ("artifact-media-type", image.artifact_media_type.as_deref()),
            ("last-activated-at", restored.as_deref()),
        ];
        let kind = if image.subject.is_some() {
            "ECR Referrer Action"
        } else {
            "ECR Image Action"
        };
        Self {
            place: place.clone(),
            time,
            kind,
            resources: Vec::new(),
            detail: texts(&detail),
        }
    }

    /// About a repository, which is among the resources.
    fn about(
        (place, time): (&Place, f64),
        repository: &str,
        kind: &'static str,
        detail: &[(&str, Option<&str>)],
    ) -> Self {
        let mut detail = texts(detail);
        detail.insert("repository-name".to_owned(), json!(repository));
        Self {
            place: place.clone(),
            time,
            kind,
            resources: vec![repository_arn(&place.0, &place.1, repository)],
            detail,
        }
    }

    /// The end of a basic scan. Severities that were not found are not among the counts.
    pub(crate) fn scan(
        at: (&Place, f64),
        repository: &str,
        image: &Image,
        counts: Map<String, Value>,
    ) -> Self {
        let detail = [
            ("scan-status", Some("COMPLETE")),
            ("image-digest", Some(image.digest.as_str())),
        ];
        let mut news = Self::about(at, repository, "ECR Image Scan", &detail);
        news.detail
            .insert("finding-severity-counts".to_owned(), counts.into());
        news.detail
            .insert("image-tags".to_owned(), json!(image.tags));
        news
    }

    /// The end of the replication of an image, told at its destination. Of a failure AWS says that
    /// there may be more than the result, but not what.
    pub(crate) fn replication(
        at: (&Place, f64),
        from: &Place,
        repository: &str,
        (digest, tag): (&str, &str),
        failed: bool,
    ) -> Self {
        let detail = [
            ("result", Some(if failed { "FAILED" } else { "SUCCESS" })),
            ("image-digest", Some(digest)),
            ("source-account", Some(&from.0)),
            ("action-type", Some("REPLICATE")),
            ("source-region", Some(&from.1)),
            ("image-tag", Some(tag).filter(|tag| !tag.is_empty())),
        ];
        Self::about(at, repository, "ECR Replication Action", &detail)
    }

    /// What came of a pull that went through to an upstream: the digest, or code and reason of the
    /// failure. These have names in the schema of `EventBridge`; the word for a failed sync has been
    /// published nowhere, and is that of a failed replication.
    pub(crate) fn pull_through(
        at: (&Place, f64),
        repository: &str,
        rule: &Value,
        (tag, outcome): (&str, Result<&str, (&str, &str)>),
    ) -> Self {
        let (code, reason) = outcome.err().unzip();
        let status = if outcome.is_ok() { "SUCCESS" } else { "FAILED" };
        let detail = [
            ("rule-version", Some("1")),
            ("sync-status", Some(status)),
            (
                "ecr-repository-prefix",
                Some(text(rule, "ecrRepositoryPrefix")),
            ),
            (
                "upstream-registry-url",
                Some(text(rule, "upstreamRegistryUrl")),
            ),
            ("image-tag", Some(tag)),
            ("image-digest", outcome.ok()),
            ("failure-code", code),
            ("failure-reason", reason),
        ];
        Self::about(at, repository, "ECR Pull Through Cache Action", &detail)
    }

    /// Repositories that enhanced scanning scans otherwise than before: name, frequency, and the one
    /// before. The guide also says that images which come and go are told by this event, and shows
    /// no form for it: those are left out. A new repository was scanned by hand before it was there.
    pub(crate) fn scan_frequencies(
        (place, time): (&Place, f64),
        changes: &[(&str, &str, &str)],
    ) -> Self {
        let repositories = changes.iter().map(|(name, frequency, previous)| {
            json!({
                "repository-name": name,
                "repository-arn": repository_arn(&place.0, &place.1, name),
                "scan-frequency": frequency,
                "previous-scan-frequency": previous,
            })
        });
        let repositories: Vec<Value> = repositories.collect();
        let mut detail = texts(&[
            ("action-type", Some("SCAN_FREQUENCY_CHANGE")),
            ("resource-type", Some("REPOSITORY")),
            ("scan-type", Some("ENHANCED")),
        ]);
        detail.insert("repositories".to_owned(), json!(repositories));
        Self {
            place: place.clone(),
            time,
            kind: "ECR Scan Resource Change",
            resources: Vec::new(),
            detail,
        }
    }
}

/// The members that there are.
fn texts(members: &[(&str, Option<&str>)]) -> Map<String, Value> {
    let given = members.iter();
    given
        .filter_map(|(name, value)| Some(((*name).to_owned(), json!((*value)?))))
        .collect()
}
