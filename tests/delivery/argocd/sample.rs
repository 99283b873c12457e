//! `deploy/samples/gitops` as Argo CD delivers it: all of it, from nothing.

use serde_json::Value;
use xtask::paths::workspace;

use super::{ARGOCD, ArgoCd, is_healthy};
use crate::{
    cluster::{Cluster, is_ready},
    git,
    sample::{addressed, push_sources},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_becomes_healthy_in_order_and_stays_what_git_says() {
    let mut cluster = Cluster::start("argocd-sample").await;
    let argo = ArgoCd::start(&cluster).await;
    cluster.note("Argo CD runs");
    push_sources(&cluster);
    let root = cluster.dir.join("root");
    let from = workspace().join("deploy/samples/gitops/argocd");
    git::copy(&from, &root, &|text| addressed(&cluster, &text));
    let root = root.join("root.yaml");
    cluster.run(&["apply", "-f", root.to_str().unwrap()]).await;
    for name in [
        "ecr-definitions",
        "ecr-operator",
        "ecr-classes",
        "ecr-namespaces",
    ] {
        cluster.wait("application", ARGOCD, name, |_| true).await;
        if name == "ecr-operator" {
            cluster
                .wait("deployment", "ecr-operator-system", "ecr-operator", |_| {
                    true
                })
                .await;
            let classes = cluster.get("application", ARGOCD, "ecr-classes").await;
            assert!(classes.is_err(), "a wave waits for the one before");
            cluster.start_operator().await;
            cluster.run_pods();
        }
        argo.healthy(&cluster, name).await;
        cluster.note(&format!("sample: {name} is Healthy"));
        argo.refresh(&cluster, "ecr", "normal").await;
    }
    for name in ["ecr-team-orders", "ecr-team-payments", "ecr"] {
        cluster.wait("application", ARGOCD, name, |_| true).await;
        argo.healthy(&cluster, name).await;
    }
    cluster.note("sample: all of it is Healthy");
    by_hand(&cluster).await;
    overreaching(&cluster, &argo).await;
    set_that_goes(&cluster).await;
}

/// What Git has is healed in seconds; what it lacks stays as people set it.
async fn by_hand(cluster: &Cluster) {
    let patch = r#"{"spec":{"suspend":true,"tags":{"team":"other"}}}"#;
    cluster.patch("ecrrepo", "orders", "web", patch).await;
    let began = std::time::Instant::now();
    let healed = |it: &Value| it["spec"]["tags"]["team"] == "orders";
    let web = cluster.wait("ecrrepo", "orders", "web", healed).await;
    cluster.note(&format!(
        "sample: an edit by hand is healed after {:?}",
        began.elapsed()
    ));
    assert_eq!(web["spec"]["suspend"], true, "Git says nothing of it");
    let suspended = |it: &Value| it["status"]["health"]["status"] == "Suspended";
    cluster
        .wait("application", ARGOCD, "ecr-team-orders", suspended)
        .await;
    let patch = r#"{"spec":{"suspend":null}}"#;
    cluster.patch("ecrrepo", "orders", "web", patch).await;
    cluster
        .wait("application", ARGOCD, "ecr-team-orders", is_healthy)
        .await;
}

/// A team's directory labels no namespace: its project may not.
async fn overreaching(cluster: &Cluster, argo: &ArgoCd) {
    cluster.git.push("gitops", |at| {
        let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: orders, labels: {environment: other}}\n";
        let file = at.join("teams/orders/repositories.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("{text}---\n{namespace}")).unwrap();
    });
    argo.refresh(cluster, "ecr-team-orders", "hard").await;
    let refused = |it: &Value| {
        it["status"]["operationState"]
            .to_string()
            .contains("not permitted in project")
    };
    cluster
        .wait("application", ARGOCD, "ecr-team-orders", refused)
        .await;
    let namespace = cluster.get("namespace", "", "orders").await.unwrap();
    assert_eq!(namespace["metadata"]["labels"]["environment"], "prod");
}

/// The ApplicationSet goes, and with it its Applications: nothing that they brought.
async fn set_that_goes(cluster: &Cluster) {
    cluster
        .run(&[
            "patch",
            "application",
            "ecr",
            "-n",
            ARGOCD,
            "--type=json",
            "-p",
            r#"[{"op":"remove","path":"/spec/syncPolicy"}]"#,
        ])
        .await;
    cluster
        .run(&["delete", "applicationset", "ecr-teams", "-n", ARGOCD])
        .await;
    for name in ["ecr-team-orders", "ecr-team-payments"] {
        cluster.gone("application", ARGOCD, name).await;
    }
    for (namespace, name) in [
        ("payments", "api"),
        ("payments", "worker"),
        ("orders", "web"),
    ] {
        let object = cluster.get("ecrrepo", namespace, name).await.unwrap();
        assert!(object["metadata"]["deletionTimestamp"].is_null() && is_ready(&object));
    }
}
