//! What so many objects cost, to be compared with ten times as many: to make them, at rest, and at a
//! restart.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;
use xtask::install::LOCAL_CLASS;
use xtask::operator::Operator;
use xtask::patience::eventually;
use xtask::processes;

use super::exponents::Cost;
use super::measure::{Bench, QUIET, cpu_millis, megabytes, real};
use super::table::Row;
use super::{fast_class, fast_manifests};

/// kubectl makes some fifty objects a second.
const PATIENCE: Duration = Duration::from_mins(20);

/// So many objects are given to kubectl at a time.
const BATCH: u32 = 1_000;

/// Memory at 10,000 objects, in MB.
const LIMIT_AT_TEN_THOUSAND: f64 = 64.0;

impl Bench {
    pub(super) async fn growth(&mut self, objects: u32) -> Result<()> {
        println!("· {objects} objects, and a restart");
        let namespace = format!("growth-{objects}");
        let (operator, made) = self.populated(&namespace, objects).await?;
        operator.stop().await?;
        self.rows.extend(made.rows());
        let (restart_cpu, restart_memory) = self.restarted(&namespace, objects).await?;
        self.costs.push(Cost {
            made,
            restart_cpu,
            restart_memory,
        });
        Ok(())
    }

    /// Makes objects of the class `fast` in a new namespace, and measures that.
    pub(super) async fn populated(
        &mut self,
        namespace: &str,
        objects: u32,
    ) -> Result<(Operator, Made)> {
        self.kubectl
            .run(&["create", "namespace", namespace])
            .await?;
        self.apply(vec![fast_class()]).await?;
        // The lowest budget of all classes of a registry holds.
        self.budget(r#"{"readsPerSecond":1000,"writesPerSecond":1000}"#)
            .await?;
        let operator = self.start(&["--watch-namespace", namespace]).await?;
        let audit = self.zero().await?;
        let (cpu, clock) = (cpu_millis(&operator)?, Instant::now());
        let mut next = 0;
        while next < objects {
            let end = objects.min(next + BATCH);
            let list = fast_manifests(namespace, next..end);
            self.kubectl.run_with(&["create", "-f", "-"], &list).await?;
            next = end;
        }
        self.have_policies(objects).await?;
        self.quiet().await?;
        let made = Made {
            objects,
            seconds: clock.elapsed().saturating_sub(QUIET).as_secs_f64(),
            cpu: (cpu_millis(&operator)? - cpu) / 1000.0,
            calls: self.calls().await?,
            writes: real(audit.seen_without_refusals()?.writes),
            memory: megabytes(processes::resident(operator.pid())?),
        };
        Ok((operator, made))
    }

    /// Waits until as many repositories have the last thing that is written to them.
    async fn have_policies(&self, objects: u32) -> Result<()> {
        eventually("all have a policy", PATIENCE, async || {
            let calls = self.stack.emulator.calls().await?;
            let set = calls.get("SetRepositoryPolicy").copied().unwrap_or(0);
            ensure!(set >= u64::from(objects), "{set} of {objects} have");
            Ok(())
        })
        .await
    }

    /// Seconds of CPU of a restart, and memory after it.
    async fn restarted(&mut self, namespace: &str, objects: u32) -> Result<(f64, f64)> {
        let audit = self.zero().await?;
        let clock = Instant::now();
        let operator = self.start(&["--watch-namespace", namespace]).await?;
        let ready = clock.elapsed().as_secs_f64();
        self.quiet().await?;
        let took = clock.elapsed().saturating_sub(QUIET).as_secs_f64();
        let (calls, seen) = (self.calls().await?, audit.seen_without_refusals()?);
        let cpu = cpu_millis(&operator)? / 1000.0;
        let resident = megabytes(processes::resident(operator.pid())?);
        operator.stop().await?;
        let each = f64::from(objects);
        // A page of repositories and one of tags are the least that a look costs.
        let calls_limit = if objects >= 200 { Some(0.02) } else { None };
        self.rows.extend([
            Row::new(
                "  ECR calls for each at a restart",
                calls / each,
                calls_limit,
                "calls",
            ),
            Row::limited(
                "  Kubernetes writes at a restart",
                real(seen.writes),
                0.0,
                "writes",
            ),
            Row::noted("  from its start until it is ready", ready, "s"),
            Row::noted("  from its start until it rests", took, "s"),
            Row::noted("  CPU of a restart", cpu, "s"),
            memory("  resident memory after it", resident, objects),
        ]);
        Ok((cpu, resident))
    }

    /// Sets the budget of the default class.
    pub(super) async fn budget(&self, budget: &str) -> Result<()> {
        let patch = format!(r#"{{"spec":{{"apiBudget":{budget}}}}}"#);
        let patch = [
            "patch",
            "ecrclass",
            LOCAL_CLASS,
            "--type=merge",
            "-p",
            &patch,
        ];
        self.kubectl.run(&patch).await.map(drop)
    }

    pub(super) async fn apply(&self, objects: Vec<Value>) -> Result<()> {
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let apply = ["apply", "--server-side", "-f", "-"];
        self.kubectl
            .run_with(&apply, &list.to_string())
            .await
            .map(drop)
    }
}

/// What it took to make objects.
pub(super) struct Made {
    pub(super) objects: u32,
    pub(super) calls: f64,
    pub(super) writes: f64,
    pub(super) seconds: f64,
    /// Seconds of CPU.
    pub(super) cpu: f64,
    /// In MB.
    pub(super) memory: f64,
}

impl Made {
    fn rows(&self) -> [Row; 6] {
        let objects = self.objects;
        let each = f64::from(objects);
        [
            Row::noted(
                &format!("{objects} objects: ECR calls to create all"),
                self.calls,
                "calls",
            ),
            Row::noted("  Kubernetes writes for each", self.writes / each, "writes"),
            Row::noted(
                "  until all were there, as fast as kubectl is",
                self.seconds,
                "s",
            ),
            Row::noted("  CPU for all", self.cpu, "s"),
            Row::noted("  CPU for each", 1000.0 * self.cpu / each, "ms"),
            memory("  resident memory", self.memory, objects),
        ]
    }
}

fn memory(what: &str, resident: f64, objects: u32) -> Row {
    let limit = (objects == 10_000).then_some(LIMIT_AT_TEN_THOUSAND);
    Row::new(what, resident, limit, "MB")
}
