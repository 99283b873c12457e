//! What a class says holds whatever an object does: who may delete, and what is enforced.

use std::time::Duration;

use k8s_openapi::api::events::v1::Event;
use kube::{Api, ResourceExt as _, api::ListParams};
use serde_json::{Value, json};

use crate::world::{
    PATIENCE, assert_says,
    estate::{Estate, condition, message},
};

const HUB: &str = "123456789012";
const REGION: &str = "ap-southeast-1";
const REFUSED: [&str; 3] = ["Accepted", "False", "NotPermitted"];

fn held(estate: &Estate, name: &str) -> ecr_emulator::Repository {
    let held = estate.emulator.repository(HUB, REGION, name);
    held.unwrap_or_else(|| panic!("{name} is gone"))
}

fn with_images() -> Value {
    json!({"className": "platform", "deletionPolicy": "DeleteWithImages"})
}

/// A class for platform teams alone, in which images may be deleted.
async fn platform(estate: &Estate) {
    let class = json!({
        "allowedNamespaces": {"matchLabels": {"tier": "platform"}}, "allowedNames": ["platform/*", "${namespace}/**"],
        "deletionPolicies": ["Retain", "Delete", "DeleteWithImages"],
    });
    estate.class("platform", class).await;
}

/// Deletes an object that has no finalizer, and sees that its repository stays.
async fn goes_alone(estate: &Estate, namespace: &str, name: &str, repository: &str) {
    let repositories = estate.repositories(namespace);
    let object = repositories.get(name).await.unwrap();
    assert!(object.finalizers().is_empty(), "{name} is held");
    estate.delete(&repositories, name).await;
    estate.gone(&repositories, name).await;
    assert_eq!(held(estate, repository).images.len(), 1, "{name}");
}

#[tokio::test]
async fn no_class_for_others_deletes_what_ones_own_class_keeps() {
    let estate = Estate::quiet("not-yours").await;
    platform(&estate).await;
    estate
        .namespace("team-c", json!({"environment": "prod", "project": "shop"}))
        .await;
    let keeping = json!({"allowedNamespaces": {}, "deletionPolicies": ["Retain"]});
    let mut enforcing = keeping.clone();
    enforcing["enforced"] = json!({"deletionPolicy": "Retain"});
    let scheme = |environment: &str, policies: Value| {
        json!({
            "allowedNamespaces": {"matchLabels": {"environment": environment}}, "nameTemplate": "${labels.project}-${name}-${labels.environment}",
            "allowedNames": ["${namespaceLabels.project}-*-${namespaceLabels.environment}"], "deletionPolicies": policies,
        })
    };
    estate.class("keeping", keeping).await;
    estate.class("enforcing", enforcing).await;
    estate
        .class("prod", scheme("prod", json!(["Retain"])))
        .await;
    estate
        .class(
            "dev",
            scheme("dev", json!(["Retain", "Delete", "DeleteWithImages"])),
        )
        .await;
    let labels = json!({"project": "shop", "environment": "prod"});
    let objects = [
        ("kept", "keeping", "team-c/kept"),
        ("enforced", "enforcing", "team-c/enforced"),
        ("api", "prod", "shop-api-prod"),
        ("control", "keeping", "team-c/control"),
    ];
    for (name, class, repository) in objects {
        let spec = json!({"className": class});
        estate
            .apply_with("team-c", name, labels.clone(), spec)
            .await;
        estate.ready("team-c", name).await;
        estate.push(HUB, REGION, repository, "v1");
    }
    let dev = json!({"className": "dev", "deletionPolicy": "DeleteWithImages"});
    let repositories = estate.repositories("team-c");
    for (name, spec) in [
        ("kept", with_images()),
        ("enforced", with_images()),
        ("api", dev),
    ] {
        estate
            .apply_with("team-c", name, labels.clone(), spec)
            .await;
        let object = estate.says(&repositories, name, REFUSED).await;
        assert_says(&message(&object, "Accepted"), "allowedNamespaces");
    }
    for (name, _, repository) in objects {
        goes_alone(&estate, "team-c", name, repository).await;
    }
    estate.finish().await;
}

