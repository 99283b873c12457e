//! Classes with roles: how seldom they are assumed, what becomes of a former one, and what is made of whoever
//! hands out credentials and does not.

use std::collections::BTreeMap;

use ecr_emulator::{Call, Fault};
use serde_json::{Value, json};

use crate::world::{
    assert_says,
    estate::{Estate, condition, message},
    is_sweep,
};

const HUB: &str = "123456789012";

fn of_role(role: &str) -> Value {
    json!({
        "allowedNamespaces": {},
        "assumeRole": {"roleArn": format!("arn:aws:iam::{HUB}:role/{role}")},
    })
}

/// How often each role was assumed.
fn assumed(calls: &[Call]) -> BTreeMap<String, usize> {
    let mut roles = BTreeMap::new();
    for call in calls.iter().filter(|it| it.operation == "AssumeRole") {
        let role = call.input["RoleArn"].as_str().unwrap().to_owned();
        *roles.entry(role).or_default() += 1;
    }
    roles
}

#[tokio::test]
async fn a_hundred_roles_are_assumed_once_each() {
    const CLASSES: usize = 100;
    let estate = Estate::new("hundred-roles").await;
    for number in 0..CLASSES {
        estate
            .class(&format!("c{number}"), of_role(&format!("r{number}")))
            .await;
    }
    let asked = |estate: &Estate| {
        let mut sessions = BTreeMap::<String, usize>::new();
        let calls = estate.calls();
        for call in calls
            .iter()
            .filter(|it| it.operation == "GetCallerIdentity")
        {
            *sessions.entry(call.access_key.clone()).or_default() += 1;
        }
        sessions.values().filter(|asked| **asked >= 4).count()
    };
    // Each class is looked at again and again.
    estate
        .until("each to have been asked four times", |it| {
            asked(it) >= CLASSES
        })
        .await;
    let roles = assumed(&estate.calls());
    assert_eq!(roles.len(), CLASSES);
    let again: Vec<_> = roles.iter().filter(|(_, times)| **times > 1).collect();
    assert!(again.is_empty(), "{again:?}");
    estate.finish().await;
}

/// The sweeps that were made with these credentials.
fn sweeps_by(estate: &Estate, key: &str) -> usize {
    let calls = estate.calls();
    let swept = calls
        .iter()
        .filter(|it| is_sweep(it) && it.access_key == key);
    swept.count()
}

/// The credentials of a sweep that none of these made.
async fn next_sweeper(estate: &Estate, but: &[&str]) -> String {
    let other = |estate: &Estate| {
        let calls = estate.calls();
        let mut swept = calls.iter().filter(|it| is_sweep(it));
        let other = swept.find(|it| !but.contains(&it.access_key.as_str()));
        other.map(|it| it.access_key.clone())
    };
    estate
        .until("another to sweep", |it| other(it).is_some())
        .await;
    other(estate).unwrap()
}

async fn three_at_rest(estate: &Estate, spec: Value) {
    for name in ["a", "b", "c"] {
        estate.apply("payments", name, spec.clone()).await;
    }
    for name in ["a", "b", "c"] {
        estate.ready("payments", name).await;
    }
}

#[tokio::test]
async fn a_former_role_is_not_swept_with() {
    let estate = Estate::new("former-role").await;
    estate.namespace("payments", json!({})).await;
    estate.default_class("prod", of_role("first")).await;
    three_at_rest(&estate, json!({"tags": {"team": "a"}})).await;
    let first = next_sweeper(&estate, &[]).await;
    estate.default_class("prod", of_role("second")).await;
    let second = next_sweeper(&estate, &[&first]).await;
    let mark = estate.calls().len();
    // What it saw last is no longer so, and is nothing to it.
    for name in ["a", "b", "c"] {
        let changed = json!({"tags": {"team": "b"}});
        estate.apply("payments", name, changed).await;
        estate.ready("payments", name).await;
    }
    let before = sweeps_by(&estate, &second);
    estate
        .until("four more sweeps", |it| {
            sweeps_by(it, &second) >= before + 4
        })
        .await;
    let calls = estate.calls().split_off(mark);
    let by_first = calls.iter().filter(|it| it.access_key == first).count();
    assert_eq!(by_first, 0, "nobody calls by a role that no class has");
    let log = estate.operator().log();
    assert!(!log.contains("not swept"), "{log}");
    estate.finish().await;
}

