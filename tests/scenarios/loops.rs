//! Whatever failed before: between two changes an object has as few passes as there are resyncs, and
//! what is refused is tried ever more seldom. Time is counted by sweeps, which come every two seconds.

use std::time::Duration;

use ecr_emulator::{Call, Fault};
use serde_json::{Value, json};

use crate::{
    samples::{keep_last, whole},
    world::{
        NO_ROTA, Relay, World,
        estate::{Estate, condition},
        is_sweep,
    },
};

const HUB: &str = "123456789012";
const REGION: &str = "ap-southeast-1";

fn sweeps(calls: &[Call]) -> usize {
    calls.iter().filter(|it| is_sweep(it)).count()
}

/// How many passes there are until so many more sweeps were made.
async fn passes(estate: &Estate, times: usize) -> u64 {
    let (before, swept) = (estate.operator().passes().await, sweeps(&estate.calls()));
    estate
        .until("sweeps", |it| sweeps(&it.calls()) >= swept + times)
        .await;
    estate.operator().passes().await - before
}

/// The same in a world of one namespace.
async fn passes_in(world: &World, times: usize) -> u64 {
    let (before, swept) = (world.operator().passes().await, sweeps(&world.calls()));
    world
        .until("sweeps", |it| sweeps(&it.calls()) >= swept + times)
        .await;
    world.operator().passes().await - before
}

/// An estate with an object at rest, for which a registry of its own is swept.
async fn estate(name: &str) -> Estate {
    let estate = Estate::new(name).await;
    estate.namespace("quiet", json!({"quiet": "yes"})).await;
    let of_it = json!({"matchLabels": {"quiet": "yes"}});
    estate
        .class("well", json!({"allowedNamespaces": of_it}))
        .await;
    let spec = json!({"className": "well"});
    estate.apply("quiet", "witness", spec).await;
    estate.ready("quiet", "witness").await;
    estate
}

/// Ten objects for each of which a creation was denied.
async fn denied(estate: &Estate) -> Vec<String> {
    let names: Vec<_> = (0..10).map(|number| format!("api-{number}")).collect();
    for name in &names {
        let denied = Fault::on("CreateRepository").repository(&format!("payments/{name}"));
        estate.emulator.inject(denied.forever().deny());
        let spec = json!({"className": "prod"});
        estate.apply("payments", name, spec).await;
    }
    let repositories = estate.repositories("payments");
    for name in &names {
        let denied = ["Ready", "False", "AccessDenied"];
        estate.says(&repositories, name, denied).await;
    }
    names
}

#[tokio::test]
async fn a_class_that_goes_after_a_denied_call_leaves_nothing_that_spins() {
    let estate = estate("class-gone").await;
    estate.namespace("payments", json!({})).await;
    estate.class("prod", json!({"allowedNamespaces": {}})).await;
    let names = denied(&estate).await;
    estate.delete(&estate.classes(), "prod").await;
    for name in &names {
        estate.stalled("payments", name, "ClassNotReady").await;
    }
    let made = passes(&estate, 4).await;
    assert!(made <= 60, "{made} passes of ten objects in four resyncs");
    estate.emulator.clear_faults();
    estate.finish().await;
}

#[tokio::test]
async fn a_permission_that_goes_after_a_denied_call_leaves_nothing_that_spins() {
    let estate = estate("label-gone").await;
    let permitted = json!({"ecr": "yes"});
    estate.namespace("payments", permitted.clone()).await;
    let class = json!({"allowedNamespaces": {"matchLabels": permitted}});
    estate.class("prod", class).await;
    let names = denied(&estate).await;
    estate.namespace("payments", json!({})).await;
    for name in &names {
        estate.stalled("payments", name, "NotPermitted").await;
    }
    let made = passes(&estate, 4).await;
    assert!(made <= 60, "{made} passes of ten objects in four resyncs");
    estate.emulator.clear_faults();
    estate.finish().await;
}

