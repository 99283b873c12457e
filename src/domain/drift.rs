//! Drift that comes back: somebody or something else keeps changing what is ours. To repair it at
//! every look would be a fight of two automats, with a call of AWS and an event for each blow.
//!
//! Three repairs of an aspect within an hour are made; from then on one an hour, until an hour has
//! passed in which nobody changed it.

use std::{collections::BTreeMap, time::Duration};

use super::retry::Moment;
use crate::api::Aspect;

/// The time over which repairs are counted, and the pause of a fight.
pub const HOUR: Duration = Duration::from_hours(1);

/// So many repairs within an hour are made before it is called a fight.
const REPAIRS: usize = 3;

/// What is to be done about a drift that was seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is repaired.
    Repair,
    /// It stays for now, and a person is told.
    HoldBack,
}

/// The repairs of one object, by aspect.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Repairs(BTreeMap<Aspect, History>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum History {
    /// The repairs of the last hour.
    Calm(Vec<Moment>),
    Fight {
        repaired: Moment,
        /// When it was last seen changed.
        seen: Moment,
    },
}

impl Default for History {
    fn default() -> Self {
        Self::Calm(Vec::new())
    }
}

impl Repairs {
    /// Judges a drift that is seen now.
    pub fn judge(&mut self, aspect: Aspect, now: Moment) -> Verdict {
        self.0.entry(aspect).or_default().seen(now)
    }

    /// Notes that it was repaired.
    pub fn repaired(&mut self, aspect: Aspect, now: Moment) {
        self.0.entry(aspect).or_default().repaired(now);
    }

    /// Forgets everything: what is asked for has changed, or a person asked for a repair.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

fn within_an_hour(since: Moment, now: Moment) -> bool {
    since.until(now) < HOUR
}

impl History {
    fn seen(&mut self, now: Moment) -> Verdict {
        match self {
            Self::Calm(repairs) => {
                repairs.retain(|repair| within_an_hour(*repair, now));
                let Some(last) = repairs.last().filter(|_| repairs.len() >= REPAIRS) else {
                    return Verdict::Repair;
                };
                *self = Self::Fight {
                    repaired: *last,
                    seen: now,
                };
                Verdict::HoldBack
            }
            Self::Fight { seen, .. } if !within_an_hour(*seen, now) => {
                *self = Self::default();
                Verdict::Repair
            }
            Self::Fight { repaired, seen } => {
                *seen = now;
                if within_an_hour(*repaired, now) {
                    Verdict::HoldBack
                } else {
                    Verdict::Repair
                }
            }
        }
    }

    fn repaired(&mut self, now: Moment) {
        match self {
            Self::Calm(repairs) => repairs.push(now),
            Self::Fight { repaired, .. } => *repaired = now,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ASPECT: Aspect = Aspect::ImageTagMutability;

    fn at(minutes: u64) -> Moment {
        Moment(Duration::from_secs(minutes * 60))
    }

    /// The minutes at which a drift that is seen at `sights` is repaired.
    fn repairs(history: &mut Repairs, sights: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut repaired = Vec::new();
        for minute in sights {
            match history.judge(ASPECT, at(minute)) {
                Verdict::Repair => {
                    history.repaired(ASPECT, at(minute));
                    repaired.push(minute);
                }
                Verdict::HoldBack => {}
            }
        }
        repaired
    }

    #[test]
    fn three_in_an_hour_are_repaired_and_then_one_an_hour() {
        let seen = (0..300).step_by(5);
        let made = repairs(&mut Repairs::default(), seen);
        assert_eq!(made, [0, 5, 10, 70, 130, 190, 250]);
    }

    #[test]
    fn a_slow_drift_is_no_fight() {
        let made = repairs(&mut Repairs::default(), (0..600).step_by(30));
        assert_eq!(made.len(), 20);
    }

    #[test]
    fn an_hour_without_ends_it() {
        let mut history = Repairs::default();
        assert_eq!(repairs(&mut history, [0, 1, 2, 3]), [0, 1, 2]);
        assert_eq!(repairs(&mut history, [62]), [62], "the hour is over");
        assert_eq!(repairs(&mut history, [100]), [0; 0], "still a fight");
        let calm = [160, 161, 162];
        assert_eq!(repairs(&mut history, calm), calm, "an hour without");
        assert_eq!(repairs(&mut history, [163]), [0; 0]);
    }

    #[test]
    fn aspects_and_objects_fight_by_themselves_and_a_person_ends_it() {
        let mut history = Repairs::default();
        repairs(&mut history, [0, 1, 2]);
        assert_eq!(history.judge(Aspect::Tags, at(3)), Verdict::Repair);
        assert_eq!(history.judge(ASPECT, at(3)), Verdict::HoldBack);
        history.forget();
        assert_eq!(history.judge(ASPECT, at(4)), Verdict::Repair);
    }

    proptest! {
        #[test]
        fn whatever_happens_repairs_are_few(steps in prop::collection::vec(0_u64..90, 1..200)) {
            let mut now = 0;
            let seen = steps.into_iter().map(|step| { now += step; now });
            let made = repairs(&mut Repairs::default(), seen);
            for window in made.windows(REPAIRS + 2) {
                prop_assert!(window[REPAIRS + 1] - window[0] >= 60, "{made:?}");
            }
        }

        #[test]
        fn what_drifts_for_ever_is_repaired_at_least_every_two_hours(gap in 1_u64..60) {
            let seen: Vec<_> = (0..1200).step_by(usize::try_from(gap).unwrap()).collect();
            let made = repairs(&mut Repairs::default(), seen);
            prop_assert!(made.windows(2).all(|pair| pair[1] - pair[0] < 120), "{made:?}");
        }
    }
}
