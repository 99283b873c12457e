//! What controllers have to do, by the names that controller-runtime and client-go gave it.
//!
//! No queue is looked into. What one does is told from what goes in and comes out: each keeps an object
//! once, by the earliest time that it was asked for (`controller::queue`; kube-runtime, `scheduler`).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

use super::at_scrape::{AtScrape, Sight};

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct Controller {
    pub(super) controller: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Ended {
    controller: &'static str,
    result: &'static str,
}

/// client-go calls it by the queue's name, controller-runtime by the controller's: they are one.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct Queue {
    name: &'static str,
    controller: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// How a pass ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Nothing is left to do until somebody asks.
    Done,
    /// All is well; the next pass comes by time.
    Later,
    /// The object changed under way, or the process stops: a pass more, at once.
    Again,
    /// Something failed and is tried again.
    Failed,
    /// What failed waits for a person.
    Hopeless,
    /// The pass took too long.
    TimedOut,
}

impl Outcome {
    const fn result(self) -> &'static str {
        match self {
            Self::Done => "success",
            Self::Later => "requeue_after",
            Self::Again => "requeue",
            Self::Failed | Self::Hopeless | Self::TimedOut => "error",
        }
    }

    const fn is_error(self) -> bool {
        match self {
            Self::Done | Self::Later | Self::Again => false,
            Self::Failed | Self::Hopeless | Self::TimedOut => true,
        }
    }

    /// Whether the next pass comes with back-off.
    const fn is_retried(self) -> bool {
        match self {
            Self::Done | Self::Later | Self::Hopeless => false,
            Self::Again | Self::Failed | Self::TimedOut => true,
        }
    }
}

/// The work of all controllers.
pub(super) struct Works {
    began: Instant,
    all: Mutex<Vec<Arc<Inner>>>,
    ended: Family<Ended, Counter>,
    errors: Family<Controller, Counter>,
    hopeless: Family<Controller, Counter>,
    timeouts: Family<Controller, Counter>,
    seconds: Histograms<Controller>,
    waited: Histograms<Queue>,
    worked: Histograms<Queue>,
    retries: Family<Queue, Counter>,
}

impl Default for Works {
    fn default() -> Self {
        let seconds = || Histogram::new([0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0]);
        let decades = || Histogram::new([0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]);
        Self {
            began: Instant::now(),
            all: Mutex::default(),
            ended: Family::default(),
            errors: Family::default(),
            hopeless: Family::default(),
            timeouts: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            waited: Family::new_with_constructor(decades),
            worked: Family::new_with_constructor(decades),
            retries: Family::default(),
        }
    }
}

impl Works {
    pub(super) fn register(self: &Arc<Self>, registry: &mut Registry) {
        let reconcile = registry.sub_registry_with_prefix("controller_runtime");
        reconcile.register("reconcile", "Passes, by how they ended", self.ended.clone());
        reconcile.register(
            "reconcile_errors",
            "Passes in which something failed",
            self.errors.clone(),
        );
        reconcile.register(
            "terminal_reconcile_errors",
            "Those of them whose failures wait for a person",
            self.hopeless.clone(),
        );
        reconcile.register(
            "reconcile_timeouts",
            "Passes that took too long",
            self.timeouts.clone(),
        );
        reconcile.register(
            "reconcile_time_seconds",
            "How long passes took",
            self.seconds.clone(),
        );
        let queue = registry.sub_registry_with_prefix("workqueue");
        queue.register(
            "queue_duration_seconds",
            "How long objects waited for their pass once it was due",
            self.waited.clone(),
        );
        queue.register(
            "work_duration_seconds",
            "How long passes took",
            self.worked.clone(),
        );
        queue.register(
            "retries",
            "Passes that are made again with back-off",
            self.retries.clone(),
        );
        registry.register_collector(Box::new(AtScrape(Arc::clone(self))));
    }

    pub(super) fn of(self: &Arc<Self>, controller: &'static str, workers: u16) -> Work {
        let inner = Arc::new(Inner {
            controller,
            workers,
            state: Mutex::default(),
        });
        // Shown from the beginning, for rates to begin at 0.
        for outcome in [
            Outcome::Done,
            Outcome::Later,
            Outcome::Again,
            Outcome::Failed,
        ] {
            let result = outcome.result();
            drop(self.ended.get_or_create(&Ended { controller, result }));
        }
        let labels = Controller { controller };
        for family in [&self.errors, &self.hopeless, &self.timeouts] {
            drop(family.get_or_create(&labels));
        }
        drop(self.seconds.get_or_create(&labels));
        drop(self.waited.get_or_create(&inner.queue()));
        drop(self.worked.get_or_create(&inner.queue()));
        drop(self.retries.get_or_create(&inner.queue()));
        lock(&self.all).push(Arc::clone(&inner));
        Work {
            works: Arc::clone(self),
            inner,
        }
    }

