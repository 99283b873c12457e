//! One pass: a fresh copy of the object, what is remembered of it, and the way that it goes.

use std::{sync::Arc, time::Duration};

use kube::{ResourceExt as _, runtime::reflector::ObjectRef};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    context::{Context, jittered},
    delete, enforce,
    errand::errand,
    error::Error,
    kubernetes::{fresh, shorten_status, taken, version},
    memory::Memory,
    pass::{Failures, Pass},
    shown::key_of,
    watched::{Unread, Watched},
};
use crate::{
    api::ECRRepository,
    domain::{event, retry::back_off},
    ecr::{Access, Clients, Ecr as _},
    telemetry::Outcome,
};

/// How long one pass may take once it is admitted. Every request in it has a shorter limit of its own; most of a
/// long one is waiting for turns, which an operation that AWS throttles gives out one a second.
const LONGEST: Duration = Duration::from_mins(4);

/// How long a pass under way may go on once the process is to stop.
const LAST_GRACE: Duration = Duration::from_secs(15);

/// One pass over one object; after what time the next one comes. `None`: when somebody asks for it.
pub(super) async fn reconcile<C: Clients>(
    object: Arc<Watched>,
    ctx: Arc<Context<C>>,
    changed: CancellationToken,
) -> Option<Duration> {
    let running = ctx.objects.begins(key_of(object.as_ref()));
    if let Err(why) = object.class_name() {
        running.ends(Outcome::Later);
        return Some(unreadable(&object, why, &ctx));
    }
    let uid = object.uid().unwrap_or_default();
    let span = tracing::info_span!(
        "pass",
        result = tracing::field::Empty,
        object = format!(
            "{}/{}",
            object.namespace().unwrap_or_default(),
            object.name_any()
        )
    );
    let pass = one_pass(&ctx, &object, changed).instrument(span.clone());
    let outcome = tokio::select! {
        outcome = pass => outcome,
        () = tokio::time::sleep(LONGEST) => Err(Error::TimedOut),
        () = stopping(&ctx) => Err(Error::Stopping),
    };
    let (next, ended) = match outcome {
        Ok(passed) => (passed.next, ended(&passed)),
        Err(error) => {
            let (next, ended) = again(&uid, &error, &ctx);
            (Some(next), ended)
        }
    };
    span.record("result", tracing::field::debug(ended));
    running.ends(ended);
    next
}

async fn stopping<C>(ctx: &Context<C>) {
    ctx.shutdown.cancelled().await;
    tokio::time::sleep(LAST_GRACE).await;
}

/// A pass that came to its end.
struct Passed {
    next: Option<Duration>,
    failures: Failures,
}

fn ended(passed: &Passed) -> Outcome {
    if passed.failures.retried > 0 {
        Outcome::Failed
    } else if passed.failures.stalled > 0 {
        Outcome::Hopeless
    } else if passed.next.is_some() {
        Outcome::Later
    } else {
        Outcome::Done
    }
}

/// An object that can't be read is left alone: it was written for another version. Its status can't be trusted,
/// nor written without what it says.
fn unreadable<C>(object: &Watched, error: &Unread, ctx: &Context<C>) -> Duration {
    let (namespace, name) = (object.namespace(), object.name_any());
    tracing::error!(
        namespace,
        name,
        %error,
        "left alone: this version of the operator can't read the object; are CRD and operator of one release?"
    );
    jittered(ctx.settings.resync)
}

/// The object as it is now, as far as it is read, and why that is not all; none where it is gone.
async fn current<C>(
    ctx: &Context<C>,
    object: &Watched,
    memory: &mut Memory,
) -> Result<Option<(ECRRepository, Option<&'static str>)>, Error> {
    let _room = ctx.room(object.excess().is_any()).await;
    let Some(mut object) = fresh(&ctx.client, object.clone(), memory.written).await? else {
        return Ok(None);
    };
    let is_long = object.excess().status;
    if is_long {
        object = shorten_status(&ctx.client, &object).await?;
        memory.written = version(&object).or(memory.written);
    }
    let excess = object.excess().spec;
    let object = taken(object)?;
    if is_long {
        ctx.events
            .publish(&object, vec![event::status_shortened()])
            .await;
    }
    Ok(Some((object, excess)))
}

