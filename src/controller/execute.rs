//! Carries out a plan, step by step. What fails alone, fails alone.

use std::collections::BTreeMap;

use super::{documents::write_of, pass::Pass};
use crate::{
    api::Aspect,
    domain::{
        action::Action,
        answer::{Answer, altered},
        desired::is_reserved,
        drift::Verdict,
        event::Done,
        failure::{Class, Failure},
        identity::Identity,
        observed::Described,
        plan::{Plan, Step},
        retry::Slot,
        status::Problem,
    },
    ecr::{Clients, Ecr},
};

/// What came of a plan.
#[derive(Debug, Default)]
pub(super) struct Executed {
    /// The repository that was created.
    pub(super) created: Option<Described>,
    /// The repository was to be created and exists.
    pub(super) exists: bool,
}

impl<C: Clients> Pass<'_, C> {
    /// Carries out all steps that are due. `wanted` tells what each aspect is asked to be.
    pub(super) async fn execute(
        &mut self,
        at: &Identity,
        plan: Plan,
        wanted: &BTreeMap<Aspect, String>,
    ) -> Executed {
        let mut executed = Executed::default();
        for (aspect, refusal) in plan.refusals {
            self.refused(aspect, aspect.map_or("CreateRepository", write_of), refusal);
        }
        let mut steps = plan.steps.into_iter();
        while let Some(step) = steps.next() {
            let (slot, request) = (slot(&step.action), request(&step.action, wanted));
            let operation = step.action.operation();
            if let Some(failure) = self.held_back(slot, &request, operation) {
                if slot == Slot::Repository {
                    self.postpone(steps, &failure);
                    break;
                }
                continue;
            }
            if self.is_fought_over(&step.action, wanted) {
                continue;
            }
            match self.aws.write(at, &step.action).await {
                Ok(answer) => {
                    self.memory.attempts.succeeded(slot, &request);
                    if let Some(failure) = altered(&step.action, &answer) {
                        self.failed(slot, &request, operation, failure);
                    }
                    if let Answer::Created(described) = answer {
                        executed.created = Some(described);
                    }
                    self.note_done(step, wanted);
                }
                Err(failure) if failure.class == Class::Exists && slot == Slot::Repository => {
                    executed.exists = true;
                    return executed;
                }
                Err(mut failure) => {
                    if let (Class::PolicyRefused, Some(hint)) = (failure.class, &step.hint) {
                        failure.said = format!("{}; {hint}", failure.said);
                    }
                    let ends = slot == Slot::Repository || failure.class.ends_the_pass();
                    self.failed(slot, &request, operation, failure.clone());
                    if ends {
                        self.postpone(steps, &failure);
                        break;
                    }
                }
            }
        }
        executed
    }

    fn note_done(&mut self, step: Step, wanted: &BTreeMap<Aspect, String>) {
        let Step { action, before, .. } = step;
        tracing::info!(action = %action, %before, "written");
        let drifted = self.drifted(&action, wanted);
        if let Some(aspect) = drifted {
            let now = self.ctx.now();
            self.memory.repairs.repaired(aspect, now);
        }
        self.done.push(Done {
            drift: drifted.is_some(),
            action,
            before,
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

    /// Names the steps that were not tried because of an earlier one.
    fn postpone(&mut self, steps: impl Iterator<Item = Step>, failure: &Failure) {
        let Some(first) = self.problems.last().cloned() else {
            return;
        };
        self.problems.extend(steps.map(|step| Problem {
            aspect: step.action.aspect(),
            action: step.action.operation(),
            message: format!(
                "Nothing to do here, it follows {}: {}",
                first.action, failure.said
            ),
            ..first.clone()
        }));
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
