//! Flux's own controllers.

use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
};

use serde_json::Value;
use xtask::{operator::free_address, paths::target, program::Program};

use crate::cluster::{Cluster, condition};

/// Where Flux's objects are.
pub(crate) const FLUX: &str = "flux-system";

/// A running Flux.
pub(crate) struct Flux {
    _controllers: Vec<Program>,
}

impl Flux {
    /// Installs the definitions, and starts what they name as processes.
    pub(crate) async fn start(cluster: &Cluster) -> Self {
        cluster.define(&target().join("gitops/definitions")).await;
        cluster.run(&["create", "namespace", FLUX]).await;
        let storage = cluster.dir.join("storage");
        fs::create_dir_all(&storage).unwrap();
        let served = free_address().unwrap().to_string();
        let of_source = [
            format!("--storage-path={}", storage.display()),
            format!("--storage-addr={served}"),
            format!("--storage-adv-addr={served}"),
        ];
        let at_once = ["--requeue-dependency=1s".to_owned()];
        let mut controllers = Vec::new();
        for (name, args) in [
            ("source-controller", &of_source[..]),
            ("kustomize-controller", &at_once),
            ("helm-controller", &at_once),
        ] {
            let health = free_address().unwrap();
            let mut command = Command::new(target().join("gitops").join(name));
            command
                .args(args)
                .args([
                    "--metrics-addr=0",
                    "--enable-leader-election=false",
                    "--log-encoding=console",
                ])
                .arg(format!("--health-addr={health}"))
                .env("KUBECONFIG", cluster.kubeconfig())
                .env("RUNTIME_NAMESPACE", FLUX)
                .env("TMPDIR", &cluster.dir)
                .env("GIT_CONFIG_GLOBAL", "/dev/null");
            let health = format!("http://{health}/healthz");
            controllers.push(cluster.program(name, command, &health).await);
        }
        Self {
            _controllers: controllers,
        }
    }

    /// Has an object of Flux reconciled now, and waits until it was. Gives it, whatever came of it.
    pub(crate) async fn reconcile(&self, cluster: &Cluster, kind: &str, name: &str) -> Value {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let token = COUNT.fetch_add(1, Ordering::Relaxed).to_string();
        let annotation = format!("reconcile.fluxcd.io/requestedAt={token}");
        cluster
            .run(&[
                "annotate",
                "--overwrite",
                kind,
                name,
                "-n",
                FLUX,
                &annotation,
            ])
            .await;
        let is = |it: &Value| {
            it["status"]["lastHandledReconcileAt"] == *token
                && !["", "Unknown"].contains(&condition(it, "Ready").0)
                // It says that it goes on when it has failed and will try again.
                && ["", "ProgressingWithRetry"].contains(&condition(it, "Reconciling").1)
        };
        cluster.wait(kind, FLUX, name, is).await
    }

    /// As `reconcile`, of the source first, and of a Kustomization by what is there now.
    pub(crate) async fn deliver(&self, cluster: &Cluster, source: &str, name: &str) -> Value {
        self.reconcile(cluster, "gitrepository", source).await;
        self.reconcile(cluster, "kustomization", name).await
    }
}

/// A `GitRepository` of the cluster's git server, and Kustomizations of its directories by their names. `spec` is the
/// rest of each.
pub(crate) fn delivery(
    cluster: &Cluster,
    repository: &str,
    kustomizations: &[(&str, &str)],
    spec: &str,
) -> String {
    let url = cluster.git.url(repository);
    let mut text = format!(
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{name: {repository}, namespace: \
         {FLUX}}}\nspec: {{interval: 1h, url: {url}, ref: {{branch: main}}}}\n"
    );
    for (name, path) in kustomizations {
        text += &format!(
            "---\napiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}, \
             namespace: {FLUX}}}\nspec: {{interval: 1h, timeout: 5m, prune: true, path: {path}, sourceRef: {{kind: \
             GitRepository, name: {repository}}}{spec}}}\n"
        );
    }
    text
}
