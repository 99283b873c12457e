//! AWS's codes, by what is to be done about them: one table for ECR, the tagging API, STS and whatever hands
//! out credentials.

use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};

use super::error::{NO_LIFECYCLE_POLICY, NO_PREVIEW, NO_REPOSITORY_POLICY, PREVIEW_RUNS};
use crate::domain::failure::Class;

/// The codes whose class is their own: Amazon ECR API Reference, "Common Error Types" and each operation's
/// errors; the same of the Resource Groups Tagging API and of STS. Which codes ask to slow down and which
/// speak of a time-out the SDK itself knows.
const CODES: [(&str, Class); 47] = [
    ("AccessDenied", Class::Denied),
    ("AccessDeniedException", Class::Denied),
    ("BlockedByOrganizationPolicyException", Class::Denied),
    ("NotAuthorized", Class::Denied),
    ("OptInRequired", Class::Denied),
    ("UnauthorizedOperation", Class::Denied),
    ("AuthFailure", Class::Credentials),
    ("ExpiredToken", Class::Credentials),
    ("ExpiredTokenException", Class::Credentials),
    ("IDPRejectedClaim", Class::Credentials),
    ("IncompleteSignature", Class::Credentials),
    ("IncompleteSignatureException", Class::Credentials),
    ("InvalidClientTokenId", Class::Credentials),
    ("InvalidIdentityToken", Class::Credentials),
    ("InvalidSignatureException", Class::Credentials),
    ("InvalidToken", Class::Credentials),
    ("MissingAuthenticationToken", Class::Credentials),
    ("MissingAuthenticationTokenException", Class::Credentials),
    ("RegionDisabledException", Class::Credentials),
    ("RequestExpired", Class::Credentials),
    ("RequestInTheFuture", Class::Credentials),
    ("RequestTimeTooSkewed", Class::Credentials),
    ("SignatureDoesNotMatch", Class::Credentials),
    ("UnrecognizedClientException", Class::Credentials),
    ("IDPCommunicationError", Class::Unavailable),
    ("InternalFailure", Class::Unavailable),
    ("InternalServerError", Class::Unavailable),
    ("InternalServerException", Class::Unavailable),
    ("InternalServiceException", Class::Unavailable),
    ("ServerException", Class::Unavailable),
    ("ServiceUnavailable", Class::Unavailable),
    ("ServiceUnavailableException", Class::Unavailable),
    ("TooManyTagsException", Class::Limit),
    ("KmsException", Class::Kms),
    ("RepositoryNotFoundException", Class::Gone),
    ("RepositoryAlreadyExistsException", Class::Exists),
    ("RepositoryNotEmptyException", Class::NotEmpty),
    // No class of their own, but a label: what they mean is told by who asked.
    (NO_LIFECYCLE_POLICY, Class::Invalid),
    (NO_REPOSITORY_POLICY, Class::Invalid),
    (NO_PREVIEW, Class::Invalid),
    (PREVIEW_RUNS, Class::Invalid),
    ("ImageNotFoundException", Class::Invalid),
    (INVALID_PARAMETER, Class::Invalid),
    ("InvalidTagParameterException", Class::Invalid),
    (LIMIT_EXCEEDED, Class::Limit),
    ("ValidationError", Class::Invalid),
    ("ValidationException", Class::Invalid),
];

const INVALID_PARAMETER: &str = "InvalidParameterException";

/// ECR's word for a quota that is used up; elsewhere it asks to slow down, and so the SDK takes it.
const LIMIT_EXCEEDED: &str = "LimitExceededException";

/// The operations that are not ECR's.
const OF_OTHERS: [&str; 4] = [
    "AssumeRole",
    "AssumeRoleWithWebIdentity",
    "GetCallerIdentity",
    "GetResources",
];

/// The code as a word of a closed list.
fn known(code: &str) -> Option<&'static str> {
    let codes = CODES.iter().map(|(known, _)| known);
    let mut codes = codes.chain(THROTTLING_ERRORS).chain(TRANSIENT_ERRORS);
    codes.find(|known| **known == code).copied()
}

/// What metrics call an answer. Whatever AWS may come up with, there are no more labels than these.
pub(super) fn label(code: Option<&str>, status: u16) -> &'static str {
    match (code, status) {
        (Some(code), _) => known(code).unwrap_or("Other"),
        (None, 429) => "HttpStatus429",
        (None, 500..) => "HttpStatus5xx",
        (None, 400..) => "HttpStatus4xx",
        (None, _) => UNREADABLE,
    }
}

