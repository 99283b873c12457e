//! A rule that is added later must not lock objects in that were there before.

use std::sync::Arc;

use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::server::{Server, object, refusal};

/// Breaks every rule of creation that there is a way to break at once.
fn wrong_spec() -> Value {
    json!({
        "repositoryName": "WRONG",
        "imageTagMutability": "IMMUTABLE",
        "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "a*b*c*"}],
        "encryptionConfiguration": {"encryptionType": "AES256", "kmsKey": "alias/payments"},
        "lifecyclePolicy": {"rules": [{"selection": {"tagStatus": "any", "countType": "sinceImagePulled", "countNumber": 1}, "action": {"type": "expire"}}]},
        "repositoryPolicy": {},
        "imageScanningConfiguration": {},
        "access": {"pull": ["*"]},
        "tags": {"aws:a": "b"},
        "adoption": {"policy": "TakeOver"},
    })
}

fn without_rules(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("x-kubernetes-validations");
            fields.values_mut().for_each(without_rules);
        }
        Value::Array(items) => items.iter_mut().for_each(without_rules),
        _ => {}
    }
}

pub(crate) async fn old_objects_are_not_locked_in(server: Arc<Server>) {
    server.define(without_rules).await;
    server.wait_for_rules(false).await;
    let objects = server.objects("ratchet").await;
    let name = "a".repeat(129);
    objects
        .create(&PostParams::default(), &object(&name, &wrong_spec()))
        .await
        .unwrap();
    server.define(|_| ()).await;
    server.wait_for_rules(true).await;

    accepted(&objects, &name, json!({"metadata": {"labels": {"a": "b"}}})).await;
    accepted(
        &objects,
        &name,
        json!({"metadata": {"finalizers": ["ecr-operator.dev/repository"]}}),
    )
    .await;
    let status = json!({"status": {"observedGeneration": 1, "arn": "arn:aws:ecr:ap-southeast-1:111122223333:repository/a"}});
    let said = refusal(
        objects
            .patch_status(&name, &PatchParams::default(), &Patch::Merge(status))
            .await,
    );
    assert!(said.is_empty(), "status: {said:#?}");
    // What is right may change beside what is wrong, but nothing may become wrong. Only rules on the
    // spec as a whole ask to be kept as soon as the spec changes.
    let mended =
        json!({"imageTagMutability": "MUTABLE_WITH_EXCLUSION", "deletionPolicy": "Delete"});
    accepted(&objects, &name, json!({"spec": mended})).await;
    for worse in [
        json!({"access": {"pull": ["*", "*"]}}),
        json!({"repositoryPolicy": {"Id": "a"}}),
    ] {
        let worse = json!({"spec": worse});
        assert!(!refusal(patch(&objects, &name, worse).await).is_empty());
    }
    let said = json!({"repositoryPolicy": {"Statement": []}, "imageScanningConfiguration": {"scanOnPush": false}});
    accepted(&objects, &name, json!({"spec": said})).await;

    objects
        .delete(&name, &DeleteParams::default())
        .await
        .unwrap();
    accepted(&objects, &name, json!({"metadata": {"finalizers": null}})).await;
    assert!(objects.get_opt(&name).await.unwrap().is_none());
}

async fn patch(
    objects: &Api<DynamicObject>,
    name: &str,
    patch: Value,
) -> kube::Result<DynamicObject> {
    objects
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
}

async fn accepted(objects: &Api<DynamicObject>, name: &str, change: Value) {
    let said = refusal(patch(objects, name, change.clone()).await);
    assert!(said.is_empty(), "{change}: {said:#?}");
}
