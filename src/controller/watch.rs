//! The watch, and the loop that turns its events into passes.

use std::{
    future,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt as _, TryStreamExt as _};
use kube::{
    Api, Client, ResourceExt as _,
    runtime::{
        Controller, PredicateConfig, WatchStreamExt as _,
        controller::Config,
        reflector::store,
        utils::Backoff,
        watcher::{self, Event},
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    context::{Cluster, Context, Settings, Watched},
    events::Events,
    memory::Memories,
    reconcile::{on_error, reconcile},
    sweep::Sweeps,
};
use crate::{
    api::{APPROVE_RECREATE_ANNOTATION, RECONCILE_ANNOTATION, RECONCILE_FLUX_ANNOTATION},
    domain::retry::back_off,
    ecr::Ecr,
    telemetry::{Health, Metrics},
};

/// How many objects are worked on at the same time. Most of that time is waiting for AWS.
const CONCURRENCY: u16 = 64;

/// Load balancers cut silent connections, some after four minutes; a watch ends by itself before.
const WATCH_SECONDS: u32 = 200;

/// Watches objects, in one namespace or in all, and makes ECR match until `shutdown`.
pub async fn run<E: Ecr>(
    client: Client,
    namespace: Option<&str>,
    ecr: E,
    cluster: Cluster,
    settings: Settings,
    (metrics, health): (Metrics, Health),
    shutdown: CancellationToken,
) {
    let api: Api<Watched> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let (reader, writer) = store();
    let ctx = Arc::new(Context {
        events: Events::new(client.clone()),
        client,
        ecr,
        cluster,
        settings,
        store: reader.clone(),
        memories: Memories::default(),
        sweeps: Sweeps::default(),
        metrics,
        began: Instant::now(),
        shutdown: shutdown.clone(),
    });
    let changes = changes(api, writer, Arc::clone(&ctx), health);
    Controller::for_stream(changes, reader)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(
            reconcile,
            |object, error, ctx| on_error(&object, error, &ctx),
            ctx,
        )
        .for_each(|outcome| {
            if let Err(error) = outcome {
                tracing::debug!(%error, "a pass ended early");
            }
            future::ready(())
        })
        .await;
}

/// The objects that changed in what we act on. Errors end here: the controller would hold all of
/// its work back for them.
fn changes<E: Ecr>(
    api: Api<Watched>,
    writer: kube::runtime::reflector::store::Writer<Watched>,
    ctx: Arc<Context<E>>,
    health: Health,
) -> impl Stream<Item = Result<Watched, watcher::Error>> + Send + 'static {
    let metrics = ctx.metrics.clone();
    watcher::watcher(api, watcher::Config::default().timeout(WATCH_SECONDS))
        .backoff(WatchBackoff(0))
        .inspect_ok({
            let health = health.clone();
            move |event| note(event, &ctx, &health)
        })
        .inspect_err(move |error| {
            metrics.watch_failed();
            if let Some(why) = explain(error) {
                health.unready(why);
            } else {
                tracing::warn!(%error, "the watch is made again");
            }
        })
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .applied_objects()
        .filter(|change| future::ready(change.is_ok()))
        .predicate_filter(
            |object: &Watched| Some(asked(object)),
            PredicateConfig::default(),
        )
}

fn note<E>(event: &Event<Watched>, ctx: &Context<E>, health: &Health) {
    match event {
        Event::InitDone | Event::Apply(_) => health.ready(),
        Event::Delete(object) => ctx.memories.forget(&object.uid().unwrap_or_default()),
        Event::Init | Event::InitApply(_) => {}
    }
}

/// What the error of a watch means, and what to do. `None` where the watch goes on from where it
/// was: nobody would tell us that it does, so it says nothing of being ready.
fn explain(error: &watcher::Error) -> Option<String> {
    let (refused, lists) = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status)) => (Some(status.code), true),
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) => (Some(status.code), false),
        watcher::Error::InitialListFailed(_) => (None, true),
        watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::WatchError(_)
        | watcher::Error::NoResourceVersion => (None, false),
    };
    match refused {
        Some(404) => Some(
            "install the CRDs (kubectl apply --server-side -f crds/): the API server does not \
             know ECRRepository"
                .to_owned(),
        ),
        Some(401 | 403) if lists => Some(format!(
            "grant the operator's RBAC (deploy/kustomize): {error}"
        )),
        _ => lists.then(|| format!("ECRRepository can't be listed: {error}")),
    }
}

/// A digest of all that makes a pass worthwhile. Our own writes, to status and finalizer, are not
/// among it.
fn asked(object: &Watched) -> u64 {
    let mut hasher = DefaultHasher::new();
    let meta = kube::Resource::meta(object);
    meta.generation.hash(&mut hasher);
    meta.deletion_timestamp.is_some().hash(&mut hasher);
    for annotation in [
        RECONCILE_FLUX_ANNOTATION,
        RECONCILE_ANNOTATION,
        APPROVE_RECREATE_ANNOTATION,
    ] {
        object.annotations().get(annotation).hash(&mut hasher);
    }
    hasher.finish()
}

/// The watch's own back-off, at most ten seconds.
struct WatchBackoff(u32);

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let wait = back_off(self.0, fastrand::f64());
        self.0 = self.0.saturating_add(1);
        Some(wait.min(Duration::from_secs(10)))
    }
}

impl Backoff for WatchBackoff {
    fn reset(&mut self) {
        self.0 = 0;
    }
}