/// The label of an answer that is none of AWS's.
pub(super) const UNREADABLE: &str = "Unreadable";

/// The class of an answer: by its code, then by its status. One without a code is not AWS's: of a proxy, or torn.
pub(super) fn classify(operation: &str, status: u16, code: Option<&str>, message: &str) -> Class {
    let Some(code) = code else {
        return if status == 429 {
            Class::Throttled
        } else {
            Class::Unavailable
        };
    };
    // IAM is eventually consistent, and ECR answers to a principal that it does not know yet as
    // it does to one that it will never know.
    if code == INVALID_PARAMETER
        && operation == "SetRepositoryPolicy"
        && message.contains("Invalid repository policy provided")
    {
        return Class::PolicyRefused;
    }
    if code == LIMIT_EXCEEDED && OF_OTHERS.contains(&operation) {
        return Class::Throttled;
    }
    if let Some((_, class)) = CODES.iter().find(|(known, _)| *known == code) {
        return *class;
    }
    if THROTTLING_ERRORS.contains(&code) || status == 429 {
        Class::Throttled
    } else if TRANSIENT_ERRORS.contains(&code) || status >= 500 || status == 408 {
        Class::Unavailable
    } else {
        Class::Invalid
    }
}

/// Whether the signature was refused for its time: the clock of the node goes wrong, and no credentials help.
pub(super) fn is_of_the_clock(code: &str, message: &str) -> bool {
    match code {
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => true,
        "InvalidSignatureException" | "SignatureDoesNotMatch" => {
            message.contains("Signature expired") || message.contains("Signature not yet current")
        }
        _ => false,
    }
}

