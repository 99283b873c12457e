//! Lifecycle policies that would take images away: what is asked, what an answer permits, and for how
//! long.

use std::time::Duration;

use ecr_emulator::{Call, Fault};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::{
    samples::keep_last,
    world::{
        REGION, assert_says,
        estate::{Estate, Object, message},
    },
};

const HUB: &str = "123456789012";
const REPOSITORY: &str = "payments/api";
const APPROVE: &str = "ecr-operator.dev/approve-lifecycle";
const NEEDS: &str = "LifecycleNeedsApproval";
const START: &str = "StartLifecyclePolicyPreview";
const GET: &str = "GetLifecyclePolicyPreview";
const PUT: &str = "PutLifecyclePolicy";

/// A class whose default is this lifecycle policy.
fn class(lifecycle: &Value) -> Value {
    json!({"allowedNamespaces": {}, "defaults": {"lifecyclePolicy": lifecycle}})
}

fn push(estate: &Estate, tags: std::ops::Range<usize>) {
    for tag in tags {
        estate.push(HUB, REGION, REPOSITORY, &format!("v{tag}"));
    }
}

/// An estate with one object without a lifecycle policy, whose repository holds so many images.
async fn estate(name: &str, images: usize) -> Estate {
    let estate = Estate::quiet(name).await;
    holding(&estate, images).await;
    estate
}

async fn holding(estate: &Estate, images: usize) {
    estate.namespace("payments", json!({})).await;
    let everybody = json!({"allowedNamespaces": {}});
    estate.default_class("prod", everybody).await;
    estate.apply("payments", "api", json!({})).await;
    estate.ready("payments", "api").await;
    push(estate, 0..images);
}

/// How many images the policy in force keeps.
fn keeps(estate: &Estate) -> Option<i64> {
    let held = estate.emulator.repository(HUB, REGION, REPOSITORY);
    let policy: Value = serde_json::from_str(&held?.lifecycle_policy?).unwrap();
    policy["rules"][0]["selection"]["countNumber"].as_i64()
}

fn count(estate: &Estate, operation: &str) -> usize {
    let calls = estate.calls();
    let calls = calls.iter().filter(|call| call.operation == operation);
    calls.count()
}

/// Waits until a person is asked, by a message that begins so; gives the token.
async fn asked(estate: &Estate, begins: &str) -> String {
    let repositories = estate.repositories("payments");
    let is_asked = |object: &Object| {
        let told = message(object, "Stalled");
        told.starts_with(begins)
    };
    let object = estate.wait(&repositories, "api", begins, is_asked).await;
    estate.stalled("payments", "api", NEEDS).await;
    let told = message(&object, "Ready");
    let token = told.split(&format!("{APPROVE}=")).nth(1);
    token.and_then(|it| it.get(..16)).unwrap().to_owned()
}

/// Approves what is then written once, and fails.
async fn approve_in_vain(estate: &Estate, token: &str) {
    approve(estate, token).await;
    estate
        .until("the write that fails", |it| count(it, PUT) == 1)
        .await;
}

/// As Flux does with what it did not apply.
async fn take_away(estate: &Estate) {
    let nothing = json!({"annotations": {APPROVE: null}});
    let repositories = estate.repositories("payments");
    estate.patch(&repositories, "api", nothing).await;
}

/// Waits until the policy that keeps one image is in force, by an approval that is good no more.
async fn spent(estate: &Estate) {
    let object = estate.ready("payments", "api").await;
    assert_eq!(keeps(estate), Some(1));
    assert_eq!(state(&object), Some("Spent"));
}

async fn approve(estate: &Estate, token: &str) {
    estate.annotate("payments", "api", APPROVE, token).await;
}

fn state(object: &Object) -> Option<&str> {
    object.data["status"]["lifecycleApproval"]["state"].as_str()
}

/// Waits until the annotation is said to permit nothing.
async fn refused(estate: &Estate) {
    let repositories = estate.repositories("payments");
    estate
        .wait(&repositories, "api", "it permits nothing", |it| {
            message(it, "Ready").contains("permits nothing")
        })
        .await;
}

#[tokio::test]
async fn an_answer_is_good_once() {
    let mut estate = estate("once", 2).await;
    estate.default_class("prod", class(&keep_last(1))).await;
    let first = asked(&estate, "Would delete 1 of 2 images here").await;
    approve(&estate, &first).await;
    let object = estate.ready("payments", "api").await;
    assert_eq!(keeps(&estate), Some(1));
    assert_eq!(state(&object), Some("Spent"));
    // The class goes on, more images come, and the class goes back.
    estate.default_class("prod", class(&keep_last(500))).await;
    estate
        .until("the policy that takes nothing", |it| keeps(it) == Some(500))
        .await;
    estate.ready("payments", "api").await;
    push(&estate, 2..52);
    estate.default_class("prod", class(&keep_last(1))).await;
    let second = asked(&estate, "Would delete 51 of 52 images here").await;
    assert_ne!(first, second);
    refused(&estate).await;
    // Nor does a process that knows nothing of it take the old answer for a new one.
    estate.stop_operator().await;
    let mark = estate.calls().len();
    estate.start_operator().await;
    estate.more(START, 1).await;
    estate.more(GET, 1).await;
    assert_eq!(asked(&estate, "Would delete 51 of 52").await, second);
    assert_eq!(estate.writes_since(mark), [""; 0]);
    approve(&estate, &second).await;
    estate.ready("payments", "api").await;
    assert_eq!(keeps(&estate), Some(1));
    estate.finish().await;
}

