//! The next status, from the previous one and what a pass found and did.
//!
//! One pure function decides all conditions, after kstatus: `Reconciling` and `Stalled` are there
//! only while true and never both, `Ready` always; `lastTransitionTime` moves only with the status
//! of a condition, so that a pass that found nothing new leads to an equal status and no write.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

use super::{
    action::Action,
    identity::{Binding, Identity, Region, Registry, RegistryId, RepositoryName},
    observed::Described,
    reason::Reason,
};
use crate::api::{
    AppliedAspect, Aspect, ConditionType, ECRRepositoryStatus as Status, Ownership, PendingAction,
};

/// Something that is not as the object asks, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The aspect; `None` for the repository itself.
    pub aspect: Option<Aspect>,
    /// AWS's operation that is still to be made.
    pub action: &'static str,
    /// Why it was not.
    pub reason: Reason,
    /// What happened, then what to do.
    pub message: String,
    /// Whether only a person can help.
    pub stalled: bool,
}

impl Problem {
    /// One of the repository itself that only a person can help with.
    #[must_use]
    pub fn for_a_person(action: &'static str, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            aspect: None,
            action,
            reason,
            message: message.into(),
            stalled: true,
        }
    }
}

impl Problem {
    /// An aspect that somebody else keeps changing back.
    #[must_use]
    pub fn of_fight(aspect: Aspect, action: &Action) -> Self {
        let message = format!(
            "{aspect} was repaired three times within an hour and is changed again; from now on it is \
             repaired once an hour, until it stays for an hour — find out who else changes it in ECR, as \
             AWS CloudTrail tells, or remove it from the spec",
            aspect = aspect.as_str()
        );
        Self {
            aspect: Some(aspect),
            action: action.operation(),
            reason: Reason::DriftFight,
            message,
            stalled: true,
        }
    }
}

/// How the object stands at the end of a pass.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Work begins: said before the first write, so that nobody takes silence for success.
    Beginning,
    /// The pass is over; ECR matches but for these.
    Enforced(Vec<Problem>),
    /// Nothing is written; these writes would be, and these problems stand against them.
    Observed {
        /// What Enforce would need before it writes anything.
        needed: Vec<Problem>,
        /// The plan.
        planned: Vec<Problem>,
        /// What is wrong with the object.
        problems: Vec<Problem>,
    },
    /// Nothing is done.
    Suspended {
        /// Whether something is left undone by that.
        undone: bool,
    },
}

/// Condition messages and event notes are at most this many bytes.
pub const LONGEST_MESSAGE: usize = 1024;

