//! What is set for a registry as a whole, and what ECR does behind its answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// The settings of a registry. What AWS replaces as a whole and returns as it was given is kept in
/// the form of the API.
#[derive(Debug, Default)]
pub(crate) struct RegistryConfig {
    /// The registry policy as it is returned.
    pub(crate) policy: Option<String>,
    /// Whether scans are enhanced ones.
    pub(crate) enhanced: bool,
    pub(crate) scanning_rules: Vec<Value>,
    /// When the basic scans of the last 24 hours began.
    pub(crate) basic_scans: Vec<f64>,
    pub(crate) signing: Option<Value>,
    pub(crate) account_settings: BTreeMap<String, String>,
    /// The principals whose pulls are not recorded, with the time of their registration.
    pub(crate) pull_time_exclusions: BTreeMap<String, f64>,
    /// The creation templates, by prefix without a final slash.
    pub(crate) templates: BTreeMap<String, Template>,
    pub(crate) replication: Vec<Value>,
    pub(crate) backfills: BTreeMap<String, Backfill>,
    /// The pull through cache rules, by prefix without a final slash.
    pub(crate) pull_through: BTreeMap<String, PullThroughRule>,
}

/// A pull through cache rule.
#[derive(Debug, Clone)]
pub(crate) struct PullThroughRule {
    /// What was set, in the form of the API.
    pub(crate) settings: Value,
    pub(crate) created_at: f64,
    pub(crate) updated_at: f64,
}

/// A repository creation template.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    /// What was set, in the form of the API.
    pub(crate) settings: Value,
    pub(crate) created_at: f64,
    pub(crate) updated_at: f64,
}

/// The last scan of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scan {
    /// Whether it is an enhanced one.
    pub enhanced: bool,
    /// When it began, in seconds since 1970.
    pub started_at: f64,
    /// When it is done.
    pub completed_at: f64,
}

/// The signing of an image with one profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Signing {
    /// The ARN of the signing profile.
    pub profile: String,
    /// When it is done, in seconds since 1970.
    pub completed_at: f64,
}

/// The replication of an image to one destination.
#[derive(Debug, Clone, PartialEq)]
pub struct Replication {
    /// The account of the destination.
    pub registry_id: String,
    /// The region of the destination.
    pub region: String,
    /// Whether it is over.
    pub done: bool,
    /// Why it failed.
    pub failure: Option<String>,
}

impl Replication {
    pub(crate) fn place(&self) -> (String, String) {
        (self.registry_id.clone(), self.region.clone())
    }
}

/// A replication backfill.
#[derive(Debug, Clone)]
pub(crate) struct Backfill {
    pub(crate) id: String,
    /// Orders them.
    pub(crate) serial: u64,
    /// In the form of the API.
    pub(crate) destination: Value,
    pub(crate) started_at: f64,
    pub(crate) prepared_at: f64,
    pub(crate) ends_at: f64,
    pub(crate) stopped_at: Option<f64>,
    pub(crate) failure: Option<&'static str>,
    /// How many images and tags there are to copy.
    pub(crate) total: usize,
    /// In the form of the API.
    pub(crate) results: Vec<Value>,
}

impl Backfill {
    pub(crate) fn status(&self, now: f64) -> &'static str {
        match (self.stopped_at, self.failure) {
            (Some(_), _) => "STOPPED",
            (None, Some(_)) => "FAILED",
            _ if now >= self.ends_at => "COMPLETE",
            _ if now >= self.prepared_at => "IN_PROGRESS",
            _ => "PREPARING",
        }
    }

    /// When it ended, if it has.
    pub(crate) fn ended_at(&self, now: f64) -> Option<f64> {
        self.stopped_at
            .or_else(|| (now >= self.ends_at).then_some(self.ends_at))
    }

    /// Without progress while it prepares, or if it was stopped then (model,
    /// `ReplicationBackfillSummary$progress`).
    pub(crate) fn summary(&self, now: f64) -> Value {
        let mut summary = json!({
            "replicationBackfillId": self.id,
            "destination": self.destination,
            "status": self.status(now),
            "startedAt": self.started_at,
        });
        let Some(members) = summary.as_object_mut() else {
            return summary;
        };
        if let Some(code) = self.failure {
            members.insert("failureCode".to_owned(), json!(code));
        }
        if let Some(ended) = self.ended_at(now) {
            members.insert("endedAt".to_owned(), json!(ended));
        }
        if self.stopped_at.unwrap_or(now) >= self.prepared_at {
            members.insert("progress".to_owned(), self.progress());
        }
        summary
    }

    fn progress(&self) -> Value {
        let codes: BTreeSet<&str> = self
            .results
            .iter()
            .filter_map(|result| result.get("failureCode")?.as_str())
            .collect();
        let failures = self.results.iter();
        let failed = failures
            .filter(|result| result.get("failureCode").is_some())
            .count();
        json!({
            "totalReplicationCount": self.total,
            "completedReplicationCount": self.results.len() - failed,
            "failedReplicationCount": failed,
            "failureCodes": codes,
        })
    }
}
