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
        "message": "AWS denied it", "observedGeneration": 1, "lastTransitionTime": "2026-11-24T00:00:00Z",
    });
    let uri = "111122223333.dkr.ecr.ap-southeast-1.amazonaws.com/columns/api";
    let status = json!({"status": {"conditions": [ready], "repositoryUri": uri, "className": "prod", "effective": [
        {"setting": "imageTagMutability", "source": "enforced", "value": "MUTABLE"},
        {"setting": "imageScanningConfiguration", "source": "default", "value": "scanOnPush: false"},
        {"setting": "deletionPolicy", "source": "unmanaged", "value": "Retain (built in)"},
    ]}});
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
            "NAME READY STATUS URI CLASS MUTABILITY SCAN DELETION MESSAGE AGE\n\
             api False AccessDenied {uri} prod MUTABLE scanOnPush: false Retain (built in) AWS denied it AGE"
        ),
        "what is in force, and not what spec wishes"
    );
    assert_eq!(
        get(&server, "all", &[]).await,
        "",
        "must not be in category all"
    );
}

pub(crate) async fn selectors(server: Arc<Server>) {
    let objects = server.objects("selectors").await;
    for (name, spec) in [
        ("plain", json!({})),
        (
            "prod",
            json!({"className": "prod", "repositoryName": "a/prod", "deletionPolicy": "Delete"}),
        ),
        (
            "held",
            json!({"className": "prod", "suspend": true, "managementPolicy": "Observe"}),
        ),
    ] {
        let sent = object(name, &spec);
        objects.create(&PostParams::default(), &sent).await.unwrap();
    }
    let status = json!({"status": {"className": "main", "registryId": "111122223333", "repositoryName": "a/held"}});
    objects
        .patch_status("held", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    for (selector, names) in [
        ("spec.className=prod", "held prod"),
        ("spec.className!=prod", "plain"),
        ("spec.repositoryName=a/prod", "prod"),
        ("spec.deletionPolicy=Delete", "prod"),
        ("spec.managementPolicy=Observe", "held"),
        ("spec.suspend=true", "held"),
        ("status.className=main", "held"),
        ("status.repositoryName=a/held", "held"),
        ("status.registryId=111122223333", "held"),
        ("spec.className=prod,spec.suspend=true", "held"),
    ] {
        let args = [
            "get",
            "ecrrepo",
            "-n",
            "selectors",
            "-o",
            "name",
            "--field-selector",
            selector,
        ];
        let found = server.kubectl.run(&args).await.unwrap();
        let found = found.lines().filter_map(|line| line.rsplit('/').next());
        assert_eq!(found.collect::<Vec<_>>().join(" "), names, "{selector}");
    }
    let registry = json!({"registry": {"accountId": "444455556666", "region": "eu-west-1"}});
    let classes = server.classes();
    let sent = class("selected", &registry);
    classes.create(&PostParams::default(), &sent).await.unwrap();
    for selector in [
        "spec.registry.accountId=444455556666",
        "spec.registry.region=eu-west-1",
    ] {
        let args = [
            "get",
            "ecrclass",
            "-o",
            "name",
            "--field-selector",
            selector,
        ];
        let found = server.kubectl.run(&args).await.unwrap();
        assert!(found.contains("/selected"), "{selector}: {found}");
    }
}

/// `kubectl describe` sorts by name: what is not for people comes after all that is.
pub(crate) async fn described(server: Arc<Server>) {
    let objects = server.objects("described").await;
    let sent = object("api", &json!({}));
    objects.create(&PostParams::default(), &sent).await.unwrap();
    let condition = json!({
        "type": ConditionType::Ready.as_str(), "status": "True", "reason": "Synced",
        "message": "ECR matches", "observedGeneration": 1, "lastTransitionTime": "2026-11-24T00:00:00Z",
    });
    let status = json!({"status": {
        "conditions": [condition], "pending": [{"action": "TagResource", "reason": "Throttled"}],
        "tagKeys": ["team"], "takenOver": {"from": "a/b/c"}, "suspendedSince": "2026-11-24T00:00:00Z",
        "workingMemory": {"applied": [{"aspect": "tags", "hash": "c1c56dd6"}], "compared": {"asked": "a", "held": "b"}},
    }});
    objects
        .patch_status("api", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    let shown = server
        .kubectl
        .run(&["describe", "ecrrepo/api", "-n", "described"])
        .await
        .unwrap();
    let at = |what: &str| {
        shown
            .find(what)
            .unwrap_or_else(|| panic!("{what}: {shown}"))
    };
    let status = at("\nStatus:");
    assert!(at("Conditions:") < at("Working Memory:"), "{shown}");
    for what in ["Pending:", "Tag Keys:", "Taken Over:", "Suspended Since:"] {
        assert!(
            (status..at("Working Memory:")).contains(&at(what)),
            "{what}: {shown}"
        );
    }
    assert!(at("Working Memory:") < at("c1c56dd6"), "{shown}");
    assert!(at("Conditions:") - status < 60, "nearly first: {shown}");
}

/// The recipe of docs/ecrrepository.md ends at once either way.
pub(crate) async fn waiting(server: Arc<Server>) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ecrrepository.md");
    let page = std::fs::read_to_string(page).unwrap();
    let recipe = page.split("```bash\n").nth(1).unwrap();
    let recipe = recipe.split("```").next().unwrap();
    assert!(recipe.contains("--for=condition=Stalled"), "{recipe}");
    let recipe = recipe.replace("-n payments", "-n waiting");
    let objects = server.objects("waiting").await;
    let sent = object("api", &json!({}));
    objects.create(&PostParams::default(), &sent).await.unwrap();
    let condition = |type_: &str, status: &str| {
        json!({
            "type": type_, "status": status, "reason": "AlreadyExists", "message": "It exists — adopt it",
            "observedGeneration": 1, "lastTransitionTime": "2026-11-24T00:00:00Z",
        })
    };
    let of_kubectl = server.kubectl.command::<&str>(&[]);
    let of_kubectl = of_kubectl.as_std();
    let programs = std::path::Path::new(of_kubectl.get_program())
        .parent()
        .unwrap();
    let search = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    for (conditions, succeeds, told) in [
        (
            vec![condition("Ready", "False"), condition("Stalled", "True")],
            false,
            "It exists — adopt it\n",
        ),
        (vec![condition("Ready", "True")], true, "condition met"),
    ] {
        let mut shell = tokio::process::Command::new("bash");
        shell
            .args(["-c", &recipe])
            .env("PATH", &search)
            .kill_on_drop(true);
        for (name, value) in of_kubectl.get_envs() {
            shell.env(name, value.unwrap());
        }
        let patch = Patch::Merge(json!({"status": {"conditions": conditions}}));
        objects
            .patch_status("api", &PatchParams::default(), &patch)
            .await
            .unwrap();
        let ended = tokio::time::timeout(std::time::Duration::from_secs(45), shell.output());
        let output = ended.await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.success(), succeeds, "{said}");
        assert!(said.contains(told), "{said}");
    }
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
    // The age comes last.
    let line = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        if words.is_empty() {
            return String::new();
        }
        let but_age = &words[..words.len() - 1];
        [but_age, &["AGE"]].concat().join(" ")
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
        (
            "ecrrepo.status.conditions.message",
            "What happened, then what to do",
        ),
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
