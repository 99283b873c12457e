//! What is set for a registry as a whole, and what ECR does behind its answers.

use std::collections::BTreeMap;

use serde_json::Value;

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