#[tokio::test]
async fn who_moved_to_another_class_is_swept_for_there_alone() {
    let estate = Estate::new("moved").await;
    estate.namespace("payments", json!({})).await;
    estate.class("one", of_role("first")).await;
    estate.class("two", of_role("second")).await;
    three_at_rest(&estate, json!({"className": "one"})).await;
    let first = next_sweeper(&estate, &[]).await;
    three_at_rest(&estate, json!({"className": "two"})).await;
    let second = next_sweeper(&estate, &[&first]).await;
    let (former, mark) = (sweeps_by(&estate, &first), estate.calls().len());
    let before = sweeps_by(&estate, &second);
    estate
        .until("six more sweeps", |it| sweeps_by(it, &second) >= before + 6)
        .await;
    let more = sweeps_by(&estate, &first) - former;
    assert!(more <= 1, "{more} sweeps for nobody");
    // Nobody was woken: at rest each is nobody's errand.
    let calls = estate.calls().split_off(mark);
    let singly = calls
        .iter()
        .filter(|it| it.operation == "ListTagsForResource");
    assert_eq!(singly.count(), 0);
    estate.finish().await;
}

/// What an object and its class say, and their versions, once AWS was asked so often.
async fn told(estate: &Estate, attempts: usize) -> Vec<(Option<String>, String)> {
    estate.more("AssumeRole", attempts).await;
    let object = estate.repositories("payments").get("api").await.unwrap();
    let class = estate.classes().get("prod").await.unwrap();
    let told =
        [object, class].map(|it| (it.metadata.resource_version.clone(), message(&it, "Ready")));
    told.to_vec()
}

#[tokio::test]
async fn a_role_that_trusts_nobody_says_the_same_at_each_attempt() {
    let estate = Estate::quiet("untrusted").await;
    estate.namespace("payments", json!({})).await;
    let denied = Fault::on("AssumeRole").forever();
    estate
        .emulator
        .inject(denied.fail(403, "AccessDenied", "it trusts nobody"));
    estate.default_class("prod", of_role("broken")).await;
    estate.apply("payments", "api", json!({})).await;
    let api = estate.repositories("payments");
    let why = ["Reconciling", "True", "AccessDenied"];
    estate.says(&api, "api", why).await;
    estate.says(&estate.classes(), "prod", why).await;
    let before = told(&estate, 2).await;
    assert_says(
        &before[0].1,
        "GetCallerIdentity: AssumeRole: AccessDenied: it trusts nobody",
    );
    assert_eq!(told(&estate, 5).await, before, "nothing new is known");
    estate.finish().await;
}

#[tokio::test]
async fn an_outage_of_sts_is_none_of_the_roles_and_heals() {
    let estate = Estate::quiet("sts-down").await;
    estate.namespace("payments", json!({})).await;
    let html = "<html><body>Bad gateway</body></html>";
    for fault in [
        Fault::on("AssumeRole").fail(503, "ServiceUnavailable", "down"),
        Fault::on("AssumeRole").throttle(),
        Fault::on("AssumeRole").drop_call(),
        Fault::on("AssumeRole").foreign(200, html),
        Fault::on("AssumeRole").foreign(403, html),
    ] {
        estate.emulator.clear_faults();
        estate.emulator.inject(fault.clone().forever());
        estate.default_class("prod", of_role("fine")).await;
        estate.apply("payments", "api", json!({})).await;
        let api = estate.repositories("payments");
        let down = ["Reconciling", "True", "AwsUnavailable"];
        let object = estate.says(&api, "api", down).await;
        let class = estate.says(&estate.classes(), "prod", down).await;
        for told in [message(&object, "Ready"), message(&class, "Ready")] {
            assert_says(&told, "nothing to do: ");
            assert_says(&told, "AssumeRole: ");
        }
        assert_eq!(condition(&object, "Stalled"), None);
        estate.emulator.clear_faults();
        estate.ready("payments", "api").await;
        // A new role is assumed anew.
        estate.delete(&api, "api").await;
        estate.gone(&api, "api").await;
        estate.delete(&estate.classes(), "prod").await;
        estate.gone(&estate.classes(), "prod").await;
    }
    estate.finish().await;
}
