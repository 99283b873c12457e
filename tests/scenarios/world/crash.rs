//! Operators that are killed around one call to AWS.

use std::time::Duration;

use ecr_emulator::{Emulator, Fault};

use super::{World, http};

/// Long enough for the operator to be stopped while its call is on the way.
const ON_THE_WAY: Duration = Duration::from_millis(400);

/// On which side of a call the operator is killed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Crash {
    /// The call never arrives.
    Before,
    /// The call takes effect, and its answer is never read.
    After,
}

/// Waits until all faults have struck.
pub(super) async fn struck(emulator: &Emulator) {
    let url = emulator.url();
    let address = url.trim_start_matches("http://");
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    while http::get(address, "/_emulator/faults").await.unwrap().1 != "[]" {
        ticks.tick().await;
    }
}

impl World {
    /// Waits until every fault has struck as often as it was to.
    pub(crate) async fn struck(&self) {
        self.patiently("a fault to strike", struck(&self.emulator))
            .await;
    }

    /// Prepares the operator's end at the call that `fault` chooses.
    pub(crate) fn arm(&self, crash: Crash, fault: Fault) {
        self.emulator.inject(fault.clone().delay(ON_THE_WAY));
        if crash == Crash::Before {
            self.emulator.inject(fault.drop_call());
        }
    }

    /// Waits for the call that was armed, and kills the operator while it is on the way.
    pub(crate) async fn crash(&mut self, crash: Crash) {
        let hit = |world: &Self| world.calls().iter().filter(|c| c.fault.is_some()).count();
        let before = hit(self);
        self.struck().await;
        if crash == Crash::After {
            // Stopped, it reads nothing, and yet the connection stays open.
            self.operator().signal("STOP");
            self.until("the call takes effect", |world| hit(world) > before)
                .await;
        }
        self.kill_operator();
    }
}
