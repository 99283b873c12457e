//! Why there are no credentials: what STS, the instance, EKS Pod Identity or a file said, by the table that
//! reads ECR's own answers.
//!
//! The SDK reports it as a call that was not sent. An outage of whoever hands out credentials heals by itself, as
//! one of ECR does; a role that trusts nobody does not.

use std::error::Error as StdError;

use aws_config::imds::client::error::ImdsError;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ecr::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use aws_sdk_sts::operation::{
    assume_role::AssumeRoleError, assume_role_with_web_identity::AssumeRoleWithWebIdentityError,
};

use super::{
    codes::classify,
    error::{Error, read},
    said::innermost,
};
use crate::{
    domain::failure::{Class, Failure},
    telemetry::chain,
};

/// The label where whoever hands out credentials does not answer.
const UNAVAILABLE: &str = "CredentialsUnavailable";

/// What the provider of the credentials said, if it was that.
pub(super) fn failed(operation: &str, error: &(dyn StdError + 'static)) -> Option<Error> {
    let found = chain(error).find_map(|cause| cause.downcast_ref::<CredentialsError>())?;
    let Failure { class, said } = cause(found);
    let heals = class == Class::Unavailable;
    Some(Error {
        code: None,
        label: if heals { UNAVAILABLE } else { "NoCredentials" },
        failure: Failure {
            class,
            said: format!("{operation}: {said}"),
        },
    })
}

fn cause(found: &CredentialsError) -> Failure {
    let asked = of_sts::<AssumeRoleWithWebIdentityError>("AssumeRoleWithWebIdentity", found)
        .or_else(|| of_sts::<AssumeRoleError>("AssumeRole", found));
    if let Some(failure) = asked {
        return failure;
    }
    let class = match found {
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_) => {
            Class::Credentials
        }
        CredentialsError::ProviderError(_) => of_provider(found),
        // Time-outs, and answers without sense.
        _ => Class::Unavailable,
    };
    Failure {
        class,
        said: innermost(found),
    }
}

/// What STS answered.
fn of_sts<E>(operation: &'static str, found: &CredentialsError) -> Option<Failure>
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let error = chain(found).find_map(|it| it.downcast_ref::<SdkError<E, HttpResponse>>())?;
    let Failure { class, said } = read(operation, error).failure;
    Some(Failure {
        class: without_credentials(class),
        said,
    })
}

/// Without credentials no call is made at all: it heals by itself, or it is the credentials that are wrong. That
/// STS throttles says nothing of how fast ECR may be called.
fn without_credentials(class: Class) -> Class {
    match class {
        Class::Throttled | Class::Unavailable => Class::Unavailable,
        Class::Credentials
        | Class::WrongAccount
        | Class::Denied
        | Class::Invalid
        | Class::PolicyRefused
        | Class::Limit
        | Class::Kms
        | Class::Gone
        | Class::Exists
        | Class::NotEmpty
        | Class::Altered
        | Class::NotLeading => Class::Credentials,
    }
}

/// What the instance, or the agent of EKS Pod Identity, said: it has a status or a code, and says it in words.
fn of_provider(found: &CredentialsError) -> Class {
    let status = chain(found).find_map(|it| it.downcast_ref::<ImdsError>());
    let class = match status {
        Some(ImdsError::ErrorResponse(answer)) => {
            let status = answer.response().status().as_u16();
            classify("", status, Some(""), "")
        }
        Some(_) => Class::Unavailable,
        None if chain(found).any(<dyn StdError>::is::<std::io::Error>) => Class::Credentials,
        None => of_words(&chain(found).map(ToString::to_string).collect::<Vec<_>>()),
    };
    without_credentials(class)
}

