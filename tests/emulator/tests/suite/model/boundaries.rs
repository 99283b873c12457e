//! What the model says of inputs, outputs and errors, held against every operation.

use serde_json::{Value, json};

use super::Model;
use super::samples::{Case, TYPE, cases, sample};
use super::world::World;
use crate::lifecycle_world::{any, keep, policy};
use crate::support::{ACCOUNT, REGION, digest, start};

/// The operations of the model that the emulator does not have.
const MISSING: [&str; 0] = [];

fn present() -> impl Iterator<Item = &'static str> {
    let operations = Model::get().operations();
    operations.filter(|operation| !MISSING.contains(operation))
}

#[tokio::test]
async fn the_emulator_has_every_operation_but_those_listed() {
    let emulator = start().await;
    let unknown = |operation: &&str| {
        let answer = emulator.call(ACCOUNT, REGION, operation, json!({}));
        answer.is_err_and(|error| error.code == "UnknownOperationException")
    };
    let missing: Vec<&str> = Model::get().operations().filter(unknown).collect();
    assert_eq!(missing, MISSING);
}

#[tokio::test]
async fn every_boundary_is_where_the_model_has_it() {
    let model = Model::get();
    let mut tried = 0;
    for operation in present() {
        let world = World::new().await;
        for case in cases(model, model.side(operation, "input"), "") {
            tried += 1;
            judge(&world, operation, case);
        }
        world.assert_without_faults();
    }
    assert!(tried > 1000, "only {tried} boundaries");
}

/// Inside a boundary nothing may be refused for it, whatever else is wrong; outside it must be.
fn judge(world: &World, operation: &str, case: Case) {
    let shown: String = case.value.to_string().chars().take(200).collect();
    let refused = match world.call(operation, case.value) {
        Ok(_) => false,
        Err(error) if case.constraint == TYPE => error.code == "SerializationException",
        Err(error) => {
            let at = format!("Invalid parameter at '{}' ", case.at);
            error.code == "InvalidParameterException"
                && error.message.starts_with(&at)
                && error.message.contains(case.constraint)
        }
    };
    if refused == case.inside {
        let what = if refused { "refuses" } else { "takes" };
        let (at, constraint) = (case.at, case.constraint);
        world.fault(format!("{operation} {what} {at} ({constraint}): {shown}"));
    }
}

/// Inputs with which every operation succeeds, in this order.
fn walk(world: &World) -> Vec<(&'static str, Value)> {
    let model = Model::get();
    let mut calls = Vec::new();
    let mut whole = |operation: &'static str| {
        let input = sample(model, model.side(operation, "input"));
        calls.push((operation, input));
    };
    for operation in [
        "BatchCheckLayerAvailability",
        "BatchGetImage",
        "BatchGetRepositoryScanningConfiguration",
        "DescribeImageReplicationStatus",
        "DescribeImageSigningStatus",
        "DescribeImages",
        "DescribePullThroughCacheRules",
        "DescribeRegistry",
        "DescribeRepositories",
        "DescribeRepositoryCreationTemplates",
        "GetAccountSetting",
        "GetAuthorizationToken",
        "GetDownloadUrlForLayer",
        "GetLifecyclePolicy",
        "GetRegistryPolicy",
        "GetRegistryScanningConfiguration",
        "GetRepositoryPolicy",
        "GetSigningConfiguration",
        "InitiateLayerUpload",
        "ListImageReferrers",
        "ListImages",
        "PutAccountSetting",
        "PutImage",
        "PutImageScanningConfiguration",
        "PutLifecyclePolicy",
        "PutRegistryPolicy",
        "PutRegistryScanningConfiguration",
        "PutReplicationConfiguration",
        "PutSigningConfiguration",
        "RegisterPullTimeUpdateExclusion",
        "ListPullTimeUpdateExclusions",
        "DeregisterPullTimeUpdateExclusion",
        "SetRepositoryPolicy",
        "StartImageScan",
        "DescribeImageScanFindings",
        "ListReplicationBackfills",
        "TagResource",
        "ListTagsForResource",
        "UntagResource",
        "UpdatePullThroughCacheRule",
        "UpdateRepositoryCreationTemplate",
        "ValidatePullThroughCacheRule",
        "StartLifecyclePolicyPreview",
        "GetLifecyclePolicyPreview",
    ] {
        whole(operation);
    }
    calls.extend(specific(world));
    for operation in [
        "BatchDeleteImage",
        "DeleteLifecyclePolicy",
        "DeletePullThroughCacheRule",
        "DeleteRegistryPolicy",
        "DeleteRepositoryPolicy",
        "DeleteSigningConfiguration",
        "DeleteRepositoryCreationTemplate",
    ] {
        calls.push((operation, sample(model, model.side(operation, "input"))));
    }
    calls.push((
        "DeleteRepository",
        json!({ "repositoryName": "api", "force": true }),
    ));
    calls
}

