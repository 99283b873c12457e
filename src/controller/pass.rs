//! One pass over one object: what it found, did and will say.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition, jiff::Timestamp};
use kube::ResourceExt as _;
use tokio_util::sync::CancellationToken;

use super::{
    context::{Context, jittered},
    error::Error,
    kubernetes::{set_finalizer, version, write_status},
    memory::Memory,
    overview,
    permission::Permission,
    rest::REST,
    shown,
};
use crate::{
    api::{
        Aspect, ConditionType, DeletionPolicy, ECRRepository, ECRRepositoryStatus as Status,
        ManagementPolicy,
    },
    domain::{
        class::{AdoptionLeave, Allowance, Preview, Unmet},
        conditions::find_true,
        desired::{Adoption, Refusal},
        event::{self, Done, Event},
        failure::{Class, Failure},
        identity::{ClusterName, Owner},
        ownership::Claim,
        reason::Reason,
        retry::{Attempt, Call, Moment, Slot, comes_back},
        status::{
            Problem, Standing, binding, conclude, is_anothers, keep_untried, note_overridden,
            note_since,
        },
    },
    ecr::{Access, Clients},
    telemetry::Place,
};

/// One pass under way.
pub(super) struct Pass<'a, C: Clients> {
    pub(super) ctx: &'a Context<C>,
    /// ECR, where and as whom the object's class says.
    pub(super) aws: Arc<C::Ecr>,
    /// How that was opened.
    pub(super) access: Access,
    /// The object as we last saw it.
    pub(super) object: ECRRepository,
    /// Its status when the pass began.
    pub(super) before: Status,
    /// Its status in the making.
    pub(super) status: Status,
    pub(super) memory: Memory,
    pub(super) done: Vec<Done>,
    pub(super) problems: Vec<Problem>,
    /// Whether somebody asked for this pass, or for something else than at the last.
    pub(super) asked: bool,
    /// Whether object and class ask for something else than what was last in force.
    pub(super) differs: bool,
    /// What the class overrides, for people.
    pub(super) overridden: Option<String>,
    pub(super) from_class: FromClass,
    /// What the class says to an object that only looks.
    pub(super) unmet: Unmet,
    /// By what class and namespace the pass goes.
    pub(super) permission: Option<Permission>,
    /// As of when ECR's preview tells what a lifecycle policy would take away, where one was needed.
    pub(super) previewed: Option<Moment>,
    /// And what that is.
    pub(super) takes: Option<Preview>,
    /// What to tell where the repository policy is written: it could deny the operator its work.
    pub(super) denials: Option<String>,
    /// What else is to be told.
    pub(super) news: Vec<Event>,
    /// Of what failed in this pass: what is tried again, and what waits for a person.
    pub(super) failures: Failures,
    /// Up to when the class approves that what was lost is created anew.
    pub(super) class_approval: Option<String>,
    /// Who sees to the object from now on.
    pub(super) seen_to: SeenTo,
    /// Whether this process has had no pass over the object before.
    pub(super) is_first: bool,
    /// The object is another since the pass began, or gone, or its class or namespace is another.
    pub(super) changed: CancellationToken,
    /// When the pass began.
    began: Moment,
    /// How far it came.
    pub(super) reach: Reach,
    /// Why not all of the object's spec is read, where it is too large.
    pub(super) excess: Option<&'static str>,
}

/// How far a pass came.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Reach {
    /// It ended before there was a plan: what it did not try is still to be tried.
    #[default]
    Part,
    /// It ended in the midst of its plan.
    CutShort,
    /// ECR could not be read.
    Blind,
    /// It tried all that there is to do.
    All,
}

/// How often something failed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failures {
    pub(super) retried: u32,
    pub(super) stalled: u32,
}

/// Who looks whether an object is still as it should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SeenTo {
    /// Its own passes.
    ByItself,
    /// Sweeps, which wake it.
    BySweeps,
}

/// What is treated differently because it comes from the class.
#[derive(Debug, Default)]
pub(super) struct FromClass {
    /// How far a lifecycle policy may go without a person's word, where there is a limit.
    pub(super) lifecycle: Option<Allowance>,
    /// The encryption, which counts at creation only.
    pub(super) encryption: bool,
    /// The deletion policy, whatever spec says.
    pub(super) deletion: bool,
    /// That no object may have its images go with the repository.
    pub(super) keeps_images: bool,
    /// What may be done where a repository exists already.
    pub(super) adoption: Option<AdoptionLeave>,
}

