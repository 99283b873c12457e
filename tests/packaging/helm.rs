//! Helm's own program (tests/helm) and the chart.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use xtask::paths::{target, workspace};

pub(crate) const NAMESPACE: &str = "ecr-operator-system";

pub(crate) const RELEASE: &str = "ecr-operator";

/// The values that the chart is rendered with here.
pub(crate) const VARIANTS: [&str; 4] = ["default", "namespaced", "single", "everything"];

pub(crate) fn chart() -> PathBuf {
    workspace().join("deploy/helm/ecr-operator")
}

pub(crate) fn values(variant: &str) -> PathBuf {
    chart().join(format!("ci/{variant}.yaml"))
}

/// Helm 4, and Helm 3, which most have.
pub(crate) const PROGRAMS: [&str; 2] = ["helm", "helm3"];

/// Runs Helm 4.
pub(crate) fn helm(args: &[&str], kubeconfig: Option<&Path>) -> Output {
    helm_by(PROGRAMS[0], args, kubeconfig)
}

/// Runs one of the two; a user's own configuration and cache must not change what tests see.
pub(crate) fn helm_by(program: &str, args: &[&str], kubeconfig: Option<&Path>) -> Output {
    let program = target().join("tools").join(program);
    assert!(
        program.exists(),
        "{}: `make helm` builds it",
        program.display()
    );
    let home = tempfile::tempdir().unwrap();
    Command::new(program)
        .args(args)
        .env("HELM_CACHE_HOME", home.path())
        .env("HELM_CONFIG_HOME", home.path())
        .env("HELM_DATA_HOME", home.path())
        .env("HOME", home.path())
        .env("KUBECONFIG", kubeconfig.unwrap_or(Path::new("/dev/null")))
        .output()
        .unwrap()
}

/// Runs it and gives what it printed.
#[track_caller]
pub(crate) fn done(args: &[&str], kubeconfig: Option<&Path>) -> String {
    done_by(PROGRAMS[0], args, kubeconfig)
}

/// As `done`, by one of the two.
#[track_caller]
pub(crate) fn done_by(program: &str, args: &[&str], kubeconfig: Option<&Path>) -> String {
    let output = helm_by(program, args, kubeconfig);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Renders the chart as it would be installed.
#[track_caller]
pub(crate) fn template(variant: &str, set: &[&str]) -> String {
    template_by(PROGRAMS[0], variant, set)
}

/// As `template`, by one of the two.
#[track_caller]
pub(crate) fn template_by(program: &str, variant: &str, set: &[&str]) -> String {
    let (chart, values) = (chart(), values(variant));
    let mut args = vec![
        "template",
        RELEASE,
        chart.to_str().unwrap(),
        "-n",
        NAMESPACE,
    ];
    args.extend(["-f", values.to_str().unwrap()]);
    args.extend(set.iter().flat_map(|it| ["--set", it]));
    done_by(program, &args, None)
}

pub(crate) fn documents(text: &str) -> Vec<Value> {
    let mut documents: Vec<Value> = serde_yaml::from_multiple(text).unwrap();
    documents.retain(|it| !it.is_null());
    documents
}
