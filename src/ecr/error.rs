//! AWS's errors, by what is to be done about them.
//!
//! Throttling, access and credential errors are not in ECR's model: they are known by their code.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ecr::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

use super::{fence::Closed, proof::TooOld};
use crate::domain::failure::{Class, Failure};

/// AWS's word that a repository has no lifecycle policy.
pub(super) const NO_LIFECYCLE_POLICY: &str = "LifecyclePolicyNotFoundException";
/// AWS's word that a repository has no policy.
pub(super) const NO_REPOSITORY_POLICY: &str = "RepositoryPolicyNotFoundException";

/// AWS's word that a lifecycle policy was not previewed.
pub(super) const NO_PREVIEW: &str = "LifecyclePolicyPreviewNotFoundException";
/// AWS's word that a preview runs already.
pub(super) const PREVIEW_RUNS: &str = "LifecyclePolicyPreviewInProgressException";

/// What AWS answered instead of an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Error {
    /// AWS's code; `None` where there was no answer.
    pub(super) code: Option<String>,
    /// The same for metrics: of a closed list.
    pub(super) label: &'static str,
    /// What is to be done.
    pub(super) failure: Failure,
}

impl Error {
    pub(super) fn has_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// The value of the metric label.
    pub(super) fn label(&self) -> &'static str {
        self.label
    }

    /// The fence refused a write, or cut it off.
    pub(super) fn not_leading(operation: &'static str, closed: Closed) -> Self {
        let said = format!("{operation}: {closed}");
        let class = Class::NotLeading;
        Self {
            code: None,
            label: class.label(),
            failure: Failure { class, said },
        }
    }

    fn unavailable(label: &'static str, said: String) -> Self {
        Self {
            code: None,
            label,
            failure: Failure::unavailable(said),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        error.failure
    }
}

/// Reads an error of the SDK, which came from `operation`.
pub(super) fn read<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            refused(
                operation,
                status,
                answer.err().code(),
                answer.err().message(),
            )
        }
        SdkError::TimeoutError(_) => {
            Error::unavailable("Timeout", format!("{operation}: no answer in time"))
        }
        other if is_too_old(other) => {
            Error::unavailable("NotSent", format!("{operation}: {TooOld}"))
        }
        other => match credentials(other) {
            Some(said) => Error {
                code: None,
                label: "NoCredentials",
                failure: Failure {
                    class: Class::Credentials,
                    said: format!("{operation}: {said}"),
                },
            },
            None => Error::unavailable("NoAnswer", format!("{operation}: {}", innermost(other))),
        },
    }
}

fn refused(operation: &str, status: u16, code: Option<&str>, message: Option<&str>) -> Error {
    let message = message.unwrap_or("no message");
    let said = match code {
        Some(code) => format!("{operation}: {code}: {message}"),
        None => format!("{operation}: HTTP status {status}"),
    };
    let class = classify(operation, status, code.unwrap_or_default(), message);
    Error {
        code: code.map(ToOwned::to_owned),
        label: label(code, status),
        failure: Failure { class, said },
    }
}

/// The codes that metrics tell apart: of the operations that are called, and AWS's common ones.
const CODES: [&str; 44] = [
    "AccessDenied",
    "AccessDeniedException",
    "BlockedByOrganizationPolicyException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InternalFailure",
    "InvalidClientTokenId",
    "InvalidParameterException",
    "InvalidSignatureException",
    "InvalidTagParameterException",
    "InvalidToken",
    "KmsException",
    NO_LIFECYCLE_POLICY,
    PREVIEW_RUNS,
    NO_PREVIEW,
    "LimitExceededException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "OptInRequired",
    "RepositoryAlreadyExistsException",
    "RepositoryNotEmptyException",
    "RepositoryNotFoundException",
    NO_REPOSITORY_POLICY,
    "RequestExpired",
    "RequestLimitExceeded",
    "RequestThrottledException",
    "RequestTimeTooSkewed",
    "ServerException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "SignatureDoesNotMatch",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TooManyTagsException",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
    "ValidationError",
    "ValidationException",
    "ImageNotFoundException",
];

/// What metrics call an answer. Whatever AWS may come up with, there are no more labels than these.
fn label(code: Option<&str>, status: u16) -> &'static str {
    match (code, status) {
        (Some(code), _) => {
            let known = CODES.iter().find(|known| **known == code);
            known.copied().unwrap_or("Other")
        }
        (None, 429) => "HttpStatus429",
        (None, 500..) => "HttpStatus5xx",
        (None, _) => "HttpStatus4xx",
    }
}

