//! What objects depend on beside themselves: their class, and the labels of their namespace.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::{
    Stream, StreamExt as _, TryStreamExt as _,
    channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded},
    stream,
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Resource as _, ResourceExt as _,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::{
        reflector::{ObjectRef, Store, store},
        watcher::Event,
    },
};

use tokio::sync::watch;

use super::{
    context::Context,
    shown::key_of,
    watched::Watched,
    watching::{CLASSES, Change, NAMESPACES, News, Of, config, digest, events, list_and_watch},
};
use crate::{
    api::{APPROVE_RECREATE_ANNOTATION, DEFAULT_CLASS_ANNOTATION, ECRRepositoryClass},
    telemetry::{Health, Metrics},
};

/// A class of the watch, which may be one that this version can't read.
pub(super) type WatchedClass = DeserializeGuard<ECRRepositoryClass>;

/// The classes and namespaces, as the watch last told them.
pub(super) struct Surroundings {
    pub(super) classes: Store<WatchedClass>,
    namespaces: Store<PartialObjectMeta<Namespace>>,
    listed: Arc<watch::Sender<Listed>>,
    looks: UnboundedSender<String>,
    /// Another number after each event of a class.
    pub(super) version: Arc<AtomicU64>,
}

/// What has been listed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Listed {
    classes: bool,
    namespaces: bool,
    repositories: bool,
}

/// The names of classes that are to be looked at: they changed, or the number of their objects did.
pub(super) type Looks = UnboundedReceiver<String>;

/// Something that objects depend on has changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Touched {
    /// The class of this name, which may have been the default until then.
    Class { name: String, was_default: bool },
    /// The namespace of this name.
    Namespace(String),
}

/// Watches classes and namespaces; the stream must be polled for that.
pub(super) fn watched(
    client: &Client,
    namespace: Option<&str>,
    watches: (Metrics, Health),
) -> (
    Surroundings,
    impl Stream<Item = Touched> + Send + 'static,
    Looks,
) {
    let (looks, wanted) = unbounded();
    let version = Arc::<AtomicU64>::default();
    let listed = Arc::new(watch::Sender::new(Listed::default()));
    let (classes, class_writer) = store();
    let source = list_and_watch(Api::<WatchedClass>::all(client.clone()), config());
    let class_events = events(source, CLASSES, class_writer, watches.clone()).inspect_ok({
        let (looks, version) = (looks.clone(), Arc::clone(&version));
        let (listed, classes) = (Arc::clone(&listed), classes.clone());
        let mut defaults = BTreeSet::new();
        move |event| {
            version.fetch_add(1, Ordering::Relaxed);
            // Each of the default classes says which of them counts.
            let now = defaults_of(&classes);
            if now != defaults {
                for (name, _, _) in now.union(&defaults) {
                    let _ = looks.unbounded_send(name.clone());
                }
                defaults = now;
            }
            match event {
                Event::InitDone => {
                    listed.send_modify(|it| it.classes = true);
                    look_at_all(&classes, &looks);
                }
                Event::Apply(class) => {
                    // Nobody listens where one namespace alone is watched.
                    let _ = looks.unbounded_send(class.name_any());
                }
                // The store has a list once it is whole.
                Event::Init | Event::InitApply(_) | Event::Delete(_) => {}
            }
        }
    });
    let (namespaces, namespace_writer) = store();
    let only = namespace.map_or_else(config, |name| {
        config().fields(&format!("metadata.name={name}"))
    });
    let source = list_and_watch(
        Api::<PartialObjectMeta<Namespace>>::all(client.clone()),
        only,
    );
    let namespace_events = events(source, NAMESPACES, namespace_writer, watches).inspect_ok({
        let listed = Arc::clone(&listed);
        move |event| {
            if matches!(event, Event::InitDone) {
                listed.send_modify(|it| it.namespaces = true);
            }
        }
    });
    let touched = stream::select(
        changed(
            class_events,
            (News::by(seen_of_class), classes.clone()),
            touched_class,
        ),
        changed(
            namespace_events,
            (
                News::by(|it: &PartialObjectMeta<Namespace>| digest(it.labels())),
                namespaces.clone(),
            ),
            |change| Touched::Namespace(change.name),
        ),
    );
    let surroundings = Surroundings {
        classes,
        namespaces,
        listed,
        looks,
        version,
    };
    (surroundings, touched, wanted)
}

/// The default classes, each with what decides which of them counts.
fn defaults_of(classes: &Store<WatchedClass>) -> BTreeSet<(String, Option<String>, bool)> {
    let classes = classes.state();
    let defaults = classes.iter().filter(|class| is_default(class.as_ref()));
    let told = defaults.map(|class| {
        let is_going = class.meta().deletion_timestamp.is_some();
        (class.name_any(), class.uid(), is_going)
    });
    told.collect()
}

/// Has all classes looked at.
fn look_at_all(classes: &Store<WatchedClass>, looks: &UnboundedSender<String>) {
    for class in classes.state() {
        let _ = looks.unbounded_send(class.name_any());
    }
}

fn changed<K: Of + Send + Sync, D: PartialEq + Send + 'static>(
    events: impl Stream<Item = kube::runtime::watcher::Result<Event<K>>> + Send + 'static,
    (mut news, store): (News<K, D>, Store<K>),
    touched: fn(Change<D>) -> Touched,
) -> impl Stream<Item = Touched> + Send + 'static {
    events.flat_map(move |event| {
        let changes = event.map_or_else(|_| Vec::new(), |event| news.of(&event, &store));
        stream::iter(changes.into_iter().map(touched))
    })
}

