//! What happens while no watch tells of it: the API server was restarted, compacted or cut off, the watch
//! ends, and all is listed anew. Whatever happened meanwhile is acted upon at once, by operators that look at
//! nothing by themselves for as long as a scenario waits.

use std::{pin::Pin, time::Duration};

use ecr_emulator::Fault;
use ecr_operator::api::{ECRRepository, RECONCILE_ANNOTATION};
use kube::ResourceExt as _;
use serde_json::{Value, json};
use xtask::install::NAMESPACE;

use crate::{
    leader::{rights, stands_by},
    world::{
        ACCOUNT, End, REGION, Relay, World,
        estate::{Estate, Object},
    },
};

/// A few attempts of the watch, and what a busy machine needs beside.
const SECONDS: Duration = Duration::from_secs(30);

/// Boxed: what waits for an object is large.
fn soon<'a, T: 'a>(
    what: &'a str,
    happens: impl Future<Output = T> + 'a,
) -> Pin<Box<dyn Future<Output = T> + 'a>> {
    Box::pin(async move {
        let happened = tokio::time::timeout(SECONDS, happens).await;
        happened.unwrap_or_else(|_| panic!("not acted upon within {SECONDS:?}: {what}"))
    })
}

fn tagged(value: &str) -> Value {
    json!({"tags": {"team": value}, "deletionPolicy": "Delete"})
}

/// Objects that are at rest: one for each thing that may happen, and one to which nothing does.
const NAMES: [&str; 5] = ["changed", "deleted", "asked", "anew", "left"];

async fn at_rest(world: &World) -> ECRRepository {
    for name in NAMES {
        world.apply(name, tagged("a")).await;
    }
    for name in NAMES {
        world.ready(name).await;
    }
    world.get("anew").await
}

/// All that may happen to objects.
async fn happens(world: &World, round: usize) {
    let round = round.to_string();
    world.apply("changed", tagged(&round)).await;
    world.delete("deleted").await;
    world.annotate("asked", RECONCILE_ANNOTATION, &round).await;
    let finalizers = json!({"metadata": {"finalizers": null}});
    let merge = kube::api::Patch::Merge(&finalizers);
    world
        .api()
        .patch("anew", &kube::api::PatchParams::default(), &merge)
        .await
        .unwrap();
    world.delete("anew").await;
    world.apply("anew", tagged(&round)).await;
    world.apply(&format!("new-{round}"), tagged("a")).await;
}

/// All of it is acted upon.
async fn acted(world: &World, round: usize, anew: &ECRRepository, deleted: &ECRRepository) {
    let round = round.to_string();
    let echo = |it: &ECRRepository| {
        let status = it.status.as_ref();
        status.and_then(|it| it.last_handled_request_at.as_deref()) == Some(&round)
    };
    let new = format!("new-{round}");
    soon("a new object", world.ready(&new)).await;
    soon("a spec", world.ready("changed")).await;
    soon("a deletion", world.gone(deleted)).await;
    soon("a request", world.wait("asked", "its echo", echo)).await;
    let again = soon("an object made anew", world.ready("anew")).await;
    assert_ne!(again.uid(), anew.uid());
    for name in ["changed", "anew"] {
        assert_eq!(
            world.repository(name).unwrap().tags["team"],
            round,
            "{name}"
        );
    }
    assert!(world.repository("deleted").is_none());
}

#[tokio::test]
async fn what_happened_to_objects_in_a_gap_is_acted_upon() {
    let mut world = World::without_operator("gap-objects").await;
    world.seldom();
    let relay = Relay::to(&world.server, &format!("{}.kubeconfig", world.namespace)).await;
    let operator = world.spawn_operator_on(&relay.server, &[]);
    operator.ready().await;
    world.adopt_operator(operator);
    for (round, end) in [End::Told, End::Refused, End::Told].into_iter().enumerate() {
        let anew = at_rest(&world).await;
        let deleted = world.get("deleted").await;
        relay.gap();
        happens(&world, round).await;
        // The last list breaks off, and the watch after it cannot begin.
        relay.break_next(
            u32::from(end == End::Refused),
            u32::try_from(round).unwrap(),
        );
        relay.end(end);
        acted(&world, round, &anew, &deleted).await;
        assert!(relay.has_broken(), "{round}");
    }
    // What is gone is not counted, nor waited for.
    let metrics = world.operator().scrape().await.unwrap();
    let depth = r#"workqueue_depth{name="ecrrepository",controller="ecrrepository"} 0"#;
    assert!(metrics.contains(depth), "{metrics}");
    world.finish_looking().await;
}

