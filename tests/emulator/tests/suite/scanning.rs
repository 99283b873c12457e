//! Scanning: the registry's configuration, what it means for a repository, scans and findings.

use ecr_emulator::Emulator;
use serde_json::{Value, json};

use crate::support::{apply, client, create, push, refusal, start};

fn filter(text: &str) -> Value {
    json!({ "filter": text, "filterType": "WILDCARD" })
}

fn rule(frequency: &str, filters: &[&str]) -> Value {
    let filters: Vec<Value> = filters.iter().map(|text| filter(text)).collect();
    json!({ "scanFrequency": frequency, "repositoryFilters": filters })
}

fn configure(emulator: &Emulator, kind: &str, rules: Value) -> Value {
    let input = json!({ "scanType": kind, "rules": rules });
    apply(emulator, "PutRegistryScanningConfiguration", input)
}

fn effective(emulator: &Emulator, name: &str) -> (String, bool, Value) {
    let input = json!({ "repositoryNames": [name] });
    let answer = apply(emulator, "BatchGetRepositoryScanningConfiguration", input);
    let found = &answer["scanningConfigurations"][0];
    let frequency = found["scanFrequency"].as_str().unwrap().to_owned();
    let on_push = found["scanOnPush"].as_bool().unwrap();
    (frequency, on_push, found["appliedScanFilters"].clone())
}

fn image(tag: &str) -> Value {
    json!({ "repositoryName": "api", "imageId": { "imageTag": tag } })
}

#[tokio::test]
async fn the_configuration_is_replaced_and_returned() {
    let emulator = start().await;
    let asked = || apply(&emulator, "GetRegistryScanningConfiguration", json!({}));
    assert_eq!(
        asked()["scanningConfiguration"],
        json!({ "scanType": "BASIC", "rules": [] })
    );
    let rules = json!([rule("SCAN_ON_PUSH", &["team/*"])]);
    let answer = configure(&emulator, "BASIC", rules.clone());
    let wanted = json!({ "scanType": "BASIC", "rules": rules });
    assert_eq!(answer["registryScanningConfiguration"], wanted);
    assert_eq!(asked()["scanningConfiguration"], wanted);
    apply(&emulator, "PutRegistryScanningConfiguration", json!({}));
    assert_eq!(
        asked()["scanningConfiguration"],
        json!({ "scanType": "BASIC", "rules": [] })
    );
}

#[tokio::test]
async fn what_a_scan_type_does_not_support_is_refused() {
    let emulator = start().await;
    for (kind, rules) in [
        ("BASIC", json!([rule("CONTINUOUS_SCAN", &["*"])])),
        ("ENHANCED", json!([rule("MANUAL", &["*"])])),
        (
            "BASIC",
            json!([rule("SCAN_ON_PUSH", &["a"]), rule("SCAN_ON_PUSH", &["b"])]),
        ),
        ("BASIC", json!([rule("SCAN_ON_PUSH", &["*a*b*c*d*"])])),
    ] {
        let input = json!({ "scanType": kind, "rules": rules });
        let refused = refusal(&emulator, "PutRegistryScanningConfiguration", input);
        assert_eq!(refused, "InvalidParameterException", "{kind} {rules}");
    }
    emulator.configure(|settings| settings.scanning_blocked = true);
    let refused = refusal(&emulator, "PutRegistryScanningConfiguration", json!({}));
    assert_eq!(refused, "BlockedByOrganizationPolicyException");
}

#[tokio::test]
async fn the_effective_configuration_follows_from_registry_and_repository() {
    let emulator = start().await;
    create(&emulator, "team/api");
    let manual = ("MANUAL".to_owned(), false, json!([]));
    assert_eq!(effective(&emulator, "team/api"), manual);
    let on = json!({
        "repositoryName": "team/api", "imageScanningConfiguration": { "scanOnPush": true },
    });
    apply(&emulator, "PutImageScanningConfiguration", on);
    let on_push = |filters: Value| ("SCAN_ON_PUSH".to_owned(), true, filters);
    assert_eq!(effective(&emulator, "team/api"), on_push(json!([])));

    configure(
        &emulator,
        "BASIC",
        json!([rule("SCAN_ON_PUSH", &["api", "other", "team/*"])]),
    );
    let applied = json!([filter("api"), filter("team/*")]);
    assert_eq!(effective(&emulator, "team/api"), on_push(applied));

    configure(&emulator, "ENHANCED", json!([]));
    assert_eq!(effective(&emulator, "team/api"), manual);
    let rules = json!([
        rule("SCAN_ON_PUSH", &["*"]),
        rule("CONTINUOUS_SCAN", &["team*"])
    ]);
    configure(&emulator, "ENHANCED", rules);
    let continuous = (
        "CONTINUOUS_SCAN".to_owned(),
        false,
        json!([filter("team*")]),
    );
    assert_eq!(effective(&emulator, "team/api"), continuous);

    let input = json!({ "repositoryNames": ["none"] });
    let answer = apply(&emulator, "BatchGetRepositoryScanningConfiguration", input);
    assert_eq!(answer["failures"][0]["failureCode"], "REPOSITORY_NOT_FOUND");
}

