//! When lifecycle and repository policy of an object are read: each once in an interval, all of them spread
//! over it. Pure: the time is passed in.
//!
//! The phase of an object comes from its uid and goes by the wall clock, so that a restart neither begins it
//! anew nor makes it come twice. What fell due while nobody worked comes late by as long as nobody did, as if
//! the clock had stood still meanwhile: in the usual order and at the usual pace, over just that time again.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::{digest::digest, retry::Moment};

/// Since when somebody works, and since when nobody had before.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// When nobody worked any more.
    pub since: Timestamp,
    /// When this process began to.
    pub until: Timestamp,
}

/// The turns of one object.
#[derive(Clone, Copy, Debug)]
pub struct Rota {
    phase: i128,
    interval: i128,
}

impl Rota {
    /// Those of the object with this uid, one in each interval.
    #[must_use]
    pub fn of(uid: &str, interval: Duration) -> Self {
        let interval = i128::try_from(interval.as_millis()).unwrap_or(i128::MAX);
        // Never longer than time itself, nor nothing at all.
        let interval = interval.clamp(1, i128::from(i64::MAX));
        let hash = u64::from_str_radix(&digest("rota", uid), 16).unwrap_or_default();
        Self {
            phase: i128::from(hash).rem_euclid(interval),
            interval,
        }
    }

    /// The first turn after that.
    #[must_use]
    pub fn after(self, then: Timestamp) -> Timestamp {
        let then = i128::from(then.as_millisecond());
        let turn = then + self.interval - (then - self.phase).rem_euclid(self.interval);
        let turn = i64::try_from(turn).ok();
        turn.and_then(|it| Timestamp::from_millisecond(it).ok())
            .unwrap_or(Timestamp::MAX)
    }

    /// The first turn of a process that began after nobody had worked for a while.
    #[must_use]
    pub fn first(self, idle: Idle) -> Timestamp {
        let first = self.after(idle.since.min(idle.until));
        if first > idle.until {
            return first;
        }
        let lasted = idle.until.duration_since(idle.since);
        let late = first.checked_add(lasted).unwrap_or(Timestamp::MAX);
        // Where nobody worked for longer than the interval, all are late: they come as ever.
        late.min(self.after(idle.until))
    }
}

/// When one document of an object is read next.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Turn {
    due: Option<Moment>,
    /// Since when it is due and can't be read.
    owed: Option<Moment>,
}

impl Turn {
    /// Whether it has come; `first` is when it does for the first time.
    pub fn has_come(&mut self, now: Moment, first: impl FnOnce() -> Moment) -> bool {
        *self.due.get_or_insert_with(first) <= now
    }

    /// When it comes; none where nobody has asked yet.
    #[must_use]
    pub fn due(self) -> Option<Moment> {
        self.due
    }

    /// The document was read, or written: it is known as of now.
    pub fn taken(&mut self, next: Moment) {
        *self = Self {
            due: Some(next),
            owed: None,
        };
    }

    /// It could not be read. Tells for how long it has been due.
    pub fn missed(&mut self, now: Moment, again: Moment) -> Duration {
        self.due = Some(again);
        self.owed.get_or_insert(now).until(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_790_000_000_000 + millis).unwrap()
    }

    fn millis(from: Timestamp, to: Timestamp) -> i64 {
        to.as_millisecond() - from.as_millisecond()
    }

    const HOUR: i64 = 3_600_000;
    const EIGHT_HOURS: Duration = Duration::from_hours(8);

    #[test]
    fn the_phase_of_an_object_is_the_same_for_ever() {
        let rota = Rota::of("6f2c1f0e-9f2e-4c62-8d5c-0d5a6c9d1e11", EIGHT_HOURS);
        assert_eq!(rota.phase, 24_454_315);
    }

