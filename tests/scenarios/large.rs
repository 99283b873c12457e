//! Objects that are as large as the API server lets them be: one author of many must not end the operator for
//! all.

use k8s_openapi::api::events::v1::Event;
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::world::{
    ACCOUNT, REGION, World, assert_says, condition,
    estate::{self, Estate},
    has_finalizer, message,
};

/// A text that nothing makes shorter.
fn noise(length: usize, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let letter = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + u8::try_from(state % 26).unwrap())
    };
    (0..length).map(letter).collect()
}

/// The longest lifecycle policy that the schema takes has 750 KB; this one has half of that.
fn large(seed: u64) -> Value {
    let rule = |priority: u64| {
        let tag = |n: u64| noise(128, seed + priority * 100 + n);
        let tags: Vec<_> = (0..100).map(tag).collect();
        json!({
            "rulePriority": priority,
            "selection": {"tagStatus": "tagged", "tagPatternList": tags, "countType": "imageCountMoreThan", "countNumber": 1},
            "action": {"type": "expire"},
        })
    };
    json!({"lifecyclePolicy": {"rules": (1..=25).map(rule).collect::<Vec<_>>()}})
}

/// The most memory that a process has had, in kilobytes.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|it| it.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn objects_that_are_too_large_are_told_and_cost_little() {
    let mut world = World::new("large").await;
    world.apply("api", json!({})).await;
    world.ready("api").await;
    world.stop_operator().await;
    world.start_operator().await;
    let before = peak(world.operator().pid());
    world.stop_operator().await;
    for n in 0..60 {
        world.apply(&format!("large-{n}"), large(n * 10_000)).await;
    }
    world.start_operator().await;
    world.apply("web", json!({})).await;
    world.ready("web").await;
    for n in 0..60 {
        let told = world.stalled(&format!("large-{n}"), "TooLarge").await;
        assert_says(message(&told, "Ready"), "Shorten the policies of spec");
    }
    world.event("large-0", "TooLarge").await;
    let metrics = world.operator().scrape().await.unwrap();
    let counted = r#"ready="False",reason="TooLarge",stalled="true"} 60"#;
    assert_says(&metrics, counted);
    let after = peak(world.operator().pid());
    assert!(
        after < before + 30_000,
        "{before} kB, and {after} kB with large objects"
    );
    // It is told once, not by each pass, nor by each process.
    world.stop_operator().await;
    world.start_operator().await;
    world.apply("web", json!({"tags": {"team": "a"}})).await;
    world.ready("web").await;
    let told = world.events("large-0").await;
    assert_eq!(told.len(), 1, "{told:?}");
    for n in 0..60 {
        world
            .apply(&format!("large-{n}"), json!({"suspend": true}))
            .await;
    }
    let suspended = |it: &_| condition(it, "Ready") == Some(("False", "Suspended"));
    world.wait("large-0", "Suspended", suspended).await;
    world.finish().await;
}

#[tokio::test]
async fn what_is_written_into_metadata_is_not_kept() {
    let mut world = World::new("large-metadata").await;
    world.apply("api", json!({})).await;
    world.ready("api").await;
    let before = peak(world.operator().pid());
    world.stop_operator().await;
    for n in 0..60 {
        let name = format!("noted-{n}");
        world.apply(&name, json!({"suspend": true})).await;
        world
            .annotate(&name, "example.com/notes", &noise(250_000, n))
            .await;
    }
    world.start_operator().await;
    let suspended = |it: &_| condition(it, "Ready") == Some(("False", "Suspended"));
    for n in 0..60 {
        world
            .wait(&format!("noted-{n}"), "Suspended", suspended)
            .await;
    }
    let after = peak(world.operator().pid());
    assert!(
        after < before + 30_000,
        "{before} kB, and {after} kB with annotations"
    );
    world.finish().await;
}

/// What the class of the next scenarios permits, and what it enforces later.
fn class(enforces: bool) -> Value {
    let mut class = json!({
        "allowedNamespaces": {"matchLabels": {"ecr": "yes"}}, "nameTemplate": "${namespace}/${labels.name}",
        "deletionPolicies": ["Retain", "Delete", "DeleteWithImages"],
    });
    if enforces {
        class["enforced"] = json!({"imageScanningConfiguration": {"scanOnPush": true}, "tags": {"environment": "prod"}});
    }
    class
}

/// An estate with objects of these names, which are ready.
async fn estate_with(name: &str, objects: &[(&str, Value)]) -> Estate {
    let estate = Estate::quiet(name).await;
    estate.default_class("prod", class(false)).await;
    estate.namespace("payments", json!({"ecr": "yes"})).await;
    for (name, spec) in objects {
        applied(&estate, name, spec.clone()).await;
        estate.ready("payments", name).await;
    }
    estate
}

async fn applied(estate: &Estate, name: &str, spec: Value) {
    let labels = json!({"name": name});
    let applied = estate.apply_with("payments", name, labels, spec).await;
    assert_eq!(applied.name_any(), name);
}

