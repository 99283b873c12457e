//! What every pass shares.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Mutex,
    time::{Duration, Instant},
};

use futures::channel::mpsc::UnboundedSender;
use k8s_openapi::jiff::Timestamp;
use kube::{
    Client,
    runtime::reflector::{ObjectRef, Store},
};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    assign::Parsed, definitions::Definitions, events::Events, memory::Memories, owned::Owned,
    roll_call::RollCall, surroundings::Surroundings, sweep::Wanted, watched::Watched,
};
use crate::{
    domain::{
        identity::{ClusterName, ClusterUid, Registry},
        retry::{Moment, Now, Waits},
        rota::Idle,
        status::binding,
    },
    telemetry::{Metrics, Work},
};

/// Which cluster this is.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Its name in owner tags.
    pub name: ClusterName,
    /// Names that it went by before.
    pub previous_names: Vec<ClusterName>,
    /// The uid of its namespace kube-system.
    pub uid: ClusterUid,
    /// Until when another process worked here; `None` where nobody knows.
    pub worked_until: Option<Timestamp>,
}

/// What the flags say.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Between two looks at settings and tags.
    pub resync: Duration,
    /// Between two looks at lifecycle and repository policies.
    pub policy_resync: Duration,
    /// Between two attempts where only a person can help.
    pub stalled_retry: Duration,
    /// Whether the class `default` is made where there is no class at all.
    pub create_default_class: bool,
    /// How many objects have metrics of their own; none where nobody wants that.
    pub per_object_metrics: Option<usize>,
}

impl Settings {
    pub(super) fn waits(&self) -> Waits {
        Waits {
            rest: self.stalled_retry,
            rota: self.policy_resync,
        }
    }
}

/// What every pass shares.
pub(super) struct Context<C> {
    pub(super) client: Client,
    pub(super) clients: C,
    pub(super) cluster: Cluster,
    pub(super) settings: Settings,
    pub(super) definitions: Definitions,
    pub(super) store: Store<Watched>,
    pub(super) surroundings: Surroundings,
    pub(super) parsed: Parsed,
    /// As of which version of the classes the calls to a registry are paced.
    pub(super) paced: Mutex<HashMap<Registry, u64>>,
    pub(super) memories: Memories,
    pub(super) roll_call: RollCall,
    pub(super) owned: Owned,
    /// Asks for sweeps.
    pub(super) sweeps: Wanted,
    /// Has objects looked at that another one's pass is about as well.
    pub(super) woken: UnboundedSender<ObjectRef<Watched>>,
    /// Room for answers with large objects.
    pub(super) large_answers: Semaphore,
    pub(super) events: Events,
    pub(super) metrics: Metrics,
    /// Passes over objects, and over classes.
    pub(super) objects: Work,
    pub(super) class_work: Work,
    pub(super) began: Instant,
    /// Since when this process works, and how long nobody had.
    pub(super) idle: Idle,
    pub(super) shutdown: CancellationToken,
}

impl<C> Context<C> {
    pub(super) fn now(&self) -> Moment {
        Moment(self.began.elapsed())
    }

    /// The time by both clocks.
    pub(super) fn clock(&self) -> Now {
        Now {
            moment: self.now(),
            wall: Timestamp::now(),
        }
    }

    /// The moment of a time of day; now, where it has passed.
    pub(super) fn moment_of(&self, then: Timestamp) -> Moment {
        let left = then.duration_since(Timestamp::now());
        self.now()
            .after(Duration::try_from(left).unwrap_or_default())
    }

    /// The names in this registry that objects of these classes are bound to, as status says, or, where they
    /// only observe, have looked at.
    pub(super) fn bound_names_of(
        &self,
        registry: &Registry,
        classes: &BTreeSet<String>,
    ) -> BTreeSet<String> {
        let bound = |object: &&Watched| {
            let status = object.place()?;
            let is_known = status.arn.is_some() || status.working_memory.compared.is_some();
            binding(&status).filter(|it| is_known && it.identity.registry == *registry)
        };
        let objects = self.store.state();
        let of_classes = objects.iter().map(AsRef::as_ref);
        let of_classes = of_classes.filter(|object| is_of(object, classes));
        of_classes
            .filter_map(|object| bound(&object))
            .map(|binding| binding.identity.name.to_string())
            .collect()
    }

    /// The objects of these classes whose repository is called one of these, in whatever registry: the
    /// credentials may lead elsewhere now, and those who are bound to the former place are to know it.
    pub(super) fn bound_to(
        &self,
        names: &BTreeSet<String>,
        classes: &BTreeSet<String>,
    ) -> Vec<ObjectRef<Watched>> {
        if names.is_empty() {
            return Vec::new();
        }
        let objects = self.store.state();
        let bound = objects.iter().filter(|object| {
            let name = object.place().and_then(|it| it.repository_name);
            is_of(object, classes) && name.is_some_and(|name| names.contains(&name))
        });
        bound
            .map(|object| ObjectRef::from_obj(object.as_ref()))
            .collect()
    }
}

/// Whether an object was of one of these classes when it was last looked at; it may have been of any where that is
/// not known.
fn is_of(object: &Watched, classes: &BTreeSet<String>) -> bool {
    let last = object.last_class_name();
    last.is_none_or(|last| classes.contains(last))
}

/// A process may end with work under way for so long: what was due then may not have been done.
const DRAIN: Duration = Duration::from_secs(15);

/// How long nobody worked before, where nobody knows: as long as a pod takes to start.
const UNKNOWN: Duration = Duration::from_mins(1);

/// How long nobody had worked when this process begins: a small part of the interval between two turns in any case.
pub(super) fn idle(worked_until: Option<Timestamp>, interval: Duration) -> Idle {
    let until = Timestamp::now();
    let part = interval / 8;
    let last = worked_until.map_or_else(
        || until.checked_sub(UNKNOWN.min(part)),
        |it| it.checked_sub(DRAIN.min(part)),
    );
    Idle {
        since: last.unwrap_or(until).min(until),
        until,
    }
}

/// The interval, a tenth more or less, so that objects do not stay in step.
pub(super) fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + fastrand::f64() / 5.0)
}
