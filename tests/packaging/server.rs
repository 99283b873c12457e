//! On a real API server: what is rendered is accepted, and installs, upgrades and goes as it is said.

use std::{fs, path::Path};

use ecr_emulator::Emulator;
use serde_json::{Value, json};
use tempfile::TempDir;
use xtask::{
    control_plane::ControlPlane,
    install::{SERVICE_ACCOUNT, operator_kubeconfig},
    kubectl::Kubectl,
    paths::workspace,
};

use crate::{
    helm::{NAMESPACE, RELEASE, VARIANTS, chart, documents, done_by, template, values},
    kustomize::{AS_BASE, kustomize},
};

const CRD: &str = "ecrrepositories.ecr-operator.dev";

/// A server with the operator's namespace, which is restricted, and those that the variants name.
pub(crate) async fn server() -> (ControlPlane, Kubectl, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let control_plane = ControlPlane::start(dir.path()).await.unwrap();
    let kubectl = control_plane.kubectl().unwrap();
    for name in [NAMESPACE, "payments", "leases"] {
        kubectl.run(&["create", "namespace", name]).await.unwrap();
    }
    let restricted = "pod-security.kubernetes.io/enforce=restricted";
    let label = ["label", "namespace", NAMESPACE, restricted];
    kubectl.run(&label).await.unwrap();
    (control_plane, kubectl, dir)
}

/// The kinds of the Prometheus operator, with any content.
fn monitoring() -> Value {
    let kinds = [
        ("ServiceMonitor", "servicemonitors"),
        ("PrometheusRule", "prometheusrules"),
    ];
    let definitions = kinds.map(|(kind, plural)| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.monitoring.coreos.com")},
            "spec": {
                "group": "monitoring.coreos.com",
                "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural},
                "versions": [{
                    "name": "v1",
                    "served": true,
                    "storage": true,
                    "schema": {"openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": true,
                    }},
                }],
            },
        })
    });
    json!({"apiVersion": "v1", "kind": "List", "items": definitions})
}

pub(crate) async fn apply_definitions(kubectl: &Kubectl) {
    let crds = workspace().join("crds");
    let apply = ["apply", "--server-side", "-f", crds.to_str().unwrap()];
    kubectl.run(&apply).await.unwrap();
    established(kubectl).await;
}

async fn established(kubectl: &Kubectl) {
    let wait = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "crd",
        "--all",
    ];
    kubectl.run(&wait).await.unwrap();
}