/// What is enforced from now on reaches the repository of an object.
async fn is_reached(estate: &Estate, name: &str) {
    let repository = format!("payments/{name}");
    let what = format!("what is enforced, of {name}");
    let is = |it: &Estate| {
        let held = it.emulator.repository(ACCOUNT, REGION, &repository);
        held.is_some_and(|it| {
            it.scan_on_push && it.tags.get("environment").is_some_and(|it| it == "prod")
        })
    };
    estate.until(&what, is).await;
}

fn with(mut spec: Value, more: &Value) -> Value {
    let more = more.as_object().unwrap().clone();
    spec.as_object_mut().unwrap().extend(more);
    spec
}

#[tokio::test]
async fn a_spec_that_is_too_large_is_no_way_out() {
    let deletes = json!({"deletionPolicy": "Delete"});
    let objects = [
        ("api", deletes.clone()),
        ("full", deletes.clone()),
        ("kept", json!({"tags": {"team": "a"}})),
        ("suspended", json!({})),
        ("observing", json!({})),
    ];
    let estate = estate_with("too-large", &objects).await;
    let repositories = estate.repositories("payments");
    for (number, (name, spec)) in (0..).zip(&objects) {
        let more = match *name {
            "suspended" => json!({"suspend": true}),
            "observing" => json!({"managementPolicy": "Observe"}),
            _ => json!({}),
        };
        let spec = with(large(number * 10_000), spec);
        applied(&estate, name, with(spec, &more)).await;
    }
    for name in ["api", "full", "kept", "observing"] {
        let told = estate.stalled("payments", name, "TooLarge").await;
        let accepted = estate::condition(&told, "Accepted");
        assert_eq!(accepted, Some(("False".to_owned(), "TooLarge".to_owned())));
    }
    let suspended = ["Ready", "False", "Suspended"];
    estate.says(&repositories, "suspended", suspended).await;

    // What the class enforces holds for them as for others, and it counts them.
    let mark = estate.calls().len();
    estate.default_class("prod", class(true)).await;
    for name in ["api", "full", "kept"] {
        is_reached(&estate, name).await;
    }
    let writes = estate.writes_since(mark).join("\n");
    assert!(!writes.contains("payments/suspended"), "{writes}");
    assert!(!writes.contains("payments/observing"), "{writes}");
    let counted = |it: &estate::Object| it.data["status"]["repositories"] == json!(5);
    let classes = estate.classes();
    estate.wait(&classes, "prod", "5 objects", counted).await;

    // Made small again, all is well; and it may grow and go.
    applied(&estate, "api", json!({"tags": {"team": "b"}})).await;
    estate.ready("payments", "api").await;
    applied(&estate, "api", with(large(90_000), &deletes)).await;
    estate.stalled("payments", "api", "TooLarge").await;
    estate.delete(&repositories, "api").await;
    estate.gone(&repositories, "api").await;
    let is_there = |name: &str| {
        let repository = format!("payments/{name}");
        let held = estate.emulator.repository(ACCOUNT, REGION, &repository);
        held.is_some()
    };
    assert!(!is_there("api"));

    // One that can't go waits, says why, and goes under Retain.
    estate.push(ACCOUNT, REGION, "payments/full", "v1");
    estate.delete(&repositories, "full").await;
    let waits = ["Stalled", "True", "RepositoryNotEmpty"];
    let waits = estate.says(&repositories, "full", waits).await;
    let way_out = "set spec.deletionPolicy to Retain";
    assert_says(&estate::message(&waits, "Stalled"), way_out);
    let retain = Patch::Merge(json!({"spec": {"deletionPolicy": "Retain"}}));
    let params = PatchParams::default();
    let patched = repositories.patch("full", &params, &retain).await;
    patched.unwrap();
    estate.gone(&repositories, "full").await;
    assert!(is_there("full"));

    // Nor does their class go while they are there.
    estate.delete(&classes, "prod").await;
    let in_use = ["Stalled", "True", "InUse"];
    let in_use = estate.says(&classes, "prod", in_use).await;
    assert_eq!(in_use.data["status"]["repositories"], json!(3));
    for name in ["kept", "suspended", "observing"] {
        estate.delete(&repositories, name).await;
        estate.gone(&repositories, name).await;
    }
    assert!(is_there("kept") && is_there("suspended") && is_there("observing"));
    estate.gone(&classes, "prod").await;
    estate.finish().await;
}

/// Fills an object with labels, until the API server takes no more of them.
async fn filled(estate: &Estate, name: &str) {
    let repositories = estate.repositories("payments");
    let key = |n: u64| {
        let [first, second, third] = [1, 2, 3].map(|it| noise(60, 4 * n + it));
        format!("{first}.{second}.{third}/{n}")
    };
    let mut seed = 0;
    for many in [200, 20, 1] {
        loop {
            let keys = (seed..seed + many).map(|n| (key(n), json!("x")));
            let labels: serde_json::Map<_, _> = keys.collect();
            let labels = Patch::Merge(json!({"metadata": {"labels": labels}}));
            let params = PatchParams::default();
            if repositories.patch(name, &params, &labels).await.is_err() {
                break;
            }
            seed += many;
        }
    }
}

