//! Many objects in one commit.

use std::fs;

use anyhow::ensure;
use serde_json::json;
use xtask::patience::eventually;

use crate::{
    cluster::{Cluster, PATIENCE, is_ready},
    flux::{FLUX, Flux, delivery},
};

const OBJECTS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_objects_become_ready_and_rest() {
    let cluster = Cluster::installed("many").await;
    let flux = Flux::start(&cluster).await;
    cluster.run(&["create", "namespace", "team"]).await;
    let manifests = (0..OBJECTS).map(|number| {
        let object = json!({
            "apiVersion": "ecr-operator.dev/v1alpha1", "kind": "ECRRepository",
            "metadata": {"name": format!("it-{number}"), "namespace": "team"},
            "spec": {"tags": {"team": "team"}, "imageTagMutability": "IMMUTABLE"},
        });
        format!("{object}\n---\n")
    });
    let manifests: String = manifests.collect();
    cluster.git.push("many", |at| {
        fs::write(at.join("all.yaml"), manifests).unwrap()
    });
    let began = std::time::Instant::now();
    cluster
        .apply(&delivery(
            &cluster,
            "many",
            &[("many", "./")],
            ", wait: true",
        ))
        .await;
    cluster.wait("kustomization", FLUX, "many", is_ready).await;
    cluster.note(&format!(
        "many: {OBJECTS} objects are Ready after {:?}",
        began.elapsed()
    ));
    let versions = async || {
        let objects = cluster.list("ecrrepo", "team").await.unwrap();
        let version = |it: &serde_json::Value| it["metadata"]["resourceVersion"].to_string();
        objects.iter().map(version).collect::<Vec<_>>()
    };
    // The operator's last write of status may be under way.
    let look = async || {
        let objects = cluster.list("ecrrepo", "team").await?;
        ensure!(objects.iter().all(is_ready));
        Ok(())
    };
    eventually("all of them Ready", PATIENCE, look)
        .await
        .unwrap();
    let (before, calls) = (versions().await, cluster.emulator.calls());
    for _ in 0..5 {
        flux.reconcile(&cluster, "kustomization", "many").await;
    }
    assert_eq!(versions().await, before, "nothing is written");
    assert_eq!(cluster.emulator.calls(), calls, "and ECR is not asked");
}
