//! The fence in the client of the API server: no request that writes goes around it.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::Request;
use kube::client::Body;
use tower::{BoxError, Layer, Service};

use crate::ecr::{Fence, fenced};

/// Puts a fence around a client.
#[derive(Clone)]
pub struct FenceLayer(Arc<dyn Fence>);

impl FenceLayer {
    /// The fence that every request passes that is not a read.
    #[must_use]
    pub fn new(fence: Arc<dyn Fence>) -> Self {
        Self(fence)
    }
}

impl<S> Layer<S> for FenceLayer {
    type Service = Fenced<S>;

    fn layer(&self, inner: S) -> Fenced<S> {
        let fence = Arc::clone(&self.0);
        Fenced { fence, inner }
    }
}

/// A client whose writes pass the fence.
#[derive(Clone)]
pub struct Fenced<S> {
    fence: Arc<dyn Fence>,
    inner: S,
}

impl<S> Service<Request<Body>> for Fenced<S>
where
    S: Service<Request<Body>>,
    S::Future: Send + 'static,
    S::Response: 'static,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let reads = request.method().is_safe();
        // Nothing is sent before the future is polled.
        let call = self.inner.call(request);
        let fence = Arc::clone(&self.fence);
        Box::pin(async move {
            if reads {
                return call.await.map_err(Into::into);
            }
            fenced(&*fence, call).await?.map_err(Into::into)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::service_fn;

    use super::*;
    use crate::ecr::{Closed, Open, Permit};

    #[derive(Debug)]
    struct Shut;

    impl Fence for Shut {
        fn permit(&self) -> Result<Permit, Closed> {
            Err(Closed)
        }
    }

    async fn sent(fence: impl Fence, method: &str) -> Result<(), BoxError> {
        let server = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(()));
        let mut client = FenceLayer::new(Arc::new(fence)).layer(server);
        let request = Request::builder().method(method).body(Body::empty());
        client.call(request.unwrap()).await
    }

    #[tokio::test]
    async fn only_reads_go_around_a_closed_fence() {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let refused = sent(Shut, method).await.unwrap_err();
            assert!(refused.downcast_ref::<Closed>().is_some(), "{method}");
            sent(Open, method).await.unwrap();
        }
        sent(Shut, "GET").await.unwrap();
    }
}