impl<'a, C: Clients> Pass<'a, C> {
    pub(super) fn new(
        ctx: &'a Context<C>,
        object: ECRRepository,
        memory: Memory,
        (aws, access): (Arc<C::Ecr>, Access),
        changed: CancellationToken,
    ) -> Self {
        let mut before = object.status.clone().unwrap_or_default();
        before.take_up_former();
        let namespace = object.namespace().unwrap_or_default();
        let is_anothers = is_anothers(&before, &namespace, &object.name_any());
        // What another object is bound to, and had in force, is no knowledge of this one.
        let before = if is_anothers {
            Status::default()
        } else {
            before
        };
        let mut pass = Self {
            ctx,
            aws,
            access,
            status: before.clone(),
            before,
            object,
            memory,
            done: Vec::new(),
            problems: Vec::new(),
            asked: false,
            differs: false,
            overridden: None,
            from_class: FromClass::default(),
            unmet: Unmet::default(),
            permission: None,
            previewed: None,
            takes: None,
            denials: None,
            news: is_anothers
                .then(event::status_of_another)
                .into_iter()
                .collect(),
            failures: Failures::default(),
            class_approval: None,
            seen_to: SeenTo::ByItself,
            is_first: false,
            changed,
            began: ctx.now(),
            reach: Reach::default(),
            excess: None,
        };
        pass.memory.attempts.begins();
        pass.note_request();
        pass
    }

    pub(super) fn generation(&self) -> i64 {
        self.object.metadata.generation.unwrap_or_default()
    }

    pub(super) fn owner(&self) -> Owner {
        Owner {
            cluster: self.ctx.cluster.name.clone(),
            namespace: self.object.namespace().unwrap_or_default(),
            name: self.object.name_any(),
        }
    }

