//! The watches, and what their events ask for.

use std::{
    collections::BTreeSet,
    future,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::{FutureExt as _, Stream, StreamExt as _, TryStreamExt as _};
use kube::{
    Api, Client, ResourceExt as _,
    runtime::{
        Controller,
        controller::Config,
        reflector::{ObjectRef, store, store::Writer},
        watcher::Event,
    },
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    assign::Parsed,
    class::reconcile_class,
    context::{Cluster, Context, Settings, idle},
    default_class::make_where_there_is_none,
    definitions::Definitions,
    events::Events,
    excess::AT_ONCE,
    memory::Memories,
    owned::Owned,
    passes::{Wanted, passes},
    queue::{OF_A_CLASS, Why},
    roll_call::RollCall,
    shown::{self, key},
    surroundings::{self, Looks, Touched},
    sweep,
    watched::{ANNOTATIONS, Watched},
    watching::{Asked, REPOSITORIES, config, digest, events, list_and_watch},
};
use crate::{
    ecr::Clients,
    telemetry::{Health, Metrics},
};

/// How many classes are worked on at the same time.
const CLASS_CONCURRENCY: u16 = 8;

/// How long classes wait for more to be counted: many objects that come or go at once are one write
/// of their number.
const GATHERS: Duration = Duration::from_millis(500);

/// Watches objects, in one namespace or in all, and makes ECR match until `shutdown`.
pub async fn run<C: Clients>(
    (client, definitions): (Client, Definitions),
    namespace: Option<&str>,
    clients: C,
    cluster: Cluster,
    settings: Settings,
    (metrics, health): (Metrics, Health),
    shutdown: CancellationToken,
) {
    let (reader, writer) = store();
    let (sweeps, wanted) = futures::channel::mpsc::unbounded();
    let (woken, wakes) = futures::channel::mpsc::unbounded();
    let watches = (metrics.clone(), health);
    let (surroundings, touched, looks) = surroundings::watched(&client, namespace, watches.clone());
    let ctx = Arc::new(Context {
        events: Events::new(client.clone()),
        client: client.clone(),
        clients,
        idle: idle(cluster.worked_until, settings.policy_resync),
        cluster,
        settings,
        definitions,
        store: reader.clone(),
        surroundings,
        parsed: Parsed::default(),
        paced: Mutex::default(),
        memories: Memories::default(),
        roll_call: RollCall::default(),
        owned: Owned::default(),
        sweeps,
        woken,
        large_answers: Semaphore::new(AT_ONCE),
        objects: metrics.work("ecrrepository", OF_A_CLASS),
        class_work: metrics.work("ecrrepositoryclass", CLASS_CONCURRENCY),
        metrics,
        began: Instant::now(),
        shutdown: shutdown.clone(),
    });
    shown::begin(&ctx, namespace.is_none());
    let api: Api<Watched> = match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let users = {
        let ctx = Arc::clone(&ctx);
        touched.flat_map(move |touched| {
            if matches!(touched, Touched::Class { .. }) {
                ctx.drop_former_accesses();
                ctx.forget_the_gone();
            }
            futures::stream::iter(ctx.users_of(&touched))
        })
    };
    let users = users.map(|object| Wanted::Pass(object, Why::Surroundings));
    let looked_at = futures::stream::select(sweep::news(Arc::clone(&ctx), wanted), wakes);
    let looked_at = looked_at.map(|object| Wanted::Pass(object, Why::Look));
    let looked_at = futures::stream::select(users, looked_at);
    let changed = changes(api, writer, Arc::clone(&ctx), watches);
    let asked = futures::stream::select(changed, looked_at);
    let classes = classes(&ctx, namespace.is_none().then_some(looks));
    let first_class = async {
        if settings.create_default_class {
            let made = async {
                ctx.definitions.wait().await;
                make_where_there_is_none(&ctx).await;
            };
            shutdown.run_until_cancelled(made).await;
        }
    };
    let passes = Box::pin(passes(Arc::clone(&ctx), asked));
    futures::join!(passes, classes, first_class);
}

/// The passes over classes. One who sees one namespace alone can't tell how many objects are of a
/// class, nor has he the right to write there.
async fn classes<C: Clients>(ctx: &Arc<Context<C>>, looks: Option<Looks>) {
    let Some(looks) = looks else {
        return;
    };
    let shutdown = ctx.shutdown.clone();
    Controller::for_stream(futures::stream::pending(), ctx.surroundings.classes.clone())
        .with_config(Config::default().concurrency(CLASS_CONCURRENCY))
        .reconcile_on(gathered(looks).filter_map({
            let ctx = Arc::clone(ctx);
            move |name| {
                // Objects may name a class that is not there.
                let class = ctx.surroundings.class(&name).map(|_| ObjectRef::new(&name));
                if let Some(class) = &class {
                    ctx.class_work.wanted(key(class));
                }
                future::ready(class)
            }
        }))
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(
            reconcile_class,
            |_, never, _| match *never {},
            Arc::clone(ctx),
        )
        .for_each(|_| future::ready(()))
        .await;
}

/// The names, each once in a while. Not by the controller's debounce, which begins anew with each name:
/// a class whose objects never rest would wait for ever.
fn gathered(looks: Looks) -> impl Stream<Item = String> + Send + 'static {
    futures::stream::unfold(looks, |mut looks| async move {
        let mut names = BTreeSet::from([looks.next().await?]);
        tokio::time::sleep(GATHERS).await;
        while let Some(Some(name)) = looks.next().now_or_never() {
            names.insert(name);
        }
        Some((futures::stream::iter(names), looks))
    })
    .flatten()
}

