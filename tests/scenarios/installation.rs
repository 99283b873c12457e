//! Installation: what is missing is named, in the log and in /readyz, and its coming is noticed.

use std::{path::PathBuf, time::Duration};

use ecr_emulator::Emulator;
use kube::ResourceExt as _;
use serde_json::{Value, json};
use xtask::{
    control_plane::ControlPlane,
    install::{LOCAL_CLASS, apply_install, apply_local_class, user},
    kubectl::Kubectl,
};

use crate::world::{Operator, SECRET, Server, World, assert_says, closed_port, condition, forward};

pub(crate) const ROLE: [&str; 2] = ["clusterrole", "ecr-operator"];
pub(crate) const CRD: [&str; 2] = ["crd", "ecrrepositories.ecr-operator.dev"];

/// A server of the scenario's own with all that an administrator installs, and no class.
async fn without_class(name: &str) -> (ControlPlane, Server) {
    let (control_plane, dir) = Server::bare(name).await;
    apply_install(control_plane.kubeconfig()).await.unwrap();
    let server = Server::of(&control_plane, &dir).await;
    (control_plane, server)
}

/// The same with a class.
pub(crate) async fn installed(name: &str) -> (ControlPlane, Server) {
    let (control_plane, server) = without_class(name).await;
    apply_local_class(control_plane.kubeconfig()).await.unwrap();
    (control_plane, server)
}

/// Changes an object as an administrator; gives it as it was.
pub(crate) async fn change(
    kubectl: &Kubectl,
    [kind, name]: [&str; 2],
    change: impl Fn(&mut Value),
) -> Value {
    let text = kubectl
        .run(&["get", kind, name, "-o", "json"])
        .await
        .unwrap();
    let before: Value = serde_json::from_str(&text).unwrap();
    let mut after = before.clone();
    change(&mut after);
    put(kubectl, after).await;
    before
}

pub(crate) async fn put(kubectl: &Kubectl, mut object: Value) {
    object["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("resourceVersion");
    let replace = ["replace", "-f", "-"];
    kubectl
        .run_with(&replace, &object.to_string())
        .await
        .unwrap();
}

/// Waits until kubectl does it.
async fn in_time(kubectl: &Kubectl, args: &[&str], input: &str) {
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let waiting = async {
        while kubectl.run_with(args, input).await.is_err() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(crate::world::PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("kubectl {args:?} never succeeded"));
}

/// The role without the rule for a resource.
pub(crate) fn without(resource: &str) -> impl Fn(&mut Value) {
    move |role| {
        let rules = role["rules"].as_array_mut().unwrap();
        let before = rules.len();
        rules.retain(|rule| rule["resources"] != json!([resource]));
        assert_eq!(rules.len(), before - 1);
    }
}

#[tokio::test]
async fn without_its_definition_it_says_what_to_install_and_then_begins() {
    let (control_plane, dir) = Server::bare("no-crds").await;
    let kubectl = control_plane.kubectl().unwrap();
    let rbac = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy/kustomize/rbac");
    let apply = ["apply", "--server-side", "-k", rbac.to_str().unwrap()];
    kubectl.run(&apply).await.unwrap();
    let server = Server::of(&control_plane, &dir).await;
    let emulator = Emulator::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    let flags = ["--cluster-name=bare".to_owned()];
    let operator = Operator::spawn(&server, &emulator.url(), &flags, &[]);
    operator
        .readiness(|status, body| status == 503 && body.contains("install the CRDs"))
        .await;
    assert_says(
        &operator.log(),
        " — install the CRDs (kubectl apply --server-side -f crds/)",
    );
    apply_install(control_plane.kubeconfig()).await.unwrap();
    apply_local_class(control_plane.kubeconfig()).await.unwrap();
    operator.ready().await;
    let object = json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": "ECRRepository",
        "metadata": {"name": "api", "namespace": "default"},
    });
    kubectl
        .run_with(&["apply", "-f", "-"], &object.to_string())
        .await
        .unwrap();
    let wait = [
        "wait",
        "ecrrepo/api",
        "--for=condition=Ready",
        "--timeout=60s",
    ];
    kubectl.run(&wait).await.unwrap();
    operator.stop().await;
}

