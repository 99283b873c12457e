//! When a failed call is tried again. Pure: the time and the dice are passed in.

use std::{collections::BTreeMap, time::Duration};

use super::failure::{Class, Failure, Pace, Retry};
use crate::api::Aspect;

/// A point in time: how long the process had been running, monotonic.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Moment(pub Duration);

impl Moment {
    /// The moment that comes so much later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }

    /// How long until then; nothing once it has passed.
    #[must_use]
    pub fn until(self, then: Self) -> Duration {
        then.0.saturating_sub(self.0)
    }
}

/// What is tried by itself.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Slot {
    /// Reading what ECR holds.
    Look,
    /// The repository itself: its creation, ownership and deletion.
    Repository,
    /// One aspect of it.
    Aspect(Aspect),
}

/// A failed attempt, and when the next one is due.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attempt {
    /// What was asked; another request starts afresh.
    request: String,
    since: Moment,
    count: u32,
    /// When it is tried again.
    pub due: Moment,
    /// How it failed last.
    pub failure: Failure,
    /// Whether only a person can help.
    pub stalled: bool,
}

/// The waits that are settings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Waits {
    /// Where only a person can help.
    pub rest: Duration,
    /// Between two looks at policies.
    pub rota: Duration,
}

impl Attempt {
    /// What to do, then why. Once a person is asked it says so: it is news.
    #[must_use]
    pub fn message(&self) -> String {
        match self.failure.class.retry().patience {
            Some(patience) if self.stalled && !patience.is_zero() => {
                let minutes = patience.as_secs() / 60;
                format!("{} (for over {minutes} minutes)", self.failure)
            }
            Some(_) | None => self.failure.to_string(),
        }
    }
}

/// All that failed of one object since it last succeeded.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Attempts(BTreeMap<Slot, Attempt>);

/// The longest wait between two attempts of what may heal by itself.
const LONGEST: Duration = Duration::from_mins(5);

/// The wait before attempt `count + 1`: one second, doubled each time up to five minutes, the
/// upper half of it by `dice` (0 to 1), so that many objects do not come back in step.
#[must_use]
pub fn back_off(count: u32, dice: f64) -> Duration {
    let doubled = Duration::from_secs(1).saturating_mul(2_u32.saturating_pow(count.min(16)));
    doubled
        .min(LONGEST)
        .mul_f64(0.5 + dice.clamp(0.0, 1.0) / 2.0)
}

/// How many failures count for the wait. What AWS throttles is kept apart by the pace as well: the wait
/// doubles each third time, or an object of several calls would wait for minutes where most of them are
/// throttled, whatever the pace.
fn counted(class: Class, count: u32) -> u32 {
    if class == Class::Throttled {
        count / 3
    } else {
        count
    }
}

impl Attempts {
    /// The attempt that forbids `request` for now, if there is one.
    #[must_use]
    pub fn holding_back(&self, slot: Slot, request: &str, now: Moment) -> Option<&Attempt> {
        self.0
            .get(&slot)
            .filter(|attempt| attempt.request == request && attempt.due > now)
    }

    /// Notes a failure.
    pub fn failed(
        &mut self,
        slot: Slot,
        request: &str,
        failure: Failure,
        now: Moment,
        dice: f64,
        waits: Waits,
    ) -> &Attempt {
        let last = self.0.remove(&slot).filter(|last| last.request == request);
        let (since, count) = last.map_or((now, 0), |last| (last.since, last.count + 1));
        let (wait, stalled) = verdict(failure.class, count, since.until(now), dice, waits);
        let attempt = Attempt {
            request: request.to_owned(),
            since,
            count,
            due: now.after(wait),
            failure,
            stalled,
        };
        self.0.entry(slot).insert_entry(attempt).into_mut()
    }

    /// Whether nothing but the last look failed.
    #[must_use]
    pub fn only_looks(&self) -> bool {
        self.0.keys().all(|slot| *slot == Slot::Look)
    }

    /// Notes a success; another request of the same slot that failed is still to be tried.
    pub fn succeeded(&mut self, slot: Slot, request: &str) {
        self.0
            .retain(|other, attempt| *other != slot || attempt.request != request);
    }

    /// Forgets what is no longer to be tried: its time would come again and again.
    pub fn keep(&mut self, is_left: impl Fn(Slot) -> bool) {
        self.0.retain(|slot, _| is_left(*slot));
    }

    /// Forgets everything: what was asked for has changed, or a person asked to try again.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// When the next attempt is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Moment> {
        self.0.values().map(|attempt| attempt.due).min()
    }
}

