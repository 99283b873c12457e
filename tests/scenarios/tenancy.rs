//! A table of manifests by which a tenant tries to reach another's repositories, or to open its own to
//! strangers; and of what is permitted. `tests/tenancy` has both.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt as _;
use serde_json::{Value, json};

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
    /// The class under which the repository was made, whose end is asked for now.
    #[serde(default)]
    home: Option<String>,
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
        self.apply_to(&self.class, self.spec.clone(), estate, name)
            .await
    }

    /// Makes the repository under the class of its home, with an image in it.
    async fn settle(&self, home: &str, estate: &Estate, name: &str) {
        let settled = self.apply_to(home, json!({}), estate, name).await;
        assert_eq!(settled, Ok(()), "{:?}", self.what);
        estate.ready(&self.namespace, name).await;
        estate.push(ACCOUNT, REGION, &self.repository(name), "v1");
    }

    fn repository(&self, name: &str) -> String {
        format!("{}/{name}", self.namespace)
    }

    async fn apply_to(
        &self,
        class: &str,
        mut spec: Value,
        estate: &Estate,
        name: &str,
    ) -> Result<(), String> {
        spec["className"] = Value::from(class);
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
    let mut created = BTreeSet::new();
    for (number, attempt) in table.attempts.iter().enumerate() {
        let name = format!("attempt-{number:03}");
        if let Some(home) = &attempt.home {
            attempt.settle(home, &estate, &name).await;
            created.insert(name.clone());
        }
        match attempt.apply(&estate, &name).await {
            Ok(()) => {
                assert!(!attempt.schema, "the API server took {:?}", attempt.what);
                accepted.push((name, attempt));
            }
            Err(refusal) => assert!(attempt.schema, "{:?}: {refusal}", attempt.what),
        }
    }
    for (name, attempt) in &accepted {
        let repositories = estate.repositories(&attempt.namespace);
        let object = estate
            .wait(&repositories, name, &attempt.what, |it| {
                condition(it, "Stalled").is_some_and(|(status, _)| status == "True")
            })
            .await;
        let (status, reason) = condition(&object, "Accepted").unwrap();
        assert_eq!(status, "False", "{:?}", attempt.what);
        let said = message(&object, "Accepted");
        if attempt.rule == "InvalidSpec" {
            assert_eq!(reason, "InvalidSpec", "{:?}: {said}", attempt.what);
            created.insert(name.clone());
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
    for (name, attempt) in accepted {
        if attempt.home.is_some() {
            ends(&estate, attempt, &name).await;
        }
    }
    for call in estate.calls().iter().filter(|call| is_write(call)) {
        let repository = call.input["repositoryName"].as_str().unwrap_or_default();
        let own = repository.rsplit('/').next().unwrap_or_default();
        assert!(
            call.operation == "CreateRepository" && created.contains(own),
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

/// The object goes, at once or when it is told to retain; the repository and its image stay.
async fn ends(estate: &Estate, attempt: &Attempt, name: &str) {
    let repositories = estate.repositories(&attempt.namespace);
    estate.delete(&repositories, name).await;
    if let Some(object) = repositories.get_opt(name).await.unwrap() {
        assert!(!object.finalizers().is_empty(), "{:?}", attempt.what);
        let refused = ["Accepted", "False", "NotPermitted"];
        estate.says(&repositories, name, refused).await;
        let retain = json!({"deletionPolicy": "Retain"});
        let retained = attempt.apply_to(&attempt.class, retain, estate, name).await;
        assert_eq!(retained, Ok(()), "{:?}", attempt.what);
    }
    estate.gone(&repositories, name).await;
    let repository = attempt.repository(name);
    let held = estate.emulator.repository(ACCOUNT, REGION, &repository);
    assert!(held.is_some(), "{:?}: {repository} is gone", attempt.what);
    let input = json!({"repositoryName": repository});
    let images = estate.emulator.call(ACCOUNT, REGION, "ListImages", input);
    let images = images.unwrap()["imageIds"].as_array().unwrap().len();
    assert_eq!(images, 1, "{:?}", attempt.what);
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
