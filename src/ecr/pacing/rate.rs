//! How fast one operation is called: at its budget until AWS throttles twice, then at less than half of that, and
//! back as calls succeed. Pure: the time is passed in.
//!
//! What AWS grants is not published. Where it throttles, its own bucket has just been empty, so between two such
//! moments AWS took as many calls as it grants: that is learnt, and the rate then stays just below it
//! and rises the slower the nearer it is. Until the first of them it took what had gathered as well, so
//! what it grants is guessed. The recovery goes by calls and not by seconds, so that
//! few are throttled at any rate.
//!
//! Where AWS soon throttles again although we slowed down, it may not be because of our calls: the rate goes back to
//! the budget, and only now and then it is tried whether slowing down helps. `docs/pacing.md` has the curve.

use std::time::Duration;

use super::vain::{Share, Trial};
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
const TRIED: f64 = 80.0;
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

/// The slowest: of the budget, and in calls a second.
const FLOOR: f64 = 0.05;
const LEAST: f64 = 1.0;

/// So few calls after we slowed down AWS throttles again where what it grants was a guess too high, and not
/// where it was learnt; that few after neither.
const SOON: f64 = 80.0;
const AT_ONCE: f64 = 4.0;

/// So many doubts in a row, and slowing down seems in vain.
const DOUBTS: u32 = 2;

/// The rate of one operation, in calls a second.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rate {
    budget: f64,
    course: Course,
    /// What speaks against slowing down, where it was not tried.
    doubts: u32,
    /// Calls that AWS took since the course changed.
    taken: f64,
    /// The seconds between them, but for those in which nobody called.
    seconds: f64,
    /// When AWS answered last.
    answered: Option<Moment>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Course {
    /// AWS takes all.
    Free,
    /// It throttled one, which may be by chance: we slow down if it throttles another.
    Once(Slowed),
    /// It has throttled, and slowing down helps.
    Slowed(Slowed),
    /// It throttles whatever the pace.
    Vain(Share),
    /// It is tried whether that is still so.
    Tried(Trial),
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
    /// Whether what AWS grants was seen between two moments when it throttled.
    is_learnt: bool,
    /// Slowing down, where it was tried, and helped.
    trial: Option<Trial>,
}

impl Rate {
    pub(super) fn of(budget: f64) -> Self {
        Self {
            budget,
            course: Course::Free,
            doubts: 0,
            taken: 0.0,
            seconds: 0.0,
            answered: None,
        }
    }

    pub(super) fn budget(&self) -> f64 {
        self.budget
    }

    fn floor(&self) -> f64 {
        (FLOOR * self.budget).max(LEAST).min(self.budget)
    }

    /// The rate now.
    pub(super) fn at(&self, now: Moment) -> f64 {
        let (rate, since) = match &self.course {
            Course::Free | Course::Once(_) | Course::Vain(_) => return self.budget,
            Course::Slowed(slowed) => (slowed.after(self.taken), slowed.at),
            Course::Tried(trial) => (trial.rate, self.answered.unwrap_or(now)),
        };
        let quiet = since.after(QUIET).until(now);
        let by_time = self.budget * quiet.as_secs_f64() / RISES.as_secs_f64();
        rate.max(by_time).clamp(self.floor(), self.budget)
    }

    /// AWS took a call.
    pub(super) fn took(&mut self, now: Moment) {
        self.seconds += self.gap(now);
        self.taken += 1.0;
        self.answered = Some(now);
        match &mut self.course {
            Course::Free | Course::Once(_) => {}
            Course::Slowed(slowed) => {
                if let Some(trial) = &mut slowed.trial {
                    trial.took();
                }
            }
            Course::Vain(share) => {
                if share.took() {
                    *self = Self::of(self.budget);
                }
            }
            Course::Tried(trial) => {
                if trial.took() {
                    let trial = *trial;
                    self.helps(trial, now);
                }
            }
        }
    }

    /// The seconds since AWS answered last: no more than lie between two calls at this rate.
    fn gap(&self, now: Moment) -> f64 {
        self.answered.map_or(0.0, |last| {
            last.until(now).as_secs_f64().min(self.at(now).recip())
        })
    }

