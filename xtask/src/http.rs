//! Plain HTTP to programs on loopback.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

const WITHIN: Duration = Duration::from_secs(10);

/// The body of a GET that is answered with 200.
///
/// # Errors
/// When there is no answer, or another one.
pub async fn get(url: &str) -> Result<String> {
    send(Method::GET, url, String::new()).await
}

/// The body of a POST that is answered with 200.
///
/// # Errors
/// As `get`.
pub async fn post(url: &str, body: String) -> Result<String> {
    send(Method::POST, url, body).await
}

/// The body of a DELETE that is answered with 200.
///
/// # Errors
/// As `get`.
pub async fn delete(url: &str) -> Result<String> {
    send(Method::DELETE, url, String::new()).await
}

async fn send(method: Method, url: &str, body: String) -> Result<String> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder().method(&method).uri(url);
    let request = request.body(Full::new(Bytes::from(body)))?;
    let exchange = async {
        let response = client.request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        anyhow::Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    let (status, body) = timeout(WITHIN, exchange)
        .await
        .with_context(|| format!("{method} {url}: no answer within {WITHIN:?}"))?
        .with_context(|| format!("{method} {url}"))?;
    ensure!(status.is_success(), "{method} {url}: {status}: {body}");
    Ok(body)
}
