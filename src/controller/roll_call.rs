//! All names of a registry, read once for all who miss their repository at the same time. Unlike what a
//! sweep saw before, it says that a repository is gone.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::{context::Context, owned::Losses};
use crate::{
    domain::{
        failure::Failure,
        identity::{Identity, Registry},
    },
    ecr::{Clients, Ecr},
};

/// How long one list serves.
const SERVES: Duration = Duration::from_secs(30);

/// A registry at one moment.
pub(super) struct Roll {
    /// The names of all its repositories.
    pub(super) names: BTreeSet<String>,
    /// What of it is gone.
    pub(super) losses: Losses,
}

type Listed = (Instant, Arc<Roll>);

/// The last roll of each registry.
#[derive(Default)]
pub(super) struct RollCall(Mutex<HashMap<Registry, Listed>>);

impl RollCall {
    /// A repository was created: a roll without it would call it lost again.
    pub(super) async fn created_in(&self, registry: &Registry) {
        self.0.lock().await.remove(registry);
    }
}

impl<C: Clients> Context<C> {
    /// All repositories, for one that was just not found. A roll that still shows it is from before it
    /// vanished and tells nothing of others either: another one is made.
    pub(super) async fn roll(
        &self,
        ecr: &C::Ecr,
        missing: &Identity,
    ) -> Result<Arc<Roll>, Failure> {
        let registry = &missing.registry;
        // The lock is held during the call: all who ask meanwhile share its answer.
        let mut listed = self.roll_call.0.lock().await;
        if let Some((at, roll)) = listed.get(registry)
            && at.elapsed() < SERVES
            && !roll.names.contains(missing.name.as_str())
        {
            return Ok(Arc::clone(roll));
        }
        let names = ecr.names(registry).await?;
        let losses = self.losses(registry, &names);
        let roll = Arc::new(Roll { names, losses });
        listed.insert(registry.clone(), (Instant::now(), Arc::clone(&roll)));
        Ok(roll)
    }
}
