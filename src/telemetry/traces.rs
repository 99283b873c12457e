//! OpenTelemetry: one span for each pass and one for each call of AWS, sent to a collector.
//!
//! Only spans of our own go out, with the fields that they name here: no log lines, no requests, no
//! answers.

use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response, hyper::HyperClient};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::{Metadata, Span, field::Empty};
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

/// How long one delivery may take, and how long the last one.
const DELIVERY: Duration = Duration::from_secs(5);
const LAST: Duration = Duration::from_secs(2);

/// The target of spans that only traces show.
const CALLS: &str = "ecr_operator::call";

/// The span of one call of AWS. `called` of the metrics adds how it ended.
pub fn call_span(operation: &'static str, registry: &dyn Display) -> Span {
    tracing::debug_span!(
        target: CALLS,
        "aws",
        otel.name = format!("AWS/{operation}"),
        otel.kind = "client",
        rpc.system = "aws-api",
        rpc.method = operation,
        registry = %registry,
        code = Empty,
        waited_seconds = Empty,
    )
}

/// Where spans go.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Sends spans to the collector at `endpoint`, by HTTP. Must be called on a runtime.
    ///
    /// # Errors
    /// Where the endpoint is no URL, or the system's certificates can't be read.
    pub fn to(endpoint: &str) -> anyhow::Result<Self> {
        let endpoint = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Courier::new()?)
            .with_endpoint(endpoint)
            .with_timeout(DELIVERY)
            .build()?;
        let resource = Resource::builder()
            .with_service_name("ecr-operator")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_batch_exporter(exporter)
            .build();
        Ok(Self(provider))
    }

    /// What takes our spans, and no others.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("ecr-operator"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_level(false)
            .with_filter(filter_fn(is_ours))
    }

    /// Sends what is left.
    pub async fn end(self) {
        let ends = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(LAST));
        if !matches!(ends.await, Ok(Ok(()))) {
            tracing::warn!("the last traces were lost");
        }
    }
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target().starts_with("ecr_operator")
}

/// The SDK sends from a thread of its own, where no runtime is: this hands requests to ours.
#[derive(Debug)]
struct Courier {
    client: Arc<dyn HttpClient>,
    runtime: Handle,
    fails: AtomicBool,
}

impl Courier {
    fn new() -> anyhow::Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            client: Arc::new(HyperClient::new(connector, DELIVERY, None)),
            runtime: Handle::try_current()?,
            fails: AtomicBool::new(false),
        })
    }

    /// Says that deliveries fail, and that they no longer do, once each.
    fn note(&self, why: Option<String>) {
        match why {
            Some(why) if !self.fails.swap(true, Ordering::Relaxed) => {
                tracing::warn!(why, "traces are lost: check --otlp-endpoint");
            }
            None if self.fails.swap(false, Ordering::Relaxed) => {
                tracing::info!("traces are taken again");
            }
            Some(_) | None => {}
        }
    }
}

#[async_trait]
impl HttpClient for Courier {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = Arc::clone(&self.client);
        let sent = self
            .runtime
            .spawn(async move { client.send_bytes(request).await });
        let answer = sent.await?;
        self.note(match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the collector answers {}", answer.status())),
            Err(error) => Some(error.to_string()),
        });
        answer
    }
}
