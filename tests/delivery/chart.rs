//! The chart as Flux's helm-controller installs and upgrades it.

use std::{fs, path::Path};

use serde_json::{Value, json};
use xtask::{install::NAMESPACE, paths::workspace};

use crate::{
    cluster::{Cluster, is_ready},
    flux::{FLUX, Flux, delivery},
    git,
};

fn release(values: &Value) -> String {
    let mut release = json!({
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": "ecr-operator", "namespace": FLUX},
        "spec": {
            "interval": "1h",
            "releaseName": "ecr-operator",
            "targetNamespace": NAMESPACE,
            "storageNamespace": NAMESPACE,
            "install": {"createNamespace": true},
            "driftDetection": {"mode": "enabled"},
            "chart": {"spec": {
                "chart": "./deploy/helm/ecr-operator",
                "reconcileStrategy": "Revision",
                "sourceRef": {"kind": "GitRepository", "name": "chart"},
            }},
        },
    });
    release["spec"]["values"] = values.clone();
    release.to_string()
}

/// Makes of a chart a later version, with definitions of its own.
pub(crate) fn upgrade(chart: &Path) {
    let change = |file: &str, from: &str, to: &str| {
        let text = fs::read_to_string(chart.join(file)).unwrap();
        assert!(text.contains(from), "{file}");
        fs::write(chart.join(file), text.replace(from, to)).unwrap();
    };
    change("Chart.yaml", "\nversion: ", "\nversion: 9");
    let file = "files/crds/ecr-operator.dev_ecrrepositories.yaml";
    change(
        file,
        "description: Whether ECR matches the spec",
        "description: Upgraded",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chart_is_installed_and_upgraded() {
    let mut cluster = Cluster::start("chart").await;
    let flux = Flux::start(&cluster).await;
    let chart = workspace().join("deploy/helm/ecr-operator");
    cluster.git.push("chart", |at| {
        git::copy(&chart, &at.join("deploy/helm/ecr-operator"), &|text| text)
    });
    cluster.apply(&delivery(&cluster, "chart", &[], "")).await;
    let values = fs::read_to_string(chart.join("ci/default.yaml")).unwrap();
    let mut values: Value = serde_yaml::from_str(&values).unwrap();
    cluster.apply(&release(&values)).await;
    cluster
        .wait("deployment", NAMESPACE, "ecr-operator", |_| true)
        .await;
    cluster.start_operator().await;
    cluster.run_pods();
    cluster
        .wait("helmrelease", FLUX, "ecr-operator", is_ready)
        .await;
    cluster.note("chart: installed");

    // Another version of chart and definitions, and another value.
    cluster
        .git
        .push("chart", |at| upgrade(&at.join("deploy/helm/ecr-operator")));
    values["podAnnotations"] = json!({"example.com/upgraded": "yes"});
    cluster.apply(&release(&values)).await;
    flux.reconcile(&cluster, "gitrepository", "chart").await;
    let upgraded = |it: &Value| {
        it["spec"]["template"]["metadata"]["annotations"]["example.com/upgraded"] == "yes"
    };
    cluster
        .wait("deployment", NAMESPACE, "ecr-operator", upgraded)
        .await;
    let newer = |it: &Value| {
        let history = &it["status"]["history"][0];
        is_ready(it)
            && history["status"] == "deployed"
            && history["chartVersion"].to_string().contains("\"9")
    };
    let it = cluster
        .wait("helmrelease", FLUX, "ecr-operator", newer)
        .await;
    let definition = cluster
        .get("crd", "", "ecrrepositories.ecr-operator.dev")
        .await
        .unwrap();
    let column = &definition["spec"]["versions"][0]["additionalPrinterColumns"][0]["description"];
    assert_eq!(column, "Upgraded");
    cluster.note("chart: upgraded, definitions too");

    for _ in 0..5 {
        let again = flux
            .reconcile(&cluster, "helmrelease", "ecr-operator")
            .await;
        let release = |it: &Value| it["status"]["history"][0]["version"].clone();
        assert_eq!(release(&again), release(&it), "no drift, no release");
    }
    cluster.note("chart: no drift in 5 refreshes");
}
