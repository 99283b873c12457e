//! Carries out a plan, step by step. What fails alone, fails alone.

use std::collections::BTreeMap;

use super::{
    documents::write_of,
    error::Error,
    pass::{Pass, Reach},
    prove::Right,
};
use crate::{
    api::Aspect,
    domain::{
        action::Action,
        answer::{Answer, altered},
        desired::is_reserved,
        drift::Verdict,
        event::{self, Done},
        failure::{Class, Failure},
        identity::Identity,
        observed::Described,
        plan::{Plan, Step},
        retry::{Call, Slot},
        status::Problem,
    },
    ecr::{Clients, Ecr, Proof, Turn},
};

/// What came of a plan.
#[derive(Debug, Default)]
pub(super) struct Executed {
    /// The repository that was created.
    pub(super) created: Option<Described>,
    /// The repository was to be created and exists.
    pub(super) exists: bool,
}

/// A step that is due, and what it is tried as.
struct Due {
    step: Step,
    slot: Slot,
    request: String,
}

/// What came of one step.
enum Written {
    Done(Answer),
    /// The repository was to be created and exists.
    Exists,
    Failed {
        failure: Failure,
        /// Whether the steps after it would fail alike.
        ends: bool,
    },
}

impl<C: Clients> Pass<'_, C> {
    /// Carries out all steps that are due: first the turns of all of them, then the proof, then the calls.
    /// `wanted` tells what each aspect is asked to be, `known` is what was proved on the way here.
    pub(super) async fn execute(
        &mut self,
        at: &Identity,
        plan: Plan,
        wanted: &BTreeMap<Aspect, String>,
        (mut right, mut known): (Right<'_>, Option<Proof>),
    ) -> Result<Executed, Error> {
        let mut executed = Executed::default();
        for (aspect, refusal) in plan.refusals {
            self.refused(aspect, aspect.map_or("CreateRepository", write_of), refusal);
        }
        let due = self.due(plan.steps, wanted);
        let turns = self.turns(at, due.iter().map(|it| &it.step.action)).await?;
        let mut steps = due.into_iter().zip(turns);
        while let Some((due, turn)) = steps.next() {
            self.warn(&due).await;
            let proof = self.proof(at, (right, known), &due.step.action);
            let proof = match proof.await? {
                Ok(proof) => proof,
                Err(failure) if self.is_guarded_later(right, &due.step.action) => {
                    let operation = due.step.action.operation();
                    self.failed(due.slot, &due.request, operation, failure);
                    continue;
                }
                Err(failure) => {
                    // It was looked at, and that went well: what fails is this write.
                    let operation = due.step.action.operation();
                    self.failed(due.slot, &due.request, operation, failure.clone());
                    self.postpone(steps.map(|(due, _)| due.step), &failure);
                    break;
                }
            };
            known = Some(proof);
            match self.write(at, due, (turn, &proof), wanted).await {
                Written::Done(Answer::Created(described)) => {
                    // The pass may end before its plan does.
                    self.note_stamps(None);
                    executed.created = Some(described);
                    // With our tags: nothing proves it better.
                    (right, known) = (Right::Created, Some(proof.and_created()));
                }
                Written::Done(
                    Answer::Done | Answer::StoredLifecycle(_) | Answer::StoredPolicy(_),
                )
                | Written::Failed { ends: false, .. } => {}
                Written::Exists => {
                    executed.exists = true;
                    break;
                }
                Written::Failed {
                    failure,
                    ends: true,
                } => {
                    self.postpone(steps.map(|(due, _)| due.step), &failure);
                    break;
                }
            }
        }
        Ok(executed)
    }

    /// Tells what somebody loses by a write, before it is made; once, however often it is tried.
    async fn warn(&self, due: &Due) {
        let (slot, operation) = (due.slot, due.step.action.operation());
        let Some(warning) = &due.step.warning else {
            return;
        };
        if !self.memory.attempts.has_failed(Call { slot, operation }) {
            let event = event::statement_removed(operation, warning);
            self.ctx.events.publish(&self.object, vec![event]).await;
        }
    }

    /// The steps whose time it is. What is held back stays a problem.
    fn due(&mut self, steps: Vec<Step>, wanted: &BTreeMap<Aspect, String>) -> Vec<Due> {
        let creates = |step: &Step| matches!(step.action, Action::CreateRepository(_));
        let is_new = steps.iter().any(creates);
        let mut all_due = Vec::new();
        let mut steps = steps.into_iter();
        while let Some(step) = steps.next() {
            let (slot, request) = (slot(&step.action), request(&step.action, wanted));
            if let Some(failure) = self.held_back(slot, &request, step.action.operation()) {
                if slot == Slot::Repository {
                    self.postpone(steps, &failure);
                    break;
                }
            } else if is_new || !self.is_fought_over(&step.action, wanted) {
                all_due.push(Due {
                    step,
                    slot,
                    request,
                });
            }
        }
        all_due
    }

    /// Makes the write of one step, and notes what came of it.
    async fn write(
        &mut self,
        at: &Identity,
        due: Due,
        (turn, proof): (Turn, &Proof),
        wanted: &BTreeMap<Aspect, String>,
    ) -> Written {
        let Due {
            step,
            slot,
            request,
        } = due;
        let operation = step.action.operation();
        match self.aws.write(at, &step.action, turn, proof).await {
            Ok(answer) => {
                self.succeeded(slot, operation);
                if let Some(failure) = altered(&step.action, &answer) {
                    self.failed(slot, &request, operation, failure);
                }
                self.note_done(step, wanted);
                Written::Done(answer)
            }
            Err(failure) if failure.class == Class::Exists && slot == Slot::Repository => {
                Written::Exists
            }
            Err(mut failure) => {
                if let (Class::PolicyRefused, Some(hint)) = (failure.class, &step.hint) {
                    failure.said = format!("{hint}; {}", failure.said);
                }
                self.failed(slot, &request, operation, failure.clone());
                let ends = slot == Slot::Repository || failure.class.ends_the_pass();
                Written::Failed { failure, ends }
            }
        }
    }

    /// Whether a write of the repository itself is not yet due again; its problem stays.
    pub(super) fn is_held_back(&mut self, action: &Action) -> bool {
        let request = request(action, &BTreeMap::new());
        let held = self.held_back(slot(action), &request, action.operation());
        held.is_some()
    }

    /// Notes that a write of the repository itself could not be made, for what stands against it: it is held back
    /// by itself from then on, however well the looks before it go.
    pub(super) fn not_written(&mut self, action: &Action, failure: Failure) {
        let request = request(action, &BTreeMap::new());
        self.failed(slot(action), &request, action.operation(), failure);
    }

    /// Makes one write that has its turn and its proof.
    pub(super) async fn write_one(
        &mut self,
        at: &Identity,
        action: Action,
        turn: Turn,
        proof: &Proof,
    ) {
        let due = Due {
            slot: slot(&action),
            request: request(&action, &BTreeMap::new()),
            step: Step::new(action, String::new()),
        };
        self.write(at, due, (turn, proof), &BTreeMap::new()).await;
    }

    fn note_done(&mut self, step: Step, wanted: &BTreeMap<Aspect, String>) {
        let Step { action, before, .. } = step;
        tracing::info!(action = %action, %before, "written");
        let drifted = self.drifted(&action, wanted);
        if let Some(aspect) = drifted {
            let now = self.ctx.now();
            self.memory.repairs.repaired(aspect, now);
        }
        let preview = match action {
            Action::PutLifecyclePolicy(_) => self.takes,
            Action::CreateRepository(_)
            | Action::DeleteRepository { .. }
            | Action::TagResource(_)
            | Action::UntagResource(_)
            | Action::PutImageTagMutability(_)
            | Action::PutImageScanningConfiguration(_)
            | Action::DeleteLifecyclePolicy
            | Action::SetRepositoryPolicy(_)
            | Action::DeleteRepositoryPolicy => None,
        };
        self.done.push(Done {
            drift: drifted.is_some(),
            action,
            before,
            preview,
        });
    }

    /// The aspect, where a write repairs drift: what was last in force is what is wanted now, and yet
    /// ECR holds something else. What is written to a new repository repairs nothing.
    fn drifted(&self, action: &Action, wanted: &BTreeMap<Aspect, String>) -> Option<Aspect> {
        let aspect = action.aspect()?;
        let applied = self.applied();
        let last = applied.get(&aspect)?;
        let creates = |done: &Done| matches!(done.action, Action::CreateRepository(_));
        (wanted.get(&aspect) == Some(last) && !self.done.iter().any(creates)).then_some(aspect)
    }

    /// Whether a write would only be the next blow of a fight; its problem is noted then.
    fn is_fought_over(&mut self, action: &Action, wanted: &BTreeMap<Aspect, String>) -> bool {
        // Our own tags prove whose the repository is: they wait for nobody.
        let stamps = action
            .tags()
            .is_some_and(|tags| tags.keys().any(|key| is_reserved(key)));
        let Some(aspect) = self.drifted(action, wanted).filter(|_| !stamps) else {
            return false;
        };
        let now = self.ctx.now();
        match self.memory.repairs.judge(aspect, now) {
            Verdict::Repair => false,
            Verdict::HoldBack => {
                self.problems.push(Problem::of_fight(aspect, action));
                true
            }
        }
    }

    /// Names the steps that were not tried because of an earlier one. Where a person was asked because of one,
    /// that still holds.
    fn postpone(&mut self, steps: impl Iterator<Item = Step>, failure: &Failure) {
        let Some(first) = self.problems.last().cloned() else {
            return;
        };
        self.reach = Reach::CutShort;
        for Step { action, .. } in steps {
            let operation = action.operation();
            let asked_for = self.asked_for_by(slot(&action), operation);
            self.problems.push(asked_for.unwrap_or_else(|| Problem {
                aspect: action.aspect(),
                action: operation,
                message: format!(
                    "It follows {} and was not tried: {} — nothing to do here",
                    first.action, failure.said
                ),
                ..first.clone()
            }));
        }
    }
}

fn slot(action: &Action) -> Slot {
    action.aspect().map_or(Slot::Repository, Slot::Aspect)
}

/// What is asked for: of a document its meaning, so that a failed write also saves the read that
/// would come before the next one.
fn request(action: &Action, wanted: &BTreeMap<Aspect, String>) -> String {
    match action.aspect() {
        Some(aspect @ (Aspect::LifecyclePolicy | Aspect::RepositoryPolicy)) => {
            wanted.get(&aspect).cloned().unwrap_or_default()
        }
        Some(Aspect::Tags | Aspect::ImageTagMutability | Aspect::ImageScanningConfiguration)
        | None => action.fingerprint(),
    }
}
