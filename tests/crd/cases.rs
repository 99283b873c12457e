//! The tables in `cases/`: what is accepted, what is refused and how, what may change.

use std::sync::Arc;

use ecr_operator::api::{ECRRepository, ECRRepositoryClass};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::server::{Server, class, object, refusal};

/// An object to be created.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Creation {
    case: String,
    #[serde(default = "any_name")]
    name: String,
    spec: Value,
    #[serde(default)]
    refused: Vec<String>,
}

fn any_name() -> String {
    "api".to_owned()
}

/// A spec that becomes another.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    case: String,
    old: Value,
    #[serde(default)]
    status: Value,
    new: Value,
    #[serde(default)]
    refused: Vec<String>,
}

fn table<T: DeserializeOwned>(text: &str) -> Vec<T> {
    serde_yaml::from_str(text).unwrap()
}

fn creation() -> PostParams {
    PostParams::default()
}

/// A kind with its tables.
struct Kind {
    accepted: &'static str,
    refused: &'static str,
    changes: &'static str,
    object: fn(&str, &Value) -> DynamicObject,
    /// The spec as our types read it.
    read: fn(Value) -> serde_json::Result<Value>,
}

const REPOSITORY: Kind = Kind {
    accepted: include_str!("cases/accepted.yaml"),
    refused: include_str!("cases/refused.yaml"),
    changes: include_str!("cases/changes.yaml"),
    object,
    read: |stored| serde_json::to_value(serde_json::from_value::<ECRRepository>(stored)?.spec),
};

const CLASS: Kind = Kind {
    accepted: include_str!("cases/class_accepted.yaml"),
    refused: include_str!("cases/class_refused.yaml"),
    changes: include_str!("cases/class_changes.yaml"),
    object: class,
    read: |stored| serde_json::to_value(serde_json::from_value::<ECRRepositoryClass>(stored)?.spec),
};

pub(crate) async fn accepted(server: Arc<Server>) {
    all_accepted(&REPOSITORY, &server.objects("accepted").await).await;
}

pub(crate) async fn refused(server: Arc<Server>) {
    all_refused(&REPOSITORY, &server.objects("refused").await).await;
}

pub(crate) async fn changes(server: Arc<Server>) {
    all_changes(&REPOSITORY, &server.objects("changes").await).await;
}

pub(crate) async fn classes(server: Arc<Server>) {
    let classes = server.classes();
    all_accepted(&CLASS, &classes).await;
    all_refused(&CLASS, &classes).await;
    all_changes(&CLASS, &classes).await;
    // Its rules are tried, and etcd, which takes 1.5 MiB, is not asked.
    let dry_run = PostParams {
        dry_run: true,
        field_manager: None,
    };
    greatest_of(&classes, class("greatest", &greatest_class()), &dry_run).await;
    let everything = &kube::api::DeleteParams::default();
    classes
        .delete_collection(everything, &kube::api::ListParams::default())
        .await
        .unwrap();
}

/// What is accepted is stored as it was sent, and our types read all of it.
async fn all_accepted(kind: &Kind, objects: &Api<DynamicObject>) {
    for case in table::<Creation>(kind.accepted) {
        let sent = (kind.object)(&case.name, &case.spec);
        let stored = match objects.create(&creation(), &sent).await {
            Ok(stored) => serde_json::to_value(stored).unwrap(),
            refused => panic!("{} is refused: {:#?}", case.case, refusal(refused)),
        };
        assert_eq!(stored["spec"], case.spec, "{}: stored as sent", case.case);
        assert_eq!(
            stored["status"],
            json!({"observedGeneration": -1}),
            "{}",
            case.case
        );
        let typed = (kind.read)(stored)
            .unwrap_or_else(|error| panic!("{}: our types cannot read it: {error}", case.case));
        assert_eq!(typed, case.spec, "{}: read as stored", case.case);
        objects
            .delete(&case.name, &kube::api::DeleteParams::default())
            .await
            .unwrap();
    }
}

/// Each refusal is compared word for word.
async fn all_refused(kind: &Kind, objects: &Api<DynamicObject>) {
    let mut wrong = Vec::new();
    for case in table::<Creation>(kind.refused) {
        let sent = (kind.object)(&case.name, &case.spec);
        let said = refusal(objects.create(&creation(), &sent).await);
        if said != case.refused || said.is_empty() {
            wrong.push((case.case, said));
        }
    }
    assert!(wrong.is_empty(), "the API server says {wrong:#?}");
}

