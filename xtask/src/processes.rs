//! What the operating system knows of a process.

use std::time::Duration;

use anyhow::{Context, Result};

/// Ticks a second in /proc/PID/stat: what Linux tells user space on every architecture that it is
/// built for here.
const TICKS_PER_SECOND: u32 = 100;

/// When a process started, in ticks since boot; none when it is gone or only waits to be reaped. With
/// the pid it tells a process from a later one of the same number.
#[must_use]
pub fn started(pid: u32) -> Option<u64> {
    let fields = stat(pid).ok()?;
    let state = fields.first()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.get(19)?.parse().ok()
}

/// Memory that is resident, in bytes.
///
/// # Errors
/// When the process is gone.
pub fn resident(pid: u32) -> Result<u64> {
    memory(pid, "VmRSS:")
}

/// The most that ever was resident, in bytes.
///
/// # Errors
/// When the process is gone.
pub fn peak(pid: u32) -> Result<u64> {
    memory(pid, "VmHWM:")
}

/// The address space, in bytes: what is reserved is much more than what is resident.
///
/// # Errors
/// When the process is gone.
pub fn reserved(pid: u32) -> Result<u64> {
    memory(pid, "VmSize:")
}

fn memory(pid: u32, what: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("process {pid} is gone"))?;
    let kilobytes: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix(what))
        .and_then(|value| value.trim().strip_suffix(" kB"))
        .with_context(|| format!("/proc/{pid}/status has no {what}"))?
        .parse()?;
    Ok(kilobytes * 1024)
}

/// CPU time that it has used, in user and kernel mode, to 10 ms.
///
/// # Errors
/// When the process is gone.
pub fn cpu(pid: u32) -> Result<Duration> {
    let fields = stat(pid)?;
    let ticks: Option<u32> = fields.get(11..13).and_then(|times| {
        let parsed: Result<Vec<u32>, _> = times.iter().map(|ticks| ticks.parse()).collect();
        Some(parsed.ok()?.iter().sum())
    });
    let ticks = ticks.with_context(|| format!("/proc/{pid}/stat has no times"))?;
    Ok(Duration::from_secs(1) / TICKS_PER_SECOND * ticks)
}

/// The fields of /proc/PID/stat from the third on: the second is the program's name, which may hold
/// blanks and brackets.
fn stat(pid: u32) -> Result<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone"))?;
    let (_, fields) = stat
        .rsplit_once(')')
        .with_context(|| format!("/proc/{pid}/stat has no name"))?;
    Ok(fields.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_this_process() {
        let pid = std::process::id();
        assert!(started(pid).unwrap() > 0);
        assert!(resident(pid).unwrap() > 100_000);
        assert!(peak(pid).unwrap() >= 100_000);
        assert!(reserved(pid).unwrap() > resident(pid).unwrap());
        let end = cpu(pid).unwrap() + Duration::from_millis(20);
        while cpu(pid).unwrap() < end {}
    }

    #[test]
    fn a_process_that_waits_to_be_reaped_is_gone() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        while started(child.id()).is_some() {}
        child.wait().unwrap();
        assert!(resident(child.id()).is_err());
    }
}
