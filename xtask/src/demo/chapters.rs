//! From the manifest to the pushed images.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use aws_sdk_ecr::types::ImageTagMutability;
use serde_json::Value;
use xtask::install::LOCAL_CLASS;
use xtask::paths::workspace;
use xtask::patience::eventually;

use super::{NAME, NAMESPACE, World, ecr};
use crate::narration::seconds;

const PATIENCE: Duration = Duration::from_mins(1);

pub(super) async fn look_at_the_class(world: &mut World) -> Result<()> {
    world
        .tale
        .chapter("An administrator's class says where repositories are");
    let ready = ["wait", "--for=condition=Ready", "--timeout=60s", "ecrclass"];
    let ready = [&ready[..], &[LOCAL_CLASS]].concat();
    world.tale.kubectl(&world.kubectl, &ready).await?;
    let columns = world
        .tale
        .kubectl(&world.kubectl, &["get", "ecrclass"])
        .await?;
    ensure!(
        columns.contains("123456789012"),
        "no account in:\n{columns}"
    );
    world
        .tale
        .check("the class is ready: AWS has said which account the operator is in");
    Ok(())
}

pub(super) async fn apply(world: &mut World) -> Result<()> {
    world.tale.chapter("A team applies a manifest");
    let manifest = workspace().join("deploy/samples/demo.yaml");
    world
        .tale
        .quote(&without_comments(&std::fs::read_to_string(&manifest)?));
    world
        .tale
        .kubectl(&world.kubectl, &["create", "namespace", NAMESPACE])
        .await?;
    let clock = Instant::now();
    world
        .kubectl(&["apply", "-f", &manifest.display().to_string()])
        .await?;
    let (applied, clock) = (seconds(clock.elapsed()), Instant::now());
    let ready = "--for=condition=Ready";
    let ready = ["wait", ready, "--timeout=60s", "ecrrepo", NAME];
    world.kubectl(&ready).await?;
    let ready = seconds(clock.elapsed());
    world.tale.check(&format!(
        "Ready {ready} later; kubectl apply itself took {applied}, to learn the new API first"
    ));
    let columns = world.kubectl(&["get", "ecrrepo"]).await?;
    ensure!(
        columns.contains("True"),
        "expected READY True in:\n{columns}"
    );
    world.tale.check("kubectl get ecrrepo tells the truth");
    Ok(())
}

fn without_comments(manifest: &str) -> String {
    let lines = manifest.lines().filter(|line| !line.starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}

/// The object as JSON.
pub(super) async fn object(world: &World, name: &str) -> Result<Value> {
    let text = world
        .quietly(&["get", "ecrrepo", name, "-o", "json"])
        .await?;
    Ok(serde_json::from_str(&text)?)
}

/// A text of the object, for instance at `/status/arn`.
fn text<'a>(object: &'a Value, pointer: &str) -> Result<&'a str> {
    let found = object.pointer(pointer).and_then(Value::as_str);
    found.with_context(|| format!("expected a text at {pointer} in:\n{object:#}"))
}

pub(super) async fn look_at_the_object(world: &mut World) -> Result<()> {
    world.tale.chapter("What the object says");
    let yaml = ["get", "ecrrepo", NAME, "-o", "yaml"];
    world
        .tale
        .command(&[&yaml[..], &["-n", NAMESPACE]].concat());
    let shown = world.quietly(&yaml).await?;
    let (_, status) = shown
        .split_once("\nstatus:")
        .context("the object has no status")?;
    world.tale.quote(&format!("status:{status}"));

    let object = object(world, NAME).await?;
    let generation = object.pointer("/metadata/generation");
    let observed = object.pointer("/status/observedGeneration");
    ensure!(
        generation == observed,
        "observedGeneration {observed:?}, generation {generation:?}"
    );
    world
        .tale
        .check("status is about the spec that was applied (observedGeneration)");
    let uri = text(&object, "/status/repositoryUri")?;
    ensure!(uri.ends_with(NAME), "repositoryUri is {uri}");
    world.tale.check(&format!("docker pushes to {uri}"));
    let writes = [
        "CreateRepository",
        "PutLifecyclePolicy",
        "SetRepositoryPolicy",
    ];
    told(world, NAME, &writes).await?;
    world.tale.check("an Event tells what was written to AWS");
    Ok(())
}

/// Waits for an Event about the object that names all the words, and shows the Events.
pub(super) async fn told(world: &World, name: &str, words: &[&str]) -> Result<()> {
    let object = format!("ecrrepository.ecr-operator.dev/{name}");
    let events = ["events", "--for", &object];
    eventually(
        &format!("Events of {name} that name {words:?}"),
        PATIENCE,
        async || {
            let seen = world.quietly(&events).await?;
            ensure!(words.iter().all(|word| seen.contains(word)), "{seen}");
            Ok(())
        },
    )
    .await?;
    world.kubectl(&events).await?;
    Ok(())
}

pub(super) async fn look_at_ecr(world: &mut World) -> Result<()> {
    world
        .tale
        .chapter("What ECR holds now, asked through AWS's SDK");
    let repository = ecr::existing(&world.ecr, NAME).await?;
    let arn = repository.repository_arn().unwrap_or_default();
    world.tale.say(arn);
    let mutability = repository.image_tag_mutability();
    let mutability = mutability.map(ImageTagMutability::as_str);
    expect(
        world,
        "imageTagMutability",
        mutability.unwrap_or_default(),
        "IMMUTABLE",
    )?;
    let scanning = ecr::scans_on_push(&repository);
    expect(world, "scanOnPush", &scanning.to_string(), "true")?;
    let encryption = repository
        .encryption_configuration()
        .map(|it| it.encryption_type().as_str());
    expect(
        world,
        "encryptionType",
        encryption.unwrap_or_default(),
        "AES256",
    )?;

    let lifecycle = ecr::lifecycle_policy(&world.ecr, NAME).await?;
    world.tale.quote(&lifecycle.to_string());
    let kept = lifecycle.pointer("/rules/0/selection/countNumber");
    expect(
        world,
        "images kept",
        &kept.unwrap_or(&Value::Null).to_string(),
        "10",
    )?;

    look_at_the_policy(world).await?;
    look_at_tags(world, arn).await
}

