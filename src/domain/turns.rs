//! Whose turn it is: what people changed goes before drift, namespaces go in rotation, and within one
//! of them who came first. Pure: nobody waits here.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

/// Why something is done.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Lane {
    /// Somebody made, changed or deleted something, asked for it, or waits for it.
    Person,
    /// All is well as far as is known.
    #[default]
    Drift,
}

/// On whose behalf something is done.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Errand {
    /// Why.
    pub lane: Lane,
    /// For whom; empty for nobody in particular.
    pub namespace: Arc<str>,
}

/// How many of people's go ahead before one of drift: nobody waits for ever.
const AHEAD: u32 = 9;

/// A place among those who wait.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Ticket {
    namespace: Arc<str>,
    number: u64,
}

/// All who wait, each with a `T`.
#[derive(Debug)]
pub struct Turns<T> {
    people: Rotation<T>,
    drift: Rotation<T>,
    issued: u64,
    ahead: u32,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self {
            people: Rotation::default(),
            drift: Rotation::default(),
            issued: 0,
            ahead: 0,
        }
    }
}

impl<T> Turns<T> {
    /// Goes to the end of its namespace.
    pub fn join(&mut self, errand: &Errand, waiter: T) -> Ticket {
        self.issued += 1;
        let ticket = Ticket {
            namespace: Arc::clone(&errand.namespace),
            number: self.issued,
        };
        match errand.lane {
            Lane::Person => self.people.join(&ticket, waiter),
            Lane::Drift => self.drift.join(&ticket, waiter),
        }
        ticket
    }

    /// Calls whose turn it is.
    pub fn call(&mut self) -> Option<T> {
        let drifts = !self.drift.is_empty();
        if self.people.is_empty() || (drifts && self.ahead >= AHEAD) {
            self.ahead = 0;
            return self.drift.call();
        }
        self.ahead = if drifts { self.ahead + 1 } else { 0 };
        self.people.call()
    }

    /// Takes out one that no longer waits; `None` where its turn has come already.
    pub fn leave(&mut self, ticket: &Ticket) -> Option<T> {
        let left = self.people.leave(ticket);
        left.or_else(|| self.drift.leave(ticket))
    }

    /// What was drift has become somebody's concern.
    pub fn hasten(&mut self, ticket: &Ticket) {
        if let Some(waiter) = self.drift.leave(ticket) {
            self.people.join(ticket, waiter);
        }
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.people.is_empty() && self.drift.is_empty()
    }
}

/// Those of one lane. A namespace is in the order while, and only while, somebody of it waits.
#[derive(Debug)]
struct Rotation<T> {
    order: VecDeque<Arc<str>>,
    waiting: HashMap<Arc<str>, BTreeMap<u64, T>>,
}

impl<T> Default for Rotation<T> {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            waiting: HashMap::new(),
        }
    }
}

impl<T> Rotation<T> {
    fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    fn join(&mut self, ticket: &Ticket, waiter: T) {
        let of_namespace = self.waiting.entry(Arc::clone(&ticket.namespace));
        let of_namespace = of_namespace.or_insert_with(|| {
            self.order.push_back(Arc::clone(&ticket.namespace));
            BTreeMap::new()
        });
        of_namespace.insert(ticket.number, waiter);
    }

    fn call(&mut self) -> Option<T> {
        let namespace = self.order.pop_front()?;
        let of_namespace = self.waiting.get_mut(&namespace)?;
        let (_, waiter) = of_namespace.pop_first()?;
        if of_namespace.is_empty() {
            self.waiting.remove(&namespace);
        } else {
            self.order.push_back(namespace);
        }
        Some(waiter)
    }

