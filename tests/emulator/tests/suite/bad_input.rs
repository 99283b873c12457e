//! Requests that are wrong before ECR sees them: what AWS's front answers, by table.

use ecr_emulator::Emulator;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, REGION, authorization, http, post, refused, start};

const DESCRIBE: &str = "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories";
const MEBIBYTE: usize = 1024 * 1024;

/// A request that is right but for what a row of the table changes.
struct Wrong {
    what: &'static str,
    method: &'static str,
    path: &'static str,
    headers: [(&'static str, String); 3],
    body: &'static str,
}

/// A row that changes one header: an empty value leaves it out.
fn header(what: &'static str, name: &str, value: &str) -> Wrong {
    let mut wrong = body(what, "{}");
    for (own, old) in &mut wrong.headers {
        if *own == name {
            value.clone_into(old);
        }
    }
    wrong
}

fn body(what: &'static str, body: &'static str) -> Wrong {
    Wrong {
        what,
        method: "POST",
        path: "/",
        headers: [
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amz-target", DESCRIBE.to_owned()),
            ("authorization", authorization(ACCOUNT, REGION, "ecr")),
        ],
        body,
    }
}

/// A row that changes two things: the first refusal of the two decides.
fn both(what: &'static str, body: &'static str, name: &str, value: &str) -> Wrong {
    let mut wrong = header(what, name, value);
    wrong.body = body;
    wrong
}

async fn send(emulator: &Emulator, wrong: &Wrong) -> (u16, String) {
    let headers: Vec<(&str, &str)> = wrong
        .headers
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    http(emulator, wrong.method, wrong.path, &headers, wrong.body)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_is_no_call_of_a_json_service_is_answered_at_the_door() {
    let emulator = start().await;
    let method = |what, method| Wrong {
        method,
        ..body(what, "")
    };
    let table = [
        method("GET instead of POST", "GET"),
        method("PUT instead of POST", "PUT"),
        method("DELETE instead of POST", "DELETE"),
        method("a made-up method", "BREW"),
        Wrong {
            path: "/v2/",
            ..body("another path", "{}")
        },
        header("no content type", "content-type", ""),
        header("text", "content-type", "text/plain"),
        header("XML", "content-type", "application/xml"),
        header("CBOR", "content-type", "application/x-amz-cbor-1.1"),
        header(
            "another version",
            "content-type",
            "application/x-amz-json-1.10",
        ),
        both(
            "a wrong type comes before no JSON",
            "{",
            "content-type",
            "text/plain",
        ),
    ];
    for wrong in &table {
        let (status, answer) = send(&emulator, wrong).await;
        assert_eq!(status, 404, "{}", wrong.what);
        assert_eq!(answer, "<UnknownOperationException/>\n", "{}", wrong.what);
    }
    assert!(emulator.calls().is_empty());
    for right in [
        header("JSON", "content-type", "application/json"),
        header(
            "a charset",
            "content-type",
            "application/x-amz-json-1.1; charset=utf-8",
        ),
        body("null", "null"),
        body(
            "unknown members",
            r#"{"maxResults": 5, "new": {"a": [null, 1e3]}, "": 0}"#,
        ),
    ] {
        assert_eq!(send(&emulator, &right).await.0, 200, "{}", right.what);
    }
}

const MISSING: &str = "MissingAuthenticationTokenException";
const INCOMPLETE: &str = "IncompleteSignatureException";
const UNREADABLE: &str = "SerializationException";
const UNKNOWN: &str = "UnknownOperationException";

/// Bodies that are no input.
fn unreadable() -> [Wrong; 12] {
    [
        body("no JSON", "{nope"),
        body("JSON that ends early", r#"{"maxResults": 1"#),
        body("JSON and more", "{} {}"),
        body("a number beyond all numbers", r#"{"maxResults": 1e400}"#),
        body("a byte order mark", "\u{feff}{}"),
        body("a form", "Action=DescribeRepositories"),
        body("a control character", "{\"nextToken\": \"\u{1}\"}"),
        body("half a surrogate pair", r#"{"nextToken": "\ud800"}"#),
        body("an empty body", ""),
        body("a list", "[]"),
        body("a string", r#""x""#),
        body("a number", "7"),
    ]
}

/// Each with the code of the refusal.
fn refusals() -> Vec<(Wrong, &'static str)> {
    const TARGET: &str = "x-amz-target";
    const AUTHORIZATION: &str = "authorization";
    let scope = |key: &str, service: &str| authorization(key, REGION, service);
    let signed_otherwise = scope(ACCOUNT, "ecr").replace("HMAC-SHA256", "ECDSA-P256-SHA256");
    vec![
        (header("no target", TARGET, ""), UNKNOWN),
        (
            header("a target without service", TARGET, "DescribeRepositories"),
            UNKNOWN,
        ),
        (
            header("another service", TARGET, "DynamoDB_20120810.ListTables"),
            UNKNOWN,
        ),
        (
            header("another version", TARGET, &DESCRIBE.replace("2015", "2016")),
            UNKNOWN,
        ),
        (
            header(
                "no operation",
                TARGET,
                "AmazonEC2ContainerRegistry_V20150921.",
            ),
            UNKNOWN,
        ),
        (
            header("another case", TARGET, &DESCRIBE.to_lowercase()),
            UNKNOWN,
        ),
        (
            header("more than an operation", TARGET, &format!("{DESCRIBE}.x")),
            UNKNOWN,
        ),
        (header("no credentials", AUTHORIZATION, ""), MISSING),
        (
            header("another scheme", AUTHORIZATION, "Basic QVdTOnNlY3JldA=="),
            MISSING,
        ),
        (
            header("the old scheme", AUTHORIZATION, "AWS AKIA:signature"),
            MISSING,
        ),
        (
            header(
                "nothing after the algorithm",
                AUTHORIZATION,
                "AWS4-HMAC-SHA256",
            ),
            INCOMPLETE,
        ),
        (
            header("another algorithm", AUTHORIZATION, &signed_otherwise),
            INCOMPLETE,
        ),
        (
            header("another service's", AUTHORIZATION, &scope(ACCOUNT, "s3")),
            "InvalidSignatureException",
        ),
        (
            header("of nobody", AUTHORIZATION, &scope("AKIANOBODY", "ecr")),
            "UnrecognizedClientException",
        ),
        (
            header("expired", AUTHORIZATION, &scope("ASIAEXPIRED", "ecr")),
            "ExpiredTokenException",
        ),
        (
            both("no JSON before the target", "{", TARGET, "Nope.Nope"),
            UNREADABLE,
        ),
        (
            both("no JSON before the credentials", "{", AUTHORIZATION, ""),
            UNREADABLE,
        ),
        (
            both("the target before an empty body", "", TARGET, "Nope.Nope"),
            UNKNOWN,
        ),
        (
            both(
                "the credentials before an empty body",
                "",
                AUTHORIZATION,
                "",
            ),
            MISSING,
        ),
        (
            both(
                "the credentials before the constraints",
                r#"{"maxResults": 0}"#,
                AUTHORIZATION,
                "",
            ),
            MISSING,
        ),
    ]
}

#[tokio::test]
async fn what_is_wrong_with_a_call_is_refused_in_aws_order() {
    let emulator = start().await;
    emulator.configure(|settings| {
        settings.revoked_access_keys.insert("AKIANOBODY".to_owned());
    });
    let bodies = unreadable().map(|wrong| (wrong, UNREADABLE));
    for (wrong, code) in refusals().into_iter().chain(bodies) {
        let (status, answer) = send(&emulator, &wrong).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            (status, &answer["__type"]),
            (400, &json!(code)),
            "{}",
            wrong.what
        );
        let bare = code == UNKNOWN || (code == UNREADABLE && answer.get("message").is_none());
        let message = answer["message"].as_str().unwrap_or_default();
        assert_ne!(bare, !message.is_empty(), "{}: {answer}", wrong.what);
    }
    assert!(emulator.log().iter().all(|call| !call.applied));
}

#[tokio::test]
async fn what_a_signature_lacks_is_said_all_at_once() {
    let emulator = start().await;
    let value = "AWS4-HMAC-SHA256 Signature=s";
    let (_, answer) = send(
        &emulator,
        &header("a signature alone", "authorization", value),
    )
    .await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        answer["message"],
        "Authorization header requires 'Credential' parameter. Authorization header requires \
         'SignedHeaders' parameter. Authorization=AWS4-HMAC-SHA256 Signature=s"
    );
}

#[tokio::test]
async fn twenty_megabytes_are_read_like_any_body() {
    let emulator = start().await;
    let long = "x".repeat(20 * MEBIBYTE);
    let at = |name: &str, most: usize| {
        format!(
            "Invalid parameter at '{name}' failed to satisfy constraint: 'Member must have length \
             less than or equal to {most}'"
        )
    };
    for (operation, input, message) in [
        (
            "CreateRepository",
            json!({ "repositoryName": long }),
            at("repositoryName", 256),
        ),
        (
            "SetRepositoryPolicy",
            json!({ "repositoryName": "ok", "policyText": long }),
            at("policyText", 10_240),
        ),
        (
            "PutImage",
            json!({ "repositoryName": "ok", "imageManifest": long }),
            at("imageManifest", 4_194_304),
        ),
    ] {
        let (status, answer) = post(&emulator, operation, input).await;
        assert_eq!(
            (status, &answer["message"]),
            (400, &json!(message)),
            "{operation}"
        );
    }
    let (status, _) = post(&emulator, "DescribeRepositories", json!({ "new": long })).await;
    assert_eq!(status, 200, "an unknown member of any size is ignored");
    let calls = emulator.log();
    assert_eq!(calls.len(), 4);
    assert!(
        calls.iter().all(|call| call.input.to_string().len() < 200),
        "not kept"
    );
}

#[tokio::test]
async fn what_is_beyond_measure_is_refused_and_the_next_call_is_served() {
    let emulator = start().await;
    let deep = 100_000;
    let (status, bare) = (400, r#"{"__type":"SerializationException"}"#.to_owned());
    for (what, body) in [
        ("no JSON", "x".repeat(20 * MEBIBYTE)),
        ("lists in lists", "[".repeat(deep)),
        (
            "members of members",
            format!("{}1{}", r#"{"a":"#.repeat(deep), "}".repeat(deep)),
        ),
    ] {
        let mut wrong = self::body(what, "");
        wrong.body = body.leak();
        assert_eq!(
            send(&emulator, &wrong).await,
            (status, bare.clone()),
            "{what}"
        );
    }
    let mut wrong = self::body("too long for anybody", "");
    wrong.body = format!(r#"{{"new": "{}"}}"#, "x".repeat(32 * MEBIBYTE)).leak();
    let (status, answer) = send(&emulator, &wrong).await;
    assert_eq!(status, 413, "{answer}");
    assert_eq!(send(&emulator, &self::body("fine", "{}")).await.0, 200);
}

/// The services beside ECR have the same front.
#[tokio::test]
async fn wrong_calls_of_the_services_beside_are_refused_likewise() {
    let emulator = start().await;
    for (service, target, operation, right) in [
        ("sqs", "AmazonSQS", "ListQueues", "ReceiveMessage"),
        (
            "tagging",
            "ResourceGroupsTaggingAPI_20170126",
            "TagResources",
            "GetResources",
        ),
    ] {
        let call = |what, text, operation: &str, service: &str| {
            let target = format!("{target}.{operation}");
            let mut wrong = both(what, text, "x-amz-target", &target);
            wrong.headers[2].1 = authorization(ACCOUNT, REGION, service);
            wrong
        };
        for (wrong, code) in [
            (call("another operation", "{}", operation, service), UNKNOWN),
            (call("no JSON", "x", right, service), UNREADABLE),
            (call("nothing", "", right, service), UNREADABLE),
            (call("a list", "[]", right, service), UNREADABLE),
            (
                call(
                    "a number for a text",
                    r#"{"QueueUrl": 1, "PaginationToken": 1}"#,
                    right,
                    service,
                ),
                UNREADABLE,
            ),
            (
                call("signed for ECR", "{}", right, "ecr"),
                "InvalidSignatureException",
            ),
        ] {
            let (status, answer) = send(&emulator, &wrong).await;
            let answer: Value = serde_json::from_str(&answer).unwrap();
            let found = (status, &answer["__type"]);
            assert_eq!(found, (400, &json!(code)), "{service}: {}", wrong.what);
        }
    }
}

#[tokio::test]
async fn bytes_that_are_not_text_are_refused_and_the_next_call_is_served() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let emulator = start().await;
    let address = emulator.url().replace("http://", "");
    for (bytes, status) in [
        (b"POST / HTTP/1.1\r\nhost: e\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\n\xff\xfe{}".as_slice(), "400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".as_slice(), "400"),
    ] {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert_eq!(answer.split(' ').nth(1).unwrap_or(status), status, "{answer}");
    }
    let unknown = crate::support::client_of(&emulator, "ASIAEXPIRED", REGION);
    assert_eq!(
        refused(unknown.describe_repositories().send().await).0,
        "ExpiredTokenException"
    );
}
