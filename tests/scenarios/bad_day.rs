//! A bad day of AWS: one of ten calls fails, each in another way, while objects come, change and go.

use std::collections::{BTreeMap, BTreeSet};

use ecr_emulator::{Call, Fault};
use serde_json::{Value, json};

use crate::{
    dice::Dice,
    looking::{is_about, operations},
    samples::whole,
    world::World,
};

const OBJECTS: usize = 20;

/// As many calls as the day may have; faults are spread over all of them.
const CALLS: u64 = 600;

fn name(n: usize) -> String {
    format!("api-{n}")
}

fn spec(n: usize, count: i64) -> Value {
    let mut spec = whole(count);
    spec["tags"] = json!({"team": format!("team-{n}"), format!("key-{count}"): "x"});
    spec["deletionPolicy"] = json!("Delete");
    spec
}

/// One fault of each kind in turn, at a tenth of all calls.
fn bad_day(world: &World, seed: u64) {
    let mut dice = Dice::new(seed);
    let kinds: [fn(Fault) -> Fault; 5] = [
        Fault::throttle,
        Fault::server_error,
        Fault::lose_answer,
        Fault::drop_call,
        Fault::truncate,
    ];
    for call in 0..CALLS {
        // A call that is struck is not counted by the faults after it: one of nine others is one of ten.
        if dice.below(9) == 0 {
            let fault = Fault::any().skip(call);
            world.emulator.inject(kinds[dice.below(kinds.len())](fault));
        }
    }
}

/// Twenty objects are created; then half of them change, and a quarter go.
async fn day(world: &World) {
    for n in 0..OBJECTS {
        world.apply(&name(n), spec(n, 10)).await;
    }
    for n in 0..OBJECTS {
        world.ready(&name(n)).await;
    }
    for n in 0..OBJECTS / 2 {
        world.apply(&name(n), spec(n, 20)).await;
    }
    let mut going = Vec::new();
    for n in 15..OBJECTS {
        going.push(world.get(&name(n)).await);
        world.delete(&name(n)).await;
    }
    for object in &going {
        world.gone(object).await;
    }
    for n in 0..15 {
        world.ready(&name(n)).await;
    }
}

/// Each call about it: when it came and was answered, what struck it, and what the answer was.
fn story(world: &World, n: usize) -> Vec<String> {
    let repository = world.in_ecr(&name(n));
    let mut calls = world.calls();
    calls.retain(|call| is_about(call, &repository));
    let first = calls.first().map_or(0.0, |call| call.arrived);
    let tell = |call: &Call| {
        let (came, answered) = (call.arrived - first, call.answered - first);
        let answer = call.answer.as_ref().map_or_else(|it| &*it.code, |_| "OK");
        let fault = call.fault.as_deref().unwrap_or("no fault");
        let operation = &call.operation;
        format!("{came:.2} to {answered:.2}: {operation}, {answer}, {fault}")
    };
    calls.iter().map(tell).collect()
}

/// The calls about each object's repository.
fn calls(world: &World) -> BTreeMap<usize, usize> {
    (0..OBJECTS)
        .map(|n| (n, operations(world, &name(n), 0).len()))
        .collect()
}

/// The faults that struck calls about it.
fn faults(world: &World, n: usize) -> usize {
    let repository = world.in_ecr(&name(n));
    let mut calls = world.calls();
    calls.retain(|call| call.fault.is_some() && is_about(call, &repository));
    calls.len()
}

/// The reads that faults of writes make necessary. Documents have no bulk read, and whether a write of one took
/// effect is seen before it is made again (`faults` sees to that): one that a fault struck costs a read that a
/// creation without faults does not. Where it was the first of the two, the second was not reached and is looked
/// for as well. Each counts once for each such fault, and only up to the next write of its document.
fn demanded(world: &World, n: usize) -> usize {
    let repository = world.in_ecr(&name(n));
    let mut calls = world.calls();
    calls.retain(|call| is_about(call, &repository));
    let (lifecycle, policy) = ("GetLifecyclePolicy", "GetRepositoryPolicy");
    let mut owed = BTreeSet::new();
    let mut demanded = 0;
    for call in &calls {
        match (call.operation.as_str(), call.fault.is_some()) {
            ("PutLifecyclePolicy", true) => owed.extend([lifecycle, policy]),
            ("SetRepositoryPolicy", true) => owed.extend([policy]),
            ("PutLifecyclePolicy", false) => {
                owed.remove(lifecycle);
            }
            ("SetRepositoryPolicy", false) => {
                owed.remove(policy);
            }
            (operation, false) => demanded += usize::from(owed.remove(operation)),
            (_, true) => {}
        }
    }
    demanded
}

/// Ends a day: all of it is as status says, and some of it is seen to rest.
async fn finish(world: World) {
    world.status_is_true().await;
    let mut going = Vec::new();
    for n in 3..15 {
        going.push(world.get(&name(n)).await);
        world.delete(&name(n)).await;
    }
    for object in &going {
        world.gone(object).await;
    }
    world.finish_looking().await;
}

#[tokio::test]
async fn one_call_of_ten_fails_and_all_of_it_converges() {
    let calm = World::quiet("good-day").await;
    day(&calm).await;
    let without_faults = calls(&calm);
    finish(calm).await;

    let world = World::quiet("bad-day").await;
    bad_day(&world, 1);
    day(&world).await;
    let spent = calls(&world);
    let mut struck = 0;
    for n in 0..OBJECTS {
        let (c, f, r) = (without_faults[&n], faults(&world, n), demanded(&world, n));
        struck += f;
        assert!(
            spent[&n] - r <= c * (f + 1) + 2,
            "{}: {} calls, {c} without its {f} faults, {r} demanded reads: {:#?}",
            name(n),
            spent[&n],
            story(&world, n)
        );
        let made = world.written();
        let made = made.iter().filter(|c| {
            c.operation == "CreateRepository"
                && c.input["repositoryName"] == json!(world.in_ecr(&name(n)))
        });
        assert_eq!(made.count(), 1, "{}", name(n));
    }
    assert!(struck >= 10, "only {struck} faults struck");
    world.emulator.clear_faults();
    for n in 0..15 {
        let tags = world.repository(&name(n)).unwrap().tags;
        let count = if n < OBJECTS / 2 { 20 } else { 10 };
        let keys: Vec<_> = tags.keys().filter(|key| key.starts_with("key-")).collect();
        assert_eq!(keys, [&format!("key-{count}")]);
    }
    for n in 15..OBJECTS {
        assert!(world.repository(&name(n)).is_none(), "{}", name(n));
    }
    finish(world).await;
}
