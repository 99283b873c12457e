//! Upgrades and what is half upgraded: definitions and operators of different versions side by side.
//! `tests/upgrades` holds the definitions of each release.

use std::{collections::BTreeMap, path::Path};

use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};
use xtask::{control_plane::ControlPlane, install};

use crate::{
    installation::{CRD, change, installed},
    world::{Server, World, audit::READS, condition, operations},
};

const NAMES: [&str; 3] = ["full", "plain", "deletes"];

fn spec(name: &str) -> Value {
    match name {
        "full" => json!({
            "imageTagMutability": "IMMUTABLE",
            "imageScanningConfiguration": {"scanOnPush": true},
            "lifecyclePolicy": crate::samples::keep_last(5),
            "access": {"pull": ["111122223333"]},
            "tags": {"team": "payments"},
        }),
        "plain" => json!({}),
        _ => json!({"deletionPolicy": "Delete"}),
    }
}

/// The operator's writes to Kubernetes, of all that the audit log tells after a place in it.
fn writes_since(server: &Server, mark: usize) -> Vec<String> {
    let log = audit(server);
    let whole = log[mark..].rsplit_once('\n').map_or("", |(whole, _)| whole);
    let events = whole
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let operator = install::user();
    events
        .filter(|event| event["user"]["username"] == operator)
        .filter(|event| !READS.contains(&event["verb"].as_str().unwrap()))
        .map(|event| format!("{} {}", event["verb"], event["objectRef"]))
        .collect()
}

fn audit(server: &Server) -> String {
    std::fs::read_to_string(server.operator.with_file_name("audit.log")).unwrap()
}

/// A world whose definitions are those of a release.
async fn at_release(release: &Path) -> (ControlPlane, World) {
    let name = release.file_name().unwrap().to_str().unwrap();
    let (control_plane, server) = installed(&format!("left-{name}")).await;
    define(&server, release).await;
    (control_plane, World::on(server, "upgrade").await)
}

async fn define(server: &Server, directory: &Path) {
    let directory = directory.to_str().unwrap();
    let apply = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "-f",
        directory,
    ];
    server.kubectl.run(&apply).await.unwrap();
}

async fn settle(world: &World) -> BTreeMap<&'static str, String> {
    for name in NAMES {
        world.apply(name, spec(name)).await;
    }
    let mut versions = BTreeMap::new();
    for name in NAMES {
        let version = world.ready(name).await.resource_version().unwrap();
        versions.insert(name, version);
    }
    versions
}

/// The operator looks twice at each object, and neither AWS nor Kubernetes has a write to show for it.
async fn rests(world: &World, versions: &BTreeMap<&str, String>, written: usize, mark: usize) {
    for name in NAMES {
        world.looks(&world.in_ecr(name), 2).await;
    }
    assert_eq!(operations(&world.written()[written..]), Vec::<&str>::new());
    assert_eq!(writes_since(&world.server, mark), Vec::<String>::new());
    for name in NAMES {
        let now = world.get(name).await;
        assert_eq!(now.resource_version().as_ref(), versions.get(name));
    }
}

/// Has the statuses be as an operator of a release wrote them: without what its definitions lack, and with what
/// was noted elsewhere since.
async fn as_of(world: &World, release: &Path) -> BTreeMap<&'static str, Value> {
    let mut current = BTreeMap::new();
    for name in NAMES {
        let object = untyped(world).get(name).await.unwrap();
        current.insert(name, object.data["status"].clone());
    }
    define(&world.server, release).await;
    let file = release.join("ecr-operator.dev_ecrrepositories.yaml");
    let crd = std::fs::read_to_string(file).unwrap();
    for name in NAMES {
        let mut status = current[name].clone();
        let known = status.as_object_mut().unwrap();
        let memory = known.remove("workingMemory").unwrap_or_default();
        known.insert("applied".to_owned(), memory["applied"].clone());
        known.retain(|field, value| {
            !value.is_null() && crd.contains(&format!("\n              {field}:\n"))
        });
        apply_status(world, name, "ecr-operator", status).await;
    }
    current
}

