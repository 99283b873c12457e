//! Replication to other regions and accounts, of pushes, of deletions, and of what was there before.

use ecr_emulator::Emulator;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, REGION, apply, client, create, push, refusal, start};

const OTHER: &str = "eu-west-1";
const FOREIGN: &str = "444455556666";

fn to(region: &str, account: &str) -> Value {
    json!({ "region": region, "registryId": account })
}

fn configure(emulator: &Emulator, rules: Value) -> Value {
    let input = json!({ "replicationConfiguration": { "rules": rules } });
    apply(emulator, "PutReplicationConfiguration", input)
}

fn image(tag: &str) -> Value {
    json!({ "repositoryName": "api", "imageId": { "imageTag": tag } })
}

fn statuses(emulator: &Emulator, tag: &str) -> Value {
    apply(emulator, "DescribeImageReplicationStatus", image(tag))["replicationStatuses"].clone()
}

#[tokio::test]
async fn the_configuration_is_replaced_and_described() {
    let emulator = start().await;
    let rules = json!([{
        "destinations": [to(OTHER, ACCOUNT)],
        "repositoryFilters": [{ "filter": "team/", "filterType": "PREFIX_MATCH" }],
        "deleteReplication": { "enabled": true },
    }]);
    configure(&emulator, rules.clone());
    let described = apply(&emulator, "DescribeRegistry", json!({}));
    assert_eq!(described["registryId"], ACCOUNT);
    assert_eq!(described["replicationConfiguration"]["rules"], rules);
    configure(&emulator, json!([]));
    let described = apply(&emulator, "DescribeRegistry", json!({}));
    assert_eq!(described["replicationConfiguration"]["rules"], json!([]));
    let many: Vec<Value> = (0..26)
        .map(|n| to(&format!("eu-south-{n}"), ACCOUNT))
        .collect();
    for (destinations, code) in [
        (json!([to(REGION, ACCOUNT)]), "InvalidParameterException"),
        (json!(many), "ValidationException"),
    ] {
        let rules = json!({ "rules": [{ "destinations": destinations }] });
        let input = json!({ "replicationConfiguration": rules });
        assert_eq!(
            refusal(&emulator, "PutReplicationConfiguration", input),
            code
        );
    }
}

#[tokio::test]
async fn pushes_are_replicated_to_regions_and_by_templates() {
    let emulator = start().await;
    create(&emulator, "api");
    let template = json!({
        "prefix": "ROOT", "appliedFor": ["REPLICATION"], "imageTagMutability": "IMMUTABLE",
    });
    emulator
        .call(ACCOUNT, OTHER, "CreateRepositoryCreationTemplate", template)
        .unwrap();
    configure(&emulator, json!([{ "destinations": [to(OTHER, ACCOUNT)] }]));
    let digests = push(&client(&emulator), "api", &["v1"]).await;
    let wanted = json!([{ "region": OTHER, "registryId": ACCOUNT, "status": "COMPLETE" }]);
    assert_eq!(statuses(&emulator, "v1"), wanted);
    let copy = emulator.repository(ACCOUNT, OTHER, "api").unwrap();
    assert_eq!(copy.image_tag_mutability, "IMMUTABLE");
    assert_eq!(copy.images[&digests[0]].tags, ["v1"]);
    assert_eq!(copy.layers.len(), 2);
    let layers = json!({ "repositoryName": "api", "imageIds": [{ "imageTag": "v1" }] });
    let pulled = emulator
        .call(ACCOUNT, OTHER, "BatchGetImage", layers)
        .unwrap();
    assert_eq!(pulled["images"][0]["imageId"]["imageDigest"], digests[0]);
}

#[tokio::test]
async fn a_tag_that_may_not_move_stays_at_the_destination() {
    let emulator = start().await;
    create(&emulator, "api");
    let immutable = json!({ "repositoryName": "api", "imageTagMutability": "IMMUTABLE" });
    emulator
        .call(ACCOUNT, OTHER, "CreateRepository", immutable)
        .unwrap();
    configure(&emulator, json!([{ "destinations": [to(OTHER, ACCOUNT)] }]));
    let client = client(&emulator);
    let first = push(&client, "api", &["v1"]).await;
    let config = crate::support::upload_once(&client, "api", b"config").await;
    let layer = crate::support::upload_once(&client, "api", b"layer").await;
    let moved = crate::support::manifest(&config, &layer, "moved");
    let input = json!({ "repositoryName": "api", "imageTag": "v1", "imageManifest": moved });
    apply(&emulator, "PutImage", input);
    let copy = emulator.repository(ACCOUNT, OTHER, "api").unwrap();
    assert_eq!(copy.images[&first[0]].tags, ["v1"]);
    assert_eq!(
        copy.images[&crate::support::digest(moved.as_bytes())].tags,
        [""; 0]
    );
}

#[tokio::test]
async fn another_account_has_to_permit_it() {
    let emulator = start().await;
    create(&emulator, "api");
    configure(
        &emulator,
        json!([{ "destinations": [to(REGION, FOREIGN)] }]),
    );
    let client = client(&emulator);
    push(&client, "api", &["v1"]).await;
    let status = &statuses(&emulator, "v1")[0];
    assert_eq!(status["status"], "FAILED");
    assert_eq!(status["failureCode"], "AccessDeniedException");
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": { "AWS": ACCOUNT },
        "Action": ["ecr:CreateRepository", "ecr:ReplicateImage"],
        "Resource": "*",
    }] });
    let input = json!({ "policyText": policy.to_string() });
    emulator
        .call(FOREIGN, REGION, "PutRegistryPolicy", input)
        .unwrap();
    push(&client, "api", &["v2"]).await;
    assert_eq!(statuses(&emulator, "v2")[0]["status"], "COMPLETE");
    assert!(emulator.repository(FOREIGN, REGION, "api").is_some());
}

