//! How fast AWS is called.
//!
//! ECR throttles each operation by itself, per account and region, with a token bucket that is
//! shared with the pipelines that push images (Amazon ECR User Guide, "Service quotas"). The rates
//! of its control plane are not published, so these are cautious.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::domain::identity::Registry;

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

impl Budget {
    /// The lower of two, for reads and writes by themselves.
    #[must_use]
    pub fn lowest(self, other: Self) -> Self {
        Self {
            reads_per_second: self.reads_per_second.min(other.reads_per_second),
            writes_per_second: self.writes_per_second.min(other.writes_per_second),
        }
    }
}

const fn nonzero(n: u32) -> NonZeroU32 {
    match NonZeroU32::new(n) {
        Some(n) => n,
        None => NonZeroU32::MIN,
    }
}

/// Whether a call changes something in AWS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Read,
    Write,
}

/// The buckets of one registry, one for each operation.
struct Buckets {
    budget: Budget,
    reads: DefaultKeyedRateLimiter<&'static str>,
    writes: DefaultKeyedRateLimiter<&'static str>,
}

impl Buckets {
    fn full(budget: Budget) -> Self {
        let bucket = |rate: NonZeroU32| RateLimiter::keyed(Quota::per_second(rate));
        Self {
            budget,
            reads: bucket(budget.reads_per_second),
            writes: bucket(budget.writes_per_second),
        }
    }
}

/// Waits until an operation may be called.
#[derive(Default)]
pub(super) struct Pacing(Mutex<HashMap<Registry, Arc<Buckets>>>);

impl Pacing {
    /// From now on the operations of a registry have this budget. Buckets are full after a change.
    pub(super) fn set_budget(&self, registry: &Registry, budget: Budget) {
        self.with(|all| {
            let held = all.get(registry).map(|buckets| buckets.budget);
            if held != Some(budget) {
                all.insert(registry.clone(), Arc::new(Buckets::full(budget)));
            }
        });
    }

    /// Waits for the operation's turn; tells how long that took.
    pub(super) async fn turn(
        &self,
        registry: &Registry,
        kind: Kind,
        operation: &'static str,
    ) -> Duration {
        let began = std::time::Instant::now();
        let buckets = self.buckets(registry);
        match kind {
            Kind::Read => buckets.reads.until_key_ready(&operation).await,
            Kind::Write => buckets.writes.until_key_ready(&operation).await,
        }
        began.elapsed()
    }

    fn buckets(&self, registry: &Registry) -> Arc<Buckets> {
        self.with(|all| {
            let buckets = all
                .entry(registry.clone())
                .or_insert_with(|| Arc::new(Buckets::full(Budget::default())));
            Arc::clone(buckets)
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut HashMap<Registry, Arc<Buckets>>) -> T) -> T {
        // A map is whole after any panic.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::{Region, RegistryId};

    fn registry(account: &str) -> Registry {
        Registry {
            id: RegistryId::parse(account).unwrap(),
            region: Region::parse("ap-southeast-1").unwrap(),
        }
    }

    fn budget(reads: u32, writes: u32) -> Budget {
        Budget {
            reads_per_second: nonzero(reads),
            writes_per_second: nonzero(writes),
        }
    }

    fn is_ready(pacing: &Pacing, registry: &Registry, kind: Kind) -> bool {
        let buckets = pacing.buckets(registry);
        let key = "Operation";
        match kind {
            Kind::Read => buckets.reads.check_key(&key).is_ok(),
            Kind::Write => buckets.writes.check_key(&key).is_ok(),
        }
    }

    #[test]
    fn registries_and_kinds_have_buckets_of_their_own() {
        let pacing = Pacing::default();
        let (one, other) = (registry("111111111111"), registry("222222222222"));
        pacing.set_budget(&one, budget(1, 1));
        assert!(is_ready(&pacing, &one, Kind::Read));
        assert!(!is_ready(&pacing, &one, Kind::Read), "it is used up");
        assert!(is_ready(&pacing, &one, Kind::Write));
        assert!(is_ready(&pacing, &other, Kind::Read));
    }

    #[test]
    fn the_same_budget_again_fills_no_bucket() {
        let (pacing, one) = (Pacing::default(), registry("111111111111"));
        pacing.set_budget(&one, budget(1, 1));
        assert!(is_ready(&pacing, &one, Kind::Read));
        pacing.set_budget(&one, budget(1, 1));
        assert!(!is_ready(&pacing, &one, Kind::Read));
        pacing.set_budget(&one, budget(2, 1));
        assert!(is_ready(&pacing, &one, Kind::Read));
    }

    #[test]
    fn of_several_the_lowest_holds() {
        assert_eq!(budget(10, 1).lowest(budget(2, 5)), budget(2, 1));
    }
}