#[tokio::test]
async fn an_answer_that_is_taken_away_once_seen_counts() {
    let estate = estate("taken-away", 3).await;
    estate.default_class("prod", class(&keep_last(1))).await;
    let token = asked(&estate, "Would delete 2 of 3 images here").await;
    let fault = Fault::on(PUT).repository(REPOSITORY);
    estate.emulator.inject(fault.throttle());
    approve_in_vain(&estate, &token).await;
    take_away(&estate).await;
    spent(&estate).await;
    estate.finish().await;
}

#[tokio::test]
async fn an_answer_is_taken_back_by_another_one() {
    let estate = estate("taken-back", 3).await;
    estate.default_class("prod", class(&keep_last(1))).await;
    let token = asked(&estate, "Would delete 2 of 3 images here").await;
    let fault = Fault::on(PUT).repository(REPOSITORY);
    estate.emulator.inject(fault.forever().throttle());
    approve_in_vain(&estate, &token).await;
    approve(&estate, "no").await;
    refused(&estate).await;
    estate.emulator.clear_faults();
    // Given again, it is taken back between the last look at the preview and the write.
    let looks = Fault::on(GET).repository(REPOSITORY);
    estate.emulator.inject(looks.delay(Duration::from_secs(2)));
    approve(&estate, &token).await;
    estate.struck().await;
    approve(&estate, "no").await;
    refused(&estate).await;
    assert_eq!(keeps(&estate), None);
    approve(&estate, &token).await;
    spent(&estate).await;
    estate.finish().await;
}

#[tokio::test]
async fn an_answer_that_is_taken_away_before_a_pass_saw_it_counts() {
    let estate = estate("taken-unseen", 3).await;
    estate.default_class("prod", class(&keep_last(1))).await;
    let token = asked(&estate, "Would delete 2 of 3 images here").await;
    // A pass is under way for as long as all of that takes.
    let slow = Fault::on("DescribeRepositories").repository(REPOSITORY);
    estate.emulator.inject(slow.delay(Duration::from_secs(3)));
    estate
        .annotate(
            "payments",
            "api",
            "ecr-operator.dev/reconcile-requested-at",
            "1",
        )
        .await;
    estate.struck().await;
    approve(&estate, &token).await;
    take_away(&estate).await;
    spent(&estate).await;
    estate.finish().await;
}

#[tokio::test]
async fn an_answer_to_fewer_images_permits_no_more() {
    let estate = estate("more-images", 2).await;
    estate.default_class("prod", class(&keep_last(1))).await;
    let first = asked(&estate, "Would delete 1 of 2 images here").await;
    push(&estate, 2..12);
    approve(&estate, &first).await;
    let second = asked(&estate, "Would delete 11 of 12 images here").await;
    assert_ne!(first, second);
    assert_eq!(keeps(&estate), None);
    approve(&estate, &second).await;
    estate.ready("payments", "api").await;
    assert_eq!(keeps(&estate), Some(1));
    estate.finish().await;
}

#[tokio::test]
async fn a_change_of_the_class_ends_what_was_asked() {
    let estate = estate("class-changed", 2).await;
    let mut spec = class(&keep_last(1));
    estate.default_class("prod", spec.clone()).await;
    let first = asked(&estate, "Would delete 1 of 2 images here").await;
    spec["apiBudget"] = json!({"readsPerSecond": 9});
    estate.default_class("prod", spec).await;
    let repositories = estate.repositories("payments");
    estate
        .wait(&repositories, "api", "another question", |it| {
            let told = message(it, "Stalled");
            told.contains(APPROVE) && !told.contains(&first)
        })
        .await;
    approve(&estate, &first).await;
    refused(&estate).await;
    assert_eq!(keeps(&estate), None);
    estate.finish().await;
}

/// Somebody else previews the same policy while there is one image; then there are six.
fn previewed_by_another(estate: &Estate) {
    let policy = keep_last(1).to_string();
    let input = json!({"repositoryName": REPOSITORY, "lifecyclePolicyText": policy});
    estate.emulator.call(HUB, REGION, START, input).unwrap();
    push(estate, 1..6);
}

