//! What people see in a terminal.

use std::sync::Arc;

use ecr_operator::api::{ConditionType, DEFAULT_CLASS_ANNOTATION, ECRRepository};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{CustomResourceExt, ResourceExt};
use serde_json::json;

use crate::schema::Field;
use crate::server::{Server, class, object};

pub(crate) async fn columns(server: Arc<Server>) {
    let objects = server.objects("columns").await;
    let spec = json!({"imageTagMutability": "IMMUTABLE", "imageScanningConfiguration": {"scanOnPush": true}, "deletionPolicy": "Delete"});
    objects
        .create(&PostParams::default(), &object("api", &spec))
        .await
        .unwrap();
    let ready = json!({
        "type": ConditionType::Ready.as_str(), "status": "False", "reason": "AccessDenied",
        "message": "", "observedGeneration": 1, "lastTransitionTime": "2026-11-24T00:00:00Z",
    });
    let uri = "111122223333.dkr.ecr.ap-southeast-1.amazonaws.com/columns/api";
    let status =
        json!({"status": {"conditions": [ready], "repositoryUri": uri, "className": "prod"}});
    objects
        .patch_status("api", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();

    let row = format!("api False AccessDenied {uri} AGE");
    // A category has several kinds, and kubectl says which one a row is of.
    for (kind, prefix) in [
        ("ecrrepo", ""),
        ("ecrrepositories", ""),
        ("ecr", "ecrrepository.ecr-operator.dev/"),
        ("aws", "ecrrepository.ecr-operator.dev/"),
    ] {
        assert_eq!(
            get(&server, kind, &[]).await,
            format!("NAME READY STATUS URI AGE\n{prefix}{row}"),
            "{kind}"
        );
    }
    assert_eq!(
        get(&server, "ecrrepo", &["-o", "wide"]).await,
        format!(
            "NAME READY STATUS URI AGE CLASS MUTABILITY SCAN DELETION\n{row} prod IMMUTABLE true Delete"
        )
    );
    assert_eq!(
        get(&server, "all", &[]).await,
        "",
        "must not be in category all"
    );
}

pub(crate) async fn class_columns(server: Arc<Server>) {
    let mut sent = class("prod", &json!({}));
    sent.annotations_mut()
        .insert(DEFAULT_CLASS_ANNOTATION.to_owned(), "true".to_owned());
    let classes = server.classes();
    classes.create(&PostParams::default(), &sent).await.unwrap();
    let ready = json!({
        "type": ConditionType::Ready.as_str(), "status": "False", "reason": "AccessDenied",
        "message": "", "observedGeneration": 1, "lastTransitionTime": "2026-11-24T00:00:00Z",
    });
    let status = json!({"status": {"conditions": [ready], "registryId": "111122223333", "region": "ap-southeast-1", "repositories": 12}});
    classes
        .patch_status("prod", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    let table = server.kubectl.run(&["get", "ecrclass"]).await.unwrap();
    let words: Vec<&str> = table.split_whitespace().collect();
    assert_eq!(
        words[..words.len() - 1].join(" "),
        "NAME READY STATUS ACCOUNT REGION REPOSITORIES DEFAULT AGE \
         prod False AccessDenied 111122223333 ap-southeast-1 12 true"
    );
    let explained = ["explain", "ecrclass.spec.enforced.lifecyclePolicy"];
    let text = server.kubectl.run(&explained).await.unwrap();
    assert!(text.contains("within lifecycleGuard"), "{text}");
    let text = server.kubectl.run(&["explain", "ecrclass"]).await.unwrap();
    assert!(text.contains("Only administrators write it"), "{text}");
    classes
        .delete("prod", &DeleteParams::default())
        .await
        .unwrap();
}

/// What `kubectl get` prints, single-spaced, with the age left out.
async fn get(server: &Server, kind: &str, more: &[&str]) -> String {
    let args = [&["get", kind, "-n", "columns"], more].concat();
    let table = server.kubectl.run(&args).await.unwrap();
    let line = |line: &str| {
        let words = line.split_whitespace().enumerate();
        let no_age = |(index, word)| if index == 4 { "AGE" } else { word };
        words.map(no_age).collect::<Vec<_>>().join(" ")
    };
    table.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// `kubectl explain` has words of its own for every field that a user can name.
pub(crate) async fn explain(server: Arc<Server>) {
    let all = server
        .kubectl
        .run(&["explain", "ecrrepo", "--recursive"])
        .await
        .unwrap();
    for field in Field::all(&ECRRepository::crd()) {
        let name = field.path.rsplit('.').next().unwrap();
        assert!(all.contains(name.trim_end_matches("[]")), "{}", field.path);
        let path = format!("ecrrepo.{}", field.path.replace("[]", ""));
        let said = server.kubectl.run(&["explain", &path]).await.unwrap();
        let words = description(&said);
        assert!(words.len() > 12 && words != "<empty>", "{path}: {said}");
        let ours = field.schema["description"].as_str().unwrap_or_default();
        let is_ours = words.starts_with(&one_line(ours)) || field.path.starts_with("metadata");
        assert!(is_ours, "{path}: {words}");
    }
    for (path, words) in [
        ("ecrrepo", "Deleting this object keeps the repository"),
        (
            "ecrrepo.spec.repositoryName",
            "Immutable once the repository exists",
        ),
        (
            "ecrrepo.spec.repositoryPolicy.Statement",
            "Statements as IAM knows them",
        ),
        (
            "ecrrepo.spec.lifecyclePolicy.rules.selection.countType",
            "all but the youngest countNumber images",
        ),
        ("ecrrepo.status.lastLoss.at", "When it was found gone"),
        ("ecrrepo.status.conditions.message", "What to do first"),
    ] {
        let text = server.kubectl.run(&["explain", path]).await.unwrap();
        let text = one_line(&text);
        assert!(text.contains(words), "{path}: {text}");
    }
}

/// What stands below DESCRIPTION, up to the fields.
fn description(said: &str) -> String {
    let (_, after) = said.split_once("DESCRIPTION:\n").unwrap_or_default();
    let until = ["\nFIELDS:", "\nENUM:"].map(|head| after.find(head).unwrap_or(after.len()));
    one_line(&after[..until.into_iter().min().unwrap_or_default()])
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A field that does not exist is a mistake in writing, and kubectl says so.
pub(crate) async fn unknown_fields(server: Arc<Server>) {
    let mut wrong =
        serde_json::to_value(object("wrong", &json!({"repositoryNam": "a/b"}))).unwrap();
    wrong["metadata"]["namespace"] = json!("default");
    for how in [
        &["apply", "-f", "-"][..],
        &["apply", "--server-side", "-f", "-"],
    ] {
        let refused = server.kubectl.run_with(how, &wrong.to_string()).await;
        let said = refused.unwrap_err().to_string();
        assert!(said.contains("spec.repositoryNam"), "{how:?}: {said}");
    }
}

/// `tags:` with nothing behind it, as a template leaves it.
pub(crate) async fn null(server: Arc<Server>) {
    let objects = server.objects("nothing").await;
    let manifest = |name: &str| {
        json!({
            "apiVersion": "ecr-operator.dev/v1alpha1", "kind": "ECRRepository",
            "metadata": {"name": name, "namespace": "nothing"}, "spec": {"tags": null, "imageTagMutability": "MUTABLE"},
        })
        .to_string()
    };
    let kubectl = &server.kubectl;
    let server_side = ["apply", "--server-side", "-f", "-"];
    let refused = kubectl.run_with(&server_side, &manifest("server")).await;
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("spec.tags") && refused.contains("null"),
        "{refused}"
    );
    // Client-side, it is no value.
    let client_side = ["apply", "-f", "-"];
    kubectl
        .run_with(&client_side, &manifest("client"))
        .await
        .unwrap();
    let kept = objects.get("client").await.unwrap();
    assert_eq!(kept.data["spec"], json!({"imageTagMutability": "MUTABLE"}));
}
