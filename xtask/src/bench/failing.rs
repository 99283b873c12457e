//! What it costs when AWS fails: the same work while every tenth call goes wrong.

use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use super::manifests;
use super::measure::{Bench, QUIET, cpu_millis, real};
use super::table::Row;

const NAMESPACE: &str = "failing";

const OBJECTS: u32 = 200;

impl Bench {
    pub(super) async fn failing(&mut self) -> Result<()> {
        println!("· creating {OBJECTS} while every tenth call of AWS fails, two minutes and more");
        self.kubectl
            .run(&["create", "namespace", NAMESPACE])
            .await?;
        let operator = self.start(&["--watch-namespace", NAMESPACE]).await?;
        // Four kinds of failures, each of every fortieth call.
        let faults = json!([
            {"every": 40, "times": "forever", "effect": "throttle"},
            {"every": 40, "skip": 10, "times": "forever", "effect": "loseAnswer"},
            {"every": 40, "skip": 20, "times": "forever", "effect": "drop"},
            {"every": 40, "skip": 30, "times": "forever",
             "effect": {"fail": {"code": "ServerException", "message": "out of order", "status": 500}}},
        ]);
        self.stack.emulator.inject(&faults).await?;
        let audit = self.zero().await?;
        let (cpu, clock) = (cpu_millis(&operator)?, Instant::now());
        self.create(
            &manifests(NAMESPACE, 0..OBJECTS, "Retain"),
            NAMESPACE,
            OBJECTS,
        )
        .await?;
        let took = clock.elapsed().saturating_sub(QUIET).as_secs_f64();
        let cpu = cpu_millis(&operator)? - cpu;
        let (calls, writes) = (
            self.calls().await?,
            real(audit.seen_without_refusals()?.writes),
        );
        operator.stop().await?;
        self.stack.emulator.clear_faults().await?;
        let objects = f64::from(OBJECTS);
        self.rows.extend([
            Row::noted(
                "while 10 % of calls fail, 200 objects: calls for each",
                calls / objects,
                "calls",
            ),
            Row::noted("  CPU for each", cpu / objects, "ms"),
            Row::noted("  Kubernetes writes for each", writes / objects, "writes"),
            Row::noted("  until all were Ready", took, "s"),
        ]);
        Ok(())
    }
}