    /// What the work of each is like at this moment.
    pub(super) fn sights(&self) -> Vec<Sight> {
        let now = self.began.elapsed();
        let all = lock(&self.all).clone();
        all.iter().map(|inner| inner.sight(now)).collect()
    }

    fn ended(&self, inner: &Inner, took: Duration, outcome: Outcome) {
        let controller = inner.controller;
        let result = outcome.result();
        self.ended
            .get_or_create(&Ended { controller, result })
            .inc();
        let labels = Controller { controller };
        let count = |family: &Family<Controller, Counter>, is: bool| {
            family.get_or_create(&labels).inc_by(u64::from(is));
        };
        count(&self.errors, outcome.is_error());
        count(&self.hopeless, outcome == Outcome::Hopeless);
        count(&self.timeouts, outcome == Outcome::TimedOut);
        self.seconds
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
        self.worked
            .get_or_create(&inner.queue())
            .observe(took.as_secs_f64());
        self.retries
            .get_or_create(&inner.queue())
            .inc_by(u64::from(outcome.is_retried()));
    }
}

/// One controller's work.
struct Inner {
    controller: &'static str,
    workers: u16,
    state: Mutex<State>,
}

impl Inner {
    fn queue(&self) -> Queue {
        Queue {
            name: self.controller,
            controller: self.controller,
        }
    }

    fn sight(&self, now: Duration) -> Sight {
        let mut state = lock(&self.state);
        state.advance(now);
        let running = state.running.values().map(|at| now.saturating_sub(*at));
        Sight {
            controller: Controller {
                controller: self.controller,
            },
            queue: self.queue(),
            workers: self.workers,
            depth: state.ready.len(),
            added: state.added,
            running: running.collect(),
        }
    }
}

/// Objects by a digest of their name; times since the beginning.
#[derive(Default)]
struct State {
    /// Due, and waiting for a free worker.
    ready: HashMap<u64, Duration>,
    /// Not due yet.
    later: HashMap<u64, Duration>,
    running: HashMap<u64, Duration>,
    added: u64,
}

impl State {
    fn add(&mut self, key: u64, since: Duration) {
        if let std::collections::hash_map::Entry::Vacant(free) = self.ready.entry(key) {
            free.insert(since);
            self.added += 1;
        }
    }

    /// What has become due.
    fn advance(&mut self, now: Duration) {
        let due: Vec<_> = self.later.extract_if(|_, at| *at <= now).collect();
        for (key, at) in due {
            self.add(key, at);
        }
    }

    /// A pass begins; how long it waited.
    fn begin(&mut self, key: u64, now: Duration) -> Duration {
        if let Some(at) = self.later.remove(&key) {
            self.add(key, at.min(now));
        }
        let since = self.ready.remove(&key);
        self.running.insert(key, now);
        now.saturating_sub(since.unwrap_or(now))
    }
}

/// What one controller works on; clones share it.
#[derive(Clone)]
pub struct Work {
    works: Arc<Works>,
    inner: Arc<Inner>,
}

impl Work {
    fn now(&self) -> Duration {
        self.works.began.elapsed()
    }

    /// Somebody asks for a pass.
    pub fn wanted(&self, key: u64) {
        let now = self.now();
        let mut state = lock(&self.inner.state);
        state.later.remove(&key);
        state.add(key, now);
    }

    /// The next pass comes by itself after a while.
    pub fn later(&self, key: u64, after: Duration) {
        let at = self.now().saturating_add(after);
        let mut state = lock(&self.inner.state);
        if !state.ready.contains_key(&key) {
            let known = state.later.entry(key).or_insert(at);
            *known = at.min(*known);
        }
    }

    /// A pass begins.
    #[must_use]
    pub fn begins(&self, key: u64) -> Running {
        let began = self.now();
        let waited = lock(&self.inner.state).begin(key, began);
        self.works
            .waited
            .get_or_create(&self.inner.queue())
            .observe(waited.as_secs_f64());
        Running {
            work: self.clone(),
            key,
            began,
        }
    }

    /// The object is gone.
    pub fn forget(&self, key: u64) {
        let mut state = lock(&self.inner.state);
        state.ready.remove(&key);
        state.later.remove(&key);
    }

    /// All others are gone.
    pub fn only(&self, is_there: impl Fn(u64) -> bool) {
        let mut state = lock(&self.inner.state);
        state.ready.retain(|key, _| is_there(*key));
        state.later.retain(|key, _| is_there(*key));
    }
}

/// A pass under way: it counts as one until this is dropped.
pub struct Running {
    work: Work,
    key: u64,
    began: Duration,
}

impl Running {
    /// The pass has ended.
    pub fn ends(self, outcome: Outcome) {
        let took = self.work.now().saturating_sub(self.began);
        self.work.works.ended(&self.work.inner, took, outcome);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.work.inner.state).running.remove(&self.key);
    }
}

fn lock<T>(state: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Each is whole after any panic.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
