//! Who is served first when AWS may be called but seldom. The order of the calls is what counts.

use std::time::{Duration, Instant};

use ecr_emulator::{Call, Fault, Rate};
use futures::{StreamExt as _, stream};
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::{
    samples::keep_last,
    world::estate::{Estate, condition},
};

const MANY: u32 = 300;
const MEMBER: &str = "222222222222";

fn class(reads: u32, writes: u32) -> Value {
    json!({
        "allowedNamespaces": {},
        "apiBudget": {"readsPerSecond": reads, "writesPerSecond": writes},
    })
}

/// Applies many at once.
async fn apply(estate: &Estate, namespace: &str, count: u32, spec: &Value) {
    let names = stream::iter(0..count).map(|n| format!("api-{n}"));
    let applied = names.map(|name| async move {
        estate.apply(namespace, &name, spec.clone()).await;
    });
    applied.buffer_unordered(16).collect::<Vec<()>>().await;
}

fn is_about(call: &Call, repository: &str) -> bool {
    let arn = call.input["resourceArn"].as_str().unwrap_or_default();
    call.input["repositoryName"] == repository
        || call.input["repositoryNames"] == json!([repository])
        || arn.ends_with(&format!(":repository/{repository}"))
}

/// The calls after a mark, up to the one of this operation about a repository, once it is there.
async fn until_called(estate: &Estate, mark: usize, operation: &str, at: &str) -> Vec<Call> {
    let place = |calls: &[Call]| {
        let mut calls = calls.iter().skip(mark);
        calls.position(|call| call.operation == operation && is_about(call, at))
    };
    let what = format!("{operation} of {at}");
    estate
        .until(&what, |estate| place(&estate.calls()).is_some())
        .await;
    let calls = estate.calls();
    let place = place(&calls).unwrap();
    calls[mark..=mark + place].to_vec()
}

#[tokio::test]
async fn what_a_person_changes_goes_ahead_of_all_that_only_drifts() {
    let estate = Estate::new("drift-waits").await;
    estate.default_class("default", class(500, 500)).await;
    estate.namespace("team", json!({})).await;
    let spec = json!({"lifecyclePolicy": keep_last(10)});
    apply(&estate, "team", MANY, &spec).await;
    estate
        .until("all of them made", |estate| {
            let calls = estate.emulator.calls();
            calls.get("PutLifecyclePolicy").copied().unwrap_or_default() >= u64::from(MANY)
        })
        .await;
    for n in 0..MANY {
        estate.ready("team", &format!("api-{n}")).await;
    }
    // The emulator serves in this thread: a long log is slow to look through.
    estate.emulator.reset();
    // From now on there is far more to look at than may be.
    estate.default_class("default", class(10, 10)).await;
    estate.more("GetLifecyclePolicy", 20).await;
    let mark = estate.calls().len();
    let last = format!("api-{}", MANY - 1);
    let spec = json!({"lifecyclePolicy": keep_last(20)});
    estate.apply("team", &last, spec).await;
    let at = format!("team/{last}");
    let calls = until_called(&estate, mark, "PutLifecyclePolicy", &at).await;
    let of_others = calls.iter().filter(|call| !is_about(call, &at)).count();
    // Those that were under way already may end, up to 32 with three calls each; hundreds wait.
    assert!(of_others < 250, "{of_others} calls went ahead");
    estate.finish().await;
}

#[tokio::test]
async fn one_namespaces_many_hold_back_no_other_namespace() {
    let estate = Estate::quiet("fair").await;
    estate.default_class("default", class(50, 5)).await;
    estate.namespace("busy", json!({})).await;
    estate.namespace("other", json!({})).await;
    apply(&estate, "busy", MANY, &json!({})).await;
    estate.more("CreateRepository", 5).await;
    let mark = estate.calls().len();
    estate.apply("other", "one", json!({})).await;
    let calls = until_called(&estate, mark, "CreateRepository", "other/one").await;
    let creations = calls.iter().filter(|c| c.operation == "CreateRepository");
    let ahead = creations.count() - 1;
    // In the order of arrival it would be nearly all of them.
    assert!(ahead < 100, "{ahead} of the others went ahead");
    estate.finish().await;
}

