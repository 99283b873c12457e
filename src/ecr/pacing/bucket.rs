//! A token bucket whose rate changes. Pure: the time is passed in.

use std::time::Duration;

use super::{line::Supply, rate::Rate};
use crate::domain::retry::Moment;

/// What has gathered while nobody called goes out at this many times the rate: others have to do with
/// AWS's bucket too, and what is throttled is told before all of it is gone.
const SPREAD: f64 = 1.1;

/// The most that gathers, in seconds. It is less than what comes in one, since calls that were let go in time
/// come to AWS closer together than they went.
const GATHERS: f64 = 0.8;

/// As late as timers may be without loss.
const SLACK: Duration = Duration::from_millis(10);

/// One token, but for what is lost in rounding.
const ENOUGH: f64 = 1.0 - 1e-9;

/// The tokens of one operation: no more than most of a second brings, and at least one.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    rate: Rate,
    tokens: f64,
    filled: Moment,
    /// Not before then, however many tokens there are.
    next: Moment,
    /// How often we have slowed down.
    slowed: u64,
}

/// Leave to make one call.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Leave {
    /// How often we had slowed down before.
    slowed: u64,
}

/// What AWS made of a call.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Answered {
    /// It took it, whatever it said.
    Taken,
    /// It throttled it.
    Throttled,
    /// Nobody knows.
    Unknown,
}

fn most(rate: f64) -> f64 {
    (GATHERS * rate).max(1.0)
}

impl Bucket {
    pub(super) fn full(budget: f64, now: Moment) -> Self {
        Self {
            rate: Rate::of(budget),
            tokens: most(budget),
            filled: now,
            next: now,
            slowed: 0,
        }
    }

    pub(super) fn rate(&self, now: Moment) -> f64 {
        self.rate.at(now)
    }

    /// Another budget holds from now on; the same one changes nothing.
    pub(super) fn set_budget(&mut self, budget: f64, now: Moment) {
        if self.rate.budget().total_cmp(&budget).is_ne() {
            self.fill(now);
            self.rate = Rate::of(budget);
            self.tokens = self.tokens.min(most(budget));
        }
    }

    fn fill(&mut self, now: Moment) {
        let rate = self.rate.at(now);
        let gained = self.filled.until(now).as_secs_f64() * rate;
        self.tokens = (self.tokens + gained).min(most(rate));
        self.filled = self.filled.max(now);
    }

    /// When there is a token, should nothing change until then.
    pub(super) fn ready(&self, now: Moment) -> Moment {
        let mut then = self.clone();
        then.fill(now);
        let lacking = (ENOUGH - then.tokens).max(0.0) / self.rate.at(now);
        // A moment is a whole number of nanoseconds, and a little too late is better than too early.
        let wait = Duration::from_secs_f64(lacking).saturating_add(Duration::from_nanos(1));
        let filled = if lacking > 0.0 { now.after(wait) } else { now };
        filled.max(self.next)
    }

    /// What AWS made of a call that had leave.
    pub(super) fn answered(&mut self, leave: Leave, answered: Answered, now: Moment) {
        // What was under way when we slowed down says nothing of the rate since.
        if leave.slowed != self.slowed {
            return;
        }
        self.fill(now);
        match answered {
            Answered::Taken => self.rate.took(now),
            Answered::Throttled => {
                if self.rate.throttled(now) {
                    self.slowed += 1;
                    // AWS's bucket is empty: what is left in ours is worth nothing.
                    self.tokens = 0.0;
                }
            }
            Answered::Unknown => {}
        }
    }
}

impl Supply for Bucket {
    type Share = Leave;

    fn take(&mut self, now: Moment) -> Option<Leave> {
        self.fill(now);
        if self.tokens < ENOUGH || now < self.next {
            return None;
        }
        self.tokens -= 1.0;
        let gap = Duration::from_secs_f64((SPREAD * self.rate.at(now)).recip());
        let late = Moment(now.0.saturating_sub(SLACK));
        self.next = self.next.max(late).after(gap);
        Some(Leave {
            slowed: self.slowed,
        })
    }

    fn give_back(&mut self, leave: Leave) {
        if leave.slowed == self.slowed {
            self.tokens += 1.0;
        }
    }
}