    /// What the object may claim of a repository.
    pub(super) fn claim<'b>(&'b self, owner: &'b Owner, adoption: &'b Adoption) -> Claim<'b> {
        let previous_names: &[ClusterName] = &self.ctx.cluster.previous_names;
        Claim {
            owner,
            previous_names,
            cluster_uid: &self.ctx.cluster.uid,
            // Of the place that is bound now: a corrected name forgets what was of the old one.
            written_uid: self.status.cluster_uid.as_deref(),
            adoption,
            taken_over: self.status.taken_over.as_ref().map(|it| it.from.as_str()),
        }
    }

    /// Whether the repository was created or adopted, as far as status says.
    pub(super) fn is_established(&self) -> bool {
        binding(&self.before).is_some_and(|it| it.established)
    }

    /// Whether anything is written to AWS for the object: it is neither suspended nor observed only.
    pub(super) fn is_enforced(&self) -> bool {
        let spec = &self.object.spec;
        match spec.management_policy.unwrap_or_default() {
            ManagementPolicy::Enforce => spec.suspend != Some(true),
            ManagementPolicy::Observe => false,
        }
    }

    /// Whether deleting the object has work to do in AWS.
    pub(super) fn wants_finalizer(&self, deletion: DeletionPolicy) -> bool {
        self.is_enforced()
            && match deletion {
                DeletionPolicy::Retain => false,
                DeletionPolicy::Delete | DeletionPolicy::DeleteWithImages => true,
            }
    }

    pub(super) async fn finalizer(&mut self, wanted: bool) -> Result<(), Error> {
        let _room = self.ctx.room(self.excess.is_some()).await;
        if let Some(written) = set_finalizer(&self.ctx.client, &self.object, wanted).await? {
            self.note_write(written);
        }
        Ok(())
    }

    fn note_write(&mut self, written: ECRRepository) {
        self.memory.written = version(&written).or(self.memory.written);
        self.object = written;
    }

    /// Writes status if it changed. What comes back is fresh: a pass for an object that has been
    /// changed or deleted meanwhile ends here.
    pub(super) async fn save(&mut self) -> Result<(), Error> {
        if self.object.status.as_ref() == Some(&self.status) {
            return Ok(());
        }
        let _room = self.ctx.room(self.excess.is_some()).await;
        let written = write_status(&self.ctx.client, &self.object, &self.status).await?;
        let superseded = written.metadata.generation != self.object.metadata.generation;
        self.note_write(written);
        if superseded {
            Err(Error::Superseded)
        } else {
            Ok(())
        }
    }

    /// Before the first write to AWS: saves what must be known should we crash in the middle, and
    /// says that work begins. A retry finds it saved and writes nothing.
    pub(super) async fn begin(&mut self) -> Result<(), Error> {
        if memory_of(&self.status) == memory_of(&self.before) && !self.before.conditions.is_empty()
        {
            return Ok(());
        }
        self.stand(Standing::Beginning);
        self.save().await
    }

    /// Ends the pass: status, events, and when to come back.
    pub(super) async fn conclude(&mut self, standing: Standing) -> Result<Duration, Error> {
        let told = match &standing {
            Standing::Beginning | Standing::Suspended { .. } => Vec::new(),
            Standing::Enforced(problems) | Standing::Observed { problems, .. } => problems.clone(),
        };
        self.stand(standing);
        let saved = self.save().await;
        self.tell(&told).await;
        saved.map(|()| self.next())
    }

    /// Says in status how the object stands.
    fn stand(&mut self, standing: Standing) {
        let generation = self.generation();
        let is_new = match standing {
            Standing::Beginning | Standing::Suspended { .. } => false,
            Standing::Enforced(_) | Standing::Observed { .. } => true,
        };
        conclude(&mut self.status, standing, generation, Timestamp::now());
        if is_new {
            let attempts = &self.memory.attempts;
            note_since(&mut self.status, |aspect, operation, reason| {
                attempts.since(aspect, operation, reason)
            });
        }
        if self.reach == Reach::Blind {
            keep_untried(&mut self.status, &self.before);
        }
        if let Some(message) = &self.overridden {
            note_overridden(&mut self.status, message);
        }
    }

    /// Ends the pass by its problems.
    pub(super) async fn finish(&mut self) -> Result<Duration, Error> {
        self.forget_what_is_over();
        let problems = std::mem::take(&mut self.problems);
        self.conclude(Standing::Enforced(problems)).await
    }

    /// The same after what the class enforces was carried out, or was not: what stands against the object is said
    /// also where that ended because something was no longer as it was.
    pub(super) async fn finish_after(
        &mut self,
        enforced: Result<(), Error>,
    ) -> Result<Duration, Error> {
        match enforced {
            Ok(()) => self.finish().await,
            Err(Error::Superseded) => {
                self.finish().await?;
                Err(Error::Superseded)
            }
            Err(other) => Err(other),
        }
    }

    /// What a pass did not try that tried all is no longer to be tried.
    pub(super) fn forget_what_is_over(&mut self) {
        match self.reach {
            Reach::All => self.memory.attempts.went_through(),
            Reach::Part | Reach::CutShort | Reach::Blind => {}
        }
    }

    /// Publishes what the pass did; each write once, also where its status could not be saved.
    pub(super) async fn tell(&mut self, problems: &[Problem]) {
        let mut events = event::of_pass(&self.before, &self.status, &self.done, problems);
        events.extend(event::denials(&self.done, self.denials.as_deref()));
        events.append(&mut self.news);
        shown::count(&self.ctx.metrics, &self.place(), &events, &self.done);
        self.done.clear();
        self.ctx.events.publish(&self.object, events).await;
    }

    /// Where the object belongs, for metrics.
    fn place(&self) -> Place {
        let class = self.status.class_name.as_deref();
        let class = class.filter(|name| self.ctx.surroundings.class(name).is_some());
        let at = (
            self.status.registry_id.as_deref(),
            self.status.region.as_deref(),
        );
        let namespace = self.object.namespace().unwrap_or_default();
        overview::place(&namespace, class.unwrap_or_default(), at)
    }

    /// When to come back: at the resync, or earlier where this pass left something that is tried again.
    pub(super) fn next(&self) -> Duration {
        let memory = &self.memory;
        let waiting = memory.waiting.as_ref();
        let waiting = waiting.and_then(|it| it.due(self.ctx.now()));
        let (resync, turns) = match self.seen_to {
            SeenTo::BySweeps => {
                let turns = [memory.lifecycle_turn.due(), memory.policy_turn.due()];
                (jittered(REST), turns)
            }
            SeenTo::ByItself => (jittered(self.ctx.settings.resync), [None, None]),
        };
        let attempts = memory.attempts.dues();
        let dues = attempts.chain(waiting).chain(turns.into_iter().flatten());
        comes_back(self.began, self.ctx.now(), resync, dues)
    }

    /// Notes a failure of AWS; tells when it is tried again.
    pub(super) fn failed(
        &mut self,
        slot: Slot,
        request: &str,
        action: &'static str,
        failure: Failure,
    ) -> Moment {
        tracing::warn!(action, class = failure.class.label(), said = %failure.said, "not done");
        let (now, dice, class) = (self.ctx.clock(), fastrand::f64(), failure.class);
        let waits = self.ctx.settings.waits();
        let call = call(slot, action);
        let attempts = &mut self.memory.attempts;
        let attempt = attempts.failed(call, request, failure, now, dice, waits);
        let (problem, due) = (problem(call, attempt), attempt.due);
        let failures = &mut self.failures;
        if problem.stalled {
            failures.stalled += 1;
        } else if class != Class::Unsettled {
            failures.retried += 1;
        }
        self.problems.push(problem);
        due
    }

    /// The failure of something that is not yet due again; its problem stays.
    pub(super) fn held_back(
        &mut self,
        slot: Slot,
        request: &str,
        action: &'static str,
    ) -> Option<Failure> {
        let (now, call) = (self.ctx.now(), call(slot, action));
        let attempt = self.memory.attempts.holding_back(call, request, now)?;
        self.problems.push(problem(call, attempt));
        Some(attempt.failure.clone())
    }

    /// Notes that a call went well.
    pub(super) fn succeeded(&mut self, slot: Slot, action: &'static str) {
        self.memory.attempts.succeeded(call(slot, action));
    }

    /// The problem of a call that is not tried now, where a person was asked because of it.
    pub(super) fn asked_for_by(&self, slot: Slot, action: &'static str) -> Option<Problem> {
        let told = self.memory.attempts.asked_for(call(slot, action))?;
        Some(Problem {
            aspect: slot.aspect(),
            action,
            reason: told.reason,
            message: told.message.clone(),
            stalled: true,
        })
    }

    pub(super) fn refused(
        &mut self,
        aspect: Option<Aspect>,
        action: &'static str,
        refusal: Refusal,
    ) {
        let Refusal { reason, message } = refusal;
        self.problems.push(Problem {
            aspect,
            action,
            reason,
            message,
            stalled: true,
        });
    }

    /// Ends a pass in which AWS could not be read. At rest a failed read flips nothing, until what is known is
    /// a day old; nor does it where a person is asked for, unless a person is asked for it as well.
    pub(super) async fn unread(
        &mut self,
        action: &'static str,
        failure: Failure,
    ) -> Result<Duration, Error> {
        self.failed(Slot::Look, "", action, failure);
        self.blind().await
    }

    /// Ends a pass that saw too little to say more than its problems do.
    pub(super) async fn blind(&mut self) -> Result<Duration, Error> {
        self.reach = Reach::Blind;
        let now = self.ctx.now();
        let seen = *self.memory.seen.get_or_insert(now);
        let at_rest = self.at_rest();
        let is_news = if at_rest {
            now.0.saturating_sub(seen.0) >= OUTDATED
        } else {
            !self.asks_a_person() || self.problems.iter().any(|it| it.stalled)
        };
        if !is_news {
            self.problems.clear();
            self.save().await?;
            return Ok(self.next());
        }
        if !at_rest {
            return self.finish().await;
        }
        let problems = self.problems.drain(..).map(|problem| Problem {
            reason: Reason::Outdated,
            stalled: false,
            ..problem
        });
        let problems = problems.collect();
        self.conclude(Standing::Enforced(problems)).await
    }

    /// Whether status says of this very generation that a person is needed: a read that fails is no cure. Where it
    /// was for want of a class there is one now, or nobody would have read.
    fn asks_a_person(&self) -> bool {
        let classless = [
            Reason::NoClass,
            Reason::ClassNotFound,
            Reason::ClassNotReady,
        ];
        let stalled = find_true(&self.before.conditions, ConditionType::Stalled);
        // A reason that this version does not have is another's, and is not kept alive.
        let is_cured =
            |c: &Condition| Reason::parse(&c.reason).is_none_or(|it| classless.contains(&it));
        self.before.observed_generation == Some(self.generation())
            && stalled.is_some_and(|it| !is_cured(it))
    }

    /// Whether status says of this very generation that all is well, and the class asks for nothing else.
    pub(super) fn at_rest(&self) -> bool {
        !self.differs
            && self.before.observed_generation == Some(self.generation())
            && find_true(&self.before.conditions, ConditionType::Ready).is_some()
    }

    pub(super) fn applied(&self) -> BTreeMap<Aspect, String> {
        self.status
            .working_memory
            .applied
            .iter()
            .map(|a| (a.aspect, a.hash.clone()))
            .collect()
    }

    /// The aspects that are not as they should be.
    pub(super) fn undone(&self) -> BTreeSet<Aspect> {
        self.problems
            .iter()
            .filter_map(|problem| problem.aspect)
            .collect()
    }
}

/// All of status that a later pass relies on.
fn memory_of(status: &Status) -> impl PartialEq + '_ {
    let binding = (&status.registry_id, &status.region, &status.repository_name);
    (binding, &status.tag_keys, &status.last_loss)
}

/// How old what is known of ECR may get before status says so.
pub(super) const OUTDATED: Duration = Duration::from_hours(24);

const fn call(slot: Slot, operation: &'static str) -> Call {
    Call { slot, operation }
}

fn problem(call: Call, attempt: &Attempt) -> Problem {
    Problem {
        aspect: call.slot.aspect(),
        action: call.operation,
        reason: attempt.told.reason,
        message: attempt.told.message.clone(),
        stalled: attempt.told.stalled,
    }
}