/// An object that was held for a deletion that was permitted waits, and Retain lets it go.
#[tokio::test]
async fn a_deletion_that_is_no_longer_permitted_waits() {
    let estate = Estate::quiet("no-longer").await;
    platform(&estate).await;
    let of_team = json!({"allowedNamespaces": {"matchLabels": {"ecr": "yes"}}});
    estate.class("own", of_team.clone()).await;
    estate.default_class("default", of_team).await;
    let permitted = json!({"ecr": "yes"});
    estate.namespace("team-c", permitted.clone()).await;
    let empty = json!({"className": "own", "deletionPolicy": "Delete"});
    let unnamed = json!({"deletionPolicy": "Delete"});
    let repositories = estate.repositories("team-c");
    let names = ["moved", "renamed", "unlabelled", "default", "again"];
    for name in names {
        let spec = if name == "default" { &unnamed } else { &empty };
        estate.apply("team-c", name, spec.clone()).await;
        estate.ready("team-c", name).await;
        estate.held(&repositories, name).await;
        estate.push(HUB, REGION, &format!("team-c/{name}"), "v1");
    }
    // To a class for others; to one whose names are others; whose namespace or default class changes.
    estate.apply("team-c", "moved", with_images()).await;
    estate.says(&repositories, "moved", REFUSED).await;
    let elsewhere = json!({
        "allowedNamespaces": {}, "nameTemplate": "platform/${name}", "allowedNames": ["platform/*"],
        "deletionPolicies": ["Retain", "Delete", "DeleteWithImages"],
    });
    estate.class("elsewhere", elsewhere).await;
    let renamed = json!({"className": "elsewhere", "deletionPolicy": "DeleteWithImages"});
    estate.apply("team-c", "renamed", renamed).await;
    estate.stalled("team-c", "renamed", "IdentityChanged").await;
    for name in ["moved", "renamed"] {
        estate.delete(&repositories, name).await;
        waits(
            &estate,
            name,
            if name == "moved" {
                "allowedNamespaces"
            } else {
                "allowedNames"
            },
        )
        .await;
    }
    estate.namespace("team-c", json!({})).await;
    for name in ["unlabelled", "default", "again"] {
        estate.stalled("team-c", name, "NotPermitted").await;
        let object = repositories.get(name).await.unwrap();
        assert!(
            !object.finalizers().is_empty(),
            "{name} goes without a word"
        );
        estate.delete(&repositories, name).await;
        waits(&estate, name, "allowedNamespaces").await;
    }
    for name in ["moved", "renamed", "unlabelled", "default"] {
        let class = if name == "default" {
            json!({})
        } else {
            json!({"className": "own"})
        };
        let mut spec = class;
        spec["deletionPolicy"] = json!("Retain");
        estate.apply("team-c", name, spec).await;
        estate.gone(&repositories, name).await;
        assert_eq!(held(&estate, &format!("team-c/{name}")).images.len(), 1);
    }
    // Permitted again, it goes on by itself.
    estate.namespace("team-c", permitted).await;
    estate
        .stalled("team-c", "again", "RepositoryNotEmpty")
        .await;
    estate.finish().await;
}

async fn waits(estate: &Estate, name: &str, rule: &str) {
    let repositories = estate.repositories("team-c");
    let object = estate
        .wait(&repositories, name, "it waits", |it| {
            it.metadata.deletion_timestamp.is_some()
                && condition(it, "Accepted").is_some_and(|(_, reason)| reason == "NotPermitted")
                && message(it, "Ready").contains("Retain: the repository stays")
        })
        .await;
    assert_says(&message(&object, "Accepted"), &format!("({rule})"));
    assert_eq!(held(estate, &format!("team-c/{name}")).images.len(), 1);
}

/// So many tags that there is no room for the class's.
fn tags() -> Value {
    let tags = (0..48).map(|number| (format!("k{number:02}"), json!("x")));
    json!({"tags": tags.collect::<serde_json::Map<_, _>>()})
}

