//! What `CloudTrail` makes of calls, and of what lifecycle policies do.
//!
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/logging-using-cloudtrail.html>.

use serde_json::{Map, Value, json};

use super::Occasion;
use crate::api::lifecycle_run::Done;
use crate::api::text;
use crate::caller::Caller;
use crate::clock::in_iso;
use crate::error::Error;
use crate::state::{repository_arn, uuid};

/// Whether an operation writes. Rules on `CloudTrail` do not see calls that read.
pub(crate) fn is_write(operation: &str) -> bool {
    let reads = ["Batch", "Describe", "Get", "List", "Validate"];
    operation == "BatchDeleteImage" || !reads.iter().any(|read| operation.starts_with(read))
}

impl Occasion<'_> {
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
        self.event("AWS API Call via CloudTrail", &[], &json!(detail))
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

    /// `CloudTrail`'s record of the execution of a lifecycle policy on one image. Its form is that of
    /// AWS's example for an expiry; for a transition there is none.
    pub(crate) fn of_lifecycle(&self, done: &Done) -> Value {
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
        self.event("AWS Service Event via CloudTrail", &[], &json!(detail))
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
