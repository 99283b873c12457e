//! The sample of admission policies: the API server takes it, and it refuses what it says.

use std::sync::Arc;
use std::time::Duration;

use kube::Api;
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::server::{Server, class, object, refusal};

const POLICIES: &str = include_str!("../../deploy/samples/admission-policies.yaml");

pub(crate) async fn policies_refuse(server: Arc<Server>) {
    let objects = server.objects("admission").await;
    let classes = server.classes();
    let strict =
        json!({"allowedNamespaces": {}, "deletionPolicies": ["Retain"], "adoption": "IfUnowned"});
    let mut default = class("default", &json!({"allowedNamespaces": {}}));
    default.metadata.annotations = Some(
        [(
            "ecr-operator.dev/is-default-class".to_owned(),
            "true".to_owned(),
        )]
        .into(),
    );
    for sent in [default, class("strict", &strict)] {
        classes.create(&PostParams::default(), &sent).await.unwrap();
    }
    let apply = ["apply", "--server-side", "-f", "-"];
    server.kubectl.run_with(&apply, POLICIES).await.unwrap();

    let open = |condition: Value| json!({"repositoryPolicy": {"Statement": {"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": "ecr:BatchGetImage", "Condition": condition}}});
    let refused = [
        (
            json!({"deletionPolicy": "DeleteWithImages"}),
            "class default permits Retain, Delete",
        ),
        (
            json!({"className": "strict", "deletionPolicy": "Delete"}),
            "class strict permits Retain",
        ),
        (
            json!({"adoption": {"policy": "IfUnowned"}}),
            "class default permits Forbidden",
        ),
        (
            json!({"className": "strict", "adoption": {"policy": "TakeOver", "from": "prod/a/b"}}),
            "class strict permits IfUnowned",
        ),
        (
            json!({"repositoryName": "billing/api"}),
            "names that begin with admission/",
        ),
        (
            json!({"repositoryPolicy": {"Statement": [{"Effect": "Allow", "NotPrincipal": {"AWS": "111122223333"}, "Action": "ecr:*"}]}}),
            "left out",
        ),
        (
            json!({"repositoryPolicy": {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:*"}]}}),
            "needs StringEquals",
        ),
        (
            open(json!({"StringLike": {"aws:PrincipalOrgID": "o-*"}})),
            "needs StringEquals",
        ),
    ];
    for (spec, words) in refused {
        is_refused(&objects, &spec, words).await;
    }
    let accepted = [
        json!({}),
        json!({"deletionPolicy": "Delete"}),
        json!({"className": "strict", "deletionPolicy": "Retain", "adoption": {"policy": "IfUnowned"}}),
        json!({"className": "none-yet", "deletionPolicy": "Delete"}),
        json!({"repositoryName": "admission/api"}),
        open(json!({"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}})),
        json!({"repositoryPolicy": {"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "ecr:*"}]}}),
    ];
    for spec in accepted {
        let said = refusal(objects.create(&dry_run(), &object("api", &spec)).await);
        assert!(said.is_empty(), "{spec}: {said:?}");
    }
}

fn dry_run() -> PostParams {
    PostParams {
        dry_run: true,
        field_manager: None,
    }
}

/// Waits for the refusal: policies, and the classes that they read, count a moment after they were
/// applied.
async fn is_refused(objects: &Api<DynamicObject>, spec: &Value, words: &str) {
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        let said = refusal(objects.create(&dry_run(), &object("api", spec)).await);
        if said.iter().any(|line| line.contains(words)) {
            return;
        }
        assert!(Instant::now() < end, "{spec}: {said:?} without {words:?}");
        sleep(Duration::from_millis(50)).await;
    }
}
