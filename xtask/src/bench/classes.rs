//! Many classes: fifty of them over ten accounts, a thousand repositories, and a change of one class.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use xtask::patience::eventually;
use xtask::processes;

use super::measure::{Bench, QUIET, cpu_millis, megabytes, real};
use super::table::Row;

const NAMESPACE: &str = "classes";
const CLASSES: u32 = 50;
const ACCOUNTS: u32 = 10;
const OBJECTS: u32 = 1000;

impl Bench {
    pub(super) async fn classes(&mut self) -> Result<()> {
        println!("· {OBJECTS} repositories of {CLASSES} classes in {ACCOUNTS} accounts");
        self.kubectl
            .run(&["create", "namespace", NAMESPACE])
            .await?;
        let classes: Vec<_> = (0..CLASSES)
            .map(|number| class(number, "MUTABLE"))
            .collect();
        self.apply(classes).await?;
        let operator = self.start(&["--watch-namespace", NAMESPACE]).await?;
        let audit = self.zero().await?;
        let (cpu, clock) = (cpu_millis(&operator)?, Instant::now());
        let objects = (0..OBJECTS).map(object).collect::<Vec<_>>();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        self.create(&list, NAMESPACE, OBJECTS).await?;
        let took = clock.elapsed().saturating_sub(QUIET).as_secs_f64();
        let cpu = cpu_millis(&operator)? - cpu;
        let (calls, writes) = (
            self.calls().await?,
            real(audit.seen_without_refusals()?.writes),
        );
        let resident = megabytes(processes::resident(operator.pid())?);
        let change = self.change_a_class().await?;
        operator.stop().await?;
        let objects = f64::from(OBJECTS);
        self.rows.extend([
            Row::noted(
                "50 classes, 10 accounts, 1,000 objects: calls for each",
                calls / objects,
                "calls",
            ),
            Row::noted("  Kubernetes writes for each", writes / objects, "writes"),
            Row::noted("  CPU for each", cpu / objects, "ms"),
            Row::noted(
                "  until all were Ready, at 5 writes a second and account",
                took,
                "s",
            ),
            Row::noted("  resident memory", resident, "MB"),
            Row::noted(
                "  from a change of a class to its last of 20 users",
                change,
                "s",
            ),
        ]);
        Ok(())
    }

    /// Changes what one class enforces, and waits until ECR has it at all of its users.
    async fn change_a_class(&self) -> Result<f64> {
        self.zero().await?;
        let clock = Instant::now();
        self.apply(vec![class(0, "IMMUTABLE")]).await?;
        let users = u64::from(OBJECTS / CLASSES);
        eventually("all users follow", Duration::from_mins(2), async || {
            let calls = self.stack.emulator.calls().await?;
            let put = calls.get("PutImageTagMutability").copied().unwrap_or(0);
            ensure!(put >= users, "{put} of {users} do");
            Ok(())
        })
        .await?;
        Ok(clock.elapsed().as_secs_f64())
    }
}

fn class(number: u32, mutability: &str) -> Value {
    let account = format!("{:012}", 100_000_000_000_u64 + u64::from(number % ACCOUNTS));
    json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": "ECRRepositoryClass",
        "metadata": {"name": format!("class-{number:02}")},
        "spec": {
            "registry": {"accountId": account, "region": "ap-southeast-1"},
            "assumeRole": {"roleArn": format!("arn:aws:iam::{account}:role/ecr-operator")},
            "allowedNamespaces": {},
            "enforced": {"imageTagMutability": mutability},
            "defaults": {"imageScanningConfiguration": {"scanOnPush": true}},
        },
    })
}

fn object(number: u32) -> Value {
    json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": "ECRRepository",
        "metadata": {"name": format!("r{number:04}"), "namespace": NAMESPACE},
        "spec": {
            "className": format!("class-{:02}", number % CLASSES),
            "tags": {"team": "bench"},
        },
    })
}
