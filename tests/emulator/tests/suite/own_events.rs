//! ECR's own events about what happens behind its answers: scans, replication, pulls that go through,
//! restores. Their forms are those of the user guide:
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html>.

use std::time::Duration;

use ecr_emulator::{Emulator, Movement, SecretFault};
use serde_json::{Value, json};

use crate::events::{drain, drain_at, started};
use crate::lifecycle_world::{DAY, Images, keep, tagged};
use crate::support::{ACCOUNT, REGION, apply, arn, create, digest, manifest, refusal};

const OTHER: &str = "eu-west-1";
const FOREIGN: &str = "444455556666";

/// An emulator with a queue, at eight o'clock, where everything takes a minute.
async fn at_eight() -> Emulator {
    let emulator = started().await;
    let eight = Movement {
        set: Some(1_800_000_000.0),
        hold: Some(true),
        ..Movement::default()
    };
    emulator.turn_clock(eight).unwrap();
    emulator.configure(|settings| settings.job_millis = 60_000);
    emulator
}

/// The events of one kind, without their identifiers.
fn of_kind(events: Vec<Value>, kind: &str) -> Vec<Value> {
    let found = events
        .into_iter()
        .filter(|event| event["detail-type"] == kind);
    found
        .map(|mut event| {
            let id = event.as_object_mut().unwrap().remove("id").unwrap();
            assert_eq!(id.as_str().unwrap().len(), 36);
            event
        })
        .collect()
}

async fn told(emulator: &Emulator, kind: &str) -> Vec<Value> {
    of_kind(drain(emulator).await, kind)
}

/// An event of a minute past eight.
fn event(kind: &str, (account, region): (&str, &str), resources: Value, detail: Value) -> Value {
    json!({
        "version": "0", "detail-type": kind, "source": "aws.ecr", "account": account,
        "time": "2027-01-15T08:01:00Z", "region": region, "resources": resources,
        "detail": detail,
    })
}

fn image(tag: &str) -> Value {
    json!({ "repositoryName": "api", "imageId": { "imageTag": tag } })
}

#[tokio::test]
async fn a_basic_scan_is_told_when_it_ends() {
    const KIND: &str = "ECR Image Scan";
    let emulator = at_eight().await;
    let finding = |severity: &str| json!({ "name": "CVE", "severity": severity });
    let found = ["HIGH", "LOW", "HIGH"].map(finding).to_vec();
    emulator.configure(|settings| settings.findings = [("*".to_owned(), found)].into());
    let images = Images::new(&emulator);
    let one = images.push("one", &["v1", "v2"]);
    images.push("two", &["gone"]);
    emulator
        .turn_clock(Movement {
            set: Some(1_800_000_000.0),
            ..Movement::default()
        })
        .unwrap();
    apply(&emulator, "StartImageScan", image("v1"));
    apply(&emulator, "StartImageScan", image("gone"));
    let delete = json!({ "repositoryName": "api", "imageIds": [{ "imageTag": "gone" }] });
    apply(&emulator, "BatchDeleteImage", delete);
    emulator.advance(Duration::from_secs(59));
    assert_eq!(told(&emulator, KIND).await, [json!(null); 0]);
    // However late one looks, it happened when it happened.
    emulator.advance(Duration::from_hours(5));
    let detail = json!({
        "scan-status": "COMPLETE", "repository-name": "api", "image-digest": one,
        "image-tags": ["v1", "v2"], "finding-severity-counts": { "HIGH": 2, "LOW": 1 },
    });
    let wanted = event(KIND, (ACCOUNT, REGION), json!([arn("api")]), detail);
    assert_eq!(told(&emulator, KIND).await, [wanted]);
    // A scan on push is one too; an enhanced one is told by Amazon Inspector.
    let on_push = json!({
        "repositoryName": "api", "imageScanningConfiguration": { "scanOnPush": true },
    });
    apply(&emulator, "PutImageScanningConfiguration", on_push);
    let three = images.push("three", &[]);
    emulator.advance(Duration::from_mins(1));
    let scans = told(&emulator, KIND).await;
    assert_eq!(
        (scans.len(), &scans[0]["detail"]["image-digest"]),
        (1, &json!(three))
    );
    enhanced(&emulator, &[("CONTINUOUS_SCAN", "*")]);
    images.push("four", &[]);
    emulator.advance(Duration::from_mins(1));
    assert!(told(&emulator, KIND).await.is_empty());
}

