use std::{collections::BTreeSet, future::Future, task::Poll};

use futures::{FutureExt as _, future::poll_fn};
use proptest::prelude::*;

use super::{line::Supply, *};
use crate::domain::{
    identity::{Region, RegistryId},
    retry::Moment,
    turns::Lane,
};

fn registry(account: &str) -> Registry {
    Registry {
        id: RegistryId::parse(account).unwrap(),
        region: Region::parse("ap-southeast-1").unwrap(),
    }
}

fn seconds(seconds: f64) -> Moment {
    Moment(Duration::from_secs_f64(seconds))
}

/// All that a bucket gives out until then, one after another.
fn taken(bucket: &mut Bucket, from: f64, until: f64) -> Vec<Leave> {
    let mut now = seconds(from);
    let mut leaves = Vec::new();
    while now < seconds(until) {
        if let Some(leave) = bucket.take(now) {
            leaves.push(leave);
        }
        now = bucket.ready(now);
    }
    leaves
}

#[test]
fn a_full_bucket_gives_out_what_has_gathered_little_faster_than_it_fills() {
    let mut bucket = Bucket::full(10.0, Moment::default());
    // A tenth more than the sixty that come, of the eight that had gathered.
    let first = taken(&mut bucket, 0.0, 6.0).len();
    assert!((65..=67).contains(&first), "{first}");
    let then = taken(&mut bucket, 6.0, 16.0).len();
    assert!((101..=103).contains(&then), "{then}");
    // Nothing more gathers in an hour.
    let later = taken(&mut bucket, 3600.0, 3620.0).len();
    assert!((207..=209).contains(&later), "{later}");
}

#[test]
fn calls_that_were_under_way_when_aws_throttled_count_once() {
    let mut bucket = Bucket::full(64.0, Moment::default());
    let leaves = taken(&mut bucket, 0.0, 1.0);
    assert!(leaves.len() > 64);
    for leave in &leaves {
        bucket.answered(*leave, Answered::Throttled, seconds(1.0));
    }
    let rate = bucket.rate(seconds(1.0));
    assert!((15.0..=32.0).contains(&rate), "{rate}");
    let later = taken(&mut bucket, 1.0, 2.0);
    let (last, taken) = later[..10].split_last().unwrap();
    for leave in taken {
        bucket.answered(*leave, Answered::Taken, seconds(2.0));
    }
    let before = bucket.rate(seconds(2.0));
    bucket.answered(*last, Answered::Throttled, seconds(2.0));
    let next = bucket.rate(seconds(2.0));
    assert!(next <= before / 2.0, "{next}");
}

/// AWS throttles at once although we slowed down: it is not because of our calls.
#[test]
fn what_slowing_down_does_not_calm_is_no_reason_to_slow_down() {
    let mut bucket = Bucket::full(10.0, Moment::default());
    let mut now = 0.0;
    for _ in 0..3 {
        let leave = taken(&mut bucket, now, now + 2.0)[0];
        now += 2.0;
        bucket.answered(leave, Answered::Throttled, seconds(now));
    }
    assert!(bucket.rate(seconds(now)) >= 10.0);
}

#[test]
fn the_floor_is_one_call_a_second() {
    for (budget, floor) in [(1.0, 1.0), (5.0, 1.0), (20.0, 1.0), (100.0, 5.0)] {
        let mut bucket = Bucket::full(budget, Moment::default());
        let mut lowest = budget;
        let mut now = 0.0;
        for n in 0..400 {
            // AWS grants one call in two seconds.
            let leave = taken(&mut bucket, now, now + 2.0)[0];
            now += 2.0;
            let is_taken = n % 3 == 0;
            let answered = if is_taken {
                Answered::Taken
            } else {
                Answered::Throttled
            };
            bucket.answered(leave, answered, seconds(now));
            lowest = bucket.rate(seconds(now)).min(lowest);
        }
        assert!(lowest >= floor * 0.999, "{budget}: {lowest}");
    }
}

#[test]
fn what_nobody_knows_changes_nothing() {
    let mut bucket = Bucket::full(10.0, Moment::default());
    let leave = bucket.take(seconds(0.0)).unwrap();
    bucket.answered(leave, Answered::Unknown, seconds(0.0));
    assert!(bucket.rate(seconds(0.0)) >= 10.0);
}

#[test]
fn each_kind_of_failure_says_whether_aws_took_the_call() {
    assert_eq!(answered(None), Answered::Taken);
    assert_eq!(answered(Some(Class::Throttled)), Answered::Throttled);
    assert_eq!(answered(Some(Class::Unavailable)), Answered::Unknown);
    assert_eq!(answered(Some(Class::Exists)), Answered::Taken);
}

