//! What users asked for at each time, by what the API server accepted.

use std::{collections::BTreeMap, sync::Arc};

use ecr_emulator::Call;
use serde_json::{Value, json};

use super::audit::{Entry, REPOSITORIES};

const CLASSES: &str = "ecrrepositoryclasses";

/// One of our kinds, a namespace and a name. Classes are in no namespace.
type Key = (String, String, String);

/// How an object was between two changes.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// When whoever asked for it had been heard: it began no sooner.
    pub(super) from: f64,
    /// When whoever asked for the next had been answered: it ended no later.
    pub(super) until: f64,
    /// None where there is no such object.
    pub(super) object: Option<Value>,
    /// The operator brought it about.
    pub(super) by_operator: bool,
}

impl State {
    /// Whether it may have lasted at some time between these.
    fn may_be(&self, from: f64, until: f64) -> bool {
        self.from <= until && self.until >= from
    }

    fn is_ready(&self) -> bool {
        let conditions = |it: &Value| it["status"]["conditions"].as_array().cloned();
        let mut conditions = self.object.iter().filter_map(conditions).flatten();
        conditions.any(|it| it["type"] == "Ready" && it["status"] == "True")
    }
}

/// One change of an object.
struct Change {
    uid: String,
    /// The order of the changes of one object; its end comes last.
    version: u64,
    entry: Arc<Entry>,
    object: Option<Value>,
}

/// All objects of our kinds, as far as the writes tell that it is made of.
#[derive(Debug)]
pub(super) struct History(BTreeMap<Key, Vec<State>>);

/// What was asked for: the object, and the class that counted for it, if there was one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    pub(super) object: &'a Value,
    class: Option<&'a Value>,
}

impl History {
    pub(super) fn of(entries: &[Arc<Entry>]) -> Self {
        let mut changes: BTreeMap<Key, Vec<Change>> = BTreeMap::new();
        for entry in entries {
            let object = &entry.object_ref;
            if ![REPOSITORIES, CLASSES].contains(&object.resource.as_str()) {
                continue;
            }
            let Some(answer) = entry.change() else {
                continue;
            };
            for (name, change) in changes_by(entry, answer) {
                let key = (object.resource.clone(), object.namespace.clone(), name);
                changes.entry(key).or_default().push(change);
            }
        }
        let undefined = entries.iter().find(|it| it.deletes_a_definition());
        let undefined = undefined.map(|it| it.received());
        let all = changes.into_iter().map(|(key, changes)| {
            let mut states = states(changes);
            states.extend(undefined.and_then(|at| undefined_from(at, &states)));
            (key, states)
        });
        Self(all.collect())
    }

    /// All states of all repositories' objects, by namespace and name.
    pub(super) fn repositories(&self) -> impl Iterator<Item = ([&str; 2], &[State])> {
        let all = self.0.iter().filter(|((kind, ..), _)| kind == REPOSITORIES);
        all.map(|((_, namespace, name), states)| ([&**namespace, &**name], &**states))
    }

    /// How a repository's object may have been at some time between two. None: there was none.
    pub(super) fn between(
        &self,
        [namespace, name]: [&str; 2],
        from: f64,
        until: f64,
    ) -> impl Iterator<Item = &State> {
        let key = (
            REPOSITORIES.to_owned(),
            namespace.to_owned(),
            name.to_owned(),
        );
        let all = self.0.get(&key).into_iter().flatten();
        all.filter(move |state| state.may_be(from, until))
    }

    /// Whether there may have been no such object at some time between two.
    pub(super) fn may_be_gone(&self, key: [&str; 2], from: f64, until: f64) -> bool {
        let [namespace, name] = key.map(ToOwned::to_owned);
        let is_known = self
            .0
            .contains_key(&(REPOSITORIES.to_owned(), namespace, name));
        !is_known || self.between(key, from, until).any(|it| it.object.is_none())
    }

