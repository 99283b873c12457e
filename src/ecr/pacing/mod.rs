//! How fast AWS is called.
//!
//! ECR throttles each operation by itself, per account and region, with a token bucket that is
//! shared with the pipelines that push images (Amazon ECR User Guide, "Service quotas"). The rates
//! of its control plane are not published: the budget is cautious, and `ThrottlingException` lowers
//! the rate of that one operation there.

mod bucket;
mod line;
mod rate;
mod vain;

#[cfg(test)]
mod bunched;
#[cfg(test)]
mod curve;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use self::{
    bucket::{Answered, Bucket, Leave},
    line::{Line, Supply as _},
};
use crate::domain::{
    class::Budget,
    failure::{Class, Failure},
    identity::Registry,
    turns::Errand,
};

/// Whether a call changes something in AWS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Read,
    Write,
}

impl Kind {
    fn of(self, budget: Budget) -> f64 {
        let calls = match self {
            Self::Read => budget.reads,
            Self::Write => budget.writes,
        };
        f64::from(calls.get())
    }
}

/// One operation of one registry.
struct Operation {
    kind: Kind,
    line: Arc<Line<Bucket>>,
    /// Held by the one of all waiters who watches the clock.
    clock: tokio::sync::Mutex<()>,
}

/// One registry.
#[derive(Default)]
struct Paced {
    budget: Budget,
    operations: BTreeMap<&'static str, Arc<Operation>>,
}

/// Waits until an operation may be called.
#[derive(Default)]
pub(super) struct Pacing(Mutex<HashMap<Registry, Paced>>);

/// Leave to make one call. How that went is told to it; where none is made, the next in line has it.
pub struct Turn {
    operation: Arc<Operation>,
    /// None once it is used.
    leave: Option<Leave>,
    /// How long it took to come.
    pub(super) waited: Duration,
}

impl Pacing {
    /// From now on the operations of a registry have this budget.
    pub(super) fn set_budget(&self, registry: &Registry, budget: Budget) {
        let operations: Vec<_> = self.with(registry, |paced| {
            paced.budget = budget;
            paced.operations.values().map(Arc::clone).collect()
        });
        for operation in operations {
            let calls = operation.kind.of(budget);
            operation
                .line
                .with(|bucket, now| bucket.set_budget(calls, now));
        }
    }

    /// Waits for the operation's turn.
    pub(super) async fn turn(
        &self,
        registry: &Registry,
        kind: Kind,
        operation: &'static str,
        errand: &Errand,
    ) -> Turn {
        let began = Instant::now();
        let operation = self.operation(registry, kind, operation);
        let mut place = operation.line.join(errand);
        let leave = tokio::select! {
            biased;
            leave = place.turn() => leave,
            never = operation.watch_the_clock() => match never {},
        };
        drop(place);
        Turn {
            operation,
            leave: Some(leave),
            waited: began.elapsed(),
        }
    }

    fn operation(&self, registry: &Registry, kind: Kind, name: &'static str) -> Arc<Operation> {
        self.with(registry, |paced| {
            let calls = kind.of(paced.budget);
            let operation = paced.operations.entry(name).or_insert_with(|| {
                Arc::new(Operation {
                    kind,
                    line: Arc::new(Line::new(|now| Bucket::full(calls, now))),
                    clock: tokio::sync::Mutex::default(),
                })
            });
            Arc::clone(operation)
        })
    }

    fn with<T>(&self, registry: &Registry, change: impl FnOnce(&mut Paced) -> T) -> T {
        // A map is whole after any panic.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(paced) = all.get_mut(registry) {
            return change(paced);
        }
        change(all.entry(registry.clone()).or_default())
    }
}

impl Operation {
    /// Gives out tokens as they come. One of all who wait does so for all of them; when it has its turn
    /// or waits no longer, the lock falls to another.
    async fn watch_the_clock(&self) -> Infallible {
        let _watching = self.clock.lock().await;
        while let Some(ready) = self.line.ready(Bucket::ready) {
            tokio::time::sleep_until(ready).await;
        }
        // Nobody is left, so whoever watches has had its turn as well.
        std::future::pending().await
    }
}

impl Turn {
    /// Tells how the call went; the rate from now on.
    pub(super) fn answered<T>(mut self, answer: Result<T, &Failure>) -> f64 {
        let answered = answered(answer.err().map(|failure| failure.class));
        let leave = self.leave.take();
        self.operation.line.with(|bucket, now| {
            if let Some(leave) = leave {
                bucket.answered(leave, answered, now);
            }
            bucket.rate(now)
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(leave) = self.leave.take() {
            self.operation
                .line
                .with(|bucket, _| bucket.give_back(leave));
        }
    }
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn")
            .field("waited", &self.waited)
            .finish_non_exhaustive()
    }
}

/// What AWS made of a call that failed like this.
fn answered(failed: Option<Class>) -> Answered {
    match failed {
        Some(Class::Throttled) => Answered::Throttled,
        Some(Class::Unavailable | Class::Unsettled | Class::NotLeading) => Answered::Unknown,
        None
        | Some(
            Class::Credentials
            | Class::WrongAccount
            | Class::Denied
            | Class::Invalid
            | Class::PolicyRefused
            | Class::Limit
            | Class::Kms
            | Class::Gone
            | Class::Exists
            | Class::NotEmpty
            | Class::Altered,
        ) => Answered::Taken,
    }
}
