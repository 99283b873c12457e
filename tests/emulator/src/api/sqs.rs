//! SQS, as far as a reader of events needs it: queues that the settings name, each with the events
//! of its account and region.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/Welcome.html>

use std::collections::BTreeMap;
use std::sync::Arc;

use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{list as items, text};
use crate::caller::Caller;
use crate::error::Error;
use crate::settings::Settings;
use crate::shape::{self, Member, Shape, optional, required};
use crate::state::{hex, uuid};

const SECONDS: Shape = Shape::Integer {
    min: 0,
    max: 43_200,
};
const RECEIVE: &[Member] = &[
    required("QueueUrl", Shape::TEXT),
    optional("MaxNumberOfMessages", Shape::Integer { min: 1, max: 10 }),
    optional("VisibilityTimeout", SECONDS),
    optional("WaitTimeSeconds", Shape::Integer { min: 0, max: 20 }),
];
const DELETE: &[Member] = &[
    required("QueueUrl", Shape::TEXT),
    required("ReceiptHandle", Shape::TEXT),
];
const ENTRY: Shape = Shape::Structure(&[
    required("Id", Shape::TEXT),
    required("ReceiptHandle", Shape::TEXT),
]);
const DELETE_BATCH: &[Member] = &[
    required("QueueUrl", Shape::TEXT),
    required("Entries", Shape::list(&ENTRY, 1, 10)),
];
const URL: &[Member] = &[required("QueueName", Shape::text(1, 80))];

/// The messages of all queues, by account, region and name of the queue.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    messages: BTreeMap<Key, BTreeMap<u64, Message>>,
    /// So many were sent: the number of the last.
    sent: u64,
    /// Wakes those that wait for messages, to look again.
    pub(crate) bell: Arc<Notify>,
}

/// How long a call waits for a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Patience {
    /// In all, in seconds.
    pub(crate) seconds: u64,
    /// When a message becomes visible that is there already, by the virtual clock.
    pub(crate) next: Option<f64>,
}

#[derive(Debug)]
struct Message {
    body: String,
    sent: f64,
    visible: f64,
    received: u64,
}

type Key = (String, String, String);

impl Queues {
    /// Without messages; whoever waits for some goes on waiting.
    pub(crate) fn emptied(self) -> Self {
        Self {
            bell: self.bell,
            ..Self::default()
        }
    }

    /// Sends an event to every queue of its account and region.
    pub(crate) fn send(&mut self, event: &Value, time: f64, settings: &Settings) {
        for name in &settings.queues {
            let key = (
                text(event, "account").into(),
                text(event, "region").into(),
                name.clone(),
            );
            self.sent += 1;
            let message = Message {
                body: event.to_string(),
                sent: time,
                visible: time + settings.event_delay(),
                received: 0,
            };
            let messages = self.messages.entry(key).or_default();
            messages.insert(self.sent, message);
        }
        self.bell.notify_waiters();
    }

    /// Whether a call would receive nothing now, and how long it is ready to wait.
    pub(crate) fn patience(
        &self,
        (caller, operation, input): (&Caller, &str, &Value),
        (now, settings): (f64, &Settings),
    ) -> Option<Patience> {
        let wait = input.get("WaitTimeSeconds").and_then(Value::as_u64)?;
        let key = queue(caller, input, settings).ok()?;
        let messages = self
            .messages
            .get(&key)
            .into_iter()
            .flat_map(BTreeMap::values);
        let next = messages
            .map(|message| message.visible)
            .min_by(f64::total_cmp);
        let waits = operation == "ReceiveMessage" && next.is_none_or(|next| next > now);
        waits.then_some(Patience {
            seconds: wait.min(20),
            next,
        })
    }

