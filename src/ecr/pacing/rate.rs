//! How fast one operation is called: at its budget until AWS throttles, then at half of that, and back
//! as calls succeed. Pure: the time is passed in.
//!
//! What AWS grants is not published. Where it throttles, its own bucket has just been empty, so between two such
//! moments AWS took as many calls as it grants: that is learnt, and the rate then stays just below it
//! and rises the slower the nearer it is. The recovery goes by calls and not by seconds, so that
//! few are throttled at any rate. `docs/pacing.md` has the curve.

use std::time::Duration;

use crate::domain::retry::Moment;

/// Calls until the rate is back from half to just below what AWS is known to grant.
const RETURNS: f64 = 5.0;

/// What is just below.
const BELOW: f64 = 0.95;

/// Calls until a rate that AWS is known to grant is doubled, and one that is only a guess.
const PROBES: f64 = 400.0;
const SEARCHES: f64 = 30.0;

/// Calls between two throttled ones from which what AWS grants is learnt. With many of them also where
/// AWS's bucket was full at first.
const FEW: f64 = 8.0;
const MANY: f64 = 100.0;

/// After so long without being throttled the rate rises with time alone, also without a call, and this
/// much later it is back at the budget.
const QUIET: Duration = Duration::from_mins(2);
const RISES: Duration = Duration::from_mins(3);

/// The slowest, of the budget.
const FLOOR: f64 = 0.05;

/// The rate of one operation, in calls a second.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rate {
    budget: f64,
    slowed: Option<Slowed>,
    /// Calls that AWS took since it throttled last.
    taken: f64,
    /// How many seconds they had between them.
    seconds: f64,
}

/// AWS has throttled.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Slowed {
    at: Moment,
    /// The rate right after.
    from: f64,
    /// What AWS grants, as far as is known.
    granted: f64,
    /// Whether that was learnt or is only a guess.
    is_learnt: bool,
}

impl Rate {
    pub(super) fn of(budget: f64) -> Self {
        Self {
            budget,
            slowed: None,
            taken: 0.0,
            seconds: 0.0,
        }
    }

    pub(super) fn budget(&self) -> f64 {
        self.budget
    }

    fn floor(&self) -> f64 {
        self.budget * FLOOR
    }

    /// The rate now.
    pub(super) fn at(&self, now: Moment) -> f64 {
        let Some(slowed) = &self.slowed else {
            return self.budget;
        };
        let quiet = slowed.at.after(QUIET).until(now);
        let by_time = self.budget * quiet.as_secs_f64() / RISES.as_secs_f64();
        slowed
            .after(self.taken)
            .max(by_time)
            .clamp(self.floor(), self.budget)
    }

    /// AWS took a call.
    pub(super) fn took(&mut self, now: Moment) {
        self.seconds += self.at(now).recip();
        self.taken += 1.0;
    }

    /// AWS throttled one. All that were under way by then count as one.
    pub(super) fn throttled(&mut self, now: Moment) {
        let rate = self.at(now);
        // Over all of the time since: the call that was throttled had its share of it.
        let granted = self.taken / (self.seconds + rate.recip());
        let is_learnt = self.taken >= MANY || (self.slowed.is_some() && self.taken >= FEW);
        let granted = if is_learnt {
            granted.min(rate)
        } else {
            rate / 2.0
        };
        let granted = granted.max(self.floor());
        self.slowed = Some(Slowed {
            at: now,
            from: (rate / 2.0).min(BELOW * granted),
            granted,
            is_learnt,
        });
        self.taken = 0.0;
        self.seconds = 0.0;
    }
}

impl Slowed {
    /// The rate after so many calls that AWS took: straight back to just below what it grants, and
    /// from there slowly at first.
    fn after(&self, calls: f64) -> f64 {
        let below = BELOW * self.granted;
        if calls < RETURNS {
            return self.from + (below - self.from) * calls / RETURNS;
        }
        let beyond = calls - RETURNS;
        let doubles = if self.is_learnt { PROBES } else { SEARCHES };
        self.granted * (BELOW + beyond / 2000.0 + (beyond / doubles).powi(3))
    }
}
