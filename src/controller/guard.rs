//! The lifecycle guard: a lifecycle policy that may delete or archive images reaches a repository only
//! once ECR's own preview, made for this very write, shows what it would take away, and that is permitted.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

use super::{error::Error, pass::Pass};
use crate::{
    api::{APPROVE_LIFECYCLE_ANNOTATION, ApprovalState, Aspect, LifecycleApproval},
    domain::{
        action::Action,
        class::{Allowance, Case, Guarded, Preview as Counts, answered, guard, needs_approval},
        desired::{Desired, Refusal},
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

/// ECR previews in seconds; the SDK's own waiter asks as often. AWS promises nothing of a read right after
/// a write, so that nobody asks earlier.
const PREVIEW_TAKES: Duration = Duration::from_secs(5);

/// The longest pause between two looks at a preview that does not come to its end.
const LONGEST_PAUSE: Duration = Duration::from_mins(2);

/// How long a preview that was begun may not be seen before it counts as lost.
const PREVIEW_LAGS: Duration = Duration::from_mins(1);

/// How long after it was last seen not to be over a preview still tells of the images that are there.
const PREVIEW_SERVES: Duration = Duration::from_mins(3);

const START: &str = "StartLifecyclePolicyPreview";
const GET: &str = "GetLifecyclePolicyPreview";
const PUT: &str = "PutLifecyclePolicy";

/// A policy that waits: for ECR's preview, or for a person.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// The policy's digest.
    hash: String,
    /// When it is looked at again.
    until: Moment,
    /// When this process first asked for a preview.
    since: Moment,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    /// A preview of somebody else was under way: ours is to be begun.
    ToBegin,
    /// Ours is under way.
    Begun(Begun),
    /// A person is asked.
    Asked,
}

/// A preview of ours.
#[derive(Clone, Debug)]
struct Begun {
    /// The policy with a mark of its own: what ECR shows of another is not ours.
    marked: Lifecycle,
    began: Moment,
    /// When it was last known not to be over.
    unfinished: Moment,
}

impl Begun {
    /// Whether a preview of its policy can be no other's: it has its mark, or was seen under way since.
    fn is_known(&self, policy: &Lifecycle) -> bool {
        self.marked != *policy || self.unfinished > self.began
    }
}

/// What a look at previews gave.
enum Looked {
    Counted(Counts),
    NotYet(Stage),
}

impl Waiting {
    /// When it is looked at again; `None` where that time has come.
    pub(super) fn due(&self, now: Moment) -> Option<Moment> {
        (self.until > now).then_some(self.until)
    }
}

impl<C: Clients> Pass<'_, C> {
    /// Takes an approval up into status as soon as it is seen: what applies the object from Git may take
    /// the annotation away again. Another value takes it back.
    pub(super) async fn take_up_approval(&mut self) -> Result<(), Error> {
        let given = self.answer();
        let Some(question) = self.status.lifecycle_approval.as_mut() else {
            return Ok(());
        };
        let state = answered(question, given.as_deref());
        if std::mem::replace(&mut question.state, state) == state {
            return Ok(());
        }
        self.save().await
    }

    /// The value of the annotation by which people approve.
    fn approval(&self) -> Option<&str> {
        let annotations = self.object.annotations();
        annotations
            .get(APPROVE_LIFECYCLE_ANNOTATION)
            .map(String::as_str)
    }

    /// The same, or its last value that the watch told of, where it is gone again.
    fn answer(&self) -> Option<String> {
        let last = || self.ctx.memories.answer(&self.object.uid()?);
        let now = self.approval().map(ToOwned::to_owned);
        now.or_else(|| last().map(String::from))
    }

    /// What a question about this policy is about.
    fn case(&self, at: &Identity, policy: &Lifecycle) -> Case {
        Case {
            object: self.object.uid().unwrap_or_default(),
            place: at.to_string(),
            class: self
                .permission
                .as_ref()
                .map(|it| it.class.clone())
                .unwrap_or_default(),
            policy: policy.hash(),
        }
    }

    /// What was approved of another policy, or under what the class said before, is spent.
    pub(super) fn review_approval(&mut self, desired: &Desired) {
        let wanted = desired.lifecycle.as_ref().ok();
        let case = wanted
            .and_then(|it| it.value())
            .map(|policy| self.case(&desired.identity, policy));
        if let Some(question) = self.status.lifecycle_approval.as_mut()
            && !case.is_some_and(|case| case.is_asked_by(question))
        {
            question.state = ApprovalState::Spent;
        }
    }

    /// An approval of what is now in force is spent.
    pub(super) fn spend_approval(&mut self) {
        let is_undone = self.undone().contains(&Aspect::LifecyclePolicy);
        let applied = self.applied();
        if let Some(question) = self.status.lifecycle_approval.as_mut()
            && !is_undone
            && applied.get(&Aspect::LifecyclePolicy) == Some(&question.policy)
        {
            question.state = ApprovalState::Spent;
        }
    }

    /// Whether ECR's preview is young enough to write by it, where one is needed, and what a person has said of it
    /// still stands. Turns may be long in coming. Of a new repository there is none.
    pub(super) fn still_guarded(&self, is_new: bool) -> bool {
        let age = self.previewed.map(|at| at.until(self.ctx.now()));
        let question = self.status.lifecycle_approval.as_ref();
        let unguarded = is_new || self.from_class.lifecycle.is_none();
        age.map_or(unguarded, |age| age < PREVIEW_SERVES)
            && question.is_none_or(|it| it.state == answered(it, self.answer().as_deref()))
    }

    /// Takes a lifecycle policy out of the plan that may not be written yet.
    pub(super) async fn guard_lifecycle(&mut self, at: &Identity, plan: &mut Plan) {
        let put = plan.steps.iter().find_map(|step| match &step.action {
            Action::PutLifecyclePolicy(policy) => Some(policy.clone()),
            _ => None,
        });
        let (Some(policy), Some(allowance)) = (put, self.from_class.lifecycle) else {
            self.memory.waiting = None;
            return;
        };
        // Left in the plan it might be due by the time that the plan is carried out.
        if !self.awaits_retry(&policy) {
            let Some(problem) = self.hindrance(at, &policy, allowance).await else {
                return;
            };
            self.problems.push(problem);
            self.does_not_reach(Aspect::LifecyclePolicy, &["PutLifecyclePolicy"]);
        }
        plan.steps
            .retain(|step| step.action.aspect() != Some(Aspect::LifecyclePolicy));
    }

    fn awaits_retry(&mut self, policy: &Lifecycle) -> bool {
        let (slot, hash) = (Slot::Aspect(Aspect::LifecyclePolicy), policy.hash());
        [(hash.as_str(), PUT), (START, START), (GET, GET)]
            .into_iter()
            .any(|(request, action)| self.held_back(slot, request, action).is_some())
    }

    /// What stands against the policy, if anything does.
    async fn hindrance(
        &mut self,
        at: &Identity,
        policy: &Lifecycle,
        allowance: Allowance,
    ) -> Option<Problem> {
        let (case, now) = (self.case(at, policy), self.ctx.now());
        let waiting = self.memory.waiting.take();
        let waiting = waiting.filter(|it| it.hash == case.policy);
        if let Some(waiting) = waiting.clone().filter(|it| !self.is_time(it, &case, now)) {
            self.memory.waiting = Some(waiting);
            return Some(self.hindered(&case, allowance));
        }
        let since = waiting.as_ref().map_or(now, |it| it.since);
        let looked = match waiting.map(|it| it.stage) {
            Some(Stage::Begun(begun)) => self.look(at, policy, begun).await,
            Some(Stage::ToBegin | Stage::Asked) | None => self.begin_preview(at, policy).await,
        };
        let (stage, pause, since) = match looked {
            Ok(Looked::Counted(counts)) => {
                if !self.must_ask(at, &case, counts, allowance.most).await {
                    return None;
                }
                (Stage::Asked, self.ctx.settings.stalled_retry, now)
            }
            Ok(Looked::NotYet(stage)) => {
                let pause = (since.until(now) / 2).clamp(PREVIEW_TAKES, LONGEST_PAUSE);
                (stage, pause, since)
            }
            // When it is tried again stands in the attempt.
            Err((stage, problem)) => {
                self.wait(&case, stage, now, since);
                return problem;
            }
        };
        self.wait(&case, stage, now.after(pause), since);
        Some(self.hindered(&case, allowance))
    }

    fn wait(&mut self, case: &Case, stage: Stage, until: Moment, since: Moment) {
        self.memory.waiting = Some(Box::new(Waiting {
            hash: case.policy.clone(),
            until,
            since,
            stage,
        }));
    }

    /// Whether it is time to look again. A preview takes its time, whoever asks.
    fn is_time(&self, waiting: &Waiting, case: &Case, now: Moment) -> bool {
        let answered = match waiting.stage {
            Stage::Asked => self.asked || self.question(case).is_some_and(is_approved),
            Stage::ToBegin | Stage::Begun(_) => false,
        };
        answered || waiting.due(now).is_none()
    }

    /// The question that was shown for this very case and is not over.
    fn question(&self, case: &Case) -> Option<&LifecycleApproval> {
        let question = self.status.lifecycle_approval.as_ref();
        question.filter(|question| case.is_asked_by(question))
    }

    /// Begins a preview; what it counts is looked at later.
    async fn begin_preview(&mut self, at: &Identity, policy: &Lifecycle) -> Look {
        let mark = format!("ecr-operator {:016x}", fastrand::u64(..));
        let marked = policy.marked(&mark).unwrap_or_else(|| policy.clone());
        let began = self.ctx.now();
        let answer = self.aws.start_preview(at, &marked).await;
        let is_ours = self
            .noted(START, answer)
            .map_err(|problem| (Stage::ToBegin, problem))?;
        Ok(Looked::NotYet(if is_ours {
            Stage::Begun(Begun {
                marked,
                began,
                unfinished: began,
            })
        } else {
            Stage::ToBegin
        }))
    }

    /// Looks at a preview of ours.
    async fn look(&mut self, at: &Identity, policy: &Lifecycle, begun: Begun) -> Look {
        let now = self.ctx.now();
        let answer = self.aws.preview(at).await;
        let preview = match self.noted(GET, answer) {
            Ok(preview) => preview,
            Err(problem) => return Err((Stage::Begun(begun), problem)),
        };
        match preview {
            Preview::Running => Ok(Looked::NotYet(Stage::Begun(Begun {
                unfinished: now,
                ..begun
            }))),
            Preview::Done {
                policy: of,
                expiring,
                archiving,
            } if of == begun.marked
                && begun.is_known(policy)
                && begun.unfinished.until(now) < PREVIEW_SERVES =>
            {
                let counts = Counts {
                    expiring,
                    archiving,
                };
                (self.previewed, self.takes) = (Some(begun.unfinished), Some(counts));
                Ok(Looked::Counted(counts))
            }
            // It may not show yet.
            Preview::Done { .. } | Preview::None if begun.began.until(now) < PREVIEW_LAGS => {
                Ok(Looked::NotYet(Stage::Begun(begun)))
            }
            // It is too old, failed, or another took its place.
            Preview::Done { .. } | Preview::None => self.begin_preview(at, policy).await,
        }
    }

    /// Notes how a call went; its failure is a problem then.
    fn noted<T>(
        &mut self,
        operation: &'static str,
        answer: Result<T, Failure>,
    ) -> Result<T, Option<Problem>> {
        let slot = Slot::Aspect(Aspect::LifecyclePolicy);
        match answer {
            Ok(answer) => {
                self.succeeded(slot, operation);
                Ok(answer)
            }
            Err(failure) => {
                self.failed(slot, operation, operation, failure);
                Err(self.problems.pop())
            }
        }
    }

    /// Whether a person must be asked before images go. What is new to people is shown to them.
    async fn must_ask(&mut self, at: &Identity, case: &Case, counts: Counts, most: u64) -> bool {
        match guard(most, counts, self.question(case)) {
            Guarded::Goes => false,
            Guarded::Waits => true,
            Guarded::Asks => {
                let images = self.aws.count_images(at).await;
                let images = images.ok().map(|images| images.to_string());
                let question = case.ask(counts, images, Timestamp::now().to_string());
                self.status.lifecycle_approval = Some(question);
                true
            }
        }
    }

    fn hindered(&self, case: &Case, allowance: Allowance) -> Problem {
        let question = self.question(case).filter(|it| !is_approved(it));
        let (reason, message) = match question {
            Some(question) => {
                let (namespace, name) = (self.object.namespace(), self.object.name_any());
                let namespace = namespace.unwrap_or_default();
                let object = (namespace.as_str(), name.as_str());
                let Refusal { reason, message } =
                    needs_approval(question, allowance, object, self.approval());
                (reason, message)
            }
            None => (
                Reason::Progressing,
                "ECR previews what the lifecycle policy would delete — nothing to do".to_owned(),
            ),
        };
        Problem {
            aspect: Some(Aspect::LifecyclePolicy),
            action: PUT,
            reason,
            message,
            stalled: question.is_some(),
        }
    }
}

/// What a look at previews gave, or where to go on after what went wrong.
type Look = Result<Looked, (Stage, Option<Problem>)>;

fn is_approved(question: &LifecycleApproval) -> bool {
    question.state == ApprovalState::Approved
}
