//! A program that runs beside us and dies with us.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::patience::eventually;
use crate::processes::started;

/// Waits for the end of its stdin, which is when we are gone, and then kills the given pid.
const GUARD: &str = "cat >/dev/null; kill -KILL \"$0\"";

/// A running program with its output in a log file. Dropped, it is killed.
#[derive(Debug)]
pub struct Program {
    name: String,
    log: PathBuf,
    child: Child,
    guard: Child,
}

impl Program {
    /// Starts it, away from the terminal: Ctrl-C reaches us, and we stop it.
    ///
    /// # Errors
    /// When the program or its log cannot be opened.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let mut child = logged(&mut command, log)?
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, &child.id().to_string()])
            .process_group(0)
            .stdin(Stdio::piped())
            .spawn();
        let guard = guard.inspect_err(|_| {
            let _ = child.kill();
        })?;
        let (name, log) = (name.to_owned(), log.to_path_buf());
        Ok(Self {
            name,
            log,
            child,
            guard,
        })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its stdout and stderr go.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Waits until `look` finds what it looks for.
    ///
    /// # Errors
    /// When it does not find it `within`, or the program ends before; with the end of the log.
    pub async fn until<T>(
        &self,
        what: &str,
        within: Duration,
        look: impl AsyncFn() -> Result<T>,
    ) -> Result<T> {
        alive_until(&self.name, self.pid(), &self.log, what, within, look).await
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.with_context(|| format!("{} has no pid", self.name))?;
        kill_process(pid, signal).with_context(|| format!("signal {}", self.name))
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// When it takes longer than `within`; it is killed then.
    pub async fn stop(mut self, within: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let end = tokio::time::Instant::now() + within;
        while tokio::time::Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!(
            "{} does not stop within {within:?} of SIGTERM; the end of its log:\n{}",
            self.name,
            tail(&self.log, 20)
        )
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The guard first: a pid that was reaped may be somebody else's by the time it looks.
        for child in [&mut self.guard, &mut self.child] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Sends the command's output to a new log file, and gives it no input.
///
/// # Errors
/// When the file cannot be made.
pub fn logged<'a>(command: &'a mut Command, log: &Path) -> Result<&'a mut Command> {
    let file = File::create(log).with_context(|| format!("create {}", log.display()))?;
    let stdout = file.try_clone()?;
    Ok(command.stdin(Stdio::null()).stdout(stdout).stderr(file))
}

/// Waits until `look` finds what it looks for, as long as the process lives.
///
/// # Errors
/// When it does not find it `within`, or the process ends before; with the end of the log.
pub async fn alive_until<T>(
    name: &str,
    pid: u32,
    log: &Path,
    what: &str,
    within: Duration,
    look: impl AsyncFn() -> Result<T>,
) -> Result<T> {
    let look = async || match look().await {
        Ok(found) => Ok(Ok(found)),
        Err(_) if started(pid).is_none() => Ok(Err(anyhow!("{name} has ended"))),
        Err(seen) => Err(seen),
    };
    let outcome = eventually(what, within, look).await.flatten();
    outcome.with_context(|| format!("{name}; the end of {}:\n{}", log.display(), tail(log, 20)))
}

/// The last lines of a file, indented.
#[must_use]
pub fn tail(path: &Path, lines: usize) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| error.to_string());
    let skipped = text.lines().count().saturating_sub(lines);
    let kept: Vec<&str> = text.lines().skip(skipped).collect();
    format!("  {}", kept.join("\n  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(dir: &Path) -> Program {
        let mut command = Command::new("sleep");
        command.arg("1000");
        Program::start("sleep", command, &dir.join("log")).unwrap()
    }

    #[tokio::test]
    async fn stops_when_it_is_asked_to() {
        let dir = tempfile::tempdir().unwrap();
        let program = sleeper(dir.path());
        let pid = program.pid();
        let status = program.stop(Duration::from_secs(30)).await.unwrap();
        assert!(!status.success());
        assert_eq!(started(pid), None);
    }

    #[test]
    fn is_killed_when_its_holder_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let mut program = sleeper(dir.path());
        // What the kernel does to our end of the pipe when we die.
        drop(program.guard.stdin.take());
        assert!(!program.child.wait().unwrap().success());
    }
}
