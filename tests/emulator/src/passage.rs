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
        self.queues.bell.notify_waiters();
        Ok(json!({ "now": self.clock.now(), "held": self.clock.is_held() }))
    }

    /// Does what is due, and executes the lifecycle policies as things stood at the end of every day
    /// that has passed.
    pub(crate) fn pass_time(&mut self) {
        let now = self.clock.now();
        // Days begin with the first call; a clock that was moved back begins them anew.
        let last = self.lifecycle_run.filter(|last| *last <= now);
        let mut last = last.unwrap_or(now);
        let step = DAY.max((now - last) / MOST_RUNS);
        while now - last >= step {
            last += step;
            self.do_jobs(last);
            self.run_lifecycle(last);
        }
        self.lifecycle_run = Some(last);
        self.do_jobs(now);
    }

    /// Does what is due at a time, and tells of it.
    pub(crate) fn do_jobs(&mut self, at: f64) {
        let ground = (&self.settings, &mut self.news);
        api::run_jobs(&mut self.registries, &mut self.jobs, ground, at);
        self.publish();
    }

    /// When something happens by itself, if nobody calls.
    pub(crate) fn next_due(&self) -> Option<f64> {
        let jobs = self.jobs.iter().map(|job| job.due);
        let runs = self.lifecycle_run.map(|last| last + DAY);
        jobs.chain(runs).min_by(f64::total_cmp)
    }

    /// Executes the lifecycle policies of all repositories at once.
    pub(crate) fn run_lifecycle(&mut self, at: f64) {
        let due = at + self.settings.job_seconds();
        let told = !self.settings.queues.is_empty();
        for (place, registry) in &mut self.registries {
            for done in api::lifecycle_run::run(registry, at) {
                let name = done.repository.as_str();
                if done.expired {
                    let rules = &registry.config.replication;
                    let gone = api::replication::removals(rules, name, &done.image.digest, None);
                    self.jobs.extend(gone.map(|work| api::Job { due, work }));
                }
                if !told {
                    continue;
                }
                self.serial += 1;
                let occasion = Occasion {
                    account: &place.0,
                    region: &place.1,
                    time: at,
                    seed: format!("lifecycle {}", self.serial),
                };
                let record = occasion.of_lifecycle(&done);
                self.queues.send(&record, at, &self.settings);
                self.news.push(done.news((place, at)));
            }
        }
        self.publish();
    }

    /// Sends what happened to the queues.
    pub(crate) fn publish(&mut self) {
        for news in std::mem::take(&mut self.news) {
            self.serial += 1;
            let time = news.time;
            if !self.settings.queues.is_empty() {
                let event = news.event(self.serial);
                self.queues.send(&event, time, &self.settings);
            }
        }
    }
}