#[tokio::test]
async fn a_basic_scan_is_started_once_a_day_and_has_pages_of_findings() {
    let emulator = start().await;
    create(&emulator, "api");
    push(&client(&emulator), "api", &["v1", "v2"]).await;
    let findings: Vec<Value> = (0..3)
        .map(|number| {
            let severity = if number == 0 { "HIGH" } else { "LOW" };
            json!({ "name": format!("CVE-2026-{number}"), "severity": severity })
        })
        .collect();
    emulator.configure(|settings| settings.findings = [("*".to_owned(), findings)].into());
    let refused = refusal(&emulator, "DescribeImageScanFindings", image("v1"));
    assert_eq!(refused, "ScanNotFoundException");
    let answer = apply(&emulator, "StartImageScan", image("v1"));
    assert_eq!(answer["imageScanStatus"]["status"], "IN_PROGRESS");
    let refused = refusal(&emulator, "StartImageScan", image("v1"));
    assert_eq!(refused, "LimitExceededException");

    let mut input = image("v1");
    input["maxResults"] = json!(2);
    let first = apply(&emulator, "DescribeImageScanFindings", input.clone());
    assert_eq!(first["imageScanStatus"]["status"], "COMPLETE");
    let found = &first["imageScanFindings"];
    assert_eq!(
        found["findingSeverityCounts"],
        json!({ "HIGH": 1, "LOW": 2 })
    );
    assert_eq!(found["findings"].as_array().unwrap().len(), 2);
    input["nextToken"] = first["nextToken"].clone();
    let rest = apply(&emulator, "DescribeImageScanFindings", input);
    assert_eq!(
        rest["imageScanFindings"]["findings"][0]["name"],
        "CVE-2026-2"
    );
    assert!(rest.get("nextToken").is_none());

    emulator.configure(|settings| settings.scans_quota = 1);
    let refused = refusal(&emulator, "StartImageScan", image("v2"));
    assert_eq!(refused, "LimitExceededException");
}

#[tokio::test]
async fn a_scan_takes_its_time() {
    let emulator = start().await;
    create(&emulator, "api");
    push(&client(&emulator), "api", &["v1"]).await;
    emulator.configure(|settings| settings.job_millis = 3_600_000);
    apply(&emulator, "StartImageScan", image("v1"));
    let answer = apply(&emulator, "DescribeImageScanFindings", image("v1"));
    assert_eq!(answer["imageScanStatus"]["status"], "IN_PROGRESS");
    assert!(answer.get("imageScanFindings").is_none());
}

#[tokio::test]
async fn what_cannot_be_scanned_is_refused() {
    let emulator = start().await;
    create(&emulator, "api");
    let digests = push(&client(&emulator), "api", &["v1"]).await;
    let list = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{ "digest": digests[0] }],
    });
    let input = json!({
        "repositoryName": "api", "imageTag": "list", "imageManifest": list.to_string(),
    });
    apply(&emulator, "PutImage", input);
    for (tag, code) in [
        ("list", "UnsupportedImageTypeException"),
        ("none", "ImageNotFoundException"),
    ] {
        assert_eq!(refusal(&emulator, "StartImageScan", image(tag)), code);
    }
    let mut input = image("v1");
    input["targetStorageClass"] = json!("ARCHIVE");
    apply(&emulator, "UpdateImageStorageClass", input);
    let refused = refusal(&emulator, "StartImageScan", image("v1"));
    assert_eq!(refused, "ImageArchivedException");
    configure(&emulator, "ENHANCED", json!([]));
    let refused = refusal(&emulator, "StartImageScan", image("v1"));
    assert_eq!(refused, "ValidationException");
}

#[tokio::test]
async fn pushes_are_scanned_as_configured() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    push(&client, "api", &["before"]).await;
    configure(&emulator, "BASIC", json!([rule("SCAN_ON_PUSH", &["*"])]));
    push(&client, "api", &["on-push"]).await;
    let status = |tag: &str| {
        let answer = apply(&emulator, "DescribeImageScanFindings", image(tag));
        answer["imageScanStatus"]["status"].clone()
    };
    assert_eq!(status("on-push"), "COMPLETE");
    let refused = refusal(&emulator, "StartImageScan", image("on-push"));
    assert_eq!(refused, "LimitExceededException");
    let refused = refusal(&emulator, "DescribeImageScanFindings", image("before"));
    assert_eq!(refused, "ScanNotFoundException");

    configure(
        &emulator,
        "ENHANCED",
        json!([rule("CONTINUOUS_SCAN", &["*"])]),
    );
    assert_eq!(status("before"), "ACTIVE");
    configure(&emulator, "ENHANCED", json!([]));
    let refused = refusal(&emulator, "DescribeImageScanFindings", image("before"));
    assert_eq!(refused, "ScanNotFoundException");
    configure(
        &emulator,
        "ENHANCED",
        json!([rule("SCAN_ON_PUSH", &["api"])]),
    );
    assert_eq!(status("before"), "ACTIVE");
    let found = apply(&emulator, "DescribeImageScanFindings", image("before"));
    assert_eq!(found["imageScanFindings"]["enhancedFindings"], json!([]));
}
