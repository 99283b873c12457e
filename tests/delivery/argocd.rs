//! Argo CD: its application controller, repo server and ApplicationSet controller.

mod chart;
mod fields;
mod prune;
mod sample;

use std::{
    env,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::Command,
};

use anyhow::ensure;
use serde_json::{Value, json};
use xtask::{
    operator::free_address,
    paths::{target, workspace},
    patience::eventually,
    program::Program,
};

use crate::cluster::{Cluster, PATIENCE};

/// Where Argo CD's objects are.
const ARGOCD: &str = "argocd";

/// Where Argo CD's applications go: the cluster that it runs in.
const HERE: &str = "https://kubernetes.default.svc";

/// A running Argo CD.
struct ArgoCd {
    _programs: Vec<Program>,
}

impl ArgoCd {
    /// Installs the definitions and the configuration that `deploy/argocd` and the sample say, and starts it.
    async fn start(cluster: &Cluster) -> Self {
        let definitions = target().join("gitops/argocd-definitions");
        cluster.define(&definitions).await;
        configure(cluster).await;
        let redis = free_address().unwrap().to_string();
        let repositories = free_address().unwrap();
        let mut redis_command = Command::new(target().join("gitops/redis"));
        redis_command.arg(&redis);
        let log = cluster.dir.join("redis.log");
        let mut programs = vec![Program::start("redis", redis_command, &log).unwrap()];
        let metrics = free_address().unwrap();
        let mut command = program(cluster, "argocd-repo-server");
        command
            .args([
                "--address=127.0.0.1",
                "--metrics-address=127.0.0.1",
                "--disable-tls",
                "--client-ca-path=",
            ])
            .arg(format!("--port={}", repositories.port()))
            .arg(format!("--metrics-port={}", metrics.port()))
            .args(["--redis", &redis]);
        let health = format!("http://{metrics}/healthz");
        programs.push(
            cluster
                .program("argocd-repo-server", command, &health)
                .await,
        );
        let metrics = free_address().unwrap();
        let mut command = program(cluster, "argocd-application-controller");
        command
            .args(["--repo-server-plaintext", "--namespace", ARGOCD])
            .arg(format!("--repo-server={repositories}"))
            .arg(format!("--metrics-port={}", metrics.port()))
            .args(["--redis", &redis]);
        let health = format!("http://{metrics}/healthz");
        programs.push(
            cluster
                .program("argocd-application-controller", command, &health)
                .await,
        );
        let [metrics, probe, hook] = [(); 3].map(|()| free_address().unwrap());
        let mut command = program(cluster, "argocd-applicationset-controller");
        command
            .args(["--repo-server-plaintext", "--namespace", ARGOCD])
            .arg(format!("--argocd-repo-server={repositories}"))
            .arg(format!("--metrics-addr={metrics}"))
            .arg(format!("--probe-addr={probe}"))
            .arg(format!("--webhook-addr={hook}"));
        // It answers no probe.
        let health = format!("http://{metrics}/metrics");
        programs.push(
            cluster
                .program("argocd-applicationset-controller", command, &health)
                .await,
        );
        Self {
            _programs: programs,
        }
    }

    /// Waits until an Application is healthy, by refreshes: without one it may be minutes until Argo CD sees that it is.
    async fn healthy(&self, cluster: &Cluster, name: &str) {
        let look = async || {
            let it = self.refresh(cluster, name, "normal").await;
            ensure!(is_healthy(&it), "{name}: {:#}", it["status"]);
            Ok(())
        };
        eventually("an application that is healthy", PATIENCE, look)
            .await
            .unwrap();
    }

    /// Has an Application compared with Git and with the cluster now, and gives it once it was.
    async fn refresh(&self, cluster: &Cluster, name: &str, how: &str) -> Value {
        let annotation = format!("argocd.argoproj.io/refresh={how}");
        let args = [
            "annotate",
            "--overwrite",
            "application",
            name,
            "-n",
            ARGOCD,
            &annotation,
        ];
        cluster.run(&args).await;
        let done =
            |it: &Value| it["metadata"]["annotations"]["argocd.argoproj.io/refresh"].is_null();
        cluster.wait("application", ARGOCD, name, done).await
    }
}

