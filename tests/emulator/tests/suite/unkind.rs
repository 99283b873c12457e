//! What AWS does on a bad day by itself: rates, lag, and answers that break off.

use std::time::Duration;

use ecr_emulator::{Fault, Movement, Rate};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{
    ACCOUNT, REGION, apply, arn, assert_refused, authorization, client, client_of, create, hook,
    post, start,
};

#[tokio::test]
async fn each_operation_account_and_region_has_a_bucket() {
    let emulator = start().await;
    let hold = Movement {
        hold: Some(true),
        ..Movement::default()
    };
    emulator.turn_clock(hold).unwrap();
    emulator.configure(|settings| {
        let rate = |per_second, burst| Rate { per_second, burst };
        settings.rates = [("DescribeRepositories", rate(2, 3)), ("*", rate(1, 1))]
            .map(|(operation, rate)| (operation.to_owned(), rate))
            .into();
    });
    let describe = async |key: &str, region: &'static str| {
        let client = client_of(&emulator, key, region);
        client.describe_repositories().send().await.is_ok()
    };
    for expected in [true, true, true, false, false] {
        assert_eq!(describe(ACCOUNT, REGION).await, expected);
    }
    assert!(describe("444455556666", REGION).await);
    assert!(describe(ACCOUNT, "us-east-1").await);
    let registry = || async { client(&emulator).describe_registry().send().await };
    registry().await.unwrap();
    assert_refused(registry().await, "ThrottlingException", "Rate exceeded");
    // Another operation under `*` has a bucket of its own.
    let (status, _) = post(&emulator, "GetAuthorizationToken", json!({})).await;
    assert_eq!(status, 200);
    emulator.advance(Duration::from_millis(1500));
    for expected in [true, true, true, false] {
        assert_eq!(describe(ACCOUNT, REGION).await, expected);
    }
    let log = emulator.log();
    let throttled = log
        .iter()
        .filter(|call| call.fault.as_deref() == Some("rate"));
    assert_eq!(throttled.count(), 4);
    // Behind everybody's back there is no rate, and without one none is throttled.
    for _ in 0..5 {
        apply(&emulator, "DescribeRepositories", json!({}));
    }
    let (status, _) = hook(&emulator, "POST", "settings", json!({ "rates": {} })).await;
    assert_eq!(status, 200);
    for _ in 0..5 {
        assert!(describe(ACCOUNT, REGION).await);
    }
}

#[tokio::test]
async fn a_new_repository_is_not_found_at_first() {
    let emulator = start().await;
    emulator.configure(|settings| settings.create_lag_calls = 3);
    let name = json!({ "repositoryName": "api" });
    assert_eq!(
        post(&emulator, "CreateRepository", name.clone()).await.0,
        200
    );
    // Creating again meets it, and the lag goes on.
    let (_, again) = post(&emulator, "CreateRepository", name.clone()).await;
    assert_eq!(again["__type"], "RepositoryAlreadyExistsException");
    let (_, list) = post(&emulator, "DescribeRepositories", json!({})).await;
    assert_eq!(list["repositories"], json!([]));
    let tags = json!({ "resourceArn": arn("api") });
    let (_, tags) = post(&emulator, "ListTagsForResource", tags).await;
    assert_eq!(tags["__type"], "RepositoryNotFoundException");
    // The truth is another.
    assert!(emulator.repository(ACCOUNT, REGION, "api").is_some());
    // Other repositories and registries are found, and do not count.
    create(&emulator, "other");
    let other = json!({ "repositoryNames": ["other"] });
    assert_eq!(post(&emulator, "DescribeRepositories", other).await.0, 200);
    let both = json!({ "repositoryNames": ["api", "other"] });
    let (_, named) = post(&emulator, "DescribeRepositories", both.clone()).await;
    assert_eq!(named["__type"], "RepositoryNotFoundException");
    assert_eq!(post(&emulator, "DescribeRepositories", both).await.0, 200);
}

#[tokio::test]
async fn a_preview_that_was_just_begun_shows_after_a_while() {
    let emulator = start().await;
    create(&emulator, "api");
    let begin = async |count: u64| {
        let rules = json!([{
            "rulePriority": 1,
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": count},
            "action": {"type": "expire"},
        }]);
        let text = json!({ "rules": rules }).to_string();
        let input = json!({ "repositoryName": "api", "lifecyclePolicyText": text });
        let (status, begun) = post(&emulator, "StartLifecyclePolicyPreview", input).await;
        assert_eq!(status, 200);
        begun["lifecyclePolicyText"].clone()
    };
    let read = async || {
        let name = json!({ "repositoryName": "api" });
        let (_, read) = post(&emulator, "GetLifecyclePolicyPreview", name).await;
        read
    };
    emulator.configure(|settings| settings.preview_lag_calls = 1);
    let first = begin(1).await;
    let none = read().await;
    assert_eq!(none["__type"], "LifecyclePolicyPreviewNotFoundException");
    assert_eq!(read().await["lifecyclePolicyText"], first);
    let second = begin(2).await;
    let before = read().await;
    assert_eq!(
        (&before["lifecyclePolicyText"], &before["status"]),
        (&first, &json!("COMPLETE"))
    );
    assert_eq!(read().await["lifecyclePolicyText"], second);
}

