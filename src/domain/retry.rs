//! When a failed call is tried again, and what is said of it meanwhile. Pure: the time and the dice are passed in.
//!
//! How long a person's help is waited for goes by the wall clock and by what status says: a restart, another
//! leader or a request to reconcile now makes nothing young again. Only a success or a change does.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::jiff::Timestamp;

use super::{
    failure::{Class, Failure, Pace, Retry},
    reason::Reason,
    status::fit,
};
use crate::api::{Aspect, PendingAction};

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

/// The time by both clocks: what is waited for goes by the first, what status says by the second.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Monotonic, of this process.
    pub moment: Moment,
    /// The time of day, which all processes share.
    pub wall: Timestamp,
}

/// What is tried by itself.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Slot {
    /// Reading what ECR holds.
    Look,
    /// The repository itself: its creation, ownership and deletion.
    Repository,
    /// Writing one aspect of it.
    Aspect(Aspect),
    /// Reading one of its documents.
    Document(Aspect),
}

impl Slot {
    /// The aspect that it is about; none: the repository itself.
    #[must_use]
    pub const fn aspect(self) -> Option<Aspect> {
        match self {
            Self::Look | Self::Repository => None,
            Self::Aspect(aspect) | Self::Document(aspect) => Some(aspect),
        }
    }
}

/// One of the calls that are tried by themselves: two operations of one slot know nothing of each other.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Call {
    /// What it is about.
    pub slot: Slot,
    /// AWS's name of it.
    pub operation: &'static str,
}

/// What is said of a call that failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Told {
    /// The reason that conditions carry.
    pub reason: Reason,
    /// What happened, then what to do.
    pub message: String,
    /// Whether only a person can help.
    pub stalled: bool,
    /// Since when AWS answers so; none for what heals by itself.
    pub since: Option<Timestamp>,
}

/// A failed attempt, and when the next one is due.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attempt {
    /// What was asked; another request starts afresh.
    request: String,
    count: u32,
    /// Since when it fails, by how it does: a throttled try between two denials makes neither younger.
    clocks: BTreeMap<Reason, Timestamp>,
    /// Whether the pass under way made it, or held it back.
    is_met: bool,
    /// When it is tried again.
    pub due: Moment,
    /// How it failed last.
    pub failure: Failure,
    /// What is said of it.
    pub told: Told,
}

/// The waits that are settings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Waits {
    /// Where only a person can help.
    pub rest: Duration,
    /// Between two looks at policies.
    pub rota: Duration,
}

/// All that failed of one object since it last succeeded.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Attempts {
    failed: BTreeMap<Call, Attempt>,
    /// What status told of calls that this process has not made yet.
    inherited: Vec<Inherited>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Inherited {
    aspect: Option<Aspect>,
    operation: String,
    told: Told,
    /// Whether the pass under way could not get so far.
    is_kept: bool,
}

impl Inherited {
    fn is_of(&self, call: Call) -> bool {
        self.aspect == call.slot.aspect() && self.operation == call.operation
    }
}

/// The longest wait between two attempts of what may heal by itself.
const LONGEST: Duration = Duration::from_mins(5);

/// A document that can't be read is tried at least so often while its turn comes once.
const TRIES_OF_A_TURN: u32 = 8;

/// So much of what is pending stands in a condition in any case.
const COMPARED: usize = 512;

/// No pass follows another one by itself in less than this.
const SHORTEST: Duration = Duration::from_millis(50);

/// The wait before attempt `count + 1`: one second, doubled each time up to five minutes, the
/// upper half of it by `dice` (0 to 1), so that many objects do not come back in step.
#[must_use]
pub fn back_off(count: u32, dice: f64) -> Duration {
    upper_half(doubled(LONGEST, count), dice)
}

fn doubled(longest: Duration, count: u32) -> Duration {
    let doubled = Duration::from_secs(1).saturating_mul(2_u32.saturating_pow(count.min(16)));
    doubled.min(longest)
}

fn upper_half(wait: Duration, dice: f64) -> Duration {
    wait.mul_f64(0.5 + dice.clamp(0.0, 1.0) / 2.0)
}