fn enhanced(emulator: &Emulator, rules: &[(&str, &str)]) {
    let rules = rules.iter().map(|(frequency, filter)| {
        let filters = json!([{ "filter": filter, "filterType": "WILDCARD" }]);
        json!({ "scanFrequency": frequency, "repositoryFilters": filters })
    });
    let rules: Vec<Value> = rules.collect();
    let input = json!({ "scanType": "ENHANCED", "rules": rules });
    apply(emulator, "PutRegistryScanningConfiguration", input);
}

/// The repositories with their frequencies, new and old, of each event.
async fn frequencies(emulator: &Emulator) -> Vec<Vec<[String; 3]>> {
    let events = told(emulator, "ECR Scan Resource Change").await;
    let of = |event: &Value| {
        let detail = &event["detail"];
        assert_eq!(event["resources"], json!([]));
        assert_eq!(detail["action-type"], "SCAN_FREQUENCY_CHANGE");
        assert_eq!(detail["resource-type"], "REPOSITORY");
        assert_eq!(detail["scan-type"], "ENHANCED");
        let repositories = detail["repositories"].as_array().unwrap();
        let of = |repository: &Value| {
            let name = repository["repository-name"].as_str().unwrap();
            assert_eq!(repository["repository-arn"], arn(name));
            [
                "repository-name",
                "scan-frequency",
                "previous-scan-frequency",
            ]
            .map(|member| repository[member].as_str().unwrap().to_owned())
        };
        repositories.iter().map(of).collect()
    };
    events.iter().map(of).collect()
}

#[tokio::test]
async fn frequencies_of_enhanced_scanning_are_told_when_they_change() {
    let emulator = at_eight().await;
    create(&emulator, "aa");
    create(&emulator, "bb");
    let on_push = json!({
        "repositoryName": "bb", "imageScanningConfiguration": { "scanOnPush": true },
    });
    apply(&emulator, "PutImageScanningConfiguration", on_push);
    assert!(frequencies(&emulator).await.is_empty());
    enhanced(&emulator, &[("CONTINUOUS_SCAN", "a*")]);
    let changes = [
        ["aa", "CONTINUOUS_SCAN", "MANUAL"],
        ["bb", "MANUAL", "SCAN_ON_PUSH"],
    ];
    assert_eq!(frequencies(&emulator).await, [changes]);
    // A new repository, by whom ever, is told if it is scanned.
    create(&emulator, "cc");
    create(&emulator, "ab");
    let template = json!({ "prefix": "ROOT", "appliedFor": ["CREATE_ON_PUSH"] });
    apply(&emulator, "CreateRepositoryCreationTemplate", template);
    let push = |name: &str| json!({ "repositoryName": name });
    apply(&emulator, "InitiateLayerUpload", push("made"));
    apply(&emulator, "InitiateLayerUpload", push("amade"));
    let made = frequencies(&emulator).await;
    let new = |name| vec![[name, "CONTINUOUS_SCAN", "MANUAL"].map(str::to_owned)];
    assert_eq!(made, [new("ab"), new("amade")]);
    // One that a push leaves nothing of is not.
    let manifest = manifest(&digest(b"config"), &digest(b"layer"), "x");
    let put = json!({ "repositoryName": "afailed", "imageManifest": manifest });
    let refused = refusal(&emulator, "PutImage", put);
    assert_eq!(refused, "LayersNotFoundException");
    assert_eq!(
        emulator.repositories(ACCOUNT, REGION),
        ["aa", "ab", "amade", "bb", "cc", "made"]
    );
    enhanced(
        &emulator,
        &[("CONTINUOUS_SCAN", "a*"), ("SCAN_ON_PUSH", "c*")],
    );
    assert_eq!(
        frequencies(&emulator).await,
        [[["cc", "SCAN_ON_PUSH", "MANUAL"]]]
    );
    apply(&emulator, "PutRegistryScanningConfiguration", json!({}));
    assert!(
        frequencies(&emulator).await.is_empty(),
        "it is basic scanning now"
    );
}

