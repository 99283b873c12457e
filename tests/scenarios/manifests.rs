//! What people copy works: every sample, applied as it stands, does what its comment says.

use std::{fs, path::Path};

use ecr_emulator::Repository;
use ecr_operator::api::{ECRRepository, OWNER_TAG};
use serde_json::{Value, json};

use crate::{
    looking::pending,
    world::{ACCOUNT, World, condition},
};

/// The repositories among the samples, each with its file's name.
fn samples() -> impl Iterator<Item = (String, Value)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/samples");
    let paths = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        .flat_map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(path).unwrap();
            documents(&text)
                .into_iter()
                .map(move |it| (name.clone(), it))
        })
        .filter(|(_, manifest)| {
            manifest["kind"] == "ECRRepository" && manifest["spec"]["className"].is_null()
        })
}

fn documents(text: &str) -> Vec<Value> {
    serde_yaml::from_multiple(text).unwrap()
}

fn sample(file: &str) -> Value {
    let mut found = samples().filter(|(name, _)| name == file);
    found
        .next()
        .unwrap_or_else(|| panic!("there is no {file}"))
        .1
}

/// Applies it as `kubectl apply -n` does; gives the object's name.
async fn apply(world: &World, manifest: &Value) -> String {
    let name = manifest["metadata"]["name"].as_str().unwrap().to_owned();
    world.apply(&name, manifest["spec"].clone()).await;
    name
}

/// What ECR holds for the object of a sample that says nothing of adoption.
async fn applied(world: &World, file: &str) -> Repository {
    let name = apply(world, &sample(file)).await;
    let object = world.ready(&name).await;
    world.held(&object.status.unwrap().repository_name.unwrap())
}

fn policy(held: &Repository) -> String {
    held.policy.clone().unwrap_or_default()
}

#[tokio::test]
async fn every_sample_becomes_ready_as_it_stands() {
    let mut world = World::new("samples").await;
    world.permit_adoption("app");
    world.make_outside("legacy/app", &[]);
    let mut found = 0;
    for (file, manifest) in samples().filter(|(file, _)| !file.starts_with("adopt-1")) {
        // Two may have one name, as they are for different teams; each is applied by itself.
        let name = apply(&world, &manifest).await;
        let object = world.ready(&name).await;
        assert!(pending(&object).is_empty(), "{file}");
        found += 1;
    }
    assert!(found >= 8, "only {found} samples");
    world.finish().await;
}

#[tokio::test]
async fn samples_do_what_their_comments_say() {
    let world = World::new("samples-say").await;
    let team = applied(&world, "team-repository").await;
    assert_eq!(team.name, world.in_ecr("orders"));
    assert!(team.scan_on_push && team.lifecycle_policy.is_some());

    let production = applied(&world, "production-immutable").await;
    assert_eq!(production.image_tag_mutability, "IMMUTABLE_WITH_EXCLUSION");
    assert_eq!(production.exclusion_filters, ["dev-*"]);

    let web = policy(&applied(&world, "ci-push-cluster-pull").await);
    for word in [
        "role/web-ci",
        "ecr:PutImage",
        "111122223333",
        "codebuild.amazonaws.com",
    ] {
        assert!(web.contains(word), "{word}: {web}");
    }
    let base = policy(&applied(&world, "organisation-pull").await);
    assert!(
        base.contains("aws:PrincipalOrgID") && !base.contains("ecr:PutImage"),
        "{base}"
    );

    let kms = sample("kms")["spec"]["encryptionConfiguration"]["kmsKey"].clone();
    assert_eq!(json!(applied(&world, "kms").await.kms_key), kms);

    applied(&world, "scratch").await;
    let scratch = world.get("scratch").await;
    world.delete("scratch").await;
    world.gone(&scratch).await;
    assert!(world.repository("scratch").is_none());
    world.finish().await;
}

#[tokio::test]
async fn what_exists_is_looked_at_first_and_then_adopted() {
    let mut world = World::new("samples-adopt").await;
    let before = world.make_outside("legacy/app", &[("by", "hand")]);
    world.outside(
        "PutImageScanningConfiguration",
        json!({"repositoryName": "legacy/app", "imageScanningConfiguration": {"scanOnPush": false}}),
    );
    let name = apply(&world, &sample("adopt-1-observe")).await;
    let planned = |object: &ECRRepository| {
        let planned = pending(object);
        condition(object, "Ready") == Some(("True", "Observed"))
            && planned
                .iter()
                .map(|p| p.action.as_str())
                .eq(["TagResource", "PutImageScanningConfiguration"])
    };
    world.wait(&name, "the plan", planned).await;
    assert_eq!(world.written(), []);
    world.permit_adoption("app");
    apply(&world, &sample("adopt-2-enforce")).await;
    world.ready(&name).await;
    let after = world.held("legacy/app");
    assert_eq!(after.tags["by"], "hand");
    assert!(after.tags[OWNER_TAG].ends_with("/legacy"));
    assert!(after.scan_on_push, "as it is declared");
    assert_eq!(
        World::without_tags(after),
        World::without_tags(before),
        "and nothing else"
    );
    assert_eq!(world.held("legacy/app").registry_id, ACCOUNT);
    world.finish().await;
}
