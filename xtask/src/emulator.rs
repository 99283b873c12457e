//! The ECR emulator as a program.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::program::Program;
use crate::{http, paths};

const READY_WITHIN: Duration = Duration::from_secs(30);

/// A call, as the emulator's log has it.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    /// The operation's name.
    pub operation: String,
    /// When it took effect, in seconds since 1970.
    pub time: f64,
    /// What was asked for.
    #[serde(default)]
    pub input: Value,
    answer: Value,
}

impl Call {
    /// Whether it was refused because calls came too fast.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        // STS says it otherwise than ECR.
        let code = self.answer.pointer("/Err/code").and_then(Value::as_str);
        matches!(code, Some("ThrottlingException" | "Throttling"))
    }
}

/// A running emulator.
#[derive(Debug)]
pub struct Emulator {
    program: Program,
    url: String,
}

impl Emulator {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When it has not been built or does not start.
    pub async fn start(dir: &Path) -> Result<Self> {
        let program = Program::start("ecr-emulator", command()?, &dir.join("emulator.log"))?;
        let look = async || url_in(program.log());
        let url = program
            .until("the emulator listens", READY_WITHIN, look)
            .await?;
        Ok(Self { program, url })
    }

    /// Where it answers: what `AWS_ENDPOINT_URL` takes.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// How often each operation was called since the start or the last `reset`.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn calls(&self) -> Result<BTreeMap<String, u64>> {
        calls(&self.url).await
    }

    /// Sets its counters to zero.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn reset(&self) -> Result<()> {
        self.post("reset", String::new()).await
    }

    /// The calls since the start or the last `reset`, in their order.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn log(&self) -> Result<Vec<Call>> {
        let body = http::get(&format!("{}/_emulator/log", self.url)).await?;
        serde_json::from_str(&body).context("the emulator's log")
    }

    /// Sets settings, as its README tells them; what is not named keeps its value.
    ///
    /// # Errors
    /// When it does not answer, or does not know such a setting.
    pub async fn configure(&self, settings: &Value) -> Result<()> {
        self.post("settings", settings.to_string()).await
    }

    /// Adds faults, as its README tells them.
    ///
    /// # Errors
    /// When it does not answer, or does not know such a fault.
    pub async fn inject(&self, faults: &Value) -> Result<()> {
        self.post("faults", faults.to_string()).await
    }

    /// Takes all faults away.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn clear_faults(&self) -> Result<()> {
        http::delete(&format!("{}/_emulator/faults", self.url)).await?;
        Ok(())
    }

    async fn post(&self, path: &str, body: String) -> Result<()> {
        http::post(&format!("{}/_emulator/{path}", self.url), body).await?;
        Ok(())
    }
}

/// As `Emulator::calls`, of the one at `url`.
///
/// # Errors
/// When it does not answer.
pub async fn calls(url: &str) -> Result<BTreeMap<String, u64>> {
    let body = http::get(&format!("{url}/_emulator/calls")).await?;
    serde_json::from_str(&body).with_context(|| format!("the emulator's counters: {body}"))
}

/// The command that starts it on a free port.
///
/// # Errors
/// When it has not been built.
pub fn command() -> Result<Command> {
    let mut command = Command::new(paths::program("ecr-emulator")?);
    command.args(["--listen", "127.0.0.1:0"]);
    Ok(command)
}

/// The address that a starting emulator has printed.
///
/// # Errors
/// When it has not yet.
pub fn url_in(log: &Path) -> Result<String> {
    let said = std::fs::read_to_string(log)?;
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("listening on "));
    // Its end is there too, or half an address could be taken for one.
    let line = line.filter(|_| said.ends_with('\n'));
    Ok(line
        .context("it has not said where it listens")?
        .trim()
        .to_owned())
}
