//! Lifecycle policies at work, on the virtual clock.

use std::time::Duration;

use ecr_emulator::Movement;
use serde_json::{Value, json};

use crate::lifecycle_world::{DAY, Images, any, keep, older, tagged, untagged};
use crate::support::{apply, create, hook, start};

#[tokio::test]
async fn the_clock_is_set_moved_held_and_let_go() {
    let emulator = start().await;
    let set = Movement {
        set: Some(1_800_000_000.5),
        hold: Some(true),
        ..Movement::default()
    };
    emulator.turn_clock(set).unwrap();
    create(&emulator, "api");
    let created = emulator.repository("111122223333", "eu-central-1", "api");
    assert!((created.unwrap().created_at - 1_800_000_000.5).abs() < 1e-6);
    emulator.advance(Duration::from_millis(1500));
    let (_, clock) = hook(&emulator, "GET", "clock", Value::Null).await;
    assert_eq!(clock, json!({ "now": 1_800_000_002.0, "held": true }));
    let go = json!({ "hold": false, "advanceSeconds": -100 });
    let (status, clock) = hook(&emulator, "POST", "clock", go).await;
    assert_eq!((status, &clock["held"]), (200, &json!(false)));
    let now = clock["now"].as_f64().unwrap();
    assert!((1_799_999_902.0..1_799_999_962.0).contains(&now), "{now}");
    for wrong in [
        json!({ "set": -1 }),
        json!({ "set": 1e300 }),
        json!({ "sett": 1 }),
    ] {
        assert_eq!(hook(&emulator, "POST", "clock", wrong).await.0, 400);
    }
    // Wiping brings the real time back.
    emulator.wipe();
    let real = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!((emulator.now() - real).abs() < 60.0);
}

/// The example of the user guide: B would violate rule 1 if rule 2 expired it.
/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_examples.html>
#[tokio::test]
async fn a_rule_claims_what_its_tags_fit() {
    for (first, second, expected) in [
        ("prod*", "beta*", ["gone", "there", "there"]),
        ("beta*", "prod*", ["gone", "gone", "there"]),
    ] {
        let emulator = start().await;
        let images = Images::new(&emulator);
        let a = images.push("a", &["beta-1", "prod-1"]);
        let b = images.push("b", &["beta-2", "prod-2"]);
        let c = images.push("c", &["beta-3"]);
        images.policy(json!([
            keep(tagged(&[first]), 1),
            keep(tagged(&[second]), 1)
        ]));
        emulator.advance(DAY);
        assert_eq!(images.states([&a, &b, &c]), expected, "{first}");
    }
}

#[tokio::test]
async fn all_patterns_must_fit_and_prefixes_are_patterns() {
    let emulator = start().await;
    let images = Images::new(&emulator);
    let both = images.push("both", &["alpine1", "web-1"]);
    let one = images.push("one", &["alpine2"]);
    let none = images.push("none", &[]);
    let prefixes = json!({ "tagStatus": "tagged", "tagPrefixList": ["alp", "web"] });
    images.policy(json!([older(prefixes, "sinceImagePushed", 1, "expire")]));
    emulator.advance(2 * DAY);
    assert_eq!(
        images.states([&both, &one, &none]),
        ["gone", "there", "there"]
    );
    images.policy(json!([older(
        tagged(&["*pine*"]),
        "sinceImagePushed",
        1,
        "expire"
    )]));
    emulator.advance(DAY);
    assert_eq!(images.states([&one, &none]), ["gone", "there"]);
}

#[tokio::test]
async fn a_protected_image_is_counted_but_stays() {
    let emulator = start().await;
    let images = Images::new(&emulator);
    let [x, y] = ["x", "y"].map(|note| images.push(note, &[]));
    let list = images.list(&[&x, &y], &["multi"]);
    let alone = images.push("alone", &[]);
    images.policy(json!([older(untagged(), "sinceImagePushed", 1, "expire")]));
    emulator.advance(3 * DAY);
    assert_eq!(
        images.states([&x, &y, &list, &alone]),
        ["there", "there", "there", "gone"]
    );
    // The list goes with the first run, its images with the next.
    images.policy(json!([keep(any(), 1)]));
    let newest = images.push("newest", &[]);
    emulator.run_lifecycle();
    assert_eq!(
        images.states([&x, &y, &list, &newest]),
        ["there", "there", "gone", "there"]
    );
    emulator.run_lifecycle();
    assert_eq!(images.states([&x, &y, &newest]), ["gone", "gone", "there"]);
}

