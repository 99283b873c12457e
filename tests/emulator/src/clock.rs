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

/// A time with the parts of its second, without zeros at the end: `2025-10-10T19:13:02.74Z`.
pub(crate) fn in_iso_parts(time: f64) -> String {
    let time = in_millis(time);
    let parts = format!("{:.3}", time.fract());
    let parts = parts.trim_start_matches('0').trim_end_matches('0');
    let whole = in_iso(time);
    match parts {
        "." => whole,
        parts => format!("{}{parts}Z", whole.trim_end_matches('Z')),
    }
}

/// A time as ISO 8601 writes it, to the second: `2026-11-24T03:22:00Z`.
pub(crate) fn in_iso(time: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the clock ends with the year 9999"
    )]
    let seconds = time as i64;
    let (day, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // The civil date of a day, counted from March of the year 0 in eras of 400 years:
    // <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>.
    let day = day + 719_468;
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let date = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year + day.div_euclid(146_097) * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}