async fn one_pass<C: Clients>(
    ctx: &Context<C>,
    object: &Watched,
    changed: CancellationToken,
) -> Result<Passed, Error> {
    let uid = object.uid().unwrap_or_default();
    let mut memory = ctx.memories.recall(&uid);
    let Some((object, excess)) = current(ctx, object, &mut memory).await? else {
        ctx.memories.forget(&uid);
        return Ok(Passed {
            next: None,
            failures: Failures::default(),
        });
    };
    ctx.surroundings.ready().await;
    let namespace = object.namespace().unwrap_or_default();
    if !ctx.surroundings.knows_namespace(&namespace) {
        return Err(Error::UnknownNamespace);
    }
    let access = Access::default();
    let aws = ctx.clients.open(&access).await.on_errand(errand(&object));
    let mut pass = Pass::new(ctx, object, memory, (aws, access), changed);
    pass.excess = excess;
    let next = if pass.object.metadata.deletion_timestamp.is_some() {
        delete::run(&mut pass).await
    } else {
        enforce::run(&mut pass).await.map(Some)
    };
    if !pass.done.is_empty() || !pass.news.is_empty() {
        // The pass ended early; what it wrote and found is told all the same.
        pass.tell(&[]).await;
    }
    if next.is_ok() {
        pass.memory.went_well();
    }
    let failures = pass.failures;
    let memory = std::mem::take(&mut pass.memory);
    match next {
        Ok(Some(_)) | Err(_) if is_watched(ctx, &uid, &pass.object) => {
            ctx.memories.keep(&uid, memory);
        }
        Ok(_) | Err(_) => ctx.memories.forget(&uid),
    }
    let next = next?;
    Ok(Passed { next, failures })
}

/// Whether the object is still there as far as the watch knows; nothing is remembered of others.
fn is_watched<C>(ctx: &Context<C>, uid: &str, object: &ECRRepository) -> bool {
    let namespace = object.namespace().unwrap_or_default();
    let watched = ctx
        .store
        .get(&ObjectRef::new(&object.name_any()).within(&namespace));
    watched.is_some_and(|watched| watched.uid().as_deref() == Some(uid))
}

/// So many passes in a row that end because something was not as it was are made again at once. What is the same
/// then is not what changes, but what is told of it: a watch is silent, or the API server does not take a write.
const AT_ONCE: u32 = 2;

/// When a pass over an object or a class is made again, and how this one ended.
pub(super) fn again<C>(uid: &str, error: &Error, ctx: &Context<C>) -> (Duration, Outcome) {
    let failures = match error {
        Error::Superseded => match ctx.memories.was_superseded(uid).checked_sub(AT_ONCE) {
            Some(more) => more,
            None => return (Duration::from_millis(100), Outcome::Again),
        },
        // The process ends, and with it all that is remembered.
        Error::NotLeading(_) => return (LONGEST, Outcome::Again),
        Error::Kubernetes { .. }
        | Error::OlderDefinition(_)
        | Error::UnknownNamespace
        | Error::TimedOut
        | Error::Stopping => ctx.memories.kubernetes_failed(uid),
    };
    tracing::warn!("retrying: {error}");
    let ended = match error {
        Error::TimedOut => Outcome::TimedOut,
        Error::Stopping | Error::NotLeading(_) => Outcome::Again,
        Error::Superseded
        | Error::Kubernetes { .. }
        | Error::OlderDefinition(_)
        | Error::UnknownNamespace => Outcome::Failed,
    };
    (back_off(failures, fastrand::f64()), ended)
}
