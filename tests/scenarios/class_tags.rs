//! Tags that a class makes of labels, as for the allocation of costs: they follow the labels.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::world::{
    ACCOUNT, REGION, assert_says,
    estate::{Estate, message},
};

fn class() -> Value {
    json!({
        "allowedNamespaces": {},
        "enforced": {"tags": {"CostCentre": "${namespaceLabels.cost-centre}", "Team": "team:${namespace}"}},
        "defaults": {"tags": {"App": "${labels.app}", "Repository": "${namespace}/${name}"}},
    })
}

/// The tags of a repository but the operator's own.
fn tags(estate: &Estate, name: &str) -> Option<Value> {
    let held = estate.emulator.repository(ACCOUNT, REGION, name)?;
    let tags: BTreeMap<_, _> = held
        .tags
        .into_iter()
        .filter(|(key, _)| !key.starts_with("ecr-operator.dev/"))
        .collect();
    Some(json!(tags))
}

async fn until_tagged(estate: &Estate, name: &str, expected: &Value) {
    let what = expected.to_string();
    estate
        .until(&what, |it| tags(it, name).as_ref() == Some(expected))
        .await;
}

#[tokio::test]
async fn tags_of_a_class_follow_the_labels_of_namespace_and_object() {
    let estate = Estate::quiet("class-tags").await;
    let namespace = "payments";
    let of = |centre: &str| json!({"cost-centre": centre});
    estate.namespace(namespace, of("4711")).await;
    estate.default_class("prod", class()).await;
    let apply = |name: &'static str, labels: Value, spec: Value| {
        let estate = &estate;
        async move { estate.apply_with(namespace, name, labels, spec).await }
    };
    apply("api", json!({"app": "Shop"}), json!({})).await;
    estate.ready(namespace, "api").await;
    let expected = |centre: &str, app: &str| json!({"CostCentre": centre, "Team": "team:payments", "App": app, "Repository": "payments/api"});
    assert_eq!(
        tags(&estate, "payments/api"),
        Some(expected("4711", "Shop"))
    );
    // Nobody changes a spec: the labels are enough.
    estate.namespace(namespace, of("4712")).await;
    until_tagged(&estate, "payments/api", &expected("4712", "Shop")).await;
    apply("api", json!({"app": "Store"}), json!({})).await;
    until_tagged(&estate, "payments/api", &expected("4712", "Store")).await;
    estate.ready(namespace, "api").await;
    // A default gives way to what the object says itself, and what is enforced does not.
    let own = json!({"tags": {"App": "mine", "CostCentre": "none"}});
    apply("api", json!({}), own).await;
    until_tagged(&estate, "payments/api", &expected("4712", "mine")).await;
    // A default without its label stops nothing but the tags.
    let scanned = json!({"imageScanningConfiguration": {"scanOnPush": true}});
    apply("api", json!({}), scanned).await;
    let object = estate.stalled(namespace, "api", "InvalidSpec").await;
    assert_says(
        &message(&object, "Ready"),
        "needs the label app on this object for its tag App — add it",
    );
    let held = estate.emulator.repository(ACCOUNT, REGION, "payments/api");
    assert!(held.unwrap().scan_on_push);
    apply("api", json!({"app": "Shop"}), json!({})).await;
    estate.ready(namespace, "api").await;
    // Without the label that an enforced tag is made of nothing is made, and what is there keeps its tag.
    estate
        .namespace(namespace, json!({"costcentre": "4713"}))
        .await;
    let object = estate.stalled(namespace, "api", "InvalidSpec").await;
    assert_says(
        &message(&object, "Ready"),
        "Class prod needs the label cost-centre on namespace payments (it has costcentre: did you mean \
         cost-centre?) for its tag CostCentre — have the namespace labelled",
    );
    apply("new", json!({"app": "Shop"}), json!({})).await;
    estate.stalled(namespace, "new", "InvalidSpec").await;
    assert_eq!(tags(&estate, "payments/new"), None);
    assert_eq!(
        tags(&estate, "payments/api"),
        Some(expected("4712", "Shop"))
    );
    estate.namespace(namespace, of("4713")).await;
    until_tagged(&estate, "payments/api", &expected("4713", "Shop")).await;
    estate.ready(namespace, "new").await;
    assert_eq!(tags(&estate, "payments/new").unwrap()["CostCentre"], "4713");
    estate.finish().await;
}
