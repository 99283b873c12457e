//! Lists in pages of bounded bytes.
//!
//! The API server cuts pages by the number of their objects alone, and one object may have as much as etcd
//! takes, 1.5 MB: whoever may write a hundred of them decides what a page weighs. So no more than a little
//! is read of a page that turns out to be heavy, and a shorter one is asked for in its place. The next ones
//! grow again.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use http::{Request, Response, Uri, request::Parts, uri::PathAndQuery};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited, combinators::UnsyncBoxBody};
use hyper::body::{Body as HttpBody, Bytes};
use kube::client::Body;
use tokio::sync::Mutex;
use tower::{BoxError, Layer, Service};

/// What is read of a page of more than one object.
const MOST: usize = 2 * 1024 * 1024;

/// A page that is too heavy is followed by one of so small a part of its objects.
const PART: u32 = 4;

/// Keeps what is read of a list at a time within a few megabytes.
#[derive(Clone, Debug)]
pub struct BoundedPages {
    most: usize,
}

impl Default for BoundedPages {
    fn default() -> Self {
        Self { most: MOST }
    }
}

impl<S> Layer<S> for BoundedPages {
    type Service = Paged<S>;

    fn layer(&self, inner: S) -> Paged<S> {
        Paged {
            most: self.most,
            objects: Arc::new(AtomicU32::new(u32::MAX)),
            inner: Arc::new(Mutex::new(inner)),
        }
    }
}

/// A client whose lists come in bounded pages.
#[derive(Clone, Debug)]
pub struct Paged<S> {
    most: usize,
    /// How many objects are asked for at a time, where more are wanted.
    objects: Arc<AtomicU32>,
    inner: Arc<Mutex<S>>,
}

type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

impl<S, B> Service<Request<Body>> for Paged<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Answer;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Asked in `sent`.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let client = Self {
            most: self.most,
            objects: Arc::clone(&self.objects),
            inner: Arc::clone(&self.inner),
        };
        Box::pin(async move {
            if let Some(wanted) = wanted(&request) {
                return client.page(request.into_parts().0, wanted).await;
            }
            let answer = client.sent(request).await?;
            Ok(answer.map(|body| body.map_err(Into::into).boxed_unsync()))
        })
    }
}