#[tokio::test]
async fn a_preview_that_was_throttled_once_is_forgotten_when_it_is_made() {
    let estate = estate("preview").await;
    estate.namespace("payments", json!({})).await;
    let mut class = json!({"allowedNamespaces": {}});
    estate.class("prod", class.clone()).await;
    let spec = json!({"className": "prod"});
    estate.apply("payments", "api", spec).await;
    estate.ready("payments", "api").await;
    for number in 0..3 {
        estate.push(HUB, REGION, "payments/api", &format!("v{number}"));
    }
    let throttled = Fault::on("StartLifecyclePolicyPreview").times(2);
    estate.emulator.inject(throttled.throttle());
    class["defaults"] = json!({"lifecyclePolicy": keep_last(1)});
    estate.class("prod", class).await;
    estate
        .stalled("payments", "api", "LifecycleNeedsApproval")
        .await;
    let mark = estate.calls().len();
    let made = passes(&estate, 5).await;
    assert!(made <= 15, "{made} passes of one object in five resyncs");
    let calls = estate.calls().split_off(mark);
    let reads = calls
        .iter()
        .filter(|it| it.operation == "GetLifecyclePolicy");
    assert!(reads.count() <= 15);
    estate.finish().await;
}

#[tokio::test]
async fn who_cannot_write_a_status_tries_ever_more_seldom() {
    let mut estate = estate("no-status").await;
    estate.stop_operator().await;
    let relay = Relay::to(&estate.server, "relay.kubeconfig").await;
    estate.server = relay.server.clone();
    estate.start_operator().await;
    estate.namespace("payments", json!({})).await;
    estate.class("prod", json!({"allowedNamespaces": {}})).await;
    for (name, code) in [("conflict", 409), ("not-found", 404)] {
        relay.refuse_status(Some(code));
        let spec = json!({"className": "prod"});
        estate.apply("payments", name, spec).await;
        let made = passes(&estate, 5).await;
        assert!(made <= 12, "{made} passes of one object in five resyncs");
        let log = estate.operator().log();
        assert!(log.contains("retrying: "), "{log}");
        relay.refuse_status(None);
        estate.ready("payments", name).await;
    }
    estate.finish().await;
}

/// An object at rest, for which the registry is swept.
async fn witness(world: &World) {
    world.apply("witness", json!({})).await;
    world.ready("witness").await;
    world.looks(&world.in_ecr("witness"), 2).await;
}

#[tokio::test]
async fn two_operations_of_one_aspect_are_each_tried_ever_more_seldom() {
    let world = World::new("tags").await;
    witness(&world).await;
    world.apply("api", json!({"tags": {"old": "1"}})).await;
    world.ready("api").await;
    let operations = ["TagResource", "UntagResource"];
    for operation in operations {
        world.emulator.inject(Fault::on(operation).forever().deny());
    }
    world.apply("api", json!({"tags": {"new": "1"}})).await;
    passes_in(&world, 9).await;
    for operation in operations {
        let made = world.count(operation);
        // At once, and after 1, 2, 4 and 8 seconds; by the dice after half of them.
        assert!((2..=7).contains(&made), "{made} calls of {operation}");
    }
    let object = world.get("api").await;
    let pending = object.status.unwrap().pending;
    assert!(pending.iter().all(|it| it.since.is_some()), "{pending:?}");
    world.emulator.clear_faults();
    world.ready("api").await;
    world.finish().await;
}

fn fleet() -> Vec<String> {
    (0..5).map(|number| format!("api-{number}")).collect()
}

async fn resting(world: &World) {
    for name in fleet() {
        world.apply(&name, whole(10)).await;
    }
    for name in fleet() {
        world.ready(&name).await;
    }
    world.looks(&world.in_ecr("api-0"), 2).await;
}

