//! Counts requests to the API server.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::http::{Request, Response};
use tower::{Layer, Service};

use super::Metrics;

/// client-go's word for a request that was not answered.
const UNANSWERED: &str = "<error>";

/// Has requests counted, under the API server's host.
#[derive(Clone)]
pub struct CountRequests {
    metrics: Metrics,
    host: Arc<str>,
}

impl CountRequests {
    /// Counts what goes to `host`.
    #[must_use]
    pub fn of(metrics: Metrics, host: &str) -> Self {
        Self {
            metrics,
            host: host.into(),
        }
    }
}

impl<S> Layer<S> for CountRequests {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted {
            inner,
            by: self.clone(),
        }
    }
}

/// A service whose requests are counted.
#[derive(Clone)]
pub struct Counted<S> {
    inner: S,
    by: CountRequests,
}

impl<S, B, A> Service<Request<B>> for Counted<S>
where
    S: Service<Request<B>, Response = Response<A>>,
    S::Future: Send + 'static,
{
    type Response = Response<A>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (by, method) = (self.by.clone(), request.method().clone());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let code = answer.as_ref().map_or_else(
                |_| UNANSWERED.to_owned(),
                |answer| answer.status().as_u16().to_string(),
            );
            by.metrics.asked(method.as_str(), &by.host, code);
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::service_fn;

    use super::*;

    #[tokio::test]
    async fn answers_are_counted_by_code_and_failures_as_such() {
        let metrics = Metrics::of("ecr-operator");
        let counted = CountRequests::of(metrics.clone(), "api:443");
        let mut answers = counted.layer(service_fn(async |_: Request<()>| {
            Ok::<_, Infallible>(Response::builder().status(409).body(()).unwrap())
        }));
        let mut fails = counted.layer(service_fn(async |_: Request<()>| {
            Err::<Response<()>, _>("no way")
        }));
        let patch = || Request::patch("/").body(()).unwrap();
        answers.call(patch()).await.unwrap();
        fails.call(patch()).await.unwrap_err();
        for code in ["409", "<error>"] {
            let sample = format!(
                r#"rest_client_requests_total{{code="{code}",method="PATCH",host="api:443"}} 1"#
            );
            assert!(metrics.text().contains(&sample), "{}", metrics.text());
        }
    }
}