#[tokio::test]
async fn an_enforced_tag_is_there_however_many_the_object_asks_for() {
    let estate = Estate::quiet("crowded").await;
    estate.namespace("payments", json!({})).await;
    let repositories = estate.repositories("payments");
    let open = json!({"allowedNamespaces": {}});
    let mut class = open.clone();
    class["enforced"] = json!({"tags": {"environment": "prod"}});
    estate.default_class("prod", open).await;
    estate.apply("payments", "before", tags()).await;
    estate.ready("payments", "before").await;
    assert_eq!(held(&estate, "payments/before").tags.len(), 50);
    estate.default_class("prod", class).await;
    estate.apply("payments", "after", tags()).await;
    let mut alike = json!({"tags": {"Environment": "dev", "team": "a"}});
    estate.apply("payments", "alike", alike.clone()).await;
    for name in ["before", "after", "alike"] {
        let refused = ["Accepted", "False", "InvalidSpec"];
        estate.says(&repositories, name, refused).await;
        let repository = format!("payments/{name}");
        estate
            .until("the enforced tag", |it| {
                held(it, &repository)
                    .tags
                    .get("environment")
                    .map(String::as_str)
                    == Some("prod")
            })
            .await;
    }
    // The object's own are neither written nor removed, but for the one in whose place it is.
    assert_eq!(held(&estate, "payments/before").tags.len(), 50);
    assert_eq!(held(&estate, "payments/after").tags.len(), 3);
    assert_eq!(held(&estate, "payments/alike").tags.len(), 3);
    // What is mended is carried out, and what had to go comes back as far as there is room.
    let mut fewer = tags();
    fewer["tags"].as_object_mut().unwrap().remove("k00");
    for name in ["before", "after"] {
        estate.apply("payments", name, fewer.clone()).await;
        estate.ready("payments", name).await;
        let tags = held(&estate, &format!("payments/{name}")).tags;
        assert_eq!((tags.len(), tags.contains_key("k47")), (50, true), "{name}");
    }
    alike["tags"].as_object_mut().unwrap().remove("Environment");
    estate.apply("payments", "alike", alike).await;
    estate.ready("payments", "alike").await;
    assert_eq!(held(&estate, "payments/alike").tags["team"], "a");
    estate.finish().await;
}

/// The class that the objects begin with, and what it enforces later.
fn late(enforced: bool, management: Option<&[&str]>) -> Value {
    let mut class = json!({"allowedNamespaces": {"matchLabels": {"ecr": "yes"}}, "nameTemplate": "${namespace}/${labels.name}"});
    if enforced {
        class["enforced"] = json!({"imageScanningConfiguration": {"scanOnPush": true}, "tags": {"environment": "prod"}});
    }
    if let Some(management) = management {
        class["managementPolicies"] = json!(management);
    }
    class
}

/// What all objects ask for at first.
fn own() -> Value {
    json!({"imageTagMutability": "IMMUTABLE", "tags": {"team": "a"}})
}

/// Ways to hold the operator off: what is asked for, and the rule that refuses it.
fn ways() -> Vec<(&'static str, Value, &'static str)> {
    let deny = json!({"Statement": {"Effect": "Deny", "Principal": "*", "Action": "ecr:*"}});
    let granted = json!({"pull": ["999999999999"]});
    let adoption = json!({"policy": "IfUnowned"});
    let (suspended, observed) = (json!(true), json!("Observe"));
    let with = |key: &str, value: Value| {
        let mut spec = own();
        spec[key] = value;
        // It asks for more, which is not to be written.
        spec["imageTagMutability"] = json!("MUTABLE");
        spec["tags"]["team"] = json!("b");
        spec
    };
    vec![
        ("sus", with("suspend", suspended), "managementPolicies"),
        (
            "obs",
            with("managementPolicy", observed),
            "managementPolicies",
        ),
        ("granting", with("access", granted), "allowedPrincipals"),
        (
            "denying",
            with("repositoryPolicy", deny),
            "allowedPrincipals",
        ),
        (
            "deleting",
            with("deletionPolicy", json!("DeleteWithImages")),
            "deletionPolicies",
        ),
        ("adopting", with("adoption", adoption), "adoption"),
    ]
}