/// Every change is tried on an object of its own, with the status that the operator had written.
async fn all_changes(kind: &Kind, objects: &Api<DynamicObject>) {
    let mut wrong = Vec::new();
    for (index, case) in table::<Change>(kind.changes).into_iter().enumerate() {
        let name = format!("case-{index}");
        let old = create(objects, &(kind.object)(&name, &case.old), &case.status).await;
        let mut new = old.clone();
        new.data["spec"] = case.new;
        let said = refusal(objects.replace(&name, &creation(), &new).await);
        if said != case.refused {
            wrong.push((case.case, said));
        }
    }
    assert!(wrong.is_empty(), "the API server says {wrong:#?}");
}

async fn create(
    objects: &Api<DynamicObject>,
    sent: &DynamicObject,
    status: &Value,
) -> DynamicObject {
    let created = objects.create(&creation(), sent).await.unwrap();
    if status.is_null() {
        return created;
    }
    let name = sent.metadata.name.as_deref().unwrap();
    let patch = Patch::Merge(json!({"status": status}));
    objects
        .patch_status(name, &PatchParams::default(), &patch)
        .await
        .unwrap()
}

/// The API server gives the rules of one object a budget: the greatest object must stay within it.
pub(crate) async fn greatest(server: Arc<Server>) {
    let objects = server.objects("greatest").await;
    greatest_of(&objects, object("greatest", &greatest_spec()), &creation()).await;
}

async fn greatest_of(objects: &Api<DynamicObject>, sent: DynamicObject, how: &PostParams) {
    let started = std::time::Instant::now();
    let said = refusal(objects.create(how, &sent).await);
    assert!(said.is_empty(), "{said:#?}");
    let took = started.elapsed();
    assert!(took.as_secs() < 10, "its rules took {took:?}");
}

/// A text of this length, apart from all with another number.
fn text(length: usize, number: usize) -> String {
    format!("{number:a>length$}")
}

fn greatest_class() -> Value {
    let texts = |most: usize, of: &dyn Fn(usize) -> String| (0..most).map(of).collect::<Vec<_>>();
    let mut settings = greatest_spec();
    settings.as_object_mut().unwrap().remove("repositoryName");
    let values = texts(64, &|number| text(63, number));
    let requirement =
        |number| json!({"key": text(317, number), "operator": "In", "values": values});
    let label = |number| (text(317, number), json!(text(63, number)));
    json!({
        "registry": {"accountId": "111122223333", "region": "ap-southeast-1"},
        "assumeRole": {"roleArn": format!("arn:aws:iam::111122223333:role/{}", text(600, 0)), "externalId": text(1224, 0)},
        "allowedNamespaces": {
            "matchLabels": (0..16).map(label).collect::<serde_json::Map<_, _>>(),
            "matchExpressions": (0..16).map(requirement).collect::<Vec<_>>(),
        },
        "nameTemplate": text(512, 0),
        "allowedNames": texts(64, &|number| text(256, number)),
        "allowedPrincipals": texts(100, &|number| format!("arn:aws:iam::111122223333:role/{}", text(600, number))),
        "allowedServices": texts(32, &|number| text(100, number)).into_iter().map(|it| json!({"service": format!("{it}.amazonaws.com")})).collect::<Vec<_>>(),
        "managementPolicies": ["Enforce", "Observe", "Suspend"],
        "allowedActions": texts(100, &|number| format!("ecr:{}{}", "a".repeat(100 - number), "b".repeat(24 + number))),
        "allowedKmsKeys": texts(64, &|number| text(512, number)),
        "deletionPolicies": ["Retain", "Delete", "DeleteWithImages"],
        "defaults": settings,
        "enforced": settings,
    })
}

fn greatest_spec() -> Value {
    let tags: Vec<String> = (0..100).map(|number| text(128, number)).collect();
    let rule = |priority: usize| {
        json!({
            "rulePriority": priority,
            "description": text(2048, priority),
            "selection": {"tagStatus": "tagged", "tagPatternList": tags, "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 1},
            "action": {"type": "expire"},
        })
    };
    let arn = |number| format!("arn:aws:iam::111122223333:role/{}", text(600, number));
    let principals: Vec<String> = (0..100).map(arn).collect();
    let filter = |number| json!({"filterType": "WILDCARD", "filter": text(128, number)});
    json!({
        "repositoryName": text(256, 0),
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": (0..5).map(filter).collect::<Vec<_>>(),
        "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": text(2048, 0)},
        "lifecyclePolicy": {"rules": (1..=50).map(rule).collect::<Vec<_>>()},
        "access": {"pull": principals, "push": principals},
        "tags": (0..48).map(|number| (text(128, number), json!(text(256, number)))).collect::<serde_json::Map<_, _>>(),
    })
}
