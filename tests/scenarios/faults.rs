//! Faults of AWS and answers that are lost: all of it heals, and costs few calls.

use std::collections::BTreeMap;

use ecr_emulator::Fault;
use ecr_operator::api::ECRRepository;
use serde_json::json;

use crate::{
    looking::{FLUX, called, operations, writes},
    samples::{keep_last, pull_by, whole},
    world::{World, assert_says, condition, message},
};

/// The calls that a creation costs without faults: who we are, and the three writes.
const CREATION: usize = 4;

async fn throttled(operation: &str) {
    let world = World::quiet("throttled").await;
    let faults = 3;
    world
        .emulator
        .inject(Fault::on(operation).times(3).throttle());
    world.apply("api", whole(10)).await;
    let said =
        |object: &ECRRepository| condition(object, "Reconciling") == Some(("True", "Throttled"));
    world.wait("api", "Throttled", said).await;
    world.ready("api").await;
    let calls = world.calls();
    let spent = calls
        .iter()
        .rposition(|c| c.operation == operation)
        .unwrap()
        + 1;
    assert!(
        spent <= CREATION * (faults + 1) + 2,
        "{spent} calls for {faults} faults"
    );
    assert_eq!(world.count(operation), faults + 1, "one try for each fault");
    assert_eq!(
        world.count("PutLifecyclePolicy"),
        1,
        "what is done is not done again"
    );
    world.finish_looking().await;
}

#[tokio::test]
async fn a_throttled_creation_heals_and_costs_few_calls() {
    throttled("CreateRepository").await;
}

#[tokio::test]
async fn a_throttled_policy_heals_and_costs_few_calls() {
    throttled("SetRepositoryPolicy").await;
}

#[tokio::test]
async fn faults_of_aws_heal_wherever_they_strike() {
    let world = World::quiet("faults").await;
    let operations = [
        "GetCallerIdentity",
        "CreateRepository",
        "PutLifecyclePolicy",
        "SetRepositoryPolicy",
    ];
    for operation in operations {
        world.emulator.inject(Fault::on(operation).server_error());
    }
    world.apply("api", whole(10)).await;
    let said = |object: &ECRRepository| {
        condition(object, "Reconciling") == Some(("True", "AwsUnavailable"))
    };
    world.wait("api", "AwsUnavailable", said).await;
    world.ready("api").await;
    let faults = operations.len();
    let spent = world.calls().len();
    assert!(
        spent <= CREATION * (faults + 1) + 2,
        "{spent} calls for {faults} faults"
    );
    assert_eq!(world.count("CreateRepository"), 2);
    world.finish_looking().await;
}

