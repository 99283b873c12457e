//! What people are told of a pass: one event for its writes, and one for each thing of note.
//!
//! Failures that heal by themselves are not told: they stand in status while they last.

use std::collections::BTreeSet;

use super::{
    action::Action,
    class::Preview,
    conditions::{find, say_adopting},
    identity::RepositoryName,
    reason::Reason,
    status::{LONGEST_MESSAGE, Problem, fit, released},
};
use crate::api::{
    Aspect, ConditionType, ECRRepositoryClassStatus as ClassStatus, ECRRepositoryStatus as Status,
};

/// A write that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// The write.
    pub action: Action,
    /// What ECR held before.
    pub before: String,
    /// Whether ECR had held what we wrote last: somebody changed it outside.
    pub drift: bool,
    /// What ECR's preview of it took away, where it was previewed.
    pub preview: Option<Preview>,
}

/// An event, before Kubernetes hears of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// Whether it asks for attention.
    pub warning: bool,
    /// One word.
    pub reason: &'static str,
    /// What was done, in one word.
    pub action: &'static str,
    /// The whole story.
    pub note: String,
}

impl Event {
    fn new(warning: bool, reason: &'static str, action: &'static str, note: &str) -> Self {
        Self {
            warning,
            reason,
            action,
            note: fit(note, LONGEST_MESSAGE),
        }
    }
}

/// The status was larger than the operator writes it, and what it does not rely on was taken away.
#[must_use]
pub fn status_shortened() -> Event {
    let note = "Status was far larger than the operator ever writes it, and was written anew — let nobody else write \
                status";
    Event::new(true, Reason::TooLarge.as_str(), "Read", note)
}

/// A class has become one of several default classes, or another of them counts.
#[must_use]
pub fn several_defaults(before: Option<&ClassStatus>, after: &ClassStatus) -> Option<Event> {
    let reason = Reason::SeveralDefaultClasses.as_str();
    let told = |status: &ClassStatus| {
        let ready = find(&status.conditions, ConditionType::Ready);
        let ready = ready.filter(|it| it.reason == reason)?;
        Some(ready.message.clone())
    };
    let note = told(after).filter(|note| before.and_then(told).as_ref() != Some(note))?;
    Some(Event::new(true, reason, "Choose", &note))
}

/// All that is told of a pass that led from `before` to `after`.
#[must_use]
pub fn of_pass(before: &Status, after: &Status, done: &[Done], problems: &[Problem]) -> Vec<Event> {
    let mut events: Vec<_> = writes(done).into_iter().collect();
    events.extend(done.iter().filter(|done| done.drift).map(drift_repaired));
    events.extend(loss(before, after));
    events.extend(releases(before, after));
    events.extend(new_problems(before, problems));
    events
}

fn writes(done: &[Done]) -> Option<Event> {
    let (first, note) = (done.first()?, done.iter().map(written));
    let reason = match &first.action {
        Action::CreateRepository(_) => "Created",
        Action::DeleteRepository { .. } => "Deleted",
        Action::TagResource(_)
        | Action::UntagResource(_)
        | Action::PutImageTagMutability(_)
        | Action::PutImageScanningConfiguration(_)
        | Action::PutLifecyclePolicy(_)
        | Action::DeleteLifecyclePolicy
        | Action::SetRepositoryPolicy(_)
        | Action::DeleteRepositoryPolicy => "Updated",
    };
    let note = note.collect::<Vec<_>>().join("; ");
    Some(Event::new(false, reason, first.action.operation(), &note))
}

/// How much of a lifecycle policy stands in a note that has the former one as well.
const LONGEST_POLICY: usize = 350;

/// A write, and what it replaced, where that is short or decides what becomes of images.
fn written(done: &Done) -> String {
    let Done {
        action,
        before,
        preview,
        drift: _,
    } = done;
    match action {
        // What they lead from is in the event of the drift, if there was one.
        _ if before.is_empty() => action.to_string(),
        Action::PutImageTagMutability(_) | Action::PutImageScanningConfiguration(_) => {
            format!("{action} (was {before})")
        }
        Action::PutLifecyclePolicy(policy) => {
            let takes = preview.map(|it| format!(", {it}")).unwrap_or_default();
            let (was, is) = (shortened(before, LONGEST_POLICY), policy.text());
            format!(
                "{action}{takes} (was {was}; is {})",
                shortened(&is, LONGEST_POLICY)
            )
        }
        Action::DeleteLifecyclePolicy => {
            format!("{action} (was {})", shortened(before, LONGEST_POLICY))
        }
        Action::CreateRepository(_)
        | Action::DeleteRepository { .. }
        | Action::TagResource(_)
        | Action::UntagResource(_)
        | Action::SetRepositoryPolicy(_)
        | Action::DeleteRepositoryPolicy => action.to_string(),
    }
}

fn shortened(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    format!("{}…", fit(text, longest))
}

