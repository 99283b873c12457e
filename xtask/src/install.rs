//! What an administrator applies before the operator runs: the custom resources and its rights.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::kubectl::Kubectl;
use crate::paths;

/// The namespace that deploy/ gives the operator.
pub const NAMESPACE: &str = "ecr-operator-system";

/// The operator's `ServiceAccount` there.
pub const SERVICE_ACCOUNT: &str = "ecr-operator";

/// The name by which the API server knows it.
#[must_use]
pub fn user() -> String {
    format!("system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}")
}

const EFFECTIVE_WITHIN: Duration = Duration::from_mins(1);

/// Applies crds/ and the operator's namespace, `ServiceAccount` and RBAC, and waits until all of it
/// is in effect.
///
/// # Errors
/// When kubectl fails, or the API server does not take up what was applied.
pub async fn apply_install(kubeconfig: &Path) -> Result<()> {
    let kubectl = Kubectl::new(kubeconfig)?;
    let crds = paths::workspace().join("crds");
    let rbac = paths::workspace().join("deploy/kustomize/rbac");
    let (crds, rbac) = (crds.display().to_string(), rbac.display().to_string());
    // Server-side: a CRD of this size does not fit in the annotation of a client-side apply.
    kubectl
        .run(&["apply", "--server-side", "-f", &crds])
        .await
        .context("apply the custom resources; `ecr-operator crds` writes crds/")?;
    kubectl
        .run(&["apply", "--server-side", "-k", &rbac])
        .await?;
    let wait = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "-f",
        &crds,
    ];
    kubectl.run(&wait).await?;
    wait_until_permitted(&kubectl).await
}

/// The class of objects that name none, in stacks that are there to be tried: it permits everything.
pub const LOCAL_CLASS: &str = "local";

/// Applies the class `local`, which is the default.
///
/// # Errors
/// When kubectl fails: the custom resources come first.
pub async fn apply_local_class(kubeconfig: &Path) -> Result<()> {
    let class = json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": "ECRRepositoryClass",
        "metadata": {
            "name": LOCAL_CLASS,
            "annotations": {"ecr-operator.dev/is-default-class": "true"},
        },
        "spec": {
            "allowedNamespaces": {},
            "allowedNames": ["**"],
            "allowedPrincipals": ["*"],
            "allowedActions": ["ecr:*"],
            "allowedKmsKeys": ["alias/**", "arn:aws:kms:*:*:key/**", "arn:aws:kms:*:*:alias/**"],
            "deletionPolicies": ["Retain", "Delete", "DeleteWithImages"],
            "adoption": "TakeOver",
        },
    });
    let kubectl = Kubectl::new(kubeconfig)?;
    kubectl
        .run_with(&["apply", "--server-side", "-f", "-"], &class.to_string())
        .await
        .context("apply the class `local`")?;
    Ok(())
}

/// The authoriser reads roles through a watch: until it has seen ours, a first call would be refused.
async fn wait_until_permitted(kubectl: &Kubectl) -> Result<()> {
    let user = format!("--as={}", user());
    let question = [
        "auth",
        "can-i",
        "list",
        "ecrrepositories.ecr-operator.dev",
        "-A",
        &user,
    ];
    let end = Instant::now() + EFFECTIVE_WITHIN;
    loop {
        match kubectl.run(&question).await {
            Ok(_) => return Ok(()),
            Err(refused) if Instant::now() > end => {
                return Err(refused.context("the operator's ClusterRole does not take effect"));
            }
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Writes a kubeconfig of the operator's own `ServiceAccount`: a missing permission must show, so it
/// never runs as an administrator.
///
/// # Errors
/// When no token is given or the file cannot be written.
pub async fn operator_kubeconfig(admin_kubeconfig: &Path, out_path: &Path) -> Result<()> {
    let kubectl = Kubectl::new(admin_kubeconfig)?;
    let view = ["config", "view", "--raw", "--minify", "-o", "json"];
    let admin: Value = serde_json::from_str(&kubectl.run(&view).await?)?;
    let Some(cluster) = admin.pointer("/clusters/0/cluster") else {
        bail!("{} names no cluster", admin_kubeconfig.display());
    };
    let create = [
        "create",
        "token",
        SERVICE_ACCOUNT,
        "-n",
        NAMESPACE,
        "--duration=720h",
    ];
    let token = kubectl.run(&create).await?;
    write_private(out_path, &kubeconfig(cluster, token.trim()))
}

fn kubeconfig(cluster: &Value, token: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "control-plane", "cluster": cluster}],
        "users": [{"name": SERVICE_ACCOUNT, "user": {"token": token}}],
        "contexts": [{"name": "operator", "context": {"cluster": "control-plane", "user": SERVICE_ACCOUNT}}],
        "current-context": "operator",
    })
}

fn write_private(path: &Path, content: &Value) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("write {}", path.display()))?;
    file.write_all(serde_json::to_string_pretty(content)?.as_bytes())?;
    Ok(())
}