fn program(cluster: &Cluster, name: &str) -> Command {
    let tools = cluster.dir.join("tools");
    fs::create_dir_all(&tools).unwrap();
    for (name, path) in [("kustomize", "gitops/kustomize"), ("helm", "tools/helm3")] {
        let link = tools.join(name);
        if !link.exists() {
            std::os::unix::fs::symlink(target().join(path), link).unwrap();
        }
    }
    // Of Argo CD's image: it checks signatures, and there are none.
    let verify = tools.join("git-verify-wrapper.sh");
    fs::write(&verify, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&verify, Permissions::from_mode(0o755)).unwrap();
    let mut path = vec![tools];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap()).collect::<Vec<PathBuf>>());
    let mut command = Command::new(target().join("gitops/argocd"));
    command
        .env("ARGOCD_BINARY_NAME", name)
        .env("PATH", env::join_paths(path).unwrap())
        .env("KUBECONFIG", cluster.kubeconfig())
        // The cluster that it runs in is that of the kubeconfig.
        .env("ARGOCD_FAKE_IN_CLUSTER", "true")
        .env("ARGOCD_GPG_ENABLED", "false")
        .env("HOME", &cluster.dir)
        .env("TMPDIR", &cluster.dir);
    command
}

/// The namespace, what Argo CD's own manifests would bring, and what ours say.
async fn configure(cluster: &Cluster) {
    cluster.run(&["create", "namespace", ARGOCD]).await;
    let part = json!({"app.kubernetes.io/part-of": "argocd"});
    let object = |kind: &str, name: &str| {
        json!({
            "apiVersion": "v1", "kind": kind,
            "metadata": {"name": name, "namespace": ARGOCD, "labels": part},
        })
    };
    let mut manifests = String::new();
    for name in [
        "cm",
        "rbac-cm",
        "cmd-params-cm",
        "tls-certs-cm",
        "ssh-known-hosts-cm",
        "gpg-keys-cm",
    ] {
        manifests += &format!("{}\n---\n", object("ConfigMap", &format!("argocd-{name}")));
    }
    let mut secret = object("Secret", "argocd-secret");
    secret["stringData"] = json!({"server.secretkey": "none"});
    let project = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
        "metadata": {"name": "default", "namespace": ARGOCD},
        "spec": {
            "sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        },
    });
    manifests += &format!("{secret}\n---\n{project}\n");
    cluster.apply(&manifests).await;
    for file in [
        "deploy/argocd/argocd-cm.yaml",
        "deploy/samples/gitops/argocd/application-health.yaml",
    ] {
        let file = workspace().join(file);
        let file = file.to_str().unwrap();
        let args = [
            "patch",
            "configmap",
            "argocd-cm",
            "-n",
            ARGOCD,
            "--type=merge",
            "--patch-file",
            file,
        ];
        cluster.run(&args).await;
    }
}

/// An Application of a directory of the cluster's git server, which syncs and heals itself.
fn application(cluster: &Cluster, name: &str, path: &str, options: &[&str]) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "namespace": ARGOCD, "annotations": {}},
        "spec": {
            "project": "default",
            "source": {"repoURL": cluster.git.url("all"), "targetRevision": "main", "path": path},
            "destination": {"server": HERE},
            "syncPolicy": {"automated": {"prune": true, "selfHeal": true}, "syncOptions": options},
        },
    })
}

/// Whether an Application is as Git says.
fn is_synced(it: &Value) -> bool {
    it["status"]["sync"]["status"] == "Synced"
}

/// Whether it is so, and all of it is healthy.
fn is_healthy(it: &Value) -> bool {
    is_synced(it) && it["status"]["health"]["status"] == "Healthy"
}
