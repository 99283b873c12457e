//! What every pass shares.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Mutex,
    time::{Duration, Instant},
};

use kube::{
    Client,
    runtime::reflector::{ObjectRef, Store},
};

use tokio_util::sync::CancellationToken;

use super::{
    assign::Parsed, events::Events, memory::Memories, owned::Owned, roll_call::RollCall,
    surroundings::Surroundings, sweep::Wanted, watched::Watched,
};
use crate::{
    domain::{
        identity::{ClusterName, ClusterUid, Registry},
        retry::{Moment, Waits},
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
    pub(super) events: Events,
    pub(super) metrics: Metrics,
    /// Passes over objects, and over classes.
    pub(super) objects: Work,
    pub(super) class_work: Work,
    pub(super) began: Instant,
    pub(super) shutdown: CancellationToken,
}

impl<C> Context<C> {
    pub(super) fn now(&self) -> Moment {
        Moment(self.began.elapsed())
    }

    /// The names in this registry that objects of these classes are bound to, as status says.
    pub(super) fn bound_names_of(
        &self,
        registry: &Registry,
        classes: &BTreeSet<String>,
    ) -> BTreeSet<String> {
        self.store
            .state()
            .iter()
            .filter(|object| is_of(object, classes))
            .filter_map(|object| binding(&object.place()?))
            .filter(|binding| binding.established && binding.identity.registry == *registry)
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

/// The interval, a tenth more or less, so that objects do not stay in step.
pub(super) fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + fastrand::f64() / 5.0)
}
