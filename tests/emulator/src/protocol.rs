//! AWS's protocols: awsJson1.1 for ECR, the query protocol for STS, and our own hooks beside them.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request as HttpRequest, Response, StatusCode};
use serde_json::Value;

use crate::admin;
use crate::api::sts;
use crate::caller::Caller;
use crate::error::Error;
use crate::payload::Payload;
use crate::state::{now, uuid};
use crate::world::{Reply, Request, Service, World};
use crate::xml;

/// The services that speak JSON: the prefix of their targets, and the name in signatures.
const TARGETS: [(&str, Service, &str); 3] = [
    ("AmazonSQS.", Service::Sqs, "sqs"),
    ("AmazonEC2ContainerRegistry_V20150921.", Service::Ecr, "ecr"),
    (
        "ResourceGroupsTaggingAPI_20170126.",
        Service::Tagging,
        "tagging",
    ),
];

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// A layer part of 20 MiB in base64, and room for the rest.
const MAX_BODY: usize = 32 * 1024 * 1024;

/// The connection is to be reset.
#[derive(Debug)]
pub(crate) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the answer is lost on purpose")
    }
}

impl std::error::Error for Cut {}

type Answer = Response<Payload>;

/// Answers one HTTP request.
pub(crate) async fn handle(
    world: &Arc<World>,
    request: HttpRequest<Incoming>,
) -> Result<Answer, Cut> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        let error = Error::new(
            "RequestEntityTooLargeException",
            "The request body is too large",
        );
        return Ok(json_answer(413, &error.body()));
    };
    let body = body.to_bytes();
    if let Some(hook) = head.uri.path().strip_prefix("/_emulator/") {
        let (status, answer) = admin::handle(world, &head.method, hook, &body);
        return Ok(json_answer(status, &answer));
    }
    // Some SDKs send to the path of the queue's URL, others to the root.
    let to_queue = header(&head.headers, &TARGET).starts_with("AmazonSQS.");
    if head.method != Method::POST || (head.uri.path() != "/" && !to_queue) {
        return Ok(at_the_door());
    }
    let content_type = header(&head.headers, &CONTENT_TYPE).split(';').next();
    match content_type.unwrap_or_default().trim() {
        "application/x-www-form-urlencoded" => query(world, &head.headers, &body).await,
        "application/x-amz-json-1.1" | "application/json" => {
            json(world, &head.headers, &body).await
        }
        "application/x-amz-json-1.0" if to_queue => json(world, &head.headers, &body).await,
        // Only what has a body needs a type for it.
        _ if body.is_empty() => json(world, &head.headers, &body).await,
        _ => Ok(at_the_door()),
    }
}

/// What AWS's JSON services answer before they know which service was meant: 29 bytes of XML, of no
/// content type. This, and the order of the refusals after it (bytes that are not JSON, target,
/// credentials, an empty body), was measured on `DynamoDB`, which has the same front:
/// <https://github.com/architect/dynalite/blob/main/index.js>.
fn at_the_door() -> Answer {
    let mut answer = respond(404, "text/xml", "<UnknownOperationException/>\n".to_owned());
    answer.headers_mut().remove(CONTENT_TYPE);
    answer
}

/// awsJson1.1: <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>.
async fn json(world: &Arc<World>, headers: &HeaderMap, body: &[u8]) -> Result<Answer, Cut> {
    let target = header(headers, &TARGET);
    let found = TARGETS
        .into_iter()
        .find_map(|(prefix, service, name)| Some((service, name, target.strip_prefix(prefix)?)));
    let input = read(body);
    let Some((service, name, operation)) = found else {
        let error = input.err().unwrap_or_else(Error::unknown_operation);
        return Ok(json_answer(400, &error.body()));
    };
    let request = Request {
        service,
        operation: operation.to_owned(),
        caller: Caller::read(headers, name),
        user_agent: header(headers, &USER_AGENT).to_owned(),
        host: header(headers, &HOST).to_owned(),
        input,
    };
    let mut answer = match world.serve(request).await {
        Reply::Cut => return Err(Cut),
        Reply::Foreign(status, body) => return Ok(respond(status, "text/html", body)),
        Reply::Half(answer) => in_json(answer).map(Payload::broken_off),
        Reply::Answer(answer) => in_json(answer),
    };
    if service == Service::Sqs {
        let older = HeaderValue::from_static("application/x-amz-json-1.0");
        answer.headers_mut().insert(CONTENT_TYPE, older);
    }
    Ok(answer)
}

/// The input in a body; null if the body is empty. `null` itself is a structure without members, as
/// it is wherever the model has a structure.
fn read(body: &[u8]) -> Result<Value, Error> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    match serde_json::from_slice(body) {
        Ok(Value::Null) => Ok(Value::Object(serde_json::Map::new())),
        Ok(input) => Ok(input),
        Err(_) => Err(Error::unreadable()),
    }
}

fn in_json(answer: Result<Value, Error>) -> Answer {
    match answer {
        Ok(answer) => json_answer(200, &answer),
        Err(error) => json_answer(error.status, &error.body()),
    }
}

/// The query protocol: <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>.
async fn query(world: &Arc<World>, headers: &HeaderMap, body: &[u8]) -> Result<Answer, Cut> {
    let parameters: serde_json::Map<String, Value> = form_urlencoded::parse(body)
        .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
        .collect();
    let action = parameters
        .get("Action")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let request = Request {
        service: Service::Sts,
        operation: action.clone(),
        caller: match action.as_str() {
            // The token is the credential, and the SDKs do not sign.
            "AssumeRoleWithWebIdentity" => Ok(Caller::of(String::new(), String::new())),
            _ => Caller::read(headers, "sts"),
        },
        user_agent: header(headers, &USER_AGENT).to_owned(),
        host: header(headers, &HOST).to_owned(),
        input: Ok(Value::Object(parameters)),
    };
    match world.serve(request).await {
        Reply::Cut => Err(Cut),
        Reply::Foreign(status, body) => Ok(respond(status, "text/html", body)),
        Reply::Half(answer) => Ok(in_xml(&action, answer).map(Payload::broken_off)),
        Reply::Answer(answer) => Ok(in_xml(&action, answer)),
    }
}

fn in_xml(action: &str, answer: Result<Value, Error>) -> Answer {
    let id = request_id();
    match answer.map_err(sts::in_query_words) {
        Ok(identity) => xml_answer(200, xml::answer(action, &identity, &id)),
        Err(error) => xml_answer(error.status, xml::error(&error, &id)),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn json_answer(status: u16, body: &Value) -> Answer {
    respond(status, "application/x-amz-json-1.1", body.to_string())
}

fn xml_answer(status: u16, body: String) -> Answer {
    respond(status, "text/xml", body)
}

fn respond(status: u16, content_type: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Payload::whole(body));
    *answer.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(id) = HeaderValue::from_str(&request_id()) {
        headers.insert("x-amzn-requestid", id);
    }
    answer
}

fn request_id() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    uuid(&format!("request {count} {}", now()))
}