#[tokio::test]
async fn what_a_class_enforces_later_reaches_those_who_hold_it_off() {
    let estate = Estate::quiet("held-off").await;
    estate.namespace("payments", json!({"ecr": "yes"})).await;
    estate.default_class("prod", late(false, None)).await;
    let repositories = estate.repositories("payments");
    let mut relabelled = own();
    relabelled["imageTagMutability"] = json!("MUTABLE");
    let mut all = ways();
    all.extend([
        ("control", own(), ""),
        ("crowded", tags(), ""),
        ("relabelled", relabelled, ""),
    ]);
    for (name, ..) in &all {
        let labels = json!({"name": name});
        estate.apply_with("payments", name, labels, own()).await;
        estate.ready("payments", name).await;
    }
    for (name, spec, _) in &all {
        let label = if *name == "relabelled" { "other" } else { name };
        let labels = json!({"name": label});
        estate
            .apply_with("payments", name, labels, spec.clone())
            .await;
    }
    // While it is permitted, who is suspended or observes is left alone.
    for says in [
        ("sus", ["Ready", "False", "Suspended"]),
        ("obs", ["Ready", "True", "Observed"]),
    ] {
        estate.says(&repositories, says.0, says.1).await;
    }
    estate.default_class("prod", late(true, None)).await;
    for (name, ..) in all.iter().filter(|it| it.0 != "sus" && it.0 != "obs") {
        reached(&estate, name).await;
    }
    for name in ["sus", "obs"] {
        asked(&estate, name, "1").await;
        let held = held(&estate, &format!("payments/{name}"));
        let tagged = held.tags.contains_key("environment");
        assert!(!held.scan_on_push && !tagged, "{name}");
    }
    estate
        .default_class("prod", late(true, Some(&["Enforce"])))
        .await;
    for (name, _, rule) in &all {
        reached(&estate, name).await;
        if !rule.is_empty() {
            let object = estate.says(&repositories, name, REFUSED).await;
            assert_says(&message(&object, "Accepted"), rule);
        }
        let held = held(&estate, &format!("payments/{name}"));
        // The object's own wishes are not among it.
        if *name != "crowded" {
            assert_eq!(held.image_tag_mutability, "IMMUTABLE", "{name}");
            assert_eq!(held.tags["team"], "a", "{name}");
        }
        assert_eq!(held.policy, None, "{name}");
    }
    estate.ready("payments", "control").await;
    estate
        .stalled("payments", "relabelled", "IdentityChanged")
        .await;
    estate.finish().await;
}

/// Asks for a pass, and waits until it is over.
async fn asked(estate: &Estate, name: &str, token: &str) {
    let key = "ecr-operator.dev/reconcile-requested-at";
    estate.annotate("payments", name, key, token).await;
    let repositories = estate.repositories("payments");
    estate
        .wait(&repositories, name, "the request", |it| {
            it.data["status"]["lastHandledRequestAt"] == token
        })
        .await;
}

#[tokio::test]
async fn a_class_enforces_nothing_where_it_does_not_serve() {
    let estate = Estate::quiet("not-served").await;
    estate.namespace("payments", json!({"ecr": "yes"})).await;
    estate.default_class("prod", late(false, None)).await;
    let repositories = estate.repositories("payments");
    let labels = json!({"name": "api"});
    estate.apply_with("payments", "api", labels, own()).await;
    estate.ready("payments", "api").await;
    estate.namespace("payments", json!({})).await;
    estate.stalled("payments", "api", "NotPermitted").await;
    let mark = estate.calls().len();
    estate
        .default_class("prod", late(true, Some(&["Enforce"])))
        .await;
    asked(&estate, "api", "1").await;
    // Nor is anything created for an object that is refused.
    let suspended = json!({"suspend": true});
    estate.apply("payments", "new", suspended).await;
    estate
        .says(&repositories, "new", ["Ready", "False", "Suspended"])
        .await;
    estate.namespace("payments", json!({"ecr": "yes"})).await;
    estate.stalled("payments", "new", "NotPermitted").await;
    reached(&estate, "api").await;
    let writes = estate.writes_since(mark);
    assert!(!writes.iter().any(|it| it.contains("Create")), "{writes:?}");
    estate.finish().await;
}

