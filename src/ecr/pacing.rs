//! How fast AWS is called.
//!
//! ECR throttles each operation by itself, per account and region, with a token bucket that is
//! shared with the pipelines that push images (Amazon ECR User Guide, "Service quotas"). The rates
//! of its control plane are not published, so these are cautious.

use std::{num::NonZeroU32, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Calls per second of each single operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Budget {
    /// Of operations that read.
    pub reads_per_second: NonZeroU32,
    /// Of operations that write.
    pub writes_per_second: NonZeroU32,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            reads_per_second: nonzero(10),
            writes_per_second: nonzero(5),
        }
    }
}

const fn nonzero(n: u32) -> NonZeroU32 {
    match NonZeroU32::new(n) {
        Some(n) => n,
        None => NonZeroU32::MIN,
    }
}

/// Waits until an operation may be called.
pub struct Pacing {
    reads: DefaultKeyedRateLimiter<&'static str>,
    writes: DefaultKeyedRateLimiter<&'static str>,
}

/// Whether a call changes something in AWS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Read,
    Write,
}

impl Pacing {
    /// A full bucket for each operation.
    #[must_use]
    pub fn new(budget: Budget) -> Self {
        let bucket = |rate: NonZeroU32| RateLimiter::keyed(Quota::per_second(rate));
        Self {
            reads: bucket(budget.reads_per_second),
            writes: bucket(budget.writes_per_second),
        }
    }

    /// Waits for the operation's turn; tells how long that took.
    pub(super) async fn turn(&self, kind: Kind, operation: &'static str) -> Duration {
        let began = std::time::Instant::now();
        match kind {
            Kind::Read => self.reads.until_key_ready(&operation).await,
            Kind::Write => self.writes.until_key_ready(&operation).await,
        }
        began.elapsed()
    }
}
