//! Which objects have a pass, which wait for one, and which have theirs later. Each object is in one of
//! these places at most, so it never has two passes at once. Each class has room for some: an account
//! that does not answer holds up the objects of its own class alone.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    sync::Arc,
    time::Duration,
};

use kube::{ResourceExt as _, runtime::reflector::ObjectRef};
use tokio_util::time::{DelayQueue, delay_queue};

use super::{errand::errand_of, watched::Watched};
use crate::domain::turns::{Ticket, Turns};

/// How many objects of one class are worked on at the same time. Most of that time is waiting for AWS, and
/// each of them has its requests in memory: at a tenth of a second a call, it is enough for 300 a second.
pub(super) const OF_A_CLASS: u16 = 32;

/// The longest wait: the timer panics beyond some two years, and settings may ask for more.
const LONGEST_WAIT: Duration = Duration::from_hours(24 * 365);

/// An object by its name.
pub(super) type Object = Arc<ObjectRef<Watched>>;

/// The class that an object names; objects that name none share one room, whichever is the default, and so do
/// all that name a class that is not there: names cost nothing, and passes cost memory.
type ClassName = Option<Arc<str>>;

/// No class is called so.
const UNKNOWN: &str = "";

/// Why an object is to have a pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Why {
    /// Somebody changed it, or asks for it: where it waits as one at rest, it goes ahead.
    Changed,
    /// Its class or its namespace is another: something else may be permitted.
    Surroundings,
    /// It is to be looked at.
    Look,
}

enum State {
    /// Its pass comes by time.
    Later(delay_queue::Key),
    /// It waits until its class has room.
    Waits(ClassName, Ticket),
    /// It has its pass; whether it is to have another one after it.
    Runs { class: ClassName, again: bool },
}

/// Room for passes over the objects of one class, and those who wait for it.
struct Room {
    free: u16,
    turns: Turns<Object>,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            free: OF_A_CLASS,
            turns: Turns::default(),
        }
    }
}

/// All objects that have, or are to have, a pass.
pub(super) struct Queue {
    objects: HashMap<Object, State>,
    later: DelayQueue<Object>,
    rooms: HashMap<ClassName, Room>,
    called: VecDeque<Object>,
    /// Whether there is a class of this name.
    is_class: Box<dyn Fn(&str) -> bool + Send>,
}

impl Queue {
    /// `is_class` tells whether there is a class of a name.
    pub(super) fn new(is_class: impl Fn(&str) -> bool + Send + 'static) -> Self {
        Self {
            objects: HashMap::new(),
            later: DelayQueue::new(),
            rooms: HashMap::new(),
            called: VecDeque::new(),
            is_class: Box::new(is_class),
        }
    }

    fn room_of(&self, object: &Watched) -> ClassName {
        let named = object.class_name().ok().flatten()?;
        let is_class = (self.is_class)(named);
        Some(if is_class { named } else { UNKNOWN }.into())
    }

    /// An object is to have a pass, at its turn.
    pub(super) fn wants(&mut self, object: &Watched, why: Why) {
        let name = name(object);
        match self.objects.get_mut(&name) {
            Some(State::Runs { again, .. }) => *again = true,
            Some(State::Waits(class, ticket)) => {
                if let (Why::Changed, Some(room)) = (why, self.rooms.get_mut(class)) {
                    room.turns.hasten(ticket);
                }
            }
            Some(State::Later(key)) => {
                self.later.try_remove(key);
                self.joins(Arc::new(name), object);
            }
            None => self.joins(Arc::new(name), object),
        }
    }

    fn joins(&mut self, name: Object, object: &Watched) {
        let class = self.room_of(object);
        let room = self.rooms.entry(class.clone()).or_default();
        let ticket = room.turns.join(&errand_of(object), Arc::clone(&name));
        let waits = State::Waits(class.clone(), ticket);
        self.objects.insert(name, waits);
        self.calls(class);
    }