/// All of a class that its users see; not its status, nor the finalizer.
#[derive(Eq, PartialEq)]
struct Seen {
    is_default: bool,
    rest: u64,
}

fn seen_of_class(class: &WatchedClass) -> Seen {
    let meta = class.meta();
    Seen {
        is_default: is_default(class),
        rest: digest((
            &meta.uid,
            meta.generation,
            class.annotations().get(APPROVE_RECREATE_ANNOTATION),
            meta.deletion_timestamp.is_some(),
        )),
    }
}

fn touched_class(change: Change<Seen>) -> Touched {
    Touched::Class {
        name: change.name,
        was_default: change.before.is_some_and(|it| it.is_default),
    }
}

pub(super) fn is_default(class: &impl kube::ResourceExt) -> bool {
    class
        .annotations()
        .get(DEFAULT_CLASS_ANNOTATION)
        .is_some_and(|it| it == "true")
}

impl Surroundings {
    /// Waits until both have been listed: before that nothing can be told of any object. Not by the
    /// stores' own `wait_until_ready`, which wakes only one of many (kube-runtime, `DelayedInit`).
    pub(super) async fn ready(&self) {
        let mut listed = self.listed.subscribe();
        // Fails only once the watches have ended, and then so has the work.
        let _ = listed.wait_for(|it| it.classes && it.namespaces).await;
    }

    /// Waits until the objects have been listed as well: before that nobody seems to use a class.
    pub(super) async fn countable(&self) {
        let mut listed = self.listed.subscribe();
        let all = |it: &Listed| it.classes && it.namespaces && it.repositories;
        let _ = listed.wait_for(all).await;
    }

    /// The objects have been listed, perhaps again: whoever went unseen was of some class.
    pub(super) fn objects_listed(&self) {
        self.listed.send_modify(|it| it.repositories = true);
        look_at_all(&self.classes, &self.looks);
    }

    /// Asks for a look at the class of an object that came, changed or went.
    pub(super) fn count(&self, object: &Watched) {
        let named = object.class_name().ok().flatten();
        for name in named.into_iter().chain(object.last_class_name()) {
            let _ = self.looks.unbounded_send(name.to_owned());
        }
    }

    /// The class of this name.
    pub(super) fn class(&self, name: &str) -> Option<Arc<WatchedClass>> {
        self.classes.get(&ObjectRef::new(name))
    }

    /// Whether the watch has told of a namespace. Until then nothing can be told of its labels, nor that it has
    /// none.
    pub(super) fn knows_namespace(&self, namespace: &str) -> bool {
        self.namespaces.get(&ObjectRef::new(namespace)).is_some()
    }

    /// The labels of a namespace; none where it is not known.
    pub(super) fn labels(&self, namespace: &str) -> BTreeMap<String, String> {
        let found = self.namespaces.get(&ObjectRef::new(namespace));
        found.map_or_else(BTreeMap::new, |found| found.labels().clone())
    }
}

impl<C> Context<C> {
    /// Forgets all that is remembered of objects and classes that are no longer there. A watch tells of each
    /// that goes, but not of those that went while it was down.
    pub(super) fn forget_the_gone(&self) {
        let (objects, classes) = (self.store.state(), self.surroundings.classes.state());
        let of_classes: HashSet<_> = classes.iter().filter_map(|it| it.uid()).collect();
        let mut all: HashSet<_> = objects.iter().filter_map(|it| it.uid()).collect();
        self.parsed.only(&of_classes);
        all.extend(of_classes);
        self.memories.only(&all);
        let keys: HashSet<_> = objects.iter().map(|it| key_of(it.as_ref())).collect();
        self.objects.only(|key| keys.contains(&key));
        let keys: HashSet<_> = classes.iter().map(|it| key_of(it.as_ref())).collect();
        self.class_work.only(|key| keys.contains(&key));
    }

    /// The objects that depend on what has changed.
    pub(super) fn users_of(&self, touched: &Touched) -> Vec<ObjectRef<Watched>> {
        let uses = |object: &Watched| match (touched, object.class_name()) {
            (_, Err(_)) => false,
            (Touched::Namespace(name), Ok(_)) => object.meta().namespace.as_ref() == Some(name),
            (Touched::Class { name, was_default }, Ok(named)) => {
                self.uses(object, named, name, *was_default)
            }
        };
        self.store
            .state()
            .iter()
            .filter(|object| uses(object))
            .map(|object| ObjectRef::from_obj(object.as_ref()))
            .collect()
    }

    /// Whether an object is of this class, or was when it was last looked at. One that names none may
    /// be of any that has become a default, or is no longer: also where it was of another and that
    /// one counts again, now that there is no newer one.
    fn uses(&self, object: &Watched, named: Option<&str>, class: &str, was_default: bool) -> bool {
        if let Some(named) = named {
            return named == class;
        }
        let was = object.last_class_name();
        let is_default = || {
            let found = self.surroundings.class(class);
            found.is_some_and(|found| is_default(found.as_ref()))
        };
        was_default || was == Some(class) || was.is_none() || is_default()
    }
}
