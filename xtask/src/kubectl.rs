//! kubectl of the version that the control plane has.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::paths;

/// kubectl with a kubeconfig.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// Looks for the program.
    ///
    /// # Errors
    /// When the control plane has not been built.
    pub fn new(kubeconfig: &Path) -> Result<Self> {
        Ok(Self {
            program: paths::kubectl()?,
            kubeconfig: kubeconfig.to_path_buf(),
        })
    }

    /// A command to be run as wished; it ends when its future is dropped.
    #[must_use]
    pub fn command<S: AsRef<str>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(args.iter().map(AsRef::as_ref))
            .env("KUBECONFIG", &self.kubeconfig)
            // Beside the kubeconfig and not in the home directory: ports come back with other clusters.
            .env("KUBECACHEDIR", self.kubeconfig.with_extension("cache"))
            // A user's preferences must not change what tests see.
            .env("KUBERC", "off")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs it and returns what it printed.
    ///
    /// # Errors
    /// When it cannot be started or fails; the message has the arguments and its stderr.
    pub async fn run<S: AsRef<str>>(&self, args: &[S]) -> Result<String> {
        let output = self.command(args).output().await;
        finish(args, &output.context("start kubectl")?)
    }

    /// Runs it and returns what it says when it fails.
    ///
    /// # Errors
    /// When it cannot be started, or succeeds.
    pub async fn refused<S: AsRef<str>>(&self, args: &[S]) -> Result<String> {
        let output = self.command(args).output().await.context("start kubectl")?;
        if output.status.success() {
            let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
            bail!(
                "expected a refusal, but this was done: kubectl {}",
                args.join(" ")
            );
        }
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Runs it with an input, as in `kubectl apply -f -`.
    ///
    /// # Errors
    /// As `run`.
    pub async fn run_with<S: AsRef<str>>(&self, args: &[S], input: &str) -> Result<String> {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start kubectl")?;
        if let Some(mut stdin) = child.stdin.take() {
            // A kubectl that refuses its arguments does not read; its stderr says why.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        finish(args, &child.wait_with_output().await?)
    }
}

fn finish<S: AsRef<str>>(args: &[S], output: &std::process::Output) -> Result<String> {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
    let stderr = String::from_utf8_lossy(&output.stderr);
    bail!(
        "kubectl {}: {}{}",
        args.join(" "),
        stdout,
        stderr.trim_end()
    )
}
