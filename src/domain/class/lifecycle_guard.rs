//! Whether a lifecycle policy may reach a repository that has images. What it would take away is shown to
//! people, and what one of them allows is good once, for no more than was shown.

use std::fmt;

use crate::{
    api::{APPROVE_LIFECYCLE_ANNOTATION, ApprovalState, LifecycleApproval},
    domain::{desired::Refusal, digest::digest, reason::Reason},
};

use super::Class;

/// What ECR's preview of a policy counts in a repository (`GetLifecyclePolicyPreview`, `summary`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Preview {
    /// Images that it would delete.
    pub expiring: u64,
    /// Images that it would move to the archive: nobody can pull them before they are had back.
    pub archiving: u64,
}

/// For people: what it takes, by ECR's preview.
impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            expiring,
            archiving,
        } = self;
        let images = if *expiring == 1 { "image" } else { "images" };
        write!(f, "which deletes {expiring} {images}")?;
        if *archiving > 0 {
            write!(f, " and archives {archiving}")?;
        }
        f.write_str(", by ECR's preview")
    }
}

impl Preview {
    /// What was counted when a question was shown.
    fn shown(question: &LifecycleApproval) -> Self {
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        Self {
            expiring: count(question.expiring),
            archiving: count(question.archiving),
        }
    }

    /// How many images it takes from those who pull.
    const fn taken(self) -> u64 {
        self.expiring.saturating_add(self.archiving)
    }

    const fn is_within(self, other: Self) -> bool {
        self.expiring <= other.expiring && self.archiving <= other.archiving
    }
}

/// How far a lifecycle policy may go unasked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Allowance {
    /// How many images it may take away.
    pub most: u64,
    /// Whether it comes from the class, and not from the object's spec.
    pub of_class: bool,
}

impl Class {
    /// How far a lifecycle policy may go unasked; `None` where nobody set a limit.
    #[must_use]
    pub fn lifecycle_allowance(&self, of_class: bool) -> Option<Allowance> {
        let most = self.max_expire.or(of_class.then_some(0))?;
        Some(Allowance { most, of_class })
    }
}

/// What a question is about, counts and moment apart. Where any of it changes, so does the token: what was
/// allowed before says nothing of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Case {
    /// The object, by its uid.
    pub object: String,
    /// The repository.
    pub place: String,
    /// The class: which one, and as of which generation.
    pub class: String,
    /// The policy, by its digest.
    pub policy: String,
}

impl Case {
    /// A new question to people.
    #[must_use]
    pub fn ask(&self, preview: Preview, images: Option<String>, at: String) -> LifecycleApproval {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let mut question = LifecycleApproval {
            token: String::new(),
            state: ApprovalState::Waiting,
            policy: self.policy.clone(),
            expiring: count(preview.expiring),
            archiving: count(preview.archiving),
            images,
            at,
        };
        question.token = self.token(&question);
        question
    }

    /// Whether a question is this one, whole and not over.
    #[must_use]
    pub fn is_asked_by(&self, question: &LifecycleApproval) -> bool {
        question.state != ApprovalState::Spent && question.token == self.token(question)
    }

    fn token(&self, question: &LifecycleApproval) -> String {
        let Self {
            object,
            place,
            class,
            policy,
        } = self;
        let LifecycleApproval {
            token: _,
            state: _,
            policy: shown,
            expiring,
            archiving,
            images,
            at,
        } = question;
        let of = images.as_deref().unwrap_or("?");
        let text = format!(
            "{object}\n{place}\n{class}\n{policy}\n{shown}\n{expiring}\n{archiving}\n{of}\n{at}"
        );
        digest("lifecycleApproval", &text)
    }
}

/// How a question stands by the annotation that people answer with. One that is not there says nothing: what
/// applies objects from Git takes away what it did not apply. Any other value than the token takes an answer back.
#[must_use]
pub fn answered(question: &LifecycleApproval, annotated: Option<&str>) -> ApprovalState {
    match (question.state, annotated) {
        (ApprovalState::Spent, _) => ApprovalState::Spent,
        (state, None) => state,
        (_, Some(value)) if value == question.token => ApprovalState::Approved,
        (_, Some(_)) => ApprovalState::Waiting,
    }
}

/// What becomes of a policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Guarded {
    /// It may be put.
    Goes,
    /// The question that was shown still stands.
    Waits,
    /// A person is to be shown something else than before.
    Asks,
}

/// Decides by what a fresh preview of this very policy counted, and by the question that was shown for this
/// very case, if one was.
#[must_use]
pub fn guard(most: u64, fresh: Preview, shown: Option<&LifecycleApproval>) -> Guarded {
    if fresh.taken() <= most {
        return Guarded::Goes;
    }
    match shown.filter(|shown| fresh.is_within(Preview::shown(shown))) {
        None => Guarded::Asks,
        Some(shown) => match shown.state {
            ApprovalState::Waiting => Guarded::Waits,
            ApprovalState::Approved => Guarded::Goes,
            ApprovalState::Spent => Guarded::Asks,
        },
    }
}

/// Asks a person: the danger first, then the command that allows it. A field manager of its own, because
/// Flux takes away what `kubectl annotate` sets under its own name.
#[must_use]
pub fn needs_approval(
    question: &LifecycleApproval,
    Allowance { most, of_class }: Allowance,
    (namespace, name): (&str, &str),
    annotated: Option<&str>,
) -> Refusal {
    let policy = if of_class {
        "the class's lifecycle policy"
    } else {
        "spec.lifecyclePolicy"
    };
    let other = match annotated {
        Some(value) if value != question.token => {
            "; the value that the annotation has now is not for this and permits nothing"
        }
        Some(_) | None => "",
    };
    Refusal {
        reason: Reason::LifecycleNeedsApproval,
        message: format!(
            "Would {} here: {policy}, by ECR's preview, and the class's lifecycleGuard lets {most} go \
             unasked — to allow it once: kubectl annotate --overwrite --field-manager=ecr-approval \
             ecrrepo/{name} -n {namespace} {APPROVE_LIFECYCLE_ANNOTATION}={}{other}",
            danger(question),
            question.token,
        ),
    }
}

fn danger(question: &LifecycleApproval) -> String {
    let LifecycleApproval {
        expiring,
        archiving,
        images,
        ..
    } = question;
    let verbs = match (expiring, archiving) {
        (deleted, 0) => format!("delete {deleted}"),
        (0, archived) => format!("archive {archived}"),
        (deleted, archived) => format!("delete {deleted} and archive {archived}"),
    };
    match images {
        Some(images) => format!("{verbs} of {images}"),
        None if expiring.saturating_add(*archiving) == 1 => format!("{verbs} image"),
        None => format!("{verbs} images"),
    }
}
