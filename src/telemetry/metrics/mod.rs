//! Metrics for Prometheus; docs/metrics.md names each. Labels come from closed lists, or name namespaces and classes,
//! of which there are so many at most; an object's name is among them only where somebody asks for that.

mod at_scrape;
mod each;
mod place;
mod process;
mod resources;
mod snapshots;
#[cfg(test)]
mod tests;
mod work;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

pub use each::{Each, One, OneLabels};
pub use place::Place;
pub use resources::{Kind, Shown, Sight};
pub use work::{Outcome, Work};

use place::Places;
use process::Process;
use resources::Resources;
use snapshots::Snapshots;
use work::Works;

/// The code of a call that AWS answered as wished.
pub const OK: &str = "ok";

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
struct Aspect {
    aspect: &'static str,
    #[prometheus(flatten)]
    place: Place,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Reason {
    reason: &'static str,
    #[prometheus(flatten)]
    place: Place,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Images {
    images: &'static str,
    #[prometheus(flatten)]
    place: Place,
}

/// A call that AWS denied, or whose credentials it did not take.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Denial {
    operation: &'static str,
    code: &'static str,
    class: Arc<str>,
    account: Arc<str>,
    region: Arc<str>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct OfKind {
    kind: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Named {
    name: Arc<str>,
}

/// A request to the API server, by client-go's names.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Request {
    code: String,
    method: String,
    host: Arc<str>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Build {
    version: &'static str,
    commit: &'static str,
}

type Seconds = Counter<f64, AtomicU64>;

/// All metrics; clones share the counts.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    calls: Family<Call, Counter>,
    call_seconds: Family<Operation, Histogram, fn() -> Histogram>,
    wait_seconds: Family<Operation, Seconds>,
    throttles: Family<Operation, Counter>,
    rates: Family<Operation, Gauge<f64, AtomicU64>>,
    denials: Family<Denial, Counter>,
    watch_errors: Family<OfKind, Counter>,
    requests: Family<Request, Counter>,
    repaired: Family<Aspect, Counter>,
    conflicts: Family<Reason, Counter>,
    losses: Family<Reason, Counter>,
    deletes: Family<Images, Counter>,
    places: Arc<Places>,
    /// The name of the lease.
    lease: Arc<str>,
    leader: Family<Named, Gauge<i64, AtomicI64>>,
    works: Arc<Works>,
    resources: Arc<Resources>,
    snapshots: Arc<Snapshots>,
}

impl Metrics {
    /// The metrics of a process that writes while it holds the lease of this name, or without any.
    #[must_use]
    pub fn of(lease: &str) -> Self {
        let metrics = Self {
            registry: Arc::default(),
            calls: Family::default(),
            // Few buckets: each operation has its own.
            call_seconds: Family::new_with_constructor(|| {
                Histogram::new([0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0])
            }),
            wait_seconds: Family::default(),
            throttles: Family::default(),
            rates: Family::default(),
            denials: Family::default(),
            watch_errors: Family::default(),
            requests: Family::default(),
            repaired: Family::default(),
            conflicts: Family::default(),
            losses: Family::default(),
            deletes: Family::default(),
            places: Arc::default(),
            lease: lease.into(),
            leader: Family::default(),
            works: Arc::default(),
            resources: Arc::default(),
            snapshots: Arc::default(),
        };
        for images in ["none", "any"] {
            let place = Place::default();
            drop(metrics.deletes.get_or_create(&Images { images, place }));
        }
        // Without an election the process is the one that writes.
        metrics.leading(true);
        Self {
            registry: Arc::new(metrics.register()),
            ..metrics
        }
    }

    fn register(&self) -> Registry {
        let mut registry = Registry::default();
        self.works.register(&mut registry);
        registry.register(
            "rest_client_requests",
            "Requests to the Kubernetes API, by answer, HTTP method and host",
            self.requests.clone(),
        );
        registry.register(
            "leader_election_master_status",
            "Whether this process is the one that writes: 1, or 0 while it stands by",
            self.leader.clone(),
        );
        registry.register_collector(Box::new(Process::new()));
        self.register_own(registry.sub_registry_with_prefix("ecr_operator"));
        registry
    }

    fn register_own(&self, own: &mut Registry) {
        let built = Family::<Build, Gauge>::default();
        built.get_or_create(&build()).set(1);
        own.register("build_info", "Always 1; what is running", built);
        self.register_aws(own);
        own.register(
            "watch_errors",
            "Failures of the Kubernetes watches",
            self.watch_errors.clone(),
        );
        own.register(
            "drift_repaired",
            "Writes that undid a change made outside, by aspect",
            self.repaired.clone(),
        );
        own.register(
            "conflicts",
            "Objects that met a repository which is not theirs, when that was news",
            self.conflicts.clone(),
        );
        own.register(
            "losses",
            "Repositories that vanished outside: created anew, or held back as too many at once",
            self.losses.clone(),
        );
        own.register(
            "repositories_deleted",
            "Repositories that were deleted, by whether with any images in them",
            self.deletes.clone(),
        );
        own.register_collector(Box::new(Arc::clone(&self.resources)));
        own.register_collector(Box::new(Arc::clone(&self.snapshots)));
    }

    fn register_aws(&self, own: &mut Registry) {
        own.register(
            "aws_calls",
            "Calls to AWS, by operation and AWS's code",
            self.calls.clone(),
        );
        own.register(
            "aws_call_seconds",
            "How long calls to AWS took, without their wait",
            self.call_seconds.clone(),
        );
        own.register(
            "aws_wait_seconds",
            "How long calls waited for their turn",
            self.wait_seconds.clone(),
        );
        own.register(
            "aws_throttles",
            "Calls that AWS answered with: slower",
            self.throttles.clone(),
        );
        own.register(
            "aws_rate",
            "Calls a second that an operation may make, in the registry where it was last called",
            self.rates.clone(),
        );
        own.register(
            "aws_denials",
            "Calls that AWS denied, or whose credentials it did not take, by class",
            self.denials.clone(),
        );
    }

    /// How many calls of an operation may be made a second from now on.
    pub fn paced(&self, operation: &'static str, rate: f64) {
        self.rates.get_or_create(&Operation { operation }).set(rate);
    }

    /// Counts a call to AWS, and tells the span that it ends.
    pub fn called(
        &self,
        operation: &'static str,
        code: &'static str,
        took: Duration,
        waited: Duration,
    ) {
        tracing::Span::current()
            .record("code", code)
            .record("waited_seconds", waited.as_secs_f64());
        self.calls.get_or_create(&Call { operation, code }).inc();
        let operation = Operation { operation };
        self.call_seconds
            .get_or_create(&operation)
            .observe(took.as_secs_f64());
        self.wait_seconds
            .get_or_create(&operation)
            .inc_by(waited.as_secs_f64());
        // Shown from the first call.
        self.throttles.get_or_create(&operation).inc_by(0);
    }

    /// Counts a call that AWS answered with "slower", whatever the code.
    pub fn throttled(&self, operation: &'static str) {
        self.throttles.get_or_create(&Operation { operation }).inc();
    }

    /// Counts a call that AWS denied, or whose credentials it did not take: of a class, its account and its region.
    pub fn denied(&self, operation: &'static str, code: &'static str, of: &Place) {
        let Place {
            exported_namespace: _,
            class,
            account,
            region,
        } = self.places.admitted(of);
        let denial = Denial {
            operation,
            code,
            class,
            account,
            region,
        };
        self.denials.get_or_create(&denial).inc();
    }

    /// What a controller works on, counted under its name.
    #[must_use]
    pub fn work(&self, controller: &'static str, workers: u16) -> Work {
        self.works.of(controller, workers)
    }

    /// Counts failures of the watch of a kind; 0 has the kind shown from now on.
    pub fn watch_failed(&self, kind: &'static str, times: u64) {
        self.watch_errors
            .get_or_create(&OfKind { kind })
            .inc_by(times);
    }

    /// Counts a request to the API server. `code` is the answer's status, or what stands for none.
    pub(super) fn asked(&self, method: &str, host: &Arc<str>, code: String) {
        let request = Request {
            code,
            method: method.to_owned(),
            host: Arc::clone(host),
        };
        self.requests.get_or_create(&request).inc();
    }

    /// Counts repairs of an aspect; 0 has it shown from now on.
    pub fn repaired(&self, aspect: &'static str, place: &Place, times: u64) {
        let place = self.places.admitted(place);
        let repaired = Aspect { aspect, place };
        self.repaired.get_or_create(&repaired).inc_by(times);
    }

    /// Counts conflicts over a repository; 0 has the reason shown from now on.
    pub fn conflicted(&self, reason: &'static str, place: &Place, times: u64) {
        let place = self.places.admitted(place);
        let conflict = Reason { reason, place };
        self.conflicts.get_or_create(&conflict).inc_by(times);
    }

    /// Counts repositories that vanished; 0 has the reason shown from now on.
    pub fn lost(&self, reason: &'static str, place: &Place, times: u64) {
        let place = self.places.admitted(place);
        let loss = Reason { reason, place };
        self.losses.get_or_create(&loss).inc_by(times);
    }

    /// Counts the deletion of a repository, with any images or only if it has none.
    pub fn deleted(&self, with_images: bool, place: &Place) {
        let images = if with_images { "any" } else { "none" };
        let place = self.places.admitted(place);
        self.deletes.get_or_create(&Images { images, place }).inc();
    }

    /// Whether this process is the one that writes.
    pub fn leading(&self, is_leading: bool) {
        let name = Arc::clone(&self.lease);
        self.leader
            .get_or_create(&Named { name })
            .set(i64::from(is_leading));
    }

    /// A registry is about to be read whole: how old what is known of it is counts from the first time.
    pub fn sweeps(&self, registry: &str) {
        self.snapshots.begins(registry);
    }

    /// All repositories of a registry have just been read: so many.
    pub fn swept(&self, registry: &str, entries: usize) {
        self.snapshots.swept(registry, entries);
    }

    /// Nobody asks for that registry any more.
    pub fn no_longer_swept(&self, registry: &str) {
        self.snapshots.forget(registry);
    }

    /// From now on each scrape looks at the objects in this way.
    pub fn shows(&self, look: impl Fn() -> Sight + Send + Sync + 'static) {
        self.resources.shows(Box::new(look));
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

/// The commit is told by whoever builds, by an environment variable: asking git would make another
/// program of the same sources.
fn build() -> Build {
    Build {
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("ECR_OPERATOR_COMMIT").unwrap_or("unknown"),
    }
}