#[tokio::test]
async fn a_policy_that_may_not_be_read_is_not_read_at_the_pace_of_the_bucket() {
    let world = World::new("unread").await;
    resting(&world).await;
    let settled = world.get("api-0").await;
    let denied = Fault::on("GetLifecyclePolicy").forever();
    world.emulator.inject(denied.deny());
    let mark = world.calls().len();
    passes_in(&world, 9).await;
    let calls = world.calls().split_off(mark);
    let reads = calls
        .iter()
        .filter(|it| it.operation == "GetLifecyclePolicy");
    let reads = reads.count();
    assert!((5..=40).contains(&reads), "{reads} reads of five objects");
    let others = calls
        .iter()
        .filter(|it| it.operation == "GetRepositoryPolicy");
    assert!(others.count() >= 15, "the other one has turns of its own");
    let now = world.get("api-0").await;
    assert_eq!(now.status, settled.status, "it flips nothing");
    world.emulator.clear_faults();
    world.finish().await;
}

#[tokio::test]
async fn sweeps_that_fail_make_nobody_spin() {
    let world = World::new("unswept").await;
    resting(&world).await;
    let failed = Fault::on("DescribeRepositories").no_repository().forever();
    world.emulator.inject(failed.server_error());
    let made = passes_in(&world, 9).await;
    assert!(made <= 60, "{made} passes of five objects");
    world.emulator.clear_faults();
    world.finish().await;
}

#[tokio::test]
async fn who_loses_a_name_wakes_nobody_who_has_it() {
    let mut world = World::without_operator("loser").await;
    world.flag(NO_ROTA);
    world.start_operator().await;
    let spec = json!({"repositoryName": world.in_ecr("api")});
    world.apply("winner", spec.clone()).await;
    world.ready("winner").await;
    world.apply("loser", spec).await;
    world.stalled("loser", "NameConflict").await;
    world.looks(&world.in_ecr("api"), 4).await;
    let made = passes_in(&world, 8).await;
    assert!(made <= 12, "{made} passes, and eight are the loser's own");
    world.finish().await;
}

/// The calls that are about anything but the whole registry.
fn singly(calls: &[Call]) -> Vec<&str> {
    let single = calls.iter().filter(|it| {
        let of_all = ["GetResources", "GetCallerIdentity"];
        !is_sweep(it) && !of_all.contains(&it.operation.as_str())
    });
    single.map(|it| it.operation.as_str()).collect()
}

/// Objects that only observe: what nobody owns, and what is not there; and one that its class refuses.
async fn observing(world: &World, names: &[&str]) {
    for name in names {
        let mut spec = whole(10);
        spec["managementPolicy"] = json!("Observe");
        match *name {
            "other" => spec["adoption"] = json!({"policy": "IfUnowned"}),
            "refused" => spec["deletionPolicy"] = json!("DeleteWithImages"),
            _ => {}
        }
        world.apply(name, spec).await;
        let planned = |object: &ecr_operator::api::ECRRepository| {
            let status = object.status.as_ref();
            status.is_some_and(|it| !it.pending.is_empty())
        };
        world.wait(name, "a plan", planned).await;
    }
    world.looks(&world.in_ecr(names[0]), 3).await;
}

#[tokio::test]
async fn who_only_observes_costs_at_rest_what_others_cost() {
    let mut world = World::without_operator("observe").await;
    world.flag(NO_ROTA);
    world.start_operator().await;
    let names = ["there", "other", "refused", "absent"];
    for name in &names[..3] {
        world.make_outside(&world.in_ecr(name), &[("team", "payments")]);
    }
    observing(&world, &names).await;
    let before = world.get("there").await;
    let mark = world.calls().len();
    passes_in(&world, 4).await;
    assert_eq!(singly(&world.calls()[mark..]), [""; 0]);
    // A restart asks nothing of each either.
    world.stop_operator().await;
    world.start_operator().await;
    let mark = world.calls().len();
    passes_in(&world, 3).await;
    assert_eq!(singly(&world.calls()[mark..]), [""; 0]);
    assert_eq!(world.get("there").await.status, before.status);
    // What changes outside changes the plan.
    world.outside(
        "PutImageTagMutability",
        json!({"repositoryName": world.in_ecr("there"), "imageTagMutability": "MUTABLE"}),
    );
    let plans = |operation: &'static str| {
        move |object: &ecr_operator::api::ECRRepository| {
            let pending = &object.status.as_ref().unwrap().pending;
            pending.iter().any(|it| it.action == operation)
        }
    };
    world
        .wait("there", "another plan", plans("PutImageTagMutability"))
        .await;
    world.make_outside(&world.in_ecr("absent"), &[]);
    world
        .wait("absent", "a plan for what is there", plans("TagResource"))
        .await;
    world.finish().await;
}

