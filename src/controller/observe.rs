//! `managementPolicy: Observe`: the plan stands in status and nothing is written.

use std::time::Duration;

use super::{
    documents::write_of,
    error::Error,
    pass::{Pass, Reach},
};
use crate::{
    api::Compared,
    domain::{
        desired::Desired,
        observed::{Described, Tags, held},
        plan::{Plan, Step},
        reason::Reason,
        status::{Problem, Standing},
    },
    ecr::Clients,
};

impl<C: Clients> Pass<'_, C> {
    /// Ends the pass with its plan, and remembers what that was made from.
    pub(super) async fn observe(
        &mut self,
        desired: &Desired,
        found: Option<(&Described, &Tags)>,
        plan: Plan,
    ) -> Result<Duration, Error> {
        let planned = plan.steps.iter().map(planned).collect();
        for (aspect, refusal) in plan.refusals {
            self.refused(aspect, aspect.map_or("CreateRepository", write_of), refusal);
        }
        self.status.compared = self.problems.is_empty().then(|| Compared {
            asked: self.asked_for(desired),
            held: held(found),
        });
        self.reach = Reach::All;
        self.forget_what_is_over();
        self.rests_on_sweeps(desired);
        let problems = std::mem::take(&mut self.problems);
        self.conclude(Standing::Observed { planned, problems })
            .await
    }

    /// A digest of what is asked for, by object and class.
    pub(super) fn asked_for(&self, desired: &Desired) -> String {
        self.of_existing(desired).digest()
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
