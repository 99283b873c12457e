//! The errors of registries, each provoked.

use ecr_emulator::Emulator;
use serde_json::{Value, json};

use super::super::Model;
use super::super::samples::sample;
use super::Provocation;
use crate::support::{ACCOUNT, apply};

pub(super) const TABLE: &[Provocation] = &[
    (
        "DeleteRegistryPolicy",
        "RegistryPolicyNotFoundException",
        no_policy,
    ),
    (
        "GetRegistryPolicy",
        "RegistryPolicyNotFoundException",
        no_policy,
    ),
    (
        "DeleteSigningConfiguration",
        "SigningConfigurationNotFoundException",
        no_signing,
    ),
    (
        "GetSigningConfiguration",
        "SigningConfigurationNotFoundException",
        no_signing,
    ),
    (
        "PutRegistryScanningConfiguration",
        "BlockedByOrganizationPolicyException",
        |emulator| {
            emulator.configure(|settings| settings.scanning_blocked = true);
            json!({})
        },
    ),
    (
        "CreateRepositoryCreationTemplate",
        "TemplateAlreadyExistsException",
        |_| json!({ "prefix": "team", "appliedFor": ["REPLICATION"] }),
    ),
    (
        "DeleteRepositoryCreationTemplate",
        "TemplateNotFoundException",
        |_| json!({ "prefix": "none" }),
    ),
    (
        "UpdateRepositoryCreationTemplate",
        "TemplateNotFoundException",
        |_| json!({ "prefix": "none" }),
    ),
    (
        "RegisterPullTimeUpdateExclusion",
        "ExclusionAlreadyExistsException",
        |emulator| {
            apply(emulator, "RegisterPullTimeUpdateExclusion", principal(0));
            principal(0)
        },
    ),
    (
        "RegisterPullTimeUpdateExclusion",
        "LimitExceededException",
        |emulator| {
            for number in 0..100 {
                apply(
                    emulator,
                    "RegisterPullTimeUpdateExclusion",
                    principal(number),
                );
            }
            principal(100)
        },
    ),
    (
        "DeregisterPullTimeUpdateExclusion",
        "ExclusionNotFoundException",
        |_| principal(0),
    ),
    ("PutReplicationConfiguration", "ValidationException", |_| {
        let regions = 0..26;
        let destinations: Vec<Value> = regions
            .map(|number| json!({ "region": format!("eu-{number}"), "registryId": ACCOUNT }))
            .collect();
        json!({ "replicationConfiguration": { "rules": [{ "destinations": destinations }] } })
    }),
    ("StartReplicationBackfill", "ValidationException", |_| {
        backfill("eu-north-1")
    }),
    (
        "StartReplicationBackfill",
        "ReplicationBackfillInProgressException",
        |emulator| {
            let input = running(emulator);
            apply(emulator, "StartReplicationBackfill", input.clone());
            input
        },
    ),
    (
        "StartReplicationBackfill",
        "LimitExceededException",
        |emulator| {
            running(emulator);
            let region = |number: u32| format!("eu-south-{number}");
            let destinations: Vec<Value> = (0..11)
                .map(|number| json!({ "region": region(number), "registryId": ACCOUNT }))
                .collect();
            let rules = json!({ "rules": [{ "destinations": destinations }] });
            let input = json!({ "replicationConfiguration": rules });
            apply(emulator, "PutReplicationConfiguration", input);
            for number in 0..10 {
                apply(
                    emulator,
                    "StartReplicationBackfill",
                    backfill(&region(number)),
                );
            }
            backfill(&region(10))
        },
    ),
    (
        "StopReplicationBackfill",
        "ReplicationBackfillInvalidStatusException",
        |emulator| {
            let begun = apply(emulator, "StartReplicationBackfill", backfill("eu-west-1"));
            json!({ "replicationBackfillId": begun["replicationBackfillId"] })
        },
    ),
    (
        "StopReplicationBackfill",
        "ReplicationBackfillNotFoundException",
        |_| sample(Model::get(), "StopReplicationBackfillRequest"),
    ),
    (
        "DescribeReplicationBackfillResults",
        "ReplicationBackfillNotFoundException",
        |_| sample(Model::get(), "DescribeReplicationBackfillResultsRequest"),
    ),
];

fn backfill(region: &str) -> Value {
    json!({ "destination": { "region": region, "registryId": ACCOUNT } })
}

fn principal(number: usize) -> Value {
    json!({ "principalArn": format!("arn:aws:iam::{ACCOUNT}:role/r{number}") })
}

fn no_policy(emulator: &Emulator) -> Value {
    apply(emulator, "DeleteRegistryPolicy", json!({}));
    json!({})
}

fn no_signing(emulator: &Emulator) -> Value {
    apply(emulator, "DeleteSigningConfiguration", json!({}));
    json!({})
}

fn running(emulator: &Emulator) -> Value {
    emulator.configure(|settings| settings.job_millis = 3_600_000);
    backfill("eu-west-1")
}