/// The wait before the next attempt, and whether a person is asked.
fn verdict(
    class: Class,
    count: u32,
    lasted: Duration,
    dice: f64,
    waits: Waits,
) -> (Duration, bool) {
    let Retry { patience, then } = class.retry();
    let stalled = patience.is_some_and(|patience| lasted >= patience);
    let wait = match then {
        Pace::Rest if stalled => waits.rest,
        Pace::Rota if stalled => waits.rota,
        Pace::Rest | Pace::Rota | Pace::BackOff => back_off(counted(class, count), dice),
    };
    (wait, stalled)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Waits = Waits {
        rest: Duration::from_mins(30),
        rota: Duration::from_hours(8),
    };
    const SLOT: Slot = Slot::Aspect(Aspect::LifecyclePolicy);

    fn failure(class: Class) -> Failure {
        Failure {
            class,
            said: String::new(),
        }
    }

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    #[test]
    fn back_off_doubles_is_bounded_and_jittered() {
        assert_eq!(back_off(0, 1.0), Duration::from_secs(1));
        assert_eq!(back_off(3, 1.0), Duration::from_secs(8));
        assert_eq!(back_off(3, 0.0), Duration::from_secs(4));
        assert_eq!(back_off(u32::MAX, 1.0), LONGEST);
    }

    #[test]
    fn what_is_throttled_ten_times_has_waited_half_a_minute_and_in_the_end_it_waits_as_long_as_others()
     {
        let mut attempts = Attempts::default();
        let mut now = at(0);
        let mut wait = |class| {
            let failed = attempts.failed(SLOT, "a", failure(class), now, 1.0, REST);
            let wait = now.until(failed.due);
            now = failed.due;
            wait.as_secs()
        };
        let first: Vec<_> = (0..10).map(|_| wait(Class::Throttled)).collect();
        assert_eq!(first, [1, 1, 1, 2, 2, 2, 4, 4, 4, 8]);
        assert_eq!((0..30).map(|_| wait(Class::Throttled)).last(), Some(300));
        assert_eq!(wait(Class::Unavailable), 300);
    }

    #[test]
    fn what_aws_calls_invalid_rests_at_once() {
        let mut attempts = Attempts::default();
        let attempt = attempts.failed(SLOT, "a", failure(Class::Invalid), at(0), 1.0, REST);
        assert!(attempt.stalled);
        assert!(attempts.holding_back(SLOT, "a", at(1799)).is_some());
        assert!(attempts.holding_back(SLOT, "a", at(1800)).is_none());
        assert!(
            attempts.holding_back(SLOT, "b", at(1)).is_none(),
            "another request is free"
        );
    }

    #[test]
    fn a_denied_call_asks_for_help_after_five_minutes_and_goes_on() {
        let mut attempts = Attempts::default();
        assert!(
            !attempts
                .failed(SLOT, "a", failure(Class::Denied), at(0), 1.0, REST)
                .stalled
        );
        assert!(
            !attempts
                .failed(SLOT, "a", failure(Class::Denied), at(299), 1.0, REST)
                .stalled
        );
        let attempt = attempts.failed(SLOT, "a", failure(Class::Denied), at(300), 1.0, REST);
        assert!(attempt.stalled);
        assert!(attempt.due < at(300 + 300));
    }

    #[test]
    fn it_is_news_that_a_person_is_asked() {
        let mut attempts = Attempts::default();
        let mut message = |class, seconds| {
            let failure = failure(class);
            let attempt = attempts.failed(SLOT, "a", failure, at(seconds), 1.0, REST);
            (attempt.stalled, attempt.message())
        };
        let heals = message(Class::Denied, 0);
        let ripe = message(Class::Denied, 300);
        assert_eq!((heals.0, ripe.0), (false, true));
        assert_eq!(ripe.1, format!("{} (for over 5 minutes)", heals.1));
        assert_eq!(message(Class::Denied, 600), ripe, "and no news afterwards");
        let invalid = message(Class::Invalid, 600);
        assert!(!invalid.1.contains("minutes"), "{}", invalid.1);
    }

    #[test]
    fn a_document_that_aws_alters_waits_for_the_rota() {
        let mut attempts = Attempts::default();
        let attempt = attempts.failed(SLOT, "a", failure(Class::Altered), at(0), 1.0, REST);
        assert!(attempt.stalled);
        assert_eq!(attempt.due, at(8 * 3600));
    }

    #[test]
    fn a_refused_policy_has_ten_minutes_from_the_first_refusal_of_that_document() {
        let mut attempts = Attempts::default();
        attempts.failed(SLOT, "a", failure(Class::PolicyRefused), at(0), 1.0, REST);
        let other = attempts.failed(SLOT, "b", failure(Class::PolicyRefused), at(700), 1.0, REST);
        assert!(!other.stalled);
        assert_eq!(other.due, at(701), "the other document starts afresh");
        assert!(
            attempts
                .failed(
                    SLOT,
                    "b",
                    failure(Class::PolicyRefused),
                    at(1300),
                    1.0,
                    REST
                )
                .stalled
        );
    }

    #[test]
    fn an_outage_never_asks_for_a_person() {
        let mut attempts = Attempts::default();
        for hour in 0..100 {
            let attempt = attempts.failed(
                Slot::Look,
                "",
                failure(Class::Unavailable),
                at(hour * 3600),
                1.0,
                REST,
            );
            assert!(!attempt.stalled);
        }
    }

    #[test]
    fn success_and_change_clear_the_way() {
        let mut attempts = Attempts::default();
        attempts.failed(SLOT, "a", failure(Class::Invalid), at(0), 1.0, REST);
        attempts.failed(Slot::Look, "", failure(Class::Throttled), at(0), 1.0, REST);
        assert_eq!(attempts.next_due(), Some(at(1)));
        attempts.succeeded(Slot::Look, "");
        assert_eq!(attempts.next_due(), Some(at(1800)));
        attempts.forget();
        assert_eq!(attempts.next_due(), None);
    }

    #[test]
    fn success_of_one_request_is_none_of_another_and_what_is_over_is_forgotten() {
        let mut attempts = Attempts::default();
        attempts.failed(SLOT, "a", failure(Class::Throttled), at(0), 1.0, REST);
        attempts.succeeded(SLOT, "b");
        assert_eq!(attempts.next_due(), Some(at(1)), "a is still to be tried");
        attempts.keep(|slot| slot != SLOT);
        assert_eq!(attempts.next_due(), None);
    }
}
