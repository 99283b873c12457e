//! Whoever has the operator's token can do with objects what the operator does, and no more: the admission policy that
//! the manifests bring, on a real API server.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use xtask::{control_plane::ControlPlane, install::operator_kubeconfig, kubectl::Kubectl};

use crate::{
    helm::template,
    kustomize::{AS_BASE, kustomize},
    server::{apply_definitions, server},
};

const API: &str = "ecr-operator.dev/v1alpha1";

/// A server with these manifests, a class and an object of users, and the operator's own way to it.
struct Stolen {
    _server: ControlPlane,
    _dir: TempDir,
    admin: Kubectl,
    thief: Kubectl,
}

impl Stolen {
    async fn by(manifests: &str) -> Self {
        let (server, admin, dir) = server().await;
        apply_definitions(&admin).await;
        let apply = ["apply", "--server-side", "-f", "-"];
        admin.run_with(&apply, manifests).await.unwrap();
        let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
            {
                "apiVersion": API, "kind": "ECRRepositoryClass", "metadata": {"name": "platform"},
                "spec": {"allowedNamespaces": {}},
            },
            {
                "apiVersion": API, "kind": "ECRRepository",
                "metadata": {
                    "name": "api", "namespace": "payments",
                    "labels": {"team": "payments"}, "annotations": {"example.com/by": "alice"},
                    "finalizers": ["example.com/backup"],
                },
                "spec": {"className": "platform", "imageTagMutability": "IMMUTABLE"},
            },
        ]});
        admin.run_with(&apply, &objects.to_string()).await.unwrap();
        let kubeconfig = dir.path().join("operator.kubeconfig");
        operator_kubeconfig(server.kubeconfig(), &kubeconfig)
            .await
            .unwrap();
        let thief = Kubectl::new(&kubeconfig).unwrap();
        let stolen = Self {
            _server: server,
            _dir: dir,
            admin,
            thief,
        };
        stolen.in_force().await;
        stolen
    }

    /// The API server reads policies through a watch.
    async fn in_force(&self) {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        let waiting = async {
            while self
                .patch("ecrrepo/api", r#"{"spec": {"suspend": true}}"#, true)
                .await
                .is_ok()
            {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), waiting)
            .await
            .unwrap();
    }

    async fn patch(&self, what: &str, patch: &str, dry: bool) -> Result<String, String> {
        let mut args = vec!["patch", what, "-n", "payments", "--type=merge", "-p", patch];
        if dry {
            args.push("--dry-run=server");
        }
        self.thief
            .run(&args)
            .await
            .map_err(|why| format!("{why:#}"))
    }

    async fn refused(&self, what: &str, patch: &str, why: &str) {
        let said = self.patch(what, patch, false).await;
        let said = said.expect_err(patch);
        assert!(said.contains(why), "{patch}: {said}");
    }

    async fn finalizers(&self, what: &str) -> Value {
        let get = [
            "get",
            what,
            "-n",
            "payments",
            "-o",
            "jsonpath={.metadata.finalizers}",
        ];
        let text = self.admin.run(&get).await.unwrap();
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }
}

/// What is tried, on which object, and what the refusal says of it.
const ATTEMPTS: [(&str, &str, &str); 12] = [
    (
        "ecrrepo/api",
        r#"{"spec": {"imageTagMutability": "MUTABLE"}}"#,
        "never writes spec",
    ),
    (
        "ecrrepo/api",
        r#"{"spec": {"access": {"pull": ["999999999999"]}}}"#,
        "never writes spec",
    ),
    ("ecrrepo/api", r#"{"spec": null}"#, "never writes spec"),
    (
        "ecrrepo/api",
        r#"{"metadata": {"labels": {"team": "other"}}}"#,
        "labels, annotations",
    ),
    (
        "ecrrepo/api",
        r#"{"metadata": {"labels": null}}"#,
        "labels, annotations",
    ),
    (
        "ecrrepo/api",
        r#"{"metadata": {"annotations": {"ecr-operator.dev/approve-lifecycle": "0123"}}}"#,
        "labels, annotations",
    ),
    (
        "ecrrepo/api",
        r#"{"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "b"}]}}"#,
        "owner references",
    ),
    (
        "ecrrepo/api",
        r#"{"metadata": {"finalizers": null}}"#,
        "its own finalizers alone",
    ),
    (
        "ecrclass/platform",
        r#"{"spec": {"assumeRole": {"roleArn": "arn:aws:iam::999999999999:role/thief"}}}"#,
        "never writes spec",
    ),
    (
        "ecrclass/platform",
        r#"{"spec": {"allowedPrincipals": ["*"]}}"#,
        "never writes spec",
    ),
    (
        "ecrclass/platform",
        r#"{"metadata": {"annotations": {"ecr-operator.dev/is-default-class": "true"}}}"#,
        "labels, annotations",
    ),
    (
        "ecrclass/platform",
        r#"{"metadata": {"finalizers": ["example.com/mine"]}}"#,
        "its own finalizers alone",
    ),
];

async fn can_do_no_more_than_the_operator_does(manifests: &str) {
    let stolen = Stolen::by(manifests).await;
    for (what, patch, why) in ATTEMPTS {
        stolen.refused(what, patch, why).await;
    }
    // What the operator does.
    let ours =
        r#"{"metadata": {"finalizers": ["example.com/backup", "ecr-operator.dev/repository"]}}"#;
    stolen.patch("ecrrepo/api", ours, false).await.unwrap();
    let others = r#"{"metadata": {"finalizers": ["example.com/backup"]}}"#;
    stolen.patch("ecrrepo/api", others, false).await.unwrap();
    assert_eq!(
        stolen.finalizers("ecrrepo/api").await,
        json!(["example.com/backup"])
    );

    let class = |name: &str, spec: Value| {
        json!({"apiVersion": API, "kind": "ECRRepositoryClass", "metadata": {"name": name}, "spec": spec}).to_string()
    };
    let role = json!({"assumeRole": {"roleArn": "arn:aws:iam::999999999999:role/thief"}});
    for text in [class("another", json!({})), class("default", role)] {
        let said = stolen.thief.run_with(&["create", "-f", "-"], &text).await;
        let said = format!("{:#}", said.expect_err(&text));
        assert!(said.contains("creates the class `default` alone"), "{said}");
    }
    let text = class("default", json!({"allowedNamespaces": {}}));
    stolen
        .thief
        .run_with(&["create", "-f", "-"], &text)
        .await
        .unwrap();

    // Nobody else is held to it.
    let patch = [
        "patch",
        "ecrrepo/api",
        "-n",
        "payments",
        "--type=merge",
        "-p",
    ];
    let change = [
        patch.as_slice(),
        &[r#"{"spec": {"imageTagMutability": "MUTABLE"}}"#],
    ]
    .concat();
    stolen.admin.run(&change).await.unwrap();
}

#[tokio::test]
async fn a_stolen_token_changes_no_object_where_kustomize_installed_it() {
    can_do_no_more_than_the_operator_does(&kustomize("deploy/kustomize/base")).await;
}

#[tokio::test]
async fn a_stolen_token_changes_no_object_where_helm_installed_it() {
    can_do_no_more_than_the_operator_does(&template("default", &AS_BASE)).await;
}