#[tokio::test]
async fn a_class_whose_account_hangs_holds_up_no_other() {
    let estate = Estate::quiet("hangs").await;
    let hangs = json!({
        "registry": {"accountId": MEMBER, "region": "ap-southeast-1"},
        "assumeRole": {"roleArn": format!("arn:aws:iam::{MEMBER}:role/ecr-operator")},
        "allowedNamespaces": {},
        "apiBudget": {"writesPerSecond": 500},
    });
    estate.class("hangs", hangs).await;
    estate.class("well", class(50, 50)).await;
    estate.namespace("team", json!({})).await;
    let hour = Duration::from_hours(1);
    let fault = Fault::on("CreateRepository").account(MEMBER);
    estate.emulator.inject(fault.forever().delay(hour));
    apply(&estate, "team", 100, &json!({"className": "hangs"})).await;
    // As many as there is room for are at it.
    let repositories = estate.repositories("team");
    let at_it = |object: &crate::world::estate::Object| condition(object, "Reconciling").is_some();
    let mut begun = 0;
    while begun < 32 {
        let all = repositories.list(&ListParams::default()).await.unwrap();
        begun = all.iter().filter(|object| at_it(object)).count();
    }
    estate
        .apply("team", "well", json!({"className": "well"}))
        .await;
    estate.ready("team", "well").await;
    // None of those had its time-out yet: nobody made room.
    let log = estate.operator().log();
    assert!(!log.contains("not done"), "{log}");
    estate.finish().await;
}

#[tokio::test]
async fn what_aws_throttles_converges_at_the_rate_that_it_grants() {
    let estate = Estate::quiet("throttled").await;
    estate.default_class("default", class(50, 20)).await;
    estate.namespace("team", json!({})).await;
    let rate = Rate {
        per_second: 4,
        burst: 4,
    };
    let operation = "CreateRepository".to_owned();
    estate
        .emulator
        .configure(|it| it.rates.extend([(operation, rate)]));
    apply(&estate, "team", 100, &json!({})).await;
    for n in 0..100 {
        estate.ready("team", &format!("api-{n}")).await;
    }
    let calls = estate.calls();
    let mut creations: Vec<_> = calls
        .iter()
        .filter(|call| call.operation == "CreateRepository")
        .map(|call| call.answer.is_ok())
        .collect();
    let throttled = creations.iter().filter(|taken| !**taken).count();
    // On a calm machine they are 14; were nothing slowed down, they would be four hundred. How many exactly is chance where
    // calls bunch on a busy one: that is measured without a clock, in src/ecr/pacing/bunched.rs.
    assert!((1..=200).contains(&throttled), "{throttled} throttled");
    creations.retain(|taken| *taken);
    assert_eq!(creations.len(), 100);
    estate.finish().await;
}

/// Three calls of five are throttled, whatever the pace: by those who spend what the account may, or by chance.
#[tokio::test]
async fn a_storm_that_no_slowness_calms_holds_up_nobody() {
    let estate = Estate::quiet("storm").await;
    estate.default_class("default", class(10, 5)).await;
    estate.namespace("team", json!({})).await;
    let fault = Fault::any().percent(60, 1).forever().throttle();
    estate.emulator.inject(fault);
    let began = Instant::now();
    let spec = json!({"lifecyclePolicy": keep_last(10), "tags": {"team": "api"}});
    apply(&estate, "team", 10, &spec).await;
    for n in 0..10 {
        estate.ready("team", &format!("api-{n}")).await;
    }
    let took = began.elapsed();
    estate.emulator.clear_faults();
    assert!(took < Duration::from_mins(1), "{took:?}");
    estate.finish().await;
}
