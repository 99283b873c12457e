//! A manifest leaves Git: what becomes of object and repository under each `deletionPolicy`.

use std::{fs, time::Instant};

use serde_json::Value;

use super::{ARGOCD, ArgoCd, application, is_healthy};
use crate::{
    cluster::Cluster,
    prune::{are_pruned, cases, full_is_let_go, full_waits, push_images},
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
    push_images(&cluster, &cases);
    cluster.git.push("all", |at| {
        for case in &cases {
            fs::remove_file(at.join(format!("prune/{}.yaml", case.name))).unwrap();
        }
    });
    let began = Instant::now();
    argo.refresh(&cluster, "prune", "hard").await;
    are_pruned(&cluster, &cases).await;
    cluster.note(&format!("argocd: pruned after {:?}", began.elapsed()));
    full_waits(&cluster).await;
    let waiting = |it: &Value| it["status"]["health"]["status"] == "Progressing";
    let it = cluster.wait("application", ARGOCD, "prune", waiting).await;
    cluster.note(&format!(
        "argocd: what waits: {} {}",
        it["status"]["operationState"]["phase"], it["status"]["resources"]
    ));
    full_is_let_go(&cluster).await;
    cluster
        .wait("application", ARGOCD, "prune", is_healthy)
        .await;
}