proptest! {
    /// Whatever AWS answers and whenever, the rate stays between floor and budget, what slows down waits for its
    /// next token, no second brings more than two seconds' worth, and five minutes after the last
    /// throttling all is as before.
    #[test]
    fn the_rate_keeps_its_bounds(
        budget in 1_u32..1000,
        answers in proptest::collection::vec((0.0..3.0_f64, 0..4_u8), 1..200),
    ) {
        let budget = f64::from(budget);
        let mut bucket = Bucket::full(budget, Moment::default());
        let mut now = 0.0;
        for (wait, answer) in answers {
            now += wait;
            if let Some(leave) = bucket.take(seconds(now)) {
                let before = bucket.rate(seconds(now));
                let answer = if answer == 0 { Answered::Throttled } else { Answered::Taken };
                bucket.answered(leave, answer, seconds(now));
                let after = bucket.rate(seconds(now));
                let floor = (budget * 0.05).max(1.0);
                prop_assert!(after >= floor * 0.999 && after <= budget, "{after}");
                match answer {
                    Answered::Throttled => {
                        let in_vain = after >= before.min(budget * 0.999);
                        prop_assert!(in_vain || bucket.take(seconds(now)).is_none());
                    }
                    Answered::Taken | Answered::Unknown => prop_assert!(after >= before * 0.999),
                }
            }
        }
        let later = now + 301.0;
        prop_assert!(bucket.rate(seconds(later)) >= budget);
        let given = taken(&mut bucket, later, later + 1.0).len();
        let given = f64::from(u32::try_from(given).unwrap());
        prop_assert!(given <= 2.0 * budget + 1.0, "{}", given);
    }

    /// A wait that is told is neither too short nor longer than it must be.
    #[test]
    fn the_next_token_is_there_when_it_was_said(budget in 1_u32..1000, calls in 1_usize..50) {
        let mut bucket = Bucket::full(f64::from(budget), Moment::default());
        let mut now = Moment::default();
        for _ in 0..calls {
            while bucket.take(now).is_some() {}
            let ready = bucket.ready(now);
            prop_assert!(ready > now);
            let early = Moment(ready.0.saturating_sub(Duration::from_micros(1)));
            prop_assert_eq!(bucket.clone().take(early), None);
            now = ready;
            prop_assert!(bucket.clone().take(now).is_some());
        }
    }
}

fn errand(lane: Lane, namespace: &str) -> Errand {
    Errand {
        lane,
        namespace: namespace.into(),
    }
}

async fn read(pacing: &Pacing, registry: &Registry, errand: &Errand) -> Turn {
    pacing.turn(registry, Kind::Read, "Operation", errand).await
}

/// Polls once: everybody in turn takes a place.
async fn once<F: Future + Unpin>(waiters: &mut [F]) {
    poll_fn(|cx| {
        for waiter in &mut *waiters {
            assert!(waiter.poll_unpin(cx).is_pending());
        }
        Poll::Ready(())
    })
    .await;
}

fn throttled() -> Failure {
    Failure {
        class: Class::Throttled,
        said: String::new(),
    }
}

/// Takes away what has gathered: the next token is a while off.
async fn empty(pacing: &Pacing, registry: &Registry) {
    let turn = read(pacing, registry, &Errand::default()).await;
    turn.answered::<()>(Err(&throttled()));
}

#[tokio::test]
async fn registries_operations_and_kinds_have_buckets_of_their_own() {
    let pacing = Pacing::default();
    let (one, other) = (registry("111111111111"), registry("222222222222"));
    pacing.set_budget(&one, Budget::of(1, 1));
    let nobody = Errand::default();
    let is_ready = |registry, operation| {
        let turn = pacing.turn(registry, Kind::Read, operation, &nobody);
        turn.now_or_never().is_some()
    };
    assert!(is_ready(&one, "A"));
    assert!(!is_ready(&one, "A"), "it is used up");
    assert!(is_ready(&one, "B"));
    assert!(is_ready(&other, "A"));
    pacing.set_budget(&one, Budget::of(1, 1));
    assert!(!is_ready(&one, "A"), "the same budget fills no bucket");
}

