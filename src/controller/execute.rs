//! Carries out a plan, step by step. What fails alone, fails alone.

use std::collections::BTreeMap;

use super::{documents::write_of, pass::Pass};
use crate::{
    api::Aspect,
    domain::{
        action::Action,
        event::Done,
        failure::{Class, Failure},
        identity::Identity,
        observed::Described,
        plan::{Plan, Step},
        retry::Slot,
        status::Problem,
    },
    ecr::Ecr,
};

/// What came of a plan.
#[derive(Debug, Default)]
pub(super) struct Executed {
    /// The repository that was created.
    pub(super) created: Option<Described>,
    /// The repository was to be created and exists.
    pub(super) exists: bool,
}

impl<E: Ecr> Pass<'_, E> {
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
            match self.ctx.ecr.write(at, &step.action).await {
                Ok(created) => {
                    executed.created = executed.created.or(created);
                    self.memory.attempts.succeeded(slot, &request);
                    self.note_done(step, wanted);
                }
                Err(failure) if failure.class == Class::Exists && slot == Slot::Repository => {
                    executed.exists = true;
                    return executed;
                }
                Err(failure) => {
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
        let Step { action, before } = step;
        tracing::info!(action = %action, %before, "written");
        // What was last in force is what is wanted now, and yet ECR held something else.
        let drift = action.aspect().is_some_and(|aspect| {
            let applied = self.applied();
            applied.contains_key(&aspect) && applied.get(&aspect) == wanted.get(&aspect)
        });
        self.done.push(Done {
            drift: drift && self.done_creation().is_none(),
            action,
            before,
        });
    }

    fn done_creation(&self) -> Option<&Done> {
        self.done
            .iter()
            .find(|done| matches!(done.action, Action::CreateRepository(_)))
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