/// The text, made fit for a condition: one line, no control characters and no direction overrides,
/// which could make a terminal show something else, and not too long.
#[must_use]
pub fn fit(text: &str, longest: usize) -> String {
    let mut fit = String::new();
    for c in text
        .chars()
        .map(|c| if is_invisible(c) { '\u{fffd}' } else { c })
    {
        if fit.len() + c.len_utf8() > longest {
            break;
        }
        fit.push(c);
    }
    fit
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// What status says was bound; `None` where it says nothing, or nothing legal.
#[must_use]
pub fn binding(status: &Status) -> Option<Binding> {
    let identity = Identity {
        registry: Registry {
            id: RegistryId::parse(status.registry_id.as_deref()?).ok()?,
            region: Region::parse(status.region.as_deref()?).ok()?,
        },
        name: RepositoryName::parse(status.repository_name.as_deref()?).ok()?,
    };
    Some(Binding {
        identity,
        established: is_owned(status),
    })
}

/// Whether what a status says to be there is the object's own.
fn is_owned(status: &Status) -> bool {
    status.arn.is_some() && status.ownership.is_none()
}

/// Whether a status says that it is of another object than this one. Of which cluster counts for nothing: a cluster
/// may go by another name.
#[must_use]
pub fn is_anothers(status: &Status, namespace: &str, name: &str) -> bool {
    status.owner.as_deref().is_some_and(|owner| {
        let mut parts = owner.splitn(3, '/').skip(1);
        (parts.next(), parts.next()) != (Some(namespace), Some(name))
    })
}

/// Whether a status was not written by this version for this object, as far as it says where that is bound.
#[must_use]
pub fn is_from_elsewhere(status: &Status, namespace: &str, name: &str) -> bool {
    let is_unnamed = status.owner.is_none() && status.repository_name.is_some();
    is_unnamed || is_anothers(status, namespace, name)
}

/// Records the binding; what was known of another place is forgotten.
pub fn record_binding(status: &mut Status, identity: &Identity) {
    if binding(status).is_some_and(|binding| binding.identity == *identity) {
        return;
    }
    status.registry_id = Some(identity.registry.id.to_string());
    status.region = Some(identity.registry.region.to_string());
    status.repository_name = Some(identity.name.to_string());
    (status.arn, status.repository_uri, status.created_at) = (None, None, None);
    status.ownership = None;
    // Tag keys above all: what was to be ours there may be somebody else's here.
    status.tag_keys.clear();
    status.working_memory.applied.clear();
    status.cluster_uid = None;
    status.taken_over = None;
}

/// Records that the repository exists and is ours.
pub fn record_repository(status: &mut Status, identity: &Identity, described: &Described) {
    record_sight(status, identity, described);
    status.ownership = None;
    // What was thought lost and is the same as before was not.
    if is_lost(status) {
        status.last_loss = None;
    }
}

/// Records a repository that is not ours, as Observe sees it. What was ours before stays on record as such: what
/// became of it is for another look to say.
pub fn record_looked_at(status: &mut Status, identity: &Identity, described: &Described) {
    if !is_owned(status) {
        record_sight(status, identity, described);
        status.ownership = Some(Ownership::NotOwned);
    }
}

/// Forgets a repository that was looked at and is not ours.
pub fn forget_looked_at(status: &mut Status) {
    if status.ownership.take().is_some() {
        (status.arn, status.repository_uri, status.created_at) = (None, None, None);
    }
}

fn record_sight(status: &mut Status, identity: &Identity, described: &Described) {
    status.arn = Some(identity.arn());
    status.repository_uri = Some(described.uri.clone());
    status.created_at = Some(described.created_at.clone());
}

/// Whether the repository vanished, and nobody has seen another one since.
#[must_use]
pub fn is_lost(status: &Status) -> bool {
    let lost = status.last_loss.as_ref();
    lost.is_some_and(|loss| loss.previous_created_at == status.created_at)
}

/// What `applied` says of an aspect that was ours and no longer is.
pub const RELEASED: &str = "released";

/// Records what is now in force: the `hashes` of the aspects that are ours, but not those of
/// `undone`, which stay as they were. An aspect that is no longer ours is marked as released.
pub fn record_applied(
    status: &mut Status,
    hashes: &BTreeMap<Aspect, String>,
    undone: &BTreeSet<Aspect>,
) {
    let before: BTreeMap<_, _> = status
        .working_memory
        .applied
        .drain(..)
        .map(|a| (a.aspect, a.hash))
        .collect();
    status.working_memory.applied = Aspect::ALL
        .into_iter()
        .filter_map(|aspect| {
            let before = before.get(&aspect).cloned();
            let hash = match hashes.get(&aspect) {
                _ if undone.contains(&aspect) => before,
                Some(hash) => Some(hash.clone()),
                // Tags are never released: those that are no longer named are removed.
                None if aspect == Aspect::Tags => None,
                None => before.map(|_| RELEASED.to_owned()),
            };
            Some(AppliedAspect {
                aspect,
                hash: hash?,
            })
        })
        .collect();
}

/// Whether exactly what is asked for was last in force.
#[must_use]
pub fn is_applied(status: &Status, hashes: &BTreeMap<Aspect, String>) -> bool {
    let applied = &status.working_memory.applied;
    let before = |aspect| applied.iter().find(|it| it.aspect == aspect);
    Aspect::ALL
        .into_iter()
        .all(|aspect| match (before(aspect), hashes.get(&aspect)) {
            (None, wanted) => wanted.is_none(),
            (Some(before), None) => before.hash == RELEASED,
            (Some(before), Some(wanted)) => before.hash == *wanted,
        })
}

/// The aspects that were ours and are left as they are in ECR.
pub fn released(status: &Status) -> impl Iterator<Item = Aspect> {
    status
        .working_memory
        .applied
        .iter()
        .filter(|a| a.hash == RELEASED)
        .map(|a| a.aspect)
}

/// Closes `next`: conditions, `pending` and `observedGeneration`.
pub fn conclude(next: &mut Status, standing: Standing, generation: i64, now: Timestamp) {
    match standing {
        Standing::Suspended { .. } => {
            let since = next.suspended_since.get_or_insert_with(|| now.to_string());
            // A forged one would be told.
            if since.parse::<Timestamp>().is_err() {
                *since = now.to_string();
            }
        }
        Standing::Beginning | Standing::Enforced(_) | Standing::Observed { .. } => {
            next.suspended_since = None;
        }
    }
    let verdict = Verdict::of(standing, next);
    next.observed_generation = Some(generation);
    if let Some(pending) = verdict.pending {
        next.pending = pending;
    }
    next.conditions = conditions(verdict.conditions, &next.conditions, generation, now);
}

/// Says since when what is pending fails.
pub fn note_since(
    status: &mut Status,
    since: impl Fn(Option<Aspect>, &str, &str) -> Option<Timestamp>,
) {
    for it in &mut status.pending {
        let known = since(it.aspect, &it.action, &it.reason);
        it.since = known.map(|since| since.to_string());
    }
}

/// Keeps what an earlier pass was refused, where this one did not get so far as to try it.
pub fn keep_untried(status: &mut Status, before: &Status) {
    if status.observed_generation != before.observed_generation {
        return;
    }
    for it in before.pending.iter().filter(|it| it.since.is_some()) {
        let same = |other: &PendingAction| (other.aspect, &other.action) == (it.aspect, &it.action);
        if !status.pending.iter().any(same) {
            status.pending.push(it.clone());
        }
    }
}

/// Says that the class overrides what the object asks for, where the object is accepted.
pub fn note_overridden(status: &mut Status, message: &str) {
    let accepted = status.conditions.iter_mut();
    let mut accepted = accepted.filter(|c| c.type_ == ConditionType::Accepted.as_str());
    if let Some(accepted) = accepted.find(|c| c.status == "True") {
        Reason::OverriddenByClass
            .as_str()
            .clone_into(&mut accepted.reason);
        accepted.message = fit(message, LONGEST_MESSAGE);
    }
}

/// The conditions with their times, which move with the status of a condition alone.
pub(super) fn conditions(
    said: Vec<Said>,
    before: &[Condition],
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let timed = |said: Said| {
        let last = before.iter().find(|c| c.type_ == said.type_.as_str());
        said.condition(last, generation, now)
    };
    said.into_iter().map(timed).collect()
}

/// One condition, without its times.
pub(super) struct Said {
    type_: ConditionType,
    status: bool,
    reason: Reason,
    message: String,
}

impl Said {
    pub(super) fn new(type_: ConditionType, status: bool, reason: Reason, message: &str) -> Self {
        Self {
            type_,
            status,
            reason,
            message: fit(message, LONGEST_MESSAGE),
        }
    }

    fn condition(self, last: Option<&Condition>, generation: i64, now: Timestamp) -> Condition {
        let status = if self.status { "True" } else { "False" };
        let since = last
            .filter(|last| last.status == status)
            .map(|last| last.last_transition_time.clone());
        Condition {
            type_: self.type_.as_str().to_owned(),
            status: status.to_owned(),
            reason: self.reason.to_string(),
            message: self.message,
            observed_generation: Some(generation),
            last_transition_time: since.unwrap_or(Time(now)),
        }
    }
}

struct Verdict {
    conditions: Vec<Said>,
    /// `None`: as before.
    pending: Option<Vec<PendingAction>>,
}

impl Verdict {
    fn of(standing: Standing, status: &Status) -> Self {
        match standing {
            Standing::Beginning => Self {
                conditions: working(Reason::Progressing, "The operator is at work"),
                pending: None,
            },
            Standing::Enforced(problems) => Self::by(&problems, || settled(status)),
            Standing::Observed {
                needed,
                planned,
                problems,
            } => Self {
                pending: Some(pending(problems.iter().chain(&needed).chain(&planned))),
                ..Self::by(&problems, || observed(&needed, &planned))
            },
            Standing::Suspended { undone } => Self {
                conditions: suspended(undone, status),
                pending: None,
            },
        }
    }

    fn by(problems: &[Problem], without: impl FnOnce() -> Vec<Said>) -> Self {
        let conditions = match worst(problems) {
            None => without(),
            Some(worst) => hindered(worst, problems),
        };
        Self {
            conditions,
            pending: Some(pending(problems)),
        }
    }
}

fn pending<'a>(problems: impl IntoIterator<Item = &'a Problem>) -> Vec<PendingAction> {
    problems
        .into_iter()
        .map(|problem| PendingAction {
            aspect: problem.aspect,
            action: problem.action.to_owned(),
            reason: problem.reason.to_string(),
            message: Some(fit(&problem.message, LONGEST_MESSAGE)),
            since: None,
        })
        .collect()
}