#[tokio::test]
async fn a_missing_permission_stops_it_and_shows() {
    let (_control_plane, server) = installed("no-status").await;
    let kubectl = server.kubectl.clone();
    let role = change(&kubectl, ROLE, without("ecrrepositories/status")).await;
    let mut world = World::on(server, "rbac").await;
    world.start_operator().await;
    world.apply("api", json!({})).await;
    let lacks = r#"cannot patch resource "ecrrepositories/status""#;
    world
        .until("the log to name what is missing", |world| {
            world.operator().log().contains(lacks)
        })
        .await;
    let object = world.get("api").await;
    assert_eq!(condition(&object, "Ready"), None);
    assert_eq!(
        world.written(),
        [],
        "nothing is written that status does not know"
    );
    put(&kubectl, role).await;
    world.ready("api").await;
    world.finish().await;
}

/// The names and specs of all classes.
async fn classes(kubectl: &Kubectl) -> Vec<(Value, Value)> {
    let text = kubectl
        .run(&["get", "ecrclass", "-o", "json"])
        .await
        .unwrap();
    let list: Value = serde_json::from_str(&text).unwrap();
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|it| (it["metadata"]["name"].clone(), it["spec"].clone()))
        .collect()
}

#[tokio::test]
async fn the_first_class_is_made_and_is_the_administrators_from_then_on() {
    let (control_plane, server) = without_class("first-class").await;
    let kubectl = server.kubectl.clone();
    let mut world = World::on(server, "first-class").await;
    world.flag("--create-default-class");
    world.start_operator().await;
    world.apply("api", json!({})).await;
    world.ready("api").await;
    let mut spec = json!({"allowedNamespaces": {}});
    assert_eq!(classes(&kubectl).await, [(json!("default"), spec.clone())]);

    world.stop_operator().await;
    spec["allowedNames"] = json!(["**"]);
    change(&kubectl, ["ecrclass", "default"], |class| {
        class["spec"] = spec.clone();
    })
    .await;
    world.start_operator().await;
    world.apply("web", json!({})).await;
    world.ready("web").await;
    assert_eq!(classes(&kubectl).await, [(json!("default"), spec)]);

    world.stop_operator().await;
    kubectl
        .run(&["delete", "ecrclass", "default"])
        .await
        .unwrap();
    apply_local_class(control_plane.kubeconfig()).await.unwrap();
    world.start_operator().await;
    world.apply("jobs", json!({})).await;
    world.ready("jobs").await;
    let names = classes(&kubectl).await.into_iter().map(|it| it.0);
    assert_eq!(names.collect::<Vec<_>>(), [LOCAL_CLASS], "there is one");
    world.finish().await;
}

#[tokio::test]
async fn without_the_right_to_make_a_class_it_says_so_and_waits_for_one() {
    let (control_plane, server) = without_class("no-right-to-classes").await;
    let kubectl = server.kubectl.clone();
    change(&kubectl, ROLE, |role| {
        for rule in role["rules"].as_array_mut().unwrap() {
            if rule["resources"] == json!(["ecrrepositoryclasses"]) {
                let verbs = rule["verbs"].as_array_mut().unwrap();
                verbs.retain(|verb| verb != "create");
            }
        }
    })
    .await;
    let user = format!("--as={}", user());
    let may = ["auth", "can-i", "create", "ecrrepositoryclasses", &user];
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    while kubectl.run(&may).await.is_ok() {
        ticks.tick().await;
    }
    let mut world = World::on(server, "no-right-to-classes").await;
    world.flag("--create-default-class");
    world.start_operator().await;
    world.apply("api", json!({})).await;
    world
        .until("the log to name what is missing", |world| {
            let log = world.operator().log();
            log.contains("grant create on ecrrepositoryclasses")
        })
        .await;
    assert_eq!(classes(&kubectl).await, []);
    apply_local_class(control_plane.kubeconfig()).await.unwrap();
    world.ready("api").await;
    world.finish().await;
}

#[tokio::test]
async fn an_event_that_may_not_be_told_stops_nothing_and_shows() {
    let (_control_plane, server) = installed("no-events").await;
    change(&server.kubectl.clone(), ROLE, without("events")).await;
    let mut world = World::on(server, "events").await;
    world.start_operator().await;
    world.apply("api", json!({})).await;
    world.ready("api").await;
    assert!(world.events("api").await.is_empty());
    world
        .until("the log to name what is missing", |world| {
            let log = world.operator().log();
            let lost = log.lines().filter(|it| it.contains("an event was lost"));
            // A value of the line: its quotes are written out (docs/logs.md).
            let said = r#"cannot create resource \"events\" in API group \"events.k8s.io\""#;
            let mut lost = lost.filter(|it| it.contains(said));
            lost.any(|it| it.contains("grant create on events of events.k8s.io"))
        })
        .await;
    world.finish().await;
}

