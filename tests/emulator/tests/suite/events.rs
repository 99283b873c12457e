//! Events, and the queues that they come to.

use std::time::{Duration, Instant};

use ecr_emulator::Emulator;
use serde_json::{Value, json};

use crate::lifecycle_world::{DAY, Images, any, keep};
use crate::support::{ACCOUNT, REGION, apply, arn, authorization, http, post, refusal, start};

async fn started() -> Emulator {
    let emulator = start().await;
    emulator.configure(|settings| {
        settings.queues.insert("events".to_owned());
    });
    emulator
}

/// A call of SQS.
async fn sqs(emulator: &Emulator, operation: &str, more: Value) -> (u16, Value) {
    let url = format!("{}/{ACCOUNT}/events", emulator.url());
    let mut input = json!({ "QueueUrl": url });
    let members = input.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    let target = format!("AmazonSQS.{operation}");
    let headers = [
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", target.as_str()),
        ("authorization", &authorization(ACCOUNT, REGION, "sqs")),
    ];
    // Some SDKs send to the path of the queue, others to the root.
    let path = if operation == "ReceiveMessage" {
        format!("/{ACCOUNT}/events")
    } else {
        "/".to_owned()
    };
    let answer = http(emulator, "POST", &path, &headers, &input.to_string()).await;
    let (status, body) = answer.unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

/// Takes all events out of the queue.
async fn drain(emulator: &Emulator) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let (_, answer) = sqs(
            emulator,
            "ReceiveMessage",
            json!({ "MaxNumberOfMessages": 10 }),
        )
        .await;
        let Some(messages) = answer["Messages"].as_array() else {
            return events;
        };
        for message in messages {
            events.push(serde_json::from_str(message["Body"].as_str().unwrap()).unwrap());
            let handle = json!({ "ReceiptHandle": message["ReceiptHandle"] });
            assert_eq!(sqs(emulator, "DeleteMessage", handle).await.0, 200);
        }
    }
}