/// Asks the server whether it would take the objects; strictly, so that no field is unknown.
async fn accepted(kubectl: &Kubectl, text: &str) {
    let apply = [
        "apply",
        "--server-side",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        "-",
    ];
    kubectl.run_with(&apply, text).await.unwrap();
    // Pod security is asked when the pod is made.
    for mut object in documents(text) {
        if object["kind"] == "Deployment" {
            let mut pod = object["spec"]["template"].take();
            pod["apiVersion"] = json!("v1");
            pod["kind"] = json!("Pod");
            pod["metadata"]["name"] = json!("one");
            pod["metadata"]["namespace"] = json!(NAMESPACE);
            // No such account is there, and none is asked for.
            pod["spec"]["serviceAccountName"] = json!("default");
            let create = ["create", "--dry-run=server", "-f", "-"];
            kubectl.run_with(&create, &pod.to_string()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn every_object_of_every_variant_is_accepted() {
    let (_control_plane, kubectl, _dir) = server().await;
    let apply = ["apply", "-f", "-"];
    kubectl
        .run_with(&apply, &monitoring().to_string())
        .await
        .unwrap();
    apply_definitions(&kubectl).await;
    for variant in VARIANTS {
        accepted(&kubectl, &template(variant, &[])).await;
    }
    for directory in ["base", "namespaced", "example"] {
        let text = kustomize(&format!("deploy/kustomize/{directory}"));
        accepted(&kubectl, &text).await;
    }
    let install = workspace().join("deploy/install.yaml");
    accepted(&kubectl, &fs::read_to_string(install).unwrap()).await;
}

/// A copy of the chart from before some field was there.
fn older() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&chart(), dir.path());
    let path = dir
        .path()
        .join("files/crds/ecr-operator.dev_ecrrepositories.yaml");
    let mut crd: Value = serde_yaml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let spec = schema["properties"]["spec"]["properties"].as_object_mut();
    spec.unwrap().remove("keepStatements").unwrap();
    fs::write(path, serde_yaml::to_string(&crd).unwrap()).unwrap();
    dir
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|it| (it.path(), it.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// Runs a command of Helm with flags, and gives what it printed.
fn run(program: &str, command: &[&str], chart: &Path, kubeconfig: &Path) -> String {
    let values = values("default");
    let args = [
        RELEASE,
        chart.to_str().unwrap(),
        "-n",
        NAMESPACE,
        "-f",
        values.to_str().unwrap(),
    ];
    done_by(program, &[command, &args].concat(), Some(kubeconfig))
}

async fn has(kubectl: &Kubectl, args: &[&str]) -> bool {
    let get = ["get", "--ignore-not-found", "-o", "name"];
    let found = kubectl.run(&[get.as_slice(), args].concat()).await.unwrap();
    !found.is_empty()
}

async fn knows_kept_statements(kubectl: &Kubectl) -> bool {
    let text = kubectl
        .run(&["get", "crd", CRD, "-o", "json"])
        .await
        .unwrap();
    let crd: Value = serde_json::from_str(&text).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    !schema["properties"]["spec"]["properties"]["keepStatements"].is_null()
}

async fn it_installs_upgrades_its_definitions_and_leaves_objects_behind(program: &str) {
    let (control_plane, kubectl, _dir) = server().await;
    let kubeconfig = control_plane.kubeconfig();
    let older = older();
    let said = run(program, &["install"], older.path(), kubeconfig);
    assert!(said.contains("It does not work yet"), "{said}");
    established(&kubectl).await;
    assert!(!knows_kept_statements(&kubectl).await);
    let pod = [
        "wait",
        "--for=create",
        "--timeout=60s",
        "pod",
        "-n",
        NAMESPACE,
    ];
    let label = ["-l", "app.kubernetes.io/name=ecr-operator"];
    kubectl
        .run(&[pod.as_slice(), &label].concat())
        .await
        .unwrap();
    let object = json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": "ECRRepository",
        "metadata": {"name": "api", "namespace": "payments"},
    });
    let apply = ["apply", "-f", "-"];
    kubectl.run_with(&apply, &object.to_string()).await.unwrap();

    let said = run(program, &["upgrade"], &chart(), kubeconfig);
    assert!(said.contains("is being rolled out"), "{said}");
    assert!(!said.contains("first repository"), "{said}");
    assert!(
        knows_kept_statements(&kubectl).await,
        "an upgrade upgrades the definitions"
    );
    let uninstall = ["uninstall", RELEASE, "-n", NAMESPACE];
    done_by(program, &uninstall, Some(kubeconfig));
    assert!(!has(&kubectl, &["deployment", "-n", NAMESPACE, RELEASE]).await);
    for kept in [
        ["crd", CRD].as_slice(),
        &["ecrrepo", "api", "-n", "payments"],
    ] {
        assert!(has(&kubectl, kept).await, "{kept:?} outlives the release");
    }
    run(program, &["install"], &chart(), kubeconfig);
    assert!(has(&kubectl, &["deployment", "-n", NAMESPACE, RELEASE]).await);
}

#[tokio::test]
async fn helm_4_installs_upgrades_and_leaves_objects_behind() {
    it_installs_upgrades_its_definitions_and_leaves_objects_behind("helm").await;
}

#[tokio::test]
async fn helm_3_installs_upgrades_and_leaves_objects_behind() {
    it_installs_upgrades_its_definitions_and_leaves_objects_behind("helm3").await;
}

/// As the chart's README has it, there and back: definitions and objects stay all the while.
async fn helm_takes_over_from_kubectl_and_gives_back(program: &str, flags: &[&str]) {
    let (control_plane, kubectl, _dir) = server().await;
    let install = fs::read_to_string(workspace().join("deploy/install.yaml")).unwrap();
    let install = install.replace("SET_THE_NAME_OF_THIS_CLUSTER", "production-eu");
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    kubectl.run_with(&apply, &install).await.unwrap();
    established(&kubectl).await;
    let object = json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": "ECRRepository",
        "metadata": {"name": "api", "namespace": "payments"},
    });
    kubectl
        .run_with(&["apply", "-f", "-"], &object.to_string())
        .await
        .unwrap();
    let object = [
        "get",
        "ecrrepo",
        "api",
        "-n",
        "payments",
        "-o",
        "jsonpath={.metadata.uid}",
    ];
    let uid = kubectl.run(&object).await.unwrap();
    let delete = ["delete", "deployment", RELEASE, "-n", NAMESPACE];

    kubectl.run(&delete).await.unwrap();
    let upgrade = ["upgrade", "--install", "--take-ownership"];
    run(
        program,
        &[upgrade.as_slice(), flags].concat(),
        &chart(),
        control_plane.kubeconfig(),
    );
    assert!(has(&kubectl, &["deployment", "-n", NAMESPACE, RELEASE]).await);
    // And from then on without the flags.
    run(program, &["upgrade"], &chart(), control_plane.kubeconfig());

    let uninstall = ["uninstall", RELEASE, "-n", NAMESPACE];
    done_by(program, &uninstall, Some(control_plane.kubeconfig()));
    kubectl.run_with(&apply, &install).await.unwrap();
    assert!(has(&kubectl, &["deployment", "-n", NAMESPACE, RELEASE]).await);
    assert_eq!(kubectl.run(&object).await.unwrap(), uid);
}