/// What needs more than a sample.
fn specific(world: &World) -> Vec<(&'static str, Value)> {
    let upload = world.call("InitiateLayerUpload", json!({ "repositoryName": "api" }));
    let upload = upload.unwrap()["uploadId"].clone();
    world
        .emulator
        .configure(|settings| settings.job_millis = 3_600_000);
    let backfill = running_backfill(world);
    world.emulator.configure(|settings| settings.job_millis = 0);
    vec![
        (
            "CreateRepository",
            json!({
                "repositoryName": "other",
                "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
                "imageTagMutabilityExclusionFilters": [{ "filterType": "WILDCARD", "filter": "a*" }],
                "encryptionConfiguration": { "encryptionType": "KMS" },
                "tags": [{ "Key": "k", "Value": "v" }],
            }),
        ),
        (
            "PutImageTagMutability",
            json!({
                "repositoryName": "api", "imageTagMutability": "IMMUTABLE",
            }),
        ),
        (
            "UploadLayerPart",
            json!({
                "repositoryName": "api", "uploadId": upload, "partFirstByte": 0, "partLastByte": 2,
                "layerPartBlob": "bmV3",
            }),
        ),
        (
            "CompleteLayerUpload",
            json!({
                "repositoryName": "api", "uploadId": upload, "layerDigests": [digest(b"new")],
            }),
        ),
        (
            "CreatePullThroughCacheRule",
            json!({
                "ecrRepositoryPrefix": "k8s", "upstreamRegistryUrl": "registry.k8s.io",
            }),
        ),
        (
            "CreateRepositoryCreationTemplate",
            json!({
                "prefix": "k8s", "appliedFor": ["PULL_THROUGH_CACHE"],
                "repositoryPolicy": "", "lifecyclePolicy": "",
                "encryptionConfiguration": { "encryptionType": "AES256", "kmsKey": "" },
            }),
        ),
        (
            "StartLifecyclePolicyPreview",
            json!({ "repositoryName": "api", "lifecyclePolicyText": policy(json!([keep(any(), 1)])) }),
        ),
        (
            "GetLifecyclePolicyPreview",
            json!({ "repositoryName": "api" }),
        ),
        (
            "StopReplicationBackfill",
            json!({ "replicationBackfillId": backfill }),
        ),
        (
            "DescribeReplicationBackfillResults",
            json!({ "replicationBackfillId": backfill }),
        ),
        (
            "UpdateImageStorageClass",
            json!({
                "repositoryName": "api", "imageId": { "imageTag": "v1" },
                "targetStorageClass": "ARCHIVE",
            }),
        ),
    ]
}

fn running_backfill(world: &World) -> Value {
    let input = sample(Model::get(), "StartReplicationBackfillRequest");
    world.call("StartReplicationBackfill", input).unwrap()["replicationBackfillId"].clone()
}

#[tokio::test]
async fn every_operation_answers_and_its_answer_fits() {
    let world = World::new().await;
    let finding = json!({ "name": "CVE-2026-1", "severity": "HIGH", "uri": "https://x.test" });
    world.emulator.configure(|settings| {
        settings.findings = [("*".to_owned(), vec![finding])].into();
    });
    for (operation, input) in walk(&world) {
        if let Err(error) = world.call(operation, input.clone()) {
            world.fault(format!("{operation} {input}: {error}"));
        }
    }
    let answered = world.answered.lock().unwrap().clone();
    let silent: Vec<&str> = present()
        .filter(|operation| !answered.contains(*operation))
        .collect();
    assert_eq!(silent, [""; 0]);
    world.assert_without_faults();
}
