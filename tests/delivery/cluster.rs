//! An API server, an ECR, a git server and, once it is installed, an operator.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use ecr_emulator::Emulator;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use xtask::{
    control_plane::ControlPlane,
    http,
    install::{NAMESPACE, apply_install, apply_local_class, operator_kubeconfig},
    kubectl::Kubectl,
    operator::free_address,
    patience::eventually,
    program::Program,
};

use crate::git::Git;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// The region of the operator.
pub(crate) const REGION: &str = "ap-southeast-1";

/// The account of the operator.
pub(crate) const ACCOUNT: &str = "111122223333";

/// See the module's documentation.
pub(crate) struct Cluster {
    pub(crate) dir: PathBuf,
    pub(crate) kubectl: Kubectl,
    pub(crate) emulator: Emulator,
    pub(crate) git: Git,
    operator: Option<Program>,
    kubelet: JoinSet<()>,
    control_plane: ControlPlane,
    began: Instant,
}

impl Cluster {
    /// One in which nothing is installed.
    pub(crate) async fn start(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("delivery")
            .join(name);
        if dir.exists() {
            // Argo CD takes all permissions from where it keeps repositories.
            let made = Command::new("chmod")
                .args(["-R", "u+rwx"])
                .arg(&dir)
                .status();
            assert!(made.unwrap().success());
            fs::remove_dir_all(&dir).unwrap();
        }
        let control_plane = ControlPlane::start(&dir).await.unwrap();
        Self {
            kubectl: control_plane.kubectl().unwrap(),
            emulator: Emulator::start(([127, 0, 0, 1], 0).into()).await.unwrap(),
            git: Git::start(&dir).await,
            operator: None,
            kubelet: JoinSet::new(),
            control_plane,
            dir,
            began: Instant::now(),
        }
    }

    /// One whose operator runs, with a class that permits everything.
    pub(crate) async fn installed(name: &str) -> Self {
        let mut cluster = Self::start(name).await;
        apply_install(cluster.kubeconfig()).await.unwrap();
        apply_local_class(cluster.kubeconfig()).await.unwrap();
        cluster.start_operator().await;
        cluster
    }

