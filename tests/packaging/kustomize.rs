//! Kustomize and Helm install the same.

use std::{collections::BTreeMap, fs, process::Command};

use serde_json::Value;
use xtask::paths::{kubectl, workspace};

use crate::helm::{documents, template};

/// What `kubectl kustomize` makes of a directory.
#[track_caller]
pub(crate) fn kustomize(directory: &str) -> String {
    let output = Command::new(kubectl().unwrap())
        .arg("kustomize")
        .arg(workspace().join(directory))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{directory}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// The base with a component.
fn with_components(components: &[&str]) -> String {
    // Kustomize takes relative paths alone.
    let root = workspace().join("target/packaging");
    fs::create_dir_all(&root).unwrap();
    let directory = tempfile::tempdir_in(root).unwrap();
    let deploy = "../../../deploy/kustomize";
    let components: Vec<_> = components
        .iter()
        .map(|it| format!("{deploy}/{it}"))
        .collect();
    let text = serde_json::json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [format!("{deploy}/base")],
        "components": components,
    });
    fs::write(
        directory.path().join("kustomization.yaml"),
        text.to_string(),
    )
    .unwrap();
    kustomize(directory.path().to_str().unwrap())
}

/// What only one of the two writes, and what means nothing to Kubernetes.
const OF_ONE: [&str; 6] = [
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
    "helm.sh/resource-policy",
    "checksum/config",
];

fn normal(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, _| !OF_ONE.contains(&key.as_str()));
            fields.values_mut().for_each(normal);
            fields.retain(|key, value| key != "annotations" || value != &serde_json::json!({}));
        }
        Value::Array(values) => values.iter_mut().for_each(normal),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The objects by kind, namespace and name. Helm makes no Namespace; Kustomize adds a hash to the
/// configuration's name.
fn objects(text: &str) -> BTreeMap<String, Value> {
    let hashed = documents(text).into_iter().find_map(|it| {
        let name = it["metadata"]["name"].as_str()?;
        let ours = it["kind"] == "ConfigMap" && name.starts_with("ecr-operator-config-");
        (ours && it["data"]["ECR_OPERATOR_CLUSTER_NAME"].is_string()).then(|| name.to_owned())
    });
    let text = hashed.map_or_else(
        || text.to_owned(),
        |it| text.replace(&it, "ecr-operator-config"),
    );
    let objects = documents(&text).into_iter();
    objects
        .filter(|it| it["kind"] != "Namespace")
        .map(|mut it| {
            normal(&mut it);
            let meta = &it["metadata"];
            (
                format!("{} {} {}", it["kind"], meta["namespace"], meta["name"]),
                it,
            )
        })
        .collect()
}

#[track_caller]
fn same(kustomize: &str, helm: &str) {
    let (kustomize, helm) = (objects(kustomize), objects(helm));
    let names = |it: &BTreeMap<String, Value>| it.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&kustomize), names(&helm));
    for (name, object) in kustomize {
        let [left, right] = [&object, &helm[&name]].map(|it| serde_yaml::to_string(it).unwrap());
        assert_eq!(left, right, "{name}: Kustomize left, Helm right");
    }
}

pub(crate) const AS_BASE: [&str; 2] = ["crds.install=false", "fullnameOverride=ecr-operator"];

#[test]
fn the_base_is_what_the_chart_installs() {
    let base =
        kustomize("deploy/kustomize/base").replace("SET_THE_NAME_OF_THIS_CLUSTER", "production-eu");
    same(&base, &template("default", &AS_BASE));
}

#[test]
fn the_namespaced_overlay_is_what_the_chart_installs() {
    let overlay = kustomize("deploy/kustomize/namespaced")
        .replace("SET_THE_NAME_OF_THIS_CLUSTER", "production-eu");
    same(&overlay, &template("namespaced", &AS_BASE));
}

#[test]
fn the_components_are_what_the_chart_installs() {
    let built = with_components(&["monitoring", "network-policy"])
        .replace("SET_THE_NAME_OF_THIS_CLUSTER", "production-eu");
    let on = [
        "networkPolicy.egress=true",
        "serviceMonitor.enabled=true",
        "prometheusRule.enabled=true",
        "dashboard.enabled=true",
    ];
    same(
        &built,
        &template("default", &[AS_BASE.as_slice(), &on].concat()),
    );
}
