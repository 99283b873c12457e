//! The way of a class: can its repositories be worked on, how many are there, may it go?

use std::{convert::Infallible, sync::Arc, time::Duration};

use k8s_openapi::jiff::Timestamp;
use kube::{ResourceExt as _, runtime::controller::Action as Requeue};
use tracing::Instrument as _;

use super::{
    assign::access,
    context::{Context, jittered},
    error::Error,
    kubernetes::{fresh, set_finalizer, version, write_status},
    memory::Memory,
    reconcile::again,
    shown::key_of,
    surroundings::WatchedClass,
    watching::digest,
};
use crate::{
    api::{CLASS_FINALIZER, ConditionType, ECRRepositoryClass, ECRRepositoryClassStatus as Status},
    domain::{
        class::{Class, ClassStanding, conclude_class},
        conditions::{find, find_true},
        event,
        identity::Registry,
        reason::Reason,
        retry::{Call, Slot, Told},
    },
    ecr::{Clients, Ecr},
    telemetry::Outcome,
};

/// How long a class waits for definitions that are older than the operator.
const UNDEFINED: Duration = Duration::from_secs(2);

/// One pass over a class.
pub(super) async fn reconcile_class<C: Clients>(
    watched: Arc<WatchedClass>,
    ctx: Arc<Context<C>>,
) -> Result<Requeue, Infallible> {
    let running = ctx.class_work.begins(key_of(watched.as_ref()));
    let resync = jittered(ctx.settings.resync);
    let Ok(class) = &watched.0 else {
        tracing::error!(
            name = watched.name_any(),
            "left alone: this version can't read the class"
        );
        running.ends(Outcome::Later);
        later(&ctx, &watched, Some(resync));
        return Ok(Requeue::requeue(resync));
    };
    if !ctx.definitions.fit() {
        running.ends(Outcome::Again);
        later(&ctx, &watched, Some(UNDEFINED));
        return Ok(Requeue::requeue(UNDEFINED));
    }
    let result = tracing::field::Empty;
    let span = tracing::info_span!("class", result, class = class.name_any());
    let outcome = one_pass(&ctx, class.clone()).instrument(span.clone()).await;
    let (next, ended) = match outcome {
        Ok(passed) => {
            let (next, went) = passed.unzip();
            (next, ended(went.as_ref()))
        }
        Err(error) => {
            let (next, ended) = again(&class.uid().unwrap_or_default(), &error, &ctx);
            (Some(next), ended)
        }
    };
    span.record("result", tracing::field::debug(ended));
    running.ends(ended);
    later(&ctx, &watched, next);
    Ok(next.map_or_else(Requeue::await_change, Requeue::requeue))
}

/// Notes when the next pass comes; nothing is noted or remembered of a class that went during this one.
fn later<C>(ctx: &Context<C>, class: &WatchedClass, next: Option<Duration>) {
    let there = ctx.surroundings.class(&class.name_any());
    if there.is_none_or(|it| it.uid() != class.uid()) {
        forget(ctx, &class.uid().unwrap_or_default());
    } else if let Some(next) = next {
        ctx.class_work.later(key_of(class), next);
    }
}

const fn ended(went: Option<&Went>) -> Outcome {
    match went {
        Some(Went::Well) => Outcome::Later,
        Some(Went::Wrong { stalled: false }) => Outcome::Failed,
        Some(Went::Wrong { stalled: true }) => Outcome::Hopeless,
        None => Outcome::Done,
    }
}

/// Whether AWS was asked in vain.
enum Went {
    Well,
    Wrong { stalled: bool },
}

async fn one_pass<C: Clients>(
    ctx: &Context<C>,
    class: ECRRepositoryClass,
) -> Result<Option<(Duration, Went)>, Error> {
    ctx.surroundings.countable().await;
    let uid = class.uid().unwrap_or_default();
    let written = ctx.memories.recall(&uid).written;
    let Some(class) = fresh(&ctx.client, class, written).await? else {
        forget(ctx, &uid);
        return Ok(None);
    };
    let users = ctx.users_of_class(&class.name_any());
    let class = hold_while_used(ctx, class, users > 0).await?;
    let deleting = class.metadata.deletion_timestamp.is_some();
    if deleting && users == 0 {
        forget(ctx, &uid);
        return Ok(None);
    }
    let mut status = class.status.clone().unwrap_or_default();
    status.repositories = Some(i64::try_from(users).unwrap_or(i64::MAX));
    let looked = look(ctx, &class).await;
    let went = match &looked.standing {
        Some(ClassStanding::Hindered(attempt)) => Went::Wrong {
            stalled: attempt.told.stalled,
        },
        Some(
            ClassStanding::Ready
            | ClassStanding::SeveralDefaults(_)
            | ClassStanding::Refused(_)
            | ClassStanding::InUse { .. },
        )
        | None => Went::Well,
    };
    let standing = if deleting {
        Some(ClassStanding::InUse { users })
    } else {
        ready_again(looked.standing, &class)
    };
    // Which of several defaults counts is not for AWS to say, and is said without asking it.
    let standing = standing.map(|standing| match ctx.several_defaults(&class.name_any()) {
        Some(told) if standing == ClassStanding::Ready => ClassStanding::SeveralDefaults(told),
        Some(_) | None => standing,
    });
    if let Some(registry) = looked.registry {
        status.registry_id = Some(registry.id.to_string());
        status.region = Some(registry.region.to_string());
    }
    if let Some(standing) = standing {
        let generation = class.metadata.generation.unwrap_or_default();
        conclude_class(&mut status, standing, generation, Timestamp::now());
    }
    if let Err(error) = save(ctx, &class, &status).await {
        // What was found and could not be said is found again: status is the only one that remembers it.
        remember(ctx, &class, |memory| memory.due = None);
        return Err(error);
    }
    if let Some(event) = event::several_defaults(class.status.as_ref(), &status) {
        ctx.events.publish(&class, vec![event]).await;
    }
    remember(ctx, &class, Memory::went_well);
    Ok(Some((looked.next, went)))
}