/// The objects that changed in what we act on.
fn changes<C: Clients>(
    api: Api<Watched>,
    writer: Writer<Watched>,
    ctx: Arc<Context<C>>,
    watches: (Metrics, Health),
) -> impl Stream<Item = Wanted> + Send + 'static {
    let (source, store) = (list_and_watch(api, config()), ctx.store.clone());
    let mut known = Asked::by(asked);
    events(source, REPOSITORIES, writer, watches)
        .inspect_ok(move |event| match event {
            Event::Apply(object) => {
                ctx.memories.note_answer(object);
                ctx.surroundings.count(object);
            }
            Event::Delete(object) => {
                ctx.memories.forget(&object.uid().unwrap_or_default());
                ctx.owned.forget(&object.uid().unwrap_or_default());
                ctx.objects.forget(key(&ObjectRef::from_obj(object)));
                ctx.surroundings.count(object);
            }
            Event::InitDone => {
                ctx.surroundings.objects_listed();
                ctx.forget_the_gone();
            }
            Event::InitApply(object) => ctx.memories.note_answer(object),
            // The store has a list once it is whole.
            Event::Init => {}
        })
        .flat_map(move |event| {
            let mut wanted = Vec::new();
            if let Ok(event) = event {
                let news = known.news(&event, &store).into_iter();
                wanted.extend(news.map(|object| Wanted::Pass(object, Why::Changed)));
                if let Event::Delete(object) = &event {
                    wanted.push(Wanted::Gone(ObjectRef::from_obj(object)));
                } else if matches!(event, Event::InitDone) {
                    wanted.push(Wanted::Listed);
                }
            }
            futures::stream::iter(wanted)
        })
}

/// A digest of all that makes a pass worthwhile. Our own writes, to status and finalizer, are not
/// among it.
fn asked(object: &Watched) -> u64 {
    let meta = kube::Resource::meta(object);
    digest((
        meta.generation,
        meta.deletion_timestamp.is_some(),
        ANNOTATIONS.map(|annotation| object.annotations().get(annotation)),
        // A class may make something of them.
        object.labels(),
        // It is to be made shorter.
        object.excess().status,
        // It is to be written anew.
        object.is_from_elsewhere(),
    ))
}
