//! Laws of trying again, over random histories of failures, refusals, permissions, restarts and requests.
//!
//! A small model of an object and its passes: a look, then its calls, one after the other, by the same steps as the
//! controller's. Each write needs a proof, and what a look found missing is counted in the whole registry: both are read
//! after a look that went well, and are noted as failures of what they stop.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;

use super::{
    failure::{Class, Failure},
    reason::Reason,
    retry::{Attempts, Call, Moment, Now, Slot, Waits, comes_back},
};
use crate::api::{Aspect, PendingAction};

const fn call(slot: Slot, operation: &'static str) -> Call {
    Call { slot, operation }
}

const LOOK: Call = call(Slot::Look, "DescribeRepositories");

/// After a look that found nothing: whether many are gone.
const ROLL: Call = call(Slot::Repository, "DescribeRepositories");

const CALLS: [Call; 7] = [
    LOOK,
    call(Slot::Repository, "CreateRepository"),
    call(Slot::Aspect(Aspect::Tags), "UntagResource"),
    call(Slot::Aspect(Aspect::Tags), "TagResource"),
    call(
        Slot::Document(Aspect::LifecyclePolicy),
        "GetLifecyclePolicy",
    ),
    call(Slot::Aspect(Aspect::LifecyclePolicy), "PutLifecyclePolicy"),
    ROLL,
];

/// In their order after the look.
const ORDER: [usize; 6] = [6, 1, 2, 3, 4, 5];

const fn is_write(call: Call) -> bool {
    match call.slot {
        Slot::Look | Slot::Document(_) => false,
        Slot::Repository => !call.operation.eq_ignore_ascii_case(ROLL.operation),
        Slot::Aspect(_) => true,
    }
}

const WAITS: Waits = Waits {
    rest: Duration::from_mins(30),
    rota: Duration::from_hours(8),
};

const RESYNC: Duration = Duration::from_mins(5);

#[derive(Clone, Debug)]
enum Event {
    /// From now on AWS answers a call so.
    Answers(usize, Option<Class>),
    /// From now on what permits a write can't be read, for this reason, or can.
    Proves(Option<Class>),
    /// The class goes, or comes back.
    Refused(bool),
    Restart,
    Request,
    Change,
}

fn class() -> impl Strategy<Value = Class> {
    prop::sample::select(vec![
        Class::Throttled,
        Class::Unavailable,
        Class::Unsettled,
        Class::Credentials,
        Class::Denied,
        Class::Invalid,
        Class::PolicyRefused,
        Class::Limit,
        Class::Altered,
    ])
}

/// What heals by itself: status keeps nothing of it.
fn passing() -> impl Strategy<Value = Class> {
    prop::sample::select(vec![Class::Throttled, Class::Unavailable, Class::Unsettled])
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        5 => (0..6_usize, prop::option::weighted(0.8, class())).prop_map(|(call, class)| Event::Answers(call, class)),
        1 => prop::option::weighted(0.8, passing()).prop_map(|class| Event::Answers(6, class)),
        1 => prop::option::weighted(0.5, class()).prop_map(Event::Proves),
        1 => any::<bool>().prop_map(Event::Refused),
        1 => Just(Event::Restart),
        1 => Just(Event::Request),
        1 => Just(Event::Change),
    ]
}

/// The class stays.
fn stays() -> impl Strategy<Value = Event> {
    any_event().prop_map(|event| match event {
        Event::Refused(_) => Event::Restart,
        Event::Answers(..) | Event::Proves(_) | Event::Restart | Event::Request | Event::Change => {
            event
        }
    })
}

/// Events, each so many seconds after the one before.
fn history(event: impl Strategy<Value = Event>) -> impl Strategy<Value = Vec<(u64, Event)>> {
    prop::collection::vec((0_u64..4000, event), 0..25)
}

struct World {
    answers: [Option<Class>; CALLS.len()],
    unproved: Option<Class>,
    refused: bool,
    attempts: Attempts,
    pending: Vec<PendingAction>,
    /// For what reason, and in which words.
    stalled: Option<(Reason, String)>,
    dice: f64,
    now: Duration,
    next: Duration,
    passes: Vec<Duration>,
    made: BTreeMap<Call, usize>,
}

impl World {
    fn new(dice: f64) -> Self {
        Self {
            answers: [None; CALLS.len()],
            unproved: None,
            refused: false,
            attempts: Attempts::default(),
            pending: Vec::new(),
            stalled: None,
            dice,
            now: Duration::ZERO,
            next: Duration::ZERO,
            passes: Vec::new(),
            made: BTreeMap::new(),
        }
    }