    /// Answers a call.
    pub(crate) fn call(
        &mut self,
        (caller, operation, input): (&Caller, &str, &Value),
        host: &str,
        (now, settings): (f64, &Settings),
    ) -> Result<Value, Error> {
        let members = match operation {
            "ReceiveMessage" => RECEIVE,
            "DeleteMessage" => DELETE,
            "DeleteMessageBatch" => DELETE_BATCH,
            "GetQueueUrl" => URL,
            _ => return Err(Error::unknown_operation()),
        };
        shape::check(members, input).map_err(in_its_words)?;
        if operation == "GetQueueUrl" {
            let name = text(input, "QueueName");
            let url = format!("http://{host}/{}/{name}", caller.account);
            return (settings.queues.contains(name))
                .then(|| json!({ "QueueUrl": url }))
                .ok_or_else(no_queue);
        }
        let key = queue(caller, input, settings)?;
        let messages = self.messages.entry(key).or_default();
        match operation {
            "ReceiveMessage" => Ok(receive(messages, input, now)),
            "DeleteMessage" => {
                delete(messages, text(input, "ReceiptHandle"))?;
                Ok(json!({}))
            }
            _ => Ok(delete_batch(messages, input)),
        }
    }
}

/// The queue that a URL names. Only its path counts, `/<account>/<queue>`: the host is whatever the
/// client was told. Another account's queue would need a policy that nobody writes.
fn queue(caller: &Caller, input: &Value, settings: &Settings) -> Result<Key, Error> {
    let mut parts = text(input, "QueueUrl").rsplit('/');
    let (name, account) = (parts.next(), parts.next());
    match (name, account) {
        (Some(name), Some(account))
            if account == caller.account && settings.queues.contains(name) =>
        {
            Ok((
                caller.account.clone(),
                caller.region.clone(),
                name.to_owned(),
            ))
        }
        _ => Err(no_queue()),
    }
}

/// What is received is hidden for a while, and comes again unless it is deleted.
fn receive(messages: &mut BTreeMap<u64, Message>, input: &Value, now: f64) -> Value {
    let number = |name: &str| input.get(name).and_then(Value::as_u64);
    let most = usize::try_from(number("MaxNumberOfMessages").unwrap_or(1)).unwrap_or(1);
    let hidden = std::time::Duration::from_secs(number("VisibilityTimeout").unwrap_or(30));
    let ready = messages
        .iter_mut()
        .filter(|(_, message)| message.visible <= now);
    let received: Vec<Value> = ready
        .take(most)
        .map(|(id, message)| {
            message.visible = now + hidden.as_secs_f64();
            message.received += 1;
            json!({
                "MessageId": uuid(&format!("message {id}")),
                // Optional in the model, but the SDKs for Java and others compare it with the body.
                "MD5OfBody": hex(&Md5::digest(message.body.as_bytes())),
                "ReceiptHandle": format!("{id}-{}", message.received),
                "Body": message.body,
                "Attributes": {
                    "SentTimestamp": format!("{:.0}", message.sent * 1000.0),
                    "ApproximateReceiveCount": message.received.to_string(),
                },
            })
        })
        .collect();
    if received.is_empty() {
        json!({})
    } else {
        json!({ "Messages": received })
    }
}

/// Deleting what has gone already is no error; the handle must be one that was given.
fn delete(messages: &mut BTreeMap<u64, Message>, handle: &str) -> Result<(), Error> {
    let id = handle.split_once('-').and_then(|(id, count)| {
        count.parse::<u64>().ok()?;
        id.parse::<u64>().ok()
    });
    let id = id.ok_or_else(|| {
        let message =
            format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
        Error::new("com.amazonaws.sqs#ReceiptHandleIsInvalid", message)
    })?;
    messages.remove(&id);
    Ok(())
}

fn delete_batch(messages: &mut BTreeMap<u64, Message>, input: &Value) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in items(input, "Entries") {
        let id = text(entry, "Id");
        match delete(messages, text(entry, "ReceiptHandle")) {
            Ok(()) => successful.push(json!({ "Id": id })),
            Err(error) => failed.push(json!({
                "Id": id, "SenderFault": true, "Code": "ReceiptHandleIsInvalid",
                "Message": error.message,
            })),
        }
    }
    json!({ "Successful": successful, "Failed": failed })
}

fn no_queue() -> Error {
    Error::new(
        "com.amazonaws.sqs#QueueDoesNotExist",
        "The specified queue does not exist.",
    )
}

/// SQS has other names for wrong parameters than ECR.
fn in_its_words(error: Error) -> Error {
    let code = match error.code.as_str() {
        "InvalidParameterException" => "com.amazon.coral.service#InvalidParameterValueException",
        _ => return error,
    };
    Error::new(code, error.message)
}
