//! What happens when time passes on the virtual clock.

use serde_json::{Value, json};

use crate::api;
use crate::clock::Movement;
use crate::events::Occasion;
use crate::world::Inner;

/// How often lifecycle policies are executed: the user guide says within 24 hours.
const DAY: f64 = 86_400.0;
/// A leap of more days than this is made in so many longer ones, so that it ends.
const MOST_RUNS: f64 = 4_000.0;

impl Inner {
    /// Moves the clock, and does what is due by then.
    pub(crate) fn turn_clock(&mut self, movement: Movement) -> Result<Value, String> {
        self.pass_time();
        self.clock.turn(movement)?;
        self.pass_time();
        Ok(json!({ "now": self.clock.now(), "held": self.clock.is_held() }))
    }

    /// Does what is due, and executes the lifecycle policies as things stood at the end of every day
    /// that has passed.
    pub(crate) fn pass_time(&mut self) {
        let now = self.clock.now();
        api::run_jobs(&mut self.registries, &mut self.jobs, &self.settings, now);
        // Days begin with the first call; a clock that was moved back begins them anew.
        let last = self.lifecycle_run.filter(|last| *last <= now);
        let mut last = last.unwrap_or(now);
        let step = DAY.max((now - last) / MOST_RUNS);
        while now - last >= step {
            last += step;
            self.run_lifecycle(last);
        }
        self.lifecycle_run = Some(last);
    }

    /// Executes the lifecycle policies of all repositories at once.
    pub(crate) fn run_lifecycle(&mut self, at: f64) {
        for ((account, region), registry) in &mut self.registries {
            let done = api::lifecycle_run::run(registry, at);
            for done in done.iter().filter(|_| !self.settings.queues.is_empty()) {
                self.serial += 1;
                let occasion = Occasion {
                    account,
                    region,
                    time: at,
                    seed: format!("lifecycle {}", self.serial),
                };
                for event in occasion.of_lifecycle(done) {
                    self.queues.send(&event, at, &self.settings);
                }
            }
        }
    }
}