/// The SDK keeps neither status nor code of the agent's answer, but for its own words: `Non-success status from
/// HTTP credential provider: 503`, and `failed to load credentials [AccessDenied]: …`.
fn of_words(texts: &[String]) -> Class {
    let words = texts
        .iter()
        .flat_map(|text| text.split([' ', '[', ']', '(', ')', ':']));
    let classes = words.filter(|word| !word.is_empty()).map(|word| {
        let status = word
            .parse()
            .ok()
            .filter(|status| (400..600).contains(status));
        status.map_or_else(
            || classify("", 400, Some(word), ""),
            |status| classify("", status, Some(""), ""),
        )
    });
    // A word that is neither is `Invalid`.
    let mut told = classes.filter(|class| *class != Class::Invalid);
    told.next().unwrap_or(Class::Credentials)
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecr::error::ErrorMetadata;
    use aws_sdk_ecr::operation::describe_repositories::DescribeRepositoriesError;

    use super::*;

    type Source = Box<dyn StdError + Send + Sync>;

    fn response(status: u16) -> HttpResponse {
        let status = status.try_into().unwrap();
        HttpResponse::new(status, aws_smithy_types::body::SdkBody::empty())
    }

    /// What STS answers to `AssumeRole`.
    fn sts(status: u16, code: &str, message: &str) -> Source {
        let meta = ErrorMetadata::builder()
            .code(code)
            .message(message)
            .custom("aws_request_id", "eb0875c8-0000-4000-8000-000000000000")
            .build();
        let error = AssumeRoleError::generic(meta);
        SdkError::service_error(error, response(status)).into()
    }

    /// What is made of a call for which there are no credentials.
    fn told(error: CredentialsError) -> (Class, String) {
        let failed =
            aws_smithy_runtime_api::client::result::ConnectorError::other(error.into(), None);
        let error: SdkError<DescribeRepositoriesError, HttpResponse> =
            SdkError::dispatch_failure(failed);
        let error = read("DescribeRepositories", &error);
        let heals = error.failure.class == Class::Unavailable;
        assert_eq!(
            error.label(),
            if heals { UNAVAILABLE } else { "NoCredentials" }
        );
        (error.failure.class, error.failure.said)
    }

    #[test]
    fn what_sts_says_is_read_as_what_ecr_says() {
        for (status, code, class) in [
            (503, "ServiceUnavailable", Class::Unavailable),
            (500, "InternalFailure", Class::Unavailable),
            (400, "Throttling", Class::Unavailable),
            (400, "ThrottlingException", Class::Unavailable),
            (429, "SomethingNew", Class::Unavailable),
            (400, "RequestTimeout", Class::Unavailable),
            (400, "IDPCommunicationError", Class::Unavailable),
            (403, "AccessDenied", Class::Credentials),
            (400, "ExpiredTokenException", Class::Credentials),
            (400, "InvalidIdentityToken", Class::Credentials),
            (400, "IDPRejectedClaim", Class::Credentials),
            (403, "RegionDisabledException", Class::Credentials),
            (400, "ValidationError", Class::Credentials),
            (400, "SomethingNew", Class::Credentials),
        ] {
            let (found, said) = told(CredentialsError::provider_error(sts(status, code, "down")));
            assert_eq!(found, class, "{status} {code}");
            assert_eq!(
                said,
                format!("DescribeRepositories: AssumeRole: {code}: down")
            );
        }
    }

    #[test]
    fn an_answer_that_is_not_of_sts_heals() {
        let error = AssumeRoleError::unhandled("invalid root, expected Some { got: html }");
        let error: SdkError<_, HttpResponse> = SdkError::service_error(error, response(200));
        let (class, said) = told(CredentialsError::provider_error(error));
        assert_eq!(class, Class::Unavailable);
        assert_eq!(
            said,
            "DescribeRepositories: AssumeRole: an answer that is not AWS's or is torn, with HTTP status 200"
        );
        let (class, _) = told(CredentialsError::unhandled(
            "STS credentials must be defined",
        ));
        assert_eq!(class, Class::Unavailable);
    }

    #[test]
    fn what_the_agent_or_the_instance_says_has_a_class_of_its_own() {
        let of = |text: &str| told(CredentialsError::provider_error(text.to_owned())).0;
        let status = "Non-success status from HTTP credential provider:";
        assert_eq!(of(&format!("{status} 503")), Class::Unavailable);
        assert_eq!(of(&format!("{status} StatusCode(500)")), Class::Unavailable);
        assert_eq!(of(&format!("{status} 429")), Class::Unavailable);
        assert_eq!(of(&format!("{status} 403")), Class::Credentials);
        let code = |code: &str| of(&format!("failed to load credentials [{code}]: no"));
        assert_eq!(code("InternalServerException"), Class::Unavailable);
        assert_eq!(code("AccessDeniedException"), Class::Credentials);
        assert_eq!(of("no idea"), Class::Credentials);
        let late = CredentialsError::provider_timed_out(std::time::Duration::from_secs(5));
        assert_eq!(told(late).0, Class::Unavailable);
        let none = CredentialsError::not_loaded("nothing is set");
        assert_eq!(
            told(none),
            (
                Class::Credentials,
                "DescribeRepositories: nothing is set".into()
            )
        );
        let file = std::io::Error::from(std::io::ErrorKind::NotFound);
        assert_eq!(
            told(CredentialsError::provider_error(file)).0,
            Class::Credentials
        );
    }
}
