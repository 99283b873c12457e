//! The protocols: credentials, unknown operations, STS.

use ecr_emulator::{Emulator, Fault};
use serde_json::{Value, json};

use crate::support::{
    ACCOUNT, REGION, authorization, client, client_of, http, key, post, refused, sdk, start,
};

const JSON: (&str, &str) = ("content-type", "application/x-amz-json-1.1");
const TARGET: &str = "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories";

async fn with_authorization(emulator: &Emulator, value: Option<&str>) -> (u16, Value) {
    let mut headers = vec![JSON, ("x-amz-target", TARGET)];
    headers.extend(value.map(|value| ("authorization", value)));
    let (status, body) = http(emulator, "POST", "/", &headers, "{}").await.unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

fn sts(emulator: &Emulator, id: &str) -> aws_sdk_sts::Client {
    aws_sdk_sts::Client::new(&sdk(emulator, key(id), REGION))
}

#[tokio::test]
async fn credentials_are_read_from_the_authorization_header() {
    let emulator = start().await;
    let good = authorization(ACCOUNT, REGION, "ecr");
    assert_eq!(with_authorization(&emulator, Some(&good)).await.0, 200);
    let no_signature = good.split(", Signature").next().unwrap().to_owned();
    for (value, code) in [
        (None, "MissingAuthenticationTokenException"),
        (Some(""), "MissingAuthenticationTokenException"),
        (Some("Bearer abc"), "MissingAuthenticationTokenException"),
        (
            Some("AWS4-HMAC-SHA256 Credential=x"),
            "IncompleteSignatureException",
        ),
        (Some(no_signature.as_str()), "IncompleteSignatureException"),
        (
            Some("AWS4-HMAC-SHA256 Credential=k/20261124/r/ecr, SignedHeaders=h, Signature=s"),
            "IncompleteSignatureException",
        ),
        (
            Some("AWS4-HMAC-SHA256 Credential=k/20261124/r/ecr/aws4, SignedHeaders=h, Signature=s"),
            "IncompleteSignatureException",
        ),
        (
            Some(
                "AWS4-HMAC-SHA256 Credential=k/2026/r/ecr/aws4_request, SignedHeaders=h, Signature=s",
            ),
            "IncompleteSignatureException",
        ),
        (
            Some(
                "AWS4-HMAC-SHA256 Credential=/20261124/r/ecr/aws4_request, SignedHeaders=h, Signature=s",
            ),
            "IncompleteSignatureException",
        ),
        (
            Some(authorization(ACCOUNT, REGION, "s3").as_str()),
            "InvalidSignatureException",
        ),
    ] {
        let (status, body) = with_authorization(&emulator, value).await;
        assert_eq!((status, &body["__type"]), (400, &json!(code)), "{value:?}");
        assert!(!body["message"].as_str().unwrap().is_empty());
    }
    let last = emulator.log().pop().unwrap();
    assert_eq!((last.account.as_str(), last.applied), ("", false));
}

#[tokio::test]
async fn bad_credentials_are_told_apart() {
    let emulator = start().await;
    let expired = client_of(&emulator, "ASIAEXPIRED1234", REGION);
    assert_eq!(
        refused(expired.describe_repositories().send().await),
        (
            "ExpiredTokenException".to_owned(),
            "The security token included in the request is expired".to_owned()
        )
    );
    let mine = client_of(&emulator, "AKIAMINE", REGION);
    mine.describe_repositories().send().await.unwrap();
    emulator.configure(|settings| {
        settings.revoked_access_keys.insert("AKIAMINE".to_owned());
    });
    assert_eq!(
        refused(mine.describe_repositories().send().await),
        (
            "UnrecognizedClientException".to_owned(),
            "The security token included in the request is invalid.".to_owned()
        )
    );
    client(&emulator)
        .describe_repositories()
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn an_unknown_operation_is_answered_as_aws_does() {
    let emulator = start().await;
    let (status, body) = post(&emulator, "MakeCoffee", json!({})).await;
    assert_eq!(
        (status, body),
        (400, json!({ "__type": "UnknownOperationException" }))
    );
    let other_service = [JSON, ("x-amz-target", "DynamoDB_20120810.ListTables")];
    for headers in [&other_service[..], &[JSON]] {
        let (status, body) = http(&emulator, "POST", "/", headers, "{}").await.unwrap();
        assert_eq!(
            (status, body.as_str()),
            (400, r#"{"__type":"UnknownOperationException"}"#)
        );
    }
    // Known or not comes before the credentials, as a service has to find its operation first.
    let make_coffee = "AmazonEC2ContainerRegistry_V20150921.MakeCoffee";
    let target = [JSON, ("x-amz-target", make_coffee)];
    let (_, body) = http(&emulator, "POST", "/", &target, "{}").await.unwrap();
    assert_eq!(body, r#"{"__type":"UnknownOperationException"}"#);
    assert_eq!(emulator.calls().get("MakeCoffee"), Some(&2));
}

#[tokio::test]
async fn a_body_has_a_limit() {
    let emulator = start().await;
    let headers = [("x-amz-target", TARGET)];
    let body = " ".repeat(33 * 1024 * 1024);
    // The emulator may cut the connection before it has read all of it; it must not take it.
    if let Some((status, _)) = http_large(&emulator, &headers, &body).await {
        assert_eq!(status, 413);
    }
    assert!(emulator.calls().is_empty());
}

async fn http_large(
    emulator: &Emulator,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<(u16, String)> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = emulator.url().replace("http://", "");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (name, value) = headers[0];
    let head = format!(
        "POST / HTTP/1.1\r\nhost: e\r\nconnection: close\r\n{name}: {value}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let _ = stream.write_all(body.as_bytes()).await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer))
}

#[tokio::test]
async fn sts_tells_who_calls() {
    let emulator = start().await;
    let identity = sts(&emulator, ACCOUNT)
        .get_caller_identity()
        .send()
        .await
        .unwrap();
    assert_eq!(identity.account(), Some(ACCOUNT));
    assert_eq!(
        identity.arn(),
        Some("arn:aws:iam::111122223333:user/emulator")
    );
    assert!(identity.user_id().unwrap().starts_with("AIDA"));
    let default = sts(&emulator, "AKIAX")
        .get_caller_identity()
        .send()
        .await
        .unwrap();
    assert_eq!(default.account(), Some("123456789012"));
    assert_eq!(emulator.calls().get("GetCallerIdentity"), Some(&2));
}

#[tokio::test]
async fn sts_refuses_in_the_words_of_the_query_protocol() {
    let emulator = start().await;
    let expired = sts(&emulator, "ASIAEXPIRED")
        .get_caller_identity()
        .send()
        .await;
    let error = expired.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 403);
    assert_eq!(refused::<(), _>(Err(error)).0, "ExpiredToken");
    emulator.configure(|settings| {
        settings.revoked_access_keys.insert("AKIAGONE".to_owned());
    });
    let revoked = sts(&emulator, "AKIAGONE")
        .get_caller_identity()
        .send()
        .await;
    assert_eq!(refused(revoked).0, "InvalidClientTokenId");
    for (fault, code) in [
        (Fault::on("GetCallerIdentity").throttle(), "Throttling"),
        (Fault::on("GetCallerIdentity").deny(), "AccessDenied"),
    ] {
        emulator.inject(fault);
        let answer = sts(&emulator, ACCOUNT).get_caller_identity().send().await;
        assert_eq!(refused(answer).0, code);
    }
    let form = ("content-type", "application/x-www-form-urlencoded");
    for (authorization, body, status, code) in [
        (
            None,
            "Action=GetCallerIdentity",
            403,
            "MissingAuthenticationToken",
        ),
        (
            Some("nonsense".to_owned()),
            "Action=GetCallerIdentity",
            403,
            "MissingAuthenticationToken",
        ),
        (
            Some("AWS4-HMAC-SHA256 nonsense".to_owned()),
            "Action=GetCallerIdentity",
            400,
            "IncompleteSignature",
        ),
        (
            Some(authorization(ACCOUNT, REGION, "sts")),
            "Action=Make%26Coffee",
            400,
            "InvalidAction",
        ),
        (
            Some(authorization(ACCOUNT, REGION, "ecr")),
            "Action=GetCallerIdentity",
            403,
            "SignatureDoesNotMatch",
        ),
    ] {
        let mut headers = vec![form];
        headers.extend(
            authorization
                .as_deref()
                .map(|value| ("authorization", value)),
        );
        let (found, answer) = http(&emulator, "POST", "/", &headers, body).await.unwrap();
        assert_eq!(found, status, "{answer}");
        assert!(answer.contains(&format!("<Code>{code}</Code>")), "{answer}");
        assert!(!answer.contains("Make&Coffee"), "{answer}");
    }
}

#[tokio::test]
async fn stopping_frees_the_port_and_cuts_connections() {
    let emulator = start().await;
    let address = emulator.url().replace("http://", "");
    let mut idle = tokio::net::TcpStream::connect(&address).await.unwrap();
    client(&emulator)
        .describe_repositories()
        .send()
        .await
        .unwrap();
    drop(emulator);
    let mut rest = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut idle, &mut rest).await;
    assert!(rest.is_empty());
    let again = Emulator::start(address.parse().unwrap()).await.unwrap();
    client(&again).describe_repositories().send().await.unwrap();
}

#[tokio::test]
async fn only_the_loopback_is_served() {
    let error = Emulator::start(([0, 0, 0, 0], 0).into()).await.unwrap_err();
    assert!(error.to_string().contains("use 127.0.0.1:PORT"), "{error}");
}