    /// All that may have been asked for in an object's name at some time between two.
    pub(super) fn wishes(&self, key: [&str; 2], from: f64, until: f64) -> Vec<Wish<'_>> {
        let mut wishes = Vec::new();
        for state in self.between(key, from, until) {
            let Some(object) = &state.object else {
                continue;
            };
            let classes = self.classes(object, (state.from.max(from), state.until.min(until)));
            let with = |class: Option<_>| Wish { object, class };
            if classes.is_empty() {
                wishes.push(with(None));
            }
            wishes.extend(classes.into_iter().map(|it| with(Some(it))));
        }
        wishes
    }

    /// Whether one and the same object asked all the time between two to take over from an owner, and said that
    /// all was well.
    pub(super) fn kept_what_it_took(
        &self,
        key: [&str; 2],
        owner: &str,
        (from, until): (f64, f64),
    ) -> bool {
        let states: Vec<_> = self.between(key, from, until).collect();
        let objects: Vec<_> = states.iter().filter_map(|it| it.object.as_ref()).collect();
        let of_first = |it: &&Value| it["metadata"]["uid"] == objects[0]["metadata"]["uid"];
        let asks = |it: &&Value| {
            Wish {
                object: it,
                class: None,
            }
            .asks_to_take_from(owner)
        };
        let was_ready = states.iter().any(|it| it.from > from && it.is_ready());
        objects.len() == states.len()
            && objects.iter().all(|it| of_first(it) && asks(it))
            && was_ready
    }

    /// The classes that may have counted for an object between two times.
    fn classes(&self, object: &Value, (from, until): (f64, f64)) -> Vec<&Value> {
        let named = object["spec"]["className"].as_str();
        let of_kind = self.0.iter().filter(|((kind, ..), _)| kind == CLASSES);
        let all = of_kind.flat_map(|((.., name), states)| states.iter().map(move |it| (name, it)));
        let counts = |(name, state): &(&String, &State)| {
            let default = "/metadata/annotations/ecr-operator.dev~1is-default-class";
            let is_default = || {
                let object = state.object.as_ref();
                object.and_then(|it| it.pointer(default)) == Some(&json!("true"))
            };
            state.may_be(from, until) && named.map_or_else(is_default, |it| it == name.as_str())
        };
        let counting = all.filter(counts);
        counting
            .filter_map(|(_, state)| state.object.as_ref())
            .collect()
    }
}

impl<'a> Wish<'a> {
    fn spec(&self) -> &'a Value {
        &self.object["spec"]
    }

    pub(super) fn is_ending(&self) -> bool {
        !self.object["metadata"]["deletionTimestamp"].is_null()
    }

    /// Whether anything may be written at all.
    pub(super) fn is_enforced(&self) -> bool {
        self.spec()["suspend"] != json!(true) && self.spec()["managementPolicy"] != "Observe"
    }

    /// Whether the object is suspended or only observes although its class does not let it.
    pub(super) fn holds_off_in_vain(&self) -> bool {
        let asked = match (&self.spec()["suspend"], &self.spec()["managementPolicy"]) {
            (suspend, _) if *suspend == json!(true) => "Suspend",
            (_, policy) if policy == "Observe" => "Observe",
            _ => return false,
        };
        let allowed = self.class.map(|it| &it["spec"]["managementPolicies"]);
        let allowed = allowed.and_then(Value::as_array);
        allowed.is_some_and(|allowed| !allowed.contains(&json!(asked)))
    }

    /// Whether the class enforces what a call writes, whatever becomes of the object.
    pub(super) fn enforces(&self, call: &Call) -> bool {
        let Some(enforced) = self.class.map(|it| &it["spec"]["enforced"]) else {
            return false;
        };
        let any = |keys: &[&str]| keys.iter().any(|key| !enforced[key].is_null());
        match call.operation.as_str() {
            "PutImageTagMutability" => any(&["imageTagMutability"]),
            "PutImageScanningConfiguration" => any(&["imageScanningConfiguration"]),
            "PutLifecyclePolicy" | "DeleteLifecyclePolicy" => any(&["lifecyclePolicy"]),
            "SetRepositoryPolicy" | "DeleteRepositoryPolicy" => {
                any(&["repositoryPolicy", "access"])
            }
            // Tags of the object's own make room for them.
            "UntagResource" => any(&["tags"]),
            "TagResource" => {
                let mut tags = call.input["tags"].as_array().into_iter().flatten();
                tags.all(|tag| {
                    let key = text(&tag["Key"]);
                    key.starts_with("ecr-operator.dev/") || enforced["tags"][&key] == tag["Value"]
                })
            }
            _ => false,
        }
    }

    /// What is to become of the repository.
    pub(super) fn deletion(&self) -> &'a str {
        let of_class = |part: &str| self.class.map(|it| &it["spec"][part]["deletionPolicy"]);
        let spoken = [
            of_class("enforced"),
            Some(&self.spec()["deletionPolicy"]),
            of_class("defaults"),
        ];
        let mut spoken = spoken.into_iter().flatten();
        spoken.find_map(Value::as_str).unwrap_or("Retain")
    }

    /// Whether a repository without an owner may be adopted.
    pub(super) fn adopts_unowned(&self) -> bool {
        self.spec()["adoption"]["policy"] == "IfUnowned"
            && ["IfUnowned", "TakeOver"].contains(&self.adoption_of_class())
    }

    /// Whether one may be taken from this owner.
    pub(super) fn takes_from(&self, owner: &str) -> bool {
        self.asks_to_take_from(owner) && self.adoption_of_class() == "TakeOver"
    }

    fn asks_to_take_from(&self, owner: &str) -> bool {
        self.spec()["adoption"] == json!({"policy": "TakeOver", "from": owner})
    }

    fn adoption_of_class(&self) -> &'a str {
        let said = self.class.and_then(|it| it["spec"]["adoption"].as_str());
        said.unwrap_or("Forbidden")
    }

    /// In short, for a person.
    pub(super) fn told(&self) -> Value {
        let spec = self.spec();
        json!({
            "ending": self.is_ending(),
            "deletion": self.deletion(),
            "suspend": spec["suspend"],
            "managementPolicy": spec["managementPolicy"],
            "adoption": spec["adoption"],
            "generation": self.object["metadata"]["generation"],
        })
    }
}

