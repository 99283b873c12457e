//! Objects of classes that AWS denies everything, and the end of these classes: the natural way to clean up
//! what is broken.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::time::sleep;
use xtask::http;
use xtask::operator::Operator;
use xtask::patience::eventually;

use super::measure::{Bench, cpu_millis, real};
use super::name;
use super::table::Row;

const NAMESPACE: &str = "denied";
const OBJECTS: u32 = 1_000;

/// Of the one class nobody may assume the role, of the other all calls of ECR are denied.
const CLASSES: [(&str, &str); 2] = [("no-role", "222222222222"), ("no-calls", "333333333333")];

const PATIENCE: Duration = Duration::from_mins(5);
const WATCHED: Duration = Duration::from_secs(30);

/// The operator's own count of its passes: without a call of AWS or Kubernetes nothing else shows them.
const PASSES: &str = "controller_runtime_reconcile_total{";

impl Bench {
    pub(super) async fn denied(&mut self) -> Result<()> {
        println!("· {OBJECTS} objects of two classes that are denied, two minutes and more");
        self.kubectl
            .run(&["create", "namespace", NAMESPACE])
            .await?;
        let [(_, role_denied), (_, calls_denied)] = CLASSES;
        self.stack
            .emulator
            .configure(&json!({"deniedRoles": [role(role_denied)]}))
            .await?;
        let faults = json!([{"account": calls_denied, "times": "forever", "effect": "deny"}]);
        self.stack.emulator.inject(&faults).await?;
        self.apply(CLASSES.map(|(name, account)| class(name, account)).to_vec())
            .await?;
        let operator = self.start(&["--watch-namespace", NAMESPACE]).await?;
        let objects = (0..OBJECTS).map(object).collect::<Vec<_>>();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        self.kubectl.run_with(&["create", "-f", "-"], &list).await?;
        self.all_say("AccessDenied").await?;
        let denied = self.watch(&operator).await?;
        println!("  deleting the classes");
        let classes = CLASSES.map(|(name, _)| name);
        self.kubectl
            .run(&[["delete", "ecrclass"].as_slice(), &classes].concat())
            .await?;
        self.all_say("ClassNotFound").await?;
        self.quiet().await?;
        let deleted = self.watch(&operator).await?;
        operator.stop().await?;
        self.stack.emulator.clear_faults().await?;
        self.rows.extend([
            Row::noted(
                "1,000 objects of classes that are denied: passes a second",
                denied.passes,
                "",
            ),
            Row::noted("  CPU, of one core", denied.cpu, "%"),
            Row::limited(
                "  once the classes are deleted: passes a second",
                deleted.passes,
                10.0,
                "",
            ),
            Row::limited("  CPU, of one core", deleted.cpu, 2.0, "%"),
        ]);
        Ok(())
    }

    /// Waits until each object is not Ready for that reason.
    async fn all_say(&self, reason: &str) -> Result<()> {
        let each = r#"{.items[*].status.conditions[?(@.type=="Ready")].reason}"#;
        let output = format!("jsonpath={each}");
        let look = ["get", "ecrrepo", "-n", NAMESPACE, "-o", &output];
        eventually(&format!("all say {reason}"), PATIENCE, async || {
            sleep(Duration::from_secs(1)).await;
            let said = self.kubectl.run(&look).await?;
            let count = said.split_whitespace().filter(|it| *it == reason).count();
            ensure!(count == usize::try_from(OBJECTS)?, "{count} do");
            Ok(())
        })
        .await
    }

    async fn watch(&self, operator: &Operator) -> Result<Watched> {
        let (before, cpu, clock) = (
            passes(operator).await?,
            cpu_millis(operator)?,
            Instant::now(),
        );
        sleep(WATCHED).await;
        let seconds = clock.elapsed().as_secs_f64();
        Ok(Watched {
            passes: (passes(operator).await? - before) / seconds,
            cpu: (cpu_millis(operator)? - cpu) / 10.0 / seconds,
        })
    }
}

/// What an operator does.
struct Watched {
    /// A second.
    passes: f64,
    /// Of one core, in percent.
    cpu: f64,
}

async fn passes(operator: &Operator) -> Result<f64> {
    let text = http::get(&format!("http://{}/metrics", operator.admin())).await?;
    let counts = text.lines().filter(|line| line.starts_with(PASSES));
    let counts: Vec<u64> = counts
        .map(|line| {
            let count = line.rsplit(' ').next().unwrap_or_default();
            count.parse().with_context(|| line.to_owned())
        })
        .collect::<Result<_>>()?;
    ensure!(!counts.is_empty(), "/metrics has no {PASSES}");
    Ok(real(counts.iter().sum()))
}

fn role(account: &str) -> String {
    format!("arn:aws:iam::{account}:role/ecr-operator")
}

fn class(name: &str, account: &str) -> Value {
    json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": "ECRRepositoryClass",
        "metadata": {"name": name},
        "spec": {
            "registry": {"accountId": account, "region": "ap-southeast-1"},
            "assumeRole": {"roleArn": role(account)},
            "allowedNamespaces": {},
            "apiBudget": {"readsPerSecond": 1000, "writesPerSecond": 1000},
        },
    })
}

fn object(number: u32) -> Value {
    let [(even, _), (odd, _)] = CLASSES;
    let class = if number.is_multiple_of(2) { even } else { odd };
    json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": "ECRRepository",
        "metadata": {"name": name(number), "namespace": NAMESPACE},
        "spec": {"className": class, "tags": {"team": "bench"}},
    })
}