/// No status fits into it any more: it can't say so, and what its class enforces holds all the same.
#[tokio::test]
async fn an_object_that_is_full_is_no_way_out() {
    let mut estate = estate_with("full", &[("api", json!({}))]).await;
    let repositories = estate.repositories("payments");
    estate.stop_operator().await;
    applied(&estate, "api", large(1)).await;
    filled(&estate, "api").await;
    estate.start_operator().await;
    estate.default_class("prod", class(true)).await;
    is_reached(&estate, "api").await;
    estate.delete(&repositories, "api").await;
    estate.gone(&repositories, "api").await;
    estate.finish().await;
}

#[tokio::test]
async fn metadata_makes_no_object_too_large() {
    let deletes = json!({"deletionPolicy": "Delete"});
    let estate = estate_with("large-labels", &[("api", deletes)]).await;
    let repositories = estate.repositories("payments");
    let key = |n: u64| format!("{}.example.com/{}", noise(60, n), noise(60, n + 7));
    let labels = (0..700).map(|n| (key(n), json!(noise(60, n))));
    let others = (0..20).map(|n| format!("example.com/{}", noise(60, n)));
    let ours = "ecr-operator.dev/repository".to_owned();
    let finalizers: Vec<_> = others.clone().chain([ours]).collect();
    let labels: serde_json::Map<_, _> = labels.collect();
    let much = json!({"labels": labels, "finalizers": finalizers});
    estate.patch(&repositories, "api", much).await;
    estate.default_class("prod", class(true)).await;
    is_reached(&estate, "api").await;
    estate.ready("payments", "api").await;

    // Others' finalizers are theirs to take off, whatever becomes of ours.
    let retain = Patch::Merge(json!({"spec": {"deletionPolicy": "Retain"}}));
    let params = PatchParams::default();
    let patched = repositories.patch("api", &params, &retain).await;
    patched.unwrap();
    let others: Vec<_> = others.collect();
    let is_let_go = |it: &estate::Object| it.finalizers() == others;
    estate
        .wait(&repositories, "api", "its finalizer off", is_let_go)
        .await;
    estate.delete(&repositories, "api").await;
    let free = json!({"finalizers": null});
    estate.patch(&repositories, "api", free).await;
    estate.gone(&repositories, "api").await;
    estate.finish().await;
}

/// What tells how an object stands, without times.
fn said(object: &estate::Object) -> Value {
    let mut status = object.data["status"].clone();
    for it in status["conditions"].as_array_mut().unwrap() {
        it["lastTransitionTime"] = Value::Null;
    }
    status
}

#[tokio::test]
async fn a_status_that_is_too_large_is_written_anew() {
    let tags = json!({"tags": {"team": "a", "tier": "b"}});
    let mut estate = estate_with("large-status", &[("api", tags)]).await;
    let repositories = estate.repositories("payments");
    let before = estate.ready("payments", "api").await;
    let conditions = ["Ready", "Stalled", "One", "Two", "Three", "Four"].map(|type_| {
        json!({
            "type": type_, "status": "False", "reason": "Forged", "message": noise(32_000, 1),
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    });
    let forged = Patch::Merge(json!({"status": {"conditions": conditions}}));
    let params = PatchParams::default();
    let patched = repositories.patch_status("api", &params, &forged).await;
    patched.unwrap();
    let after = estate.ready("payments", "api").await;
    assert_eq!(said(&after), said(&before));
    let client = estate.server.client().await;
    let told: Api<Event> = Api::namespaced(client, "payments");
    let told = told.list(&ListParams::default()).await.unwrap().items;
    let told = told
        .iter()
        .find(|it| it.reason.as_deref() == Some("TooLarge"));
    let note = told.and_then(|it| it.note.clone()).unwrap();
    assert_says(&note, "let nobody else write status");

    // What it relies on is still known: a tag that was ours goes.
    applied(&estate, "api", json!({"tags": {"team": "a"}})).await;
    let is_untagged = |it: &Estate| {
        let held = it.emulator.repository(ACCOUNT, REGION, "payments/api");
        held.is_some_and(|it| !it.tags.contains_key("tier"))
    };
    estate.until("the tag to go", is_untagged).await;
    let before = estate.ready("payments", "api").await;
    estate.stop_operator().await;
    let patched = repositories.patch_status("api", &params, &forged).await;
    patched.unwrap();
    estate.start_operator().await;
    let after = estate.ready("payments", "api").await;
    assert_eq!(said(&after), said(&before));
    estate.finish().await;
}

#[tokio::test]
async fn a_namespace_with_objects_that_are_too_large_goes() {
    let world = World::new("large-namespace").await;
    let specs = [
        ("kept", json!({})),
        ("goes", json!({"deletionPolicy": "Delete"})),
    ];
    for (name, spec) in &specs {
        world.apply(name, spec.clone()).await;
        world.ready(name).await;
        world.apply(name, with(large(7), spec)).await;
        let large = world.stalled(name, "TooLarge").await;
        assert_eq!(has_finalizer(&large), *name == "goes");
    }
    world.delete_namespace().await;
    world.namespace_gone().await;
    assert!(world.repository("kept").is_some());
    assert!(world.repository("goes").is_none());
    world.finish().await;
}
