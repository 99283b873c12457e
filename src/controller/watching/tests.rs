//! A list is taken once it is whole: by tables, and by a law over whatever may happen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use k8s_openapi::api::core::v1::Namespace;
use proptest::prelude::*;

use super::*;

fn namespace(name: &str, team: &str) -> Namespace {
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(name.to_owned());
    namespace.metadata.uid = Some(format!("uid of {name}"));
    let label = ("team".to_owned(), team.to_owned());
    namespace.metadata.labels = Some([label].into());
    namespace
}

/// A store, and who listens to what it is told.
struct Told {
    store: Store<Namespace>,
    writer: Writer<Namespace>,
    asked: Asked<Namespace>,
    news: News<Namespace, u64>,
}

impl Told {
    fn new() -> Self {
        let (store, writer) = kube::runtime::reflector::store();
        Self {
            store,
            writer,
            asked: Asked::by(|it: &Namespace| digest(it.labels())),
            news: News::by(|it: &Namespace| digest(it.labels())),
        }
    }

    /// The names that are worth a pass, and those that others depend on.
    fn of(&mut self, event: &Event<Namespace>) -> [BTreeSet<String>; 2] {
        self.writer.apply_watcher_event(event);
        let asked = self.asked.news(event, &self.store);
        let news = self.news.of(event, &self.store);
        [
            asked.into_iter().map(|it| it.name).collect(),
            news.into_iter().map(|it| it.name).collect(),
        ]
    }
}

/// For each event, what is worth a pass, and what is news to others.
#[test]
fn a_list_is_news_once_it_is_whole_and_only_where_it_differs() {
    let mut told = Told::new();
    let table: [(Event<Namespace>, &[&str], &[&str]); 25] = [
        (Event::Init, &[], &[]),
        (Event::InitApply(namespace("a", "1")), &[], &[]),
        (Event::InitApply(namespace("b", "1")), &[], &[]),
        (Event::InitDone, &["a", "b"], &[]),
        (Event::Apply(namespace("a", "1")), &[], &[]),
        (Event::Apply(namespace("a", "2")), &["a"], &["a"]),
        (Event::Apply(namespace("c", "1")), &["c"], &["c"]),
        // As after a restart of the API server.
        (Event::Init, &[], &[]),
        (Event::InitApply(namespace("a", "2")), &[], &[]),
        (Event::InitApply(namespace("b", "1")), &[], &[]),
        (Event::InitApply(namespace("c", "1")), &[], &[]),
        (Event::InitDone, &[], &[]),
        // It changed in a gap, and the list breaks off.
        (Event::Init, &[], &[]),
        (Event::InitApply(namespace("a", "3")), &[], &[]),
        (Event::Init, &[], &[]),
        (Event::InitApply(namespace("a", "3")), &[], &[]),
        (Event::InitApply(namespace("d", "1")), &[], &[]),
        // Unseen: b and c were deleted meanwhile.
        (Event::InitDone, &["a", "d"], &["a", "b", "c", "d"]),
        (Event::Apply(namespace("b", "1")), &["b"], &["b"]),
        (Event::Delete(namespace("a", "3")), &[], &["a"]),
        (Event::Apply(namespace("a", "3")), &["a"], &["a"]),
        (Event::Init, &[], &[]),
        (Event::InitApply(namespace("a", "3")), &[], &[]),
        (Event::InitApply(namespace("b", "1")), &[], &[]),
        (Event::InitDone, &[], &["d"]),
    ];
    for (number, (event, asked, news)) in table.into_iter().enumerate() {
        let expected = [asked, news].map(|names| names.iter().map(ToString::to_string).collect());
        assert_eq!(told.of(&event), expected, "{number}");
    }
}

#[test]
fn a_change_tells_what_was_before() {
    let (store, mut writer) = kube::runtime::reflector::store();
    let mut news = News::by(|it: &Namespace| it.labels().get("team").cloned());
    let mut before = |event| {
        writer.apply_watcher_event(&event);
        let changes = news.of(&event, &store);
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
    assert_eq!(before(Event::Init), None);
    assert_eq!(before(Event::InitApply(namespace("a", "3"))), None);
    assert_eq!(before(Event::InitDone), two);
    let three = Some("3".to_owned());
    assert_eq!(before(Event::Delete(namespace("a", "3"))), three);
}

#[derive(Clone, Debug)]
enum Step {
    /// Somebody makes or changes an object.
    Writes(u8),
    Deletes(u8),
    /// The next event comes.
    Comes,
    /// The watch ends, or the list breaks off, and all is listed anew.
    Lists,
    /// Whatever is asked for is acted upon.
    Acts,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..6_u8).prop_map(Step::Writes),
        2 => (0..6_u8).prop_map(Step::Deletes),
        6 => Just(Step::Comes),
        1 => Just(Step::Lists),
        2 => Just(Step::Acts),
    ];
    proptest::collection::vec(step, 0..120)
}

/// What the API server has, what of it is still to come, and what was acted upon.
struct Cluster {
    told: Told,
    there: BTreeMap<String, Namespace>,
    writes: u32,
    listing: Option<VecDeque<Namespace>>,
    to_come: VecDeque<Event<Namespace>>,
    wanted: BTreeSet<String>,
    acted: BTreeMap<String, Option<Namespace>>,
    /// What those who depend on it last saw.
    seen: BTreeMap<String, Option<Namespace>>,
}

