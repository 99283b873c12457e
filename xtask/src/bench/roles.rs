//! More classes with a role of their own than the SDK keeps credentials for: each role is assumed once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::measure::{Bench, QUIET, cpu_millis, megabytes, real};
use super::name;
use super::table::Row;

const NAMESPACE: &str = "roles";
const CLASSES: u32 = 200;
const ACCOUNTS: u32 = 10;

/// For how long they work: each has a sweep in ten seconds, and one after the other a change.
const WORKS: Duration = Duration::from_mins(1);
const RESYNC: &str = "10";

impl Bench {
    pub(super) async fn roles(&mut self) -> Result<()> {
        println!("· {CLASSES} classes with a role each, at work for a minute");
        self.kubectl
            .run(&["create", "namespace", NAMESPACE])
            .await?;
        self.apply((0..CLASSES).map(class).collect()).await?;
        let flags = ["--watch-namespace", NAMESPACE, "--resync-seconds", RESYNC];
        let operator = self.start(&flags).await?;
        self.zero().await?;
        let objects = (0..CLASSES).map(object).collect::<Vec<_>>();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        let (cpu, clock) = (cpu_millis(&operator)?, Instant::now());
        self.kubectl.run_with(&["create", "-f", "-"], &list).await?;
        let mut changes = 0;
        while clock.elapsed() < WORKS {
            let patch = format!(r#"{{"spec":{{"tags":{{"change":"{changes}"}}}}}}"#);
            self.patch(NAMESPACE, &name(changes % CLASSES), &patch)
                .await?;
            changes += 1;
        }
        tokio::time::sleep(QUIET).await;
        let seconds = clock.elapsed().as_secs_f64();
        let calls = self.calls().await?;
        let cpu = (cpu_millis(&operator)? - cpu) / 10.0 / seconds;
        let resident = megabytes(xtask::processes::resident(operator.pid())?);
        let assumed = self.assumed().await?;
        operator.stop().await?;
        let most = assumed.values().copied().max().unwrap_or(0);
        self.rows.extend([
            Row::noted(
                "200 classes with a role each, a minute of work: calls",
                calls,
                "calls",
            ),
            Row::limited(
                "  AssumeRole for each role, at most",
                real(most),
                1.0,
                "calls",
            ),
            Row::noted("  CPU, of one core", cpu, "%"),
            Row::noted("  resident memory", resident, "MB"),
        ]);
        Ok(())
    }

    /// How often each role was assumed. All of them were, or this would say nothing.
    async fn assumed(&self) -> Result<BTreeMap<String, u64>> {
        let log = self.stack.emulator.log().await?;
        let mut assumed = BTreeMap::new();
        for call in log.iter().filter(|it| it.operation == "AssumeRole") {
            let role = call.input.get("RoleArn").and_then(Value::as_str);
            let role = role.with_context(|| format!("no role in {}", call.input))?;
            *assumed.entry(role.to_owned()).or_default() += 1;
        }
        let roles = assumed.len();
        ensure!(
            roles == usize::try_from(CLASSES)?,
            "{roles} roles were assumed"
        );
        Ok(assumed)
    }
}

fn class(number: u32) -> Value {
    let account = format!("{:012}", 100_000_000_000_u64 + u64::from(number % ACCOUNTS));
    json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": "ECRRepositoryClass",
        "metadata": {"name": format!("role-{number:03}")},
        "spec": {
            "registry": {"accountId": account, "region": "ap-southeast-1"},
            "assumeRole": {"roleArn": format!("arn:aws:iam::{account}:role/ecr-operator-{number:03}")},
            "allowedNamespaces": {},
            "apiBudget": {"readsPerSecond": 1000, "writesPerSecond": 1000},
        },
    })
}

fn object(number: u32) -> Value {
    json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": "ECRRepository",
        "metadata": {"name": name(number), "namespace": NAMESPACE},
        "spec": {"className": format!("role-{number:03}"), "tags": {"change": "none"}},
    })
}
