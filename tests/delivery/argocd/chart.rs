//! The chart as Argo CD installs and upgrades it.

use std::fs;

use serde_json::{Value, json};
use xtask::{install::NAMESPACE, paths::workspace};

use super::{ARGOCD, ArgoCd, application, is_healthy, is_synced};
use crate::{chart::upgrade, cluster::Cluster, git};

#[tokio::test(flavor = "multi_thread")]
async fn the_chart_is_installed_and_upgraded() {
    let mut cluster = Cluster::start("argocd-chart").await;
    let argo = ArgoCd::start(&cluster).await;
    let chart = workspace().join("deploy/helm/ecr-operator");
    cluster.git.push("all", |at| {
        git::copy(&chart, &at.join("chart"), &|text| text)
    });
    let values = fs::read_to_string(chart.join("ci/default.yaml")).unwrap();
    let values: Value = serde_yaml::from_str(&values).unwrap();
    let mut it = application(
        &cluster,
        "chart",
        "chart",
        &["ServerSideApply=true", "CreateNamespace=true"],
    );
    it["spec"]["destination"]["namespace"] = json!(NAMESPACE);
    it["spec"]["source"]["helm"] = json!({"releaseName": "ecr-operator", "valuesObject": values});
    cluster.apply(&it.to_string()).await;
    cluster
        .wait("deployment", NAMESPACE, "ecr-operator", |_| true)
        .await;
    cluster.start_operator().await;
    cluster.run_pods();
    cluster
        .wait("application", ARGOCD, "chart", is_healthy)
        .await;
    cluster.note("argocd: the chart is installed");
    cluster.git.push("all", |at| upgrade(&at.join("chart")));
    let began = std::time::Instant::now();
    argo.refresh(&cluster, "chart", "hard").await;
    let upgraded = |it: &Value| {
        it["spec"]["versions"][0]["additionalPrinterColumns"][0]["description"] == "Upgraded"
    };
    cluster
        .wait("crd", "", "ecrrepositories.ecr-operator.dev", upgraded)
        .await;
    cluster
        .wait("application", ARGOCD, "chart", is_healthy)
        .await;
    cluster.note(&format!(
        "argocd: the chart is upgraded after {:?}, definitions too",
        began.elapsed()
    ));
    for _ in 0..6 {
        let it = argo.refresh(&cluster, "chart", "hard").await;
        assert!(is_synced(&it), "{:#}", it["status"]["resources"]);
    }
}
