//! What the process remembers of each object. All of it may be lost: a restart costs some calls.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use kube::ResourceExt;

use super::{guard::Waiting, ownership::Stamped};
use crate::{
    api::{APPROVE_LIFECYCLE_ANNOTATION, TakenOver},
    domain::{
        drift::Repairs,
        retry::{Attempts, Moment},
        rota::Turn,
    },
};

/// What is remembered of one object.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// What failed since it last succeeded.
    pub(super) attempts: Attempts,
    /// What was repaired, and how often of late.
    pub(super) repairs: Repairs,
    /// A digest of what the last pass was over: another generation starts afresh.
    pub(super) version: Option<u64>,
    /// A digest of the requests to reconcile now.
    pub(super) request: Option<u64>,
    /// When the lifecycle policy is read next.
    pub(super) lifecycle_turn: Turn,
    /// When the repository policy is.
    pub(super) policy_turn: Turn,
    /// A digest of the class that counted at the last pass: its uid and generation.
    pub(super) class: Option<u64>,
    /// A lifecycle policy of the class that may not be written yet.
    pub(super) waiting: Option<Box<Waiting>>,
    /// Of a class: when AWS is asked again who it is.
    pub(super) due: Option<Moment>,
    /// When ECR was last seen.
    pub(super) seen: Option<Moment>,
    /// Until when an adopted repository's tag may still be overwritten by another adopter; `None`
    /// where this process has adopted nothing.
    pub(super) adopting_until: Option<Moment>,
    /// When our tags were last written, and over what.
    pub(super) stamped: Option<Box<Stamped>>,
    /// The takeover that was carried out, should status not have it yet.
    pub(super) taken_over: Option<TakenOver>,
    /// Since when no more is sent to a repository that does not show.
    pub(super) left_since: Option<Moment>,
    /// The resource version that our last write to the object led to.
    pub(super) written: Option<u64>,
    /// How often in a row Kubernetes failed us.
    pub(super) kubernetes_failures: u32,
    /// How often in a row a pass ended because something was not as it was.
    pub(super) superseded: u32,
}

impl Memory {
    /// Something else is asked for: what failed, was fought over or waits says nothing of it.
    pub(super) fn begin_afresh(&mut self) {
        self.attempts.forget();
        self.repairs.forget();
        self.waiting = None;
        self.superseded = 0;
    }

    /// A pass came to its end.
    pub(super) fn went_well(&mut self) {
        self.kubernetes_failures = 0;
        self.superseded = 0;
    }

    /// A person asks to try again: every wait is over, and what has failed for long still has.
    pub(super) fn hasten(&mut self) {
        self.attempts.hasten();
        self.repairs.forget();
        self.waiting = None;
    }
}

/// Something of each object, by its uid.
type ByUid<T> = HashMap<Box<str>, Box<T>>;

/// The memories of all objects, by uid.
#[derive(Debug, Default)]
pub(super) struct Memories {
    all: Mutex<ByUid<Memory>>,
    /// What people last answered, as the watch told: it may be taken away before a pass has room.
    answers: Mutex<ByUid<str>>,
    /// Whose repository another object has adopted since they last looked. Not in their memories, which passes
    /// under way have taken out.
    former: Mutex<HashSet<Box<str>>>,
}

/// A map is whole after any panic: nothing here leaves it half-changed.
fn locked<T>(map: &Mutex<T>) -> MutexGuard<'_, T> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memories {
    fn with<T>(&self, change: impl FnOnce(&mut ByUid<Memory>) -> T) -> T {
        change(&mut locked(&self.all))
    }

    /// Notes what a person answers about a lifecycle policy, where the object says so.
    pub(super) fn note_answer(&self, object: &impl ResourceExt) {
        let answer = object.annotations().get(APPROVE_LIFECYCLE_ANNOTATION);
        if let Some((uid, answer)) = object.uid().zip(answer) {
            // Nobody is asked for more than a token.
            let answer: String = answer.chars().take(64).collect();
            locked(&self.answers).insert(uid.into(), answer.into());
        }
    }

    /// What a person last answered about a lifecycle policy.
    pub(super) fn answer(&self, uid: &str) -> Option<Box<str>> {
        locked(&self.answers).get(uid).cloned()
    }

    /// Notes that another object has adopted the repository that this one had.
    pub(super) fn note_former(&self, uid: &str) {
        locked(&self.former).insert(uid.into());
    }

    /// Whether another object has adopted the repository that this one had.
    pub(super) fn is_former(&self, uid: &str) -> bool {
        locked(&self.former).contains(uid)
    }

    /// The same, once: whoever is told looks.
    pub(super) fn take_former(&self, uid: &str) -> bool {
        locked(&self.former).remove(uid)
    }

    pub(super) fn recall(&self, uid: &str) -> Memory {
        self.with(|all| {
            all.get(uid)
                .map_or_else(Memory::default, |memory| (**memory).clone())
        })
    }

    pub(super) fn keep(&self, uid: &str, memory: Memory) {
        self.with(|all| all.insert(uid.into(), Box::new(memory)));
    }

    pub(super) fn forget(&self, uid: &str) {
        self.with(|all| all.remove(uid));
        locked(&self.answers).remove(uid);
        locked(&self.former).remove(uid);
    }

    /// All others are gone.
    pub(super) fn only(&self, there: &HashSet<String>) {
        self.with(|all| all.retain(|uid, _| there.contains(&**uid)));
        locked(&self.answers).retain(|uid, _| there.contains(&**uid));
        locked(&self.former).retain(|uid| there.contains(&**uid));
    }

    /// Counts a failure of Kubernetes; tells how many there were before.
    pub(super) fn kubernetes_failed(&self, uid: &str) -> u32 {
        self.counted(uid, |it| &mut it.kubernetes_failures)
    }

    /// Counts a pass that ended because something was not as it was; tells how many there were before.
    pub(super) fn was_superseded(&self, uid: &str) -> u32 {
        self.counted(uid, |it| &mut it.superseded)
    }

    fn counted(&self, uid: &str, which: fn(&mut Memory) -> &mut u32) -> u32 {
        self.with(|all| {
            let count = which(all.entry(uid.into()).or_default());
            let before = *count;
            *count = before.saturating_add(1);
            before
        })
    }
}
