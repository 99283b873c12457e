//! One measure after the other.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::time::sleep;
use xtask::kubectl::Kubectl;
use xtask::operator::Operator;
use xtask::patience::eventually;
use xtask::stack::Stack;
use xtask::{paths, processes};

use super::audit::Audit;
use super::exponents::Cost;
use super::table::Row;
use super::{OBJECTS, manifests};
use crate::narration::seconds;

/// Where the measured objects live.
pub(super) const NAMESPACE: &str = "bench";

const MEGABYTE: f64 = 1e6;

/// How long nothing may happen until all is said to be done.
pub(super) const QUIET: Duration = Duration::from_secs(3);

/// At the pace of the bench calls come closer together than this.
const MOMENT: Duration = Duration::from_millis(500);

const PATIENCE: Duration = Duration::from_mins(5);

/// Seconds between two resyncs, where they are measured: enough for one look at each object at the
/// pace that ECR is asked for.
const RESYNC: u64 = 100;

/// At the default of one resync in five minutes.
const SWEEPS_A_DAY: f64 = 288.0;

/// The writes of one operation that ECR is asked for in a second, unless a class says otherwise.
pub(super) const WRITES_PER_SECOND: f64 = 5.0;

/// A stack, and what was measured on it so far.
pub(super) struct Bench {
    pub(super) stack: Stack,
    pub(super) kubectl: Kubectl,
    pub(super) rows: Vec<Row>,
    pub(super) costs: Vec<Cost>,
}

impl Bench {
    pub(super) fn new(stack: Stack) -> Result<Self> {
        let kubectl = stack.kubectl()?;
        Ok(Self {
            stack,
            kubectl,
            rows: Vec::new(),
            costs: Vec::new(),
        })
    }

    pub(super) async fn start(&self, flags: &[&str]) -> Result<Operator> {
        println!("· starting the operator {}", flags.join(" "));
        self.stack.operator("bench", flags).await
    }

    pub(super) fn binary(&mut self) -> Result<()> {
        let bytes = paths::program("ecr-operator")?.metadata()?.len();
        self.rows.push(Row::limited(
            "size of the program",
            megabytes(bytes),
            20.0,
            "MB",
        ));
        Ok(())
    }

    pub(super) async fn idle(&mut self, operator: &Operator) -> Result<()> {
        self.quiet().await?;
        let resident = megabytes(processes::resident(operator.pid())?);
        self.rows
            .push(Row::noted("resident memory, no objects", resident, "MB"));
        Ok(())
    }

    pub(super) async fn create_one(&mut self) -> Result<()> {
        println!("· creating one repository with lifecycle policy, repository policy and a tag");
        self.kubectl
            .run(&["create", "namespace", NAMESPACE])
            .await?;
        let audit = self.zero().await?;
        self.create(&manifests(NAMESPACE, 0..1, "Delete"), NAMESPACE, 1)
            .await?;
        let calls = self.calls().await?;
        let seen = audit.seen_without_refusals()?;
        let ready = seen.until_last_write()?.as_secs_f64() * 1000.0;
        self.rows.extend([
            Row::limited("ECR calls to create one", calls, 3.0, "calls"),
            Row::limited(
                "Kubernetes writes to the object to create it",
                real(seen.writes),
                3.0,
                "writes",
            ),
            Row::noted("Events of that", real(seen.events), "events"),
            Row::noted("from its arrival at the API server to Ready", ready, "ms"),
        ]);
        Ok(())
    }