/// How a class stands that was not looked at now: ready, where it was found so as it is.
fn ready_again(
    standing: Option<ClassStanding>,
    class: &ECRRepositoryClass,
) -> Option<ClassStanding> {
    let ready = || {
        let status = class.status.as_ref()?;
        let is_of_now = status.observed_generation == class.metadata.generation;
        let is_ready = find_true(&status.conditions, ConditionType::Ready).is_some();
        (is_of_now && is_ready).then_some(ClassStanding::Ready)
    };
    standing.or_else(ready)
}

fn forget<C>(ctx: &Context<C>, uid: &str) {
    ctx.memories.forget(uid);
    ctx.parsed.forget(uid);
}

/// A class holds our finalizer exactly while there are objects of it.
async fn hold_while_used<C: Clients>(
    ctx: &Context<C>,
    class: ECRRepositoryClass,
    used: bool,
) -> Result<ECRRepositoryClass, Error> {
    let held = class.finalizers().iter().any(|it| it == CLASS_FINALIZER);
    // Nothing may be added to an object that is going.
    if held == used || (used && class.metadata.deletion_timestamp.is_some()) {
        return Ok(class);
    }
    let Some(written) = set_finalizer(&ctx.client, &class, used).await? else {
        return Ok(class);
    };
    note_write(ctx, &written);
    Ok(written)
}

async fn save<C>(
    ctx: &Context<C>,
    class: &ECRRepositoryClass,
    status: &Status,
) -> Result<(), Error> {
    if class.status.as_ref() == Some(status) {
        return Ok(());
    }
    let written = write_status(&ctx.client, class, status).await?;
    note_write(ctx, &written);
    Ok(())
}

fn note_write<C>(ctx: &Context<C>, written: &ECRRepositoryClass) {
    remember(ctx, written, |memory| {
        memory.written = version(written).or(memory.written);
    });
}

fn remember<C>(ctx: &Context<C>, class: &ECRRepositoryClass, note: impl FnOnce(&mut Memory)) {
    let uid = class.uid().unwrap_or_default();
    let mut memory = ctx.memories.recall(&uid);
    note(&mut memory);
    ctx.memories.keep(&uid, memory);
}

/// What a look at AWS brought.
struct Looked {
    registry: Option<Registry>,
    /// None: it is as it was.
    standing: Option<ClassStanding>,
    /// When to look again.
    next: Duration,
}

/// Asks AWS who it is, as the class says, where that is due.
async fn look<C: Clients>(ctx: &Context<C>, class: &ECRRepositoryClass) -> Looked {
    let uid = class.uid().unwrap_or_default();
    let mut memory = ctx.memories.recall(&uid);
    let generation = digest(class.metadata.generation);
    let is_first = memory.class.is_none();
    let changed = memory.class != Some(generation);
    let now = ctx.now();
    if let Some(due) = memory.due.filter(|due| *due > now && !changed) {
        return Looked {
            registry: None,
            standing: None,
            next: now.until(due),
        };
    }
    if changed {
        memory.attempts.forget();
    }
    if is_first && let Some(told) = told(class) {
        memory.attempts.inherit_one(LOOK, told);
    }
    let (registry, standing, next) = ask(ctx, class, &mut memory).await;
    memory.due = Some(ctx.now().after(next));
    memory.class = Some(generation);
    ctx.memories.keep(&uid, memory);
    Looked {
        registry,
        standing: Some(standing),
        next,
    }
}

async fn ask<C: Clients>(
    ctx: &Context<C>,
    class: &ECRRepositoryClass,
    memory: &mut Memory,
) -> (Option<Registry>, ClassStanding, Duration) {
    let resync = jittered(ctx.settings.resync);
    let parsed = match Class::parse(&class.name_any(), &class.spec) {
        Ok(parsed) => parsed,
        Err(refusal) => return (None, ClassStanding::Refused(refusal), resync),
    };
    let client = ctx.clients.open(&access(&class.name_any(), &parsed)).await;
    match client.confirm_registry().await {
        Ok(registry) => {
            ctx.pace(&registry);
            memory.attempts.looked();
            (Some(registry), ClassStanding::Ready, resync)
        }
        Err(failure) => {
            let (now, dice) = (ctx.clock(), fastrand::f64());
            let waits = ctx.settings.waits();
            let attempts = &mut memory.attempts;
            let attempt = attempts.failed(LOOK, "", failure, now, dice, waits);
            let next = now.moment.until(attempt.due).min(resync);
            (None, ClassStanding::Hindered(attempt.clone()), next)
        }
    }
}

/// Asking AWS who it is.
const LOOK: Call = Call {
    slot: Slot::Look,
    operation: "GetCallerIdentity",
};

/// What status says of it, where it speaks of this very generation: how long it has been so goes through a
/// restart. It may count a little too much, where something else was wrong just before.
fn told(class: &ECRRepositoryClass) -> Option<Told> {
    let status = class.status.as_ref()?;
    if status.observed_generation != class.metadata.generation {
        return None;
    }
    let of = |type_| find(&status.conditions, type_);
    let stalled = of(ConditionType::Stalled);
    let condition = stalled.or_else(|| of(ConditionType::Reconciling))?;
    Some(Told {
        reason: Reason::parse(&condition.reason)?,
        message: condition.message.clone(),
        stalled: stalled.is_some(),
        since: Some(condition.last_transition_time.0),
    })
}
