//! Sweeps: one look at the whole registry for all objects at rest, and what comes of what it shows.

use std::time::Duration;

use ecr_emulator::{Call, Fault};
use serde_json::json;

use crate::{
    looking::{FLUX, called, is_about, told, writes},
    samples::{keep_last, pull_by, whole},
    world::{NO_ROTA, World, assert_says, is_sweep, is_write, operations},
};

/// Objects at rest, and how many calls were made until then.
async fn resting(world: &World, names: &[String]) -> usize {
    for name in names {
        world.apply(name, whole(10)).await;
    }
    for name in names {
        world.ready(name).await;
    }
    // The first sweep finds what nobody has agreed with yet.
    world.looks(&world.in_ecr(&names[0]), 2).await;
    world.calls().len()
}

fn fleet(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("api-{number}")).collect()
}

/// The calls that are about one of these objects' repositories alone.
fn singly(world: &World, names: &[String], mark: usize) -> Vec<Call> {
    let mut calls = world.calls().split_off(mark);
    calls.retain(|call| names.iter().any(|name| is_about(call, &world.in_ecr(name))));
    calls
}

/// A world where policies are not looked at meanwhile.
async fn without_rota(name: &str) -> World {
    let mut world = World::without_operator(name).await;
    world.flag(NO_ROTA);
    world
}

