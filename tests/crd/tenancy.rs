//! What tenants try, in `tests/tenancy/attempts.yaml`: refused by the pure core, and where the schema
//! can tell, by the API server before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ecr_operator::api::{ECRRepositoryClassSpec, ECRRepositorySpec};
use ecr_operator::domain::class::{Class, Labels, Subject};
use ecr_operator::domain::desired::Refusal;
use ecr_operator::domain::identity::{Owner, Region, Registry, RegistryId, RepositoryName};
use ecr_operator::domain::reason::Reason;
use kube::api::PostParams;
use serde::Deserialize;
use serde_json::Value;

use crate::server::{Server, object, refusal};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    classes: BTreeMap<String, ECRRepositoryClassSpec>,
    namespaces: BTreeMap<String, Labels>,
    attempts: Vec<Attempt>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attempt {
    #[serde(rename = "attempt")]
    case: String,
    class: String,
    /// The class under which the repository was made, whose end is asked for now.
    #[serde(default)]
    home: Option<String>,
    namespace: String,
    #[serde(default)]
    labels: Labels,
    spec: Value,
    rule: String,
    #[serde(default)]
    schema: bool,
}

fn table() -> Table {
    serde_yaml::from_str(include_str!("../tenancy/attempts.yaml")).unwrap()
}

fn own() -> Registry {
    Registry {
        id: RegistryId::parse("123456789012").unwrap(),
        region: Region::parse("ap-southeast-1").unwrap(),
    }
}

/// Other namespaces, and what classes list: accounts, principals and keys of other teams.
const OTHERS: [&str; 7] = [
    "billing",
    "staging",
    "333333333333",
    "222222222222",
    "o-a1b2c3d4e5",
    "ecs.",
    "payments/*\"",
];

impl Attempt {
    /// What stands between the attempt and AWS.
    fn refusal(&self, table: &Table) -> Option<Refusal> {
        let class = Class::parse(&self.class, &table.classes[&self.class]).unwrap();
        let spec: ECRRepositorySpec = serde_json::from_value(self.spec.clone()).unwrap();
        let subject = Subject {
            namespace: &self.namespace,
            name: "api",
            labels: &self.labels,
            namespace_labels: &table.namespaces[&self.namespace],
        };
        if self.home.is_some() {
            let bound = RepositoryName::parse(&format!("{}/api", self.namespace)).unwrap();
            let admitted = class.admit_deletion(&subject, &spec, &bound);
            return admitted.err();
        }
        let effective = match class.admit(&subject, &spec, &own()) {
            Ok(effective) => effective,
            Err(refusal) => return Some(refusal),
        };
        let owner = Owner::parse(&format!("prod/{}/api", self.namespace)).unwrap();
        match effective.desired(&class, owner, own()) {
            Ok(desired) => desired.refusals().next().map(|(_, it)| it.clone()),
            Err(refusal) => Some(refusal),
        }
    }

    /// What is wrong with that.
    fn fault(&self, table: &Table) -> Option<String> {
        let Some(refusal) = self.refusal(table) else {
            return Some("is let through".to_owned());
        };
        let said = if refusal.reason == Reason::NotPermitted {
            refusal.message.contains(&self.rule)
        } else {
            refusal.reason.as_str() == self.rule
        };
        // What names another tenant is what this one wrote itself.
        let leaks = OTHERS
            .iter()
            .any(|it| refusal.message.contains(it) && !self.spec.to_string().contains(it))
            && self.labels.is_empty();
        let fits = refusal.message.len() <= 1024;
        (!said || leaks || !fits).then(|| format!("{refusal:?} in place of {}", self.rule))
    }
}

#[test]
fn no_tenant_reaches_another() {
    let table = table();
    assert!(table.attempts.len() >= 100, "{}", table.attempts.len());
    let faults: Vec<String> = table
        .attempts
        .iter()
        .filter_map(|it| Some(format!("{}: {}", it.case, it.fault(&table)?)))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// What the classes of the table do let through, so that not everything is refused.
#[test]
fn what_is_permitted_passes() {
    let mut table = table();
    let allowed = include_str!("../tenancy/permitted.yaml");
    let permitted: Vec<Attempt> = serde_yaml::from_str(allowed).unwrap();
    std::mem::take(&mut table.attempts);
    for it in permitted {
        let refusal = it.refusal(&table);
        assert!(refusal.is_none(), "{}: {refusal:?}", it.case);
    }
}

/// The classes of the table are admitted, and so is every attempt that only a class can judge.
pub(crate) async fn attempts(server: Arc<Server>) {
    let table = table();
    let dry_run = PostParams {
        dry_run: true,
        field_manager: None,
    };
    let mut wrong = Vec::new();
    for (name, spec) in &table.classes {
        let sent = crate::server::class(name, &serde_json::to_value(spec).unwrap());
        let said = refusal(server.classes().create(&dry_run, &sent).await);
        if !said.is_empty() {
            wrong.push((name.clone(), said));
        }
    }
    let objects = server.objects("tenancy").await;
    for attempt in table.attempts {
        let said = refusal(
            objects
                .create(&dry_run, &object("api", &attempt.spec))
                .await,
        );
        if said.is_empty() == attempt.schema {
            wrong.push((attempt.case, said));
        }
    }
    assert!(wrong.is_empty(), "the API server says {wrong:#?}");
}
