//! What a class enforces while an object waits to be deleted: its author may let it wait for ever.

use ecr_emulator::Fault;
use serde_json::{Value, json};

use crate::{
    samples::keep_last,
    world::{
        REGION, assert_says,
        estate::{Estate, Object, message},
    },
};

const HUB: &str = "123456789012";
const APPROVE: &str = "ecr-operator.dev/approve-lifecycle";

/// A class, with what it enforces.
fn class(enforced: &Value) -> Value {
    json!({"allowedNamespaces": {}, "enforced": enforced})
}

fn scanned() -> Value {
    json!({"imageScanningConfiguration": {"scanOnPush": true}, "tags": {"environment": "prod"}})
}

fn held(estate: &Estate, name: &str) -> ecr_emulator::Repository {
    let held = estate
        .emulator
        .repository(HUB, REGION, &format!("payments/{name}"));
    held.unwrap_or_else(|| panic!("{name} is gone"))
}

fn is_enforced(estate: &Estate, name: &str) -> bool {
    let held = held(estate, name);
    held.scan_on_push && held.tags.get("environment").is_some_and(|it| it == "prod")
}

fn outside(estate: &Estate, operation: &str, name: &str, input: &Value) {
    let mut whole = input.clone();
    whole["repositoryName"] = json!(format!("payments/{name}"));
    let answer = estate.emulator.call(HUB, REGION, operation, whole);
    answer.unwrap();
}

/// An object with images that is to be deleted with its repository, if that is empty.
async fn deleted(estate: &Estate, name: &str) {
    let spec = json!({"className": name, "deletionPolicy": "Delete"});
    estate.apply("payments", name, spec).await;
    estate.ready("payments", name).await;
    for tag in ["v1", "v2", "v3"] {
        estate.push(HUB, REGION, &format!("payments/{name}"), tag);
    }
    let repositories = estate.repositories("payments");
    estate.held(&repositories, name).await;
    estate.delete(&repositories, name).await;
}

/// What is pending, and why.
fn pending(object: &Object) -> Vec<[&str; 3]> {
    let all = object.data["status"]["pending"].as_array();
    let pending = all.into_iter().flatten();
    pending
        .map(|it| ["action", "reason", "message"].map(|key| it[key].as_str().unwrap_or_default()))
        .collect()
}

#[tokio::test]
async fn what_a_class_enforces_reaches_who_waits_to_be_deleted() {
    let estate = Estate::new("waits-enforced").await;
    estate.namespace("payments", json!({})).await;
    let repositories = estate.repositories("payments");
    let denied = Fault::on("DeleteRepository").repository("payments/denied");
    estate.emulator.inject(denied.forever().deny());
    let waits = [
        ("full", "RepositoryNotEmpty"),
        ("denied", "AccessDenied"),
        ("refused", "NotPermitted"),
    ];
    for (name, reason) in waits {
        estate.class(name, class(&json!({}))).await;
        deleted(&estate, name).await;
        if name == "refused" {
            let mut keeping = class(&json!({}));
            keeping["deletionPolicies"] = json!(["Retain"]);
            estate.class(name, keeping).await;
        }
        estate
            .wait(&repositories, name, reason, |it| {
                pending(it).first().is_some_and(|it| it[1] == reason)
            })
            .await;
        assert!(!is_enforced(&estate, name), "{name}");
    }
    for (name, reason) in waits {
        let mut enforcing = class(&scanned());
        if name == "refused" {
            enforcing["deletionPolicies"] = json!(["Retain"]);
        }
        estate.class(name, enforcing).await;
        estate
            .until(&format!("what is enforced, of {name}"), |it| {
                is_enforced(it, name)
            })
            .await;
        // What changes outside is repaired at the next resync.
        let off = json!({"imageScanningConfiguration": {"scanOnPush": false}});
        outside(&estate, "PutImageScanningConfiguration", name, &off);
        estate
            .until(&format!("the repair, of {name}"), |it| {
                is_enforced(it, name)
            })
            .await;
        // And all that is told is what the deletion waits for.
        let object = estate
            .wait(&repositories, name, reason, |it| {
                let told = pending(it);
                told.len() == 1 && told[0][0] == "DeleteRepository" && told[0][1] == reason
            })
            .await;
        assert_says(&message(&object, "Ready"), "Retain: the repository stays");
        assert_eq!(held(&estate, name).images.len(), 3, "{name}");
    }
    estate.finish().await;
}