    pub(super) async fn create_many(&mut self, operator: &Operator) -> Result<()> {
        let more = OBJECTS - 1;
        println!(
            "· creating {more} more, about {:.0} s at the pace that ECR is asked for",
            f64::from(more) / WRITES_PER_SECOND
        );
        let list = manifests(NAMESPACE, 1..OBJECTS, "Retain");
        let audit = self.zero().await?;
        let (cpu, clock) = (cpu_millis(operator)?, Instant::now());
        self.create(&list, NAMESPACE, OBJECTS).await?;
        let took = clock.elapsed().saturating_sub(QUIET).as_secs_f64();
        let cpu = cpu_millis(operator)? - cpu;
        let resident = megabytes(processes::resident(operator.pid())?);
        let (calls, writes) = (
            self.calls().await?,
            real(audit.seen_without_refusals()?.writes),
        );
        let more = f64::from(more);
        self.rows.extend([
            Row::limited(
                "ECR calls for each of 499 more",
                calls / more,
                3.05,
                "calls",
            ),
            Row::limited(
                "Kubernetes writes for each of them",
                writes / more,
                3.0,
                "writes",
            ),
            Row::limited("CPU for each of them", cpu / more, 5.0, "ms"),
            Row::limited(
                "until all were Ready, at 5 writes a second of each operation",
                took,
                1.1 * more / WRITES_PER_SECOND,
                "s",
            ),
            Row::limited("resident memory, 500 objects", resident, 25.0, "MB"),
        ]);
        Ok(())
    }

    pub(super) async fn delete_one(&mut self) -> Result<()> {
        println!("· deleting an empty one");
        let audit = self.zero().await?;
        self.kubectl
            .run(&[
                "delete",
                "ecrrepo",
                "r0000",
                "-n",
                NAMESPACE,
                "--timeout=120s",
            ])
            .await?;
        self.quiet().await?;
        let calls = self.calls().await?;
        let writes = real(audit.seen_without_refusals()?.writes);
        self.rows.extend([
            Row::limited("ECR calls to delete an empty one", calls, 2.0, "calls"),
            Row::noted(
                "Kubernetes writes to the object to delete it",
                writes,
                "writes",
            ),
        ]);
        Ok(())
    }

    /// Starts the operator anew, with resyncs that are far enough apart to tell them from the start.
    pub(super) async fn restart(&mut self) -> Result<Operator> {
        println!("· restarting the operator, nothing changed");
        let audit = self.zero().await?;
        let operator = self
            .start(&["--resync-seconds", &RESYNC.to_string()])
            .await?;
        let settled = self.quiet().await;
        let (calls, seen) = (self.calls().await?, audit.seen_without_refusals()?);
        settled?;
        let resident = megabytes(processes::resident(operator.pid())?);
        let objects = f64::from(OBJECTS - 1);
        self.rows.extend([
            Row::limited(
                "ECR calls per repository at a restart",
                calls / objects,
                0.02,
                "calls",
            ),
            Row::limited(
                "Kubernetes writes at a restart",
                real(seen.writes),
                0.0,
                "writes",
            ),
            Row::limited("resident memory after it", resident, 25.0, "MB"),
        ]);
        Ok(operator)
    }

    /// The reads of policies among the calls. Whose turn it is to have them is chance: two of each object in
    /// eight hours.
    pub(super) async fn policy_reads(&self) -> Result<f64> {
        let all = self.stack.emulator.calls().await?;
        let reads = ["GetLifecyclePolicy", "GetRepositoryPolicy"];
        Ok(real(reads.iter().filter_map(|it| all.get(*it)).sum()))
    }

    /// Counts over as long as from one resync to the next: each object has its own exactly once then,
    /// no matter when the first one comes.
    pub(super) async fn resync(&mut self, operator: &Operator) -> Result<()> {
        println!("· watching a resync, {RESYNC} s");
        let audit = self.zero().await?;
        let cpu = cpu_millis(operator)?;
        sleep(Duration::from_secs(RESYNC)).await;
        let calls = self.calls().await?;
        let seen = audit.seen_without_refusals()?;
        let cpu = cpu_millis(operator)? - cpu;
        let objects = f64::from(OBJECTS - 1);
        // A page of 1,000 repositories, and a page of tags for each 100 that are ours.
        let sweep = (objects / 1000.0).ceil() + (objects / 100.0).ceil();
        let policies = self.policy_reads().await?;
        let swept = calls - policies;
        self.rows.extend([
            Row::limited(
                "ECR calls per repository and resync",
                swept / objects,
                sweep / objects,
                "calls",
            ),
            Row::noted("  policies whose turn it was", policies, "calls"),
            Row::limited(
                "  that is a day, every 5 minutes, with 6 reads of policies",
                SWEEPS_A_DAY * swept / objects + 6.0,
                10.0,
                "calls",
            ),
            Row::limited(
                "Kubernetes writes of a resync",
                real(seen.writes),
                0.0,
                "writes",
            ),
            Row::noted("CPU of a resync of all", cpu, "ms"),
        ]);
        Ok(())
    }

