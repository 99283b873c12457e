//! Memory over a long time of one change of a spec a second.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::time::{MissedTickBehavior, interval};
use xtask::processes;

use super::measure::{Bench, megabytes};
use super::name;
use super::table::Row;

const NAMESPACE: &str = "flat";
const OBJECTS: u32 = 100;

/// Over how many samples, one a second, the median is taken that counts for a moment.
const WINDOW: usize = 60;

/// How much more may be resident at the end than after a sixth of the time.
const LIMIT: f64 = 1.05;

impl Bench {
    /// Compares the medians of two minutes: after a sixth of the time, and at the end.
    pub(super) async fn flat(&mut self, whole: Duration) -> Result<()> {
        let minutes = whole.as_secs() / 60;
        println!("· one change a second for {minutes} minutes");
        let (operator, _) = self.populated(NAMESPACE, OBJECTS).await?;
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let clock = Instant::now();
        let mut samples = Vec::new();
        let mut changes = 0_u32;
        while clock.elapsed() < whole {
            tick.tick().await;
            self.change(changes).await?;
            changes += 1;
            samples.push(processes::resident(operator.pid())?);
            // The emulator's log grows with every call.
            if changes.is_multiple_of(60) {
                self.stack.emulator.reset().await?;
            }
        }
        operator.stop().await?;
        let early = median(samples.get(samples.len() / 6..).unwrap_or_default())?;
        let from = samples.len().saturating_sub(WINDOW);
        let late = median(samples.get(from..).unwrap_or_default())?;
        let (early, late) = (megabytes(early), megabytes(late));
        self.rows.extend([
            Row::noted(
                &format!("{minutes} minutes of a change a second: changes"),
                f64::from(changes),
                "",
            ),
            Row::noted("  resident memory after a sixth of it", early, "MB"),
            Row::noted("  resident memory at the end", late, "MB"),
            Row::limited("  the one by the other", late / early, LIMIT, ""),
        ]);
        Ok(())
    }

    async fn change(&self, number: u32) -> Result<()> {
        let patch = format!(r#"{{"spec":{{"tags":{{"change":"{number}"}}}}}}"#);
        self.patch(NAMESPACE, &name(number % OBJECTS), &patch).await
    }
}

fn median(samples: &[u64]) -> Result<u64> {
    let mut window: Vec<u64> = samples.iter().copied().take(WINDOW).collect();
    window.sort_unstable();
    window
        .get(window.len() / 2)
        .copied()
        .context("nothing was measured")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_of_one_window() {
        assert_eq!(median(&[3, 1, 2]).unwrap(), 2);
        let mut samples = vec![5; WINDOW];
        samples.extend([9; 1000]);
        assert_eq!(median(&samples).unwrap(), 5);
        assert!(median(&[]).is_err());
    }
}