#[tokio::test]
async fn a_call_that_writes_is_told_as_cloudtrail_tells_it() {
    let emulator = started().await;
    post(
        &emulator,
        "CreateRepository",
        json!({ "repositoryName": "api" }),
    )
    .await;
    post(&emulator, "DescribeRepositories", json!({})).await;
    let tag = json!({ "resourceArn": arn("api"), "tags": [{ "Key": "a", "Value": "b" }] });
    apply(&emulator, "TagResource", tag.clone());
    refusal(
        &emulator,
        "DeleteRepository",
        json!({ "repositoryName": "none" }),
    );
    // Another region has a queue of its own.
    let other = json!({ "repositoryName": "api" });
    emulator
        .call(ACCOUNT, "us-east-1", "CreateRepository", other)
        .unwrap();
    let events = drain(&emulator).await;
    let names: Vec<&str> = events
        .iter()
        .map(|event| event["detail"]["eventName"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["CreateRepository", "TagResource", "DeleteRepository"]
    );
    let [created, tagged, refused] = events.as_slice() else {
        panic!("three events");
    };
    assert_eq!(created["detail-type"], "AWS API Call via CloudTrail");
    assert_eq!(
        (&created["source"], &created["account"]),
        (&json!("aws.ecr"), &json!(ACCOUNT))
    );
    let detail = &created["detail"];
    assert_eq!(detail["eventSource"], "ecr.amazonaws.com");
    assert_eq!(detail["requestParameters"]["repositoryName"], "api");
    assert_eq!(
        detail["responseElements"]["repository"]["repositoryArn"],
        arn("api")
    );
    assert_eq!(
        detail["userIdentity"]["arn"],
        format!("arn:aws:iam::{ACCOUNT}:user/emulator")
    );
    assert!(detail["eventTime"].as_str().unwrap().ends_with('Z'));
    assert_eq!(tagged["detail"]["requestParameters"], tag);
    assert_eq!(tagged["detail"]["resources"][0]["ARN"], arn("api"));
    assert_eq!(
        refused["detail"]["errorCode"],
        "RepositoryNotFoundException"
    );
}

#[tokio::test]
async fn images_have_events_of_ecr() {
    let emulator = started().await;
    let images = Images::new(&emulator);
    let one = images.push("one", &["v1"]);
    let signature = images.refer("signature", &one);
    let archive = json!({
        "repositoryName": "api", "imageId": { "imageTag": "v1" }, "targetStorageClass": "ARCHIVE",
    });
    apply(&emulator, "UpdateImageStorageClass", archive);
    let delete = json!({ "repositoryName": "api", "imageIds": [{ "imageTag": "v1" }] });
    apply(&emulator, "BatchDeleteImage", delete);
    let old = images.push("old", &["old"]);
    images.push("new", &["new"]);
    images.policy(json!([keep(any(), 2)]));
    emulator.advance(DAY);
    let events = drain(&emulator).await;
    let own: Vec<[&str; 3]> = events
        .iter()
        .filter(|event| event["detail"]["action-type"].is_string())
        .map(|event| {
            let detail = &event["detail"];
            assert_eq!(detail["repository-name"], "api");
            ["image-digest", "action-type"]
                .map(|name| detail[name].as_str().unwrap())
                .into_iter()
                .chain([event["detail-type"].as_str().unwrap()])
                .collect::<Vec<&str>>()
                .try_into()
                .unwrap()
        })
        .collect();
    let image = "ECR Image Action";
    assert_eq!(own[0], [&one, "PUSH", image]);
    assert_eq!(own[1], [&signature, "PUSH", "ECR Referrer Action"]);
    assert_eq!(own[2], [&one, "UPDATE_STORAGE_CLASS", image]);
    assert_eq!(own[3], [&one, "DELETE", image]);
    // Of three that are left, one of which has lost its subject, the oldest goes.
    assert_eq!(own.len(), 7);
    assert_eq!(own[4], [&old, "PUSH", image]);
    assert_eq!(own[6], [&signature, "DELETE", "ECR Referrer Action"]);
    let executed = events
        .iter()
        .find(|event| event["detail"]["eventName"] == "PolicyExecutionEvent")
        .unwrap();
    assert_eq!(executed["detail"]["eventType"], "AwsServiceEvent");
    assert_eq!(images.state(&old), "there");
}

#[tokio::test]
async fn what_is_received_comes_again_unless_it_is_deleted() {
    let emulator = started().await;
    emulator.configure(|settings| settings.event_delay_millis = 60_000);
    apply(
        &emulator,
        "CreateRepository",
        json!({ "repositoryName": "api" }),
    );
    let receive = |more: Value| sqs(&emulator, "ReceiveMessage", more);
    assert_eq!(receive(json!({})).await, (200, json!({})));
    emulator.advance(Duration::from_mins(1));
    let (_, first) = receive(json!({ "VisibilityTimeout": 5 })).await;
    assert_eq!(first["Messages"].as_array().unwrap().len(), 1);
    assert_eq!(receive(json!({})).await.1, json!({}));
    emulator.advance(Duration::from_secs(5));
    let (_, again) = receive(json!({})).await;
    let message = &again["Messages"][0];
    assert_eq!(message["Attributes"]["ApproximateReceiveCount"], "2");
    assert_eq!(message["MessageId"], first["Messages"][0]["MessageId"]);
    let entries = json!({ "Entries": [
        { "Id": "a", "ReceiptHandle": message["ReceiptHandle"] },
        { "Id": "b", "ReceiptHandle": "made-up" },
    ] });
    let (_, deleted) = sqs(&emulator, "DeleteMessageBatch", entries).await;
    assert_eq!(deleted["Successful"], json!([{ "Id": "a" }]));
    assert_eq!(deleted["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
    emulator.advance(Duration::from_mins(1));
    assert_eq!(receive(json!({})).await.1, json!({}));
}

#[tokio::test]
async fn a_long_poll_ends_with_the_first_message() {
    let emulator = started().await;
    let began = Instant::now();
    let waiting = sqs(
        &emulator,
        "ReceiveMessage",
        json!({ "WaitTimeSeconds": 20 }),
    );
    let write = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        apply(
            &emulator,
            "CreateRepository",
            json!({ "repositoryName": "api" }),
        );
    };
    let ((_, answer), ()) = tokio::join!(waiting, write);
    assert_eq!(answer["Messages"].as_array().unwrap().len(), 1);
    assert!(began.elapsed() < Duration::from_secs(15));
    let (_, empty) = sqs(&emulator, "ReceiveMessage", json!({ "WaitTimeSeconds": 1 })).await;
    assert_eq!(empty, json!({}));
}

#[tokio::test]
async fn queues_are_known_or_refused() {
    let emulator = started().await;
    let (_, url) = sqs(&emulator, "GetQueueUrl", json!({ "QueueName": "events" })).await;
    let url = url["QueueUrl"].as_str().unwrap().to_owned();
    assert_eq!(
        sqs(&emulator, "ReceiveMessage", json!({ "QueueUrl": url }))
            .await
            .0,
        200
    );
    let foreign = url.replace(ACCOUNT, "444455556666");
    for (operation, input, code) in [
        (
            "GetQueueUrl",
            json!({ "QueueName": "none" }),
            "QueueDoesNotExist",
        ),
        (
            "ReceiveMessage",
            json!({ "QueueUrl": foreign }),
            "QueueDoesNotExist",
        ),
        (
            "DeleteMessage",
            json!({ "ReceiptHandle": "x" }),
            "ReceiptHandleIsInvalid",
        ),
        (
            "ReceiveMessage",
            json!({ "MaxNumberOfMessages": 11 }),
            "InvalidParameterValueException",
        ),
        ("SendMessage", json!({}), "UnknownOperationException"),
    ] {
        let (status, answer) = sqs(&emulator, operation, input).await;
        let found = answer["__type"].as_str().unwrap();
        assert!(
            status == 400 && found.ends_with(code),
            "{operation}: {answer}"
        );
    }
}