/// A policy was written that could deny the operator its work.
#[must_use]
pub fn denials(done: &[Done], warning: Option<&str>) -> Option<Event> {
    let mut written = done
        .iter()
        .filter(|it| matches!(it.action, Action::SetRepositoryPolicy(_)));
    let (warning, done) = (warning?, written.next()?);
    let action = done.action.operation();
    Some(Event::new(true, "OperatorMayBeDenied", action, warning))
}

/// A statement of others is about to be taken out of the repository policy.
#[must_use]
pub fn statement_removed(operation: &'static str, warning: &str) -> Event {
    Event::new(true, "StatementRemoved", operation, warning)
}

/// How much of what ECR held stands in a note: what was done about it must fit as well.
const LONGEST_HELD: usize = 700;

fn drift_repaired(done: &Done) -> Event {
    let aspect = done.action.aspect().map_or("repository", Aspect::as_str);
    let held = match done.before.as_str() {
        "" => "none".to_owned(),
        held => shortened(held, LONGEST_HELD),
    };
    let note = format!(
        "{aspect} was changed outside: it was {held}; repaired by {}",
        done.action
    );
    Event::new(true, "DriftRepaired", done.action.operation(), &note)
}

/// The object's repository was deleted outside, and another was made, which is not the object's.
#[must_use]
pub fn replaced() -> Event {
    let note = "The repository was deleted outside and another was made in its place: its images are gone — find out \
                by whom (AWS CloudTrail: DeleteRepository, CreateRepository), and push the images again";
    Event::new(
        true,
        Reason::RepositoryLost.as_str(),
        "DescribeRepositories",
        note,
    )
}

/// What the deletion of an object left as it is in ECR, though it was to go.
#[must_use]
pub fn let_go(kept: &Kept) -> Event {
    let warning = match kept {
        Kept::Former { .. } => true,
        Kept::Others { .. } | Kept::Nothing { .. } => false,
    };
    let reason = match kept {
        Kept::Former { .. } | Kept::Others { .. } => "RepositoryKept",
        Kept::Nothing { .. } => "NothingToDelete",
    };
    Event::new(warning, reason, "DeleteRepository", &kept.to_string())
}

/// Why a deletion deletes nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Kept {
    /// The object had the repository, and it is no longer the object's.
    #[error("{name} stays in ECR with its images, though this object had it: {why}")]
    Former {
        /// The repository.
        name: RepositoryName,
        /// What became of it, and what to do.
        why: &'static str,
    },
    /// The repository was never the object's.
    #[error("{name} stays in ECR: it was never this object's — nothing to do")]
    Others {
        /// The repository.
        name: RepositoryName,
    },
    /// There is none.
    #[error("{name} is not in ECR: nothing was deleted — nothing to do")]
    Nothing {
        /// The repository.
        name: RepositoryName,
    },
}

/// The status was another object's, and counts for nothing.
#[must_use]
pub fn status_of_another() -> Event {
    let note = "The status was another object's, as after a restore into another namespace, and was written anew — \
                restore ECRRepositories without their status";
    Event::new(true, "StatusOfAnother", "Read", note)
}

fn loss(before: &Status, after: &Status) -> Option<Event> {
    // What was adopted in its place was told of before.
    let recreated = !say_adopting(&before.conditions)
        && after.last_loss.is_some()
        && after.created_at.is_some()
        && after.created_at != before.created_at;
    let note = "The repository was deleted outside and was created anew: its images are gone";
    let was_ours = before.created_at.is_some() && before.ownership.is_none();
    (recreated && was_ours).then(|| {
        Event::new(
            true,
            Reason::RepositoryLost.as_str(),
            "CreateRepository",
            note,
        )
    })
}

fn releases(before: &Status, after: &Status) -> Vec<Event> {
    let already: BTreeSet<_> = released(before).collect();
    released(after)
        .filter(|aspect| !already.contains(aspect))
        .map(|aspect| {
            let note = format!(
                "{} is no longer managed and left as it is in ECR",
                aspect.as_str()
            );
            Event::new(false, "Released", "Release", &note)
        })
        .collect()
}

/// Problems that need a person and were not told before.
fn new_problems(before: &Status, problems: &[Problem]) -> Vec<Event> {
    // What heals by itself stands in `pending` too, and was not told.
    let asked_for_help = before
        .conditions
        .iter()
        .any(|c| c.type_ == ConditionType::Stalled.as_str());
    let told = |problem: &Problem| {
        asked_for_help
            && before.pending.iter().any(|p| {
                p.aspect == problem.aspect
                    && p.reason == problem.reason.as_str()
                    && p.message.as_deref() == Some(&fit(&problem.message, LONGEST_MESSAGE))
            })
    };
    let stalled = problems
        .iter()
        .filter(|problem| problem.stalled && !told(problem));
    stalled
        .map(|problem| {
            Event::new(
                true,
                problem.reason.as_str(),
                problem.action,
                &problem.message,
            )
        })
        .collect()
}