#[tokio::test]
async fn a_turn_of_the_rota_reads_policies_and_tags_for_who_only_observes() {
    let mut world = World::without_operator("observed-rota").await;
    world.flag("--policy-resync-seconds=4");
    world.start_operator().await;
    world.make_outside(&world.in_ecr("there"), &[("team", "payments")]);
    observing(&world, &["there"]).await;
    let mark = world.calls().len();
    passes_in(&world, 8).await;
    let calls = world.calls().split_off(mark);
    let mut operations = singly(&calls);
    let made = operations.len();
    operations.sort_unstable();
    operations.dedup();
    let reads = [
        "GetLifecyclePolicy",
        "GetRepositoryPolicy",
        "ListTagsForResource",
    ];
    assert_eq!(operations, reads);
    assert!(made <= 3 * 6, "{made} reads in four turns");
    // Nobody lists the tags of what nobody owns: a turn sees them.
    world.tag(&world.in_ecr("there"), "team", "payments-2");
    let tagged = |object: &ecr_operator::api::ECRRepository| {
        let pending = &object.status.as_ref().unwrap().pending;
        let said = |it: &&ecr_operator::api::PendingAction| {
            let message = it.message.as_deref().unwrap_or_default();
            message.contains("payments-2")
        };
        pending.iter().find(said).is_some()
    };
    world.wait("there", "another plan", tagged).await;
    world.finish().await;
}

/// What is told of the policy that AWS refuses.
fn told(object: &ecr_operator::api::ECRRepository) -> Value {
    let status = object.status.as_ref().unwrap();
    json!({"pending": status.pending, "conditions": status.conditions})
}

/// The time since a refusal is what status says: here it is set back, as if ten minutes had passed.
async fn set_back(world: &World, name: &str) {
    let mut status = json!(world.get(name).await.status.unwrap());
    status["pending"][0]["since"] = json!("2026-01-02T03:04:05Z");
    let patch = kube::api::Patch::Merge(json!({"status": status}));
    let params = kube::api::PatchParams::default();
    let api = world.api();
    api.patch_status(name, &params, &patch).await.unwrap();
}

#[tokio::test]
async fn ten_minutes_go_on_through_requests_and_restarts() {
    let mut world = World::without_operator("ten-minutes").await;
    for flag in ["resync", "stalled-retry", "policy-resync"] {
        world.flag(&format!("--{flag}-seconds=600"));
    }
    world.start_operator().await;
    let role = "arn:aws:iam::111122223333:role/new";
    world.emulator.configure(|settings| {
        settings.unknown_principals.insert(role.to_owned(), None);
    });
    let spec = json!({"access": {"pull": [role]}});
    world.apply("api", spec.clone()).await;
    let refused = |object: &ecr_operator::api::ECRRepository| {
        crate::world::condition(object, "Reconciling") == Some(("True", "PolicyNotYetAccepted"))
    };
    let before = world.wait("api", "it is refused", refused).await;
    let since = before.status.unwrap().pending[0].since.clone();
    assert!(since.is_some());
    // Neither a request nor a restart makes it young again.
    let tries = world.count("SetRepositoryPolicy");
    crate::looking::reconcile_now(&world, "api", "1").await;
    world.stop_operator().await;
    world.start_operator().await;
    let again = |w: &World| w.count("SetRepositoryPolicy") >= tries + 3;
    world.until("it is tried again", again).await;
    let now = world.get("api").await;
    assert_eq!(now.status.unwrap().pending[0].since, since);
    world.stop_operator().await;
    set_back(&world, "api").await;
    let tries = world.count("SetRepositoryPolicy");
    world.start_operator().await;
    let stalled = world.stalled("api", "InvalidPolicy").await;
    assert_eq!(
        world.count("SetRepositoryPolicy"),
        tries + 1,
        "the verdict is that of the first try"
    );
    // From now on it is Stalled, whatever happens, until it is taken.
    crate::looking::reconcile_now(&world, "api", "2").await;
    let asked = world.count("SetRepositoryPolicy");
    assert_eq!(asked, tries + 2, "a request tries at once");
    for operation in ["SetRepositoryPolicy", "DescribeRepositories"] {
        world.stop_operator().await;
        let down = Fault::on(operation).times(2);
        world.emulator.inject(down.server_error());
        world.start_operator().await;
        let made = asked + 1;
        let is_tried = |w: &World| w.count("SetRepositoryPolicy") >= made;
        world.until("it is tried", is_tried).await;
    }
    assert_eq!(told(&world.get("api").await), told(&stalled));
    let versions = world.versions("api").await;
    let since_then = versions
        .iter()
        .skip_while(|it| it.metadata.resource_version != stalled.metadata.resource_version);
    for version in since_then {
        assert_eq!(told(version), told(&stalled));
    }
    world
        .emulator
        .configure(|settings| settings.unknown_principals.clear());
    crate::looking::reconcile_now(&world, "api", "3").await;
    world.ready("api").await;
    world.finish_looking().await;
}

