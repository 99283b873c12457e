//! Where moto is not like ECR, and what AWS says about it.

/// A place where moto differs.
pub(super) struct Difference {
    /// The step of the contract.
    pub(super) step: &'static str,
    /// What ECR answers, and the emulator with it.
    pub(super) ecr: &'static str,
    /// What moto answers.
    pub(super) moto: &'static str,
    /// What settles it.
    pub(super) source: &'static str,
}

const fn difference(
    step: &'static str,
    ecr: &'static str,
    moto: &'static str,
    source: &'static str,
) -> Difference {
    Difference {
        step,
        ecr,
        moto,
        source,
    }
}

/// Step, ECR, moto, source. The order in which rules come back AWS documents nowhere: there the
/// provider that compares them says it.
pub(super) const DIFFERENCES: &[Difference] = &[
    difference(
        "create with two underscores",
        "Mutable Aes256",
        "InvalidParameterException",
        "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html",
    ),
    difference(
        "create with a name of one letter",
        "InvalidParameterException",
        "Mutable Aes256",
        "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html",
    ),
    difference(
        "create with AES256 and a key",
        "InvalidParameterException",
        "done",
        "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_EncryptionConfiguration.html",
    ),
    difference(
        "describe names in pages",
        "InvalidParameterException",
        "done",
        "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeRepositories.html",
    ),
    difference(
        "describe a page of one",
        "1 more: true",
        "4 more: false",
        "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeRepositories.html",
    ),
    difference(
        "make immutable with filters",
        "InvalidParameterException",
        "ImmutableWithExclusion 0",
        "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImageTagMutability.html",
    ),
    difference(
        "exclude without filters",
        "InvalidParameterException",
        "ImmutableWithExclusion 0",
        "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImageTagMutability.html",
    ),
    difference(
        "exclude six patterns",
        "InvalidParameterException",
        "ImmutableWithExclusion 0",
        "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImageTagMutability.html",
    ),
    difference(
        "exclude two patterns",
        "ImmutableWithExclusion 2",
        "ImmutableWithExclusion 0",
        "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImageTagMutability.html",
    ),
    difference(
        "tag with a reserved key",
        "InvalidTagParameterException",
        "done",
        "https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-using-tags.html",
    ),
    difference(
        "tag with 51",
        "TooManyTagsException",
        "done",
        "https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-using-tags.html",
    ),
    difference(
        "get the policy",
        "on lines: true",
        "on lines: false",
        "https://docs.aws.amazon.com/cli/latest/reference/ecr/get-repository-policy.html",
    ),
    difference(
        "rules with a priority twice",
        "InvalidParameterException",
        "done",
        "https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html",
    ),
    difference(
        "a rule for any before others",
        "InvalidParameterException",
        "done",
        "https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html",
    ),
    difference(
        "two rules for untagged",
        "InvalidParameterException",
        "done",
        "https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html",
    ),
    difference(
        "a rule for tagged without tags",
        "InvalidParameterException",
        "done",
        "https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html",
    ),
    difference(
        "rules that archive",
        "done",
        "InvalidParameterException",
        "https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html",
    ),
    difference(
        "get the lifecycle policy",
        "first: 2",
        "first: 9",
        "https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/ecr_lifecycle_policy",
    ),
    difference(
        "start a preview",
        "done",
        "HTTP 500",
        "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_StartLifecyclePolicyPreview.html",
    ),
    difference(
        "put an image without its layers",
        "LayersNotFoundException",
        "done",
        "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImage.html",
    ),
    difference(
        "get an account setting",
        "done",
        "HTTP 500",
        "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAccountSetting.html",
    ),
    difference(
        "describe a template that is not there",
        "0",
        "HTTP 500",
        "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeRepositoryCreationTemplates.html",
    ),
    difference(
        "describe a pull through cache rule that is not there",
        "PullThroughCacheRuleNotFoundException",
        "HTTP 500",
        "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribePullThroughCacheRules.html",
    ),
    difference(
        "list pull-time exclusions",
        "done",
        "HTTP 500",
        "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ListPullTimeUpdateExclusions.html",
    ),
];
