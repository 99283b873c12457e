//! That the judges judge: histories that hold, and the same with one thing wrong.

use std::sync::Arc;

use ecr_emulator::Call;
use ecr_operator::api::OWNER_TAG;
use serde_json::{Value, json};

use super::{audit::Entry, timed::Timed};

const OWNER: &str = "here/team/api";
const OPERATOR: &str = "system:serviceaccount:ecr-operator-system:ecr-operator";

/// One object, its repository, and what happened to them.
struct Case {
    entries: Vec<Arc<Entry>>,
    calls: Vec<Call>,
    version: u64,
}

/// Seconds after ten o'clock, and since 1970.
fn at(seconds: f64) -> (String, f64) {
    let micros = (seconds * 1e6).round();
    let text = format!(
        "2026-11-30T10:{:02}:{:09.6}Z",
        (seconds / 60.0).floor(),
        micros / 1e6 % 60.0
    );
    (text, 1_796_032_800.0 + seconds)
}

#[expect(clippy::needless_pass_by_value, reason = "callers write `json!({…})`")]
impl Case {
    /// A class that permits all, and an object that nothing has happened to.
    fn new(spec: Value) -> Self {
        let mut case = Self {
            entries: Vec::new(),
            calls: Vec::new(),
            version: 0,
        };
        let class = json!({
            "metadata": {
                "name": "default", "uid": "class", "resourceVersion": "1",
                "annotations": {"ecr-operator.dev/is-default-class": "true"},
            },
            "spec": {"adoption": "TakeOver"},
        });
        case.entry(0.0, "admin", ("patch", "ecrrepositoryclasses"), class);
        case.object(1.0, spec, false)
    }

    fn entry(&mut self, seconds: f64, user: &str, (verb, resource): (&str, &str), answer: Value) {
        let (received, _) = at(seconds);
        let (answered, _) = at(seconds + 0.01);
        let namespace = if resource == "ecrrepositories" {
            "team"
        } else {
            ""
        };
        let entry = json!({
            "verb": verb,
            "requestURI": "/apis/ecr-operator.dev/v1alpha1",
            "user": {"username": user},
            "objectRef": {"resource": resource, "namespace": namespace, "name": answer["metadata"]["name"]},
            "responseStatus": {"code": 200},
            "responseObject": answer,
            "requestReceivedTimestamp": received,
            "stageTimestamp": answered,
        });
        self.entries
            .push(Arc::new(serde_json::from_value(entry).unwrap()));
    }

    /// From now on the object is like this.
    fn object(self, seconds: f64, spec: Value, is_ending: bool) -> Self {
        self.object_of("first", seconds, (spec, "False", is_ending))
    }

    /// The same, and it says whether it is ready.
    fn object_of(
        mut self,
        uid: &str,
        seconds: f64,
        (spec, ready, is_ending): (Value, &str, bool),
    ) -> Self {
        self.version += 1;
        let object = json!({
            "metadata": {
                "name": "api", "uid": uid, "resourceVersion": self.version.to_string(),
                "finalizers": ["held"],
                "deletionTimestamp": if is_ending { json!("now") } else { Value::Null },
            },
            "spec": spec,
            "status": {
                "repositoryName": "team/api",
                "conditions": [{"type": "Ready", "status": ready}],
            },
        });
        self.entry(seconds, "somebody", ("patch", "ecrrepositories"), object);
        self
    }

    /// The operator lets it go.
    fn let_go(mut self, seconds: f64) -> Self {
        let object = json!({"metadata": {
            "name": "api", "uid": "first", "resourceVersion": "99", "deletionTimestamp": "now",
        }});
        self.entry(seconds, OPERATOR, ("patch", "ecrrepositories"), object);
        self
    }

    /// The operator reads it.
    fn looks(mut self, seconds: f64) -> Self {
        let object = json!({"metadata": {"name": "api"}});
        self.entry(seconds, OPERATOR, ("get", "ecrrepositories"), object);
        self
    }

