//! Absent, present, present and empty: each is kept apart from the others by server-side apply, which
//! is how Argo CD, Flux and kubectl write.

use std::sync::Arc;

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::server::{Server, object, refusal};

/// Each with a value, and with the value that asks for none.
fn aspects() -> [(&'static str, Value, Value); 6] {
    let rule = json!({"selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1}, "action": {"type": "expire"}});
    [
        ("tags", json!({"a": "b"}), json!({})),
        (
            "access",
            json!({"pull": ["111122223333"]}),
            json!({"pull": []}),
        ),
        (
            "repositoryPolicy",
            json!({"Version": "2012-10-17", "Statement": [{"Sid": "a", "New": 1}]}),
            json!({"Statement": []}),
        ),
        (
            "lifecyclePolicy",
            json!({"rules": [rule]}),
            json!({"rules": []}),
        ),
        (
            "imageScanningConfiguration",
            json!({"scanOnPush": true}),
            json!({"scanOnPush": false}),
        ),
        (
            "imageTagMutabilityExclusionFilters",
            json!([{"filterType": "WILDCARD", "filter": "a"}]),
            json!([]),
        ),
    ]
}

pub(crate) async fn are_told_apart(server: Arc<Server>) {
    let objects = server.objects("three-states").await;
    for (index, (aspect, full, empty)) in aspects().into_iter().enumerate() {
        let name = format!("case-{index}");
        let spec = |value: Option<&Value>| {
            let mut spec = json!({"imageTagMutability": "MUTABLE_WITH_EXCLUSION"});
            if !aspect.starts_with("imageTag") {
                spec = json!({});
            } else if value != Some(&full) {
                spec = json!({"imageTagMutability": "MUTABLE"});
            }
            if let Some(value) = value {
                spec[aspect] = value.clone();
            }
            spec
        };
        let states = [
            Some(&full),
            Some(&empty),
            None,
            Some(&empty),
            Some(&full),
            None,
        ];
        for state in states {
            let sent = spec(state);
            let stored = apply(&objects, &name, sent.clone()).await;
            assert_eq!(stored.data["spec"], sent, "{aspect} becomes {state:?}");
        }
    }
}

async fn apply(objects: &Api<DynamicObject>, name: &str, spec: Value) -> DynamicObject {
    let manager = PatchParams::apply("gitops");
    match objects
        .patch(name, &manager, &Patch::Apply(object(name, &spec)))
        .await
    {
        Ok(stored) => stored,
        refused => panic!("{name}: {:#?}", refusal(refused)),
    }
}
