//! Any calls in any order.

use serde_json::Value;

use super::Model;
use super::samples::{cases, sample};
use super::world::{World, populate};

/// Numbers without end, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        // Knuth's constants of a linear congruential generator; the high bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// Inputs of every operation that no constraint refuses. Long ones would only take time.
fn inputs() -> Vec<(&'static str, Vec<Value>)> {
    let model = Model::get();
    let of = |operation: &'static str| {
        let shape = model.side(operation, "input");
        let mut inputs = vec![sample(model, shape)];
        for case in cases(model, shape, "") {
            if case.inside && case.value.to_string().len() < 5_000 {
                inputs.push(case.value);
            }
        }
        (operation, inputs)
    };
    model.operations().map(of).collect()
}

#[tokio::test]
async fn whatever_is_called_answers_and_errors_are_those_of_the_model() {
    let world = World::new().await;
    let operations = inputs();
    let mut numbers = Numbers(20_261_124);
    for turn in 1..=20_000 {
        let (operation, inputs) = numbers.of(&operations);
        let mut input = numbers.of(inputs).clone();
        if numbers.below(2) == 0 {
            let other = numbers.of(inputs).as_object().unwrap().clone();
            input.as_object_mut().unwrap().extend(other);
        }
        let _ = world.call(operation, input);
        // A world in which all was deleted would be a dull one.
        if turn % 200 == 0 {
            world.emulator.wipe();
            populate(&world.emulator);
        }
    }
    world.assert_without_faults();
    let answered = world.answered.lock().unwrap().len();
    assert!(answered > 55, "only {answered} operations answered");
}