    /// The operator calls AWS, where the repository is this owner's, or there is none.
    fn call(mut self, seconds: f64, operation: &str, owner: Option<&str>, input: Value) -> Self {
        let (_, time) = at(seconds);
        let mut whole = json!({"repositoryName": "team/api"});
        whole
            .as_object_mut()
            .unwrap()
            .extend(input.as_object().unwrap().clone());
        let tags = |owner: &str| match owner {
            "" => Vec::new(),
            owner => vec![(OWNER_TAG.to_owned(), owner.to_owned())],
        };
        self.calls.push(Call {
            seq: 0,
            time,
            arrived: time,
            answered: time + 0.01,
            account: "123456789012".to_owned(),
            region: "ap-southeast-1".to_owned(),
            access_key: String::new(),
            user_agent: String::new(),
            operation: operation.to_owned(),
            input: whole,
            answer: Ok(Value::Null),
            applied: true,
            fault: None,
            owner_before: owner.map(|owner| tags(owner).into_iter().collect()),
            existed_before: owner.is_some(),
            images_before: 1,
        });
        self
    }

    fn reads_tags(self, seconds: f64, owner: &str) -> Self {
        self.call(seconds, "ListTagsForResource", Some(owner), json!({}))
    }

    fn creates(self, seconds: f64) -> Self {
        let tags = json!({"tags": [{"Key": OWNER_TAG, "Value": OWNER}]});
        self.call(seconds, "CreateRepository", None, tags)
    }

    fn adopts(self, seconds: f64, from: &str) -> Self {
        let tags = json!({"tags": [{"Key": OWNER_TAG, "Value": OWNER}]});
        self.call(seconds, "TagResource", Some(from), tags)
    }

    fn deletes(self, seconds: f64, force: bool) -> Self {
        let input = json!({"force": force});
        self.call(seconds, "DeleteRepository", Some(OWNER), input)
    }

    fn writes(self, seconds: f64) -> Self {
        self.call(seconds, "PutLifecyclePolicy", Some(OWNER), json!({}))
    }

    #[track_caller]
    fn holds(&self) {
        let broken = Timed::new(&self.entries, &self.calls, ["here"]).broken();
        assert_eq!(broken, [""; 0]);
    }

    #[track_caller]
    fn breaks(&self, invariant: &str) {
        let broken = Timed::new(&self.entries, &self.calls, ["here"]).broken();
        let is_it =
            |it: &String| it.contains(&format!("\"{invariant}: ")) || it.starts_with(invariant);
        assert!(broken.len() == 1 && broken.iter().all(is_it), "{broken:#?}");
    }
}

fn plain() -> Case {
    Case::new(json!({}))
}

/// One that is deleted after half a minute, and read then.
fn ending(policy: &str) -> Case {
    let spec = json!({"deletionPolicy": policy});
    Case::new(spec.clone())
        .object(30.0, spec, true)
        .looks(30.5)
        .reads_tags(30.6, OWNER)
}

#[test]
fn a_creation_needs_an_object_that_still_asks_for_it_and_was_read() {
    plain().looks(1.5).creates(2.0).holds();
    plain().creates(2.0).breaks("3");
    plain().looks(5.0).creates(8.2).breaks("3");
    let suspended = json!({"suspend": true});
    let observed = json!({"managementPolicy": "Observe"});
    for (spec, is_ending) in [(suspended, false), (observed, false), (json!({}), true)] {
        let changed = || plain().object(10.0, spec.clone(), is_ending);
        changed().looks(12.0).creates(12.9).holds();
        changed().looks(13.0).creates(13.2).breaks("3");
    }
    plain()
        .object(10.0, json!({}), true)
        .let_go(11.0)
        .looks(14.0)
        .creates(14.2)
        .breaks("3");
}