async fn reached(estate: &Estate, name: &str) {
    estate
        .until(&format!("what is enforced, of {name}"), |it| {
            let held = held(it, &format!("payments/{name}"));
            held.scan_on_push && held.tags.get("environment").is_some_and(|it| it == "prod")
        })
        .await;
}

async fn events(estate: &Estate, namespace: &str, reason: &str) -> Vec<String> {
    let api: Api<Event> = Api::namespaced(estate.server.client().await, namespace);
    let events = api.list(&ListParams::default()).await.unwrap().items;
    let of = events
        .into_iter()
        .filter(|it| it.reason.as_deref() == Some(reason));
    of.map(|it| {
        format!(
            "{} {}",
            it.type_.unwrap_or_default(),
            it.note.unwrap_or_default()
        )
    })
    .collect()
}

/// Where a class has no limits, or says it itself, a denial that could meet the operator is written, and
/// told of once.
#[tokio::test]
async fn a_denial_that_could_meet_the_operator_is_told_of_where_it_is_permitted() {
    let estate = Estate::quiet("denials").await;
    estate.namespace("payments", json!({})).await;
    let deny = json!({"Statement": {"Sid": "DenyAllOthers", "Effect": "Deny", "Principal": "*", "Action": "ecr:Describe*"}});
    let open = json!({"allowedNamespaces": {}, "allowedPrincipals": ["*"]});
    let own = json!({"allowedNamespaces": {}, "enforced": {"repositoryPolicy": deny}});
    estate.class("open", open).await;
    estate.class("own", own).await;
    estate
        .apply(
            "payments",
            "open",
            json!({"className": "open", "repositoryPolicy": deny}),
        )
        .await;
    estate.ready("payments", "open").await;
    estate
        .apply("payments", "own", json!({"className": "own"}))
        .await;
    estate.ready("payments", "own").await;
    asked(&estate, "open", "1").await;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let telling = async {
        loop {
            let told = events(&estate, "payments", "OperatorMayBeDenied").await;
            if told.len() >= 2 {
                return told;
            }
            ticks.tick().await;
        }
    };
    let told = tokio::time::timeout(PATIENCE, telling).await.unwrap();
    assert_eq!(told.len(), 2, "{told:?}");
    for told in told {
        assert_says(&told, "Warning The operator may be locked out");
        assert_says(&told, "DenyAllOthers");
    }
    estate.finish().await;
}

#[tokio::test]
async fn what_is_to_be_done_about_images_is_what_the_class_leaves_open() {
    let estate = Estate::quiet("images-in-the-way").await;
    estate.namespace("team-d", json!({})).await;
    let all = json!(["Retain", "Delete", "DeleteWithImages"]);
    let class = |policies: &Value, enforced: Value| json!({"allowedNamespaces": {}, "deletionPolicies": policies, "enforced": enforced});
    let enforcing = class(&all, json!({"deletionPolicy": "Delete"}));
    estate.class("enforcing", enforcing).await;
    let keeping = class(&json!(["Retain", "Delete"]), json!({}));
    estate.class("keeping", keeping).await;
    estate.class("open", class(&all, json!({}))).await;
    let repositories = estate.repositories("team-d");
    for (name, advice, other) in [
        (
            "enforcing",
            "or have the class enforce deletionPolicy DeleteWithImages",
            "spec.deletionPolicy",
        ),
        (
            "keeping",
            "or have DeleteWithImages added to deletionPolicies of the class",
            "or set spec.deletionPolicy to DeleteWithImages",
        ),
        (
            "open",
            "or set spec.deletionPolicy to DeleteWithImages",
            "the class",
        ),
    ] {
        let spec = json!({"className": name, "deletionPolicy": "Delete"});
        estate.apply("team-d", name, spec).await;
        estate.ready("team-d", name).await;
        estate.push(HUB, REGION, &format!("team-d/{name}"), "v1");
        estate.delete(&repositories, name).await;
        let waits = estate.stalled("team-d", name, "RepositoryNotEmpty").await;
        let told = message(&waits, "Stalled");
        assert_says(
            &told,
            &format!("team-d/{name} still holds 1 image — delete the images, {advice}"),
        );
        assert!(!told.contains(other), "{name}: {told}");
    }
    estate.finish().await;
}
