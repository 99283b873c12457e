//! The operator as a program, under its own `ServiceAccount`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::Result;

use crate::ecr::{ACCESS_KEY, REGION};
use crate::program::Program;
use crate::{http, paths};

const READY_WITHIN: Duration = Duration::from_mins(1);
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// How to run it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `--cluster-name`.
    pub cluster_name: String,
    /// Its kubeconfig; see `install::operator_kubeconfig`.
    pub kubeconfig: PathBuf,
    /// Where ECR answers.
    pub endpoint: String,
    /// Further flags.
    pub flags: Vec<String>,
    /// What starts it, in front of its own command: a limit of its memory.
    pub wrapper: Vec<String>,
}

/// A running operator.
#[derive(Debug)]
pub struct Operator {
    program: Program,
    admin: SocketAddr,
}

impl Operator {
    /// Starts it and waits until it says that it is ready.
    ///
    /// # Errors
    /// When it has not been built or does not become ready; with the end of its log.
    pub async fn start(settings: &Settings, log: &Path) -> Result<Self> {
        let admin = free_address()?;
        let mut command = command(settings, admin)?;
        // Flags of the shell that this runs in are not among the settings.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ECR_OPERATOR_") {
                command.env_remove(name);
            }
        }
        let program = Program::start("ecr-operator", command, log)?;
        let look = async || http::get(&format!("http://{admin}/readyz")).await;
        program
            .until("the operator is ready", READY_WITHIN, look)
            .await?;
        Ok(Self { program, admin })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> &Path {
        self.program.log()
    }

    /// Where it answers /readyz, /livez and /metrics.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Stops it with SIGTERM.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn stop(self) -> Result<ExitStatus> {
        self.program.stop(STOP_WITHIN).await
    }
}

/// The command that starts it.
///
/// # Errors
/// When it has not been built.
pub fn command(settings: &Settings, admin: SocketAddr) -> Result<Command> {
    let program = paths::program("ecr-operator")?;
    let mut command = match settings.wrapper.split_first() {
        Some((wrapper, args)) => {
            let mut command = Command::new(wrapper);
            command.args(args).arg(program);
            command
        }
        None => Command::new(program),
    };
    command
        .arg("run")
        .args(["--cluster-name", &settings.cluster_name])
        .args(["--admin-addr", &admin.to_string()])
        .args(&settings.flags)
        .env("KUBECONFIG", &settings.kubeconfig)
        .env("AWS_ENDPOINT_URL", &settings.endpoint)
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", ACCESS_KEY)
        // A profile of the person who runs this must not redirect it to a real account.
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_SESSION_TOKEN")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    Ok(command)
}

/// A loopback address that is free now.
///
/// # Errors
/// When there is none.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
