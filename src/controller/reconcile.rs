//! One pass: a fresh copy of the object, what is remembered of it, and the way that it goes.

use std::{sync::Arc, time::Duration};

use kube::{Resource as _, ResourceExt as _, runtime::reflector::ObjectRef};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    context::{Context, jittered},
    delete, enforce,
    errand::errand,
    error::Error,
    kubernetes::fresh,
    pass::{Failures, Pass},
    shown::key_of,
    watched::{Unread, Watched},
};
use crate::{
    api::{ECRRepository, ECRRepositorySpec},
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
    let object = match object.read() {
        Ok(object) => object,
        Err(why) => {
            running.ends(Outcome::Later);
            return Some(unreadable(&object, why, &ctx).await);
        }
    };
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
    let pass = one_pass(&ctx, object, changed).instrument(span.clone());
    let outcome = tokio::select! {
        outcome = pass => outcome,
        () = tokio::time::sleep(LONGEST) => Err(Error::TimedOut),
        () = stopping(&ctx) => Err(Error::Stopping),
    };
    let ended = ended(&outcome);
    span.record("result", tracing::field::debug(ended));
    running.ends(ended);
    match outcome {
        Ok(passed) => passed.next,
        Err(error) => Some(again(&uid, &error, &ctx)),
    }
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

fn ended(outcome: &Result<Passed, Error>) -> Outcome {
    match outcome {
        Ok(passed) if passed.failures.retried > 0 => Outcome::Failed,
        Ok(passed) if passed.failures.stalled > 0 => Outcome::Hopeless,
        Ok(passed) if passed.next.is_some() => Outcome::Later,
        Ok(_) => Outcome::Done,
        Err(Error::Superseded | Error::Stopping | Error::NotLeading(_)) => Outcome::Again,
        Err(Error::Kubernetes { .. } | Error::OlderDefinition(_) | Error::UnknownNamespace) => {
            Outcome::Failed
        }
        Err(Error::TimedOut) => Outcome::TimedOut,
    }
}

/// An object that can't be read is left alone: it was written for another version, or is too large. Its
/// status can't be trusted, nor written without what it says.
async fn unreadable<C>(object: &Watched, why: Unread, ctx: &Context<C>) -> Duration {
    let (namespace, name) = (object.namespace(), object.name_any());
    match why {
        Unread::Foreign(error) => tracing::error!(
            namespace,
            name,
            %error,
            "left alone: this version of the operator can't read the object; are CRD and operator of \
             one release?"
        ),
        Unread::TooLarge(why) => {
            tracing::error!(
                namespace,
                name,
                why,
                "left alone: the object is too large, and its status says nothing any more"
            );
            let uid = object.uid().unwrap_or_default();
            let mut memory = ctx.memories.recall(&uid);
            if !std::mem::replace(&mut memory.told_too_large, true) {
                ctx.memories.keep(&uid, memory);
                let mut it = ECRRepository::new(&name, ECRRepositorySpec::default());
                it.metadata = object.meta().clone();
                ctx.events.publish(&it, vec![event::too_large(why)]).await;
            }
        }
    }
    jittered(ctx.settings.resync)
}

async fn one_pass<C: Clients>(
    ctx: &Context<C>,
    object: ECRRepository,
    changed: CancellationToken,
) -> Result<Passed, Error> {
    let uid = object.uid().unwrap_or_default();
    let mut memory = ctx.memories.recall(&uid);
    memory.told_too_large = false;
    let Some(object) = fresh(&ctx.client, object, memory.written).await? else {
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
    let next = if pass.object.metadata.deletion_timestamp.is_some() {
        delete::run(&mut pass).await
    } else {
        enforce::run(&mut pass).await.map(Some)
    };
    if !pass.done.is_empty() {
        // The pass ended early; what it wrote is told all the same.
        pass.tell(&[]).await;
    }
    if next.is_ok() {
        pass.memory.kubernetes_failures = 0;
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

/// When a pass over an object or a class is made again.
pub(super) fn again<C>(uid: &str, error: &Error, ctx: &Context<C>) -> Duration {
    match error {
        Error::Superseded => Duration::from_millis(100),
        // The process ends, and with it all that is remembered.
        Error::NotLeading(_) => LONGEST,
        Error::Kubernetes { .. }
        | Error::OlderDefinition(_)
        | Error::UnknownNamespace
        | Error::TimedOut
        | Error::Stopping => {
            tracing::warn!(%error, "the pass is made again");
            let failures = ctx.memories.kubernetes_failed(uid);
            back_off(failures, fastrand::f64())
        }
    }
}
