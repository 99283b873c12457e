//! Events as `EventBridge` delivers them: ECR's own, and those that `CloudTrail` makes of calls.
//!
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html>.

mod cloudtrail;
mod news;

use serde_json::{Value, json};

pub(crate) use cloudtrail::is_write;
pub(crate) use news::{Action, News};

use crate::clock::in_iso;
use crate::state::uuid;

/// Where and when something happened, and a seed for its identifiers.
pub(crate) struct Occasion<'a> {
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) time: f64,
    pub(crate) seed: String,
}

impl Occasion<'_> {
    fn event(&self, kind: &str, resources: &[String], detail: &Value) -> Value {
        json!({
            "version": "0",
            "id": uuid(&format!("event {kind} {} {detail}", self.seed)),
            "detail-type": kind,
            "source": "aws.ecr",
            "account": self.account,
            "time": in_iso(self.time),
            "region": self.region,
            "resources": resources,
            "detail": detail,
        })
    }
}