#[tokio::test]
async fn an_outage_at_rest_flips_nothing() {
    let world = World::new("outage").await;
    world.apply("api", whole(10)).await;
    let settled = world.ready("api").await;
    world.emulator.inject(Fault::any().forever().server_error());
    let sweeps = world.count("GetResources") + 3;
    called(&world, "GetResources", sweeps).await;
    let now = world.get("api").await;
    assert_eq!(
        now.metadata.resource_version,
        settled.metadata.resource_version
    );
    world.emulator.clear_faults();
    let name = world.in_ecr("api");
    world.outside(
        "PutImageTagMutability",
        json!({"repositoryName": name, "imageTagMutability": "MUTABLE"}),
    );
    world.event("api", "DriftRepaired").await;
    world.finish().await;
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_at_rest_flips_nothing() {
    let world = World::new("unread").await;
    world.apply("api", whole(10)).await;
    let settled = world.ready("api").await;
    let read = |world: &World| {
        let read = |operation| world.count(operation);
        read("GetLifecyclePolicy").min(read("GetRepositoryPolicy"))
    };
    let before = read(&world);
    for operation in ["GetLifecyclePolicy", "GetRepositoryPolicy"] {
        world
            .emulator
            .inject(Fault::on(operation).forever().throttle());
    }
    world
        .until("several reads to fail", |world| read(world) >= before + 3)
        .await;
    world.looks(&world.in_ecr("api"), 2).await;
    let now = world.get("api").await;
    let version = now.metadata.resource_version;
    assert_eq!(version, settled.metadata.resource_version);
    let name = world.in_ecr("api");
    let text = keep_last(99).to_string();
    world.outside(
        "PutLifecyclePolicy",
        json!({"repositoryName": name, "lifecyclePolicyText": text}),
    );
    world.emulator.clear_faults();
    world.event("api", "DriftRepaired").await;
    world.finish().await;
}

#[tokio::test]
async fn a_lost_answer_to_any_write_of_a_creation_is_harmless() {
    let world = World::new("lost").await;
    let operations = [
        "CreateRepository",
        "PutLifecyclePolicy",
        "SetRepositoryPolicy",
    ];
    for operation in operations {
        let name = operation.to_lowercase();
        let fault = Fault::on(operation).repository(&world.in_ecr(&name));
        world.emulator.inject(fault.lose_answer());
        world.apply(&name, whole(10)).await;
    }
    for operation in operations {
        let name = operation.to_lowercase();
        world.ready(&name).await;
        let written = writes(&world, &name, 0);
        let created = written.iter().filter(|o| *o == "CreateRepository").count();
        // What the second try of a creation meets is its own repository.
        let tries = if operation == "CreateRepository" {
            2
        } else {
            1
        };
        assert_eq!(created, tries, "{operation}: {written:?}");
        assert!(written.len() <= 4, "{operation}: {written:?}");
        let asks = world.events(&name).await;
        let asks: Vec<_> = asks.iter().filter(|(kind, ..)| kind == "Warning").collect();
        assert!(asks.is_empty(), "nobody is asked for help: {asks:?}");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_lost_answer_to_any_write_of_an_update_is_harmless() {
    let world = World::new("unheard").await;
    let cases = [
        (
            "PutImageTagMutability",
            json!({"imageTagMutability": "MUTABLE"}),
        ),
        (
            "PutImageScanningConfiguration",
            json!({"imageScanningConfiguration": {"scanOnPush": false}}),
        ),
        (
            "PutLifecyclePolicy",
            json!({"lifecyclePolicy": keep_last(20)}),
        ),
        (
            "DeleteLifecyclePolicy",
            json!({"lifecyclePolicy": {"rules": []}}),
        ),
        (
            "SetRepositoryPolicy",
            json!({"repositoryPolicy": pull_by("444455556666")}),
        ),
        (
            "DeleteRepositoryPolicy",
            json!({"repositoryPolicy": {"Statement": []}}),
        ),
        ("TagResource", json!({"tags": {"team": "other"}})),
        ("UntagResource", json!({"tags": {}})),
    ];
    let names: Vec<_> = cases
        .iter()
        .map(|(operation, _)| operation.to_lowercase())
        .collect();
    for name in &names {
        world.apply(name, whole(10)).await;
    }
    for name in &names {
        world.ready(name).await;
    }
    let mark = world.calls().len();
    for ((operation, change), name) in cases.iter().zip(&names) {
        let fault = Fault::on(operation).repository(&world.in_ecr(name));
        world.emulator.inject(fault.lose_answer());
        let mut spec = whole(10);
        for (field, value) in change.as_object().unwrap() {
            spec[field] = value.clone();
        }
        world.apply(name, spec).await;
    }
    for ((operation, _), name) in cases.iter().zip(&names) {
        world.ready(name).await;
        let written = writes(&world, name, mark);
        assert!(
            written.iter().all(|o| o == operation),
            "{operation}: {written:?}"
        );
        assert_eq!(
            written.len(),
            1,
            "{operation}: what took effect is seen and not made again"
        );
    }
    world.finish().await;
}

/// Resyncs are far between here: whoever is not tried again in time is not ready in time.
#[tokio::test]
async fn a_read_that_fails_before_a_second_try_is_made_again() {
    let world = World::quiet("read-before").await;
    for (write, read) in [
        ("PutLifecyclePolicy", "GetLifecyclePolicy"),
        ("SetRepositoryPolicy", "GetRepositoryPolicy"),
    ] {
        let name = write.to_lowercase();
        for operation in [write, read] {
            let fault = Fault::on(operation).repository(&world.in_ecr(&name));
            world.emulator.inject(fault.drop_call());
        }
        world.apply(&name, whole(10)).await;
        world.ready(&name).await;
        let reads = operations(&world, &name, 0);
        let reads = reads.iter().filter(|it| *it == read).count();
        assert_eq!(reads, 2, "it failed once");
    }
    world.finish_looking().await;
}

#[tokio::test]
async fn after_an_answer_that_was_lost_it_is_looked_at_as_seldom_as_before() {
    let world = World::new("seldom").await;
    world.apply("api", json!({"tags": {"team": "a"}})).await;
    world.ready("api").await;
    world
        .emulator
        .inject(Fault::on("TagResource").lose_answer());
    world.apply("api", json!({"tags": {"team": "b"}})).await;
    world.ready("api").await;
    assert_eq!(world.count("TagResource"), 1, "it took effect");
    // `invariants::rests` sees whether it rests.
    world.finish().await;
}

#[tokio::test]
async fn what_is_not_of_aws_is_nobodys_fault_and_heals() {
    let world = World::quiet("foreign").await;
    let html = "<html><head><title>Please log in</title></head></html>";
    world
        .emulator
        .inject(Fault::on("CreateRepository").foreign(200, html));
    world
        .emulator
        .inject(Fault::on("CreateRepository").foreign(403, html));
    world
        .emulator
        .inject(Fault::on("PutLifecyclePolicy").foreign(400, "{}"));
    world
        .emulator
        .inject(Fault::on("SetRepositoryPolicy").truncate());
    world.apply("api", whole(10)).await;
    let said = |object: &ECRRepository| {
        condition(object, "Reconciling") == Some(("True", "AwsUnavailable"))
    };
    let object = world.wait("api", "AwsUnavailable", said).await;
    assert_says(
        message(&object, "Ready"),
        "an answer that is not AWS's or is torn, with HTTP status",
    );
    world.ready("api").await;
    for (kind, reason, note) in world.events("api").await {
        assert_ne!(kind, "Warning", "{reason}: {note}");
    }
    world.finish_looking().await;
}

/// One after the other, so that the reason changes and nothing else does.
#[tokio::test]
async fn a_condition_is_as_old_as_its_status() {
    let world = World::quiet("since").await;
    let create = || Fault::on("CreateRepository");
    world.emulator.inject(create().server_error());
    world.emulator.inject(create().throttle());
    world.emulator.inject(create().deny());
    world.apply("api", whole(10)).await;
    let mut since = BTreeMap::new();
    for reason in ["AwsUnavailable", "Throttled", "AccessDenied"] {
        let said =
            |object: &ECRRepository| condition(object, "Reconciling") == Some(("True", reason));
        let object = world.wait("api", reason, said).await;
        for condition in object.status.unwrap().conditions {
            let time = condition.last_transition_time.clone();
            let known = since
                .entry(condition.type_.clone())
                .or_insert_with(|| time.clone());
            assert_eq!(*known, time, "{condition:?}");
        }
    }
    world.ready("api").await;
    world.finish_looking().await;
}

/// What AWS says may hold whatever a tenant put there.
#[tokio::test]
async fn what_aws_says_forges_no_line() {
    let world = World::quiet("forged").await;
    let said = "no\n2026-01-01T00:00:00Z  INFO pass{object=\"team-b/api\"}: written action=DeleteRepository\r\u{1b}[31m\0\u{202e}\u{2066}\u{2028}\u{feff}end";
    let bad = Fault::on("CreateRepository").fail(400, "InvalidParameterException", said);
    world.emulator.inject(bad);
    world.apply("api", whole(10)).await;
    let object = world.stalled("api", "RejectedByAws").await;
    assert_says(
        message(&object, "Stalled"),
        "written action=DeleteRepository",
    );
    world.event("api", "RejectedByAws").await;
    let log = world.operator().log();
    let line = log
        .lines()
        .find(|line| line.contains("written action=DeleteRepository"));
    assert_says(line.unwrap(), "not done");
    world.annotate("api", FLUX, "1").await;
    world.ready("api").await;
    let metrics = world.operator().scrape().await.unwrap();
    assert!(
        !metrics.contains(|c: char| c != '\n' && c.is_control()),
        "{metrics}"
    );
    // `world::plain` looks through all of it.
    world.finish_looking().await;
}

/// All words by which AWS's SDKs know that they are to slow down (the Rust SDK's are in `aws-runtime`).
#[tokio::test]
async fn whatever_word_asks_to_slow_down_nobody_is_asked_for_help() {
    let world = World::quiet("throttle-words").await;
    let words = [
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    ];
    let name = |word: &str| format!("of-{}", word.to_lowercase());
    for word in words {
        let slow = Fault::on("CreateRepository").repository(&world.in_ecr(&name(word)));
        world.emulator.inject(slow.fail(400, word, "Rate exceeded"));
        world.apply(&name(word), json!({})).await;
    }
    for word in words {
        world.ready(&name(word)).await;
        let versions = world.versions(&name(word)).await;
        let mut seen = versions.iter();
        let is_stalled = seen.any(|it| condition(it, "Stalled").is_some());
        assert!(!is_stalled, "{word}");
        let throttled = Some(("True", "Throttled"));
        let mut seen = versions.iter();
        let is_told = seen.any(|it| condition(it, "Reconciling") == throttled);
        assert!(is_told, "{word}");
    }
    world.finish_looking().await;
}

#[tokio::test]
async fn a_clock_that_goes_wrong_is_named_before_anything_else() {
    let world = World::quiet("clock").await;
    let expired = "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z (20260101T001500Z - 5 min.)";
    let early = "Signature not yet current: 20260101T003000Z is still later than 20260101T002000Z (20260101T001500Z + 5 min.)";
    for (name, code, message) in [
        ("late", "InvalidSignatureException", expired),
        ("early", "InvalidSignatureException", early),
        (
            "skewed",
            "RequestTimeTooSkewed",
            "The difference is too large.",
        ),
        ("expired", "RequestExpired", "Request has expired."),
    ] {
        let create = Fault::on("CreateRepository").repository(&world.in_ecr(name));
        world.emulator.inject(create.fail(403, code, message));
        world.apply(name, json!({})).await;
        let said = |object: &ECRRepository| {
            condition(object, "Reconciling") == Some(("True", "AccessDenied"))
        };
        let object = world.wait(name, "AccessDenied", said).await;
        let says = crate::world::message(&object, "Reconciling");
        let expected = format!(
            "CreateRepository: {code}: the node's clock is minutes away from AWS's — set it"
        );
        assert!(says.starts_with(&expected), "{says}");
        assert!(!says.contains("check the operator's credentials"), "{says}");
        world.ready(name).await;
    }
    world.finish_looking().await;
}