/// When an object comes back after a pass that `began` then: at the resync, or earlier where something is due.
/// What was due before the pass began and still is was none of its business: its time would come again and again.
#[must_use]
pub fn comes_back(
    began: Moment,
    now: Moment,
    resync: Duration,
    dues: impl IntoIterator<Item = Moment>,
) -> Duration {
    let due = dues.into_iter().filter(|due| *due > began).min();
    due.map_or(resync, |due| resync.min(now.until(due)).max(SHORTEST))
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
    /// A pass begins: whatever it does not meet is none of its business.
    pub fn begins(&mut self) {
        for attempt in self.failed.values_mut() {
            attempt.is_met = false;
        }
        for inherited in &mut self.inherited {
            inherited.is_kept = false;
        }
    }

    /// The pass under way can't get so far as to make this call: nothing of it is over.
    pub fn keep(&mut self, call: Call) {
        if let Some(attempt) = self.failed.get_mut(&call) {
            attempt.is_met = true;
        }
        for inherited in self.inherited.iter_mut().filter(|it| it.is_of(call)) {
            inherited.is_kept = true;
        }
    }

    /// Takes over what an earlier process told in status, of the very thing that is asked for now: what is
    /// pending, and for what reason, and in which words, a person is asked.
    pub fn inherit(
        &mut self,
        pending: &[PendingAction],
        stalled: Option<(&str, &str)>,
        now: Timestamp,
    ) {
        let told = |it: &PendingAction| {
            let since = it.since.as_deref()?.parse::<Timestamp>().ok()?;
            let reason = Reason::parse(&it.reason)?;
            let message = it.message.clone().unwrap_or_default();
            let ripe = lasted(since, now) >= patience_of(reason)?;
            let is_asked = |(why, what): (&str, &str)| {
                let is_this = why == it.reason && what.starts_with(&fit(&message, COMPARED));
                ripe || is_this
            };
            Some(Told {
                stalled: stalled.is_some_and(is_asked),
                reason,
                message,
                since: Some(since),
            })
        };
        let inherited = pending.iter().filter_map(|it| {
            Some(Inherited {
                aspect: it.aspect,
                operation: it.action.clone(),
                told: told(it)?,
                is_kept: false,
            })
        });
        self.inherited = inherited.collect();
    }

    /// The same of a single call whose standing a condition tells.
    pub fn inherit_one(&mut self, call: Call, told: Told) {
        if patience_of(told.reason).is_some() {
            self.inherited.push(Inherited {
                aspect: call.slot.aspect(),
                operation: call.operation.to_owned(),
                told,
                is_kept: false,
            });
        }
    }

    /// The attempt that forbids `request` for now, if there is one.
    pub fn holding_back(&mut self, call: Call, request: &str, now: Moment) -> Option<&Attempt> {
        let attempt = self.failed.get_mut(&call)?;
        if attempt.request != request || attempt.due <= now {
            return None;
        }
        attempt.is_met = true;
        Some(attempt)
    }

    /// Notes a failure.
    pub fn failed(
        &mut self,
        call: Call,
        request: &str,
        failure: Failure,
        now: Now,
        dice: f64,
        waits: Waits,
    ) -> &Attempt {
        let last = self.failed.remove(&call);
        let last = last.filter(|last| last.request == request);
        let inherited = self.take_inherited(call);
        let (count, mut clocks, before) = match last {
            Some(last) => (last.count.saturating_add(1), last.clocks, Some(last.told)),
            None => (0, clocks_of(inherited.as_ref()), inherited),
        };
        let told = tell(&failure, &mut clocks, before, now.wall);
        let left = left(failure.class, &clocks, now.wall);
        let due = match pause(call.slot, failure.class, left, waits) {
            Pause::Exactly(wait) => now.moment.after(wait),
            Pause::BackOff { longest } => {
                let count = counted(failure.class, count);
                let doubled = doubled(longest, count).min(left.unwrap_or(Duration::MAX));
                self.with_others(now.moment, doubled, dice)
            }
        };
        let attempt = Attempt {
            request: request.to_owned(),
            count,
            clocks,
            is_met: true,
            due,
            failure,
            told,
        };
        self.failed.entry(call).insert_entry(attempt).into_mut()
    }

    /// When a call that failed is tried again: after between half of `longest` and all of it. Where another one is
    /// tried at about that time it is then, so that many failures make no more passes than one. From a quarter on:
    /// of two that are less than half apart one joins the other, whichever comes first.
    fn with_others(&self, now: Moment, longest: Duration, dice: f64) -> Moment {
        let span = now.after(longest / 4)..=now.after(longest);
        let others = self.failed.values().map(|it| it.due);
        let others = others.filter(|due| span.contains(due));
        let alone = || now.after(upper_half(longest, dice));
        others.max().unwrap_or_else(alone)
    }

    fn take_inherited(&mut self, call: Call) -> Option<Told> {
        let at = self.inherited.iter().position(|it| it.is_of(call))?;
        Some(self.inherited.swap_remove(at).told)
    }

    /// What a person was asked for because of a call, and has not been cured since.
    #[must_use]
    pub fn asked_for(&self, call: Call) -> Option<&Told> {
        let failed = self.failed.get(&call).map(|it| &it.told);
        let inherited = || self.inherited.iter().find(|it| it.is_of(call));
        let told = failed.or_else(|| inherited().map(|it| &it.told));
        told.filter(|told| told.stalled)
    }

    /// Since when a call fails as status says.
    #[must_use]
    pub fn since(
        &self,
        aspect: Option<Aspect>,
        operation: &str,
        reason: &str,
    ) -> Option<Timestamp> {
        let is_it = |call: &Call| call.slot.aspect() == aspect && call.operation == operation;
        let failed = self.failed.iter().filter(|(call, _)| is_it(call));
        let inherited = self.inherited.iter();
        let inherited = inherited.filter(|it| it.aspect == aspect && it.operation == operation);
        let mut told = failed
            .map(|(_, attempt)| &attempt.told)
            .chain(inherited.map(|it| &it.told));
        told.find(|told| told.reason.as_str() == reason)?.since
    }

    /// Whether a call failed when it was last made.
    #[must_use]
    pub fn has_failed(&self, call: Call) -> bool {
        self.failed.contains_key(&call)
    }

    /// Whether nothing but reads failed.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        self.failed.keys().all(|call| match call.slot {
            Slot::Look | Slot::Document(_) => true,
            Slot::Repository | Slot::Aspect(_) => false,
        })
    }

    /// Notes a success.
    pub fn succeeded(&mut self, call: Call) {
        self.failed.remove(&call);
        self.inherited.retain(|it| !it.is_of(call));
    }

    /// Notes that ECR was read.
    pub fn looked(&mut self) {
        self.failed.retain(|call, _| call.slot != Slot::Look);
        let is_look = |operation: &str| {
            let mut words = ["Describe", "Get", "List"].into_iter();
            words.any(|word| operation.starts_with(word))
        };
        let inherited = &mut self.inherited;
        inherited.retain(|it| it.aspect.is_some() || !is_look(&it.operation));
    }

    /// The pass went through all that there is to do: whatever it did not meet is over.
    pub fn went_through(&mut self) {
        self.failed.retain(|_, attempt| attempt.is_met);
        self.inherited.retain(|it| it.is_kept);
    }

    /// A person asks to try again: at once, and as what has failed for so long already.
    pub fn hasten(&mut self) {
        for attempt in self.failed.values_mut() {
            attempt.due = Moment::default();
        }
    }

    /// Forgets everything: what was asked for has changed.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// When the calls are due again that the pass under way made or held back. Each by itself: what was due before
    /// the pass and could not be reached must not hide what is due after it.
    pub fn dues(&self) -> impl Iterator<Item = Moment> {
        let met = self.failed.values().filter(|attempt| attempt.is_met);
        met.map(|attempt| attempt.due)
    }
}

