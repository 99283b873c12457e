//! The sample of admission policies: the API server takes it, and it refuses what it says.

use std::sync::Arc;
use std::time::Duration;

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
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
    let mut sent = vec![default, class("strict", &strict)];
    sent.extend(of_namespaces());
    for sent in sent {
        classes.create(&PostParams::default(), &sent).await.unwrap();
    }
    let apply = ["apply", "--server-side", "-f", "-"];
    server.kubectl.run_with(&apply, POLICIES).await.unwrap();

    let open = |condition: Value| json!({"repositoryPolicy": {"Statement": {"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": "ecr:BatchGetImage", "Condition": condition}}});
    let refused = [
        (
            json!({"deletionPolicy": "DeleteWithImages"}),
            "class default does not permit DeleteWithImages — choose one of Retain, Delete",
        ),
        (
            json!({"className": "strict", "deletionPolicy": "Delete"}),
            "class strict does not permit Delete — choose one of Retain",
        ),
        (
            json!({"adoption": {"policy": "IfUnowned"}}),
            "class default does not allow adoption — remove spec.adoption, or have its adoption set to IfUnowned",
        ),
        (
            json!({"className": "strict", "adoption": {"policy": "TakeOver", "from": "prod/a/b"}}),
            "class strict does not allow to take over — set policy to IfUnowned, or have its adoption set to TakeOver",
        ),
        (
            json!({"repositoryName": "billing/api"}),
            "choose a name that begins with admission/",
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
    let refused = refused.into_iter().chain(not_served());
    for (spec, words) in refused {
        is_refused(&objects, &spec, words).await;
    }
    let accepted = [
        json!({}),
        json!({"deletionPolicy": "Delete"}),
        json!({"className": "strict", "deletionPolicy": "Retain", "adoption": {"policy": "IfUnowned"}}),
        json!({"className": "apart"}),
        json!({"className": "managed", "managementPolicy": "Enforce", "suspend": false}),
        json!({"className": "none-yet", "deletionPolicy": "Delete"}),
        json!({"repositoryName": "admission/api"}),
        open(json!({"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}})),
        json!({"repositoryPolicy": {"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "ecr:*"}]}}),
    ];
    for spec in accepted {
        let said = refusal(objects.create(&dry_run(), &object("api", &spec)).await);
        assert!(said.is_empty(), "{spec}: {said:?}");
    }
    nobody_moves_to_a_class_for_others(&server, &objects).await;
}

/// Classes that serve some namespaces, or serve them in some ways.
fn of_namespaces() -> Vec<DynamicObject> {
    let selected = json!({
        "allowedNamespaces": {"matchLabels": {"tier": "platform"}, "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["platform", "shared"]}, {"key": "sandbox", "operator": "DoesNotExist"},
        ]},
        "deletionPolicies": ["Retain", "Delete", "DeleteWithImages"],
    });
    let apart = json!({"allowedNamespaces": {"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["platform"]}]}});
    let managed = json!({"allowedNamespaces": {}, "managementPolicies": ["Enforce"]});
    vec![
        class("platform", &selected),
        class("apart", &apart),
        class("managed", &managed),
        class("closed", &json!({})),
    ]
}

/// What they refuse in another namespace, and in what words.
fn not_served() -> Vec<(Value, &'static str)> {
    let (elsewhere, managed) = ("does not serve namespace", "class managed does not permit ");
    let images = json!({"className": "platform", "deletionPolicy": "DeleteWithImages"});
    vec![
        (json!({"className": "platform"}), elsewhere),
        (images, elsewhere),
        (json!({"className": "closed"}), elsewhere),
        (json!({"className": "managed", "suspend": true}), managed),
        (
            json!({"className": "managed", "managementPolicy": "Observe"}),
            managed,
        ),
    ]
}

/// The way by which images would go that one's own class keeps, and the way out that stays.
async fn nobody_moves_to_a_class_for_others(server: &Server, objects: &Api<DynamicObject>) {
    let mine = object("mine", &json!({"className": "strict"}));
    objects.create(&PostParams::default(), &mine).await.unwrap();
    let change = |spec: Value| Patch::Merge(json!({"spec": spec}));
    let dry = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let moved = json!({"className": "platform", "deletionPolicy": "DeleteWithImages"});
    for spec in [
        moved,
        json!({"className": "platform"}),
        json!({"className": "platform", "deletionPolicy": "Retain"}),
    ] {
        let said = refusal(objects.patch("mine", &dry, &change(spec.clone())).await);
        assert!(
            said.iter().any(|it| it.contains("does not serve")),
            "{spec}: {said:?}"
        );
    }
    let label = |value: &str| json!({"metadata": {"labels": {"tier": value}}}).to_string();
    let patch = async |value: &str| {
        let patch = label(value);
        let arguments = [
            "patch",
            "namespace",
            "admission",
            "--type",
            "merge",
            "-p",
            &patch,
        ];
        server.kubectl.run(&arguments).await.unwrap();
    };
    patch("platform").await;
    let end = Instant::now() + Duration::from_mins(1);
    let moved = json!({"className": "platform", "deletionPolicy": "Delete"});
    while let Err(error) = objects
        .patch("mine", &PatchParams::default(), &change(moved.clone()))
        .await
    {
        assert!(Instant::now() < end, "{error}");
        sleep(Duration::from_millis(50)).await;
    }
    // The namespace loses it again: what deletes nothing may still be said, and nothing else.
    patch("other").await;
    let images = change(json!({"deletionPolicy": "DeleteWithImages"}));
    while objects.patch("mine", &dry, &images).await.is_ok() {
        assert!(Instant::now() < end, "the label is still there");
        sleep(Duration::from_millis(50)).await;
    }
    let retained = objects
        .patch("mine", &dry, &change(json!({"deletionPolicy": "Retain"})))
        .await;
    assert!(refusal(retained).is_empty());
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
