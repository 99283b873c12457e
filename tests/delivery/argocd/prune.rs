//! A manifest leaves Git: what becomes of object and repository under each `deletionPolicy`.

use std::{fs, time::Instant};

use serde_json::Value;

use super::{ARGOCD, ArgoCd, application, is_healthy};
use crate::{
    cluster::{Cluster, condition},
    prune::{cases, push_image},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_goes_as_the_deletion_policy_says() {
    let cluster = Cluster::installed("argocd-prune").await;
    let argo = ArgoCd::start(&cluster).await;
    cluster.run(&["create", "namespace", "team"]).await;
    let cases = cases();
    cluster.git.push("all", |at| {
        fs::create_dir_all(at.join("prune")).unwrap();
        fs::write(at.join("prune/README.md"), "Nothing is left.\n").unwrap();
        for case in &cases {
            fs::write(
                at.join(format!("prune/{}.yaml", case.name)),
                case.manifest(),
            )
            .unwrap();
        }
    });
    // Argo CD prunes no application to nothing unless it is told that it may.
    let mut it = application(&cluster, "prune", "prune", &["ServerSideApply=true"]);
    it["spec"]["syncPolicy"]["automated"]["allowEmpty"] = true.into();
    cluster.apply(&it.to_string()).await;
    cluster
        .wait("application", ARGOCD, "prune", is_healthy)
        .await;
    for case in cases.iter().filter(|it| it.image) {
        push_image(&cluster, &format!("team/{}", case.name));
    }
    cluster.git.push("all", |at| {
        for case in &cases {
            fs::remove_file(at.join(format!("prune/{}.yaml", case.name))).unwrap();
        }
    });
    let began = Instant::now();
    argo.refresh(&cluster, "prune", "hard").await;
    for case in &cases {
        if case.goes {
            cluster.gone("ecrrepo", "team", case.name).await;
        }
        assert_eq!(
            cluster.in_ecr(&format!("team/{}", case.name)),
            case.stays,
            "{}",
            case.name
        );
    }
    cluster.note(&format!("argocd: pruned after {:?}", began.elapsed()));
    let waits = |it: &Value| condition(it, "Stalled") == ("True", "RepositoryNotEmpty");
    cluster.wait("ecrrepo", "team", "full", waits).await;
    let waiting = |it: &Value| it["status"]["health"]["status"] == "Progressing";
    let it = cluster.wait("application", ARGOCD, "prune", waiting).await;
    cluster.note(&format!(
        "argocd: what waits: {} {}",
        it["status"]["operationState"]["phase"], it["status"]["resources"]
    ));
    let patch = r#"{"spec":{"deletionPolicy":"Retain"}}"#;
    cluster
        .run(&[
            "patch",
            "ecrrepo",
            "full",
            "-n",
            "team",
            "--type=merge",
            "-p",
            patch,
        ])
        .await;
    cluster.gone("ecrrepo", "team", "full").await;
    assert!(cluster.in_ecr("team/full"));
    cluster
        .wait("application", ARGOCD, "prune", is_healthy)
        .await;
}
