//! The main job on real input, told step by step: what a team writes, what the operator does, and
//! what ECR holds. Everything is checked; the first thing that is not as it should be ends it.

mod chapters;
mod deletion;
mod ecr;
mod tale;

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use aws_sdk_ecr::Client;
use xtask::ecr::client;
use xtask::kubectl::Kubectl;
use xtask::operator::Operator;
use xtask::paths;
use xtask::program::tail;
use xtask::stack::Stack;

use self::tale::Tale;
use crate::narration::seconds;

/// The namespace of the team in the story.
const NAMESPACE: &str = "devops";

/// The object of deploy/samples/demo.yaml, and its repository.
const NAME: &str = "nashtech-devops-ecr-mgmt";

/// How often the operator looks for drift here; a real one does every five minutes.
const RESYNC_SECONDS: &str = "5";

/// What the chapters act on.
struct World {
    tale: Tale,
    kubectl: Kubectl,
    ecr: Client,
    stack: Stack,
}

impl World {
    /// kubectl in the team's namespace, as its user sees it.
    async fn kubectl(&self, args: &[&str]) -> Result<String> {
        let args = [args, &["-n", NAMESPACE]].concat();
        self.tale.kubectl(&self.kubectl, &args).await
    }

    /// The same, without telling.
    async fn quietly(&self, args: &[&str]) -> Result<String> {
        let args = [args, &["-n", NAMESPACE]].concat();
        self.kubectl.run(&args).await
    }
}

/// Runs it in a stack of its own, beside whatever else runs, and takes that down again.
pub(crate) async fn run() -> Result<()> {
    let dir = paths::target().join("demo");
    std::fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let lock = File::create(dir.join("lock"))?;
    if lock.try_lock().is_err() {
        bail!("another make demo runs here: wait for it, or stop it");
    }
    let log = dir.join("operator.log");
    let _ = std::fs::remove_file(&log);
    tell(&dir).await.with_context(|| {
        let seen = if log.exists() {
            tail(&log, 15)
        } else {
            "  it was not started".to_owned()
        };
        format!(
            "the demo stopped; the logs are in {}, the operator's ends:\n{seen}",
            dir.display()
        )
    })
}

async fn tell(dir: &Path) -> Result<()> {
    let (mut world, operator) = start(dir).await?;
    if let Err(error) = chapters(&mut world).await {
        return Err(error.context(what_is_there(&world).await));
    }
    let facts = facts(&world).await?;
    operator.stop().await?;
    world.tale.summary(&facts);
    Ok(())
}

async fn chapters(world: &mut World) -> Result<()> {
    chapters::look_at_the_class(world).await?;
    chapters::apply(world).await?;
    chapters::look_at_the_object(world).await?;
    chapters::look_at_ecr(world).await?;
    chapters::repair_drift(world).await?;
    chapters::refuse_a_forbidden_edit(world).await?;
    chapters::push_images(world).await?;
    deletion::retain(world).await?;
    deletion::delete_when_empty(world).await
}

/// What a person would look at next, while there is still something to look at.
async fn what_is_there(world: &World) -> String {
    let mut seen = "what the cluster says at this moment:".to_owned();
    let conditions = "jsonpath={range .items[*]}{.metadata.name}: {.status.conditions}{'\\n'}{end}";
    for args in [
        &["get", "ecrrepo", "-o", "wide"][..],
        &["get", "ecrrepo", "-o", conditions],
        &["events"],
    ] {
        let said = world
            .quietly(args)
            .await
            .unwrap_or_else(|error| error.to_string());
        seen = format!("{seen}\n  {}", said.trim_end().replace('\n', "\n  "));
    }
    seen
}

async fn start(dir: &Path) -> Result<(World, Operator)> {
    let mut tale = Tale::begin();
    tale.chapter("A cluster, an ECR, and the operator between them");
    let clock = Instant::now();
    let stack = Stack::start(dir, &[]).await?;
    let kubectl = stack.kubectl()?;
    let version = kubectl.run(&["version", "-o", "json"]).await?;
    let version: serde_json::Value = serde_json::from_str(&version)?;
    let version = version
        .pointer("/serverVersion/gitVersion")
        .and_then(|it| it.as_str());
    let version = version.context("the API server tells no version")?;
    let (server, took) = (stack.control_plane.server(), seconds(clock.elapsed()));
    tale.check(&format!(
        "a real Kubernetes {version} at {server}, with our CRDs and RBAC ({took})"
    ));
    tale.check(&format!("the ECR emulator at {}", stack.emulator.url()));
    let clock = Instant::now();
    let operator = stack
        .operator("demo", &["--resync-seconds", RESYNC_SECONDS])
        .await?;
    let took = seconds(clock.elapsed());
    tale.check(&format!(
        "the operator is ready, under its own ServiceAccount ({took})"
    ));
    let ecr = client(stack.emulator.url());
    Ok((
        World {
            tale,
            kubectl,
            ecr,
            stack,
        },
        operator,
    ))
}

/// What it took, counted by the emulator.
async fn facts(world: &World) -> Result<Vec<String>> {
    let calls = world.stack.emulator.calls().await?;
    let count = |name: &str| calls.get(name).copied().unwrap_or(0);
    let writes = [
        "CreateRepository",
        "PutLifecyclePolicy",
        "SetRepositoryPolicy",
        "DeleteRepository",
    ];
    let writes: Vec<String> = writes
        .iter()
        .map(|name| format!("{name} {}", count(name)))
        .collect();
    Ok(vec![
        format!(
            "ECR's own count of the operator's writes: {}",
            writes.join(", ")
        ),
        "To try it yourself: make up, then source target/local/env".to_owned(),
    ])
}
