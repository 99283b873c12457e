//! What objects and classes make of a change, by an operator that looks only when something changed:
//! whoever is forgotten stays wrong.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    installation::{ROLE, change, put, without},
    world::{
        PATIENCE,
        estate::Estate,
    },
};

fn everybody() -> Value {
    json!({"allowedNamespaces": {}})
}

#[tokio::test]
async fn two_default_classes_that_are_one_again_wake_all_who_waited() {
    let estate = Estate::quiet("one-again").await;
    estate.namespace("payments", json!({})).await;
    estate.default_class("one", everybody()).await;
    estate.apply("payments", "api", json!({})).await;
    estate.ready("payments", "api").await;
    estate.default_class("two", everybody()).await;
    let ambiguous = "AmbiguousDefaultClass";
    estate.stalled("payments", "api", ambiguous).await;
    estate.class("two", everybody()).await;
    let object = estate.ready("payments", "api").await;
    assert_eq!(object.data["status"]["className"], "one");
    estate.default_class("two", everybody()).await;
    estate.stalled("payments", "api", ambiguous).await;
    estate.delete(&estate.classes(), "two").await;
    estate.ready("payments", "api").await;
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
