//! The declared errors that cannot occur.

/// An error that cannot occur in some operations.
pub(super) struct Absent {
    pub(super) error: &'static str,
    pub(super) operations: &'static [&'static str],
    #[expect(dead_code, reason = "for whoever reads the list")]
    reason: &'static str,
}

pub(super) const ABSENT: &[Absent] = &[
    Absent {
        error: "InvalidParameterException",
        operations: &[
            "DeleteRegistryPolicy",
            "DescribeRegistry",
            "GetRegistryPolicy",
            "GetRegistryScanningConfiguration",
            "GetSigningConfiguration",
        ],
        reason: "there is no parameter",
    },
    Absent {
        error: "RepositoryNotFoundException",
        operations: &["BatchGetRepositoryScanningConfiguration"],
        reason: "a repository that is not there is among the failures of the answer",
    },
    Absent {
        error: "LimitExceededException",
        operations: &["CreateRepositoryCreationTemplate"],
        reason: "AWS publishes no quota of templates",
    },
    Absent {
        error: "LimitExceededException",
        operations: &[
            "DeregisterPullTimeUpdateExclusion",
            "ListPullTimeUpdateExclusions",
            "PutAccountSetting",
        ],
        reason: "nothing becomes more by it",
    },
    Absent {
        error: "TooManyTagsException",
        operations: &["UntagResource"],
        reason: "nothing becomes more by it",
    },
    Absent {
        error: "ValidationException",
        operations: &[
            "BatchGetRepositoryScanningConfiguration",
            "CreateRepositoryCreationTemplate",
            "DeleteLifecyclePolicy",
            "DeletePullThroughCacheRule",
            "DeleteRegistryPolicy",
            "DeleteRepositoryCreationTemplate",
            "DeleteSigningConfiguration",
            "DeregisterPullTimeUpdateExclusion",
            "DescribeImageReplicationStatus",
            "DescribeImageScanFindings",
            "DescribeImageSigningStatus",
            "DescribePullThroughCacheRules",
            "DescribeRegistry",
            "DescribeReplicationBackfillResults",
            "DescribeRepositoryCreationTemplates",
            "GetAccountSetting",
            "GetLifecyclePolicy",
            "GetLifecyclePolicyPreview",
            "GetRegistryPolicy",
            "GetRegistryScanningConfiguration",
            "GetSigningConfiguration",
            "ListImageReferrers",
            "ListPullTimeUpdateExclusions",
            "ListReplicationBackfills",
            "PutAccountSetting",
            "PutImageScanningConfiguration",
            "PutLifecyclePolicy",
            "PutRegistryPolicy",
            "PutRegistryScanningConfiguration",
            "PutSigningConfiguration",
            "RegisterPullTimeUpdateExclusion",
            "StartLifecyclePolicyPreview",
            "StopReplicationBackfill",
            "UpdateImageStorageClass",
            "UpdateRepositoryCreationTemplate",
            "ValidatePullThroughCacheRule",
        ],
        reason: "AWS does not say what for; what users see refused is InvalidParameterException",
    },
];

/// Whether an error is listed as one that cannot occur.
pub(in super::super) fn is_absent(operation: &str, error: &str) -> bool {
    let mut rows = ABSENT.iter();
    rows.any(|row| row.error == error && row.operations.contains(&operation))
}