    /// Calls whose turn it is, where the class has room.
    fn calls(&mut self, class: ClassName) {
        let Some(room) = self.rooms.get_mut(&class) else {
            return;
        };
        let Some(free) = room.free.checked_sub(1) else {
            return;
        };
        if let Some(next) = room.turns.call() {
            room.free = free;
            let again = false;
            self.objects
                .insert(Arc::clone(&next), State::Runs { class, again });
            self.called.push_back(next);
        } else if room.free == OF_A_CLASS {
            self.rooms.remove(&class);
        }
    }

    /// An object whose pass is to begin now. It has it until `ended`.
    pub(super) fn begins(&mut self) -> Option<Object> {
        self.called.pop_front()
    }

    /// A pass has ended. The next one comes after a while, if not at once; there is none for an object
    /// that is no longer there.
    pub(super) fn ended(
        &mut self,
        name: &Object,
        next: Option<Duration>,
        object: Option<&Watched>,
    ) {
        let Some(State::Runs { class, again }) = self.objects.remove(name) else {
            return;
        };
        if let Some(room) = self.rooms.get_mut(&class) {
            room.free += 1;
        }
        match (object, again, next) {
            (Some(object), true, _) => self.joins(Arc::clone(name), object),
            (Some(_), false, Some(next)) => {
                let key = self.later.insert(Arc::clone(name), next.min(LONGEST_WAIT));
                self.objects.insert(Arc::clone(name), State::Later(key));
            }
            (Some(_), false, None) | (None, _, _) => {}
        }
        self.calls(class);
    }

    /// An object is gone: its next pass does not come. One that waits for its turn is passed over then.
    pub(super) fn gone(&mut self, name: &ObjectRef<Watched>) {
        if let Some(State::Later(key)) = self.objects.get(name) {
            self.later.try_remove(key);
            self.objects.remove(name);
        }
    }

    /// All others are gone.
    pub(super) fn only(&mut self, is_there: impl Fn(&ObjectRef<Watched>) -> bool) {
        let later = &mut self.later;
        self.objects.retain(|name, state| match state {
            State::Later(key) if !is_there(name) => {
                later.try_remove(key);
                false
            }
            State::Later(_) | State::Waits(..) | State::Runs { .. } => true,
        });
    }

    /// Waits for an object whose time has come, and forgets it. `None`: there is none.
    pub(super) async fn due(&mut self) -> Option<Object> {
        let due = poll_fn(|cx| self.later.poll_expired(cx))
            .await?
            .into_inner();
        self.objects.remove(&due);
        Some(due)
    }
}

