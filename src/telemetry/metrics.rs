//! Counters for Prometheus. Labels come from closed lists: never an object's name.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Call {
    operation: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Operation {
    operation: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Outcome {
    result: &'static str,
}

/// All metrics; clones share the counts.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    calls: Family<Call, Counter>,
    call_seconds: Family<Operation, Histogram, fn() -> Histogram>,
    wait_seconds: Family<Operation, Counter<f64, std::sync::atomic::AtomicU64>>,
    passes: Family<Outcome, Counter>,
    watch_errors: Counter,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Arc::default(),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(|| {
                Histogram::new([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
            }),
            wait_seconds: Family::default(),
            passes: Family::default(),
            watch_errors: Counter::default(),
            leader: Gauge::default(),
        };
        Self {
            registry: Arc::new(metrics.register()),
            ..metrics
        }
    }
}

impl Metrics {
    fn register(&self) -> Registry {
        let mut registry = Registry::with_prefix("ecr_operator");
        registry.register(
            "aws_calls",
            "Calls to AWS, by operation and outcome",
            self.calls.clone(),
        );
        registry.register(
            "aws_call_seconds",
            "How long calls to AWS took",
            self.call_seconds.clone(),
        );
        registry.register(
            "aws_wait_seconds",
            "How long calls waited for their turn",
            self.wait_seconds.clone(),
        );
        registry.register(
            "reconcile",
            "Passes over an object, by outcome",
            self.passes.clone(),
        );
        registry.register(
            "watch_errors",
            "Failures of the Kubernetes watch",
            self.watch_errors.clone(),
        );
        registry.register(
            "leader",
            "Whether this process leads (1) or stands by (0)",
            self.leader.clone(),
        );
        registry
    }

    /// Counts a call to AWS.
    pub fn called(
        &self,
        operation: &'static str,
        code: &'static str,
        took: Duration,
        waited: Duration,
    ) {
        self.calls.get_or_create(&Call { operation, code }).inc();
        self.call_seconds
            .get_or_create(&Operation { operation })
            .observe(took.as_secs_f64());
        self.wait_seconds
            .get_or_create(&Operation { operation })
            .inc_by(waited.as_secs_f64());
    }

    /// Counts a pass over an object.
    pub fn passed(&self, result: &'static str) {
        self.passes.get_or_create(&Outcome { result }).inc();
    }

    /// Counts a failure of the Kubernetes watch.
    pub fn watch_failed(&self) {
        self.watch_errors.inc();
    }

    /// Notes whether this process leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// All metrics, in Prometheus' open text format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