fn clocks_of(told: Option<&Told>) -> BTreeMap<Reason, Timestamp> {
    let clock = told.and_then(|told| {
        let class = class_of(told.reason)?;
        Some((class.reason(false), told.since?))
    });
    clock.into_iter().collect()
}

/// The kinds of failures that a person is asked about, at once or in time.
const ASKED: [Class; 9] = [
    Class::Credentials,
    Class::Denied,
    Class::WrongAccount,
    Class::PolicyRefused,
    Class::NotEmpty,
    Class::Altered,
    Class::Invalid,
    Class::Limit,
    Class::Kms,
];

fn class_of(reason: Reason) -> Option<Class> {
    let is_its = |class: &Class| [true, false].map(|it| class.reason(it)).contains(&reason);
    ASKED.into_iter().find(is_its)
}

fn patience_of(reason: Reason) -> Option<Duration> {
    class_of(reason)?.retry().patience
}

/// A clock that was set back makes nothing older than it is.
fn lasted(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// What is said of a failure. Whoever was asked for help is asked until it succeeds, and a failure that heals by
/// itself says nothing of what was wrong before.
fn tell(
    failure: &Failure,
    clocks: &mut BTreeMap<Reason, Timestamp>,
    before: Option<Told>,
    now: Timestamp,
) -> Told {
    let asked_since = before
        .as_ref()
        .filter(|told| told.stalled)
        .map(|it| it.since);
    let Some(patience) = failure.class.retry().patience else {
        let before = before.filter(|told| told.since.is_some());
        return before.unwrap_or_else(|| Told {
            reason: failure.class.reason(false),
            message: failure.to_string(),
            stalled: false,
            since: None,
        });
    };
    // In whole seconds, as status keeps it.
    let whole = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let since = clocks.entry(failure.class.reason(false)).or_insert(whole);
    *since = whole.min(*since);
    let ripe = lasted(*since, now) >= patience;
    let stalled = ripe || asked_since.is_some();
    // Refused in another way, it has been refused for as long.
    let since = asked_since.flatten().map_or(*since, |it| it.min(*since));
    Told {
        reason: failure.class.reason(stalled),
        message: message(failure, ripe.then_some(patience)),
        stalled,
        since: Some(since),
    }
}

/// What happened, then what to do. Once a person is asked after a while it says so: it is news.
fn message(failure: &Failure, waited: Option<Duration>) -> String {
    match waited.filter(|patience| !patience.is_zero()) {
        Some(patience) => {
            let minutes = patience.as_secs() / 60;
            format!("{failure} (for over {minutes} minutes)")
        }
        None => failure.to_string(),
    }
}

/// How long what failed may still heal by itself; none where no time is counted, or where it is over. What says
/// nothing of that by itself puts no verdict off either.
fn left(class: Class, clocks: &BTreeMap<Reason, Timestamp>, now: Timestamp) -> Option<Duration> {
    let counted = class.retry().patience.map(|_| class.reason(false));
    let clocks = clocks.iter();
    let clocks = clocks.filter(|(reason, _)| counted.is_none_or(|it| it == **reason));
    let left = clocks.filter_map(|(reason, since)| {
        let left = patience_of(*reason)?.saturating_sub(lasted(*since, now));
        (!left.is_zero()).then_some(left)
    });
    // The verdict comes with the attempt that is made when patience ends, and not before.
    left.min().map(|left| left.max(Duration::from_secs(1)))
}

/// The wait before the next attempt.
enum Pause {
    Exactly(Duration),
    BackOff { longest: Duration },
}

fn pause(slot: Slot, class: Class, left: Option<Duration>, waits: Waits) -> Pause {
    let longest = match slot {
        Slot::Document(_) => LONGEST.max(waits.rota / TRIES_OF_A_TURN),
        Slot::Look | Slot::Repository | Slot::Aspect(_) => LONGEST,
    };
    let Retry { patience, then } = class.retry();
    match (then, patience, left) {
        (Pace::Rest, Some(_), None) => Pause::Exactly(waits.rest),
        (Pace::Rota, Some(_), None) => Pause::Exactly(waits.rota),
        (Pace::Rest | Pace::Rota | Pace::BackOff, _, _) => Pause::BackOff { longest },
    }
}