#[tokio::test]
async fn referrers_follow_their_subject() {
    let emulator = start().await;
    let images = Images::new(&emulator);
    let subject = images.push("subject", &["v1"]);
    let signature = images.refer("signature", &subject);
    let of_signature = images.refer("signature of it", &signature);
    images.policy(json!([
        keep(untagged(), 1),
        older(any(), "sinceImagePushed", 5, "transition")
    ]));
    emulator.advance(4 * DAY);
    let all = [subject.as_str(), &signature, &of_signature];
    assert_eq!(images.states(all), ["there"; 3]);
    emulator.advance(2 * DAY);
    assert_eq!(images.states(all), ["archived"; 3]);
    let archive = json!({ "tagStatus": "any", "storageClass": "archive" });
    images.policy(json!([older(
        archive,
        "sinceImageTransitioned",
        90,
        "expire"
    )]));
    emulator.advance(89 * DAY);
    assert_eq!(images.states(all), ["archived"; 3]);
    emulator.advance(3 * DAY);
    assert_eq!(images.states(all), ["gone"; 3]);
}

#[tokio::test]
async fn pulling_and_restoring_make_an_image_younger() {
    let emulator = start().await;
    let images = Images::new(&emulator);
    let [pulled, idle] = ["pulled", "idle"].map(|tag| images.push(tag, &[tag]));
    images.policy(json!([older(any(), "sinceImagePulled", 10, "transition")]));
    emulator.advance(8 * DAY);
    let pull = json!({ "repositoryName": "api", "imageIds": [{ "imageTag": "pulled" }] });
    apply(&emulator, "BatchGetImage", pull);
    emulator.advance(4 * DAY);
    assert_eq!(images.states([&pulled, &idle]), ["there", "archived"]);
    let restore = json!({
        "repositoryName": "api", "imageId": { "imageTag": "idle" },
        "targetStorageClass": "STANDARD",
    });
    apply(&emulator, "UpdateImageStorageClass", restore);
    emulator.advance(8 * DAY);
    assert_eq!(images.states([&pulled, &idle]), ["archived", "there"]);
    // By the push as well a restored image is as old as its restoration.
    images.policy(json!([older(any(), "sinceImagePushed", 10, "expire")]));
    emulator.advance(DAY);
    assert_eq!(images.state(&idle), "there");
    emulator.advance(2 * DAY);
    assert_eq!(images.state(&idle), "gone");
}

#[tokio::test]
async fn policies_run_once_a_day_and_say_so() {
    let emulator = start().await;
    let images = Images::new(&emulator);
    let old = images.push("old", &["old"]);
    let new = images.push("new", &["new"]);
    images.policy(json!([keep(any(), 1)]));
    let get = || {
        let policy = apply(
            &emulator,
            "GetLifecyclePolicy",
            json!({ "repositoryName": "api" }),
        );
        policy["lastEvaluatedAt"].as_f64().unwrap()
    };
    emulator.advance(DAY / 2);
    assert!(get() < 1.0);
    assert_eq!(images.states([&old, &new]), ["there", "there"]);
    emulator.advance(DAY / 2);
    assert!((emulator.now() - get()).abs() < 60.0);
    assert_eq!(images.states([&old, &new]), ["gone", "there"]);
    let again = images.push("again", &["again"]);
    let (status, _) = hook(&emulator, "POST", "lifecycle", Value::Null).await;
    assert_eq!(
        (status, images.states([&new, &again])),
        (200, ["gone", "there"])
    );
    // A leap of centuries ends.
    emulator.advance(DAY * 365 * 1000);
    assert_eq!(images.state(&again), "there");
}