#[tokio::test]
async fn many_changes_are_told_in_several_events() {
    let emulator = at_eight().await;
    for number in 0..401 {
        create(&emulator, &format!("r{number:03}"));
    }
    drain(&emulator).await;
    enhanced(&emulator, &[("CONTINUOUS_SCAN", "*")]);
    let sizes: Vec<usize> = frequencies(&emulator).await.iter().map(Vec::len).collect();
    assert_eq!(sizes, [200, 200, 1]);
}

fn replicate(emulator: &Emulator, destinations: &[(&str, &str)], delete: bool) {
    let to = destinations.iter();
    let to: Vec<Value> = to
        .map(|(account, region)| json!({ "region": region, "registryId": account }))
        .collect();
    let rule = json!({ "destinations": to, "deleteReplication": { "enabled": delete } });
    let input = json!({ "replicationConfiguration": { "rules": [rule] } });
    apply(emulator, "PutReplicationConfiguration", input);
}

#[tokio::test]
async fn a_replication_is_told_at_its_destination() {
    const KIND: &str = "ECR Replication Action";
    let emulator = at_eight().await;
    // Nobody in the other account permits it.
    replicate(&emulator, &[(ACCOUNT, OTHER), (FOREIGN, REGION)], false);
    let images = Images::new(&emulator);
    let one = images.push("one", &["v1"]);
    assert!(drain_at(&emulator, ACCOUNT, OTHER).await.is_empty());
    emulator.advance(DAY);
    let mut detail = json!({
        "result": "SUCCESS", "repository-name": "api", "image-digest": one,
        "source-account": ACCOUNT, "action-type": "REPLICATE", "source-region": REGION,
        "image-tag": "v1",
    });
    let there = json!([arn("api").replace(REGION, OTHER)]);
    let wanted = event(KIND, (ACCOUNT, OTHER), there, detail.clone());
    assert_eq!(
        of_kind(drain_at(&emulator, ACCOUNT, OTHER).await, KIND),
        [wanted]
    );
    detail["result"] = json!("FAILED");
    let there = json!([arn("api").replace(ACCOUNT, FOREIGN)]);
    let wanted = event(KIND, (FOREIGN, REGION), there, detail);
    assert_eq!(
        of_kind(drain_at(&emulator, FOREIGN, REGION).await, KIND),
        [wanted]
    );
    assert!(
        told(&emulator, KIND).await.is_empty(),
        "nothing at the source"
    );
    // A backfill is a replication too, of images with and without tags.
    images.push("two", &[]);
    emulator.advance(Duration::from_mins(1));
    drain_at(&emulator, ACCOUNT, OTHER).await;
    let backfill = json!({ "destination": { "region": OTHER, "registryId": ACCOUNT } });
    apply(&emulator, "StartReplicationBackfill", backfill);
    emulator.advance(Duration::from_mins(1));
    let events = of_kind(drain_at(&emulator, ACCOUNT, OTHER).await, KIND);
    let mut tags: Vec<&Value> = events
        .iter()
        .map(|event| &event["detail"]["image-tag"])
        .collect();
    tags.sort_by_key(|tag| tag.is_null());
    assert_eq!(tags, [&json!("v1"), &Value::Null]);
}

#[tokio::test]
async fn an_expiry_is_replicated_like_any_deletion() {
    const KIND: &str = "ECR Image Action";
    let there = |emulator: &Emulator| emulator.repository(ACCOUNT, OTHER, "api").unwrap().images;
    let emulator = at_eight().await;
    replicate(&emulator, &[(ACCOUNT, OTHER)], false);
    let images = Images::new(&emulator);
    let [first, second, third] = ["1", "2", "3"].map(|tag| images.push(tag, &[tag]));
    images.policy(json!([keep(tagged(&["*"]), 2)]));
    emulator.advance(DAY);
    assert_eq!(
        images.states([&first, &second, &third]),
        ["gone", "there", "there"]
    );
    assert_eq!(there(&emulator).len(), 3);
    replicate(&emulator, &[(ACCOUNT, OTHER)], true);
    images.policy(json!([keep(tagged(&["*"]), 1)]));
    drain_at(&emulator, ACCOUNT, OTHER).await;
    emulator.run_lifecycle();
    // It takes as long as any replication.
    assert_eq!(there(&emulator).len(), 3);
    emulator.advance(Duration::from_mins(1));
    let left: Vec<String> = there(&emulator).into_keys().collect();
    let mut wanted = vec![first, third];
    wanted.sort();
    assert_eq!(left, wanted);
    let events = of_kind(drain_at(&emulator, ACCOUNT, OTHER).await, KIND);
    let detail = &events[0]["detail"];
    assert_eq!(
        (events.len(), &detail["action-type"]),
        (1, &json!("DELETE"))
    );
    assert_eq!(
        (&detail["image-digest"], &detail["image-tag"]),
        (&json!(second), &json!("2"))
    );
}