#[tokio::test]
async fn helm_4_takes_over_from_kubectl_and_gives_back() {
    helm_takes_over_from_kubectl_and_gives_back("helm", &["--force-conflicts"]).await;
}

#[tokio::test]
async fn helm_3_takes_over_from_kubectl_and_gives_back() {
    helm_takes_over_from_kubectl_and_gives_back("helm3", &[]).await;
}

/// Arguments and environment of the container, as a manifest has them.
fn command(text: &str) -> tokio::process::Command {
    let all = documents(text);
    let of = |kind: &str, name: &str| {
        let is = |it: &&Value| it["kind"] == kind && it["metadata"]["name"] == name;
        all.iter().find(is).unwrap()
    };
    let pod = &of("Deployment", "ecr-operator")["spec"]["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], SERVICE_ACCOUNT);
    let container = &pod["containers"][0];
    let args = container["args"].as_array().unwrap().iter();
    let args = args.map(|it| it.as_str().unwrap());
    let config = &container["envFrom"][0]["configMapRef"]["name"];
    let config = of("ConfigMap", config.as_str().unwrap());
    let environment = config["data"].as_object().unwrap().iter();
    let environment = environment.map(|(name, value)| (name, value.as_str().unwrap()));
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_ecr-operator"));
    command
        .args(args.filter(|it| !it.starts_with("--admin-addr")))
        .arg("--admin-addr=127.0.0.1:0")
        .envs(environment)
        .env("POD_NAMESPACE", NAMESPACE)
        .env("POD_NAME", "one");
    command
}

/// The operator as a manifest has it: its account's rights, its arguments and its environment. It runs beside the
/// cluster, which has no nodes.
async fn works(text: &str) {
    let text = &text.replace("SET_THE_NAME_OF_THIS_CLUSTER", "production-eu");
    let (control_plane, kubectl, dir) = server().await;
    apply_definitions(&kubectl).await;
    // Whoever began with the one is not stopped by the other: what the API server would fill in is written out.
    for how in [["apply"].as_slice(), &["apply", "--server-side"]] {
        let apply = [how, &["-f", "-"]].concat();
        kubectl.run_with(&apply, text).await.unwrap();
    }
    let kubeconfig = dir.path().join("operator.kubeconfig");
    operator_kubeconfig(control_plane.kubeconfig(), &kubeconfig)
        .await
        .unwrap();
    let emulator = Emulator::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    let log = dir.path().join("operator.log");
    let output = fs::File::create(&log).unwrap();
    let _operator = command(text)
        .env("KUBECONFIG", &kubeconfig)
        .env("AWS_ENDPOINT_URL", emulator.url())
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let object = json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": "ECRRepository",
        "metadata": {"name": "api", "namespace": "payments"},
        "spec": {"deletionPolicy": "Delete"},
    });
    let apply = ["apply", "-f", "-"];
    kubectl.run_with(&apply, &object.to_string()).await.unwrap();
    let said = || fs::read_to_string(&log).unwrap();
    let of = ["ecrrepo/api", "-n", "payments", "--timeout=60s"];
    let ready = [["wait", "--for=condition=Ready"].as_slice(), &of].concat();
    let waited = kubectl.run(&ready).await;
    waited.unwrap_or_else(|why| panic!("{why}: {}", said()));
    let deleted = kubectl.run(&[["delete"].as_slice(), &of].concat()).await;
    deleted.unwrap_or_else(|why| panic!("{why}: {}", said()));
    // An event is told beside the pass.
    let event = [
        "wait",
        "--for=create",
        "--timeout=60s",
        "event",
        "-n",
        "payments",
    ];
    let by = ["--field-selector", "reason=Created"];
    let told = kubectl.run(&[event.as_slice(), &by].concat()).await;
    told.unwrap_or_else(|why| panic!("{why}: {}", said()));
    assert!(!said().contains("cannot "), "{}", said());
    assert!(said().contains("made, as there was no class"), "{}", said());
}

