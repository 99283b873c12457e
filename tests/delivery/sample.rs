//! `deploy/samples/gitops` as Flux delivers it: all of it, from nothing.

use std::fs;

use serde_json::Value;
use xtask::paths::workspace;

use crate::{
    cluster::{Cluster, condition, is_ready},
    flux::{FLUX, Flux},
    git,
};

/// A file as people have it: with the sample's addresses set to those of the git server.
pub(crate) fn addressed(cluster: &Cluster, text: &str) -> String {
    let (own, sample) = (cluster.git.url("ecr-operator"), cluster.git.url("gitops"));
    text.replace("https://git.example.com/mirror/ecr-operator.git", &own)
        .replace("https://git.example.com/platform/gitops.git", &sample)
        .replace("SET_THE_NAME_OF_THIS_CLUSTER", "gitops")
        .replace("- ../../../../kustomize/base\n", "")
        .replace("# - http", "- http")
}

/// The operator's source, and the sample as a repository of one's own.
pub(crate) fn push_sources(cluster: &Cluster) {
    cluster.git.push("ecr-operator", |to| {
        for part in ["crds", "deploy/kustomize"] {
            git::copy(&workspace().join(part), &to.join(part), &|text| text);
        }
    });
    cluster.git.tag("ecr-operator", "v0.1.0");
    cluster.git.push("gitops", |to| {
        let sample = workspace().join("deploy/samples/gitops");
        git::copy(&sample, to, &|text| addressed(cluster, &text));
    });
}

/// When a condition became what it is.
fn since<'a>(object: &'a Value, type_: &str) -> &'a str {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    let found = conditions.iter().find(|it| it["type"] == type_).unwrap();
    found["lastTransitionTime"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_becomes_healthy_in_order_and_stays_what_git_says() {
    let mut cluster = Cluster::start("sample").await;
    let flux = Flux::start(&cluster).await;
    cluster.note("Flux runs");
    push_sources(&cluster);
    let (from, to) = (
        workspace().join("deploy/samples/gitops/flux"),
        cluster.dir.join("flux"),
    );
    git::copy(&from, &to, &|text| addressed(&cluster, &text));
    cluster.run(&["apply", "-f", to.to_str().unwrap()]).await;
    cluster
        .wait("kustomization", FLUX, "ecr-definitions", is_ready)
        .await;
    cluster.note("sample: the definitions are Ready");
    cluster
        .wait("deployment", "ecr-operator-system", "ecr-operator", |_| {
            true
        })
        .await;
    let early = cluster
        .get("kustomization", FLUX, "ecr-classes")
        .await
        .unwrap();
    assert_eq!(condition(&early, "Ready").1, "DependencyNotReady");
    cluster.start_operator().await;
    cluster.run_pods();
    let mut times = Vec::new();
    for name in [
        "ecr-definitions",
        "ecr-operator",
        "ecr-classes",
        "ecr-team-payments",
    ] {
        let it = cluster.wait("kustomization", FLUX, name, is_ready).await;
        times.push(since(&it, "Ready").to_owned());
    }
    cluster
        .wait("kustomization", FLUX, "ecr-team-orders", is_ready)
        .await;
    cluster.note("sample: all of it is Ready");
    assert!(times.is_sorted(), "{times:?}");
    for (namespace, name) in [
        ("payments", "api"),
        ("payments", "worker"),
        ("orders", "web"),
    ] {
        cluster.wait("ecrrepo", namespace, name, is_ready).await;
        assert!(cluster.in_ecr(&format!("{namespace}/{name}")));
    }
    by_hand(&cluster, &flux).await;
    removed(&cluster, &flux).await;
    overreaching(&cluster, &flux).await;
    class_that_goes(&cluster, &flux).await;
}

/// What people change on the live object goes at the next reconciliation, also what Git says nothing of.
async fn by_hand(cluster: &Cluster, flux: &Flux) {
    let patch = r#"{"spec":{"suspend":true,"tags":{"team":"other"}}}"#;
    cluster.patch("ecrrepo", "orders", "web", patch).await;
    flux.reconcile(cluster, "kustomization", "ecr-team-orders")
        .await;
    let web = cluster.get("ecrrepo", "orders", "web").await.unwrap();
    assert_eq!(web["spec"]["tags"]["team"], "orders");
    assert_eq!(
        web["spec"]["suspend"],
        Value::Null,
        "Flux takes back what kubectl set"
    );

    // kubectl's own name is taken away with all that it set; any other stays.
    for (manager, stays) in [(None, false), (Some("--field-manager=me"), true)] {
        let token = format!("asked-by-{}", manager.unwrap_or("kubectl"));
        let request = format!("ecr-operator.dev/reconcile-requested-at={token}");
        let mut args = vec![
            "annotate",
            "--overwrite",
            "ecrrepo",
            "web",
            "-n",
            "orders",
            &request,
        ];
        args.extend(manager);
        cluster.run(&args).await;
        let acted = |it: &Value| it["status"]["lastHandledRequestAt"] == *token;
        cluster.wait("ecrrepo", "orders", "web", acted).await;
        flux.reconcile(cluster, "kustomization", "ecr-team-orders")
            .await;
        let web = cluster.get("ecrrepo", "orders", "web").await.unwrap();
        let annotation = &web["metadata"]["annotations"]["ecr-operator.dev/reconcile-requested-at"];
        assert_eq!(annotation.is_string(), stays, "{manager:?}: {annotation}");
        assert!(
            acted(&web),
            "what was acted on is told when the annotation is gone"
        );
    }
}

/// What leaves Git leaves the cluster, unless it is protected, and its repository stays.
async fn removed(cluster: &Cluster, flux: &Flux) {
    cluster.git.push("gitops", |at| {
        fs::write(at.join("teams/orders/repositories.yaml"), "").unwrap();
    });
    flux.deliver(cluster, "gitops", "ecr-team-orders").await;
    cluster.gone("ecrrepo", "orders", "web").await;
    // A team's whole Kustomization goes: not the namespace, and not what is protected.
    cluster
        .run(&["delete", "kustomization", "ecr-team-payments", "-n", FLUX])
        .await;
    cluster.gone("ecrrepo", "payments", "api").await;
    let worker = cluster.get("ecrrepo", "payments", "worker").await.unwrap();
    assert_eq!(worker["metadata"]["deletionTimestamp"], Value::Null);
    for name in ["payments/api", "payments/worker", "orders/web"] {
        assert!(cluster.in_ecr(name), "{name}");
    }
}

/// A team's path labels no namespace: its account may not.
async fn overreaching(cluster: &Cluster, flux: &Flux) {
    cluster.git.push("gitops", |at| {
        let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: orders, labels: {environment: other}}\n";
        fs::write(at.join("teams/orders/repositories.yaml"), namespace).unwrap();
    });
    let refused = flux.deliver(cluster, "gitops", "ecr-team-orders").await;
    assert_eq!(
        condition(&refused, "Ready").0,
        "False",
        "{:#}",
        refused["status"]
    );
    let namespace = cluster.get("namespace", "", "orders").await.unwrap();
    assert_eq!(namespace["metadata"]["labels"]["environment"], "prod");
}

