//! A control plane that lives exactly as long as the value that stands for it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tokio::time::timeout;

use crate::kubectl::Kubectl;
use crate::paths;

/// How long a start may take on a busy machine; three seconds are usual.
const READY_WITHIN: Duration = Duration::from_mins(3);

/// How long the supervisor may take to stop what it started before it is killed, which stops them too.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Where a control plane answers; the line that the supervisor prints.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// An administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The API server's URL.
    pub server: String,
    /// The certificate authority, PEM.
    pub ca_file: PathBuf,
}

/// A running etcd, kube-apiserver and kube-controller-manager.
///
/// Dropped, it stops them and waits until they are gone; when this process dies without a drop, the
/// pipe that it holds closes and the supervisor stops them all the same.
#[derive(Debug)]
pub struct ControlPlane {
    endpoint: Endpoint,
    supervisor: Supervisor,
}

impl ControlPlane {
    /// Starts a fresh one, with its certificates, data and logs in `dir`, and waits until it is ready.
    ///
    /// # Errors
    /// When it has not been built, or does not become ready; the message then has its log's end.
    pub async fn start(dir: &Path) -> Result<Self> {
        Self::start_with(dir, &[]).await
    }

    /// As `start`, with further arguments for `control-plane start`, such as `--audit`.
    ///
    /// # Errors
    /// As `start`.
    pub async fn start_with(dir: &Path, args: &[&str]) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        let log = dir.join("supervisor.log");
        let (supervisor, stdout) = Supervisor::spawn(dir, args, &log)?;
        let line = tokio::task::spawn_blocking(move || first_line(stdout));
        let line = match timeout(READY_WITHIN, line).await {
            Ok(line) => line??,
            Err(_) => bail!(
                "the control plane is not ready after {READY_WITHIN:?}; look at the logs in {}",
                dir.display()
            ),
        };
        if line.is_empty() {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            bail!("the control plane did not start: {}", said.trim_end());
        }
        let endpoint = serde_json::from_str(&line)
            .with_context(|| format!("the control plane's ready line: {line:?}"))?;
        Ok(Self {
            endpoint,
            supervisor,
        })
    }

    /// An administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.endpoint.kubeconfig
    }

    /// The API server's URL.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.endpoint.server
    }

    /// The certificate authority of the API server, PEM.
    #[must_use]
    pub fn ca_file(&self) -> &Path {
        &self.endpoint.ca_file
    }

    /// kubectl as an administrator.
    ///
    /// # Errors
    /// When it has not been built.
    pub fn kubectl(&self) -> Result<Kubectl> {
        Kubectl::new(self.kubeconfig())
    }

    /// The supervisor's process id, for a test that stops or kills it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.supervisor.child.id()
    }
}

/// The supervising process and the pipe that keeps it going.
#[derive(Debug)]
struct Supervisor {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Supervisor {
    fn spawn(dir: &Path, args: &[&str], log: &Path) -> Result<(Self, ChildStdout)> {
        let program = paths::control_plane()?;
        let log = File::create(log).with_context(|| format!("create {}", log.display()))?;
        let mut child = Command::new(&program)
            .args(["start", "--until-stdin-closes", "--dir"])
            .arg(dir)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let supervisor = Self { child, stdin };
        let stdout = stdout.context("the supervisor has no stdout")?;
        Ok((supervisor, stdout))
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It takes some 30 ms; whoever removes the directory next should find nobody writing there.
        let end = Instant::now() + STOP_WITHIN;
        while Instant::now() < end {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn first_line(stdout: ChildStdout) -> std::io::Result<String> {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    Ok(line)
}
