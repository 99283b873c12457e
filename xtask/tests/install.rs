//! The install as the local stack, the scenario tests and an administrator use it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use xtask::control_plane::ControlPlane;
use xtask::install::{NAMESPACE, apply_install, operator_kubeconfig};
use xtask::kubectl::Kubectl;
use xtask::paths::workspace;

#[tokio::test]
async fn what_deploy_ships_works_on_a_real_api_server() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    apply_install(control_plane.kubeconfig()).await?;
    apply_install(control_plane.kubeconfig()).await?; // as often as wished

    let admin = control_plane.kubectl()?;
    the_operators_kubeconfig_is_its_own(&admin, dir.path()).await?;
    it_may_do_what_it_needs_and_no_more(&admin).await?;
    every_sample_is_accepted(&admin).await?;
    the_pod_is_admitted_to_its_restricted_namespace(&admin).await
}

async fn the_operators_kubeconfig_is_its_own(admin: &Kubectl, dir: &Path) -> Result<()> {
    let kubeconfig = dir.join("operator.kubeconfig");
    operator_kubeconfig(&dir.join("admin.kubeconfig"), &kubeconfig).await?;
    let operator = Kubectl::new(&kubeconfig)?;
    let me = operator.run(&["auth", "whoami"]).await?;
    ensure!(me.contains("ecr-operator-system:ecr-operator"), "{me}");
    operator.run(&["get", "ecrrepo", "-A"]).await?;
    let kube_system = ["get", "namespace", "kube-system", "-o", "name"];
    ensure!(operator.run(&kube_system).await? == admin.run(&kube_system).await?);
    Ok(())
}

async fn it_may_do_what_it_needs_and_no_more(admin: &Kubectl) -> Result<()> {
    let user = "--as=system:serviceaccount:ecr-operator-system:ecr-operator";
    let question = [
        "auth",
        "can-i",
        "--list",
        "--no-headers",
        user,
        "-n",
        NAMESPACE,
    ];
    let listed = admin.run(&question).await?;
    // Without what every authenticated user may: ask about itself and read the API's own pages.
    let mut own: Vec<String> = listed
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.starts_with('[') && !line.starts_with("selfsubject"))
        .filter(|line| !line.starts_with("clustertrustbundles"))
        .collect();
    own.sort_unstable();
    // What, not by URL, which by name, and how.
    let expected = [
        "ecrrepositories.ecr-operator.dev [] [] [get list watch patch]",
        "ecrrepositories.ecr-operator.dev/status [] [] [patch]",
        "ecrrepositoryclasses.ecr-operator.dev [] [] [get list watch patch create]",
        "ecrrepositoryclasses.ecr-operator.dev/status [] [] [patch]",
        "events.events.k8s.io [] [] [create]",
        "leases.coordination.k8s.io [] [] [create]",
        "leases.coordination.k8s.io [] [ecr-operator] [get update]",
        "namespaces [] [] [get list watch]",
    ];
    ensure!(own == expected, "{listed}");
    Ok(())
}

async fn every_sample_is_accepted(admin: &Kubectl) -> Result<()> {
    let samples = workspace().join("deploy/samples").display().to_string();
    admin.run(&["create", "namespace", "payments"]).await?;
    admin
        .run(&["apply", "--dry-run=server", "-f", &samples])
        .await?;
    Ok(())
}

/// Pod security is asked when the pod is made, so only a controller's attempt shows the answer.
async fn the_pod_is_admitted_to_its_restricted_namespace(admin: &Kubectl) -> Result<()> {
    let example = workspace().join("deploy/kustomize/example");
    admin
        .run(&["apply", "-k", &example.display().to_string()])
        .await?;
    let label = "app.kubernetes.io/name=ecr-operator";
    let pod = [
        "wait",
        "--for=create",
        "--timeout=60s",
        "pod",
        "-l",
        label,
        "-n",
        NAMESPACE,
    ];
    if let Err(error) = admin.run(&pod).await {
        let events = admin.run(&["get", "events", "-n", NAMESPACE]).await?;
        return Err(error).context(events);
    }
    Ok(())
}
