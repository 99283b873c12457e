//! Events as `EventBridge` delivers them: ECR's own, and those that `CloudTrail` makes of calls.
//!
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html> and
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/logging-using-cloudtrail.html>.

use serde_json::{Map, Value, json};

use crate::api::lifecycle_run::Done;
use crate::api::{list, text};
use crate::caller::Caller;
use crate::clock::in_iso;
use crate::error::Error;
use crate::state::{Image, repository_arn, uuid};

/// Where and when something happened, and a seed for its identifiers.
pub(crate) struct Occasion<'a> {
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) time: f64,
    pub(crate) seed: String,
}

/// Whether an operation writes. Rules on `CloudTrail` do not see calls that read.
pub(crate) fn is_write(operation: &str) -> bool {
    let reads = ["Batch", "Describe", "Get", "List", "Validate"];
    operation == "BatchDeleteImage" || !reads.iter().any(|read| operation.starts_with(read))
}

impl Occasion<'_> {
    fn event(&self, kind: &str, detail: &Value) -> Value {
        json!({
            "version": "0",
            "id": uuid(&format!("event {kind} {} {detail}", self.seed)),
            "detail-type": kind,
            "source": "aws.ecr",
            "account": self.account,
            "time": in_iso(self.time),
            "region": self.region,
            "resources": [],
            "detail": detail,
        })
    }

    /// What `CloudTrail` makes of a call, also of one that was refused.
    pub(crate) fn of_call(
        &self,
        caller: &Caller,
        (operation, input): (&str, &Value),
        answer: &Result<Value, Error>,
    ) -> Value {
        let mut detail = self.record(operation, "AwsApiCall", &identity(caller), input);
        if let Ok(answer) = answer {
            detail.insert("responseElements".to_owned(), answer.clone());
        }
        if let Err(error) = answer {
            detail.insert("errorCode".to_owned(), json!(error.code));
            detail.insert("errorMessage".to_owned(), json!(error.message));
        }
        self.event("AWS API Call via CloudTrail", &json!(detail))
    }

    fn record(
        &self,
        name: &str,
        kind: &str,
        identity: &Value,
        input: &Value,
    ) -> Map<String, Value> {
        let repository = text(input, "repositoryName");
        let arn = match text(input, "resourceArn") {
            "" => repository_arn(self.account, self.region, repository),
            arn => arn.to_owned(),
        };
        let named = !repository.is_empty() || input.get("resourceArn").is_some();
        let resources = named.then(|| json!([{ "ARN": arn, "accountId": self.account }]));
        let record = json!({
            "eventVersion": "1.11",
            "userIdentity": identity,
            "eventTime": in_iso(self.time),
            "eventSource": "ecr.amazonaws.com",
            "eventName": name,
            "awsRegion": self.region,
            "sourceIPAddress": "127.0.0.1",
            "userAgent": "emulator",
            "requestParameters": input,
            "responseElements": null,
            "requestID": uuid(&format!("request {}", self.seed)),
            "eventID": uuid(&format!("record {}", self.seed)),
            "readOnly": false,
            "resources": resources,
            "eventType": kind,
            "managementEvent": true,
            "recipientAccountId": self.account,
            "eventCategory": "Management",
        });
        record.as_object().cloned().unwrap_or_default()
    }

    /// The execution of a lifecycle policy on one image: `CloudTrail`'s record of it, and ECR's event.
    /// The form of the record is that of AWS's example for an expiry; for a transition it has none.
    pub(crate) fn of_lifecycle(&self, done: &Done) -> [Value; 2] {
        let input = json!({ "repositoryName": done.repository });
        let nobody = json!({ "accountId": self.account, "invokedBy": "AWS Internal" });
        let mut detail = self.record("PolicyExecutionEvent", "AwsServiceEvent", &nobody, &input);
        let details = json!({
            "repositoryName": done.repository,
            "lifecycleEventPolicy": {
                "lifecycleEventRules": [{ "rulePriority": done.priority }],
            },
            "lifecycleEventImageActions": [{
                "lifecycleEventImage": {
                    "digest": done.image.digest,
                    "tagStatus": if done.image.tags.is_empty() { "Untagged" } else { "Tagged" },
                    "tagList": done.image.tags,
                    "pushedAt": done.image.pushed_at,
                },
                "rulePriority": done.priority,
            }],
        });
        detail.insert("requestParameters".to_owned(), Value::Null);
        detail.insert("serviceEventDetails".to_owned(), details);
        let kind = "AWS Service Event via CloudTrail";
        let action = if done.expired {
            "DELETE"
        } else {
            "UPDATE_STORAGE_CLASS"
        };
        let tag = done.image.tags.first().map_or("", String::as_str);
        [
            self.event(kind, &json!(detail)),
            self.image(&done.repository, (action, tag), &done.image, |detail| {
                if !done.expired {
                    detail.insert("target-storage-class".to_owned(), json!("ARCHIVE"));
                }
            }),
        ]
    }

    /// ECR's own events about a call that took effect. `images` finds those that the repository has,
    /// or had before the call.
    pub(crate) fn of_images<'i>(
        &self,
        (operation, input): (&str, &Value),
        answer: &Value,
        images: impl Fn(&str) -> Option<&'i Image>,
    ) -> Vec<Value> {
        let name = text(input, "repositoryName");
        let image = |id: &Value, action: &str, class: &str| {
            let image = images(text(id, "imageDigest"))?;
            Some(
                self.image(name, (action, text(id, "imageTag")), image, |detail| {
                    if !class.is_empty() {
                        detail.insert("target-storage-class".to_owned(), json!(class));
                    }
                }),
            )
        };
        let none = Value::Null;
        let events: Vec<Option<Value>> = match operation {
            "PutImage" => {
                let id = answer.pointer("/image/imageId").unwrap_or(&none);
                vec![image(id, "PUSH", "")]
            }
            "BatchDeleteImage" => {
                let ids = list(answer, "imageIds").iter();
                ids.map(|id| image(id, "DELETE", "")).collect()
            }
            "UpdateImageStorageClass" => {
                let id = answer.get("imageId").unwrap_or(&none);
                vec![image(
                    id,
                    "UPDATE_STORAGE_CLASS",
                    text(input, "targetStorageClass"),
                )]
            }
            _ => Vec::new(),
        };
        events.into_iter().flatten().collect()
    }

    /// `ECR Image Action`, or `ECR Referrer Action` for what refers to another image.
    fn image(
        &self,
        repository: &str,
        (action, tag): (&str, &str),
        image: &Image,
        more: impl FnOnce(&mut Map<String, Value>),
    ) -> Value {
        let mut detail = Map::new();
        let mut put = |name: &str, value: Value| detail.insert(name.to_owned(), value);
        put("action-type", json!(action));
        put("result", json!("SUCCESS"));
        put("repository-name", json!(repository));
        put("image-digest", json!(image.digest));
        put("manifest-media-type", json!(image.media_type));
        if !tag.is_empty() {
            put("image-tag", json!(tag));
        }
        if let Some(kind) = &image.artifact_media_type {
            put("artifact-media-type", json!(kind));
        }
        more(&mut detail);
        let kind = if image.subject.is_some() {
            "ECR Referrer Action"
        } else {
            "ECR Image Action"
        };
        self.event(kind, &json!(detail))
    }
}

/// Who called, as `CloudTrail` writes it.
fn identity(caller: &Caller) -> Value {
    let kind = if caller.session.is_some() {
        "AssumedRole"
    } else {
        "IAMUser"
    };
    json!({
        "type": kind,
        "arn": caller.arn(),
        "accountId": caller.account,
        "accessKeyId": caller.access_key,
    })
}