#[test]
fn a_deletion_needs_an_object_that_still_asks_for_it() {
    ending("Delete").deletes(31.0, false).holds();
    ending("DeleteWithImages").deletes(31.0, false).holds();
    ending("DeleteWithImages").deletes(31.0, true).holds();
    ending("Delete").deletes(31.0, true).breaks("2");
    ending("Retain").deletes(31.0, false).breaks("2");
    let asked = json!({"deletionPolicy": "DeleteWithImages"});
    Case::new(asked)
        .looks(30.5)
        .reads_tags(30.6, OWNER)
        .deletes(31.0, true)
        .breaks("2");
    for spec in [
        json!({"deletionPolicy": "Retain"}),
        json!({"deletionPolicy": "DeleteWithImages", "suspend": true}),
        json!({"deletionPolicy": "DeleteWithImages", "managementPolicy": "Observe"}),
    ] {
        let changed = || ending("DeleteWithImages").object(31.0, spec.clone(), true);
        let proved = |case: Case, at: f64| case.looks(at).reads_tags(at, OWNER);
        proved(changed(), 33.0).deletes(33.9, true).holds();
        proved(changed(), 34.0).deletes(34.2, true).breaks("2");
    }
}

#[test]
fn a_write_needs_a_fresh_proof_of_the_owner_and_its_wish() {
    plain().reads_tags(5.0, OWNER).writes(7.9).holds();
    plain().reads_tags(5.0, OWNER).writes(8.2).breaks("1");
    plain().looks(1.5).creates(2.0).writes(4.9).holds();
    plain().looks(1.5).creates(2.0).writes(5.2).breaks("1");
    let mut answered_late = plain().looks(1.5).creates(2.0);
    answered_late.calls[0].answered += 4.0;
    answered_late.writes(6.1).breaks("1");
    let foreign = "there/team/api";
    let write = |owner| {
        plain()
            .reads_tags(5.0, owner)
            .call(5.1, "PutLifecyclePolicy", Some(owner), json!({}))
    };
    write(OWNER).holds();
    write(foreign).breaks("1");
    write("").breaks("1");
    let suspended = || plain().object(10.0, json!({"suspend": true}), false);
    suspended().reads_tags(12.0, OWNER).writes(12.9).holds();
    suspended().reads_tags(13.0, OWNER).writes(13.2).breaks("1");
}

/// While an object waits to be deleted nothing is written but what its class enforces.
#[test]
fn a_write_of_one_that_ends_needs_a_class_that_enforces_it() {
    let tags = |tags: Value| json!({"tags": tags});
    let team = tags(json!([{"Key": "team", "Value": "a"}]));
    let both = tags(json!([{"Key": "team", "Value": "a"}, {"Key": "own", "Value": "b"}]));
    let other = tags(json!([{"Key": "team", "Value": "b"}]));
    let all = json!({"lifecyclePolicy": {"rules": []}, "tags": {"team": "a"}});
    let write = |enforced: &Value, operation: &str, input: &Value| {
        let class = json!({
            "metadata": {
                "name": "default", "uid": "class", "resourceVersion": "2",
                "annotations": {"ecr-operator.dev/is-default-class": "true"},
            },
            "spec": {"enforced": enforced},
        });
        let mut case = ending("Delete");
        case.entry(20.0, "admin", ("patch", "ecrrepositoryclasses"), class);
        let proved = case.reads_tags(40.0, OWNER);
        proved.call(40.5, operation, Some(OWNER), input.clone())
    };
    let put = "PutLifecyclePolicy";
    write(&all, put, &json!({})).holds();
    write(&all, "TagResource", &team).holds();
    write(&all, "TagResource", &both).breaks("1");
    write(&all, "TagResource", &other).breaks("1");
    write(&all, "PutImageTagMutability", &json!({})).breaks("1");
    write(&json!({}), put, &json!({})).breaks("1");
    write(&Value::Null, put, &json!({})).breaks("1");
}