/// Each object's status is written once at most, for what a release noted elsewhere; ECR hears of nothing.
#[tokio::test]
async fn an_upgrade_from_any_release_writes_status_once_and_nothing_to_ecr() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let releases = std::fs::read_dir(root.join("tests/upgrades")).unwrap();
    let mut count = 0;
    for release in releases.map(|it| it.unwrap().path()) {
        let name = release.file_name().unwrap().to_str().unwrap();
        let (_control_plane, server) = installed(name).await;
        let mut world = World::on(server, "upgrade").await;
        world.start_operator().await;
        settle(&world).await;
        world.stop_operator().await;
        let current = as_of(&world, &release).await;
        let applied = untyped(&world).get("full").await.unwrap();
        assert!(applied.data["status"]["applied"].is_array(), "as it was");
        let written = world.written().len();
        define(&world.server, &root.join("crds")).await;
        let mark = audit(&world.server).len();
        world.start_operator().await;
        let mut versions = BTreeMap::new();
        for name in NAMES {
            let is = |object: &ecr_operator::api::ECRRepository| {
                let status = serde_json::to_value(&object.status).unwrap();
                status["workingMemory"] == current[name]["workingMemory"]
                    && status["applied"].is_null()
            };
            let object = world.wait(name, "what was noted is taken up", is).await;
            versions.insert(name, object.resource_version().unwrap());
        }
        let writes = writes_since(&world.server, mark);
        let of = |name: &str| {
            let is_of = |it: &&String| it.contains(&format!("\"name\":\"{name}\""));
            writes.iter().filter(is_of).count()
        };
        assert!(NAMES.iter().all(|name| of(name) <= 1), "{writes:?}");
        let mark = audit(&world.server).len();
        rests(&world, &versions, written, mark).await;
        world.finish().await;
        count += 1;
    }
    assert!(count > 0, "no release in tests/upgrades");
}

/// What 0.1.0 took for none may be what is left of keys that were misspelt.
#[tokio::test]
async fn what_an_older_definition_let_through_takes_nothing_away() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (_control_plane, mut world) = at_release(&root.join("tests/upgrades/v0.1.0")).await;
    let before = world.make_outside(&world.in_ecr("api"), &[]);
    world.permit_adoption("api");
    let left = json!({
        "adoption": {"policy": "IfUnowned"}, "imageScanningConfiguration": {}, "repositoryPolicy": {}, "access": {},
    });
    world.apply("api", left.clone()).await;
    define(&world.server, &root.join("crds")).await;
    world.start_operator().await;
    let object = world.stalled("api", "InvalidSpec").await;
    let said = crate::looking::pending(&object);
    let said: Vec<_> = said
        .iter()
        .map(|it| it.message.as_deref().unwrap())
        .collect();
    for cure in ["{scanOnPush: true}", "{Statement: []}"] {
        assert!(said.iter().any(|it| it.contains(cure)), "{said:?}");
    }
    // All else goes on, and may change.
    let mut spec = left;
    spec["imageTagMutability"] = json!("MUTABLE");
    spec["deletionPolicy"] = json!("Delete");
    world.apply("api", spec.clone()).await;
    world
        .until("the rest is done", |w| {
            w.repository("api").unwrap().image_tag_mutability == "MUTABLE"
        })
        .await;
    world.looks(&world.in_ecr("api"), 2).await;
    let now = world.repository("api").unwrap();
    assert_eq!(now.policy, before.policy);
    assert!(now.scan_on_push);
    // The cure.
    spec["imageScanningConfiguration"] = json!({"scanOnPush": false});
    spec["repositoryPolicy"] = json!({"Statement": []});
    spec["access"] = json!({"pull": []});
    world.apply("api", spec).await;
    world.ready("api").await;
    let now = world.repository("api").unwrap();
    assert!(now.policy.is_none() && !now.scan_on_push);
    world.finish().await;
}

/// What a later version added to status.
const LATER: [&str; 4] = [
    "effective",
    "clusterUid",
    "lastHandledRequestAt",
    "takenOver",
];

fn part<'a>(crd: &'a mut Value, part: &str) -> &'a mut serde_json::Map<String, Value> {
    let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let properties = &mut schema["properties"][part]["properties"];
    properties.as_object_mut().unwrap()
}

#[tokio::test]
async fn an_older_definition_is_said_and_nothing_is_done_until_it_follows() {
    let (_control_plane, server) = installed("older").await;
    let whole = change(&server.kubectl.clone(), CRD, |crd| {
        for field in LATER {
            assert!(part(crd, "status").remove(field).is_some(), "{field}");
        }
    })
    .await;
    let mut world = World::on(server, "older").await;
    world.start_operator().await;
    for name in NAMES {
        world.apply(name, spec(name)).await;
    }
    world
        .until("the log to say what to do", |world| {
            let log = world.operator().log();
            NAMES.iter().all(|name| {
                let said = |line: &str| {
                    line.contains(&format!("/{name}")) && line.contains("apply the CRDs of the")
                };
                log.lines().any(said)
            })
        })
        .await;
    assert_eq!(world.written(), [], "nothing that status would not know of");
    crate::installation::put(&world.server.kubectl, whole).await;
    for name in NAMES {
        world.ready(name).await;
    }
    world.finish().await;
}

