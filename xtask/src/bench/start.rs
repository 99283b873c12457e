//! How soon the operator works, and how soon for a person who changes something just then.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use xtask::patience::eventually;

use super::measure::{Bench, real};
use super::name;
use super::table::Row;

const NAMESPACE: &str = "start";
const OBJECTS: u32 = 500;

const PATIENCE: Duration = Duration::from_mins(5);

impl Bench {
    pub(super) async fn first_reconcile(&mut self) -> Result<()> {
        println!("· starting under {OBJECTS} objects, one of which changes meanwhile");
        let (operator, _) = self.populated(NAMESPACE, OBJECTS).await?;
        // What was made is not what is measured here.
        self.rows.clear();
        operator.stop().await?;
        // The usual pace again: what waits shows only where there is one.
        self.budget("null").await?;
        self.zero().await?;
        let began = now()?;
        let operator = self.start(&["--watch-namespace", NAMESPACE]).await?;
        let ready = now()? - began;
        let changed = now()?;
        self.change_last().await?;
        let (first, before) = eventually("the change is in ECR", PATIENCE, async || {
            let log = self.stack.emulator.log().await?;
            let look = log.iter().find(|it| it.operation != "GetCallerIdentity");
            let first = look.context("ECR was not called yet")?.time;
            let mut since = log.iter().filter(|call| call.time >= changed);
            let before = since
                .position(|call| call.operation == "TagResource")
                .context("it is not there yet")?;
            Ok((first - began, before))
        })
        .await?;
        operator.stop().await?;
        self.rows.extend([
            Row::limited("from the start to the first call of ECR", first, 1.0, "s"),
            Row::noted("  until /readyz says so", ready, "s"),
            Row::noted(
                "  calls of ECR before a change that came then, of 500 objects",
                real(u64::try_from(before)?),
                "calls",
            ),
        ]);
        Ok(())
    }

    async fn change_last(&self) -> Result<()> {
        let patch = r#"{"spec":{"tags":{"team":"another"}}}"#;
        self.patch(NAMESPACE, &name(OBJECTS - 1), patch).await
    }
}

/// Seconds since 1970, as the emulator counts them.
fn now() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}