/// Who is suspended against its class gets what that enforces.
#[test]
fn a_write_of_one_that_is_suspended_needs_a_class_that_forbids_it() {
    let write = |management: Value, enforced: Value| {
        let class = json!({
            "metadata": {
                "name": "default", "uid": "class", "resourceVersion": "2",
                "annotations": {"ecr-operator.dev/is-default-class": "true"},
            },
            "spec": {"enforced": enforced, "managementPolicies": management},
        });
        let mut case = plain().object(10.0, json!({"suspend": true}), false);
        case.entry(20.0, "admin", ("patch", "ecrrepositoryclasses"), class);
        case.reads_tags(40.0, OWNER).writes(40.5)
    };
    let all = || json!({"lifecyclePolicy": {"rules": []}});
    write(json!(["Enforce", "Observe"]), all()).holds();
    write(json!(["Enforce", "Suspend"]), all()).breaks("1");
    write(Value::Null, all()).breaks("1");
    write(json!(["Enforce"]), json!({})).breaks("1");
}

#[test]
fn an_owners_tag_goes_over_none_but_a_dead_or_a_named_one() {
    let spec = |policy: &str| Case::new(json!({"adoption": {"policy": policy}}));
    let from = |owner: &str| json!({"adoption": {"policy": "TakeOver", "from": owner}});
    let taken = |case: Case, owner: &str| case.reads_tags(5.0, owner).adopts(5.1, owner);
    taken(spec("IfUnowned"), "").holds();
    taken(spec("Never"), "").breaks("10");
    taken(spec("IfUnowned"), "there/team/rival").breaks("10");
    // Of our own cluster, and there is no such object.
    taken(spec("IfUnowned"), "here/team/rival").holds();
    taken(Case::new(from("there/team/rival")), "there/team/rival").holds();
    taken(Case::new(from("there/team/other")), "there/team/rival").breaks("10");
    // It was nobody's when it was read. Two may read so at once; the other's tag is then read back.
    let read = |at: f64, owner: &str| spec("IfUnowned").reads_tags(5.0, "").adopts(at, owner);
    read(7.9, "there/team/rival").holds();
    read(8.2, "there/team/rival").breaks("10");
    read(8.2, "").breaks("1");
}

#[test]
fn what_was_taken_over_is_not_taken_again_by_the_same_wish() {
    let from = |owner: &str| json!({"adoption": {"policy": "TakeOver", "from": owner}});
    let rival = "there/team/rival";
    let takes = |case: Case, at: f64| case.reads_tags(at, rival).adopts(at + 0.1, rival);
    let is = |case: Case, at: f64, spec: Value, ready: &str| {
        case.object_of("first", at, (spec, ready, false))
    };
    let begun = || takes(Case::new(from(rival)), 5.0);
    // It may have crashed before it knew.
    takes(begun(), 20.0).holds();
    let ready = || is(begun(), 8.0, from(rival), "True");
    takes(ready(), 20.0).breaks("10");
    takes(is(ready(), 15.0, from(rival), "False"), 20.0).breaks("10");
    // Somebody asks anew, or another does.
    let anew = is(ready(), 15.0, json!({}), "False");
    takes(is(anew, 16.0, from(rival), "False"), 20.0).holds();
    let other = ready().object_of("second", 15.0, (from(rival), "False", false));
    takes(other, 20.0).holds();
}

#[test]
fn an_object_is_let_go_when_nothing_is_left_to_do_for_it() {
    ending("Delete").deletes(31.0, false).let_go(32.0).holds();
    ending("Delete").let_go(32.0).breaks("8");
    let next = |case: Case| case.looks(32.1).reads_tags(32.2, OWNER);
    next(ending("Delete").deletes(31.0, false).let_go(32.0)).holds();
    ending("Delete")
        .reads_tags(31.0, "there/team/api")
        .let_go(32.0)
        .holds();
    ending("Retain").let_go(32.0).holds();
    let retained = ending("Delete").object(31.0, json!({"deletionPolicy": "Retain"}), true);
    retained.let_go(40.0).holds();
    let again = ending("Retain").object(31.0, json!({"deletionPolicy": "Delete"}), true);
    again.let_go(34.2).breaks("8");
}
