//! The process as Linux sees it, by the names of Prometheus' own client libraries.

use std::{
    fmt, fs,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

/// The unit of times in /proc: it is 100 a second for all programs (`proc_pid_stat(5)`, `USER_HZ`).
const TICKS: f64 = 100.0;

/// This process.
#[derive(Debug)]
pub(super) struct Process {
    began: f64,
}

impl Process {
    pub(super) fn new() -> Self {
        let began = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            began: began.unwrap_or_default().as_secs_f64(),
        }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        if let Some(seconds) = fs::read_to_string("/proc/self/stat")
            .ok()
            .and_then(|stat| cpu_seconds(&stat))
        {
            let (name, help) = ("process_cpu_seconds", "Processor time that was used");
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(seconds).encode(metric)?;
        }
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        // The directory is read through one more descriptor, which is not counted.
        let open = fs::read_dir("/proc/self/fd").map(|all| all.count().saturating_sub(1));
        let open = open.ok().and_then(|count| u32::try_from(count).ok());
        let gauges = [
            (
                "process_resident_memory_bytes",
                "Memory that is used",
                field(&status, "VmRSS:").map(|kilobytes| kilobytes * 1024.0),
            ),
            (
                "process_open_fds",
                "Files and connections that are open",
                open.map(f64::from),
            ),
            (
                "process_max_fds",
                "How many may be open",
                field(&limits, "Max open files"),
            ),
            (
                "process_start_time_seconds",
                "When the process began, since 1970",
                Some(self.began),
            ),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                ConstGauge::new(value).encode(metric)?;
            }
        }
        Ok(())
    }
}

/// The first number of a line that begins so.
fn field(text: &str, name: &str) -> Option<f64> {
    let mut lines = text.lines();
    let rest = lines.find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Time in user and kernel mode: the 14th and 15th field. The second may hold spaces and parentheses.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_where_linux_puts_them() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 5 0 1 2 3";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("7 (a) S 1"), None);
        let status = "VmPeak:\t  10 kB\nVmRSS:\t  2048 kB\n";
        assert_eq!(field(status, "VmRSS:"), Some(2048.0));
        let limits = "Max open files            1024                 4096                 files";
        assert_eq!(field(limits, "Max open files"), Some(1024.0));
    }
}
