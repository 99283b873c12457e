//! What runs in the background, on disk.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use xtask::processes;

const STOP_WITHIN: Duration = Duration::from_secs(15);

/// The local stack as it was started; a part that is absent was not.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct State {
    pub(crate) control_plane: Option<Recorded>,
    pub(crate) emulator: Option<Recorded>,
    pub(crate) operator: Option<Recorded>,
}

/// A process that outlives us.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Recorded {
    pub(crate) pid: u32,
    /// With the boot, what tells it from a later process of the same pid.
    started: u64,
    boot: String,
    /// When its program was built.
    built: SystemTime,
    /// Where it answers, once that is known.
    pub(crate) url: String,
}

impl State {
    /// What was written last; nothing when nothing was.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        match std::fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("{} cannot be read: remove it", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    /// Writes it whole or not at all: a process that is not in it can no longer be stopped.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let new = path.with_extension("new");
        std::fs::write(&new, serde_json::to_vec_pretty(self)?)
            .and_then(|()| std::fs::rename(&new, path))
            .with_context(|| format!("write {}", path.display()))
    }
}

impl Recorded {
    /// A process that was just started from `program`.
    pub(crate) fn new(pid: u32, program: &Path) -> Result<Self> {
        Ok(Self {
            pid,
            started: processes::started(pid).context("it ended at once")?,
            boot: boot()?,
            built: built(program)?,
            url: String::new(),
        })
    }

    /// Whether it still runs.
    pub(crate) fn alive(&self) -> bool {
        processes::started(self.pid) == Some(self.started)
            && boot().is_ok_and(|boot| boot == self.boot)
    }

    /// Whether its program has been built anew since.
    pub(crate) fn outdated(&self, program: &Path) -> Result<bool> {
        Ok(built(program)? != self.built)
    }

    /// Stops it: politely, then not.
    pub(crate) async fn stop(&self) -> Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let pid = pid.with_context(|| format!("{} is no pid", self.pid))?;
        for signal in [Signal::TERM, Signal::KILL] {
            if self.alive() {
                // It may end between the look and the signal, which is what we want.
                let _ = kill_process(pid, signal);
            }
            let end = Instant::now() + STOP_WITHIN;
            while self.alive() && Instant::now() < end {
                sleep(Duration::from_millis(10)).await;
            }
        }
        Ok(())
    }
}

fn boot() -> Result<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    Ok(id.context("read the boot id")?.trim().to_owned())
}

fn built(program: &Path) -> Result<SystemTime> {
    let metadata = program.metadata().and_then(|metadata| metadata.modified());
    metadata.with_context(|| format!("look at {}", program.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stops_its_process_and_no_other_of_the_same_pid() {
        let mut child = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .unwrap();
        let program = Path::new("/bin/sh");
        let mut recorded = Recorded::new(child.id(), program).unwrap();
        assert!(recorded.alive());
        assert!(!recorded.outdated(program).unwrap());

        recorded.started += 1;
        assert!(!recorded.alive());
        recorded.stop().await.unwrap();
        assert!(child.try_wait().unwrap().is_none());

        recorded.started -= 1;
        recorded.stop().await.unwrap();
        assert!(!recorded.alive());
        child.wait().unwrap();
    }

    #[test]
    fn survives_a_round_trip_and_an_absent_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        assert!(State::load(&path).unwrap().operator.is_none());
        let emulator = Recorded::new(std::process::id(), Path::new("/bin/sh")).unwrap();
        let state = State {
            emulator: Some(emulator),
            ..State::default()
        };
        state.save(&path).unwrap();
        assert!(State::load(&path).unwrap().emulator.unwrap().alive());
        std::fs::write(&path, "{").unwrap();
        assert!(
            State::load(&path)
                .unwrap_err()
                .to_string()
                .contains("remove it")
        );
    }
}