    /// Ten thousand objects, a restart each hour: none is read later than eight hours after it was read.
    #[test]
    fn restarts_every_hour_change_nothing_for_anybody() {
        for object in 0..10_000 {
            let rota = Rota::of(&format!("uid-{object}"), EIGHT_HOURS);
            let mut reads = Vec::new();
            for restart in 0..48 {
                let (begins, ends) = (at(restart * HOUR), at((restart + 1) * HOUR));
                let idle = Idle {
                    since: begins,
                    until: begins,
                };
                let turn = rota.first(idle);
                reads.extend((turn <= ends).then_some(turn));
            }
            assert_eq!(reads.len(), 6);
            let apart = reads.windows(2).map(|pair| millis(pair[0], pair[1]));
            assert!(apart.into_iter().all(|it| it == 8 * HOUR));
        }
    }

    /// How many of ten thousand are due in each minute after a start.
    fn starts(idle: Idle) -> Vec<usize> {
        let mut minutes = vec![0; 9 * 60];
        for object in 0..10_000 {
            let rota = Rota::of(&format!("uid-{object}"), EIGHT_HOURS);
            let turn = millis(idle.until, rota.first(idle));
            minutes[usize::try_from(turn / 60_000).unwrap()] += 1;
        }
        minutes
    }

    #[test]
    fn after_a_start_nothing_comes_in_a_burst() {
        for idle_for in [0, 1, 30, 60, 8 * 60, 24 * 60] {
            let idle = Idle {
                since: at(-idle_for * 60_000),
                until: at(0),
            };
            // Ten thousand in eight hours are 21 a minute.
            let most = starts(idle).into_iter().max().unwrap();
            assert!(most < 90, "{most} in a minute, idle for {idle_for} minutes");
        }
    }

    proptest! {
        /// Whatever restarts there are, nothing stays unread for longer than the interval and the time in which nobody
        /// worked; and nothing is read before its time more than once for each restart.
        #[test]
        fn nothing_is_older_than_the_interval_and_the_time_without_anybody(
            uid in "[a-z0-9]{8}",
            interval in 60_000_i64..100_000_000,
            lives in prop::collection::vec((0_i64..200_000_000, 0_i64..50_000_000), 1..20),
        ) {
            let rota = Rota::of(&uid, Duration::from_millis(u64::try_from(interval).unwrap()));
            let (mut now, mut read, mut slack) = (at(0), at(0), 0);
            for (works, rests) in lives {
                let idle = Idle { since: now, until: at(millis(at(0), now) + rests) };
                slack += rests;
                // What is late comes while it works.
                let end = at(millis(at(0), idle.until) + rests + works);
                let mut turn = rota.first(idle);
                prop_assert!(turn > idle.until || rests == 0);
                while turn <= end {
                    prop_assert!(millis(read, turn) <= interval + slack, "{} of {interval}", millis(read, turn));
                    (read, slack) = (turn, 0);
                    turn = rota.after(turn);
                }
                now = end;
            }
            prop_assert!(millis(read, now) <= interval + slack);
        }

        #[test]
        fn turns_are_one_interval_apart(uid in "[a-z0-9]{8}", interval in 1_u64..10_000_000_000, then in -10_000_000_000_i64..10_000_000_000) {
            let rota = Rota::of(&uid, Duration::from_millis(interval));
            let turn = rota.after(at(then));
            let apart = u64::try_from(millis(at(then), turn)).unwrap();
            prop_assert!((1..=interval).contains(&apart));
            prop_assert_eq!(u64::try_from(millis(turn, rota.after(turn))).unwrap(), interval);
        }
    }

    #[test]
    fn an_interval_without_end_never_comes() {
        let rota = Rota::of("uid", Duration::MAX);
        assert_eq!(rota.after(rota.after(at(0))), Timestamp::MAX);
    }

    #[test]
    fn a_turn_that_is_missed_comes_again_and_is_owed_since_the_first_time() {
        let at = |seconds| Moment(Duration::from_secs(seconds));
        let mut turn = Turn::default();
        assert!(!turn.has_come(at(0), || at(10)));
        assert!(turn.has_come(at(10), || unreachable!()));
        assert_eq!(turn.missed(at(10), at(11)), Duration::ZERO);
        assert!(!turn.has_come(at(10), || unreachable!()));
        assert_eq!(turn.missed(at(15), at(20)), Duration::from_secs(5));
        turn.taken(at(100));
        assert_eq!(turn.missed(at(100), at(101)), Duration::ZERO);
    }
}