#[tokio::test]
async fn a_change_in_a_gap_is_acted_upon_though_a_pass_over_the_former_is_under_way() {
    let mut world = World::without_operator("gap-passes").await;
    world.seldom();
    let relay = Relay::to(&world.server, &format!("{}.kubeconfig", world.namespace)).await;
    let operator = world.spawn_operator_on(&relay.server, &[]);
    operator.ready().await;
    world.adopt_operator(operator);
    for name in ["during", "after"] {
        world.apply(name, tagged("a")).await;
        world.ready(name).await;
    }
    let slow = Fault::on("TagResource").delay(Duration::from_secs(6));
    world.emulator.inject(slow);
    world.apply("during", tagged("b")).await;
    world.struck().await;
    relay.gap();
    world.apply("during", tagged("c")).await;
    world.apply("after", tagged("c")).await;
    relay.end(End::Told);
    for name in ["after", "during"] {
        soon(name, world.ready(name)).await;
        assert_eq!(world.repository(name).unwrap().tags["team"], "c", "{name}");
    }
    world.finish_looking().await;
}

#[tokio::test]
async fn who_takes_over_acts_upon_what_happened_before_and_in_its_first_list() {
    let mut world = World::without_operator("gap-leader").await;
    world.seldom();
    world.flag("--leader-elect");
    world.flag(&format!("--lease-namespace={NAMESPACE}"));
    let lease = format!("ecr-operator-{}", world.namespace);
    let apply = ["apply", "-n", NAMESPACE, "-f", "-"];
    let kubectl = world.server.kubectl.clone();
    kubectl
        .run_with(&apply, &rights(&lease).to_string())
        .await
        .unwrap();
    let first = world.spawn_operator(&[("POD_NAME", "a")]);
    first.ready().await;
    let anew = at_rest(&world).await;
    let deleted = world.get("deleted").await;
    let relay = Relay::to(&world.server, &format!("{lease}.kubeconfig")).await;
    let second = world.spawn_operator_on(&relay.server, &[("POD_NAME", "b")]);
    stands_by(&second, "a").await;
    relay.gap();
    relay.break_next(1, 1);
    first.stop().await;
    happens(&world, 1).await;
    relay.end(End::Told);
    acted(&world, 1, &anew, &deleted).await;
    assert!(relay.has_broken());
    // As leader it misses nothing either.
    let anew = at_rest(&world).await;
    let deleted = world.get("deleted").await;
    relay.gap();
    happens(&world, 2).await;
    relay.end(End::Told);
    acted(&world, 2, &anew, &deleted).await;
    world.adopt_operator(second);
    world.stop_operator().await;
    world.flag("--leader-elect=false");
    world.finish_looking().await;
}

fn open() -> Value {
    json!({"allowedNamespaces": {}, "deletionPolicies": ["Retain"]})
}

fn enforcing(team: &str) -> Value {
    json!({"allowedNamespaces": {}, "enforced": {"tags": {"team": team}}})
}

fn for_tier(tier: &str) -> Value {
    json!({"allowedNamespaces": {"matchLabels": {"tier": tier}}})
}

/// Waits until the class says that so many objects are of it.
async fn counts(estate: &Estate, class: &str, count: i64) {
    let counted = |it: &Object| it.data["status"]["repositories"].as_i64() == Some(count);
    let classes = estate.classes();
    let what = format!("{class} counts {count}");
    soon(&what, estate.wait(&classes, class, &what, counted)).await;
}