#[tokio::test]
async fn an_object_that_nobody_can_read_is_left_alone_and_others_are_served() {
    let (_control_plane, server) = installed("unreadable").await;
    let kubectl = server.kubectl.clone();
    change(&kubectl, CRD, |crd| {
        let version = crd["spec"]["versions"][0].as_object_mut().unwrap();
        // Selected can be only by what a schema has.
        version.remove("selectableFields");
        version["schema"]["openAPIV3Schema"] =
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    })
    .await;
    let mut world = World::on(server, "unreadable").await;
    let unreadable = json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": "ECRRepository",
        "metadata": {"name": "future", "namespace": world.namespace},
        "spec": {"tags": "of another kind", "deletionPolicy": "Later"},
    });
    // Until the definition is in effect it is refused.
    in_time(&kubectl, &["apply", "-f", "-"], &unreadable.to_string()).await;
    let namespace = world.namespace.clone();
    let get = ["get", "ecrrepo", "future", "-o", "json", "-n", &namespace];
    let before = kubectl.run(&get).await.unwrap();
    world.start_operator().await;
    world
        .apply("api", json!({"deletionPolicy": "Delete"}))
        .await;
    let object = world.ready("api").await;
    world
        .until("the log to name the object", |world| {
            let log = world.operator().log();
            log.contains("left alone") && log.contains("future")
        })
        .await;
    world.looks(&world.in_ecr("api"), 2).await;
    world.delete(&object.name_any()).await;
    world.gone(&object).await;
    assert_eq!(kubectl.run(&get).await.unwrap(), before);
    world.delete_unread("future").await;
    world.finish().await;
}

#[tokio::test]
async fn an_api_server_that_comes_up_later_is_waited_for() {
    let mut world = World::without_operator("late-server").await;
    let text = std::fs::read_to_string(&world.server.operator).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
    let url = &mut kubeconfig["clusters"][0]["cluster"]["server"];
    let real = url.as_str().unwrap().replace("https://", "");
    let port = closed_port();
    *url = json!(format!("https://{port}"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), kubeconfig.to_string()).unwrap();
    file.path().clone_into(&mut world.server.operator);
    let operator = world.spawn_operator(&[]);
    operator
        .readiness(|status, body| status == 503 && body.contains("check KUBECONFIG"))
        .await;
    let _proxy = forward(port, &real).await;
    operator.ready().await;
    world.adopt_operator(operator);
    world.apply("api", json!({})).await;
    world.ready("api").await;
    world.finish().await;
}

#[tokio::test]
async fn a_kubeconfig_that_is_no_good_ends_it_with_a_word() {
    let server = Server::shared().await;
    let garbage = tempfile::NamedTempFile::new().unwrap();
    let text = format!("users:\n- user: {{token: \"{SECRET}\"");
    std::fs::write(garbage.path(), text).unwrap();
    let missing = garbage.path().with_extension("missing");
    let flags = ["--cluster-name=test".to_owned()];
    for path in [garbage.path(), &missing] {
        let environment = [("KUBECONFIG", path.to_str().unwrap())];
        let operator = Operator::spawn(&server, "http://127.0.0.1:9", &flags, &environment);
        let (status, log) = operator.ended().await;
        assert_eq!(status.code(), Some(1), "{log}");
        assert_says(&log, "check KUBECONFIG");
        assert_says(&log, path.to_str().unwrap());
        assert!(!log.contains(SECRET), "{log}");
    }
}

#[tokio::test]
async fn a_wrong_command_line_ends_it_with_the_right_one() {
    let server = Server::shared().await;
    for (flags, says) in [
        (vec![], "--cluster-name <CLUSTER_NAME>"),
        (
            vec!["--cluster-name=test", "--no-such-flag"],
            "--no-such-flag",
        ),
        (
            vec!["--cluster-name=Not A Name"],
            "1 to 63 of a-z, 0-9, '.' and '-'",
        ),
        (
            vec!["--cluster-name=test", "--resync-seconds=0"],
            "--resync-seconds",
        ),
    ] {
        let flags: Vec<_> = flags.into_iter().map(ToOwned::to_owned).collect();
        let operator = Operator::spawn(&server, "http://127.0.0.1:9", &flags, &[]);
        let (status, log) = operator.ended().await;
        assert_eq!(status.code(), Some(2), "{log}");
        assert_says(&log, says);
        assert_says(&log, "--help");
    }
}