#[tokio::test]
async fn a_preview_that_another_began_is_not_believed() {
    let estate = estate("anothers", 1).await;
    estate.emulator.configure(|it| it.job_millis = 4_000);
    previewed_by_another(&estate);
    estate.default_class("prod", class(&keep_last(1))).await;
    asked(&estate, "Would delete 5 of 6 images here").await;
    assert_eq!(keeps(&estate), None);
    estate.finish().await;
}

#[tokio::test]
async fn a_preview_from_before_is_not_believed() {
    let estate = estate("from-before", 1).await;
    previewed_by_another(&estate);
    estate.emulator.configure(|it| it.preview_lag_calls = 2);
    estate.default_class("prod", class(&keep_last(1))).await;
    asked(&estate, "Would delete 5 of 6 images here").await;
    assert_eq!(keeps(&estate), None);
    let looks = count(&estate, GET);
    assert!(looks <= 4, "{looks} looks");
    estate.finish().await;
}

#[tokio::test]
async fn a_policy_of_a_spec_is_held_to_what_the_class_says() {
    let estate = estate("of-a-spec", 5).await;
    let policy = |count| json!({"lifecyclePolicy": keep_last(count)});
    // Nothing is said: nobody asks.
    estate.apply("payments", "api", policy(4)).await;
    estate.ready("payments", "api").await;
    assert_eq!((keeps(&estate), count(&estate, START)), (Some(4), 0));
    let guarded = json!({"allowedNamespaces": {}, "lifecycleGuard": {"maxExpire": 2}});
    estate.default_class("prod", guarded).await;
    estate.apply("payments", "api", policy(3)).await;
    estate.ready("payments", "api").await;
    assert_eq!(keeps(&estate), Some(3));
    estate.apply("payments", "api", policy(1)).await;
    let token = asked(
        &estate,
        "Would delete 4 of 5 images here: spec.lifecyclePolicy",
    )
    .await;
    assert_eq!(keeps(&estate), Some(3));
    approve(&estate, &token).await;
    estate.ready("payments", "api").await;
    assert_eq!(keeps(&estate), Some(1));
    estate.finish().await;
}

#[tokio::test]
async fn images_that_would_be_archived_are_asked_for() {
    let estate = estate("archived", 4).await;
    let mut policy = keep_last(1);
    policy["rules"][0]["action"] = json!({"type": "transition", "targetStorageClass": "archive"});
    estate.default_class("prod", class(&policy)).await;
    let token = asked(&estate, "Would archive 3 of 4 images here").await;
    assert_eq!(keeps(&estate), None);
    approve(&estate, &token).await;
    estate.ready("payments", "api").await;
    assert_eq!(keeps(&estate), Some(1));
    estate.finish().await;
}

#[tokio::test]
async fn a_policy_that_was_removed_outside_is_asked_for_before_it_comes_back() {
    let estate = Estate::new("removed").await;
    holding(&estate, 2).await;
    estate.default_class("prod", class(&keep_last(1))).await;
    let first = asked(&estate, "Would delete 1 of 2 images here").await;
    approve(&estate, &first).await;
    estate.ready("payments", "api").await;
    // Neither the annotation that is left nor a status that forgot it is a licence.
    let nothing = Patch::Merge(json!({"status": {"lifecycleApproval": null}}));
    let repositories = estate.repositories("payments");
    repositories
        .patch_status("api", &PatchParams::default(), &nothing)
        .await
        .unwrap();
    push(&estate, 2..9);
    let name = json!({"repositoryName": REPOSITORY});
    let deleted = estate
        .emulator
        .call(HUB, REGION, "DeleteLifecyclePolicy", name);
    deleted.unwrap();
    let second = asked(&estate, "Would delete 8 of 9 images here").await;
    assert_ne!(first, second);
    assert_eq!(keeps(&estate), None);
    approve(&estate, &second).await;
    estate.ready("payments", "api").await;
    assert_eq!(keeps(&estate), Some(1));
    estate.finish().await;
}

#[tokio::test]
async fn a_preview_that_cannot_be_read_is_not_begun_again_and_again() {
    let estate = estate("unread-preview", 3).await;
    estate.emulator.inject(Fault::on(GET).forever().deny());
    estate.default_class("prod", class(&keep_last(1))).await;
    estate.until("four looks", |it| count(it, GET) == 4).await;
    assert_eq!(count(&estate, START), 1);
    let calls = estate.calls();
    let looks: Vec<_> = calls.iter().filter(|it| it.operation == GET).collect();
    let waited = |pair: &[&Call]| pair[1].time - pair[0].time;
    let waits: Vec<_> = looks.windows(2).map(waited).collect();
    assert!(waits[2] > waits[0], "the waits grow: {waits:?}");
    let repositories = estate.repositories("payments");
    let denied = ["Reconciling", "True", "AccessDenied"];
    let object = estate.says(&repositories, "api", denied).await;
    assert_says(&message(&object, "Ready"), GET);
    estate.emulator.clear_faults();
    asked(&estate, "Would delete 2 of 3 images here").await;
    assert_eq!(keeps(&estate), None);
    estate.finish().await;
}
