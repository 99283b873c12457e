//! What a test or a demo may set: how the emulated AWS is disposed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::rates::Rate;

/// The settings, with AWS's own defaults. [`crate::Emulator::wipe`] brings the defaults back.
///
/// Over HTTP a field that is not sent keeps its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// Added to every call, in milliseconds.
    pub latency_millis: u64,
    /// How often an operation may be called in one account and region; `*` is every other
    /// operation, each by itself. One without a rate is never throttled.
    pub rates: BTreeMap<String, Rate>,
    /// So many calls do not find a repository that was just created.
    pub create_lag_calls: u64,
    /// So many lists of repositories still have one that was just deleted.
    pub delete_lag_calls: u64,
    /// So many reads of a lifecycle policy's preview still show the one before that which was just begun.
    pub preview_lag_calls: u64,
    /// Repositories in one account and region; one more is `LimitExceededException`.
    pub repositories_quota: usize,
    /// Images in one repository.
    pub images_quota: usize,
    /// Tags on one image.
    pub image_tags_quota: usize,
    /// How long it takes until an image is restored, scanned, signed or replicated, and a backfill
    /// is done, in milliseconds.
    pub job_millis: u64,
    /// Basic scans in one account and region within 24 hours.
    pub scans_quota: usize,
    /// What a scan finds, in the form of the API, by the digest of the image; `*` is every other
    /// image.
    pub findings: BTreeMap<String, Vec<Value>>,
    /// Whether the organisation forbids to change the scanning of registries.
    pub scanning_blocked: bool,
    /// What KMS answers for a key, by its ARN, e.g. `DisabledException`; all others are well.
    pub kms_faults: BTreeMap<String, String>,
    /// What is wrong with a secret, by its ARN; all others are well.
    pub secret_faults: BTreeMap<String, SecretFault>,
    /// What upstream registries hold: manifests by place, e.g. `quay.io/team/api:v1`.
    pub upstream_images: BTreeMap<String, String>,
    /// Principals that IAM does not know (yet): a policy that names one is refused. With a number,
    /// that many refusals later it is known; with none (`null`), when it is taken out again.
    pub unknown_principals: BTreeMap<String, Option<u64>>,
    /// Users and roles that were deleted in IAM, by ARN, with their unique ids (`AIDA…`, `AROA…`):
    /// policies that name one have the id in its place from then on, and a policy that is set is
    /// refused. One that is taken out again was made anew, and what is stored keeps the id.
    pub deleted_principals: BTreeMap<String, String>,
    /// ARNs of roles that trust nobody.
    pub denied_roles: BTreeSet<String>,
    /// The external ids that roles ask for, by the ARN of the role.
    pub role_external_ids: BTreeMap<String, String>,
    /// The SQS queues that there are in every account and region; each gets the events of its own.
    pub queues: BTreeSet<String>,
    /// How late events come, in milliseconds.
    pub event_delay_millis: u64,
    /// How late the Resource Groups Tagging API is, in milliseconds.
    pub tagging_lag_millis: u64,
    /// Access keys that answer `UnrecognizedClientException`.
    pub revoked_access_keys: BTreeSet<String>,
    /// Whether the log keeps the answers. Off saves memory in a long bench.
    pub log_answers: bool,
}

/// What can be wrong with the secret of a pull through cache rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecretFault {
    /// It does not exist.
    NotFound,
    /// ECR may not read it.
    Inaccessible,
    /// ECR may not decrypt it.
    Undecryptable,
    /// It does not have the keys that ECR looks for.
    Malformed,
    /// The upstream does not accept what is in it.
    Rejected,
}

impl Settings {
    /// How long it takes what ECR does behind its answers, in seconds.
    pub(crate) fn job_seconds(&self) -> f64 {
        std::time::Duration::from_millis(self.job_millis).as_secs_f64()
    }

    /// How late events come, in seconds.
    pub(crate) fn event_delay(&self) -> f64 {
        std::time::Duration::from_millis(self.event_delay_millis).as_secs_f64()
    }

    /// How late the Resource Groups Tagging API is, in seconds.
    pub(crate) fn tagging_lag(&self) -> f64 {
        std::time::Duration::from_millis(self.tagging_lag_millis).as_secs_f64()
    }
}

impl Default for Settings {
    /// Quotas: <https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html>.
    fn default() -> Self {
        Self {
            latency_millis: 0,
            rates: BTreeMap::new(),
            create_lag_calls: 0,
            delete_lag_calls: 0,
            preview_lag_calls: 0,
            repositories_quota: 100_000,
            images_quota: 100_000,
            image_tags_quota: 1_000,
            job_millis: 0,
            scans_quota: 100_000,
            findings: BTreeMap::new(),
            scanning_blocked: false,
            kms_faults: BTreeMap::new(),
            secret_faults: BTreeMap::new(),
            upstream_images: BTreeMap::new(),
            unknown_principals: BTreeMap::new(),
            deleted_principals: BTreeMap::new(),
            denied_roles: BTreeSet::new(),
            role_external_ids: BTreeMap::new(),
            queues: BTreeSet::new(),
            event_delay_millis: 0,
            tagging_lag_millis: 0,
            revoked_access_keys: BTreeSet::new(),
            log_answers: true,
        }
    }
}