/// What needs a person comes before what heals by itself.
fn worst(problems: &[Problem]) -> Option<&Problem> {
    problems
        .iter()
        .find(|problem| problem.stalled)
        .or(problems.first())
}

fn accepted() -> Said {
    Said::new(
        ConditionType::Accepted,
        true,
        Reason::Accepted,
        "Well-formed and permitted by the class, and the name is nobody else's",
    )
}

fn settled(status: &Status) -> Vec<Said> {
    let released: Vec<_> = released(status).map(Aspect::as_str).collect();
    let message = if released.is_empty() {
        "ECR matches".to_owned()
    } else {
        format!(
            "ECR matches; no longer managed, and left as it is in ECR: {}",
            released.join(", ")
        )
    };
    vec![
        Said::new(ConditionType::Ready, true, Reason::Synced, &message),
        accepted(),
        Said::new(ConditionType::Synced, true, Reason::Synced, &message),
    ]
}

fn working(reason: Reason, message: &str) -> Vec<Said> {
    vec![
        Said::new(ConditionType::Ready, false, reason, message),
        accepted(),
        Said::new(ConditionType::Synced, false, reason, message),
        Said::new(ConditionType::Reconciling, true, reason, message),
    ]
}

fn hindered(worst: &Problem, problems: &[Problem]) -> Vec<Said> {
    let more = problems.len() - 1;
    let message = match more {
        0 => worst.message.clone(),
        _ => format!(
            "{} (and {more} more in status.pending)",
            fit(&worst.message, LONGEST_MESSAGE - 40)
        ),
    };
    let refused = problems.iter().find(|p| p.reason.is_refusal());
    let sign = if worst.stalled {
        ConditionType::Stalled
    } else {
        ConditionType::Reconciling
    };
    vec![
        Said::new(ConditionType::Ready, false, worst.reason, &message),
        refused.map_or_else(accepted, |p| {
            Said::new(ConditionType::Accepted, false, p.reason, &p.message)
        }),
        Said::new(ConditionType::Synced, false, worst.reason, &message),
        Said::new(sign, true, worst.reason, &message),
    ]
}

