//! What is to be written so that ECR matches. Pure: no clock, no I/O; the command line, Observe
//! mode and the reconciler all see the same plan.

use std::collections::BTreeSet;

use super::{
    action::{Action, NewRepository},
    desired::{Desired, Refusal},
    lifecycle::Lifecycle,
    observed::{Observed, Reading, Tags},
    ownership::Rights,
    policy::Document,
    reason::Reason,
    setting::Setting,
    tag_steps::{named, tag_step, tags},
};
use crate::api::Aspect;

/// One write, and what it replaces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// The write.
    pub action: Action,
    /// What ECR held before, for people; empty for what is new.
    pub before: String,
    /// What is known already should ECR refuse it, for people.
    pub hint: Option<String>,
    /// What somebody loses by it, to be told before.
    pub warning: Option<String>,
}

impl Step {
    /// A write in the place of what ECR held.
    #[must_use]
    pub fn new(action: Action, before: String) -> Self {
        Self {
            hint: action.policy().and_then(Document::suspects),
            action,
            before,
            warning: None,
        }
    }
}

/// All writes that are needed, and all that is refused.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Plan {
    /// In this order; each aspect by itself.
    pub steps: Vec<Step>,
    /// What is asked for and not sent: the aspect, or `None` for the repository itself.
    pub refusals: Vec<(Option<Aspect>, Refusal)>,
}

impl Plan {
    /// Adds what would follow.
    pub fn append(&mut self, then: Self) {
        self.steps.extend(then.steps);
        self.refusals.extend(then.refusals);
    }

    /// Nothing to write and nothing refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.refusals.is_empty()
    }
}

/// Plans a repository that does not exist.
#[must_use]
pub fn plan_creation(desired: &Desired, stamps: Tags) -> Plan {
    let mut tags = stamps;
    tags.extend(named(desired).clone());
    let new = NewRepository {
        mutability: present(&desired.mutability).cloned(),
        scan_on_push: present(&desired.scan_on_push).copied(),
        encryption: desired.encryption.clone(),
        tags,
    };
    let actions = [
        Some(Action::CreateRepository(new)),
        present(&desired.lifecycle)
            .cloned()
            .map(Action::PutLifecyclePolicy),
        present(&desired.policy)
            .cloned()
            .map(Action::SetRepositoryPolicy),
    ];
    Plan {
        steps: actions
            .into_iter()
            .flatten()
            .map(|action| Step::new(action, String::new()))
            .collect(),
        refusals: refusals(desired),
    }
}

/// Plans a repository that exists. `ours` are the tag keys that were ours before.
#[must_use]
pub fn plan(
    desired: &Desired,
    observed: &Observed,
    rights: &Rights,
    ours: &BTreeSet<String>,
) -> Plan {
    match rights {
        Rights::LookUp(_) | Rights::Refused(_) => Plan::default(),
        // Adopting alone changes nothing but our tags: the rest follows once they are read back.
        Rights::MayAdopt { stamps } => Plan {
            steps: vec![tag_step(stamps.clone(), &observed.tags)],
            refusals: Vec::new(),
        },
        Rights::Ours { stamps } => {
            let (policy, kept) = match policy(desired, &observed.policy) {
                Ok(step) => (step, None),
                Err(refusal) => (None, Some((Some(Aspect::RepositoryPolicy), refusal))),
            };
            let tags = tags(desired, observed, stamps, ours);
            Plan {
                steps: settings(desired, observed, policy).chain(tags).collect(),
                refusals: encryption(desired, observed)
                    .into_iter()
                    .chain(refusals(desired))
                    .chain(kept)
                    .collect(),
            }
        }
    }
}

/// Whether documents that were read are what is asked for, as far as they were.
#[must_use]
pub fn documents_match(
    desired: &Desired,
    held: &Reading<Lifecycle>,
    policy_held: &Reading<Document>,
) -> bool {
    lifecycle(desired, held).is_none() && policy(desired, policy_held) == Ok(None)
}

fn settings(
    desired: &Desired,
    observed: &Observed,
    policy: Option<Step>,
) -> impl Iterator<Item = Step> {
    let steps = [
        mutability(desired, observed),
        scanning(desired, observed),
        lifecycle(desired, &observed.lifecycle),
        policy,
    ];
    steps.into_iter().flatten()
}

/// For people, where AWS has a word that we don't know.
const UNKNOWN: &str = "something that this version does not know";

