//! A table of manifests by which a tenant tries to reach another's repositories, or to open its own to
//! strangers; and of what is permitted. `tests/tenancy` has both.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::world::{
    assert_says,
    estate::{Estate, condition, message},
    is_write,
};

const ACCOUNT: &str = "123456789012";
const REGION: &str = "ap-southeast-1";

#[derive(serde::Deserialize)]
struct Table {
    classes: BTreeMap<String, Value>,
    namespaces: BTreeMap<String, Value>,
    attempts: Vec<Attempt>,
}

#[derive(serde::Deserialize)]
struct Attempt {
    #[serde(rename = "attempt")]
    what: String,
    class: String,
    namespace: String,
    #[serde(default)]
    labels: serde_json::Map<String, Value>,
    spec: Value,
    rule: String,
    /// Whether the API server refuses it already.
    #[serde(default)]
    schema: bool,
}

impl Attempt {
    async fn apply(&self, estate: &Estate, name: &str) -> Result<(), String> {
        let mut spec = self.spec.clone();
        spec["className"] = Value::from(self.class.as_str());
        let labels = Value::Object(self.labels.clone());
        let applied = estate.try_apply(&self.namespace, name, labels, spec).await;
        applied.map(drop).map_err(|error| error.to_string())
    }
}

async fn estate(name: &str, table: &Table) -> Estate {
    let estate = Estate::new(name).await;
    for (class, spec) in &table.classes {
        estate.class(class, spec.clone()).await;
    }
    for (namespace, labels) in &table.namespaces {
        estate.namespace(namespace, labels.clone()).await;
    }
    estate
}

fn table() -> Table {
    serde_yaml::from_str(include_str!("../tenancy/attempts.yaml")).unwrap()
}

#[tokio::test]
async fn no_attempt_of_a_tenant_makes_a_single_write() {
    let table = table();
    assert!(table.attempts.len() >= 100, "{}", table.attempts.len());
    let estate = estate("tenancy", &table).await;
    let mut accepted = Vec::new();
    // A policy that nobody can read is not sent, and the rest of its object is made all the same.
    let mut unreadable = BTreeSet::new();
    for (number, attempt) in table.attempts.iter().enumerate() {
        let name = format!("attempt-{number:03}");
        match attempt.apply(&estate, &name).await {
            Ok(()) => {
                assert!(!attempt.schema, "the API server took {:?}", attempt.what);
                accepted.push((name, attempt));
            }
            Err(refusal) => assert!(attempt.schema, "{:?}: {refusal}", attempt.what),
        }
    }
    for (name, attempt) in accepted {
        let repositories = estate.repositories(&attempt.namespace);
        let object = estate
            .wait(&repositories, &name, &attempt.what, |it| {
                condition(it, "Stalled").is_some_and(|(status, _)| status == "True")
            })
            .await;
        let (status, reason) = condition(&object, "Accepted").unwrap();
        assert_eq!(status, "False", "{:?}", attempt.what);
        let said = message(&object, "Accepted");
        if attempt.rule == "InvalidSpec" {
            assert_eq!(reason, "InvalidSpec", "{:?}: {said}", attempt.what);
            unreadable.insert(name.clone());
        } else {
            assert_eq!(reason, "NotPermitted", "{:?}: {said}", attempt.what);
            assert_says(&said, &attempt.rule);
        }
        for other in table
            .namespaces
            .keys()
            .filter(|it| **it != attempt.namespace)
        {
            let own = attempt.spec.to_string();
            assert!(
                own.contains(other) || !said.contains(&format!("{other}/")),
                "{:?} is told of {other}: {said}",
                attempt.what
            );
        }
    }
    for call in estate.calls().iter().filter(|call| is_write(call)) {
        let repository = call.input["repositoryName"].as_str().unwrap_or_default();
        let own = repository.rsplit('/').next().unwrap_or_default();
        assert!(
            call.operation == "CreateRepository" && unreadable.contains(own),
            "{} {}",
            call.operation,
            call.input
        );
    }
    for repository in estate.emulator.repositories(ACCOUNT, REGION) {
        let held = estate.emulator.repository(ACCOUNT, REGION, &repository);
        assert_eq!(
            held.unwrap().policy,
            None,
            "{repository} is open to strangers"
        );
    }
    estate.finish().await;
}

#[tokio::test]
async fn what_tenants_need_is_permitted() {
    let table = table();
    let estate = estate("permitted", &table).await;
    let permitted: Vec<Attempt> =
        serde_yaml::from_str(include_str!("../tenancy/permitted.yaml")).unwrap();
    for (number, attempt) in permitted.iter().enumerate() {
        let name = format!("permitted-{number:02}");
        let applied = attempt.apply(&estate, &name).await;
        assert_eq!(applied, Ok(()), "{:?}", attempt.what);
    }
    for (number, attempt) in permitted.iter().enumerate() {
        estate
            .ready(&attempt.namespace, &format!("permitted-{number:02}"))
            .await;
    }
    estate.finish().await;
}
