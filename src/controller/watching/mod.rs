//! A watch of one kind: its own back-off, what its errors mean, and which of its events are news.

mod standing;

use std::{
    collections::HashMap,
    fmt::Debug,
    future,
    hash::{DefaultHasher, Hash, Hasher as _},
    task::Poll,
    time::Duration,
};

use futures::{Stream, StreamExt as _, stream};
use kube::{
    Api, Resource, ResourceExt as _,
    runtime::{
        WatchStreamExt as _,
        reflector::{ObjectRef, Store, store::Writer},
        utils::Backoff,
        watcher::{self, Event},
    },
};

use serde::de::DeserializeOwned;

use crate::{
    api::RECONCILE_FLUX_ANNOTATION,
    domain::retry::back_off,
    telemetry::{Health, Metrics},
};

use standing::Standing;

/// Load balancers cut silent connections, some after four minutes; a watch ends by itself before.
const WATCH_SECONDS: u32 = 200;

/// Objects in a page of a list: all of a page is in memory at once, as text and as what it says. Where
/// they are large, there are fewer (`pages`).
const PAGE: u32 = 100;

/// The parts of the process that must work before it is ready: one watch for each kind.
pub const WATCHED: [&str; 3] = [REPOSITORIES, CLASSES, NAMESPACES];
pub(super) const REPOSITORIES: &str = "ECRRepository";
pub(super) const CLASSES: &str = "ECRRepositoryClass";
pub(super) const NAMESPACES: &str = "Namespace";

/// How every watch is asked for.
pub(super) fn config() -> watcher::Config {
    watcher::Config::default()
        .timeout(WATCH_SECONDS)
        .page_size(PAGE)
}

/// The events of a kind, as kube tells them. A watch that may not go on from where the last one ended
/// begins anew with a list: kube's own would ask for the same for ever (kube-runtime, `watcher`).
pub(super) fn list_and_watch<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let begin = move || watcher::watcher(api.clone(), config.clone()).boxed();
    stream::unfold((begin, None), |(begin, under_way)| async move {
        let mut events = under_way.unwrap_or_else(&begin);
        let event = events.next().await?;
        let is_over = event.as_ref().is_err_and(cannot_go_on);
        Some((event, (begin, (!is_over).then_some(events))))
    })
}

/// Whether a watch can't begin where it is to: the API server no longer has what happened since, or has
/// not got so far, as after it was put back to a former state.
fn cannot_go_on(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) => {
            status.code == 410 || status.message.contains("Too large resource version")
        }
        watcher::Error::WatchStartFailed(_)
        | watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::WatchError(_)
        | watcher::Error::NoResourceVersion => false,
    }
}

/// Takes away what means nothing to us of an object's metadata: people may write much into it.
pub(super) fn lean(object: &mut impl Resource) {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    meta.owner_references = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.retain(|key, _| {
            key.starts_with("ecr-operator.dev/") || key == RECONCILE_FLUX_ANNOTATION
        });
    }
}

