//! The pace where calls do not come to AWS as they were let go: on a busy machine they bunch. A bucket of AWS must
//! not seem a storm then, nor a storm a bucket.

use super::curve::{Theirs, Way, Went, by_chance, make, over};

/// How calls bunch: how much longer the way may be, and for how long the machine stands still, in seconds.
type Machine = (f64, f64);

const MACHINES: [Machine; 4] = [(0.0, 0.0), (0.3, 0.0), (0.1, 0.5), (0.5, 1.0)];

const SEEDS: std::ops::Range<u64> = 0..100;
const FEWER: std::ops::Range<u64> = 0..40;

fn went(
    calls: u32,
    budget: f64,
    takes: impl FnMut(f64) -> bool,
    machine: Machine,
    seed: u64,
) -> Went {
    let (longer, longest) = machine;
    make(
        calls,
        budget,
        takes,
        &mut Way::busy(0.01, longer, longest, seed),
    )
}

/// Few are throttled until the pace is what AWS grants, and it stays that.
#[test]
fn a_bucket_is_found_however_calls_bunch() {
    for (budget, granted, calls) in [
        (20.0, 4.0, 100),
        (20.0, 4.0, 400),
        (20.0, 10.0, 300),
        (10.0, 3.0, 200),
    ] {
        for machine in MACHINES {
            let went = |seed| {
                let mut theirs = Theirs::of(granted, granted);
                went(calls, budget, |now| theirs.takes(now), machine, seed)
            };
            let what = format!("{calls} calls, {granted} of {budget} a second, {machine:?}");
            let (throttled, most) = over(SEEDS, |seed| f64::from(went(seed).throttled));
            let share = |share: f64| share * f64::from(calls);
            assert!(throttled <= 10.0 + share(0.2), "{what}: {throttled}");
            assert!(most <= 40.0 + share(0.3), "{what}: {most}");
            let (off, _) = over(SEEDS, |seed| (went(seed).rate / granted - 1.0).abs());
            assert!(off <= 0.3, "{what}: {off}");
        }
    }
}

/// What is throttled by chance slows down nobody: not by a fifth in all, and not the pace by a tenth.
#[test]
fn a_storm_sinks_no_pace_however_calls_bunch() {
    for machine in MACHINES {
        for tenths in 1..10 {
            let share = f64::from(tenths) / 10.0;
            let mut lost = 0.0;
            let (slow, _) = over(FEWER, |seed| {
                let calm = went(200, 5.0, |_| true, machine, seed);
                let stormy = went(200, 5.0, by_chance(share, seed), machine, seed);
                lost += 1.0 - stormy.rate / 5.0;
                stormy.seconds * (1.0 - share) / calm.seconds
            });
            assert!(slow <= 1.2, "{share} {machine:?}: {slow}");
            lost /= 40.0;
            assert!(lost <= 0.1, "{share} {machine:?}: {lost}");
        }
    }
}

/// Two hundred new repositories, one call of ten throttled: no more than 1.3 times as long as undisturbed.
#[test]
fn one_call_of_ten_throttled_holds_up_two_hundred_by_less_than_a_third() {
    for machine in MACHINES {
        let (slow, _) = over(SEEDS, |seed| {
            let calm = went(200, 5.0, |_| true, machine, seed).seconds;
            went(200, 5.0, by_chance(0.1, seed), machine, seed).seconds / calm
        });
        assert!(slow <= 1.3, "{machine:?}: {slow}");
    }
}

/// Ten new repositories while six calls of ten are throttled.
#[test]
fn ten_calls_get_through_a_storm_however_calls_bunch() {
    for machine in MACHINES {
        let (mean, worst) = over(SEEDS, |seed| {
            went(10, 5.0, by_chance(0.6, seed), machine, seed).seconds
        });
        assert!(mean <= 12.0 && worst <= 30.0, "{machine:?}: {mean} {worst}");
    }
}

/// Half a minute of storm, and calls for another minute at least: no more than a quarter of that is lost in all.
#[test]
fn when_a_storm_ends_all_is_soon_as_before() {
    for machine in MACHINES {
        for share in [0.1, 0.3, 0.6, 0.9] {
            let (slow, _) = over(SEEDS, |seed| {
                let mut chance = by_chance(share, seed);
                let takes = |now| now > 30.0 || chance(now);
                let calm = went(900, 10.0, |_| true, machine, seed).seconds;
                let storm = 30.0 * share;
                went(900, 10.0, takes, machine, seed).seconds / (calm + storm)
            });
            assert!(slow <= 1.25, "{share} {machine:?}: {slow}");
        }
    }
}
