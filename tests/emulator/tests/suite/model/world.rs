//! A world with something of everything, and calls that the model judges.

use std::collections::BTreeSet;
use std::sync::Mutex;

use ecr_emulator::{Emulator, Error};
use serde_json::{Value, json};

use super::{Model, declared, fit, samples};
use crate::support::{ACCOUNT, REGION, apply, create, start, upload_by_hook};

/// What every operation may answer: <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/CommonErrors.html>,
/// and the protocol's own.
const COMMON: [&str; 9] = [
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "SerializationException",
    "ThrottlingException",
    "UnknownOperationException",
    "UnrecognizedClientException",
];

/// An emulator whose answers are held against the model.
pub(super) struct World {
    pub(super) emulator: Emulator,
    model: &'static Model,
    /// The operations that have answered without an error.
    pub(super) answered: Mutex<BTreeSet<String>>,
    /// What the model does not allow.
    pub(super) faults: Mutex<Vec<String>>,
}

impl World {
    pub(super) async fn new() -> Self {
        let emulator = start().await;
        populate(&emulator);
        Self {
            emulator,
            model: Model::get(),
            answered: Mutex::default(),
            faults: Mutex::default(),
        }
    }

    pub(super) fn fault(&self, fault: String) {
        self.faults.lock().unwrap().push(fault);
    }

    /// Calls an operation; an answer that does not fit and an error that is not declared are faults.
    pub(super) fn call(&self, operation: &str, input: Value) -> Result<Value, Error> {
        let outcome = self.emulator.call(ACCOUNT, REGION, operation, input);
        match &outcome {
            Ok(answer) => {
                let output = self.model.side(operation, "output");
                let faults = fit::faults(self.model, output, answer, operation);
                self.faults.lock().unwrap().extend(faults);
                self.answered.lock().unwrap().insert(operation.to_owned());
            }
            Err(error) => {
                let declared = self.model.errors(operation);
                let code = error.code.as_str();
                if !declared.contains(&code) && !COMMON.contains(&code) {
                    self.fault(format!("{operation} does not declare {error}"));
                }
                if declared::is_absent(operation, code) {
                    self.fault(format!("{operation} is listed as never answering {error}"));
                }
            }
        }
        outcome
    }

    pub(super) fn assert_without_faults(&self) {
        let faults = self.faults.lock().unwrap();
        assert!(
            faults.is_empty(),
            "{} faults:\n{}",
            faults.len(),
            faults.join("\n")
        );
    }
}

pub(super) fn populate(emulator: &Emulator) {
    create(emulator, "api");
    upload_by_hook(emulator, "api", b"config");
    upload_by_hook(emulator, "api", b"layer");
    let named = |more: Value| {
        let mut input = json!({ "repositoryName": "api" });
        let more = more.as_object().unwrap().clone();
        input.as_object_mut().unwrap().extend(more);
        input
    };
    let policy = samples::policy(None);
    let registry_policy = samples::policy(Some("*"));
    let destination = samples::sample(Model::get(), "ReplicationDestination");
    let rules = json!([{ "destinations": [destination] }]);
    for (operation, input) in [
        (
            "PutReplicationConfiguration",
            json!({ "replicationConfiguration": { "rules": rules } }),
        ),
        (
            "PutSigningConfiguration",
            samples::sample(Model::get(), "PutSigningConfigurationRequest"),
        ),
        (
            "PutRegistryPolicy",
            json!({ "policyText": registry_policy }),
        ),
        (
            "PutImage",
            named(json!({ "imageManifest": samples::image(), "imageTag": "v1" })),
        ),
        (
            "SetRepositoryPolicy",
            named(json!({ "policyText": policy })),
        ),
        (
            "PutLifecyclePolicy",
            named(json!({ "lifecyclePolicyText": samples::lifecycle() })),
        ),
        (
            "StartLifecyclePolicyPreview",
            named(json!({ "lifecyclePolicyText": samples::lifecycle() })),
        ),
        (
            "CreatePullThroughCacheRule",
            json!({ "ecrRepositoryPrefix": "team", "upstreamRegistryUrl": "quay.io" }),
        ),
        (
            "CreateRepositoryCreationTemplate",
            json!({ "prefix": "team", "appliedFor": ["CREATE_ON_PUSH"] }),
        ),
    ] {
        apply(emulator, operation, input);
    }
}
