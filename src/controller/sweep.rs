//! All names of a registry, read once for all who miss their repository at the same time.

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

/// How long one sweep serves.
const SERVES: Duration = Duration::from_secs(30);

type Swept = (Instant, Arc<BTreeSet<String>>);

/// The last sweep of each registry.
#[derive(Default)]
pub(super) struct Sweeps(Mutex<HashMap<Registry, Swept>>);

impl Sweeps {
    /// The names of all repositories, for one that was just not found. A sweep that still shows it
    /// is from before it vanished and tells nothing of others either: another one is made.
    pub(super) async fn names<E: Ecr>(
        &self,
        ecr: &E,
        missing: &Identity,
    ) -> Result<Arc<BTreeSet<String>>, Failure> {
        let registry = &missing.registry;
        // The lock is held during the call: all who ask meanwhile share its answer.
        let mut swept = self.0.lock().await;
        if let Some((at, names)) = swept.get(registry)
            && at.elapsed() < SERVES
            && !names.contains(missing.name.as_str())
        {
            return Ok(Arc::clone(names));
        }
        let names = Arc::new(ecr.names(registry).await?);
        swept.insert(registry.clone(), (Instant::now(), Arc::clone(&names)));
        Ok(names)
    }
}
