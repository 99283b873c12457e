//! The install as the local stack and the scenario tests use it.

use xtask::control_plane::ControlPlane;
use xtask::install::{apply_install, operator_kubeconfig};
use xtask::kubectl::Kubectl;

#[tokio::test]
async fn the_operator_may_do_what_it_needs_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let control_plane = ControlPlane::start(dir.path()).await.unwrap();
    apply_install(control_plane.kubeconfig()).await.unwrap();
    apply_install(control_plane.kubeconfig()).await.unwrap(); // as often as wished
    let kubeconfig = dir.path().join("operator.kubeconfig");
    operator_kubeconfig(control_plane.kubeconfig(), &kubeconfig)
        .await
        .unwrap();

    let operator = Kubectl::new(&kubeconfig).unwrap();
    let may = [
        &["get", "ecrrepositories", "-A"][..],
        &["get", "namespace", "kube-system"],
    ];
    for args in may {
        operator.run(args).await.unwrap();
    }
    let may_not = [
        &["get", "secrets", "-A"][..],
        &["get", "namespaces"],
        &["get", "customresourcedefinitions"],
        &["create", "configmap", "x", "-n", "ecr-operator-system"],
        &["delete", "ecrrepositories", "--all", "-n", "default"],
    ];
    for args in may_not {
        let refused = operator.run(args).await.unwrap_err().to_string();
        assert!(
            refused.contains("Forbidden") || refused.contains("forbidden"),
            "{args:?}: {refused}"
        );
    }
}