/// A cluster whose operator goes through a relay.
pub(crate) async fn relayed(name: &str) -> (Estate, Relay) {
    let mut estate = Estate::quiet(name).await;
    estate.stop_operator().await;
    let relay = Relay::to(&estate.server, "relay.kubeconfig").await;
    estate.server = relay.server.clone();
    estate.start_operator().await;
    (estate, relay)
}

#[tokio::test]
async fn what_happened_to_classes_in_a_gap_is_acted_upon() {
    let (estate, relay) = relayed("gap-classes").await;
    estate.namespace("payments", json!({})).await;
    // What is listed before and after what changes: a list takes a while.
    for (name, spec) in [("b", enforcing("one")), ("deleted", open()), ("z", open())] {
        estate.class(name, spec).await;
    }
    for (name, class) in [("enforced", "b"), ("waits", "a"), ("lost", "deleted")] {
        let spec = json!({"className": class});
        estate.apply("payments", name, spec).await;
    }
    estate.ready("payments", "enforced").await;
    estate.ready("payments", "lost").await;
    estate.stalled("payments", "waits", "ClassNotFound").await;
    for (class, count) in [("b", 1), ("deleted", 1), ("z", 0)] {
        counts(&estate, class, count).await;
    }
    for (team, new, end) in [("two", "a", End::Told), ("three", "aa", End::Refused)] {
        let spec = json!({"className": new});
        estate.apply("payments", "waits", spec).await;
        estate.stalled("payments", "waits", "ClassNotFound").await;
        relay.gap();
        estate.class("b", enforcing(team)).await;
        estate.class(new, open()).await;
        let classes = estate.classes();
        if end == End::Told {
            let unheld = json!({"finalizers": null});
            estate.patch(&classes, "deleted", unheld).await;
            estate.delete(&classes, "deleted").await;
            estate.gone(&classes, "deleted").await;
        }
        relay.break_next(u32::from(end == End::Refused), 0);
        relay.end(end);
        let what = "a new class";
        soon(what, estate.ready("payments", "waits")).await;
        counts(&estate, new, 1).await;
        let in_force = |it: &Estate| {
            let name = "payments/enforced";
            let found = it.emulator.repository(ACCOUNT, REGION, name);
            found.is_some_and(|it| it.tags.get("team").is_some_and(|it| it == team))
        };
        soon("a class", estate.until("the tag", in_force)).await;
        let what = "a class that is gone";
        let lost = estate.stalled("payments", "lost", "ClassNotFound");
        soon(what, lost).await;
    }
    // Nobody waits for a pass that cannot come: of a class that is gone, or is only named.
    let depth = r#"workqueue_depth{name="ecrrepositoryclass",controller="ecrrepositoryclass"} 0"#;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let empty = async {
        while !estate.operator().scrape().await.unwrap().contains(depth) {
            ticks.tick().await;
        }
    };
    soon("the queue of classes", empty).await;
    estate.finish().await;
}

#[tokio::test]
async fn what_happened_to_namespaces_in_a_gap_is_acted_upon() {
    let (estate, relay) = relayed("gap-namespaces").await;
    estate.class("fenced", for_tier("x")).await;
    // The first of the list.
    let namespace = "a-team";
    estate.namespace(namespace, json!({})).await;
    let spec = json!({"className": "fenced"});
    estate.apply(namespace, "api", spec).await;
    estate.stalled(namespace, "api", "NotPermitted").await;
    relay.gap();
    estate.namespace(namespace, json!({"tier": "x"})).await;
    relay.end(End::Told);
    soon("a label", estate.ready(namespace, "api")).await;
    relay.gap();
    estate.namespace(namespace, json!({"tier": "y"})).await;
    relay.break_next(1, 1);
    relay.end(End::Refused);
    let refused = estate.stalled(namespace, "api", "NotPermitted");
    soon("a label that is gone", refused).await;
    estate.finish().await;
}