    fn clock(&self) -> Now {
        let wall = Timestamp::from_millisecond(i64::try_from(self.now.as_millis()).unwrap());
        Now {
            moment: Moment(self.now),
            wall: wall.unwrap(),
        }
    }

    /// All passes until then.
    fn runs(&mut self, until: Duration) {
        while self.next <= until {
            self.now = self.now.max(self.next);
            self.passes.push(self.now);
            assert!(self.passes.len() < 100_000, "a loop");
            self.pass();
        }
        self.now = until;
    }

    fn happens(&mut self, event: &Event) {
        match event {
            Event::Answers(call, class) => self.answers[*call] = *class,
            Event::Proves(class) => self.unproved = *class,
            Event::Refused(refused) => {
                self.refused = *refused;
                self.next = self.now;
            }
            Event::Restart => {
                self.attempts = Attempts::default();
                let now = self.clock().wall;
                let stalled = self.stalled.as_ref();
                let stalled = stalled.map(|(reason, words)| (reason.as_str(), words.as_str()));
                self.attempts.inherit(&self.pending, stalled, now);
                self.next = self.now;
            }
            Event::Request => {
                self.attempts.hasten();
                self.next = self.now;
            }
            Event::Change => {
                self.attempts.forget();
                (self.pending, self.stalled) = (Vec::new(), None);
                self.next = self.now;
            }
        }
    }

    fn pass(&mut self) {
        let began = Moment(self.now);
        self.attempts.begins();
        if !self.refused {
            self.tries();
        }
        let dues = self.attempts.dues();
        self.next = self.now + comes_back(began, Moment(self.now), RESYNC, dues);
    }

    /// What comes of a call, with what is read for it.
    fn answer(&self, index: usize) -> Option<Class> {
        let unproved = self.unproved.filter(|_| is_write(CALLS[index]));
        unproved.or(self.answers[index])
    }

    /// Makes a call that is due; how it failed, if it did.
    fn call(&mut self, index: usize) -> Option<Class> {
        let call = CALLS[index];
        let held_back = self.attempts.holding_back(call, "", Moment(self.now));
        if let Some(attempt) = held_back.filter(|_| call.slot != Slot::Look) {
            return Some(attempt.failure.class);
        }
        *self.made.entry(call).or_default() += 1;
        let Some(class) = self.answer(index) else {
            self.attempts.succeeded(call);
            return None;
        };
        let said = "no".to_owned();
        let (failure, now) = (Failure { class, said }, self.clock());
        self.attempts
            .failed(call, "", failure, now, self.dice, WAITS);
        Some(class)
    }

    fn tries(&mut self) {
        if self.call(0).is_some() {
            // What ECR can't be asked about is as it was said, unless a person is needed for the look.
            let asked = self.attempts.asked_for(LOOK).is_some();
            if asked || self.stalled.is_none() {
                let untried = std::mem::take(&mut self.pending);
                self.say(&[0]);
                let is_kept =
                    |it: &PendingAction| it.since.is_some() && it.action != LOOK.operation;
                self.pending.extend(untried.into_iter().filter(is_kept));
            }
            return;
        }
        self.attempts.looked();
        let mut failed = Vec::new();
        let mut is_cut_short = false;
        for index in ORDER {
            let call = CALLS[index];
            if is_cut_short {
                if self.attempts.asked_for(call).is_some() {
                    failed.push(index);
                }
            } else if let Some(class) = self.call(index) {
                failed.push(index);
                let is_unproved = is_write(call) && self.unproved.is_some();
                let ends = is_unproved || class.ends_the_pass();
                is_cut_short = call.slot == Slot::Repository || ends;
            }
        }
        if !is_cut_short {
            self.attempts.went_through();
        }
        self.say(&failed);
    }

    fn say(&mut self, failed: &[usize]) {
        self.stalled = None;
        let mut pending = Vec::new();
        for call in failed.iter().map(|index| CALLS[*index]) {
            let asked = self.attempts.asked_for(call);
            if let (Some(told), None) = (asked, &self.stalled) {
                self.stalled = Some((told.reason, told.message.clone()));
            }
            let (aspect, operation) = (call.slot.aspect(), call.operation);
            for reason in Reason::ALL {
                let since = self.attempts.since(aspect, operation, reason.as_str());
                let Some(since) = since else { continue };
                pending.push(PendingAction {
                    aspect,
                    action: operation.to_owned(),
                    reason: reason.to_string(),
                    message: asked.map(|told| told.message.clone()),
                    since: Some(since.to_string()),
                });
            }
        }
        self.pending = pending;
    }