    fn leave(&mut self, ticket: &Ticket) -> Option<T> {
        let of_namespace = self.waiting.get_mut(&ticket.namespace)?;
        let waiter = of_namespace.remove(&ticket.number)?;
        if of_namespace.is_empty() {
            self.waiting.remove(&ticket.namespace);
            self.order.retain(|other| *other != ticket.namespace);
        }
        Some(waiter)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn errand(lane: Lane, namespace: &str) -> Errand {
        Errand {
            lane,
            namespace: namespace.into(),
        }
    }

    fn drain<T>(turns: &mut Turns<T>) -> Vec<T> {
        std::iter::from_fn(|| turns.call()).collect()
    }

    #[test]
    fn namespaces_go_in_rotation_and_each_by_itself_in_order() {
        let mut turns = Turns::default();
        for waiter in ["a1", "a2", "a3", "b1", "c1", "b2"] {
            turns.join(&errand(Lane::Person, &waiter[..1]), waiter);
        }
        assert_eq!(drain(&mut turns), ["a1", "b1", "c1", "a2", "b2", "a3"]);
    }

    #[test]
    fn people_go_first_and_drift_has_every_tenth_turn() {
        let mut turns = Turns::default();
        for n in 0..40 {
            turns.join(&errand(Lane::Drift, "a"), ("drift", n));
            turns.join(&errand(Lane::Person, "a"), ("person", n));
        }
        let order = drain(&mut turns);
        let first: Vec<_> = order.iter().take(20).map(|(lane, _)| *lane).collect();
        let nine_and_one = [["person"; 9].as_slice(), &["drift"]].concat();
        assert_eq!(first, nine_and_one.repeat(2));
    }

    #[test]
    fn who_leaves_or_hurries_moves_nobody_else() {
        let mut turns = Turns::default();
        turns.join(&errand(Lane::Drift, "a"), 1);
        let leaves = turns.join(&errand(Lane::Drift, "a"), 2);
        let hurries = turns.join(&errand(Lane::Drift, "b"), 3);
        turns.join(&errand(Lane::Drift, "c"), 4);
        turns.join(&errand(Lane::Person, "d"), 5);
        assert_eq!(turns.leave(&leaves), Some(2));
        assert_eq!(turns.leave(&leaves), None, "it has left already");
        turns.hasten(&hurries);
        turns.hasten(&leaves);
        assert_eq!(drain(&mut turns), [5, 3, 1, 4]);
        assert!(turns.is_empty());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Join(Lane, u8),
        Leave(usize),
        Hasten(usize),
        Next,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let lane = prop_oneof![Just(Lane::Person), Just(Lane::Drift)];
        let step = prop_oneof![
            4 => (lane, 0_u8..4).prop_map(|(lane, namespace)| Step::Join(lane, namespace)),
            1 => any::<usize>().prop_map(Step::Leave),
            1 => any::<usize>().prop_map(Step::Hasten),
            3 => Just(Step::Next),
        ];
        proptest::collection::vec(step, 0..200)
    }

    proptest! {
        /// Nobody is lost, served twice, or overtaken in his namespace and lane; whoever waits has a turn
        /// within as many as there are namespaces, times ten.
        #[test]
        fn everybody_has_one_turn(steps in steps()) {
            let mut turns = Turns::default();
            let mut tickets: Vec<(Ticket, usize)> = Vec::new();
            let mut waiting = BTreeSet::new();
            for step in steps {
                match step {
                    Step::Join(lane, namespace) => {
                        let waiter = tickets.len();
                        let errand = errand(lane, &namespace.to_string());
                        tickets.push((turns.join(&errand, waiter), waiter));
                        waiting.insert(waiter);
                    }
                    Step::Leave(n) if !tickets.is_empty() => {
                        let (ticket, waiter) = &tickets[n % tickets.len()];
                        prop_assert_eq!(turns.leave(ticket).is_some(), waiting.remove(waiter));
                    }
                    Step::Hasten(n) if !tickets.is_empty() => {
                        turns.hasten(&tickets[n % tickets.len()].0);
                    }
                    Step::Next => {
                        let next = turns.call();
                        prop_assert_eq!(next.is_some(), !waiting.is_empty());
                        prop_assert!(next.is_none_or(|it| waiting.remove(&it)));
                    }
                    Step::Leave(_) | Step::Hasten(_) => {}
                }
                prop_assert_eq!(turns.is_empty(), waiting.is_empty());
            }
            let rest: BTreeSet<_> = drain(&mut turns).into_iter().collect();
            prop_assert_eq!(rest, waiting);
        }

        /// However many others come, each namespace of each lane has its turn.
        #[test]
        fn nobody_starves(namespaces in 1_usize..6, busy in 1_usize..50) {
            let mut turns = Turns::default();
            turns.join(&errand(Lane::Drift, "quiet"), true);
            let mut served = 0;
            while served <= 10 * (namespaces + 1) {
                for namespace in 0..namespaces {
                    for _ in 0..busy.div_ceil(namespaces) {
                        turns.join(&errand(Lane::Person, &namespace.to_string()), false);
                        turns.join(&errand(Lane::Drift, &namespace.to_string()), false);
                    }
                }
                if turns.call() == Some(true) {
                    return Ok(());
                }
                served += 1;
            }
            prop_assert!(false, "it has waited for {} turns", served);
        }
    }
}