impl Cluster {
    fn new() -> Self {
        let mut cluster = Self {
            told: Told::new(),
            there: BTreeMap::new(),
            writes: 0,
            listing: None,
            to_come: VecDeque::new(),
            wanted: BTreeSet::new(),
            acted: BTreeMap::new(),
            seen: BTreeMap::new(),
        };
        cluster.lists();
        cluster
    }

    fn does(&mut self, step: &Step) {
        match step {
            Step::Writes(n) => {
                self.writes += 1;
                let name = format!("n{n}");
                let mut it = namespace(&name, &self.writes.to_string());
                let before = self.there.get(&name);
                it.metadata.uid = before.map_or_else(
                    || Some(format!("uid {}", self.writes)),
                    |it| it.metadata.uid.clone(),
                );
                self.there.insert(name, it.clone());
                self.to_come.push_back(Event::Apply(it));
            }
            Step::Deletes(n) => {
                if let Some(it) = self.there.remove(&format!("n{n}")) {
                    self.to_come.push_back(Event::Delete(it));
                }
            }
            Step::Comes => self.comes(),
            Step::Lists => self.lists(),
            Step::Acts => {
                for name in std::mem::take(&mut self.wanted) {
                    let found = self.stored(&name);
                    self.acted.insert(name, found);
                }
            }
        }
    }

    fn lists(&mut self) {
        self.to_come.clear();
        self.listing = Some(self.there.values().cloned().collect());
        self.tell(&Event::Init);
    }

    fn comes(&mut self) {
        let event = match &mut self.listing {
            Some(left) => left.pop_front().map(Event::InitApply),
            None => match self.to_come.pop_front() {
                Some(event) => Some(event),
                None => return,
            },
        };
        let event = event.unwrap_or_else(|| {
            self.listing = None;
            Event::InitDone
        });
        self.tell(&event);
    }

    fn tell(&mut self, event: &Event<Namespace>) {
        let is_first = !self.told.news.listed;
        let [asked, news] = self.told.of(event);
        self.wanted.extend(asked);
        let all: BTreeSet<_> = self.there.keys().cloned().collect();
        // Nobody looks before the first list.
        for name in if is_first { all } else { news } {
            let found = self.stored(&name);
            self.seen.insert(name, found);
        }
    }

    fn stored(&self, name: &str) -> Option<Namespace> {
        let found = self.told.store.get(&ObjectRef::new(name));
        found.map(|it| (*it).clone())
    }

    fn settles(&mut self) {
        while self.listing.is_some() || !self.to_come.is_empty() {
            self.comes();
        }
        self.does(&Step::Acts);
    }
}

proptest! {
    /// What was asked last of each object is acted upon, with that very version in the store; those who
    /// depend on it see it too; nothing that vanished stays in a table; and what was acted upon is not
    /// asked for again.
    #[test]
    fn nothing_that_happened_is_missed(steps in steps()) {
        let mut cluster = Cluster::new();
        for step in &steps {
            cluster.does(step);
        }
        cluster.settles();
        for (name, it) in &cluster.there {
            prop_assert_eq!(cluster.stored(name), Some(it.clone()));
            prop_assert_eq!(cluster.acted.get(name), Some(&Some(it.clone())));
        }
        for (name, seen) in &cluster.seen {
            prop_assert_eq!(seen.as_ref(), cluster.there.get(name), "{}", name);
        }
        prop_assert_eq!(cluster.told.asked.known.len(), cluster.there.len());
        prop_assert_eq!(cluster.told.news.known.len(), cluster.there.len());
        cluster.lists();
        while cluster.listing.is_some() {
            cluster.comes();
        }
        prop_assert!(cluster.wanted.is_empty());
    }
}

/// A server that answers every start of a watch with this, and every list with nothing; how often each
/// came until the second list was done.
async fn asked_until_listed_again(code: u16, message: &str) -> usize {
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": "Expired", "code": code,
    });
    let list = serde_json::json!({
        "kind": "NamespaceList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": [],
    });
    let server = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let watches = request
            .uri()
            .query()
            .unwrap_or_default()
            .contains("watch=true");
        let (code, body) = if watches {
            (code, &status)
        } else {
            (200, &list)
        };
        let answer = http::Response::builder().status(code);
        let answer = answer.body(kube::client::Body::from(body.to_string().into_bytes()));
        async move { answer }
    });
    let client = kube::Client::new(server, "default");
    let events = list_and_watch(Api::<Namespace>::all(client), config());
    let lists = events
        .take(10)
        .filter(|it| future::ready(matches!(it, Ok(Event::InitDone))));
    lists.count().await
}

#[tokio::test]
async fn a_watch_that_cannot_go_on_begins_anew() {
    assert!(asked_until_listed_again(410, "too old resource version").await > 1);
    assert!(asked_until_listed_again(504, "Too large resource version: 9, current: 7").await > 1);
    assert_eq!(asked_until_listed_again(500, "no").await, 1);
}
