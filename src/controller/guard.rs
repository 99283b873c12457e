//! The lifecycle guard: a lifecycle policy that comes from a class reaches a repository only once ECR's
//! own preview shows what it would delete there, and that is permitted.

use std::time::Duration;

use kube::ResourceExt as _;

use super::pass::Pass;
use crate::{
    api::{APPROVE_LIFECYCLE_ANNOTATION, Aspect},
    domain::{
        action::Action,
        class::{Preview as Counts, guard},
        desired::Refusal,
        failure::Failure,
        identity::Identity,
        lifecycle::Lifecycle,
        plan::Plan,
        reason::Reason,
        retry::{Moment, Slot},
        status::Problem,
    },
    ecr::{Clients, Ecr, Preview},
};

/// ECR previews in seconds; the SDK's own waiter asks as often.
const PREVIEW_TAKES: Duration = Duration::from_secs(5);

/// How long after it is expected a preview still tells of the images that are there.
const PREVIEW_SERVES: Duration = Duration::from_mins(1);

/// A policy that waits: for ECR's preview, or for a person.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// The policy's digest.
    hash: String,
    /// When it is looked at again.
    pub(super) until: Moment,
    problem: Problem,
}

impl<C: Clients> Pass<'_, C> {
    /// Takes a lifecycle policy out of the plan that may not be written yet.
    pub(super) async fn guard_lifecycle(&mut self, at: &Identity, plan: &mut Plan, most: u64) {
        let put = plan.steps.iter().find_map(|step| match &step.action {
            Action::PutLifecyclePolicy(policy) => Some(policy.clone()),
            _ => None,
        });
        let Some(policy) = put else {
            self.memory.waiting = None;
            return;
        };
        let hash = policy.hash();
        if self.approval() == Some(&hash) {
            return;
        }
        // Left in the plan it might be due by the time that the plan is carried out.
        let slot = Slot::Aspect(Aspect::LifecyclePolicy);
        let waits = self.held_back(slot, &hash, "PutLifecyclePolicy").is_some();
        if !waits {
            let Some(problem) = self.hindrance(at, &policy, most).await else {
                return;
            };
            self.problems.push(problem);
        }
        plan.steps
            .retain(|step| step.action.aspect() != Some(Aspect::LifecyclePolicy));
    }

    /// The policy that a person approved, by its digest.
    fn approval(&self) -> Option<&str> {
        let annotations = self.object.annotations();
        annotations
            .get(APPROVE_LIFECYCLE_ANNOTATION)
            .map(String::as_str)
    }

    /// What stands against the policy, if anything does.
    async fn hindrance(&mut self, at: &Identity, policy: &Lifecycle, most: u64) -> Option<Problem> {
        let (hash, now) = (policy.hash(), self.ctx.now());
        let waiting = self.memory.waiting.take().filter(|it| it.hash == hash);
        if let Some(waiting) = waiting.clone().filter(|it| it.until > now && !self.asked) {
            let problem = waiting.problem.clone();
            self.memory.waiting = Some(waiting);
            return Some(problem);
        }
        // A preview that is under way is not begun anew. One that is long over knows nothing of the
        // images that have been pushed since.
        let begun =
            waiting.is_some_and(|it| !it.problem.stalled && it.until.until(now) < PREVIEW_SERVES);
        let (problem, pause) = match self.previewed(at, policy, begun).await {
            Ok(Some(counts)) => {
                let Refusal { reason, message } =
                    guard(most, counts, self.approval(), &hash).refusal()?;
                let problem = hindered(reason, message, true);
                (problem, self.ctx.settings.stalled_retry)
            }
            Ok(None) => {
                let said = "Nothing to do: ECR previews what the class's policy would delete";
                let problem = hindered(Reason::Progressing, said.to_owned(), false);
                (problem, PREVIEW_TAKES)
            }
            Err(failure) => {
                let slot = Slot::Aspect(Aspect::LifecyclePolicy);
                self.failed(slot, &hash, "StartLifecyclePolicyPreview", failure);
                return self.problems.pop();
            }
        };
        self.memory.waiting = Some(Box::new(Waiting {
            hash,
            until: now.after(pause),
            problem: problem.clone(),
        }));
        Some(problem)
    }

    /// What ECR's preview says of the policy; `None` while it is under way.
    async fn previewed(
        &self,
        at: &Identity,
        policy: &Lifecycle,
        begun: bool,
    ) -> Result<Option<Counts>, Failure> {
        if !begun {
            self.aws.start_preview(at, policy).await?;
        }
        Ok(match self.aws.preview(at).await? {
            Preview::Done {
                policy: of,
                expiring,
                archiving,
            } if of == *policy => Some(Counts {
                expiring,
                transitioning: archiving,
            }),
            // Somebody else's preview: ours is begun when that one is over.
            Preview::Done { .. } | Preview::None => {
                self.aws.start_preview(at, policy).await?;
                None
            }
            Preview::Running => None,
        })
    }
}

fn hindered(reason: Reason, message: String, stalled: bool) -> Problem {
    Problem {
        aspect: Some(Aspect::LifecyclePolicy),
        action: "PutLifecyclePolicy",
        reason,
        message,
        stalled,
    }
}
