//! Numbers, each beside its limit. They come from the operating system, from the emulator's counters
//! and from the API server's audit log: never from the operator itself.

mod audit;
mod classes;
mod failing;
mod measure;
mod table;

use std::fs::File;
use std::ops::Range;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use xtask::paths;
use xtask::stack::Stack;

use self::measure::Bench;
use crate::narration::Ink;

/// How many objects the larger measures are taken at.
const OBJECTS: u32 = 500;

/// Runs all of it in a stack of its own; about ten minutes.
pub(crate) async fn run() -> Result<()> {
    let dir = paths::target().join("bench");
    std::fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let lock = File::create(dir.join("lock"))?;
    if lock.try_lock().is_err() {
        bail!("another make bench runs here: wait for it, or stop it");
    }
    let _ = std::fs::remove_file(dir.join("audit.log"));
    let mut bench = Bench::new(Stack::start(&dir, &["--audit"]).await?)?;
    measure_all(&mut bench)
        .await
        .with_context(|| format!("the bench stopped; the logs are in {}", dir.display()))?;
    table::print(&bench.rows, Ink::of_stdout());
    Ok(())
}

async fn measure_all(bench: &mut Bench) -> Result<()> {
    bench.binary()?;
    let operator = bench.start(&[]).await?;
    bench.idle(&operator).await?;
    bench.create_one().await?;
    bench.create_many(&operator).await?;
    bench.delete_one().await?;
    operator.stop().await?;
    let operator = bench.restart().await?;
    bench.resync(&operator).await?;
    operator.stop().await?;
    bench.failing().await?;
    bench.classes().await?;
    Ok(())
}

/// Repositories as one list for kubectl.
fn manifests(namespace: &str, numbers: Range<u32>, deletion_policy: &str) -> String {
    let items: Vec<_> = numbers
        .map(|number| manifest(namespace, number, deletion_policy))
        .collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

/// A repository as the peer was measured with: lifecycle policy, repository policy and one tag.
fn manifest(namespace: &str, number: u32, deletion_policy: &str) -> Value {
    let pull = [
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
    ];
    json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": "ECRRepository",
        "metadata": {"name": format!("r{number:04}"), "namespace": namespace},
        "spec": {
            "imageTagMutability": "IMMUTABLE",
            "imageScanningConfiguration": {"scanOnPush": true},
            "lifecyclePolicy": {"rules": [{
                "rulePriority": 1,
                "description": "keep the last 10 images",
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10},
                "action": {"type": "expire"},
            }]},
            "repositoryPolicy": {"Version": "2012-10-17", "Statement": [{
                "Sid": "Pull",
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
                "Action": pull,
            }]},
            "tags": {"team": "bench"},
            "deletionPolicy": deletion_policy,
        },
    })
}
