//! All names of a registry, read once for all who miss their repository at the same time. Unlike what a
//! sweep saw before, it says that a repository is gone.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use crate::{
    domain::{
        failure::Failure,
        identity::{Identity, Registry},
    },
    ecr::Ecr,
};

/// How long one list serves.
const SERVES: Duration = Duration::from_secs(30);

type Listed = (Instant, Arc<BTreeSet<String>>);

/// The last list of each registry.
#[derive(Default)]
pub(super) struct RollCall(Mutex<HashMap<Registry, Listed>>);

impl RollCall {
    /// The names of all repositories, for one that was just not found. A list that still shows it
    /// is from before it vanished and tells nothing of others either: another one is made.
    pub(super) async fn names<E: Ecr>(
        &self,
        ecr: &E,
        missing: &Identity,
    ) -> Result<Arc<BTreeSet<String>>, Failure> {
        let registry = &missing.registry;
        // The lock is held during the call: all who ask meanwhile share its answer.
        let mut listed = self.0.lock().await;
        if let Some((at, names)) = listed.get(registry)
            && at.elapsed() < SERVES
            && !names.contains(missing.name.as_str())
        {
            return Ok(Arc::clone(names));
        }
        let names = Arc::new(ecr.names(registry).await?);
        listed.insert(registry.clone(), (Instant::now(), Arc::clone(&names)));
        Ok(names)
    }
}