#[tokio::test]
async fn a_turn_in_which_nobody_called_goes_to_the_next() {
    let pacing = Pacing::default();
    let one = registry("111111111111");
    pacing.set_budget(&one, Budget::of(1, 1));
    let nobody = Errand::default();
    drop(read(&pacing, &one, &nobody).await);
    let operation = pacing.operation(&one, Kind::Read, "Operation");
    let ready = operation.line.with(|bucket, now| bucket.ready(now));
    // Not a second later, when another token comes: what is left is the gap between two calls.
    assert!(ready < seconds(0.95), "{ready:?}");
}

#[tokio::test]
async fn a_throttled_operation_slows_down_alone() {
    let pacing = Pacing::default();
    let (one, other) = (registry("111111111111"), registry("222222222222"));
    let nobody = Errand::default();
    // One may be by chance.
    let turn = read(&pacing, &one, &nobody).await;
    assert!(turn.answered::<()>(Err(&throttled())) >= 10.0);
    let turn = read(&pacing, &one, &nobody).await;
    assert!(turn.answered::<()>(Err(&throttled())) <= 5.0);
    for (registry, operation) in [(&one, "Other"), (&other, "Operation")] {
        let turn = pacing.turn(registry, Kind::Read, operation, &nobody).await;
        assert!(turn.answered(Ok(())) >= 10.0, "{operation}");
    }
}

#[tokio::test]
async fn people_go_first_and_namespaces_in_rotation() {
    let pacing = Pacing::default();
    let one = registry("111111111111");
    empty(&pacing, &one).await;
    let order = Mutex::new(Vec::new());
    let names = [
        (Lane::Drift, "a"),
        (Lane::Drift, "b"),
        (Lane::Person, "a"),
        (Lane::Person, "a"),
        (Lane::Person, "b"),
    ];
    let mut waiters: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(n, (lane, namespace))| {
            let (pacing, one, order) = (&pacing, &one, &order);
            let errand = errand(*lane, namespace);
            Box::pin(async move {
                read(pacing, one, &errand).await;
                order.lock().unwrap().push(n);
            })
        })
        .collect();
    once(&mut waiters).await;
    futures::future::join_all(waiters).await;
    assert_eq!(*order.lock().unwrap(), [2, 4, 3, 0, 1]);
}

#[tokio::test]
async fn whoever_stops_waiting_holds_up_nobody() {
    let pacing = Pacing::default();
    let one = registry("111111111111");
    empty(&pacing, &one).await;
    let nobody = Errand::default();
    let mut waiters: Vec<_> = (0..10)
        .map(|_| Box::pin(read(&pacing, &one, &nobody)))
        .collect();
    once(&mut waiters).await;
    // The first of them watches the clock.
    for n in [5, 0, 3, 0] {
        drop(waiters.remove(n));
    }
    assert_eq!(futures::future::join_all(waiters).await.len(), 6);
}

/// A supply of so many.
struct Few(usize);

impl Supply for Few {
    type Share = ();

    fn take(&mut self, _: Moment) -> Option<()> {
        self.0 = self.0.checked_sub(1)?;
        Some(())
    }

    fn give_back(&mut self, (): ()) {
        self.0 += 1;
    }
}

#[tokio::test]
async fn what_was_given_to_one_who_left_goes_to_the_next() {
    let line = Arc::new(Line::new(|_| Few(0)));
    let mut places: Vec<_> = (0..3).map(|_| line.join(&Errand::default())).collect();
    line.with(|few, _| few.give_back(()));
    // It was given to the first, who has not looked yet.
    drop(places.remove(0));
    assert!(places[1].turn().now_or_never().is_none());
    places[0].turn().await;
    drop(places);
    assert_eq!(line.with(|few, _| few.0), 0, "what was used is gone");
}

proptest! {
    /// However many come, go and are served: nothing is lost and nothing is given twice.
    #[test]
    fn shares_are_neither_lost_nor_given_twice(steps in proptest::collection::vec((0..4_u8, any::<usize>()), 0..100)) {
        let line = Arc::new(Line::new(|_| Few(3)));
        let mut places = Vec::new();
        let mut held = 0;
        let mut served = BTreeSet::new();
        for (step, n) in steps {
            match step {
                0 => places.push(line.join(&Errand::default())),
                1 if !places.is_empty() => drop(places.remove(n % places.len())),
                2 if !places.is_empty() => {
                    let mut place = places.remove(n % places.len());
                    if place.turn().now_or_never().is_some() {
                        prop_assert!(served.insert(place.ticket.clone()));
                        held += 1;
                    }
                }
                3 if held > 0 => {
                    held -= 1;
                    line.with(|few, _| few.give_back(()));
                }
                _ => {}
            }
        }
        drop(places);
        prop_assert_eq!(line.with(|few, _| few.0), 3 - held);
    }
}