    /// Whether the condition Stalled is there because of it.
    fn is_said_of(&self, index: usize) -> bool {
        let told = self.attempts.asked_for(CALLS[index]);
        let told = told.map(|it| (it.reason, it.message.clone()));
        told.is_some() && told == self.stalled
    }

    fn asks_for(&self, index: usize) -> bool {
        self.attempts.asked_for(CALLS[index]).is_some()
    }
}

/// Goes through a history.
fn lives(world: &mut World, history: &[(u64, Event)], mut look: impl FnMut(&mut World, &Event)) {
    for (after, event) in history {
        world.runs(world.now + Duration::from_secs(*after));
        world.happens(event);
        look(world, event);
    }
}

const HOUR: Duration = Duration::from_hours(1);

proptest! {
    /// Between two changes of the world passes become as seldom as the resync, whatever failed before; and each call
    /// is made as seldom as its own back-off wants it.
    #[test]
    fn passes_become_as_seldom_as_the_resync(history in history(any_event()), dice in 0.0..1.0) {
        let mut world = World::new(dice);
        lives(&mut world, &history, |_, _| {});
        let settled = world.now + 3 * HOUR;
        world.runs(settled);
        world.made.clear();
        let before = world.passes.len();
        world.runs(settled + 10 * HOUR);
        let passes = world.passes.len() - before;
        // Every two and a half minutes, as a back-off may be by its dice; and the end of each longer wait.
        prop_assert!(passes <= 10 * (24 + 2 * CALLS.len()), "{passes} passes in ten hours");
        for (call, made) in &world.made {
            if *call != LOOK && world.answer(CALLS.iter().position(|it| it == call).unwrap()).is_some() {
                prop_assert!(*made <= 241, "{call:?} was made {made} times in ten hours");
            }
        }
        prop_assert!(world.now <= *world.passes.last().unwrap() + RESYNC, "it never ends either");
    }

    /// Whoever is asked for help, is asked until the same call succeeds, or something else is asked for.
    #[test]
    fn nothing_but_success_and_change_takes_back_that_a_person_is_asked(
        history in history(stays()),
        dice in 0.0..1.0,
    ) {
        let mut world = World::new(dice);
        // The calls for whose sake it is said, and what AWS answered to them before.
        let mut asked: Vec<usize> = Vec::new();
        let mut answered = [None; CALLS.len()];
        lives(&mut world, &history, |world, event| {
            if matches!(event, Event::Change) {
                asked.clear();
            }
            world.runs(world.now);
            // Only what AWS has never permitted meanwhile can be said to be the same still.
            asked.retain(|it| world.answer(*it).is_some() && answered[*it].is_some());
            assert!(asked.is_empty() || world.stalled.is_some(), "{asked:?}");
            for index in &asked {
                assert!(world.asks_for(*index), "{:?}", CALLS[*index]);
            }
            asked.retain(|it| world.is_said_of(*it));
            asked.extend((0..CALLS.len()).filter(|it| world.is_said_of(*it)));
            answered = std::array::from_fn(|it| world.answer(it));
        });
    }

    /// However often the operator starts anew, or is asked to try again: what fails in one way is called
    /// hopeless when its patience is over, and a throttled call between does not put that off.
    #[test]
    fn the_verdict_comes_when_patience_is_over(
        (index, class) in prop::sample::select(vec![
            (0, Class::Denied), (1, Class::Denied), (3, Class::Denied), (5, Class::Denied), (5, Class::PolicyRefused),
        ]),
        history in prop::collection::vec((0_u64..100, prop_oneof![
            Just(Event::Restart), Just(Event::Request), (2_usize..3).prop_map(|it| Event::Answers(it, Some(Class::Throttled))),
        ]), 0..40),
        throttled in 0_u64..300,
        dice in 0.0..1.0,
    ) {
        let mut world = World::new(dice);
        world.answers[index] = Some(class);
        world.runs(Duration::from_secs(1));
        let patience = class.retry().patience.unwrap();
        let mut is_throttled = false;
        let mut check = |world: &mut World| {
            if world.now > patience + Duration::from_secs(2) {
                assert!(world.asks_for(index) && world.stalled.is_some(), "{:?}", world.now);
            }
            // Once, for a while that ends before patience does.
            let secs = Duration::from_secs(throttled);
            let throttles = !is_throttled && world.now > secs && world.now < patience / 2;
            world.answers[index] = Some(if throttles { Class::Throttled } else { class });
            is_throttled |= throttles;
        };
        lives(&mut world, &history, |world, _| { world.runs(world.now); check(world) });
        let end = world.now.max(patience) + Duration::from_secs(3);
        world.answers[index] = Some(class);
        if !is_throttled {
            world.runs(end);
            prop_assert!(world.asks_for(index));
        }
    }
}