/// The class of a code: Amazon ECR API Reference, "Common Error Types" and each operation's errors.
fn classify(operation: &str, status: u16, code: &str, message: &str) -> Class {
    match code {
        "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "RequestThrottledException"
        | "SlowDown" => Class::Throttled,
        "AccessDeniedException"
        | "AccessDenied"
        | "NotAuthorized"
        | "UnauthorizedOperation"
        | "OptInRequired"
        | "BlockedByOrganizationPolicyException" => Class::Denied,
        "ExpiredTokenException"
        | "ExpiredToken"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationTokenException"
        | "MissingAuthenticationToken"
        | "IncompleteSignatureException"
        | "IncompleteSignature"
        | "RequestExpired"
        | "RequestTimeTooSkewed"
        | "InvalidToken" => Class::Credentials,
        // IAM is eventually consistent, and ECR answers to a principal that it does not know yet as
        // it does to one that it will never know.
        "InvalidParameterException"
            if operation == "SetRepositoryPolicy"
                && message.contains("Invalid repository policy provided") =>
        {
            Class::PolicyRefused
        }
        "TooManyTagsException" | "LimitExceededException" => Class::Limit,
        "KmsException" => Class::Kms,
        "RepositoryNotFoundException" => Class::Gone,
        "RepositoryAlreadyExistsException" => Class::Exists,
        "RepositoryNotEmptyException" => Class::NotEmpty,
        _ if status == 429 => Class::Throttled,
        _ if status >= 500 || status == 408 => Class::Unavailable,
        _ => Class::Invalid,
    }
}

/// Whether nothing was sent because what permits it had grown too old.
fn is_too_old(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(<dyn StdError>::is::<TooOld>)
}

/// What the credential provider said, if it was that: the SDK reports it as a failed dispatch.
fn credentials(error: &(dyn StdError + 'static)) -> Option<String> {
    chain(error)
        .find_map(|cause| cause.downcast_ref::<CredentialsError>())
        .map(|found| innermost(found).to_string())
}

fn innermost<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    chain(error).last().unwrap_or(error)
}

fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_aws_own_codes_and_no_others() {
        for (code, status, expected) in [
            (Some("ThrottlingException"), 400, "ThrottlingException"),
            (Some("ServerException"), 500, "ServerException"),
            (Some("SomethingNew"), 400, "Other"),
            (None, 429, "HttpStatus429"),
            (None, 503, "HttpStatus5xx"),
            (None, 403, "HttpStatus4xx"),
        ] {
            assert_eq!(label(code, status), expected, "{code:?} {status}");
            assert_eq!(refused("X", status, code, None).label(), expected);
        }
        // What a failure is classified by has a label of its own.
        for code in CODES {
            assert_eq!(label(Some(code), 400), code);
        }
    }

    #[test]
    fn the_code_decides_and_then_the_status() {
        for (operation, status, code, message, class) in [
            (
                "DescribeRepositories",
                400,
                "ThrottlingException",
                "Rate exceeded",
                Class::Throttled,
            ),
            ("DescribeRepositories", 429, "", "", Class::Throttled),
            ("DescribeRepositories", 503, "", "", Class::Unavailable),
            (
                "DescribeRepositories",
                500,
                "ServerException",
                "",
                Class::Unavailable,
            ),
            (
                "CreateRepository",
                400,
                "AccessDeniedException",
                "",
                Class::Denied,
            ),
            (
                "CreateRepository",
                400,
                "ExpiredTokenException",
                "",
                Class::Credentials,
            ),
            (
                "CreateRepository",
                403,
                "InvalidClientTokenId",
                "",
                Class::Credentials,
            ),
            (
                "CreateRepository",
                400,
                "RepositoryAlreadyExistsException",
                "",
                Class::Exists,
            ),
            (
                "DeleteRepository",
                400,
                "RepositoryNotEmptyException",
                "",
                Class::NotEmpty,
            ),
            ("TagResource", 400, "TooManyTagsException", "", Class::Limit),
            (
                "PutLifecyclePolicy",
                400,
                "InvalidParameterException",
                "Invalid repository policy provided",
                Class::Invalid,
            ),
            (
                "SetRepositoryPolicy",
                400,
                "InvalidParameterException",
                "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'",
                Class::PolicyRefused,
            ),
            (
                "SetRepositoryPolicy",
                400,
                "InvalidParameterException",
                "too long",
                Class::Invalid,
            ),
            (
                "SetRepositoryPolicy",
                400,
                "SomethingNew",
                "",
                Class::Invalid,
            ),
        ] {
            assert_eq!(
                classify(operation, status, code, message),
                class,
                "{operation} {status} {code}"
            );
        }
    }
}
