//! The way to AWS: the SDK's own, but that no answer may be endless.
//!
//! The SDK reads each answer whole. The largest of those that are asked for, a page of 1,000 images with many
//! tags each or one of 1,000 repositories, has some megabytes; whatever is longer is not AWS's, and would end
//! the process where its memory ends.

use aws_sdk_ecr::config::{
    ConfigBag, HttpClient, RuntimeComponents, RuntimeComponentsBuilder, SharedHttpClient,
    http::HttpRequest,
};
use aws_smithy_http_client::{Builder, ConnectorBuilder, proxy::ProxyConfig, tls};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        connector_metadata::ConnectorMetadata,
        http::{HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    },
};
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

/// The most bytes of one answer.
const LONGEST: usize = 16 * 1024 * 1024;

/// Why an answer was not read to its end.
#[derive(Debug, thiserror::Error)]
#[error("it is longer than 16 MiB, as no answer of AWS is")]
struct TooLong;

/// Clients of HTTP whose answers have an end.
#[derive(Debug)]
pub(super) struct Bounded(SharedHttpClient);

#[derive(Debug)]
struct Connector(SharedHttpConnector);

impl Bounded {
    /// The client that the SDK makes by itself (aws-smithy-runtime, client/http.rs), bounded.
    pub(super) fn new() -> Self {
        let client = Builder::new().build_with_connector_fn(|settings, components| {
            let crypto = tls::rustls_provider::CryptoMode::AwsLc;
            let mut connector =
                ConnectorBuilder::default().tls_provider(tls::Provider::Rustls(crypto));
            connector.set_connector_settings(settings.cloned());
            if let Some(components) = components {
                connector.set_sleep_impl(components.sleep_impl());
            }
            connector.set_proxy_config(Some(ProxyConfig::from_env()));
            connector.build()
        });
        Self(client)
    }
}

impl HttpClient for Bounded {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector(self.0.http_connector(settings, components)))
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.validate_base_client_config(components, config)
    }

    fn validate_final_config(
        &self,
        components: &RuntimeComponents,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.validate_final_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            let body = answer.take_body();
            *answer.body_mut() = bounded(body, LONGEST);
            Ok(answer)
        })
    }
}

/// A body that fails where it is longer.
fn bounded(body: SdkBody, longest: usize) -> SdkBody {
    let limited = Limited::new(body, longest).map_err(|error| -> BoxError {
        if error.is::<LengthLimitError>() {
            TooLong.into()
        } else {
            error
        }
    });
    SdkBody::from_body_1_x(limited)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_has_an_end() {
        let read = |longest| bounded(SdkBody::from("four"), longest).collect();
        let whole = read(4).await.unwrap().to_bytes();
        assert_eq!(whole, "four".as_bytes());
        let error = read(3).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "it is longer than 16 MiB, as no answer of AWS is"
        );
    }
}
