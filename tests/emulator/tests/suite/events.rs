//! Events, and the queues that they come to.

use std::time::Duration;

use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, MessageSystemAttributeName};
use ecr_emulator::Emulator;
use serde_json::{Value, json};

use crate::lifecycle_world::{DAY, Images, any, keep};
use crate::support::{
    ACCOUNT, REGION, apply, arn, authorization, create, http, key, post, refusal, refused, sdk,
    start,
};

pub(crate) async fn started() -> Emulator {
    let emulator = start().await;
    emulator.configure(|settings| {
        settings.queues.insert("events".to_owned());
    });
    emulator
}

fn queues(emulator: &Emulator, account: &str, region: &str) -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::new(&sdk(emulator, key(account), region))
}

/// The queue as the SDK finds it.
async fn url(client: &aws_sdk_sqs::Client) -> String {
    let found = client.get_queue_url().queue_name("events").send().await;
    found.unwrap().queue_url().unwrap().to_owned()
}

/// Takes all events out of the queue of a place, ten at a time.
pub(crate) async fn drain_at(emulator: &Emulator, account: &str, region: &str) -> Vec<Value> {
    let client = queues(emulator, account, region);
    let url = url(&client).await;
    let mut events = Vec::new();
    loop {
        let receive = client
            .receive_message()
            .queue_url(&url)
            .max_number_of_messages(10);
        let received = receive.send().await.unwrap();
        if received.messages().is_empty() {
            return events;
        }
        for message in received.messages() {
            events.push(serde_json::from_str(message.body().unwrap()).unwrap());
            let handle = message.receipt_handle().unwrap();
            let delete = client
                .delete_message()
                .queue_url(&url)
                .receipt_handle(handle);
            delete.send().await.unwrap();
        }
    }
}

pub(crate) async fn drain(emulator: &Emulator) -> Vec<Value> {
    drain_at(emulator, ACCOUNT, REGION).await
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

/// By python, so that it is not the emulator's own.
fn md5(text: &str) -> String {
    let script = "import hashlib, sys; print(hashlib.md5(sys.argv[1].encode()).hexdigest())";
    crate::model::python(&["-c", script, text])
        .trim()
        .to_owned()
}

#[tokio::test]
async fn what_is_received_comes_again_unless_it_is_deleted() {
    let emulator = started().await;
    emulator.configure(|settings| settings.event_delay_millis = 60_000);
    create(&emulator, "api");
    let client = queues(&emulator, ACCOUNT, REGION);
    let url = url(&client).await;
    let receive = || {
        let names = MessageSystemAttributeName::All;
        let ask = client.receive_message().queue_url(&url);
        ask.message_system_attribute_names(names)
            .visibility_timeout(5)
    };
    let none = async || receive().send().await.unwrap().messages().is_empty();
    assert!(none().await);
    emulator.advance(Duration::from_mins(1));
    let first = receive().send().await.unwrap();
    assert_eq!(first.messages().len(), 1);
    assert!(none().await);
    emulator.advance(Duration::from_secs(5));
    let again = receive().send().await.unwrap();
    let message = &again.messages()[0];
    let count =
        &message.attributes().unwrap()[&MessageSystemAttributeName::ApproximateReceiveCount];
    assert_eq!(count, "2");
    assert_eq!(message.message_id(), first.messages()[0].message_id());
    assert_eq!(message.body(), first.messages()[0].body());
    // The SDK for Rust does not compare it, others do.
    assert_eq!(message.md5_of_body().unwrap(), md5(message.body().unwrap()));
    let entry = |id: &str, handle: &str| {
        let entry = DeleteMessageBatchRequestEntry::builder();
        entry.id(id).receipt_handle(handle).build().unwrap()
    };
    let delete = client
        .delete_message_batch()
        .queue_url(&url)
        .entries(entry("a", message.receipt_handle().unwrap()))
        .entries(entry("b", "made-up"));
    let deleted = delete.send().await.unwrap();
    assert_eq!(deleted.successful().len(), 1);
    assert_eq!(deleted.successful()[0].id(), "a");
    assert_eq!(deleted.failed()[0].code(), "ReceiptHandleIsInvalid");
    assert!(deleted.failed()[0].sender_fault());
    emulator.advance(Duration::from_mins(1));
    assert!(none().await);
}

/// That whoever waits is woken is tested where the waiting is; here that it comes over the wire, in
/// whatever order the two calls arrive.
#[tokio::test]
async fn a_long_poll_ends_with_the_first_message() {
    let emulator = started().await;
    let client = queues(&emulator, ACCOUNT, REGION);
    let url = url(&client).await;
    let wait = |seconds| {
        client
            .receive_message()
            .queue_url(&url)
            .wait_time_seconds(seconds)
    };
    let input = json!({ "repositoryName": "api" });
    let (received, _) = tokio::join!(wait(20).send(), post(&emulator, "CreateRepository", input));
    assert_eq!(received.unwrap().messages().len(), 1);
    // What ends by itself is told to whoever waits, though nobody calls.
    emulator.configure(|settings| settings.job_millis = 30);
    drain(&emulator).await;
    let images = Images(&emulator);
    images.layer();
    images.push("one", &["v1"]);
    drain(&emulator).await;
    let scan = json!({ "repositoryName": "api", "imageId": { "imageTag": "v1" } });
    apply(&emulator, "StartImageScan", scan);
    let all = wait(20).max_number_of_messages(10).send().await.unwrap();
    let mut found = all.messages().len();
    if found == 1 {
        found += wait(20).send().await.unwrap().messages().len();
    }
    assert_eq!(found, 2, "the call and the end of the scan");
    let empty = wait(1).send().await.unwrap();
    assert!(empty.messages().is_empty());
}

#[tokio::test]
async fn queues_are_known_or_refused() {
    let emulator = started().await;
    let client = queues(&emulator, ACCOUNT, REGION);
    let url = url(&client).await;
    assert_eq!(url, format!("{}/{ACCOUNT}/events", emulator.url()));
    let foreign = url.replace(ACCOUNT, "444455556666");
    let none = client.get_queue_url().queue_name("none").send().await;
    assert!(refused(none).0.ends_with("QueueDoesNotExist"));
    let other = client.receive_message().queue_url(foreign).send().await;
    assert!(refused(other).0.ends_with("QueueDoesNotExist"));
    let delete = client.delete_message().queue_url(&url).receipt_handle("x");
    assert!(
        refused(delete.send().await)
            .0
            .ends_with("ReceiptHandleIsInvalid")
    );
    let eleven = client
        .receive_message()
        .queue_url(&url)
        .max_number_of_messages(11);
    let code = refused(eleven.send().await).0;
    assert!(code.ends_with("InvalidParameterValueException"), "{code}");
    let send = client.send_message().queue_url(&url).message_body("x");
    assert_eq!(refused(send.send().await).0, "UnknownOperationException");
    // Some SDKs send to the path of the queue, where this one sends to the root.
    let headers = [
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", "AmazonSQS.ReceiveMessage"),
        ("authorization", &authorization(ACCOUNT, REGION, "sqs")),
    ];
    let body = json!({ "QueueUrl": url }).to_string();
    let path = format!("/{ACCOUNT}/events");
    let (status, answer) = http(&emulator, "POST", &path, &headers, &body)
        .await
        .unwrap();
    assert_eq!((status, answer.as_str()), (200, "{}"));
}
