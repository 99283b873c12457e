//! What Flux makes of every field, of null, of what needs a person and of what is suspended.

use std::fs;

use serde_json::{Value, json};
use xtask::paths::workspace;

use crate::{
    cluster::{Cluster, condition, is_ready, message},
    flux::{FLUX, Flux, delivery},
};

/// How often the tools look again.
pub(crate) const REFRESHES: usize = 50;

/// Every spec that the API server takes (`tests/crd/cases`), as manifests of a namespace, whose name is in those of the
/// classes. JSON is YAML.
pub(crate) fn every_field(namespace: &str) -> String {
    let mut manifests = Vec::new();
    for (kind, file) in [
        ("ECRRepository", "accepted"),
        ("ECRRepositoryClass", "class_accepted"),
    ] {
        let path = workspace().join(format!("tests/crd/cases/{file}.yaml"));
        let cases: Vec<Value> = serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        // It has a null within a statement, which the operator refuses and Argo CD's server-side diff never finds again.
        let cases = cases
            .into_iter()
            .filter(|it| it["case"] != "a policy document with what nobody foresaw");
        for (number, case) in cases.enumerate() {
            manifests.push(manifest(
                kind,
                namespace,
                &format!("{namespace}-{number}"),
                &case["spec"],
            ));
        }
    }
    assert!(manifests.len() > 25, "{}", manifests.len());
    manifests.join("---\n")
}

pub(crate) fn manifest(kind: &str, namespace: &str, name: &str, spec: &Value) -> String {
    let mut object = json!({
        "apiVersion": "ecr-operator.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec,
    });
    if kind == "ECRRepository" {
        object["metadata"]["namespace"] = json!(namespace);
    }
    format!("{object}\n")
}

/// What was written to an object by others than the operator, and when.
fn written(object: &Value) -> (String, Value, Vec<Value>) {
    let meta = &object["metadata"];
    let managers = meta["managedFields"].as_array().unwrap().iter();
    let of_others = managers.filter(|it| it["subresource"].is_null());
    let others = of_others
        .filter(|it| it["manager"] != "ecr-operator")
        .cloned()
        .collect();
    (meta["name"].to_string(), meta["generation"].clone(), others)
}

/// What was written to every object of a namespace, and to every class.
pub(crate) async fn all(cluster: &Cluster, namespace: &str) -> Vec<(String, Value, Vec<Value>)> {
    let mut found = Vec::new();
    for kind in ["ecrrepo", "ecrclass"] {
        let text = cluster
            .run(&[
                "get",
                kind,
                "-n",
                namespace,
                "-o",
                "json",
                "--show-managed-fields",
            ])
            .await;
        let list: Value = serde_json::from_str(&text).unwrap();
        found.extend(list["items"].as_array().unwrap().iter().map(written));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_stays_in_sync() {
    let cluster = Cluster::installed("fields").await;
    let flux = Flux::start(&cluster).await;
    cluster.run(&["create", "namespace", "team"]).await;
    let manifests = every_field("team");
    cluster.git.push("all", |at| {
        fs::write(at.join("all.yaml"), &manifests).unwrap()
    });
    cluster
        .apply(&delivery(&cluster, "all", &[("all", "./")], ""))
        .await;
    cluster.wait("kustomization", FLUX, "all", is_ready).await;
    let first = all(&cluster, "team").await;
    assert!(first.len() > 25, "{}", first.len());
    cluster.note(&format!(
        "fields: {} objects with every field applied",
        first.len() - 1
    ));
    for refresh in 0..REFRESHES {
        let it = flux.reconcile(&cluster, "kustomization", "all").await;
        assert!(is_ready(&it), "{refresh}: {:#}", it["status"]);
    }
    assert_eq!(
        all(&cluster, "team").await,
        first,
        "an apply that changes nothing writes nothing"
    );
    cluster.note(&format!("fields: in sync for {REFRESHES} refreshes"));
}

/// What a team's Kustomization waits for, by the expressions of the sample.
fn expressions() -> String {
    let text =
        fs::read_to_string(workspace().join("deploy/samples/gitops/flux/teams.yaml")).unwrap();
    let last = text.split("---\n").last().unwrap();
    let sample: Value = serde_yaml::from_str(last).unwrap();
    let expressions = &sample["spec"]["healthCheckExprs"];
    assert!(expressions.is_array());
    format!(", wait: true, healthCheckExprs: {expressions}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_up_a_delivery_says_so_at_once() {
    let cluster = Cluster::installed("person").await;
    let flux = Flux::start(&cluster).await;
    cluster.run(&["create", "namespace", "team"]).await;
    let write = |name: &str, spec: Value| {
        let text = manifest("ECRRepository", "team", name, &spec);
        cluster.git.push("person", |at| {
            fs::create_dir_all(at.join(name)).unwrap();
            fs::write(at.join(name).join("it.yaml"), text).unwrap();
        });
    };
    write("stalled", json!({"className": "none"}));
    write("suspended", json!({"suspend": true}));
    write("nothing", json!({"tags": null}));
    let paths = [("stalled", "./stalled"), ("nothing", "./nothing")];
    cluster
        .apply(&delivery(&cluster, "person", &paths, ", wait: true"))
        .await;

    // A person is needed: no time-out is waited for, though it is 5 minutes.
    let failed = |it: &Value| condition(it, "Ready") == ("False", "HealthCheckFailed");
    let began = std::time::Instant::now();
    let it = cluster.wait("kustomization", FLUX, "stalled", failed).await;
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    cluster.note(&format!(
        "person: Stalled fails after {:?}",
        began.elapsed()
    ));
    cluster.note(&format!("person: Flux says {}", message(&it, "Ready")));

    // Null is no map: nothing of the whole path is applied, and the message names the field.
    let refused = |it: &Value| condition(it, "Ready") == ("False", "ReconciliationFailed");
    let it = cluster
        .wait("kustomization", FLUX, "nothing", refused)
        .await;
    let conditions = it["status"]["conditions"].to_string();
    assert!(conditions.contains("spec.tags"), "{conditions}");
    cluster.note("person: null is refused by its name");
    write("nothing", json!({}));
    let it = flux.deliver(&cluster, "person", "nothing").await;
    assert!(is_ready(&it), "{:#}", it["status"]);

    // Suspended with something undone is in progress for kstatus, and with the sample's expressions no hindrance.
    let paths = [("suspended", "./suspended")];
    cluster
        .apply(&delivery(&cluster, "person", &paths, &expressions()))
        .await;
    let began = std::time::Instant::now();
    cluster
        .wait("kustomization", FLUX, "suspended", is_ready)
        .await;
    cluster.note(&format!(
        "person: suspended is no hindrance after {:?}",
        began.elapsed()
    ));
    // The same expressions let through nothing that is Stalled.
    write("suspended", json!({"className": "none"}));
    let it = flux.deliver(&cluster, "person", "suspended").await;
    assert!(failed(&it), "{:#}", it["status"]);
}