/// Not by `ObjectRef::from_obj`, which keeps uid and version as well, for each of thousands.
fn name(object: &Watched) -> ObjectRef<Watched> {
    ObjectRef::new(&object.name_any()).within(&object.namespace().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use futures::FutureExt as _;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const MINUTE: Option<Duration> = Some(Duration::from_mins(1));

    /// An object, which may be at rest.
    fn sent(name: &str, class: Option<&str>, at_rest: bool) -> Watched {
        let ready = if at_rest { "True" } else { "False" };
        let object = json!({
            "apiVersion": "ecr-operator.dev/v1alpha1",
            "kind": "ECRRepository",
            "metadata": {"namespace": "a", "name": name, "generation": 2},
            "spec": {"className": class},
            "status": {
                "observedGeneration": 2,
                "conditions": [{
                    "type": "Ready", "status": ready, "reason": "Synced", "message": "",
                    "observedGeneration": 2, "lastTransitionTime": "2026-01-01T00:00:00Z",
                }],
            },
        });
        serde_json::from_value(object).unwrap()
    }

    fn object(name: &str) -> Watched {
        sent(name, None, true)
    }

    fn all_are_there() -> Queue {
        Queue::new(|_| true)
    }

    #[tokio::test]
    async fn all_that_name_no_class_that_is_there_share_one_room() {
        let mut queue = Queue::new(|name| name == "prod");
        for n in 0..200 {
            let invented = format!("none-{n}");
            queue.wants(&sent(&invented, Some(&invented), false), Why::Look);
        }
        assert_eq!(begun(&mut queue).len(), usize::from(OF_A_CLASS));
        queue.wants(&sent("web", Some("prod"), false), Why::Look);
        assert_eq!(begun(&mut queue), ["web"]);
    }

    fn begun(queue: &mut Queue) -> Vec<String> {
        let begun = std::iter::from_fn(|| queue.begins());
        begun.map(|it| it.name.clone()).collect()
    }

    fn ends(queue: &mut Queue, object: &Watched, next: Option<Duration>) {
        queue.ended(&Arc::new(name(object)), next, Some(object));
    }

    /// All the room of a class is taken, by objects at rest.
    fn fill(queue: &mut Queue, class: Option<&str>) -> Watched {
        let objects = (0..OF_A_CLASS).map(|n| sent(&format!("busy-{n}"), class, true));
        let objects: Vec<_> = objects.collect();
        for object in &objects {
            queue.wants(object, Why::Look);
        }
        assert_eq!(begun(queue).len(), usize::from(OF_A_CLASS));
        objects.into_iter().next().unwrap()
    }

    #[tokio::test]
    async fn a_class_without_room_holds_up_no_other() {
        let mut queue = all_are_there();
        let busy = fill(&mut queue, Some("hangs"));
        queue.wants(&sent("waits", Some("hangs"), true), Why::Changed);
        assert!(begun(&mut queue).is_empty());
        for class in [Some("well"), None] {
            let name = format!("other-{class:?}");
            queue.wants(&sent(&name, class, true), Why::Look);
            assert_eq!(begun(&mut queue), [name]);
        }
        ends(&mut queue, &busy, None);
        assert_eq!(begun(&mut queue), ["waits"]);
    }

    #[tokio::test]
    async fn what_people_change_goes_ahead_also_where_it_waits_already() {
        let mut queue = all_are_there();
        let busy = fill(&mut queue, None);
        for name in ["first", "second", "changed"] {
            queue.wants(&object(name), Why::Look);
        }
        queue.wants(&sent("new", None, false), Why::Look);
        queue.wants(&object("second"), Why::Look);
        queue.wants(&object("changed"), Why::Changed);
        let mut last = busy;
        for expected in ["changed", "new", "first", "second"] {
            ends(&mut queue, &last, None);
            assert_eq!(begun(&mut queue), [expected]);
            last = object(expected);
        }
    }

    #[tokio::test]
    async fn who_is_asked_for_during_a_pass_has_one_more_and_no_two_at_once() {
        let mut queue = all_are_there();
        let it = object("it");
        queue.wants(&it, Why::Changed);
        assert_eq!(begun(&mut queue), ["it"]);
        queue.wants(&it, Why::Changed);
        queue.wants(&it, Why::Look);
        assert!(begun(&mut queue).is_empty());
        ends(&mut queue, &it, MINUTE);
        assert_eq!(begun(&mut queue), ["it"]);
        ends(&mut queue, &it, None);
        assert!(begun(&mut queue).is_empty());
        assert!(queue.objects.is_empty() && queue.rooms.is_empty());
    }

    #[tokio::test]
    async fn the_next_pass_comes_by_time_if_nobody_asks_before() {
        let mut queue = all_are_there();
        let objects = ["asked", "left", "last"].map(object);
        let soon = Some(Duration::from_millis(1));
        for (object, next) in objects.iter().zip([soon, soon, MINUTE]) {
            queue.wants(object, Why::Look);
            ends(&mut queue, object, next);
        }
        assert_eq!(begun(&mut queue), ["asked", "left", "last"]);
        queue.wants(&objects[0], Why::Changed);
        assert_eq!(begun(&mut queue), ["asked"]);
        assert_eq!(queue.due().await.unwrap().name, "left");
        assert!(
            queue.due().now_or_never().is_none(),
            "the last has a minute"
        );
        queue.wants(&objects[2], Why::Changed);
        assert_eq!(begun(&mut queue), ["last"]);
        assert!(queue.due().await.is_none(), "all others have their pass");
    }

    #[tokio::test]
    async fn a_very_long_wait_is_one_of_a_year() {
        let mut queue = all_are_there();
        queue.wants(&object("it"), Why::Look);
        ends(&mut queue, &object("it"), Some(Duration::MAX));
        assert!(queue.due().now_or_never().is_none());
    }

    #[tokio::test]
    async fn who_is_gone_has_no_pass_more() {
        let mut queue = all_are_there();
        queue.wants(&object("it"), Why::Look);
        queue.wants(&object("it"), Why::Look);
        let it = queue.begins().unwrap();
        queue.ended(&it, MINUTE, None);
        assert!(queue.begins().is_none() && queue.due().await.is_none());
        assert!(queue.objects.is_empty());
    }

    #[tokio::test]
    async fn who_is_gone_is_not_waited_for() {
        let mut queue = all_are_there();
        let names = ["gone", "unseen", "stays"];
        for name in names {
            queue.wants(&object(name), Why::Look);
            ends(&mut queue, &object(name), MINUTE);
        }
        assert_eq!(begun(&mut queue), names);
        queue.gone(&name(&object("gone")));
        queue.only(|it| it.name != "unseen");
        let left: Vec<_> = queue.objects.keys().map(|it| it.name.clone()).collect();
        assert_eq!((left, queue.later.len()), (vec!["stays".to_owned()], 1));
        queue.wants(&object("gone"), Why::Changed);
        assert_eq!(begun(&mut queue), ["gone"], "made anew");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Wants(u8, Why),
        Ends(usize, bool),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let why = prop_oneof![Just(Why::Changed), Just(Why::Surroundings), Just(Why::Look)];
        let step = prop_oneof![
            3 => (0_u8..80, why).prop_map(|(it, why)| Step::Wants(it, why)),
            2 => (any::<usize>(), any::<bool>()).prop_map(|(it, later)| Step::Ends(it, later)),
        ];
        proptest::collection::vec(step, 0..400)
    }

    fn numbered(n: u8) -> Watched {
        let class = if n.is_multiple_of(8) {
            Some("small")
        } else {
            None
        };
        sent(&n.to_string(), class, n.is_multiple_of(3))
    }

    proptest! {
        /// Each object has one pass at a time, each class no more than it has room for, and whoever is asked
        /// for has a pass that began after that.
        #[test]
        fn nobody_is_forgotten(steps in steps()) {
            let mut queue = all_are_there();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            let _entered = runtime.as_ref().unwrap().enter();
            let mut running: BTreeMap<u8, Watched> = BTreeMap::new();
            // Whether each was asked for after its last pass began.
            let mut owed = BTreeMap::new();
            let begin = |queue: &mut Queue, running: &mut BTreeMap<u8, Watched>, owed: &mut BTreeMap<u8, bool>| {
                while let Some(it) = queue.begins() {
                    let n = it.name.parse().unwrap();
                    owed.insert(n, false);
                    assert!(running.insert(n, numbered(n)).is_none(), "two passes over {n}");
                }
                for class in [Some("small"), None] {
                    let of_it = running.values().filter(|it| it.class_name() == Ok(class));
                    assert!(of_it.count() <= usize::from(OF_A_CLASS));
                }
            };
            for step in steps {
                match step {
                    Step::Wants(n, why) => {
                        owed.insert(n, true);
                        queue.wants(&numbered(n), why);
                    }
                    Step::Ends(it, later) if !running.is_empty() => {
                        let n = *running.keys().nth(it % running.len()).unwrap();
                        let it = running.remove(&n).unwrap();
                        ends(&mut queue, &it, MINUTE.filter(|_| later));
                    }
                    Step::Ends(..) => {}
                }
                begin(&mut queue, &mut running, &mut owed);
            }
            while let Some((_, it)) = running.pop_first() {
                ends(&mut queue, &it, None);
                begin(&mut queue, &mut running, &mut owed);
            }
            prop_assert!(owed.values().all(|owed| !owed));
            prop_assert!(queue.rooms.is_empty());
        }
    }
}
