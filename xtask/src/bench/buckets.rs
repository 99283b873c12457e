//! How near new repositories come to what ECR's token buckets let through.

use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use super::manifests;
use super::measure::{Bench, QUIET, WRITES_PER_SECOND, real};
use super::table::Row;

const NAMESPACE: &str = "buckets";
const OBJECTS: u32 = 200;

/// `WRITES_PER_SECOND`, as the emulator takes it; a bucket holds what comes in a second.
const RATE: u32 = 5;

impl Bench {
    pub(super) async fn buckets(&mut self) -> Result<()> {
        println!(
            "· creating {OBJECTS} against token buckets, about {:.0} s",
            f64::from(OBJECTS) / WRITES_PER_SECOND
        );
        let settings =
            json!({"latencyMillis": 10, "rates": {"*": {"perSecond": RATE, "burst": RATE}}});
        self.stack.emulator.configure(&settings).await?;
        self.kubectl
            .run(&["create", "namespace", NAMESPACE])
            .await?;
        let operator = self.start(&["--watch-namespace", NAMESPACE]).await?;
        self.zero().await?;
        let clock = Instant::now();
        let list = manifests(NAMESPACE, 0..OBJECTS, "Retain");
        self.create(&list, NAMESPACE, OBJECTS).await?;
        let took = clock.elapsed().saturating_sub(QUIET).as_secs_f64();
        self.calls().await?;
        let calls = self.stack.emulator.calls().await?;
        let log = self.stack.emulator.log().await?;
        operator.stop().await?;
        // Every operation has the same rate: the one that is called most takes longest.
        let most = real(calls.values().copied().max().unwrap_or(0));
        let throttled = log.iter().filter(|call| call.is_throttled()).count();
        let throttled = 100.0 * real(u64::try_from(throttled)?) / real(u64::try_from(log.len())?);
        self.rows.extend([
            Row::limited(
                "200 new ones against buckets: time by the slowest operation's",
                took / (most / WRITES_PER_SECOND),
                1.1,
                "",
            ),
            Row::limited("  calls that were throttled", throttled, 1.0, "%"),
        ]);
        Ok(())
    }
}