    /// An administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> &Path {
        self.control_plane.kubeconfig()
    }

    /// Prints a figure.
    pub(crate) fn note(&self, what: &str) {
        println!("{:6.1} s  {what}", self.began.elapsed().as_secs_f64());
    }

    /// Starts the operator under the rights that were applied for it.
    pub(crate) async fn start_operator(&mut self) {
        let kubeconfig = self.dir.join("operator.kubeconfig");
        operator_kubeconfig(self.kubeconfig(), &kubeconfig)
            .await
            .unwrap();
        let admin = free_address().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ecr-operator"));
        command
            .env_clear()
            .args(["run", "--cluster-name=gitops"])
            .arg(format!("--admin-addr={admin}"))
            .env("KUBECONFIG", kubeconfig)
            .env("AWS_ENDPOINT_URL", self.emulator.url())
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", ACCOUNT)
            .env("AWS_SECRET_ACCESS_KEY", "none")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        let log = self.dir.join("operator.log");
        let program = Program::start("ecr-operator", command, &log).unwrap();
        let look = async || http::get(&format!("http://{admin}/readyz")).await;
        program
            .until("the operator is ready", PATIENCE, look)
            .await
            .unwrap();
        self.operator = Some(program);
    }

    /// Tells the API server what a kubelet would: that the operator's pods, which nobody runs here, are ready.
    pub(crate) fn run_pods(&mut self) {
        let ready = json!({"type": "Ready", "status": "True"});
        let patch = json!({"status": {"phase": "Running", "conditions": [ready]}}).to_string();
        let kubectl = self.kubectl.clone();
        self.kubelet.spawn(async move {
            let not_yet = [
                "get",
                "pods",
                "-n",
                NAMESPACE,
                "--field-selector=status.phase=Pending",
                "-o",
                "jsonpath={.items[*].metadata.name}",
            ];
            let mut ticks = tokio::time::interval(Duration::from_millis(500));
            loop {
                ticks.tick().await;
                // A pod may go meanwhile, and the namespace not be there yet.
                for name in kubectl.run(&not_yet).await.unwrap_or_default().split(' ') {
                    let args = [
                        "patch",
                        "pod",
                        name,
                        "-n",
                        NAMESPACE,
                        "--subresource=status",
                    ];
                    let args = [&args[..], &["--type=merge", "-p", &patch]].concat();
                    let _ = kubectl.run(&args).await;
                }
            }
        });
    }

    /// Applies definitions, and waits until the API server serves them all.
    pub(crate) async fn define(&self, path: &Path) {
        let path = path.to_str().unwrap();
        self.run(&["apply", "--server-side", "-f", path]).await;
        let wait = ["wait", "--for=condition=Established", "-f", path];
        // It stumbles over a definition that has no status yet.
        let look = async || self.kubectl.run(&wait).await;
        eventually("the definitions", PATIENCE, look).await.unwrap();
    }

    /// Runs kubectl, which must succeed.
    pub(crate) async fn run(&self, args: &[&str]) -> String {
        self.kubectl.run(args).await.unwrap()
    }

    /// Applies manifests as an administrator does.
    pub(crate) async fn apply(&self, manifests: &str) {
        let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.kubectl.run_with(&args, manifests).await.unwrap();
    }

    /// An object.
    /// Patches an object by hand.
    pub(crate) async fn patch(&self, kind: &str, namespace: &str, name: &str, patch: &str) {
        let merge = ["--type=merge", "-p", patch];
        let at = ["patch", kind, name, "-n", namespace];
        self.run(&[at.as_slice(), &merge].concat()).await;
    }

    pub(crate) async fn get(&self, kind: &str, namespace: &str, name: &str) -> Result<Value> {
        let text = self
            .kubectl
            .run(&["get", kind, name, "-n", namespace, "-o", "json"])
            .await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// The objects of a kind.
    pub(crate) async fn list(&self, kind: &str, namespace: &str) -> Result<Vec<Value>> {
        let text = self
            .kubectl
            .run(&["get", kind, "-n", namespace, "-o", "json"])
            .await?;
        let list: Value = serde_json::from_str(&text)?;
        Ok(list["items"].as_array().context("a list")?.clone())
    }

    /// Waits until an object is as `is` wants it, and gives it.
    #[track_caller]
    pub(crate) fn wait<'a>(
        &'a self,
        kind: &'a str,
        namespace: &'a str,
        name: &'a str,
        is: impl Fn(&Value) -> bool + 'a,
    ) -> impl Future<Output = Value> + 'a {
        let from = std::panic::Location::caller();
        async move {
            let look = async || {
                let object = self.get(kind, namespace, name).await?;
                ensure!(
                    is(&object),
                    "{kind} {namespace}/{name} at {from}: {:#}",
                    object["status"]
                );
                Ok(object)
            };
            eventually("an object as wanted", PATIENCE, look)
                .await
                .unwrap()
        }
    }

    /// Waits until an object is gone.
    pub(crate) async fn gone(&self, kind: &str, namespace: &str, name: &str) {
        let look = async || {
            let args = [
                "get",
                kind,
                name,
                "-n",
                namespace,
                "--ignore-not-found",
                "-o",
                "name",
            ];
            let said = self.kubectl.run(&args).await?;
            ensure!(said.is_empty(), "{said} is there");
            Ok(())
        };
        eventually("an object to go", PATIENCE, look).await.unwrap();
    }

    /// Starts a program of `target/gitops`, which is to answer at `health`.
    pub(crate) async fn program(&self, name: &str, command: Command, health: &str) -> Program {
        let log = self.dir.join(format!("{name}.log"));
        let program = Program::start(name, command, &log).unwrap();
        let look = async || http::get(health).await;
        program
            .until("it is healthy", PATIENCE, look)
            .await
            .unwrap();
        program
    }

    /// Whether ECR has a repository of this name.
    pub(crate) fn in_ecr(&self, name: &str) -> bool {
        self.emulator.repository(ACCOUNT, REGION, name).is_some()
    }
}

/// The status of a condition, and its reason.
pub(crate) fn condition<'a>(object: &'a Value, type_: &str) -> (&'a str, &'a str) {
    (
        field(object, type_, "status"),
        field(object, type_, "reason"),
    )
}

/// The message of a condition.
pub(crate) fn message<'a>(object: &'a Value, type_: &str) -> &'a str {
    field(object, type_, "message")
}

fn field<'a>(object: &'a Value, type_: &str, field: &str) -> &'a str {
    let conditions = object["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    let found = conditions.find(|it| it["type"] == type_);
    found.and_then(|it| it[field].as_str()).unwrap_or_default()
}

/// Whether an object is ready, and its status speaks of what stands in it now.
pub(crate) fn is_ready(object: &Value) -> bool {
    condition(object, "Ready").0 == "True"
        && object["status"]["observedGeneration"] == object["metadata"]["generation"]
}
