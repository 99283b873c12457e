//! A stand-in for the control plane of AWS ECR, as strict as AWS documents it.
//!
//! It is a reading of AWS's documentation and shares no code with what it tests. Where the
//! documentation is silent, a comment says what was chosen and why. The README has the hooks.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use ecr_emulator::{Emulator, Fault};
//!
//! let emulator = Emulator::start(([127, 0, 0, 1], 0).into()).await?;
//! emulator.inject(Fault::on("PutLifecyclePolicy").times(3).throttle());
//! // … use `emulator.url()` as the endpoint of an AWS client …
//! assert_eq!(emulator.calls().get("PutLifecyclePolicy"), Some(&4));
//! # Ok(())
//! # }
//! ```

mod admin;
mod api;
mod apply;
mod caller;
mod clock;
mod error;
mod events;
mod fault;
mod lag;
mod log;
mod paging;
mod partition;
mod passage;
mod payload;
mod protocol;
mod rates;
mod registry;
mod server;
mod session;
mod settings;
mod shape;
mod state;
mod waiting;
mod world;
mod xml;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::AbortHandle;

use crate::caller::Caller;
pub use crate::clock::Movement;
pub use crate::error::Error;
pub use crate::fault::{Effect, Fault, Forever, Times};
pub use crate::partition::Partition;
pub use crate::rates::Rate;
pub use crate::settings::{SecretFault, Settings};
pub use crate::state::{Image, Replication, Repository, Scan, Signing};
pub use crate::world::Call;
use crate::world::World;

/// A running emulator. Dropping it stops the server and cuts its connections.
#[derive(Debug)]
pub struct Emulator {
    address: SocketAddr,
    world: Arc<World>,
    server: AbortHandle,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Emulator {
    /// Starts an emulator; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address is not on the loopback, or cannot be bound.
    pub async fn start(address: SocketAddr) -> std::io::Result<Self> {
        let listener = server::bind(address).await?;
        let address = listener.local_addr()?;
        let world = Arc::new(World::default());
        let server = tokio::spawn(server::serve(listener, Arc::clone(&world))).abort_handle();
        Ok(Self {
            address,
            world,
            server,
        })
    }

    /// The endpoint, e.g. `http://127.0.0.1:40123`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often each operation was called, over all accounts and regions.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.world.lock().counts.clone()
    }

    /// The calls in the order in which they took effect.
    #[must_use]
    pub fn log(&self) -> Vec<Call> {
        self.world.lock().log.calls()
    }

    /// Empties log and counters, never what ECR holds.
    pub fn reset(&self) {
        self.world.lock().reset();
    }

    /// Empties everything: what ECR holds, log, counters, faults and settings.
    pub fn wipe(&self) {
        self.world.lock().wipe();
    }

    /// Adds a fault.
    pub fn inject(&self, fault: Fault) {
        self.world.lock().faults.push(fault);
    }

    /// Takes all faults away.
    pub fn clear_faults(&self) {
        self.world.lock().faults.clear();
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.world.lock().settings.clone()
    }

    /// Changes settings: `emulator.configure(|settings| settings.repositories_quota = 3)`.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        let mut inner = self.world.lock();
        change(&mut inner.settings);
        inner.queues.bell.notify_waiters();
    }

    /// The time of the emulated AWS, in seconds since 1970.
    #[must_use]
    pub fn now(&self) -> f64 {
        self.world.lock().clock.now()
    }

    /// Moves the clock on, and does what is due by then: lifecycle policies are executed once for
    /// every day that passes. It does not move beyond the year 9999.
    pub fn advance(&self, time: Duration) {
        let movement = Movement {
            advance_seconds: time.as_secs_f64(),
            ..Movement::default()
        };
        // The only refusal is a time after 9999, of which the documentation tells.
        let _ = self.turn_clock(movement);
    }

    /// Sets, moves, holds or lets go the clock.
    ///
    /// # Errors
    /// If that would be a time that AWS cannot write.
    pub fn turn_clock(&self, movement: Movement) -> Result<(), String> {
        self.world.lock().turn_clock(movement).map(drop)
    }

    /// Executes the lifecycle policies of all repositories now.
    pub fn run_lifecycle(&self) {
        let mut inner = self.world.lock();
        let now = inner.clock.now();
        inner.run_lifecycle(now);
    }

    /// A repository as it is now.
    #[must_use]
    pub fn repository(&self, account: &str, region: &str, name: &str) -> Option<Repository> {
        let mut world = self.world.lock();
        world.catch_up();
        world.repository(account, region, name).cloned()
    }

    /// The names of the repositories of an account in a region.
    #[must_use]
    pub fn repositories(&self, account: &str, region: &str) -> Vec<String> {
        let mut world = self.world.lock();
        world.catch_up();
        world.repositories(account, region)
    }

    /// Applies an operation as somebody else would, behind the back of whoever is tested: it is
    /// checked like any other, but faults do not hit it, and log and counters do not show it.
    ///
    /// # Errors
    /// What ECR would refuse.
    #[expect(clippy::needless_pass_by_value, reason = "callers write `json!({…})`")]
    pub fn call(
        &self,
        account: &str,
        region: &str,
        operation: &str,
        input: Value,
    ) -> Result<Value, Error> {
        let caller = Caller::of(account.to_owned(), region.to_owned());
        let mut inner = self.world.lock();
        world::guarded(operation, || inner.apply(&caller, operation, &input))
    }
}
