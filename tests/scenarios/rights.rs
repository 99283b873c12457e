//! What the operator may do in Kubernetes. That every right is used, and none beyond, shows only when all
//! scenarios are over: `tests/rights`.

use std::{collections::BTreeSet, path::Path};

use ecr_operator::api::ECRRepository;
use serde_json::{Value, json};
use xtask::rights;

use crate::{
    installation::{ROLE, change, installed},
    world::{Server, World},
};

const ACCOUNT: &str = "system:serviceaccount:ecr-operator-system:ecr-operator";

/// What lies outside of the one namespace that is watched.
const OF_THE_CLUSTER: [&str; 3] = [
    "ecrrepositoryclasses",
    "ecrrepositoryclasses/status",
    "namespaces",
];

fn is_of_the_cluster(rule: &Value) -> bool {
    OF_THE_CLUSTER.contains(&rule["resources"][0].as_str().unwrap())
}

#[tokio::test]
async fn an_operator_of_one_namespace_needs_a_role_in_it_and_to_read_classes_and_namespaces() {
    let (_control_plane, server) = installed("one-namespace").await;
    let directory = server.operator.parent().unwrap().to_owned();
    let kubectl = server.kubectl.clone();
    let mut world = World::on(server, "one").await;
    let whole = change(&kubectl, ROLE, |role| {
        let rules = role["rules"].as_array_mut().unwrap();
        rules.retain(is_of_the_cluster);
        for rule in rules.iter_mut() {
            rule["verbs"]
                .as_array_mut()
                .unwrap()
                .retain(|it| it != "patch");
        }
        rules.retain(|rule| rule["verbs"] != json!([]));
    })
    .await;
    let mut inside = whole["rules"].as_array().unwrap().clone();
    inside.retain(|rule| !is_of_the_cluster(rule));
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "ecr-operator", "namespace": world.namespace},
        "rules": inside,
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "ecr-operator", "namespace": world.namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "ecr-operator"},
        "subjects": [{
            "kind": "ServiceAccount", "name": "ecr-operator", "namespace": "ecr-operator-system",
        }],
    });
    for object in [&role, &binding] {
        let apply = ["apply", "-f", "-"];
        kubectl.run_with(&apply, &object.to_string()).await.unwrap();
    }
    world.start_operator().await;
    world
        .apply("api", json!({"deletionPolicy": "Delete"}))
        .await;
    let object: ECRRepository = world.ready("api").await;
    world
        .apply(
            "api",
            json!({"deletionPolicy": "Delete", "tags": {"a": "b"}}),
        )
        .await;
    world.ready("api").await;
    world.delete("api").await;
    world.gone(&object).await;
    world.apply("kept", json!({})).await;
    world.ready("kept").await;
    world.finish().await;

    let requests = rights::requests(&directory).unwrap();
    let grants: BTreeSet<_> = rights::of_manifest(role).unwrap().into_iter().collect();
    let unused = rights::unused(&grants, &requests);
    assert!(unused.is_empty(), "{unused:#?}");
    // Asked in vain is asked for: nothing was refused.
    let refused: Vec<_> = requests.iter().filter(|it| it.was_refused()).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[tokio::test]
async fn it_can_neither_read_secrets_nor_give_itself_rights() {
    let kubectl = Server::shared().await.kubectl;
    let as_operator = format!("--as={ACCOUNT}");
    let can = async |verb: &str, resource: &str| {
        let question = ["auth", "can-i", verb, resource, "-A", &as_operator];
        kubectl.run(&question).await.is_ok()
    };
    assert!(can("list", "ecrrepositories.ecr-operator.dev").await);
    for resource in [
        "secrets",
        "configmaps",
        "pods",
        "serviceaccounts/token",
        "clusterroles.rbac.authorization.k8s.io",
        "rolebindings.rbac.authorization.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
    ] {
        for verb in [
            "get", "list", "watch", "create", "update", "patch", "delete",
        ] {
            assert!(!can(verb, resource).await, "it can {verb} {resource}");
        }
    }
    for verb in ["impersonate", "bind", "escalate"] {
        assert!(!can(verb, "clusterroles.rbac.authorization.k8s.io").await);
    }
}

#[test]
fn the_manifests_grant_no_wildcard_and_no_secret() {
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kustomize/rbac");
    for grant in rights::granted(&manifests).unwrap() {
        let text = grant.to_string();
        assert!(!text.contains('*') && !text.contains("secrets"), "{text}");
    }
}
