//! A manifest leaves Git: what becomes of object and repository under each `deletionPolicy`.

use std::{fs, time::Instant};

use serde_json::{Value, json};

use crate::{
    cluster::{ACCOUNT, Cluster, REGION, condition, is_ready},
    fields::manifest,
    flux::{FLUX, Flux, delivery},
};

fn push_image(cluster: &Cluster, repository: &str) {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [],
    });
    let input = json!({
        "repositoryName": repository, "imageManifest": manifest.to_string(), "imageTag": "v1",
    });
    cluster
        .emulator
        .call(ACCOUNT, REGION, "PutImage", input)
        .unwrap();
}

/// An object with a policy, and what becomes of it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    policy: Option<&'static str>,
    /// Whether its repository has an image.
    image: bool,
    /// Whether the object goes.
    goes: bool,
    /// Whether the repository stays.
    stays: bool,
}

impl Case {
    pub(crate) fn manifest(&self) -> String {
        let spec = self
            .policy
            .map_or_else(|| json!({}), |it| json!({"deletionPolicy": it}));
        manifest("ECRRepository", "team", self.name, &spec)
    }
}

pub(crate) fn cases() -> [Case; 5] {
    [
        ("absent", None, true, true, true),
        ("retain", Some("Retain"), true, true, true),
        ("empty", Some("Delete"), false, true, false),
        ("full", Some("Delete"), true, false, true),
        ("everything", Some("DeleteWithImages"), true, true, false),
    ]
    .map(|(name, policy, image, goes, stays)| Case {
        name,
        policy,
        image,
        goes,
        stays,
    })
}

/// Gives each repository its image that is to have one.
pub(crate) fn push_images(cluster: &Cluster, cases: &[Case]) {
    for case in cases.iter().filter(|it| it.image) {
        push_image(cluster, &format!("team/{}", case.name));
    }
}

/// Waits until each object is gone that goes, and looks at what stays in ECR.
pub(crate) async fn are_pruned(cluster: &Cluster, cases: &[Case]) {
    for case in cases {
        if case.goes {
            cluster.gone("ecrrepo", "team", case.name).await;
        }
        let is_there = cluster.in_ecr(&format!("team/{}", case.name));
        assert_eq!(is_there, case.stays, "{}", case.name);
    }
}

/// What has images and was to go without them waits, and says so.
pub(crate) async fn full_waits(cluster: &Cluster) {
    let waits = |it: &Value| condition(it, "Stalled") == ("True", "RepositoryNotEmpty");
    cluster.wait("ecrrepo", "team", "full", waits).await;
}

/// Retain lets it go, and its repository stays.
pub(crate) async fn full_is_let_go(cluster: &Cluster) {
    let patch = r#"{"spec":{"deletionPolicy":"Retain"}}"#;
    cluster.patch("ecrrepo", "team", "full", patch).await;
    cluster.gone("ecrrepo", "team", "full").await;
    assert!(cluster.in_ecr("team/full"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_goes_as_the_deletion_policy_says() {
    let cluster = Cluster::installed("prune").await;
    let flux = Flux::start(&cluster).await;
    cluster.run(&["create", "namespace", "team"]).await;
    let cases = cases();
    cluster.git.push("prune", |at| {
        for case in &cases {
            fs::write(at.join(format!("{}.yaml", case.name)), case.manifest()).unwrap();
        }
    });
    cluster
        .apply(&delivery(
            &cluster,
            "prune",
            &[("prune", "./")],
            ", wait: true",
        ))
        .await;
    cluster.wait("kustomization", FLUX, "prune", is_ready).await;
    push_images(&cluster, &cases);
    cluster.git.push("prune", |at| {
        for case in &cases {
            fs::write(at.join(format!("{}.yaml", case.name)), "").unwrap();
        }
    });
    let began = Instant::now();
    let it = flux.deliver(&cluster, "prune", "prune").await;
    assert!(
        is_ready(&it),
        "a prune that waits holds up no Kustomization: {:#}",
        it["status"]
    );
    are_pruned(&cluster, &cases).await;
    cluster.note(&format!("prune: done after {:?}", began.elapsed()));
    full_waits(&cluster).await;
    full_is_let_go(&cluster).await;
}
