//! The virtual clock: the time of everything that the emulated AWS remembers. It runs with the real
//! one until a test sets it, moves it or holds it.

use serde::{Deserialize, Serialize};

use crate::state::now;

/// The virtual clock, as a test moves it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Clock {
    /// Ahead of the real clock by so many seconds.
    ahead: f64,
    /// Stands still at this time.
    held: Option<f64>,
}

/// What a test does to the clock: first it is set, then moved, then held or let go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Movement {
    /// Sets it to this time, in seconds since 1970.
    pub set: Option<f64>,
    /// Moves it by so many seconds; forwards, unless negative.
    pub advance_seconds: f64,
    /// Holds it, or lets it run.
    pub hold: Option<bool>,
}

impl Clock {
    /// Seconds since 1970, in milliseconds' steps.
    pub(crate) fn now(&self) -> f64 {
        self.held.unwrap_or_else(|| in_millis(now() + self.ahead))
    }

    /// Whether it stands still.
    pub(crate) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Moves it. A time that is no number, or no time after 1970, is refused.
    pub(crate) fn turn(&mut self, movement: Movement) -> Result<(), String> {
        let time = movement.set.unwrap_or_else(|| self.now()) + movement.advance_seconds;
        // AWS writes timestamps with four digits for the year.
        if !(0.0..=253_402_300_799.0).contains(&time) {
            return Err(format!("{time} is not a time between 1970 and 9999"));
        }
        let moved = movement.set.is_some() || movement.advance_seconds != 0.0;
        let hold = movement.hold.unwrap_or(self.is_held());
        if hold {
            self.held = Some(in_millis(time));
        } else if moved || self.held.is_some() {
            *self = Self {
                ahead: time - now(),
                held: None,
            };
        }
        Ok(())
    }
}

/// Rounded, because a sum of milliseconds lies beside them.
fn in_millis(time: f64) -> f64 {
    (time * 1000.0).round() / 1000.0
}
