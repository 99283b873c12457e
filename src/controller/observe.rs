//! `managementPolicy: Observe`: the plan stands in status and nothing is written.

use std::time::Duration;

use super::{documents::write_of, error::Error, pass::Pass};
use crate::{
    domain::{
        plan::{Plan, Step},
        reason::Reason,
        status::{Problem, Standing},
    },
    ecr::Clients,
};

impl<C: Clients> Pass<'_, C> {
    /// Ends the pass with its plan.
    pub(super) async fn observe(&mut self, plan: Plan) -> Result<Duration, Error> {
        let planned = plan.steps.iter().map(planned).collect();
        for (aspect, refusal) in plan.refusals {
            self.refused(aspect, aspect.map_or("CreateRepository", write_of), refusal);
        }
        let problems = std::mem::take(&mut self.problems);
        self.conclude(Standing::Observed { planned, problems })
            .await
    }
}

fn planned(step: &Step) -> Problem {
    let message = match step.before.as_str() {
        "" => step.action.to_string(),
        before => format!("{}; ECR holds {before}", step.action),
    };
    Problem {
        aspect: step.action.aspect(),
        action: step.action.operation(),
        reason: Reason::Observed,
        message,
        stalled: false,
    }
}