#[tokio::test]
async fn objects_at_rest_share_one_look() {
    let mut world = without_rota("shared").await;
    world.start_operator().await;
    let names = fleet(6);
    let mark = resting(&world, &names).await;
    world.looks(&world.in_ecr("api-0"), 3).await;
    assert_eq!(operations(&singly(&world, &names, mark)), [""; 0]);
    let calls = world.calls().split_off(mark);
    let others = ["GetResources", "DescribeRepositories", "GetCallerIdentity"];
    for call in &calls {
        assert!(others.contains(&call.operation.as_str()), "{call:?}");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_restart_looks_once_for_all() {
    let mut world = without_rota("restarted").await;
    world.start_operator().await;
    let names = fleet(6);
    resting(&world, &names).await;
    world.stop_operator().await;
    let mark = world.calls().len();
    world.flag("--resync-seconds=600");
    world.start_operator().await;
    let swept = |world: &World| world.calls()[mark..].iter().any(is_sweep);
    world.until("the first sweep", swept).await;
    // Whatever it led to is done before this is answered.
    world.annotate("api-3", FLUX, "1").await;
    let handled = |object: &ecr_operator::api::ECRRepository| {
        let status = object.status.as_ref();
        status.is_some_and(|s| s.last_handled_reconcile_at.as_deref() == Some("1"))
    };
    world.wait("api-3", "handled", handled).await;
    let mut others = names.clone();
    others.retain(|name| name != "api-3");
    assert_eq!(operations(&singly(&world, &others, mark)), [""; 0]);
    let mut calls = world.calls().split_off(mark);
    calls.retain(|call| !is_about(call, &world.in_ecr("api-3")));
    let mut made = operations(&calls);
    made.sort_unstable();
    // Two of ECR's for as many as fit in a page: a hundred.
    assert_eq!(
        made,
        ["DescribeRepositories", "GetCallerIdentity", "GetResources"]
    );
    world.stop_operator().await;
    world.flag("--resync-seconds=2");
    world.start_operator().await;
    world.finish().await;
}

#[tokio::test]
async fn what_a_sweep_shows_is_confirmed_before_anybody_acts() {
    let mut world = without_rota("confirmed").await;
    world.start_operator().await;
    let names = fleet(3);
    let mark = resting(&world, &names).await;
    let repository = world.in_ecr("api-1");
    world.outside(
        "PutImageScanningConfiguration",
        json!({"repositoryName": repository, "imageScanningConfiguration": {"scanOnPush": false}}),
    );
    world.event("api-1", "DriftRepaired").await;
    let calls = singly(&world, &names, mark);
    let mut made = operations(&calls);
    made[..2].sort_unstable();
    assert_eq!(
        made,
        [
            "DescribeRepositories",
            "ListTagsForResource",
            "PutImageScanningConfiguration"
        ]
    );
    // What was repaired is agreed with anew, and a second change back to the very same is seen as well.
    world.looks(&repository, 3).await;
    world.outside(
        "PutImageScanningConfiguration",
        json!({"repositoryName": repository, "imageScanningConfiguration": {"scanOnPush": false}}),
    );
    let twice = |world: &World| writes(world, "api-1", mark).len() == 2;
    world.until("a second repair", twice).await;
    world.finish().await;
}

#[tokio::test]
async fn what_was_right_for_a_former_spec_is_drift_now() {
    let mut world = without_rota("former").await;
    world.start_operator().await;
    let immutable = json!({"imageTagMutability": "IMMUTABLE"});
    world.apply("api", immutable).await;
    world.ready("api").await;
    let repository = world.in_ecr("api");
    world.looks(&repository, 3).await;
    world
        .apply("api", json!({"imageTagMutability": "MUTABLE"}))
        .await;
    world.ready("api").await;
    let put = json!({"repositoryName": repository, "imageTagMutability": "IMMUTABLE"});
    world.outside("PutImageTagMutability", put);
    world.event("api", "DriftRepaired").await;
    world.finish().await;
}

#[tokio::test]
async fn tags_that_lag_behind_lead_to_no_write() {
    let mut world = without_rota("lagging").await;
    world.start_operator().await;
    world.emulator.configure(|it| it.tagging_lag_millis = 7_000);
    world
        .apply("api", json!({"tags": {"team": "payments"}}))
        .await;
    world.ready("api").await;
    let mark = world.calls().len();
    world.looks(&world.in_ecr("api"), 2).await;
    world
        .apply("api", json!({"tags": {"team": "search"}}))
        .await;
    world.ready("api").await;
    world.looks(&world.in_ecr("api"), 5).await;
    assert_eq!(writes(&world, "api", mark), ["TagResource"]);
    assert_eq!(told(&world, "api", "DriftRepaired").await, [""; 0]);
    world.finish().await;
}

#[tokio::test]
async fn who_may_not_list_looks_at_each() {
    let mut world = without_rota("unlisted").await;
    let no_list = Fault::on("DescribeRepositories").no_repository().forever();
    world.emulator.inject(no_list.deny());
    world.start_operator().await;
    let names = fleet(2);
    for name in &names {
        world.apply(name, whole(10)).await;
        world.ready(name).await;
    }
    world
        .until("it is said", |w| {
            w.operator()
                .log()
                .contains("allow ecr:DescribeRepositories")
        })
        .await;
    let look = |world: &World, name: &str| {
        let calls = singly(world, &[name.to_owned()], 0);
        calls
            .iter()
            .filter(|call| call.operation == "DescribeRepositories")
            .count()
    };
    world
        .until("looks of its own", |w| {
            names.iter().all(|name| look(w, name) >= 3)
        })
        .await;
    let repository = world.in_ecr("api-1");
    let off =
        json!({"repositoryName": repository, "imageScanningConfiguration": {"scanOnPush": false}});
    world.outside("PutImageScanningConfiguration", off);
    world.event("api-1", "DriftRepaired").await;
    // With the permission it sweeps.
    world.emulator.clear_faults();
    world.looks(&repository, 3).await;
    world.finish().await;
}

#[tokio::test]
async fn who_may_not_list_tags_reads_those_of_each() {
    let mut world = without_rota("untagged").await;
    world
        .emulator
        .inject(Fault::on("GetResources").forever().deny());
    world.start_operator().await;
    let names = fleet(2);
    let mark = resting(&world, &names).await;
    world
        .until("it is said", |w| {
            w.operator().log().contains("allow tag:GetResources")
        })
        .await;
    world.looks(&world.in_ecr("api-0"), 3).await;
    let calls = singly(&world, &names, mark);
    let made = operations(&calls);
    assert!(made.len() >= 4, "{made:?}");
    assert!(
        made.iter().all(|it| *it == "ListTagsForResource"),
        "{made:?}"
    );
    let arn = world.repository("api-1").unwrap().arn;
    let other = json!([{"Key": "team", "Value": "other"}]);
    world.outside("TagResource", json!({"resourceArn": arn, "tags": other}));
    world.event("api-1", "DriftRepaired").await;
    world.finish().await;
}

#[tokio::test]
async fn a_throttled_tagging_api_is_called_less_and_never_done_without() {
    let mut world = without_rota("throttled-tags").await;
    world.start_operator().await;
    let names = fleet(3);
    let mark = resting(&world, &names).await;
    let before = world.count("GetResources");
    world
        .emulator
        .inject(Fault::on("GetResources").forever().throttle());
    // More often than a way to it may be missing.
    called(&world, "GetResources", before + 6).await;
    assert_eq!(operations(&singly(&world, &names, mark)), [""; 0]);
    let metrics = world.operator().scrape().await.unwrap();
    let throttles = metrics.lines().find_map(|line| {
        line.strip_prefix("ecr_operator_aws_throttles_total{operation=\"GetResources\"} ")
    });
    let throttles: f64 = throttles.unwrap().parse().unwrap();
    assert!(throttles >= 6.0, "{throttles} calls were told to be slower");
    assert!(!world.operator().log().contains("allow tag:GetResources"));
    world.emulator.clear_faults();
    world.looks(&world.in_ecr("api-0"), 2).await;
    world.finish().await;
}

/// As in a VPC without an endpoint for it.
#[tokio::test]
async fn without_a_way_to_the_tagging_api_drift_is_seen_all_the_same() {
    let mut world = without_rota("no-tagging").await;
    world.start_operator().await;
    let names = fleet(2);
    let mark = resting(&world, &names).await;
    world
        .emulator
        .inject(Fault::on("GetResources").forever().drop_call());
    let arn = world.repository("api-1").unwrap().arn;
    let other = json!([{"Key": "team", "Value": "other"}]);
    world.outside("TagResource", json!({"resourceArn": arn, "tags": other}));
    world.event("api-1", "DriftRepaired").await;
    assert_says(&world.operator().log(), "open a way to the tagging API");
    let calls = world.calls().split_off(mark);
    let tried = calls.iter().filter(|it| it.operation == "GetResources");
    assert!(
        tried.count() >= 4,
        "one lost answer is no reason: {calls:?}"
    );
    world.finish().await;
}

#[tokio::test]
async fn a_sweep_that_fails_flips_nothing_and_is_made_again() {
    let mut world = without_rota("unswept").await;
    world.start_operator().await;
    let names = fleet(3);
    resting(&world, &names).await;
    let before = world.get("api-0").await;
    let failed = Fault::on("DescribeRepositories").no_repository().times(3);
    world.emulator.inject(failed.server_error());
    let mark = world.calls().len();
    let failures = |world: &World| {
        let calls = world.calls().split_off(mark);
        calls
            .iter()
            .filter(|call| is_sweep(call) && call.answer.is_err())
            .count()
    };
    world.until("three failures", |w| failures(w) == 3).await;
    world.looks(&world.in_ecr("api-0"), 2).await;
    assert_eq!(operations(&singly(&world, &names, mark)), [""; 0]);
    let now = world.get("api-0").await;
    assert_eq!(
        now.metadata.resource_version,
        before.metadata.resource_version
    );
    world.finish().await;
}

#[tokio::test]
async fn a_turn_of_the_rota_reads_the_policies_and_nothing_else() {
    let mut world = World::without_operator("rota").await;
    world.flag("--policy-resync-seconds=5");
    world.start_operator().await;
    let names = fleet(2);
    let mark = resting(&world, &names).await;
    called(&world, "GetRepositoryPolicy", 6).await;
    for call in singly(&world, &names, mark) {
        let reads = ["GetLifecyclePolicy", "GetRepositoryPolicy"];
        assert!(reads.contains(&call.operation.as_str()), "{call:?}");
    }
    let repository = world.in_ecr("api-0");
    let text = keep_last(99).to_string();
    let put = json!({"repositoryName": repository, "lifecyclePolicyText": text});
    world.outside("PutLifecyclePolicy", put);
    let text = pull_by("444455556666").to_string();
    let set = json!({"repositoryName": repository, "policyText": text});
    world.outside("SetRepositoryPolicy", set);
    world.event("api-0", "DriftRepaired").await;
    let repaired = |world: &World| writes(world, "api-0", mark).len() == 2;
    world.until("both are repaired", repaired).await;
    world.finish().await;
}

#[tokio::test]
async fn what_people_change_does_not_wait_for_the_first_sweep() {
    let mut world = without_rota("first").await;
    world.start_operator().await;
    let names = fleet(6);
    resting(&world, &names).await;
    world.stop_operator().await;
    let slow = Fault::on("GetResources").delay(Duration::from_secs(5));
    world.emulator.inject(slow);
    let mark = world.calls().len();
    world.apply("api-4", json!({"tags": {"team": "new"}})).await;
    world.start_operator().await;
    world.ready("api-4").await;
    let calls = world.calls().split_off(mark);
    let written = calls.iter().position(is_write).unwrap();
    let swept = calls.iter().position(is_sweep).unwrap_or(calls.len());
    assert!(written < swept, "{:?}", operations(&calls));
    world.looks(&world.in_ecr("api-0"), 2).await;
    world.finish().await;
}

/// Calls of `DescribeRepositories` that name repositories, and those that name more than one.
fn look_ups(world: &World, mark: usize) -> (usize, usize) {
    let calls = world.calls().split_off(mark);
    let named = calls
        .iter()
        .filter_map(|call| call.input["repositoryNames"].as_array());
    let sizes: Vec<_> = named.map(Vec::len).collect();
    (sizes.len(), sizes.iter().filter(|size| **size > 1).count())
}

#[tokio::test]
async fn look_ups_that_wait_for_the_same_turn_share_a_call() {
    let mut world = without_rota("together").await;
    world.start_operator().await;
    let names = fleet(14);
    let mark = resting(&world, &names).await;
    world.stop_operator().await;
    // One of them is gone: what it spoils for the others they ask again by themselves.
    world.lose(&world.in_ecr("api-13"));
    for name in &names {
        world.annotate(name, FLUX, "1").await;
    }
    // All are looked up at once, and more than have a turn at once.
    world.start_operator().await;
    for name in &names {
        let handled = |object: &ecr_operator::api::ECRRepository| {
            let status = object.status.as_ref();
            status.is_some_and(|s| s.last_handled_reconcile_at.as_deref() == Some("1"))
        };
        world.wait(name, "the request is handled", handled).await;
        world.ready(name).await;
    }
    let (calls, shared) = look_ups(&world, mark);
    assert!(shared > 0, "{calls} calls");
    world.finish().await;
}