#[tokio::test]
async fn what_hinders_it_is_told_after_what_the_deletion_waits_for() {
    let estate = Estate::new("waits-hindered").await;
    estate.namespace("payments", json!({})).await;
    let repositories = estate.repositories("payments");
    estate.class("full", class(&json!({}))).await;
    deleted(&estate, "full").await;
    estate
        .stalled("payments", "full", "RepositoryNotEmpty")
        .await;
    let tagged = Fault::on("TagResource").repository("payments/full");
    estate.emulator.inject(tagged.forever().deny());
    let mut enforced = scanned();
    enforced["lifecyclePolicy"] = keep_last(1);
    estate.class("full", class(&enforced)).await;
    let object = estate
        .wait(&repositories, "full", "three hindrances", |it| {
            let told = pending(it);
            told.len() == 3 && told.iter().any(|it| it[1] == "LifecycleNeedsApproval")
        })
        .await;
    let told = pending(&object);
    assert_eq!(told[0][..2], ["DeleteRepository", "RepositoryNotEmpty"]);
    for (nth, [action, _, message]) in told.iter().enumerate() {
        let says = message.contains("Retain: the repository stays");
        assert_eq!(says, nth == 0, "{action}: {message}");
    }
    assert_says(&message(&object, "Ready"), "still holds 3 images");
    estate
        .stalled("payments", "full", "RepositoryNotEmpty")
        .await;
    assert!(held(&estate, "full").scan_on_push, "the rest is done");
    // A person's word counts as it does elsewhere.
    let token = object.data["status"]["lifecycleApproval"]["token"].as_str();
    estate
        .annotate("payments", "full", APPROVE, token.unwrap())
        .await;
    estate
        .until("the lifecycle policy", |it| {
            held(it, "full").lifecycle_policy.is_some()
        })
        .await;
    estate.emulator.clear_faults();
    estate.until("the tag", |it| is_enforced(it, "full")).await;
    // Once it is empty it goes.
    let images = ["v1", "v2", "v3"].map(|tag| json!({"imageTag": tag}));
    outside(
        &estate,
        "BatchDeleteImage",
        "full",
        &json!({"imageIds": images}),
    );
    estate.gone(&repositories, "full").await;
    estate.finish().await;
}

#[tokio::test]
async fn a_deletion_that_goes_well_writes_nothing_before() {
    let estate = Estate::quiet("goes-enforced").await;
    estate.namespace("payments", json!({})).await;
    let repositories = estate.repositories("payments");
    let spec = json!({"deletionPolicy": "Delete"});
    estate.default_class("prod", class(&json!({}))).await;
    estate.apply("payments", "api", spec).await;
    estate.ready("payments", "api").await;
    estate.held(&repositories, "api").await;
    let busy = Fault::on("DeleteRepository").repository("payments/api");
    estate.emulator.inject(busy.times(2).throttle());
    let mark = estate.calls().len();
    estate.delete(&repositories, "api").await;
    estate.default_class("prod", class(&scanned())).await;
    estate.gone(&repositories, "api").await;
    let calls = estate.calls();
    let of_it = calls[mark..].iter().filter(|call| {
        let named = call.input["repositoryName"] == "payments/api";
        let arn = call.input["resourceArn"].as_str().unwrap_or_default();
        named || arn.ends_with("/payments/api")
    });
    let others: Vec<_> = of_it
        .map(|call| call.operation.as_str())
        .filter(|it| !["ListTagsForResource", "DeleteRepository"].contains(it))
        .collect();
    assert_eq!(others, [""; 0]);
    estate.finish().await;
}

#[tokio::test]
async fn a_class_enforces_nothing_in_repositories_of_other_names() {
    let estate = Estate::quiet("other-names").await;
    estate.namespace("payments", json!({})).await;
    let repositories = estate.repositories("payments");
    estate.class("prod", class(&json!({}))).await;
    for name in ["named", "made", "going"] {
        let spec = json!({"className": "prod", "deletionPolicy": "Delete"});
        estate.apply("payments", name, spec).await;
        estate.ready("payments", name).await;
        estate.push(HUB, REGION, &format!("payments/{name}"), "v1");
        estate.held(&repositories, name).await;
    }
    let mut dev = class(&scanned());
    dev["allowedNames"] = json!(["dev/**"]);
    dev["nameTemplate"] = json!("dev/${namespace}/${name}");
    estate.class("dev", dev.clone()).await;
    let moved = |own: Option<&str>| {
        let spec = json!({"className": "dev", "deletionPolicy": "Delete"});
        own.map_or(spec.clone(), |own| {
            let mut spec = spec;
            spec["repositoryName"] = json!(own);
            spec
        })
    };
    // By the name that it has, and by the one that the other class makes.
    estate
        .apply("payments", "named", moved(Some("payments/named")))
        .await;
    estate.apply("payments", "made", moved(None)).await;
    estate.apply("payments", "going", moved(None)).await;
    estate.stalled("payments", "named", "NotPermitted").await;
    estate.stalled("payments", "made", "IdentityChanged").await;
    estate.delete(&repositories, "going").await;
    estate
        .wait(&repositories, "going", "its wait", |it| {
            pending(it)
                .first()
                .is_some_and(|it| it[0] == "DeleteRepository")
        })
        .await;
    for name in ["named", "made", "going"] {
        asked(&estate, name).await;
        let held = held(&estate, name);
        let tagged = held.tags.contains_key("environment");
        assert!(!held.scan_on_push && !tagged, "{name}");
    }
    dev["allowedNames"] = json!(["dev/**", "${namespace}/*"]);
    estate.class("dev", dev).await;
    for name in ["named", "made", "going"] {
        estate
            .until(&format!("what is enforced, of {name}"), |it| {
                is_enforced(it, name)
            })
            .await;
    }
    estate.finish().await;
}

/// Asks for a pass, and waits until it is over.
async fn asked(estate: &Estate, name: &str) {
    let key = "ecr-operator.dev/reconcile-requested-at";
    estate.annotate("payments", name, key, "1").await;
    let repositories = estate.repositories("payments");
    estate
        .wait(&repositories, name, "the request", |it| {
            it.data["status"]["lastHandledRequestAt"] == "1"
        })
        .await;
}