/// The changes that an answer tells of, by name.
fn changes_by(entry: &Arc<Entry>, answer: &Value) -> Vec<(String, Change)> {
    let kind = answer["kind"].as_str().unwrap_or_default();
    if kind == "Status" {
        // A deletion of what nothing held.
        let details = &answer["details"];
        let change = Change {
            uid: text(&details["uid"]),
            version: u64::MAX,
            entry: Arc::clone(entry),
            object: None,
        };
        return vec![(text(&details["name"]), change)];
    }
    if kind.ends_with("List") {
        // A deletion of many, each as it was before.
        let mut items = answer["items"].as_array().cloned().unwrap_or_default();
        for item in &mut items {
            let at = &mut item["metadata"]["deletionTimestamp"];
            if at.is_null() {
                *at = json!("now");
            }
        }
        return items.iter().map(|it| change_to(entry, it, 1)).collect();
    }
    vec![change_to(entry, answer, 0)]
}

fn change_to(entry: &Arc<Entry>, object: &Value, later: u64) -> (String, Change) {
    let metadata = &object["metadata"];
    let held = metadata["finalizers"]
        .as_array()
        .is_some_and(|it| !it.is_empty());
    let gone = !metadata["deletionTimestamp"].is_null() && !held;
    let version: u64 = text(&metadata["resourceVersion"]).parse().unwrap();
    let change = Change {
        uid: text(&metadata["uid"]),
        version: if gone { u64::MAX } else { 2 * version + later },
        entry: Arc::clone(entry),
        object: (!gone).then(|| object.clone()),
    };
    (text(&metadata["name"]), change)
}

/// An object whose definition was deleted at a time may be ending since.
fn undefined_from(at: f64, states: &[State]) -> Option<State> {
    let mut there = states.iter().filter(|it| it.may_be(at, at));
    let mut object = there.find_map(|it| it.object.clone())?;
    object["metadata"]["deletionTimestamp"] = json!("now");
    Some(State {
        from: at,
        until: f64::INFINITY,
        object: Some(object),
        by_operator: false,
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The states that one after the other the changes of one name led to.
fn states(changes: Vec<Change>) -> Vec<State> {
    let mut lives: BTreeMap<String, Vec<Change>> = BTreeMap::new();
    for change in changes {
        lives.entry(change.uid.clone()).or_default().push(change);
    }
    let mut lives: Vec<_> = lives.into_values().collect();
    for life in &mut lives {
        life.sort_by(|a, b| {
            let [(a, of_a), (b, of_b)] = [a, b].map(|it| (it.version, it.entry.received()));
            a.cmp(&b).then(of_a.total_cmp(&of_b))
        });
        // What changed nothing is answered with what was there.
        life.dedup_by_key(|it| it.version);
    }
    let began = |life: &[Change]| life.first().map_or(0.0, |it| it.entry.received());
    lives.sort_by(|a, b| began(a).total_cmp(&began(b)));
    let mut states = vec![State {
        from: f64::NEG_INFINITY,
        until: f64::INFINITY,
        object: None,
        by_operator: false,
    }];
    for change in lives.into_iter().flatten() {
        if let Some(last) = states.last_mut() {
            last.until = change.entry.completed();
        }
        states.push(State {
            from: change.entry.received(),
            until: f64::INFINITY,
            object: change.object,
            by_operator: change.entry.is_the_operators(),
        });
    }
    states
}