/// The objects as JSON, with what our types do not know.
fn untyped(world: &World) -> Api<DynamicObject> {
    let kind = ApiResource {
        group: "ecr-operator.dev".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "ecr-operator.dev/v1alpha1".to_owned(),
        kind: "ECRRepository".to_owned(),
        plural: "ecrrepositories".to_owned(),
    };
    Api::namespaced_with(world.client.clone(), &world.namespace, &kind)
}

async fn apply_status(world: &World, name: &str, manager: &str, status: Value) {
    let object = json!({
        "apiVersion": "ecr-operator.dev/v1alpha1", "kind": "ECRRepository",
        "metadata": {"name": name}, "status": status,
    });
    let params = PatchParams::apply(manager).force();
    let patch = Patch::Apply(object);
    untyped(world)
        .patch_status(name, &params, &patch)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_a_newer_definition_brings_survives_and_stops_nothing() {
    let (_control_plane, server) = installed("newer").await;
    change(&server.kubectl.clone(), CRD, |crd| {
        part(crd, "spec").insert("laterSetting".to_owned(), json!({"type": "string"}));
        let status = part(crd, "status");
        status.insert("laterCount".to_owned(), json!({"type": "integer"}));
        status.insert("laterNote".to_owned(), json!({"type": "string"}));
        let words = &mut part(crd, "spec")["deletionPolicy"]["enum"];
        words.as_array_mut().unwrap().push(json!("Archive"));
    })
    .await;
    let mut world = World::on(server, "newer").await;
    world.start_operator().await;
    world.stop_operator().await;
    // The API server may take the definition up late.
    let later = json!({"laterSetting": "on", "deletionPolicy": "Delete"});
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(100));
    let waiting = async {
        loop {
            world.apply("api", later.clone()).await;
            let now = untyped(&world).get("api").await.unwrap();
            if now.data["spec"]["laterSetting"] == "on" {
                return;
            }
            ticks.tick().await;
        }
    };
    world.patiently("the newer definition", waiting).await;
    let future = json!({"deletionPolicy": "Archive", "tags": {"a": "b"}});
    let object = json!({
        "apiVersion": "ecr-operator.dev/v1alpha1", "kind": "ECRRepository",
        "metadata": {"name": "future"}, "spec": future,
    });
    let params = PatchParams::apply("team").force();
    let untouched = untyped(&world)
        .patch("future", &params, &Patch::Apply(object))
        .await
        .unwrap();
    world.start_operator().await;
    world.ready("api").await;
    apply_status(&world, "api", "other", json!({"laterNote": "theirs"})).await;

    // A newer operator wrote what this one does not know; it was rolled back.
    world.stop_operator().await;
    let mut newer = untyped(&world).get("api").await.unwrap().data["status"].clone();
    newer["laterCount"] = json!(3);
    newer.as_object_mut().unwrap().remove("laterNote");
    apply_status(&world, "api", "ecr-operator", newer).await;
    let version = world.get("api").await.resource_version();
    let (written, mark) = (world.written().len(), audit(&world.server).len());
    world.start_operator().await;
    world.looks(&world.in_ecr("api"), 2).await;
    assert_eq!(operations(&world.written()[written..]), Vec::<&str>::new());
    assert_eq!(writes_since(&world.server, mark), Vec::<String>::new());
    let now = untyped(&world).get("api").await.unwrap();
    assert_eq!(now.resource_version(), version);
    assert_eq!(now.data["status"]["laterCount"], 3);

    // It goes on working, and leaves to others what is theirs.
    let changed = json!({"laterSetting": "on", "deletionPolicy": "Delete", "tags": {"c": "d"}});
    world.apply("api", changed).await;
    let object = world.ready("api").await;
    assert_eq!(condition(&object, "Ready"), Some(("True", "Synced")));
    let now = untyped(&world).get("api").await.unwrap();
    assert_eq!(now.data["spec"]["laterSetting"], "on");
    assert_eq!(now.data["status"]["laterNote"], "theirs");
    let log = world.operator().log();
    assert!(
        log.contains("left alone") && log.contains("future"),
        "{log}"
    );
    let future = untyped(&world).get("future").await.unwrap();
    assert_eq!(future.resource_version(), untouched.resource_version());
    assert!(world.repository("future").is_none());
    world.delete("api").await;
    world.gone(&object).await;
    world.delete_unread("future").await;
    world.finish().await;
}