#[tokio::test]
async fn five_minutes_of_a_class_go_on_through_restarts() {
    let mut estate = Estate::quiet("five-minutes").await;
    let role = "arn:aws:iam::222222222222:role/ecr-operator";
    let class = json!({"assumeRole": {"roleArn": role}, "allowedNamespaces": {}});
    estate
        .emulator
        .inject(Fault::on("AssumeRole").forever().deny());
    estate.class("prod", class).await;
    let classes = estate.classes();
    let denied = ["Reconciling", "True", "AccessDenied"];
    estate.says(&classes, "prod", denied).await;
    estate.stop_operator().await;
    let mut object = classes.get("prod").await.unwrap();
    for condition in object.data["status"]["conditions"].as_array_mut().unwrap() {
        condition["lastTransitionTime"] = json!("2026-01-02T03:04:05Z");
    }
    let patch = kube::api::Patch::Merge(json!({"status": object.data["status"]}));
    let params = kube::api::PatchParams::default();
    classes.patch_status("prod", &params, &patch).await.unwrap();
    for _ in 0..2 {
        estate.start_operator().await;
        let stalled = ["Stalled", "True", "AccessDenied"];
        estate.says(&classes, "prod", stalled).await;
        estate.more("AssumeRole", 1).await;
        let now = classes.get("prod").await.unwrap();
        assert_eq!(condition(&now, "Reconciling"), None);
        estate.stop_operator().await;
    }
    estate.emulator.clear_faults();
    estate.start_operator().await;
    estate
        .says(&classes, "prod", ["Ready", "True", "Ready"])
        .await;
    estate.finish().await;
}

/// A draw at each start would leave about every third unread for two intervals.
#[tokio::test]
async fn a_restart_puts_no_turn_of_the_rota_off() {
    let mut world = World::without_operator("rota").await;
    world.flag("--policy-resync-seconds=16");
    world.start_operator().await;
    resting(&world).await;
    for _ in 0..8 {
        world.stop_operator().await;
        world.start_operator().await;
        passes_in(&world, 3).await;
    }
    let calls = world.calls();
    let end = calls.last().unwrap().time;
    for name in fleet() {
        let repository = json!(world.in_ecr(&name));
        let known = calls.iter().filter(|it| {
            let about = ["PutLifecyclePolicy", "GetLifecyclePolicy"];
            about.contains(&it.operation.as_str()) && it.input["repositoryName"] == repository
        });
        let mut times: Vec<_> = known.map(|it| it.time).collect();
        times.push(end);
        let longest = times.windows(2).map(|it| it[1] - it[0]);
        let longest = longest.fold(0.0, f64::max);
        let limit = Duration::from_secs(16 + 10).as_secs_f64();
        assert!(longest < limit, "{name} was not read for {longest} seconds");
    }
    world.finish().await;
}
