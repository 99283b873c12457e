//! How fast one operation is called: at its budget until AWS throttles, then at less than half of that, and
//! back as calls succeed. Pure: the time is passed in.
//!
//! What AWS grants is not published. Where it throttles, its own bucket has just been empty, so between two such
//! moments AWS took as many calls as it grants: that is learnt, and the rate then stays just below it
//! and rises the slower the nearer it is. Until the first of them it took what had gathered as well, so
//! what it grants is guessed. The recovery goes by calls and not by seconds, so that
//! few are throttled at any rate. `docs/pacing.md` has the curve.

use std::time::Duration;

use crate::domain::retry::Moment;

/// Right after, of the rate that was too fast.
const DROP: f64 = 0.4;

/// Calls until the rate is back to just below what AWS grants.
const RETURNS: f64 = 8.0;

/// What is just below, where what AWS grants is learnt and where it is a guess.
const BELOW: f64 = 0.95;
const BELOW_GUESS: f64 = 0.9;

/// Calls until a rate that AWS is known to grant is doubled. One that is a guess rises in this many, and
/// in so many more for each second that it was made from.
const PROBES: f64 = 800.0;
const SEARCHES: f64 = 20.0;
const SEARCHES_A_SECOND: f64 = 200.0;

/// Calls between two throttled ones from which what AWS grants is told, and learnt.
const FEW: f64 = 4.0;
const MANY: f64 = 8.0;

/// AWS's bucket was full at first. How full is not known: of what it brings in a second, which is told
/// apart from the rate after two.
const GATHERED: f64 = 1.0;
const SURE: f64 = 2.0;

/// The least that is guessed, of the rate that was too fast, at first and where too few calls were taken.
const HALF: f64 = 0.5;
const LESS: f64 = 0.7;

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
    /// The seconds between them, but for those in which nobody called.
    seconds: f64,
    /// When AWS answered last.
    answered: Option<Moment>,
}

/// AWS has throttled.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Slowed {
    at: Moment,
    /// The rate right after.
    from: f64,
    /// What AWS grants, as far as is known.
    granted: f64,
    /// The rate that is just below.
    below: f64,
    /// In how many calls it doubles from there.
    doubles: f64,
}

impl Rate {
    pub(super) fn of(budget: f64) -> Self {
        Self {
            budget,
            slowed: None,
            taken: 0.0,
            seconds: 0.0,
            answered: None,
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
        self.seconds += self.gap(now);
        self.taken += 1.0;
        self.answered = Some(now);
    }

    /// The seconds since AWS answered last: no more than lie between two calls at this rate.
    fn gap(&self, now: Moment) -> f64 {
        self.answered.map_or(0.0, |last| {
            last.until(now).as_secs_f64().min(self.at(now).recip())
        })
    }

    /// AWS throttled one. All that were under way by then count as one.
    pub(super) fn throttled(&mut self, now: Moment) {
        let rate = self.at(now);
        let seconds = self.seconds + self.gap(now);
        let granted = self.granted(rate, seconds);
        let is_learnt = match self.slowed {
            Some(_) => self.taken >= MANY,
            None => seconds >= SURE,
        };
        let (below, doubles) = if is_learnt {
            (BELOW, PROBES)
        } else {
            (BELOW_GUESS, SEARCHES + SEARCHES_A_SECOND * seconds)
        };
        let below = below * granted;
        self.slowed = Some(Slowed {
            at: now,
            from: (DROP * rate).min(below),
            granted,
            below,
            doubles: doubles.min(PROBES),
        });
        self.taken = 0.0;
        self.seconds = 0.0;
        self.answered = Some(now);
    }

    /// What AWS grants, by what it took until it throttled at this rate.
    fn granted(&self, rate: f64, seconds: f64) -> f64 {
        let granted = match &self.slowed {
            None => ((self.taken + 1.0) / (seconds + GATHERED)).max(HALF * rate),
            Some(_) if self.taken >= FEW => self.taken / seconds,
            Some(slowed) => LESS * slowed.granted,
        };
        granted.min(rate).max(self.floor())
    }
}

impl Slowed {
    /// The rate after so many calls that AWS took: straight back to just below what it grants, and
    /// from there slowly at first.
    fn after(&self, calls: f64) -> f64 {
        if calls < RETURNS {
            return self.from + (self.below - self.from) * calls / RETURNS;
        }
        let beyond = calls - RETURNS;
        self.below + self.granted * (beyond / 2000.0 + (beyond / self.doubles).powi(3))
    }
}