#[tokio::test]
async fn the_base_needs_no_more_than_its_rights() {
    works(&kustomize("deploy/kustomize/base")).await;
}

#[tokio::test]
async fn one_namespace_needs_no_more_than_its_role() {
    works(&kustomize("deploy/kustomize/namespaced")).await;
}

#[tokio::test]
async fn the_chart_needs_no_more_than_its_rights() {
    works(&template("default", &AS_BASE)).await;
}

/// The rules come to view, edit and admin by a controller, a moment later.
#[tokio::test]
async fn who_may_edit_a_namespace_may_have_repositories_there_and_no_more() {
    let (_control_plane, kubectl, _dir) = server().await;
    apply_definitions(&kubectl).await;
    let base = kustomize("deploy/kustomize/base");
    let apply = ["apply", "--server-side", "-f", "-"];
    kubectl.run_with(&apply, &base).await.unwrap();
    for (role, user) in [("view", "reader"), ("edit", "writer")] {
        let (role, user) = (format!("--clusterrole={role}"), format!("--user={user}"));
        let bind = [
            "create",
            "rolebinding",
            &user[7..],
            "-n",
            "payments",
            &role,
            &user,
        ];
        kubectl.run(&bind).await.unwrap();
    }
    let may = async |user: &str, verb: &str, what: &str, namespace: &str| {
        let user = format!("--as={user}");
        let ask = ["auth", "can-i", verb, "-n", namespace, &user];
        let what: Vec<_> = what.split(' ').collect();
        kubectl.run(&[ask.as_slice(), &what].concat()).await.is_ok()
    };
    for (user, verb) in [("reader", "list"), ("writer", "create")] {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(100));
        let waiting = async {
            while !may(user, verb, "ecrrepositories", "payments").await {
                ticks.tick().await;
            }
        };
        let minute = std::time::Duration::from_mins(1);
        tokio::time::timeout(minute, waiting).await.unwrap();
    }
    for (user, verb, what, namespace) in [
        ("reader", "create", "ecrrepositories", "payments"),
        ("writer", "create", "ecrrepositories", "leases"),
        (
            "writer",
            "patch",
            "ecrrepositories --subresource=status",
            "payments",
        ),
        ("writer", "create", "ecrrepositoryclasses", "payments"),
    ] {
        let can = may(user, verb, what, namespace).await;
        assert!(!can, "{user} {verb} {what} in {namespace}");
    }
    assert!(may("writer", "list", "ecrrepositories", "payments").await);
}
