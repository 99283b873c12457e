//! The table of all operations.

use super::{
    NOTHING, Operation, REPOSITORY, account, authorization, backfill, images, layers, lifecycle,
    lifecycle_preview, policy, pull_through, push, referrers, registry, replication, repositories,
    scanning, scans, signing, storage, tags, templates,
};

/// The operations that the emulator has.
const OPERATIONS: &[Operation] = &[
    Operation::new("BatchCheckLayerAvailability", layers::CHECK, layers::check),
    Operation::new("BatchDeleteImage", images::BATCH, images::batch_delete),
    Operation::new("BatchGetImage", images::BATCH_GET, images::batch_get),
    Operation::new(
        "BatchGetRepositoryScanningConfiguration",
        scanning::BATCH_GET,
        scanning::batch_get,
    ),
    Operation::new("CompleteLayerUpload", layers::COMPLETE, layers::complete),
    Operation::new(
        "CreatePullThroughCacheRule",
        pull_through::CREATE,
        pull_through::create,
    ),
    Operation::new(
        "CreateRepository",
        repositories::CREATE,
        repositories::create,
    ),
    Operation::new(
        "CreateRepositoryCreationTemplate",
        templates::CREATE,
        templates::create,
    ),
    Operation::new("DeleteLifecyclePolicy", REPOSITORY, lifecycle::delete),
    Operation::new(
        "DeletePullThroughCacheRule",
        pull_through::ONE,
        pull_through::delete,
    ),
    Operation::new("DeleteRegistryPolicy", NOTHING, registry::delete_policy),
    Operation::new(
        "DeleteRepository",
        repositories::DELETE,
        repositories::delete,
    ),
    Operation::new(
        "DeleteRepositoryCreationTemplate",
        templates::DELETE,
        templates::delete,
    ),
    Operation::new("DeleteRepositoryPolicy", REPOSITORY, policy::delete),
    Operation::new("DeleteSigningConfiguration", NOTHING, signing::delete),
    Operation::new(
        "DeregisterPullTimeUpdateExclusion",
        account::EXCLUSION,
        account::deregister,
    ),
    Operation::new(
        "DescribeImageReplicationStatus",
        images::ONE,
        replication::status,
    ),
    Operation::new(
        "DescribeImageScanFindings",
        scans::FINDINGS,
        scans::findings,
    ),
    Operation::new("DescribeImageSigningStatus", images::ONE, signing::status),
    Operation::new("DescribeImages", images::DESCRIBE, images::describe),
    Operation::new(
        "DescribePullThroughCacheRules",
        pull_through::DESCRIBE,
        pull_through::describe,
    ),
    Operation::new("DescribeRegistry", NOTHING, replication::describe_registry),
    Operation::new(
        "DescribeReplicationBackfillResults",
        backfill::RESULTS,
        backfill::results,
    ),
    Operation::new(
        "DescribeRepositories",
        repositories::DESCRIBE,
        repositories::describe,
    ),
    Operation::new(
        "DescribeRepositoryCreationTemplates",
        templates::DESCRIBE,
        templates::describe,
    ),
    Operation::new("GetAccountSetting", account::GET, account::get),
    Operation::new(
        "GetAuthorizationToken",
        authorization::GET,
        authorization::get,
    ),
    Operation::new("GetDownloadUrlForLayer", layers::DOWNLOAD, layers::download),
    Operation::new("GetLifecyclePolicy", REPOSITORY, lifecycle::get),
    Operation::new(
        "GetLifecyclePolicyPreview",
        lifecycle_preview::GET,
        lifecycle_preview::get,
    ),
    Operation::new("GetRegistryPolicy", NOTHING, registry::get_policy),
    Operation::new("GetRegistryScanningConfiguration", NOTHING, scanning::get),
    Operation::new("GetRepositoryPolicy", REPOSITORY, policy::get),
    Operation::new("GetSigningConfiguration", NOTHING, signing::get),
    Operation::new("InitiateLayerUpload", REPOSITORY, layers::initiate),
    Operation::new("ListImageReferrers", referrers::LIST, referrers::list),
    Operation::new("ListImages", images::LIST, images::list),
    Operation::new("ListPullTimeUpdateExclusions", account::LIST, account::list),
    Operation::new("ListReplicationBackfills", backfill::LIST, backfill::list),
    Operation::new("ListTagsForResource", tags::LIST, tags::list),
    Operation::new("PutAccountSetting", account::PUT, account::put),
    Operation::new("PutImage", push::PUT, push::put),
    Operation::new(
        "PutImageScanningConfiguration",
        repositories::PUT_SCANNING,
        repositories::put_scanning,
    ),
    Operation::new(
        "PutImageTagMutability",
        repositories::PUT_MUTABILITY,
        repositories::put_mutability,
    ),
    Operation::new("PutLifecyclePolicy", lifecycle::PUT, lifecycle::put),
    Operation::new(
        "PutRegistryPolicy",
        registry::PUT_POLICY,
        registry::put_policy,
    ),
    Operation::new(
        "PutRegistryScanningConfiguration",
        scanning::PUT,
        scanning::put,
    ),
    Operation::new(
        "PutReplicationConfiguration",
        replication::PUT,
        replication::put,
    ),
    Operation::new("PutSigningConfiguration", signing::PUT, signing::put),
    Operation::new(
        "RegisterPullTimeUpdateExclusion",
        account::EXCLUSION,
        account::register,
    ),
    Operation::new("SetRepositoryPolicy", policy::SET, policy::set),
    Operation::new("StartImageScan", images::ONE, scans::start),
    Operation::new(
        "StartLifecyclePolicyPreview",
        lifecycle_preview::START,
        lifecycle_preview::start,
    ),
    Operation::new("StartReplicationBackfill", backfill::START, backfill::start),
    Operation::new("StopReplicationBackfill", backfill::STOP, backfill::stop),
    Operation::new("TagResource", tags::TAG, tags::tag),
    Operation::new("UntagResource", tags::UNTAG, tags::untag),
    Operation::new("UpdateImageStorageClass", storage::UPDATE, storage::update),
    Operation::new(
        "UpdatePullThroughCacheRule",
        pull_through::UPDATE,
        pull_through::update,
    ),
    Operation::new(
        "UpdateRepositoryCreationTemplate",
        templates::UPDATE,
        templates::update,
    ),
    Operation::new("UploadLayerPart", layers::UPLOAD, layers::upload),
    Operation::new(
        "ValidatePullThroughCacheRule",
        pull_through::ONE,
        pull_through::validate,
    ),
];

/// Looks an operation up.
pub(crate) fn find(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.name == name)
}

/// Whether ECR has an operation of that name, in whatever case, as IAM compares names of actions.
pub(super) fn is_operation(name: &str) -> bool {
    OPERATIONS
        .iter()
        .any(|operation| operation.name.eq_ignore_ascii_case(name))
}
