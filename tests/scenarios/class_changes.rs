//! What objects and classes make of a change, by an operator that looks only when something changed:
//! whoever is forgotten stays wrong.

use std::time::Duration;

use ecr_emulator::Fault;
use k8s_openapi::api::events::v1::Event;
use kube::{Api, ResourceExt as _, api::ListParams};
use serde_json::{Value, json};

use crate::{
    installation::{ROLE, change, put, without},
    samples::keep_last,
    world::{
        PATIENCE, REGION, assert_says,
        estate::{Estate, Object, message},
    },
};

const HUB: &str = "123456789012";

fn everybody() -> Value {
    json!({"allowedNamespaces": {}})
}

/// When the object last came to be ready, or not to be.
fn ready_since(object: &Object) -> Value {
    let conditions = object.data["status"]["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|it| it["type"] == "Ready").unwrap();
    assert_eq!(ready["status"], "True", "{ready}");
    ready["lastTransitionTime"].clone()
}

/// The class of the object that names none, once it is that one.
async fn is_of(estate: &Estate, class: &str) -> Object {
    let repositories = estate.repositories("payments");
    let of = |it: &Object| it.data["status"]["className"] == class;
    estate.wait(&repositories, "api", class, of).await
}

/// The notes of the warnings about a class, which are where those of all that belongs to the cluster are.
async fn warnings(estate: &Estate, class: &str) -> Vec<String> {
    let api: Api<Event> = Api::namespaced(estate.client.clone(), "default");
    let events = api.list(&ListParams::default()).await.unwrap();
    let of_class = events.into_iter().filter(|event| {
        let name = event.regarding.as_ref().and_then(|it| it.name.as_deref());
        name == Some(class) && event.type_.as_deref() == Some("Warning")
    });
    of_class.filter_map(|event| event.note).collect()
}

/// As of `StorageClass`: nobody is stalled by a second default, and whoever looks at either class sees it.
#[tokio::test]
async fn of_several_default_classes_the_newest_counts_and_all_say_so() {
    let estate = Estate::quiet("newest").await;
    let classes = estate.classes();
    estate.namespace("payments", json!({})).await;
    estate.default_class("one", everybody()).await;
    estate.apply("payments", "api", json!({})).await;
    let since = ready_since(&estate.ready("payments", "api").await);
    let alone = ["Ready", "True", "Ready"];
    estate.says(&classes, "one", alone).await;
    // Created in the same second or later: it comes before the other by its name as well.
    estate.default_class("another", everybody()).await;
    let object = is_of(&estate, "another").await;
    assert_eq!(
        ready_since(&object),
        since,
        "it was never anything but ready"
    );
    let several = ["Ready", "True", "SeveralDefaultClasses"];
    let newest = estate.says(&classes, "another", several).await;
    assert_says(
        &message(&newest, "Ready"),
        "one are all default classes, and this one counts",
    );
    let older = estate.says(&classes, "one", several).await;
    assert_says(
        &message(&older, "Ready"),
        "not of this default class but of another",
    );
    for class in ["one", "another"] {
        let told = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(50));
            while warnings(&estate, class).await.is_empty() {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap();
        let told = warnings(&estate, class).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_says(&told.concat(), "is-default-class");
    }
    estate.class("another", everybody()).await;
    is_of(&estate, "one").await;
    for class in ["one", "another"] {
        estate.says(&classes, class, alone).await;
    }
    estate.default_class("another", everybody()).await;
    is_of(&estate, "another").await;
    estate.delete(&classes, "another").await;
    let object = is_of(&estate, "one").await;
    assert_eq!(
        ready_since(&object),
        since,
        "it was never anything but ready"
    );
    estate.gone(&classes, "another").await;
    estate.says(&classes, "one", alone).await;
    estate.finish().await;
}

#[tokio::test]
async fn a_class_in_use_stays_where_its_objects_cannot_be_listed() {
    let mut estate = Estate::quiet("unlisted").await;
    estate.namespace("payments", json!({})).await;
    estate.default_class("prod", everybody()).await;
    estate.apply("payments", "api", json!({})).await;
    estate.ready("payments", "api").await;
    let classes = estate.classes();
    estate
        .wait(&classes, "prod", "the finalizer", |it| {
            it.metadata.finalizers.is_some()
        })
        .await;
    estate.delete(&classes, "prod").await;
    let in_use = ["Stalled", "True", "InUse"];
    let before = estate.says(&classes, "prod", in_use).await;
    estate.stop_operator().await;
    let kubectl = estate.server.kubectl.clone();
    let role = change(&kubectl, ROLE, without("ecrrepositories")).await;
    estate.spawn_operator();
    // Long enough for any pass over a class that does not wait for the list.
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let failing = async {
        while estate.operator().watch_errors().await < 4 {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, failing).await.unwrap();
    let after = classes.get_opt("prod").await.unwrap();
    assert_eq!(after.expect("the class is gone").data, before.data);
    put(&kubectl, role).await;
    estate.operator().ready().await;
    let repositories = estate.repositories("payments");
    estate.delete(&repositories, "api").await;
    estate.gone(&classes, "prod").await;
    estate.finish().await;
}

#[tokio::test]
async fn what_was_found_of_a_class_is_said_once_it_can_be() {
    let estate = Estate::quiet("unsaid").await;
    let kubectl = estate.server.kubectl.clone();
    let role = change(&kubectl, ROLE, without("ecrrepositoryclasses/status")).await;
    estate.class("prod", everybody()).await;
    estate
        .until("the log to name what is missing", |it| {
            let lacks = "cannot patch resource \"ecrrepositoryclasses/status\"";
            it.operator().log().replace('\\', "").contains(lacks)
        })
        .await;
    put(&kubectl, role).await;
    let classes = estate.classes();
    estate
        .says(&classes, "prod", ["Ready", "True", "Ready"])
        .await;
    estate.finish().await;
}

/// A repository with images, and a class whose policy waits for a person there.
async fn guarded(estate: &Estate, class: &Value) {
    estate.namespace("payments", json!({})).await;
    estate.default_class("prod", everybody()).await;
    estate.apply("payments", "api", json!({})).await;
    estate.ready("payments", "api").await;
    for number in 0..5 {
        estate.push(HUB, REGION, "payments/api", &format!("v{number}"));
    }
    estate.default_class("prod", class.clone()).await;
}

fn has_lifecycle(estate: &Estate) -> bool {
    let held = estate.emulator.repository(HUB, REGION, "payments/api");
    held.unwrap().lifecycle_policy.is_some()
}

#[tokio::test]
async fn a_wider_lifecycle_guard_reaches_those_who_wait() {
    let estate = Estate::quiet("wider").await;
    let mut class = everybody();
    class["defaults"] = json!({"lifecyclePolicy": keep_last(2)});
    guarded(&estate, &class).await;
    let needs = "LifecycleNeedsApproval";
    estate.stalled("payments", "api", needs).await;
    assert!(!has_lifecycle(&estate));
    class["lifecycleGuard"] = json!({"maxExpire": 3});
    estate.default_class("prod", class).await;
    estate.ready("payments", "api").await;
    assert!(has_lifecycle(&estate));
    estate.finish().await;
}

#[tokio::test]
async fn a_preview_from_before_a_pause_permits_nothing() {
    let estate = Estate::quiet("pause").await;
    let mut class = everybody();
    class["defaults"] = json!({"lifecyclePolicy": keep_last(5)});
    estate.emulator.configure(|it| it.job_millis = 30_000);
    guarded(&estate, &class).await;
    let repositories = estate.repositories("payments");
    estate
        .wait(&repositories, "api", "the preview", |it| {
            it.data["status"]["pending"][0]["message"]
                .as_str()
                .is_some_and(|it| it.contains("previews"))
        })
        .await;
    estate
        .apply("payments", "api", json!({"suspend": true}))
        .await;
    estate
        .says(&repositories, "api", ["Ready", "False", "Suspended"])
        .await;
    // The preview comes to its end, and then there are more images.
    estate.emulator.advance(Duration::from_mins(1));
    estate.emulator.configure(|it| it.job_millis = 0);
    estate.push(HUB, REGION, "payments/api", "v5");
    estate.apply("payments", "api", json!({})).await;
    let needs = "LifecycleNeedsApproval";
    let object = estate.stalled("payments", "api", needs).await;
    assert_says(&message(&object, "Ready"), "Would delete 1 of 6 images");
    assert!(!has_lifecycle(&estate));
    estate.finish().await;
}

#[tokio::test]
async fn a_deletion_policy_that_is_chosen_while_something_else_is_not_permitted_counts() {
    let estate = Estate::quiet("chosen-late").await;
    estate.namespace("payments", json!({})).await;
    estate.default_class("prod", everybody()).await;
    let names = ["api", "images", "kept"];
    for name in names {
        estate.apply("payments", name, json!({})).await;
        estate.ready("payments", name).await;
    }
    let repositories = estate.repositories("payments");
    let refused = "NotPermitted";
    // Of the three the class permits the first alone; beside each stands something that it refuses.
    for (name, policy) in names.iter().zip(["Delete", "DeleteWithImages", "Retain"]) {
        let spec = json!({"deletionPolicy": policy, "access": {"pull": ["999999999999"]}});
        estate.apply("payments", name, spec).await;
        estate.stalled("payments", name, refused).await;
        let object = repositories.get(name).await.unwrap();
        assert_eq!(object.finalizers().is_empty(), *name != "api", "{name}");
        estate.delete(&repositories, name).await;
        estate.gone(&repositories, name).await;
    }
    assert_eq!(
        estate.emulator.repositories(HUB, REGION),
        ["payments/images", "payments/kept"]
    );
    estate.finish().await;
}

#[tokio::test]
async fn a_class_is_looked_at_though_its_objects_never_rest() {
    let estate = Estate::quiet("restless").await;
    estate.namespace("payments", json!({})).await;
    estate.class("prod", everybody()).await;
    let spec = json!({"className": "prod"});
    estate.apply("payments", "api", spec).await;
    estate.ready("payments", "api").await;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let unrest = async {
        for number in 0_u64.. {
            ticks.tick().await;
            let number = number.to_string();
            estate.annotate("payments", "api", "number", &number).await;
        }
    };
    let classes = estate.classes();
    let looked_at = async {
        let mut class = everybody();
        class["deletionPolicies"] = json!(["Retain"]);
        estate.class("prod", class).await;
        estate
            .says(&classes, "prod", ["Ready", "True", "Ready"])
            .await;
    };
    tokio::select! {
        () = looked_at => {}
        () = unrest => unreachable!("it never rests"),
    }
    estate.finish().await;
}

#[tokio::test]
async fn a_change_of_a_class_that_cannot_be_carried_out_yet_shows() {
    let estate = Estate::quiet("outage").await;
    estate.namespace("payments", json!({})).await;
    estate.default_class("prod", everybody()).await;
    estate.apply("payments", "api", json!({})).await;
    estate.ready("payments", "api").await;
    estate
        .emulator
        .inject(Fault::on("DescribeRepositories").forever().server_error());
    let mut class = everybody();
    class["enforced"] = json!({"imageTagMutability": "IMMUTABLE"});
    estate.default_class("prod", class).await;
    let repositories = estate.repositories("payments");
    let waits = ["Reconciling", "True", "AwsUnavailable"];
    estate.says(&repositories, "api", waits).await;
    estate.emulator.clear_faults();
    estate.ready("payments", "api").await;
    estate.finish().await;
}