impl<S, B> Paged<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    async fn sent(&self, request: Request<Body>) -> Result<Response<B>, BoxError> {
        // Held until the request is on its way, not until it is answered.
        let call = {
            let mut inner = self.inner.lock().await;
            poll_fn(|cx| inner.poll_ready(cx))
                .await
                .map_err(Into::into)?;
            inner.call(request)
        };
        call.await.map_err(Into::into)
    }

    /// A page of as many objects as are wanted, or of fewer where they are large.
    async fn page(&self, parts: Parts, wanted: u32) -> Result<Answer, BoxError> {
        let mut objects = self.objects.load(Ordering::Relaxed).clamp(1, wanted);
        loop {
            let answer = self.sent(of(&parts, objects)?).await?;
            if objects == 1 {
                self.objects.store(2, Ordering::Relaxed);
                return Ok(answer.map(|body| body.map_err(Into::into).boxed_unsync()));
            }
            let (head, body) = answer.into_parts();
            match Limited::new(body, self.most).collect().await {
                Ok(all) => {
                    let next = objects.saturating_mul(2);
                    self.objects.store(next, Ordering::Relaxed);
                    let body = Full::new(all.to_bytes()).map_err(|never| match never {});
                    return Ok(Response::from_parts(head, body.boxed_unsync()));
                }
                Err(error) if error.is::<LengthLimitError>() => {
                    objects = (objects / PART).max(1);
                    tracing::debug!(objects, "a list has large objects: its pages are shorter");
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// How many objects a request for a page wants.
fn wanted(request: &Request<Body>) -> Option<u32> {
    let limit = |it: &str| it.strip_prefix("limit=")?.parse().ok();
    let wanted = request.uri().query()?.split('&').find_map(limit);
    wanted.filter(|wanted| *wanted > 0 && request.method() == http::Method::GET)
}

/// The same request for so many objects.
fn of(parts: &Parts, objects: u32) -> Result<Request<Body>, BoxError> {
    let query = parts.uri.query().unwrap_or_default().split('&');
    let query = query.map(|it| match it.strip_prefix("limit=") {
        Some(_) => format!("limit={objects}"),
        None => it.to_owned(),
    });
    let query = query.collect::<Vec<_>>().join("&");
    let mut uri = parts.uri.clone().into_parts();
    let path = format!("{}?{query}", parts.uri.path());
    uri.path_and_query = Some(PathAndQuery::try_from(path)?);
    let mut parts = parts.clone();
    parts.uri = Uri::from_parts(uri)?;
    Ok(Request::from_parts(parts, Body::empty()))
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Mutex as Log};

    use tower::service_fn;

    use super::*;

    /// Asks for all pages of a list of objects of these sizes, 8 at a time and 100 bytes at most; the number
    /// of objects and the bytes of each page that was sent, and of each that was taken.
    async fn read(sizes: Vec<usize>) -> (Vec<usize>, Vec<usize>) {
        let sent = Arc::new(Log::new(Vec::new()));
        let server = service_fn({
            let (sent, sizes) = (Arc::clone(&sent), sizes.clone());
            move |request: Request<Body>| {
                let query = request.uri().query().unwrap().to_owned();
                let of = |key: &str| -> usize {
                    let mut found = query.split('&').filter_map(|it| it.strip_prefix(key));
                    found.next().unwrap().parse().unwrap()
                };
                let page = sizes.iter().skip(of("continue=")).take(of("limit="));
                let page = "x".repeat(page.sum());
                sent.lock().unwrap().push(of("limit="));
                async move { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(page)))) }
            }
        });
        let mut client = BoundedPages { most: 100 }.layer(server);
        let (mut taken, mut pages) = (0, Vec::new());
        while taken < sizes.len() {
            let path = format!("/list?&limit=8&continue={taken}&watch=false");
            let request = Request::get(path).body(Body::empty()).unwrap();
            let answer = client.call(request).await.unwrap();
            let page = answer.into_body().collect().await.unwrap().to_bytes();
            taken += *sent.lock().unwrap().last().unwrap();
            pages.push(page.len());
        }
        let sent = sent.lock().unwrap().clone();
        (sent, pages)
    }

    #[tokio::test]
    async fn small_objects_come_in_pages_as_asked() {
        let (sent, pages) = read(vec![10; 20]).await;
        assert_eq!(sent, [8, 8, 8]);
        assert_eq!(pages, [80, 80, 40]);
    }

    #[tokio::test]
    async fn pages_are_short_where_objects_are_large_and_grow_again() {
        let mut sizes = vec![10; 8];
        sizes.extend([90; 3]);
        sizes.extend([10; 16]);
        let (sent, pages) = read(sizes.clone()).await;
        assert_eq!(sent, [8, 8, 2, 1, 2, 1, 2, 4, 8, 8]);
        assert_eq!(pages.iter().sum::<usize>(), sizes.iter().sum::<usize>());
        assert!(pages.iter().all(|it| *it <= 100), "{pages:?}");
    }

    #[tokio::test]
    async fn one_object_comes_however_large_it_is() {
        let (_, pages) = read(vec![500, 500]).await;
        assert_eq!(pages, [500, 500]);
    }

    #[tokio::test]
    async fn only_pages_of_lists_are_held_back() {
        let server = service_fn(async |_: Request<Body>| {
            let long = Bytes::from(vec![0; 500]);
            Ok::<_, Infallible>(Response::new(Full::new(long)))
        });
        let mut client = BoundedPages { most: 100 }.layer(server);
        for request in [
            Request::get("/watch?watch=true"),
            Request::get("/object"),
            Request::patch("/object?limit=8"),
        ] {
            let request = request.body(Body::empty()).unwrap();
            let answer = client.call(request).await.unwrap();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body.len(), 500);
        }
    }
}