#[tokio::test]
async fn a_deleted_repository_is_listed_for_a_while() {
    let emulator = start().await;
    emulator.configure(|settings| settings.delete_lag_calls = 2);
    create(&emulator, "api");
    let name = json!({ "repositoryName": "api" });
    let list = async || {
        let (_, list) = post(&emulator, "DescribeRepositories", json!({})).await;
        list["repositories"].as_array().unwrap().len()
    };
    assert_eq!(
        post(&emulator, "DeleteRepository", name.clone()).await.0,
        200
    );
    assert_eq!(list().await, 1);
    let (_, gone) = post(&emulator, "GetLifecyclePolicy", name.clone()).await;
    assert_eq!(gone["__type"], "RepositoryNotFoundException");
    let (_, again) = post(&emulator, "DeleteRepository", name.clone()).await;
    assert_eq!(again["__type"], "RepositoryNotFoundException");
    assert_eq!((list().await, list().await), (1, 0));
    assert!(emulator.repositories(ACCOUNT, REGION).is_empty());
    // One that is made again is what is listed.
    create(&emulator, "api");
    assert_eq!(
        post(&emulator, "DeleteRepository", name.clone()).await.0,
        200
    );
    assert_eq!(post(&emulator, "CreateRepository", name).await.0, 200);
    assert_eq!((list().await, list().await, list().await), (1, 1, 1));
}

#[tokio::test]
async fn a_truncated_answer_breaks_off_after_the_effect() {
    let emulator = start().await;
    emulator.inject(Fault::on("CreateRepository").truncate());
    let body = json!({ "repositoryName": "api" }).to_string();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: e\r\ncontent-type: application/x-amz-json-1.1\r\n\
         x-amz-target: AmazonEC2ContainerRegistry_V20150921.CreateRepository\r\n\
         authorization: {}\r\ncontent-length: {}\r\n\r\n{body}",
        authorization(ACCOUNT, REGION, "ecr"),
        body.len()
    );
    let address = emulator.url().replace("http://", "");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    // Whether the connection is closed or reset after that is all the same.
    let _ = stream.read_to_end(&mut received).await;
    let received = String::from_utf8(received).unwrap();
    let (head, part) = received.split_once("\r\n\r\n").unwrap();
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
        .unwrap();
    assert_eq!(part.len(), length / 2, "{received}");
    assert!(part.starts_with('{'));
    assert!(emulator.repository(ACCOUNT, REGION, "api").is_some());
    // A client sees no answer at all.
    emulator.inject(Fault::on("DescribeRepositories").truncate());
    let answer = client(&emulator).describe_repositories().send().await;
    assert!(answer.unwrap_err().as_service_error().is_none());
    assert_eq!(emulator.log()[0].fault.as_deref(), Some("truncate"));
}

#[tokio::test]
async fn a_panic_is_an_answer_and_not_the_end() {
    let emulator = start().await;
    create(&emulator, "api");
    emulator.configure(|settings| settings.create_lag_calls = 1);
    emulator.inject(Fault::on("DescribeRepositories").skip(1).panic());
    assert_eq!(
        post(&emulator, "DescribeRepositories", json!({})).await.0,
        200
    );
    let (status, answer) = post(&emulator, "DescribeRepositories", json!({})).await;
    assert_eq!(
        (status, &answer["__type"]),
        (500, &json!("ServerException"))
    );
    assert_eq!(
        post(&emulator, "DescribeRepositories", json!({})).await.0,
        200
    );
    let log = emulator.log();
    let faults: Vec<Option<&str>> = log.iter().map(|call| call.fault.as_deref()).collect();
    assert_eq!(faults, [None, Some("panic"), None]);
    let over_http = json!({ "operation": "ListImages", "effect": "panic" });
    assert_eq!(hook(&emulator, "POST", "faults", over_http).await.0, 200);
    let (_, faults) = hook(&emulator, "GET", "faults", Value::Null).await;
    assert_eq!(faults[0]["effect"], "panic");
}