fn refusals(desired: &Desired) -> Vec<(Option<Aspect>, Refusal)> {
    desired
        .refusals()
        .map(|(aspect, refusal)| (Some(aspect), refusal.clone()))
        .collect()
}

/// The value that is asked for, if one is.
fn present<T>(wanted: &Result<Setting<T>, Refusal>) -> Option<&T> {
    wanted.as_ref().ok().and_then(Setting::value)
}

fn mutability(desired: &Desired, observed: &Observed) -> Option<Step> {
    let held = observed.described.mutability.as_ref();
    let wanted = present(&desired.mutability).filter(|wanted| Some(*wanted) != held)?;
    let before = held.map_or_else(|| UNKNOWN.to_owned(), ToString::to_string);
    let action = Action::PutImageTagMutability(wanted.clone());
    Some(Step::new(action, before))
}

fn scanning(desired: &Desired, observed: &Observed) -> Option<Step> {
    let held = observed.described.scan_on_push;
    let wanted = *present(&desired.scan_on_push).filter(|wanted| **wanted != held)?;
    let action = Action::PutImageScanningConfiguration(wanted);
    Some(Step::new(action, format!("scanOnPush={held}")))
}

fn lifecycle(desired: &Desired, held: &Reading<Lifecycle>) -> Option<Step> {
    let action = document(
        desired.lifecycle.as_ref().ok()?,
        held,
        Action::PutLifecyclePolicy,
        Action::DeleteLifecyclePolicy,
    )?;
    let before = before(held, Lifecycle::text);
    Some(Step::new(action, before))
}

/// The write of the repository policy, with the statements of others that stay; refused where it would lose what
/// is to stay.
fn policy(desired: &Desired, held: &Reading<Document>) -> Result<Option<Step>, Refusal> {
    let Ok(wanted) = &desired.policy else {
        return Ok(None);
    };
    let own = &desired.identity.registry.id;
    let whole = desired.keep.with(wanted, held, own)?;
    let (put, delete) = (Action::SetRepositoryPolicy, Action::DeleteRepositoryPolicy);
    let Some(action) = document(&whole, held, put, delete) else {
        return Ok(None);
    };
    let deleted = match held {
        Reading::Stored(held) => whole.value().and_then(|it| it.deleted_principals(held)),
        Reading::NotRead | Reading::Absent => None,
    };
    let step = Step::new(action, before(held, Document::text));
    Ok(Some(Step {
        hint: deleted.map(|it| it.to_string()).or(step.hint.clone()),
        warning: desired.keep.warning(held, whole.value()),
        ..step
    }))
}

/// The write by which a document comes to match; none where it was not read.
fn document<T: Clone + PartialEq>(
    wanted: &Setting<T>,
    held: &Reading<T>,
    put: impl FnOnce(T) -> Action,
    delete: Action,
) -> Option<Action> {
    match (wanted, held) {
        (Setting::Unmanaged, _) | (_, Reading::NotRead) | (Setting::Absent, Reading::Absent) => {
            None
        }
        (Setting::Absent, Reading::Stored(_)) => Some(delete),
        (Setting::Present(wanted), Reading::Stored(held)) if wanted == held => None,
        (Setting::Present(wanted), Reading::Absent | Reading::Stored(_)) => {
            Some(put(wanted.clone()))
        }
    }
}

fn before<T>(held: &Reading<T>, text: impl FnOnce(&T) -> String) -> String {
    match held {
        Reading::NotRead => String::new(),
        Reading::Absent => "none".to_owned(),
        Reading::Stored(held) => text(held),
    }
}

/// ECR can't change the encryption of a repository: it is never deleted and made anew for it.
fn encryption(desired: &Desired, observed: &Observed) -> Option<(Option<Aspect>, Refusal)> {
    let held = observed.described.encryption.as_ref();
    let wanted = desired
        .encryption
        .as_ref()
        .filter(|wanted| held.is_none_or(|held| wanted.contradicts(held)))?;
    let held = held.map_or_else(|| UNKNOWN.to_owned(), ToString::to_string);
    let refusal = Refusal {
        reason: Reason::ImmutableField,
        message: format!(
            "The repository is encrypted with {held}, {wanted} is asked for, and ECR can't change it — \
             set spec.encryptionConfiguration to what the repository has, or remove it"
        ),
    };
    Some((None, refusal))
}
