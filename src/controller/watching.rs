//! A watch of one kind: its own back-off, what its errors mean, and which of its events are news.

use std::{
    collections::{HashMap, HashSet},
    fmt::Debug,
    future,
    hash::{DefaultHasher, Hash, Hasher as _},
    time::Duration,
};

use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use kube::{
    Resource, ResourceExt as _,
    runtime::{
        WatchStreamExt as _,
        reflector::store::Writer,
        utils::Backoff,
        watcher::{self, Event},
    },
};

use crate::{
    domain::retry::back_off,
    telemetry::{Health, Metrics, api_error},
};

/// Load balancers cut silent connections, some after four minutes; a watch ends by itself before.
const WATCH_SECONDS: u32 = 200;

/// Objects in a page of a list: all of a page is in memory at once, as text and as what it says.
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

/// The events of a watch, once the store has them. Errors end here: the controller would hold all of
/// its work back for them.
pub(super) fn events<K>(
    source: impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
    kind: &'static str,
    writer: Writer<K>,
    (metrics, health): (Metrics, Health),
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
{
    metrics.watch_failed(kind, 0);
    beating(source.backoff(WatchBackoff(0)), kind, health.clone())
        .inspect_ok({
            let health = health.clone();
            move |event| {
                if matches!(event, Event::InitDone | Event::Apply(_)) {
                    health.ready(kind);
                }
            }
        })
        .inspect_err(move |error| {
            metrics.watch_failed(kind, 1);
            if let Some(why) = explain(kind, error) {
                health.unready(kind, &why);
            } else {
                let error = api_error(error);
                tracing::warn!(kind, error, "the watch is made again");
            }
        })
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .filter(|event| future::ready(event.is_ok()))
}

/// Tells that somebody still asks the stream: the watch ends and begins anew every few minutes, and
/// wakes whoever waits for it.
fn beating<T>(
    source: impl Stream<Item = T> + Send + 'static,
    kind: &'static str,
    health: Health,
) -> impl Stream<Item = T> + Send + 'static {
    let mut source = Box::pin(source);
    stream::poll_fn(move |cx| {
        health.beats(kind);
        source.poll_next_unpin(cx)
    })
}

/// What the error of a watch means, and what to do. `None` where the watch goes on from where it
/// was: nobody would tell us that it does, so it says nothing of being ready.
fn explain(kind: &str, error: &watcher::Error) -> Option<String> {
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
        Some(404) => Some(format!(
            "install the CRDs (kubectl apply --server-side -f crds/): the API server does not know \
             {kind}"
        )),
        Some(401 | 403) if lists => Some(format!(
            "grant the operator's RBAC (deploy/kustomize): {}",
            api_error(error)
        )),
        _ => lists.then(|| format!("{kind} can't be listed: {}", api_error(error))),
    }
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
pub(super) struct News<K, D> {
    known: HashMap<String, D>,
    /// What the list shows that is under way: what is known and not in it has gone unseen.
    shown: HashSet<String>,
    listed: bool,
    digest: fn(&K) -> D,
}

/// The objects whose change is worth a pass. Kube's own filter by a predicate holds each key twice as
/// long, and lets everything through again after an hour (kube-runtime, `PredicateFilter`): a relist
/// would be a pass for each object.
pub(super) struct Asked<K> {
    /// By a digest of the uid: what was last asked for, and in which list or after it.
    known: HashMap<u64, (u64, u32)>,
    lists: u32,
    digest: fn(&K) -> u64,
}

impl<K: Resource> Asked<K> {
    pub(super) fn by(digest: fn(&K) -> u64) -> Self {
        Self {
            known: HashMap::new(),
            lists: 0,
            digest,
        }
    }

    /// The object of an event, where something else is asked for than was known of it.
    pub(super) fn news(&mut self, event: Event<K>) -> Option<K> {
        match event {
            Event::Init => {
                self.lists = self.lists.wrapping_add(1);
                None
            }
            Event::InitDone => {
                // What the list did not show has gone unseen.
                let now = self.lists;
                self.known.retain(|_, (_, list)| *list == now);
                None
            }
            Event::InitApply(object) | Event::Apply(object) => {
                let asked = (self.digest)(&object);
                let uid = digest(object.meta().uid.as_deref());
                let before = self.known.insert(uid, (asked, self.lists));
                (before.map(|(asked, _)| asked) != Some(asked)).then_some(object)
            }
            Event::Delete(object) => {
                self.known.remove(&digest(object.meta().uid.as_deref()));
                None
            }
        }
    }
}

/// An object that changed, was made or was deleted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Change<D> {
    pub(super) name: String,
    /// What counted of it until then, where it was there.
    pub(super) before: Option<D>,
}