#[tokio::test]
async fn a_pull_that_goes_through_is_told() {
    const KIND: &str = "ECR Pull Through Cache Action";
    let emulator = at_eight().await;
    emulator.advance(Duration::from_mins(1));
    let secret =
        format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:ecr-pullthroughcache/a-Ab");
    let rule = json!({
        "ecrRepositoryPrefix": "hub", "upstreamRegistryUrl": "registry-1.docker.io",
        "credentialArn": secret,
    });
    apply(&emulator, "CreatePullThroughCacheRule", rule);
    let text = manifest(&digest(b"config"), &digest(b"layer"), "upstream");
    let place = "registry-1.docker.io/alpine:3".to_owned();
    emulator.configure(|settings| settings.upstream_images = [(place, text.clone())].into());
    let pull = json!({ "repositoryName": "hub/alpine", "imageIds": [{ "imageTag": "3" }] });
    emulator.configure(|settings| {
        settings.secret_faults = [(secret.clone(), SecretFault::Rejected)].into();
    });
    refusal(&emulator, "BatchGetImage", pull.clone());
    let detail = |more: Value| {
        let mut detail = json!({
            "rule-version": "1", "ecr-repository-prefix": "hub", "repository-name": "hub/alpine",
            "upstream-registry-url": "registry-1.docker.io", "image-tag": "3",
        });
        detail
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        event(KIND, (ACCOUNT, REGION), json!([arn("hub/alpine")]), detail)
    };
    let failed = detail(json!({
        "sync-status": "FAILED", "failure-code": "UnableToGetUpstreamImageException",
        "failure-reason": "The upstream registry did not accept the credentials in the secret",
    }));
    assert_eq!(told(&emulator, KIND).await, [failed]);
    emulator.configure(|settings| settings.secret_faults.clear());
    apply(&emulator, "BatchGetImage", pull.clone());
    let image = digest(text.as_bytes());
    let done = detail(json!({ "sync-status": "SUCCESS", "image-digest": image }));
    assert_eq!(told(&emulator, KIND).await, [done]);
    // What is in the cache already is only read.
    apply(&emulator, "BatchGetImage", pull);
    assert!(drain(&emulator).await.is_empty());
}

#[tokio::test]
async fn a_restore_is_told_when_it_is_done() {
    let emulator = at_eight().await;
    let images = Images::new(&emulator);
    let one = images.push("one", &["v1"]);
    let class = |class: &str| {
        let mut input = image("v1");
        input["targetStorageClass"] = json!(class);
        apply(&emulator, "UpdateImageStorageClass", input);
    };
    class("ARCHIVE");
    emulator.configure(|settings| settings.job_millis = 59_250);
    class("STANDARD");
    let events = told(&emulator, "ECR Image Action").await;
    let classes: Vec<&Value> = events
        .iter()
        .map(|event| &event["detail"]["target-storage-class"])
        .collect();
    assert_eq!(classes, [&Value::Null, &json!("ARCHIVE")]);
    emulator.advance(Duration::from_mins(1));
    let detail = json!({
        "action-type": "UPDATE_STORAGE_CLASS", "target-storage-class": "STANDARD",
        "result": "SUCCESS", "repository-name": "api", "image-digest": one, "image-tag": "v1",
        "manifest-media-type": "application/vnd.oci.image.manifest.v1+json",
        "artifact-media-type": "application/vnd.oci.image.config.v1+json",
        "last-activated-at": "2027-01-15T08:01:00.25Z",
    });
    let wanted = event("ECR Image Action", (ACCOUNT, REGION), json!([]), detail);
    assert_eq!(told(&emulator, "ECR Image Action").await, [wanted]);
}
