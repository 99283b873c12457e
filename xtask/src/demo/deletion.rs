//! What becomes of repositories when their objects are deleted.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;
use xtask::paths::workspace;
use xtask::patience::eventually;

use super::chapters::object;
use super::{NAME, NAMESPACE, World, ecr};

const PATIENCE: Duration = Duration::from_mins(1);

/// An object whose repository will not be empty.
const BUSY: &str = "\
apiVersion: ecr-operator.dev/v1alpha1
kind: ECRRepository
metadata: {name: busy}
spec: {deletionPolicy: Delete}
";

pub(super) async fn retain(world: &mut World) -> Result<()> {
    world
        .tale
        .chapter("Deleting an object loses nothing by default (Retain)");
    world
        .kubectl(&["delete", "ecrrepo", NAME, "--timeout=60s"])
        .await?;
    let images = ecr::images(&world.ecr, NAME).await?.len();
    ensure!(
        images == 12,
        "expected the repository with its 12 images, ECR has {images}"
    );
    world
        .tale
        .check("the object is gone, the repository and its 12 images are still in ECR");
    Ok(())
}

pub(super) async fn delete_when_empty(world: &mut World) -> Result<()> {
    world
        .tale
        .chapter("With deletionPolicy: Delete, an empty repository goes with its object");
    let scratch = workspace()
        .join("deploy/samples/scratch.yaml")
        .display()
        .to_string();
    world.kubectl(&["apply", "-f", &scratch]).await?;
    world.tale.command(&["apply", "-n", NAMESPACE, "-f", "-"]);
    world.tale.quote(BUSY);
    world
        .kubectl
        .run_with(&["apply", "-n", NAMESPACE, "-f", "-"], BUSY)
        .await?;
    let ready = [
        "wait",
        "--for=condition=Ready",
        "--timeout=60s",
        "ecrrepo",
        "scratch",
        "busy",
    ];
    world.kubectl(&ready).await?;
    let (scratch, busy) = (format!("{NAMESPACE}/scratch"), format!("{NAMESPACE}/busy"));
    ecr::push(&world.ecr, &busy, "1.0.0", &busy).await?;
    world.tale.say(&format!("CI pushes an image to {busy}"));

    an_empty_one_goes(world, &scratch).await?;
    one_with_images_waits(world, &busy).await?;
    and_goes_when_it_is_empty(world, &busy).await
}

async fn an_empty_one_goes(world: &mut World, scratch: &str) -> Result<()> {
    world
        .kubectl(&["delete", "ecrrepo", "scratch", "--timeout=60s"])
        .await?;
    gone(world, scratch).await?;
    world
        .tale
        .check(&format!("{scratch} was empty: it is gone from ECR"));
    Ok(())
}

async fn one_with_images_waits(world: &mut World, busy: &str) -> Result<()> {
    world
        .kubectl(&["delete", "ecrrepo", "busy", "--wait=false"])
        .await?;
    let reason = waits_and_says_why(world).await?;
    world.kubectl(&["get", "ecrrepo"]).await?;
    world.tale.quote(&reason);
    ecr::existing(&world.ecr, busy).await?;
    world.tale.check(&format!(
        "{busy} holds an image: the object waits and says so"
    ));
    Ok(())
}

async fn and_goes_when_it_is_empty(world: &mut World, busy: &str) -> Result<()> {
    ecr::delete_image(&world.ecr, busy, "1.0.0").await?;
    world.tale.say(&format!(
        "somebody deletes the image, and asks for {busy} to be looked at"
    ));
    let ask = [
        "annotate",
        "ecrrepo",
        "busy",
        "reconcile.fluxcd.io/requestedAt=now",
        "--overwrite",
    ];
    world.kubectl(&ask).await?;
    world
        .kubectl(&["wait", "--for=delete", "--timeout=60s", "ecrrepo", "busy"])
        .await?;
    gone(world, busy).await?;
    world
        .tale
        .check(&format!("{busy} is gone from ECR, and the object with it"));
    Ok(())
}

async fn gone(world: &World, repository: &str) -> Result<()> {
    eventually(
        &format!("{repository} is gone from ECR"),
        PATIENCE,
        async || {
            let found = ecr::describe(&world.ecr, repository).await?;
            ensure!(found.is_none(), "ECR still has {repository}");
            Ok(())
        },
    )
    .await
}

/// The message of the condition that names the images.
async fn waits_and_says_why(world: &World) -> Result<String> {
    let what = "a condition of busy that tells how many images are left";
    eventually(what, PATIENCE, async || {
        let object = object(world, "busy").await?;
        let conditions = object
            .pointer("/status/conditions")
            .and_then(Value::as_array);
        let said = conditions.into_iter().flatten().find_map(|condition| {
            let message = condition.get("message")?.as_str()?;
            let kind = condition.get("type")?.as_str()?;
            let reason = condition.get("reason")?.as_str()?;
            let counts = message.contains("1 image");
            counts.then(|| format!("{kind}/{reason}: {message}"))
        });
        said.ok_or_else(|| anyhow::anyhow!("{:#}", object.pointer("/status").unwrap_or(&object)))
    })
    .await
}
