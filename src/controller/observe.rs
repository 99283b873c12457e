//! `managementPolicy: Observe`: the plan stands in status and nothing is written. It needs no adoption: what has
//! the name and is nobody's is looked at as it is, and what Enforce would need first stands beside the plan.

use std::time::Duration;

use super::{
    documents::write_of,
    error::Error,
    pass::{Pass, Reach},
};
use crate::{
    api::{Compared, ManagementPolicy},
    domain::{
        class::Class,
        desired::{Desired, Encryption, Refusal},
        identity::Registry,
        in_force::note_encryption,
        observed::{Described, Tags, held},
        ownership::Conflict,
        plan::{Plan, Step},
        reason::Reason,
        status::{Problem, Standing},
    },
    ecr::Clients,
};

impl<C: Clients> Pass<'_, C> {
    /// What object and class ask for together. Of an object that only looks the class may refuse much: it looks all
    /// the same where it may look at this name.
    pub(super) fn asks_for(
        &mut self,
        class: &Class,
        registry: Registry,
    ) -> Result<Desired, Refusal> {
        let spec = &self.object.spec;
        match spec.management_policy.unwrap_or_default() {
            ManagementPolicy::Enforce => self.desired(class, registry),
            ManagementPolicy::Observe => {
                let look = self.as_subject(|subject| class.admit_look(subject, spec, &registry))?;
                self.unmet = look.unmet;
                self.asked_by(class, &look.effective, registry)
            }
        }
    }

    /// Ends the pass with its plan, and with what stands against carrying it out; remembers what it was made from.
    pub(super) async fn observe(
        &mut self,
        desired: &Desired,
        found: Option<(&Described, &Tags)>,
        (plan, conflict): (Plan, Option<Conflict>),
    ) -> Result<Duration, Error> {
        let is_whole = self.problems.is_empty();
        self.status.working_memory.compared = is_whole.then(|| Compared {
            asked: self.asked_for(desired),
            held: held(found),
        });
        let planned: Vec<_> = plan.steps.iter().map(planned).collect();
        let first = planned.first().map_or("TagResource", |it| it.action);
        let unmet = std::mem::take(&mut self.unmet);
        if let Some(refusal) = unmet.refused {
            self.refused(None, first, refusal);
        }
        for (aspect, refusal) in plan.refusals {
            self.refused(aspect, aspect.map_or("CreateRepository", write_of), refusal);
        }
        let adopts = conflict.is_some();
        let adoption = conflict.map(|conflict| needed("TagResource", to_adopt(conflict)));
        let of_class = unmet.to_enforce.into_iter();
        let of_class = of_class.chain(unmet.to_adopt.into_iter().filter(|_| adopts));
        let of_class = of_class.map(|refusal| needed(first, refusal));
        let needed = adoption.into_iter().chain(of_class).collect();
        self.reach = Reach::All;
        self.forget_what_is_over();
        self.rests_on_sweeps(desired);
        let problems = std::mem::take(&mut self.problems);
        let standing = Standing::Observed {
            needed,
            planned,
            problems,
        };
        self.conclude(standing).await
    }

    /// A digest of what is asked for, by object and class.
    pub(super) fn asked_for(&self, desired: &Desired) -> String {
        self.unmet.digest(self.of_existing(desired).digest())
    }

    /// Shows how the repository is encrypted, where that was read.
    pub(super) fn note_encryption(&mut self, desired: &Desired, held: Option<&Encryption>) {
        if let Some(held) = held {
            note_encryption(
                &mut self.status.effective,
                desired.encryption.as_ref(),
                held,
            );
        }
    }
}

/// What Enforce would do first.
fn to_adopt(conflict: Conflict) -> Refusal {
    Refusal {
        reason: conflict.reason(),
        message:
            "spec.adoption.policy IfUnowned, because the repository exists and is not this object's"
                .to_owned(),
    }
}

fn needed(action: &'static str, Refusal { reason, message }: Refusal) -> Problem {
    Problem {
        aspect: None,
        action,
        reason,
        message,
        stalled: false,
    }
}

fn planned(step: &Step) -> Problem {
    let mut message = match step.before.as_str() {
        "" => format!("{}; ECR holds none", step.action),
        before => format!("{}; ECR holds {before}", step.action),
    };
    if let Some(warning) = &step.warning {
        // What somebody loses comes first: the rest may be long.
        message = format!("{warning}; {message}");
    }
    Problem {
        aspect: step.action.aspect(),
        action: step.action.operation(),
        reason: Reason::Observed,
        message,
        stalled: false,
    }
}
