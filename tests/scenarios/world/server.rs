//! The one API server that all scenarios share, with the CRDs and the operator's own rights.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use xtask::{
    control_plane::ControlPlane,
    install::{apply_install, apply_local_class, operator_kubeconfig},
    kubectl::Kubectl,
};

/// It ends with this process: its supervisor sees the pipe close.
static SHARED: OnceCell<(ControlPlane, Server)> = OnceCell::const_new();

/// Where the API server is, and how to speak to it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    admin: PathBuf,
    /// The kubeconfig of the operator's own service account.
    pub(crate) operator: PathBuf,
    pub(crate) kubectl: Kubectl,
}

impl Server {
    pub(crate) async fn shared() -> Self {
        let start = || async {
            let dir = directory("shared");
            let control_plane = ControlPlane::start_with(&dir, &["--audit"]).await.unwrap();
            apply_install(control_plane.kubeconfig()).await.unwrap();
            apply_local_class(control_plane.kubeconfig()).await.unwrap();
            let server = Self::of(&control_plane, &dir).await;
            (control_plane, server)
        };
        SHARED.get_or_init(start).await.1.clone()
    }

    /// One of the scenario's own, without the CRDs.
    pub(crate) async fn bare(name: &str) -> (ControlPlane, PathBuf) {
        let dir = directory(name);
        (
            ControlPlane::start_with(&dir, &["--audit"]).await.unwrap(),
            dir,
        )
    }

    /// A server whose installation has been applied.
    pub(crate) async fn of(control_plane: &ControlPlane, dir: &Path) -> Self {
        let operator = dir.join("operator.kubeconfig");
        operator_kubeconfig(control_plane.kubeconfig(), &operator)
            .await
            .unwrap();
        Self {
            admin: control_plane.kubeconfig().to_owned(),
            operator,
            kubectl: control_plane.kubectl().unwrap(),
        }
    }

    /// Where its API server writes down what was asked for.
    pub(super) fn audit_log(&self) -> PathBuf {
        self.admin.with_file_name("audit.log")
    }

    /// The same with a token of its own, by which the audit log tells one process from another.
    pub(crate) async fn with_own_token(&self, name: &str) -> Self {
        let operator = self.operator.with_file_name(name);
        operator_kubeconfig(&self.admin, &operator).await.unwrap();
        Self {
            operator,
            ..self.clone()
        }
    }

    /// The same by another address, where the scenario may forward to the real one, which this gives too.
    pub(crate) async fn through(&self, port: SocketAddr, name: &str) -> (Self, String) {
        let server = self.with_own_token(name).await;
        let text = std::fs::read_to_string(&server.operator).unwrap();
        let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
        let url = &mut kubeconfig["clusters"][0]["cluster"]["server"];
        let real = url.as_str().unwrap().replace("https://", "");
        *url = json!(format!("https://{port}"));
        std::fs::write(&server.operator, kubeconfig.to_string()).unwrap();
        (server, real)
    }

    /// A client of the running test's own: connections end with the runtime that they began in.
    pub(crate) async fn client(&self) -> Client {
        let kubeconfig = Kubeconfig::read_from(&self.admin).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .unwrap();
        Client::try_from(config).unwrap()
    }
}

/// A fresh directory under target/, of this process: two test runs may go on side by side.
fn directory(name: &str) -> PathBuf {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scenarios");
    sweep(&all);
    let dir = all.join(std::process::id().to_string()).join(name);
    if dir.exists() {
        std::fs::remove_dir_all(&dir).unwrap();
    }
    dir
}

/// Removes what runs have left that are over, where the system tells which those are.
fn sweep(all: &Path) {
    if !Path::new("/proc/self").exists() {
        return;
    }
    for left in std::fs::read_dir(all).into_iter().flatten().flatten() {
        if !Path::new("/proc").join(left.file_name()).exists() {
            // Another run may be sweeping too.
            let _ = std::fs::remove_dir_all(left.path());
        }
    }
}
