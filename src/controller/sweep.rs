//! All names of a registry, read once for all who miss their repository at the same time.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use crate::{
    domain::{failure::Failure, identity::Registry},
    ecr::Ecr,
};

/// How long one sweep serves.
const SERVES: Duration = Duration::from_secs(30);

type Swept = (Instant, Arc<BTreeSet<String>>);

/// The last sweep of each registry.
#[derive(Default)]
pub(super) struct Sweeps(Mutex<HashMap<Registry, Swept>>);

impl Sweeps {
    /// The names of all repositories, as of some seconds ago at most.
    pub(super) async fn names<E: Ecr>(
        &self,
        ecr: &E,
        registry: &Registry,
    ) -> Result<Arc<BTreeSet<String>>, Failure> {
        // The lock is held during the call: all who ask meanwhile share its answer.
        let mut swept = self.0.lock().await;
        if let Some((at, names)) = swept.get(registry)
            && at.elapsed() < SERVES
        {
            return Ok(Arc::clone(names));
        }
        let names = Arc::new(ecr.names(registry).await?);
        swept.insert(registry.clone(), (Instant::now(), Arc::clone(&names)));
        Ok(names)
    }
}