/// The events of a watch, once the store has them, with `lean` objects. Errors end here: the controller
/// would hold all of its work back for them.
pub(super) fn events<K>(
    source: impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
    kind: &'static str,
    writer: Writer<K>,
    watches: (Metrics, Health),
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
{
    let standing = Standing::of(kind, watches);
    seen(source.backoff(WatchBackoff(0)), standing)
        .modify(lean)
        .reflect(writer)
        .filter(|event| future::ready(event.is_ok()))
}

/// Has it noted what a watch tells, and that somebody still asks it: it ends and begins anew every few minutes, and
/// wakes whoever waits for it.
fn seen<K: Send + 'static>(
    source: impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
    mut standing: Standing,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static {
    let mut source = Box::pin(source);
    stream::poll_fn(move |cx| {
        standing.asked(cx);
        let told = source.poll_next_unpin(cx);
        if let Poll::Ready(Some(event)) = &told {
            standing.told(event);
            // It may wait for something else from now on.
            standing.asked(cx);
        }
        told
    })
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

/// A short name for all that counts of an object.
pub(super) fn digest(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Tells which events are news to those who depend on an object. What the first list shows is not:
/// nobody has acted on anything else yet.
///
/// Like `Asked`, it takes nothing of a list before the store has it all: whoever is asked for before that
/// finds the former copy there, or none, and a list may break off and begin anew.
pub(super) struct News<K, D> {
    known: HashMap<String, D>,
    listed: bool,
    digest: fn(&K) -> D,
}

/// The objects whose change is worth a pass. Kube's own filter by a predicate holds each key twice as
/// long, and lets everything through again after an hour (kube-runtime, `PredicateFilter`): a relist
/// would be a pass for each object.
pub(super) struct Asked<K> {
    /// By a digest of the uid: what was last asked for.
    known: HashMap<u64, u64>,
    digest: fn(&K) -> u64,
}

impl<K: Of> Asked<K> {
    pub(super) fn by(digest: fn(&K) -> u64) -> Self {
        Self {
            known: HashMap::new(),
            digest,
        }
    }

    /// The objects of which something else is asked for than was known of them, as of an event that the
    /// store has.
    pub(super) fn news(&mut self, event: &Event<K>, store: &Store<K>) -> Vec<ObjectRef<K>> {
        match event {
            Event::Init | Event::InitApply(_) => Vec::new(),
            Event::InitDone => self.listed(store),
            Event::Apply(object) => {
                let (uid, asked) = self.asked(object);
                let is_news = self.known.insert(uid, asked) != Some(asked);
                let news = is_news.then(|| ObjectRef::from_obj(object));
                news.into_iter().collect()
            }
            Event::Delete(object) => {
                self.known.remove(&uid_of(object));
                Vec::new()
            }
        }
    }

    fn listed(&mut self, store: &Store<K>) -> Vec<ObjectRef<K>> {
        let before = std::mem::take(&mut self.known);
        let mut news = Vec::new();
        for object in store.state() {
            let (uid, asked) = self.asked(&object);
            self.known.insert(uid, asked);
            if before.get(&uid) != Some(&asked) {
                news.push(ObjectRef::from_obj(object.as_ref()));
            }
        }
        news
    }

    fn asked(&self, object: &K) -> (u64, u64) {
        (uid_of(object), (self.digest)(object))
    }
}

fn uid_of(object: &impl Resource) -> u64 {
    digest(object.meta().uid.as_deref())
}

/// What both want of a kind.
pub(super) trait Of: Resource<DynamicType = ()> + Clone + 'static {}
impl<K: Resource<DynamicType = ()> + Clone + 'static> Of for K {}

/// An object that changed, was made or was deleted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Change<D> {
    pub(super) name: String,
    /// What counted of it until then, where it was there.
    pub(super) before: Option<D>,
}

impl<K: Of, D: PartialEq> News<K, D> {
    pub(super) fn by(digest: fn(&K) -> D) -> Self {
        Self {
            known: HashMap::new(),
            listed: false,
            digest,
        }
    }

    /// The changes that an event tells of, which the store has.
    pub(super) fn of(&mut self, event: &Event<K>, store: &Store<K>) -> Vec<Change<D>> {
        match event {
            Event::Init | Event::InitApply(_) => Vec::new(),
            Event::InitDone => self.all(store),
            Event::Apply(object) => {
                let name = object.name_any();
                let before = self.known.remove(&name);
                self.applied(name, object, before).into_iter().collect()
            }
            Event::Delete(object) => {
                let name = object.name_any();
                let before = self.known.remove(&name);
                vec![Change { name, before }]
            }
        }
    }

    fn applied(&mut self, name: String, object: &K, before: Option<D>) -> Option<Change<D>> {
        let now = (self.digest)(object);
        let is_news = before.as_ref() != Some(&now);
        self.known.insert(name.clone(), now);
        is_news.then_some(Change { name, before })
    }

    fn all(&mut self, store: &Store<K>) -> Vec<Change<D>> {
        let mut before = std::mem::take(&mut self.known);
        let mut changes = Vec::new();
        for object in store.state() {
            let name = object.name_any();
            let before = before.remove(&name);
            changes.extend(self.applied(name, &object, before));
        }
        let gone = before.into_iter().map(|(name, before)| Change {
            name,
            before: Some(before),
        });
        changes.extend(gone);
        if std::mem::replace(&mut self.listed, true) {
            changes
        } else {
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests;