#[tokio::test]
async fn deletions_are_replicated_where_a_rule_says_so() {
    let emulator = start().await;
    create(&emulator, "api");
    let destinations = json!([to(OTHER, ACCOUNT)]);
    configure(&emulator, json!([{ "destinations": destinations }]));
    push(&client(&emulator), "api", &["v1", "v2"]).await;
    let delete = |tag: &str| {
        let input = json!({ "repositoryName": "api", "imageIds": [{ "imageTag": tag }] });
        apply(&emulator, "BatchDeleteImage", input);
        emulator
            .repository(ACCOUNT, OTHER, "api")
            .unwrap()
            .images
            .len()
    };
    assert_eq!(delete("v1"), 2);
    let rule = json!({ "destinations": destinations, "deleteReplication": { "enabled": true } });
    configure(&emulator, json!([rule]));
    assert_eq!(delete("v2"), 1);
}

fn backfill(emulator: &Emulator, region: &str) -> Value {
    let input = json!({ "destination": to(region, ACCOUNT) });
    apply(emulator, "StartReplicationBackfill", input)
}

#[tokio::test]
async fn a_backfill_copies_what_was_there_before() {
    let emulator = start().await;
    create(&emulator, "api");
    push(&client(&emulator), "api", &["v1", "v2", ""]).await;
    let input = json!({ "destination": to(OTHER, ACCOUNT) });
    let refused = refusal(&emulator, "StartReplicationBackfill", input);
    assert_eq!(refused, "ValidationException");
    configure(&emulator, json!([{ "destinations": [to(OTHER, ACCOUNT)] }]));
    let started = backfill(&emulator, OTHER);
    assert_eq!(started["status"], "PREPARING");
    let id = started["replicationBackfillId"].as_str().unwrap();
    let input = json!({ "replicationBackfillId": id, "maxResults": 2 });
    let first = apply(&emulator, "DescribeReplicationBackfillResults", input);
    assert_eq!(first["status"], "COMPLETE");
    assert_eq!(first["progress"]["completedReplicationCount"], 3);
    assert_eq!(first["results"].as_array().unwrap().len(), 2);
    let input = json!({
        "replicationBackfillId": id, "maxResults": 2, "nextToken": first["nextToken"],
    });
    let rest = apply(&emulator, "DescribeReplicationBackfillResults", input);
    assert_eq!(rest["results"].as_array().unwrap().len(), 1);
    let input = json!({ "replicationBackfillId": id, "resultStatusFilter": "FAILED" });
    let failed = apply(&emulator, "DescribeReplicationBackfillResults", input);
    assert_eq!(failed["results"], json!([]));
    assert_eq!(
        emulator
            .repository(ACCOUNT, OTHER, "api")
            .unwrap()
            .images
            .len(),
        3
    );
    let refused = refusal(
        &emulator,
        "StopReplicationBackfill",
        json!({ "replicationBackfillId": id }),
    );
    assert_eq!(refused, "ReplicationBackfillInvalidStatusException");
}

#[tokio::test]
async fn backfills_run_one_a_region_and_can_be_stopped() {
    let emulator = start().await;
    emulator.configure(|settings| settings.job_millis = 3_600_000);
    let regions: Vec<String> = (0..11).map(|number| format!("eu-south-{number}")).collect();
    let destinations: Vec<Value> = regions.iter().map(|region| to(region, ACCOUNT)).collect();
    configure(&emulator, json!([{ "destinations": destinations }]));
    let started = backfill(&emulator, &regions[0]);
    let input = |region: &str| json!({ "destination": to(region, ACCOUNT) });
    let again = refusal(&emulator, "StartReplicationBackfill", input(&regions[0]));
    assert_eq!(again, "ReplicationBackfillInProgressException");
    for region in &regions[1..10] {
        backfill(&emulator, region);
    }
    let refused = refusal(&emulator, "StartReplicationBackfill", input(&regions[10]));
    assert_eq!(refused, "LimitExceededException");

    let id = json!({ "replicationBackfillId": started["replicationBackfillId"] });
    assert_eq!(
        apply(&emulator, "StopReplicationBackfill", id)["status"],
        "STOPPED"
    );
    backfill(&emulator, &regions[10]);
    let list = |input| apply(&emulator, "ListReplicationBackfills", input);
    let first = list(json!({ "maxResults": 10 }));
    assert_eq!(first["backfills"][0]["status"], "PREPARING");
    assert!(first["backfills"][0].get("progress").is_none());
    let rest = list(json!({ "maxResults": 10, "nextToken": first["nextToken"] }));
    assert_eq!(rest["backfills"][0]["status"], "STOPPED");
    let none = json!({ "replicationBackfillId": "01234567-89ab-cdef-0123-456789abcdef" });
    for operation in [
        "StopReplicationBackfill",
        "DescribeReplicationBackfillResults",
    ] {
        let refused = refusal(&emulator, operation, none.clone());
        assert_eq!(refused, "ReplicationBackfillNotFoundException");
    }
}