async fn look_at_the_policy(world: &mut World) -> Result<()> {
    let policy = ecr::repository_policy(&world.ecr, NAME).await?;
    for statement in policy
        .pointer("/Statement")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        world.tale.quote(&statement.to_string());
    }
    let policy = policy.to_string();
    for principal in [
        "111122223333",
        "role/nashtech-devops-ci",
        "ecr:PutImage",
        "ecr:BatchGetImage",
    ] {
        ensure!(
            policy.contains(principal),
            "expected {principal} in the repository policy"
        );
    }
    world.tale.check("the account may pull, the role may push");
    Ok(())
}

async fn look_at_tags(world: &mut World, arn: &str) -> Result<()> {
    let tags = ecr::tags(&world.ecr, arn).await?;
    for (key, value) in &tags {
        world.tale.quote(&format!("{key} = {value}"));
    }
    let owner = format!("demo/{NAMESPACE}/{NAME}");
    let expected = [
        ("ecr-operator.dev/owner", owner.as_str()),
        ("environment", "mgmt"),
        ("project", "nashtech"),
        ("team", "devops"),
    ];
    for (key, value) in expected {
        let there = tags.iter().any(|(k, v)| k == key && v == value);
        ensure!(there, "expected the tag {key} = {value} among {tags:?}");
    }
    world
        .tale
        .check("the team's tags, and the tag that says whose it is");
    Ok(())
}

fn expect(world: &mut World, what: &str, seen: &str, expected: &str) -> Result<()> {
    ensure!(
        seen == expected,
        "{what}: expected {expected}, ECR says {seen:?}"
    );
    world.tale.check(&format!("{what} {seen}"));
    Ok(())
}

pub(super) async fn repair_drift(world: &mut World) -> Result<()> {
    world
        .tale
        .chapter("Somebody changes a setting behind the operator's back");
    ecr::set_scan_on_push(&world.ecr, NAME, false).await?;
    let clock = Instant::now();
    world
        .tale
        .say("PutImageScanningConfiguration scanOnPush=false, with AWS's SDK");
    eventually("scanOnPush is on again in ECR", PATIENCE, async || {
        let repository = ecr::existing(&world.ecr, NAME).await?;
        let scanning = ecr::scans_on_push(&repository);
        ensure!(scanning, "ECR says scanOnPush=false");
        Ok(())
    })
    .await?;
    let text = format!(
        "repaired after {} (this operator looks every {} s, by default every 5 minutes)",
        seconds(clock.elapsed()),
        super::RESYNC_SECONDS
    );
    world.tale.check(&text);
    told(world, NAME, &["PutImageScanningConfiguration"]).await?;
    world.tale.check("an Event tells of it");
    Ok(())
}

pub(super) async fn refuse_a_forbidden_edit(world: &mut World) -> Result<()> {
    world.tale.chapter("Somebody edits what ECR cannot change");
    let edits = [
        (
            "repositoryName",
            r#"{"spec":{"repositoryName":"another-name"}}"#,
        ),
        (
            "encryptionConfiguration",
            r#"{"spec":{"encryptionConfiguration":{"encryptionType":"KMS"}}}"#,
        ),
    ];
    for (field, patch) in edits {
        let args = [
            "patch",
            "ecrrepo",
            NAME,
            "--type=merge",
            "-p",
            patch,
            "-n",
            NAMESPACE,
        ];
        world.tale.command(&args);
        let message = world.kubectl.refused(&args).await?;
        world.tale.quote(&message);
        ensure!(
            message.contains("immutable"),
            "expected a message that says immutable: {message}"
        );
        world.tale.check(&format!(
            "the API server refused the new {field} at once, and says why"
        ));
    }
    Ok(())
}

pub(super) async fn push_images(world: &mut World) -> Result<()> {
    world.tale.chapter("CI pushes twelve images");
    for number in 1..=12 {
        let tag = format!("1.0.{number:02}");
        ecr::push(&world.ecr, NAME, &tag, &format!("{NAME}:{tag}")).await?;
    }
    let images = ecr::images(&world.ecr, NAME).await?;
    for image in &images {
        let digest = image.image_digest().unwrap_or_default();
        let short: String = digest.chars().take(19).collect();
        let size = image.image_size_in_bytes().unwrap_or_default();
        world.tale.quote(&format!(
            "{:<8} {short}…  {size} bytes",
            image.image_tags().join(",")
        ));
    }
    ensure!(
        images.len() == 12,
        "expected 12 images, ECR has {}",
        images.len()
    );
    world
        .tale
        .check("12 images, each with its layer and its configuration uploaded first");
    world
        .tale
        .say("ECR itself applies the lifecycle policy, within 24 hours: two will go then");
    let Err(refusal) = ecr::push(&world.ecr, NAME, "1.0.12", "something else").await else {
        bail!("expected a refusal: the tag 1.0.12 is immutable, but it was moved");
    };
    let refusal = format!("{refusal:#}");
    ensure!(
        refusal.contains("ImageTagAlreadyExists"),
        "expected ImageTagAlreadyExists: {refusal}"
    );
    world
        .tale
        .check("pushing 1.0.12 again is refused: IMMUTABLE holds");
    Ok(())
}
