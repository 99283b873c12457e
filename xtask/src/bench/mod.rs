//! Numbers, each beside its limit. They come from the operating system, from the emulator's counters
//! and from the API server's audit log: never from the operator itself.

mod api_server;
mod audit;
mod buckets;
mod classes;
mod denied;
mod exponents;
mod failing;
mod flat;
mod growth;
mod half;
mod huge;
mod limit;
mod measure;
mod roles;
mod start;
mod storm;
mod table;

use std::fs::File;
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::{Value, json};
use xtask::paths;
use xtask::stack::Stack;

use self::measure::Bench;
use crate::narration::Ink;

/// How many objects the larger measures are taken at.
const OBJECTS: u32 = 500;

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Part {
    /// One repository, 500 of them, a deletion, a restart, a resync
    Basics,
    /// From the start to the first call of ECR, and a change that comes in between
    Start,
    /// New repositories against ECR's token buckets, with a latency of 10 ms
    Buckets,
    /// The cost of 100 and of 1,000 objects
    Growth,
    /// The cost of 10,000 objects
    TenThousand,
    /// A restart of the API server under 1,000 objects
    ApiServer,
    /// While every tenth call fails
    Failing,
    /// Fifty classes in ten accounts
    Classes,
    /// Memory of 128 MiB, and 60 objects of the largest size that the schema takes
    Huge,
    /// 2,500 half requests at the admin port
    HalfRequests,
    /// 1,000 objects of classes that are denied, and then deleted
    Denied,
    /// Two hundred classes with a role each
    Roles,
    /// Calls that are throttled whatever their pace
    Storm,
    /// Memory over ten minutes of one change a second
    Flat,
    /// Memory over an hour of one change a second
    FlatHour,
}

/// Those of every day.
const SHORT: [Part; 12] = [
    Part::Basics,
    Part::Start,
    Part::Buckets,
    Part::Growth,
    Part::ApiServer,
    Part::Failing,
    Part::Classes,
    Part::Huge,
    Part::HalfRequests,
    Part::Denied,
    Part::Roles,
    Part::Storm,
];

/// Those that take longer.
const LONGER: [Part; 2] = [Part::TenThousand, Part::FlatHour];

/// Runs the parts, each in a stack of its own.
pub(crate) async fn run(parts: &[Part], long: bool) -> Result<()> {
    let dir = paths::target().join("bench");
    std::fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let lock = File::create(dir.join("lock"))?;
    if lock.try_lock().is_err() {
        bail!("another make bench runs here: wait for it, or stop it");
    }
    let mut parts = parts.to_vec();
    if parts.is_empty() {
        parts.extend(SHORT);
    }
    if long {
        parts.extend(LONGER);
    }
    let (mut rows, mut costs) = (Vec::new(), Vec::new());
    for part in parts {
        let _ = std::fs::remove_file(dir.join("audit.log"));
        let mut bench = Bench::new(Stack::start(&dir, &["--audit"]).await?)?;
        measure(part, &mut bench)
            .await
            .with_context(|| format!("the bench stopped; the logs are in {}", dir.display()))?;
        rows.append(&mut bench.rows);
        costs.append(&mut bench.costs);
    }
    table::print(&rows, Ink::of_stdout());
    exponents::print(&costs, Ink::of_stdout());
    table::judge(&rows)
}

async fn measure(part: Part, bench: &mut Bench) -> Result<()> {
    match part {
        Part::Basics => basics(bench).await,
        Part::Start => bench.first_reconcile().await,
        Part::Buckets => bench.buckets().await,
        Part::Growth => {
            bench.growth(100).await?;
            bench.growth(1_000).await
        }
        Part::TenThousand => bench.growth(10_000).await,
        Part::ApiServer => bench.api_server().await,
        Part::Failing => bench.failing().await,
        Part::Classes => bench.classes().await,
        Part::Huge => bench.huge().await,
        Part::HalfRequests => bench.half_requests().await,
        Part::Denied => bench.denied().await,
        Part::Roles => bench.roles().await,
        Part::Storm => bench.storm().await,
        Part::Flat => bench.flat(Duration::from_mins(10)).await,
        Part::FlatHour => bench.flat(Duration::from_hours(1)).await,
    }
}

async fn basics(bench: &mut Bench) -> Result<()> {
    bench.binary()?;
    let operator = bench.start(&[]).await?;
    bench.idle(&operator).await?;
    bench.create_one().await?;
    bench.create_many(&operator).await?;
    bench.delete_one().await?;
    operator.stop().await?;
    let operator = bench.restart().await?;
    bench.resync(&operator).await?;
    operator.stop().await.map(drop)
}

/// The class of objects that are to be there soon: what is measured then is not the pace.
const FAST: &str = "fast";

fn fast_class() -> Value {
    json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": "ECRRepositoryClass",
        "metadata": {"name": FAST},
        "spec": {
            "allowedNamespaces": {},
            "allowedPrincipals": ["*"],
            "apiBudget": {"readsPerSecond": 1000, "writesPerSecond": 1000},
        },
    })
}

/// As `manifests`, of the class `fast`.
fn fast_manifests(namespace: &str, numbers: Range<u32>) -> String {
    let items = numbers.map(|number| {
        let mut object = manifest(namespace, number, "Retain");
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
            spec.insert("className".to_owned(), json!(FAST));
        }
        object
    });
    let items: Vec<_> = items.collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
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
        "metadata": {"name": name(number), "namespace": namespace},
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

fn name(number: u32) -> String {
    format!("r{number:04}")
}