/// A class that leaves Git while it is in use stays, since it could not be had back.
async fn class_that_goes(cluster: &Cluster, flux: &Flux) {
    cluster.git.push("gitops", |at| {
        fs::write(at.join("platform/classes/prod.yaml"), "").unwrap();
    });
    flux.deliver(cluster, "gitops", "ecr-classes").await;
    let class = cluster.get("ecrclass", "", "prod").await.unwrap();
    assert_eq!(class["metadata"]["deletionTimestamp"], Value::Null);
    // One that is deleted all the same: the way out of docs/gitops.md.
    cluster
        .run(&["delete", "ecrclass", "prod", "--wait=false"])
        .await;
    let stalled = |it: &Value| condition(it, "Stalled") == ("True", "ClassNotReady");
    cluster.wait("ecrrepo", "payments", "worker", stalled).await;
    let patch = r#"{"metadata":{"finalizers":null}}"#;
    let args = ["patch", "ecrclass", "prod", "--type=merge", "-p", patch];
    cluster.run(&args).await;
    let classless = |it: &Value| condition(it, "Stalled") == ("True", "ClassNotFound");
    cluster
        .wait("ecrrepo", "payments", "worker", classless)
        .await;
    let sample = workspace().join("deploy/samples/gitops/platform/classes/prod.yaml");
    cluster.git.push("gitops", |at| {
        fs::copy(sample, at.join("platform/classes/prod.yaml")).unwrap();
    });
    flux.deliver(cluster, "gitops", "ecr-classes").await;
    cluster
        .wait("ecrrepo", "payments", "worker", is_ready)
        .await;
    cluster.note("sample: a class that was deleted in use is back");
}