    /// AWS throttled one. Whether it is called more slowly from now on: what was under way by then says
    /// nothing of that.
    pub(super) fn throttled(&mut self, now: Moment) -> bool {
        match self.course {
            Course::Free => self.noted(now),
            Course::Once(slowed) | Course::Slowed(slowed) if slowed.is_over(now) => self.noted(now),
            Course::Once(slowed) if self.taken < MANY => {
                self.takes(Course::Slowed(Slowed { at: now, ..slowed }), now);
                true
            }
            Course::Once(slowed) => {
                self.slows(Some(&slowed), now);
                true
            }
            Course::Slowed(mut slowed) => {
                slowed.trial = slowed.trial.filter(Trial::serves);
                let is_in_vain = match &mut slowed.trial {
                    Some(trial) => trial.throttled(),
                    None => self.is_in_vain(&slowed).then(Share::default),
                };
                match is_in_vain {
                    Some(share) => self.takes(Course::Vain(share), now),
                    None => self.slows(Some(&slowed), now),
                }
                is_in_vain.is_none()
            }
            Course::Vain(mut share) => {
                let tries = share.throttled();
                let course = if tries {
                    Course::Tried(Trial::of(share, self.budget, self.floor()))
                } else {
                    Course::Vain(share)
                };
                self.takes(course, now);
                tries
            }
            Course::Tried(mut trial) => {
                let is_in_vain = trial.throttled();
                let course = is_in_vain.map_or(Course::Tried(trial), Course::Vain);
                self.takes(course, now);
                false
            }
        }
    }

    /// Whether AWS throttles although we slowed down, so that it seems not to be because of our calls.
    fn is_in_vain(&mut self, slowed: &Slowed) -> bool {
        let is_soon = self.taken < SOON;
        self.doubts = if self.taken < AT_ONCE || is_soon && slowed.is_learnt {
            self.doubts + 2
        } else if is_soon {
            self.doubts + 1
        } else {
            0
        };
        self.doubts >= DOUBTS
    }

    /// Slowing down was tried, and helps after all.
    fn helps(&mut self, trial: Trial, now: Moment) {
        let (from, granted) = (self.at(now), trial.granted.max(self.floor()));
        let slowed = Slowed {
            at: now,
            from,
            granted,
            below: from.max(BELOW_GUESS * granted),
            doubles: TRIED,
            is_learnt: false,
            trial: Some(trial),
        };
        self.takes(Course::Slowed(slowed), now);
    }

    /// The first that AWS throttles tells what it may grant, and slows down nobody.
    fn noted(&mut self, now: Moment) -> bool {
        let slowed = self.slowed(None, now);
        self.takes(Course::Once(slowed), now);
        false
    }

    fn slows(&mut self, before: Option<&Slowed>, now: Moment) {
        let slowed = self.slowed(before, now);
        self.takes(Course::Slowed(slowed), now);
    }

    fn slowed(&self, before: Option<&Slowed>, now: Moment) -> Slowed {
        let rate = self.at(now);
        let seconds = self.seconds + self.gap(now);
        let granted = self.granted(before, rate, seconds);
        let is_learnt = match before {
            Some(_) => self.taken >= MANY,
            None => seconds >= SURE,
        };
        let (below, doubles) = if is_learnt {
            (BELOW, PROBES)
        } else {
            (BELOW_GUESS, SEARCHES + SEARCHES_A_SECOND * seconds)
        };
        let below = below * granted;
        Slowed {
            at: now,
            from: (DROP * rate).max(at_least(before)).min(below),
            granted,
            below,
            doubles: doubles.min(PROBES),
            is_learnt: is_learnt && before.is_some(),
            trial: before.and_then(|before| before.trial),
        }
    }

    fn takes(&mut self, course: Course, now: Moment) {
        if !matches!(course, Course::Slowed(_)) {
            self.doubts = 0;
        }
        self.course = course;
        self.taken = 0.0;
        self.seconds = 0.0;
        self.answered = Some(now);
    }

    /// What AWS grants, by what it took until it throttled at this rate.
    fn granted(&self, before: Option<&Slowed>, rate: f64, seconds: f64) -> f64 {
        let granted = match before {
            None => ((self.taken + 1.0) / (seconds + GATHERED)).max(HALF * rate),
            Some(_) if self.taken >= FEW => self.taken / seconds,
            Some(slowed) => LESS * slowed.granted,
        };
        granted.min(rate).max(at_least(before)).max(self.floor())
    }
}

/// What AWS grants at least, where slowing down was tried.
fn at_least(before: Option<&Slowed>) -> f64 {
    let trial = before.and_then(|before| before.trial);
    trial.map_or(0.0, |trial| trial.granted_at_least())
}

impl Slowed {
    /// Whether time alone has brought the rate back to the budget.
    fn is_over(&self, now: Moment) -> bool {
        self.at.after(QUIET + RISES) <= now
    }

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