impl<K: Resource, D: PartialEq> News<K, D> {
    pub(super) fn by(digest: fn(&K) -> D) -> Self {
        Self {
            known: HashMap::new(),
            shown: HashSet::new(),
            listed: false,
            digest,
        }
    }

    /// The changes that an event tells of.
    pub(super) fn of(&mut self, event: &Event<K>) -> Vec<Change<D>> {
        match event {
            Event::Init => {
                self.shown.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                self.shown.insert(object.name_any());
                self.applied(object)
            }
            Event::InitDone => self.vanished(),
            Event::Apply(object) => self.applied(object),
            Event::Delete(object) => {
                let name = object.name_any();
                let before = self.known.remove(&name);
                vec![Change { name, before }]
            }
        }
    }

    fn applied(&mut self, object: &K) -> Vec<Change<D>> {
        let name = object.name_any();
        let now = (self.digest)(object);
        let same = self.known.get(&name) == Some(&now);
        let before = self.known.insert(name.clone(), now);
        if same || !self.listed {
            return Vec::new();
        }
        vec![Change { name, before }]
    }

    fn vanished(&mut self) -> Vec<Change<D>> {
        let shown = std::mem::take(&mut self.shown);
        let gone = self.known.extract_if(|name, _| !shown.contains(name));
        let gone = gone.map(|(name, before)| Change {
            name,
            before: Some(before),
        });
        let gone: Vec<_> = gone.collect();
        if std::mem::replace(&mut self.listed, true) {
            gone
        } else {
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Namespace;

    use super::*;

    fn namespace(name: &str, team: &str) -> Namespace {
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.to_owned());
        namespace.metadata.uid = Some(format!("uid of {name}"));
        let label = ("team".to_owned(), team.to_owned());
        namespace.metadata.labels = Some([label].into());
        namespace
    }

    #[test]
    fn only_changes_after_the_first_list_are_news() {
        let mut news = News::by(|it: &Namespace| digest(it.labels()));
        let table = [
            (Event::Init, None),
            (Event::InitApply(namespace("a", "1")), None),
            (Event::InitDone, None),
            (Event::Apply(namespace("a", "1")), None),
            (Event::Apply(namespace("a", "2")), Some("a")),
            (Event::Apply(namespace("b", "1")), Some("b")),
            (Event::Init, None),
            (Event::InitApply(namespace("a", "2")), None),
            (Event::InitApply(namespace("b", "2")), Some("b")),
            (Event::InitDone, None),
            (Event::Delete(namespace("b", "2")), Some("b")),
            (Event::Apply(namespace("b", "2")), Some("b")),
            // Deleted while the watch was down.
            (Event::Init, None),
            (Event::InitApply(namespace("a", "2")), None),
            (Event::InitDone, Some("b")),
            (Event::Apply(namespace("b", "2")), Some("b")),
        ];
        for (number, (event, expected)) in table.into_iter().enumerate() {
            let changes = news.of(&event);
            let names: Vec<_> = changes.iter().map(|it| it.name.as_str()).collect();
            assert_eq!(names, Vec::from_iter(expected), "{number}");
        }
    }

    #[test]
    fn only_what_asks_for_something_else_is_worth_a_pass() {
        let mut asked = Asked::by(|it: &Namespace| digest(it.labels()));
        let table = [
            (Event::Init, false),
            (Event::InitApply(namespace("a", "1")), true),
            (Event::InitApply(namespace("b", "1")), true),
            (Event::InitDone, false),
            (Event::Apply(namespace("a", "1")), false),
            (Event::Apply(namespace("a", "2")), true),
            // As after a restart of the API server.
            (Event::Init, false),
            (Event::InitApply(namespace("a", "2")), false),
            (Event::InitDone, false),
            // Unseen: b was deleted meanwhile, and is made anew.
            (Event::Apply(namespace("b", "1")), true),
            (Event::Delete(namespace("a", "2")), false),
            (Event::Apply(namespace("a", "2")), true),
        ];
        for (number, (event, expected)) in table.into_iter().enumerate() {
            assert_eq!(asked.news(event).is_some(), expected, "{number}");
        }
    }

    #[test]
    fn a_change_tells_what_was_before() {
        let mut news = News::by(|it: &Namespace| it.labels().get("team").cloned());
        let mut before = |event| {
            let changes = news.of(&event);
            changes
                .into_iter()
                .next()
                .and_then(|it| it.before)
                .flatten()
        };
        assert_eq!(before(Event::InitDone), None);
        assert_eq!(before(Event::Apply(namespace("a", "1"))), None);
        let one = Some("1".to_owned());
        assert_eq!(before(Event::Apply(namespace("a", "2"))), one);
        let two = Some("2".to_owned());
        assert_eq!(before(Event::Delete(namespace("a", "2"))), two);
    }
}
