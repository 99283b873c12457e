//! AWS's errors, by what is to be done about them.
//!
//! Throttling, access and credential errors are not in ECR's model: they are known by their code.

use std::error::Error as StdError;

use aws_sdk_ecr::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

use super::{
    codes::{UNREADABLE, classify, is_of_the_clock, label, of_the_signature},
    credentials,
    fence::Closed,
    proof::TooOld,
    said::{self, innermost, steady},
};
use crate::{
    domain::failure::{Class, Failure},
    telemetry::chain,
};

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
    /// What it says of the operator's own credentials, also where a role's are used.
    pub(super) own: OfOwn,
    /// What KMS said, where ECR passes that on.
    pub(super) kms: Option<String>,
}

/// What an error says of the operator's own credentials.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum OfOwn {
    /// It is about the call, or about the role.
    Nothing,
    /// There are none, or they are not accepted.
    Refused,
    /// Nothing has any, and the instance does not answer.
    Unreachable,
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
            own: OfOwn::Nothing,
            kms: None,
        }
    }

    /// The same, but that it heals by itself.
    pub(super) fn heals(mut self) -> Self {
        self.label = credentials::UNAVAILABLE;
        self.failure.class = Class::Unavailable;
        self
    }

    pub(super) fn unavailable(label: &'static str, said: String) -> Self {
        Self {
            code: None,
            label,
            failure: Failure::unavailable(said),
            own: OfOwn::Nothing,
            kms: None,
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
            let code = answer.err().code().filter(|code| !code.is_empty());
            let mut error = refused(operation, status, code, answer.err().message());
            if error.failure.class == Class::Kms {
                error.kms = kms_error(answer.raw());
            }
            error
        }
        SdkError::TimeoutError(_) => {
            Error::unavailable("Timeout", format!("{operation}: no answer in time"))
        }
        SdkError::ResponseError(_) => {
            let why = innermost(error);
            let said = format!("{operation}: an answer that can't be read: {why}");
            Error::unavailable(UNREADABLE, said)
        }
        other if is_too_old(other) => {
            Error::unavailable("NotSent", format!("{operation}: {TooOld}"))
        }
        other => credentials::failed(operation, other).unwrap_or_else(|| {
            Error::unavailable("NoAnswer", format!("{operation}: {}", innermost(other)))
        }),
    }
}

/// An answer that says no, or none at all.
pub(super) fn refused(
    operation: &str,
    status: u16,
    code: Option<&str>,
    message: Option<&str>,
) -> Error {
    let message = message.filter(|message| !message.trim().is_empty());
    let class = classify(operation, status, code, message.unwrap_or_default());
    let said = code.map_or_else(
        // Whatever stands in it are the words of a proxy, or half of AWS's.
        || format!("an answer that is not AWS's or is torn, with HTTP status {status}"),
        |code| format!("{}: {}", said::code(code), why(code, message)),
    );
    let said = format!("{operation}: {said}");
    Error {
        code: code.map(ToOwned::to_owned),
        label: label(code, status),
        failure: Failure { class, said },
        own: OfOwn::Nothing,
        kms: None,
    }
}

/// KMS's own error in an answer of ECR.
fn kms_error(answer: &HttpResponse) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(answer.body().bytes()?).ok()?;
    body.get("kmsError")?.as_str().map(ToOwned::to_owned)
}

/// What is said of an answer with a code.
fn why(code: &str, message: Option<&str>) -> String {
    let words = message.unwrap_or_default();
    if is_of_the_clock(code, words) {
        // AWS's own words have both times in them, and so others each time.
        return "the node's clock is minutes away from AWS's — set it, as by NTP; AWS takes no request then, \
                whatever the credentials"
            .to_owned();
    }
    let fixed = of_the_signature(code, words).map(ToOwned::to_owned);
    let said = fixed.unwrap_or_else(|| steady(words));
    if said.is_empty() {
        return "no message".to_owned();
    }
    said
}

/// Whether nothing was sent because what permits it had grown too old.
fn is_too_old(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(<dyn StdError>::is::<TooOld>)
}
