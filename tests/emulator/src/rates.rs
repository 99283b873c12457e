//! Token buckets: AWS throttles each operation by itself, in each account and region.
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html>

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How often an operation may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rate {
    /// So many tokens come back in a second.
    pub per_second: u32,
    /// So many calls may be made at once.
    pub burst: u32,
}

/// The buckets of all operations, by operation, account and region.
#[derive(Debug, Default)]
pub(crate) struct Buckets(BTreeMap<(String, String, String), Bucket>);

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled_at: f64,
}

impl Buckets {
    /// Takes a token of an operation, if there is one; an operation without a rate has any number.
    pub(crate) fn take(
        &mut self,
        rates: &BTreeMap<String, Rate>,
        [operation, account, region]: [&str; 3],
        now: f64,
    ) -> bool {
        let Some(rate) = rates.get(operation).or_else(|| rates.get("*")) else {
            return true;
        };
        let key = [operation, account, region].map(str::to_owned).into();
        let full = Bucket {
            tokens: f64::from(rate.burst),
            filled_at: now,
        };
        self.0.entry(key).or_insert(full).take(*rate, now)
    }
}

impl Bucket {
    /// A clock that was moved back brings nothing.
    fn take(&mut self, rate: Rate, now: f64) -> bool {
        let gained = (now - self.filled_at).max(0.0) * f64::from(rate.per_second);
        self.tokens = (self.tokens + gained).min(f64::from(rate.burst));
        self.filled_at = now;
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}
