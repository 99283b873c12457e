//! What Argo CD makes of every field, by each of its ways to apply and to compare, of null and of what needs a person.

use std::fs;

use serde_json::{Value, json};

use super::{ARGOCD, ArgoCd, application, is_healthy, is_synced};
use crate::{
    cluster::Cluster,
    fields::{REFRESHES, all, every_field, manifest},
};

/// How it applies and how it compares.
const WAYS: [(&str, &[&str], &str); 5] = [
    ("client", &[], ""),
    ("server", &["ServerSideApply=true"], ""),
    ("client-server", &[], "ServerSideDiff=true"),
    (
        "server-server",
        &["ServerSideApply=true"],
        "ServerSideDiff=true",
    ),
    (
        "webhook",
        &["ServerSideApply=true"],
        "ServerSideDiff=true,IncludeMutationWebhook=true",
    ),
];

fn compared(mut application: Value, how: &str) -> Value {
    if !how.is_empty() {
        application["metadata"]["annotations"]["argocd.argoproj.io/compare-options"] = json!(how);
    }
    application
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_stays_in_sync() {
    let cluster = Cluster::installed("argocd-fields").await;
    let argo = ArgoCd::start(&cluster).await;
    cluster.git.push("all", |at| {
        for (way, ..) in WAYS {
            fs::create_dir_all(at.join(way)).unwrap();
            fs::write(at.join(way).join("all.yaml"), every_field(way)).unwrap();
        }
    });
    for (way, options, how) in WAYS {
        cluster.run(&["create", "namespace", way]).await;
        let it = compared(application(&cluster, way, way, options), how);
        cluster.apply(&it.to_string()).await;
    }
    for (way, ..) in WAYS {
        cluster.wait("application", ARGOCD, way, is_synced).await;
    }
    cluster.note("argocd: every field is Synced, in five ways");
    let written = async || {
        let mut written = Vec::new();
        for (way, ..) in WAYS {
            written.push(all(&cluster, way).await);
        }
        written
    };
    let first = written().await;
    for refresh in 0..REFRESHES {
        let how = if refresh % 3 == 0 { "hard" } else { "normal" };
        for (way, ..) in WAYS {
            let it = argo.refresh(&cluster, way, how).await;
            assert!(
                is_synced(&it),
                "{way}, {refresh}: {:#}",
                it["status"]["resources"]
            );
        }
    }
    assert_eq!(written().await, first, "nothing is written");
    cluster.note(&format!("argocd: in sync for {REFRESHES} refreshes"));
}

/// Two waves: the second waits for the first.
fn waves(first: &Value) -> String {
    let mut text = String::new();
    for (wave, spec) in [first, &json!({})].into_iter().enumerate() {
        let it = manifest("ECRRepository", "team", &format!("wave-{wave}"), spec);
        let mut it: Value = serde_json::from_str(&it).unwrap();
        it["metadata"]["annotations"] = json!({"argocd.argoproj.io/sync-wave": wave.to_string()});
        text += &format!("{it}\n---\n");
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_up_a_delivery_says_so_at_once() {
    let cluster = Cluster::installed("argocd-person").await;
    let argo = ArgoCd::start(&cluster).await;
    cluster.run(&["create", "namespace", "team"]).await;
    cluster.git.push("all", |at| {
        for (name, text) in [
            ("waves", waves(&json!({"className": "none"}))),
            (
                "null-client",
                manifest(
                    "ECRRepository",
                    "team",
                    "null-client",
                    &json!({"tags": null}),
                ),
            ),
            (
                "null-server",
                manifest(
                    "ECRRepository",
                    "team",
                    "null-server",
                    &json!({"tags": null}),
                ),
            ),
            (
                "one",
                manifest(
                    "ECRRepository",
                    "team",
                    "one",
                    &json!({"className": "none"}),
                ),
            ),
        ] {
            fs::create_dir_all(at.join(name)).unwrap();
            fs::write(at.join(name).join("it.yaml"), text).unwrap();
        }
    });
    let began = std::time::Instant::now();
    for (name, options, how) in [
        ("waves", &[][..], ""),
        ("one", &[], ""),
        ("null-client", &[], "ServerSideDiff=true"),
        ("null-server", &["ServerSideApply=true"], ""),
    ] {
        let it = compared(application(&cluster, name, name, options), how);
        cluster.apply(&it.to_string()).await;
    }
    // A sync of several waves fails with the operator's message; one of a single wave is over before.
    let first = |it: &Value| it["status"]["operationState"]["syncResult"]["resources"][0].clone();
    let failed = |it: &Value| first(it)["hookPhase"] == "Failed";
    let it = cluster.wait("application", ARGOCD, "waves", failed).await;
    cluster.note(&format!(
        "argocd: Stalled fails a sync of two waves after {:?}: {}",
        began.elapsed(),
        first(&it)["message"]
    ));
    let degraded = |it: &Value| is_synced(it) && it["status"]["health"]["status"] == "Degraded";
    let it = cluster.wait("application", ARGOCD, "one", degraded).await;
    assert_eq!(it["status"]["operationState"]["phase"], "Succeeded");
    let second = cluster.get("ecrrepo", "team", "wave-1").await;
    assert!(second.is_err(), "the second wave waits");

    // Null: an error that names the field, by each way.
    for name in ["null-client", "null-server"] {
        let named = |it: &Value| {
            let said = format!(
                "{} {}",
                it["status"]["conditions"], it["status"]["operationState"]
            );
            said.contains("spec.tags")
        };
        let it = cluster.wait("application", ARGOCD, name, named).await;
        cluster.note(&format!(
            "argocd: {name}: {} {}",
            it["status"]["sync"]["status"], it["status"]["conditions"][0]["type"]
        ));
    }
    // An automated sync that fails goes on with its commit for some minutes; a comparison takes the next one.
    cluster.git.push("all", |at| {
        let text = manifest("ECRRepository", "team", "null-client", &json!({}));
        fs::write(at.join("null-client/it.yaml"), text).unwrap();
    });
    argo.refresh(&cluster, "null-client", "hard").await;
    argo.healthy(&cluster, "null-client").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_objects_become_healthy() {
    let cluster = Cluster::installed("argocd-many").await;
    let argo = ArgoCd::start(&cluster).await;
    cluster.run(&["create", "namespace", "team"]).await;
    let spec = json!({"tags": {"team": "team"}, "imageTagMutability": "IMMUTABLE"});
    let manifests =
        (0..300).map(|it| manifest("ECRRepository", "team", &format!("it-{it}"), &spec) + "---\n");
    let manifests: String = manifests.collect();
    cluster.git.push("all", |at| {
        fs::create_dir_all(at.join("many")).unwrap();
        fs::write(at.join("many/all.yaml"), manifests).unwrap();
    });
    let began = std::time::Instant::now();
    let it = application(&cluster, "many", "many", &["ServerSideApply=true"]);
    cluster.apply(&it.to_string()).await;
    cluster
        .wait("application", ARGOCD, "many", is_healthy)
        .await;
    cluster.note(&format!(
        "argocd: 300 objects are Healthy after {:?}",
        began.elapsed()
    ));
    let calls = cluster.emulator.calls();
    for _ in 0..5 {
        assert!(is_healthy(&argo.refresh(&cluster, "many", "hard").await));
    }
    assert_eq!(cluster.emulator.calls(), calls, "ECR is not asked");
}