    /// Merges a patch into an object, as a person would.
    pub(super) async fn patch(&self, namespace: &str, object: &str, patch: &str) -> Result<()> {
        let resource = ["patch", "ecrrepo", object, "-n", namespace];
        let merge = ["--type=merge", "-p", patch];
        let patch = [resource.as_slice(), merge.as_slice()].concat();
        self.kubectl.run(&patch).await.map(drop)
    }

    /// Sets the counters to zero.
    pub(super) async fn zero(&self) -> Result<Audit> {
        self.stack.emulator.reset().await?;
        Audit::now(&self.stack.dir)
    }

    /// Calls of ECR since `zero`, and tells which. The one of STS, by which the operator learns its
    /// account, comes once a process and is told but not counted.
    pub(super) async fn calls(&self) -> Result<f64> {
        let calls = self.stack.emulator.calls().await?;
        let each: Vec<String> = calls
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        println!(
            "  {}",
            if each.is_empty() {
                "no call".to_owned()
            } else {
                each.join(", ")
            }
        );
        let sts = calls.get("GetCallerIdentity").copied().unwrap_or(0);
        Ok(real(calls.values().sum::<u64>() - sts))
    }

    /// Creates objects and waits until as many as `ready` in all are, and it is quiet again.
    pub(super) async fn create(&self, manifest: &str, namespace: &str, ready: u32) -> Result<()> {
        let clock = Instant::now();
        self.kubectl
            .run_with(&["create", "-f", "-"], manifest)
            .await?;
        let each = r#"{.items[*].status.conditions[?(@.type=="Ready")].status}"#;
        let output = format!("jsonpath={each}");
        let look = ["get", "ecrrepo", "-n", namespace, "-o", &output];
        eventually(
            &format!("{ready} objects are Ready"),
            PATIENCE,
            async || {
                self.rests().await?;
                let conditions = self.kubectl.run(&look).await?;
                let count = conditions
                    .split_whitespace()
                    .filter(|status| *status == "True")
                    .count();
                ensure!(count == usize::try_from(ready)?, "{count} are");
                Ok(())
            },
        )
        .await?;
        println!("  Ready after {}", seconds(clock.elapsed()));
        self.quiet().await
    }

    /// Whether ECR hears nothing for a moment. A list of all objects costs a core for a while, and would
    /// show in the operator's own time: nobody asks for one as long as there are calls.
    async fn rests(&self) -> Result<()> {
        let before = self.stack.emulator.calls().await?;
        sleep(MOMENT).await;
        ensure!(
            self.stack.emulator.calls().await? == before,
            "ECR is still called"
        );
        Ok(())
    }

    /// Waits until neither ECR nor the API server hears of the operator any more.
    pub(super) async fn quiet(&self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let total = async || anyhow::Ok(self.stack.emulator.calls().await?.values().sum::<u64>());
        let mut last = (total().await?, Audit::now(&self.stack.dir)?);
        let mut since = Instant::now();
        while since.elapsed() < QUIET {
            ensure!(
                Instant::now() < end,
                "the operator is not quiet after {PATIENCE:?}"
            );
            sleep(Duration::from_millis(200)).await;
            let calls = total().await?;
            let seen = last.1.seen()?;
            if calls != last.0 || seen.writes + seen.events > 0 {
                last = (calls, Audit::now(&self.stack.dir)?);
                since = Instant::now();
            }
        }
        Ok(())
    }
}

pub(super) fn cpu_millis(operator: &Operator) -> Result<f64> {
    Ok(processes::cpu(operator.pid())?.as_secs_f64() * 1000.0)
}

pub(super) fn megabytes(bytes: u64) -> f64 {
    real(bytes) / MEGABYTE
}

/// Counts here are far below where a float would lose any of them.
#[allow(
    clippy::cast_precision_loss,
    reason = "counts of calls and bytes stay below 2^52"
)]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}