fn observed(needed: &[Problem], planned: &[Problem]) -> Vec<Said> {
    let changes = match planned.len() {
        0 => "ECR matches".to_owned(),
        1 => "1 change pending".to_owned(),
        n => format!("{n} changes pending"),
    };
    let message = match (needed, planned.len()) {
        ([], 0) => format!("{changes} — nothing would be written"),
        ([], 1) => format!("{changes} — set spec.managementPolicy to Enforce to make it"),
        ([], _) => format!("{changes} — set spec.managementPolicy to Enforce to make them"),
        (needed, _) => {
            let needed: Vec<_> = needed.iter().map(|it| it.message.as_str()).collect();
            format!("{changes}; Enforce would first need: {}", needed.join("; "))
        }
    };
    let nothing = needed.is_empty() && planned.is_empty();
    vec![
        Said::new(ConditionType::Ready, true, Reason::Observed, &message),
        if needed.is_empty() {
            accepted()
        } else {
            let message = "Well-formed and permitted by the class";
            Said::new(ConditionType::Accepted, true, Reason::Accepted, message)
        },
        Said::new(ConditionType::Synced, nothing, Reason::Observed, &message),
    ]
}

/// What was in force when the object was suspended counts as in force: nobody has looked since.
fn suspended(undone: bool, status: &Status) -> Vec<Said> {
    let since = status.suspended_since.as_deref().unwrap_or_default();
    let stands = if undone {
        "and not all that the spec asks for is in force"
    } else {
        "when all was in force, and ECR has not been looked at since"
    };
    let message = format!("Suspended since {since}, {stands} — set spec.suspend to false to go on");
    vec![
        Said::new(ConditionType::Ready, !undone, Reason::Suspended, &message),
        accepted(),
        Said::new(ConditionType::Synced, !undone, Reason::Suspended, &message),
    ]
}