/// What is said where the signature was refused. AWS's own words have the request in them, with the token of the
/// session, and are others each time.
pub(super) fn of_the_signature(code: &str, message: &str) -> Option<&'static str> {
    match code {
        "InvalidSignatureException" | "SignatureDoesNotMatch" => {
            let scoped = message.contains("Credential should be scoped");
            Some(if scoped {
                "the request is signed for another region or service than the one that answers — check the \
                 region and AWS_ENDPOINT_URL"
            } else {
                "the signature is not the one of the request — check the secret access key, and that no \
                 proxy changes requests"
            })
        }
        "IncompleteSignature" | "IncompleteSignatureException" => Some(
            "the signature can't be read — check the access key for spaces and line ends, and that no proxy \
             changes requests",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecr::error::refused;

    #[test]
    fn labels_are_aws_own_codes_and_no_others() {
        for (code, status, expected) in [
            (Some("ThrottlingException"), 400, "ThrottlingException"),
            (Some("ServerException"), 500, "ServerException"),
            (Some("SomethingNew"), 400, "Other"),
            (None, 429, "HttpStatus429"),
            (None, 503, "HttpStatus5xx"),
            (None, 403, "HttpStatus4xx"),
            (None, 200, "Unreadable"),
        ] {
            assert_eq!(label(code, status), expected, "{code:?} {status}");
            assert_eq!(refused("X", status, code, None).label(), expected);
        }
        // What a failure is classified by has a label of its own.
        let ours = CODES.iter().map(|(code, _)| code);
        for code in ours.chain(THROTTLING_ERRORS).chain(TRANSIENT_ERRORS) {
            assert_eq!(label(Some(code), 400), *code);
        }
    }

    #[test]
    fn no_code_stands_twice() {
        let codes: std::collections::BTreeSet<_> = CODES.iter().map(|(code, _)| code).collect();
        assert_eq!(codes.len(), CODES.len());
    }

    /// The SDK's own lists (`aws-runtime`, retries/classifiers.rs): a newer one brings its codes with it.
    #[test]
    fn what_the_sdk_takes_for_throttling_or_a_time_out_is_that_here() {
        for code in THROTTLING_ERRORS {
            let of = |operation| classify(operation, 400, Some(code), "");
            assert_eq!(of("GetResources"), Class::Throttled, "{code}");
            // ECR's model has one of them for its quotas.
            let class = if *code == LIMIT_EXCEEDED {
                Class::Limit
            } else {
                Class::Throttled
            };
            assert_eq!(of("CreateRepository"), class, "{code}");
        }
        for code in TRANSIENT_ERRORS {
            assert_eq!(
                classify("TagResource", 400, Some(code), ""),
                Class::Unavailable,
                "{code}"
            );
        }
        for code in [
            "ThrottledException",
            "RequestThrottled",
            "BandwidthLimitExceeded",
            "EC2ThrottledException",
        ] {
            assert!(THROTTLING_ERRORS.contains(&code), "{code}");
        }
        for code in ["RequestTimeout", "RequestTimeoutException"] {
            assert!(TRANSIENT_ERRORS.contains(&code), "{code}");
        }
    }

    #[test]
    fn whatever_has_no_code_heals() {
        for status in [
            200, 204, 302, 400, 403, 404, 408, 413, 500, 502, 503, 504, 599,
        ] {
            assert_eq!(
                classify("TagResource", status, None, ""),
                Class::Unavailable,
                "{status}"
            );
            let said = refused("TagResource", status, None, Some("<html>"))
                .failure
                .said;
            let expected = format!(
                "TagResource: an answer that is not AWS's or is torn, with HTTP status {status}"
            );
            assert_eq!(said, expected);
        }
        assert_eq!(classify("TagResource", 429, None, ""), Class::Throttled);
    }

    #[test]
    fn a_clock_that_goes_wrong_is_named_and_says_the_same_each_time() {
        let expired = |at: &str| {
            let message =
                format!("Signature expired: {at} is now earlier than {at} ({at} - 5 min.)");
            refused(
                "TagResource",
                400,
                Some("InvalidSignatureException"),
                Some(&message),
            )
        };
        let (one, other) = (expired("20260101T000000Z"), expired("20260101T001500Z"));
        assert_eq!(one, other);
        assert_eq!(one.failure.class, Class::Credentials);
        assert!(
            one.failure
                .said
                .contains("the node's clock is minutes away from AWS's — set it"),
            "{one:?}"
        );
        let skewed = refused(
            "TagResource",
            403,
            Some("RequestTimeTooSkewed"),
            Some("too large"),
        );
        assert!(
            skewed
                .failure
                .said
                .contains("the node's clock is minutes away from AWS's — set it"),
            "{skewed:?}"
        );
        let wrong = "The request signature we calculated does not match";
        let wrong = refused(
            "TagResource",
            403,
            Some("InvalidSignatureException"),
            Some(wrong),
        );
        assert!(!wrong.failure.said.contains("clock"), "{wrong:?}");
    }

    #[test]
    fn a_refused_signature_tells_no_token_and_says_the_same_each_time() {
        let told = |code: &str, message: &str, token: &str| {
            let message = message.replace("{token}", token);
            let error = refused("ListTags", 403, Some(code), Some(&message));
            assert_eq!(error.failure.class, Class::Credentials);
            error.failure.said
        };
        let echo = "The request signature we calculated does not match the signature you provided.\n\nThe Canonical \
                    String for this request should have been\n'POST\n/\nx-amz-date:20260101T000000Z\n\
                    x-amz-security-token:{token}'";
        let scoped = "Credential should be scoped to a valid region, not 'us-east-1'.";
        let pair = "'{token}' not a valid key=value pair (missing equal-sign) in Authorization header: 'Signature={token}'.";
        for (code, message, cure) in [
            (
                "InvalidSignatureException",
                echo,
                "check the secret access key",
            ),
            ("SignatureDoesNotMatch", echo, "check the secret access key"),
            (
                "InvalidSignatureException",
                scoped,
                "check the region and AWS_ENDPOINT_URL",
            ),
            (
                "IncompleteSignature",
                pair,
                "check the access key for spaces",
            ),
            (
                "IncompleteSignatureException",
                pair,
                "check the access key for spaces",
            ),
        ] {
            let one = told(code, message, "IQoJb3JpZ2luX2VjEaaa1");
            let other = told(code, message, "IQoJb3JpZ2luX2VjEbbb2");
            assert_eq!(one, other);
            assert!(one.contains(cure), "{one}");
            assert!(!one.contains("IQoJ"), "{one}");
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
            ("DescribeRepositories", 429, "New", "", Class::Throttled),
            ("DescribeRepositories", 503, "New", "", Class::Unavailable),
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
                classify(operation, status, Some(code), message),
                class,
                "{operation} {status} {code}"
            );
        }
    }
}
