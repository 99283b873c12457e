//! Why there are no credentials: what STS, the instance, EKS Pod Identity or a file said, by the table that
//! reads ECR's own answers.
//!
//! The SDK reports it as a call that was not sent. An outage of whoever hands out credentials heals by itself, as
//! one of ECR does; a role that trusts nobody does not.

use std::error::Error as StdError;

use aws_config::{imds::client::error::ImdsError, meta::ProviderChainError};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ecr::{
    config::http::HttpResponse,
    error::{ConnectorError, ProvideErrorMetadata, SdkError},
};
use aws_sdk_sts::operation::{
    assume_role::AssumeRoleError, assume_role_with_web_identity::AssumeRoleWithWebIdentityError,
};

use super::{
    codes::classify,
    error::{Error, OfOwn, read},
    said::innermost,
};
use crate::{
    domain::failure::{Class, Failure},
    telemetry::chain,
};

/// The label where whoever hands out credentials does not answer.
pub(super) const UNAVAILABLE: &str = "CredentialsUnavailable";

/// What the provider of the credentials said, if it was that.
pub(super) fn failed(operation: &str, error: &(dyn StdError + 'static)) -> Option<Error> {
    let found = chain(error).find_map(|cause| cause.downcast_ref::<CredentialsError>())?;
    let (Failure { class, said }, own) = cause(found);
    let heals = class == Class::Unavailable;
    Some(Error {
        code: None,
        label: if heals { UNAVAILABLE } else { "NoCredentials" },
        failure: Failure {
            class,
            said: format!("{operation}: {said}"),
        },
        own,
        kms: None,
    })
}

/// What is wrong, and with whose credentials.
fn cause(found: &CredentialsError) -> (Failure, OfOwn) {
    let web = of_sts::<AssumeRoleWithWebIdentityError>("AssumeRoleWithWebIdentity", found);
    if let Some(error) = web {
        return (without_credentials(error.failure), OfOwn::Refused);
    }
    if let Some(Error { failure, own, .. }) = of_sts::<AssumeRoleError>("AssumeRole", found) {
        // That they may not assume the role, or that there is none, says nothing against those who ask.
        let own = match (own, failure.class) {
            (OfOwn::Nothing, Class::Credentials) => OfOwn::Refused,
            (own, _) => own,
        };
        return (without_credentials(failure), own);
    }
    if is_unreachable(found) {
        let said =
            "nothing has credentials, and the instance's metadata service (IMDS) can't be reached";
        let failure = Failure {
            class: Class::Credentials,
            said: said.to_owned(),
        };
        return (failure, OfOwn::Unreachable);
    }
    let class = match found {
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_) => {
            Class::Credentials
        }
        CredentialsError::ProviderError(_) => of_provider(found),
        // Time-outs, and answers without sense.
        _ => Class::Unavailable,
    };
    let failure = Failure {
        class,
        said: innermost(found),
    };
    (failure, OfOwn::Refused)
}

/// Whether no provider of the default chain has credentials, and the last of them, the instance, could not be asked.
///
/// That is no proof that nothing is configured, nor that something is: a pod without IRSA and EKS Pod Identity that
/// may not reach IMDS (hop limit 1) has the same error as one that lives by IMDS while the network is down. The SDK
/// takes both for "not loaded" (aws-config 1.13.0, imds/credentials.rs, `get_profile_uncached`: a
/// `FailedToLoadToken` that was not dispatched), goes on, and at the end of the chain tells of each attempt
/// (meta.rs, `ProviderChainError`). What decides is whether there were credentials before in this process.
fn is_unreachable(found: &CredentialsError) -> bool {
    let chains = chain(found).filter_map(|it| it.downcast_ref::<Attempts>());
    let mut attempts = chains.flat_map(Attempts::attempts);
    attempts.any(|attempt| chain(attempt.error()).any(<dyn StdError>::is::<ConnectorError>))
}

/// Each provider of a chain, and why it has no credentials.
type Attempts = ProviderChainError<CredentialsError>;

/// What STS answered.
fn of_sts<E>(operation: &'static str, found: &CredentialsError) -> Option<Error>
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let error = chain(found).find_map(|it| it.downcast_ref::<SdkError<E, HttpResponse>>())?;
    Some(read(operation, error))
}

/// Without credentials no call is made at all: it heals by itself, or it is the credentials that are wrong. That
/// STS throttles says nothing of how fast ECR may be called.
fn without_credentials(Failure { class, said }: Failure) -> Failure {
    let class = no_credentials(class);
    Failure { class, said }
}

fn no_credentials(class: Class) -> Class {
    match class {
        Class::Throttled | Class::Unavailable | Class::Unsettled => Class::Unavailable,
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
    no_credentials(class)
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
    use aws_config::{
        imds::{Client, credentials::ImdsCredentialsProvider},
        meta::credentials::CredentialsProviderChain,
    };
    use aws_credential_types::{
        credential_fn::provide_credentials_fn, provider::ProvideCredentials as _,
    };
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
        let error = failed(error);
        (error.failure.class, error.failure.said)
    }

    fn failed(error: CredentialsError) -> Error {
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
        error
    }

    /// The end of a chain where nothing is set and nobody is at the instance's address.
    async fn without_an_instance() -> CredentialsError {
        let client = Client::builder().endpoint("http://127.0.0.1:1").unwrap();
        let instance = ImdsCredentialsProvider::builder().imds_client(client.build());
        let unset = || async { Err(CredentialsError::not_loaded("not set")) };
        let chain =
            CredentialsProviderChain::first_try("Environment", provide_credentials_fn(unset))
                .or_else("Ec2InstanceMetadata", instance.build());
        chain.provide_credentials().await.unwrap_err()
    }

    #[tokio::test]
    async fn an_instance_that_is_not_reached_is_told_from_one_without_a_role() {
        let error = failed(without_an_instance().await);
        assert_eq!(error.own, OfOwn::Unreachable);
        assert_eq!(error.failure.class, Class::Credentials);
        assert_eq!(
            error.failure.said,
            "DescribeRepositories: nothing has credentials, and the instance's metadata service (IMDS) can't be reached"
        );
        assert_eq!(error.heals().failure.class, Class::Unavailable);
        // Nor is there anything then to assume a role by.
        let nobody = ConnectorError::other(without_an_instance().await.into(), None);
        let role: SdkError<AssumeRoleError, HttpResponse> = SdkError::dispatch_failure(nobody);
        let error = failed(CredentialsError::provider_error(role));
        assert_eq!(error.own, OfOwn::Unreachable);
        let unset = || async { Err(CredentialsError::not_loaded("received 404 from IMDS")) };
        let chain = CredentialsProviderChain::first_try(
            "Ec2InstanceMetadata",
            provide_credentials_fn(unset),
        );
        let error = failed(chain.provide_credentials().await.unwrap_err());
        assert_eq!(error.own, OfOwn::Refused);
    }

    #[test]
    fn a_role_that_may_not_be_assumed_says_nothing_against_who_asks() {
        for (status, code, own) in [
            (403, "AccessDenied", OfOwn::Nothing),
            (400, "ValidationError", OfOwn::Nothing),
            (403, "RegionDisabledException", OfOwn::Refused),
            (400, "ExpiredTokenException", OfOwn::Refused),
            (403, "InvalidClientTokenId", OfOwn::Refused),
        ] {
            let error = CredentialsError::provider_error(sts(status, code, "no"));
            assert_eq!(failed(error).own, own, "{code}");
        }
        assert_eq!(
            failed(CredentialsError::not_loaded("no")).own,
            OfOwn::Refused
        );
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
