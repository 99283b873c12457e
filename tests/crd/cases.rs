//! The tables in `cases/`: what is accepted, what is refused and how, what may change.

use std::sync::Arc;

use ecr_operator::api::ECRRepository;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::server::{Server, object, refusal};

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

/// What is accepted is stored as it was sent, and our types read all of it.
pub(crate) async fn accepted(server: Arc<Server>) {
    let objects = server.objects("accepted").await;
    for case in table::<Creation>(include_str!("cases/accepted.yaml")) {
        let sent = object(&case.name, &case.spec);
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
        let typed: ECRRepository = serde_json::from_value(stored)
            .unwrap_or_else(|error| panic!("{}: our types cannot read it: {error}", case.case));
        assert_eq!(
            serde_json::to_value(typed.spec).unwrap(),
            case.spec,
            "{}: read as stored",
            case.case
        );
        objects
            .delete(&case.name, &kube::api::DeleteParams::default())
            .await
            .unwrap();
    }
}

/// Each refusal is compared word for word.
pub(crate) async fn refused(server: Arc<Server>) {
    let objects = server.objects("refused").await;
    let mut wrong = Vec::new();
    for case in table::<Creation>(include_str!("cases/refused.yaml")) {
        let said = refusal(
            objects
                .create(&creation(), &object(&case.name, &case.spec))
                .await,
        );
        if said != case.refused || said.is_empty() {
            wrong.push((case.case, said));
        }
    }
    assert!(wrong.is_empty(), "the API server says {wrong:#?}");
}

/// Every change is tried on an object of its own, with the status that the operator had written.
pub(crate) async fn changes(server: Arc<Server>) {
    let objects = server.objects("changes").await;
    let mut wrong = Vec::new();
    for (index, case) in table::<Change>(include_str!("cases/changes.yaml"))
        .into_iter()
        .enumerate()
    {
        let name = format!("case-{index}");
        let old = create(&objects, &name, case.old, &case.status).await;
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
    name: &str,
    spec: Value,
    status: &Value,
) -> DynamicObject {
    let created = objects
        .create(&creation(), &object(name, &spec))
        .await
        .unwrap();
    if status.is_null() {
        return created;
    }
    let patch = Patch::Merge(json!({"status": status}));
    objects
        .patch_status(name, &PatchParams::default(), &patch)
        .await
        .unwrap()
}

/// The API server gives the rules of one object a budget: the greatest object must stay within it.
pub(crate) async fn greatest(server: Arc<Server>) {
    let objects = server.objects("greatest").await;
    let sent = object("greatest", &greatest_spec());
    let started = std::time::Instant::now();
    let said = refusal(objects.create(&creation(), &sent).await);
    assert!(said.is_empty(), "{said:#?}");
    let took = started.elapsed();
    assert!(took.as_secs() < 10, "its rules took {took:?}");
}

fn greatest_spec() -> Value {
    let text = |length: usize, number: usize| format!("{number:a>length$}");
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
