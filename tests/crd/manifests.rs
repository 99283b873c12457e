//! What people copy from the documentation and from the samples is accepted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kube::api::PostParams;
use serde_json::Value;

use crate::server::{Server, class, object, refusal};

/// The YAML of a file: all of it, or the blocks of a page.
fn yaml(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    if path.extension().is_some_and(|it| it == "yaml") {
        return vec![text];
    }
    let blocks = text.split("```yaml\n").skip(1);
    let block = |it: &str| it.split("```").next().unwrap_or_default().to_owned();
    blocks.map(block).collect()
}

/// Where people copy from.
const PLACES: [&str; 4] = ["README.md", "docs", "deploy/samples", "deploy/argocd"];

fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut left: Vec<PathBuf> = PLACES.iter().map(|it| root.join(it)).collect();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            // Not what is made of status: it holds no manifests.
            let entries = entries.map(|entry| entry.unwrap().path());
            left.extend(entries.filter(|it| !it.ends_with("resource_customizations")));
        } else if path
            .extension()
            .is_some_and(|it| it == "yaml" || it == "md")
        {
            files.push(path);
        }
    }
    files
}

/// Every manifest of a file that is of one of our kinds.
fn manifests(file: &Path) -> Vec<Value> {
    of_our_kinds(&yaml(file), file)
}

fn of_our_kinds(texts: &[String], file: &Path) -> Vec<Value> {
    let mut manifests = Vec::new();
    for text in texts {
        let documents = serde_yaml::from_multiple::<Value>(text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for manifest in documents {
            // A page may leave the head out.
            let is_part = manifest["kind"].is_null()
                && manifest["apiVersion"].is_null()
                && manifest["spec"].is_object();
            if manifest["apiVersion"] == "ecr-operator.dev/v1alpha1" || is_part {
                manifests.push(manifest);
            }
        }
    }
    manifests
}

pub(crate) async fn are_accepted(server: Arc<Server>) {
    let objects = server.objects("manifests").await;
    let classes = server.classes();
    let dry_run = PostParams {
        dry_run: true,
        field_manager: None,
    };
    let mut found = std::collections::BTreeMap::new();
    let mut sources: Vec<(PathBuf, Vec<Value>)> = files()
        .into_iter()
        .map(|file| (file.clone(), manifests(&file)))
        .collect();
    sources.extend(rendered(&server).await);
    for (file, manifests) in sources {
        for manifest in manifests {
            let kind = manifest["kind"].as_str().unwrap_or("ECRRepository");
            *found.entry(kind.to_owned()).or_insert(0) += 1;
            let name = manifest["metadata"]["name"].as_str().unwrap_or("part");
            let (kind, sent) = match kind {
                "ECRRepository" => (&objects, object(name, &manifest["spec"])),
                "ECRRepositoryClass" => (&classes, class(name, &manifest["spec"])),
                other => panic!("{}: no kind is called {other}", file.display()),
            };
            let stored = kind.create(&dry_run, &sent).await;
            let kept = stored
                .as_ref()
                .is_ok_and(|it| it.data["spec"] == sent.data["spec"]);
            assert!(kept, "{}: {name}: {:#?}", file.display(), refusal(stored));
        }
    }
    assert!(found["ECRRepository"] >= 2, "{found:?}");
    assert!(found["ECRRepositoryClass"] >= 2, "{found:?}");
}

/// What Kustomize makes of each directory of `deploy/samples/gitops`.
async fn rendered(server: &Server) -> Vec<(PathBuf, Vec<Value>)> {
    let mut rendered = Vec::new();
    for file in files() {
        if !file.ends_with("kustomization.yaml")
            || !file.to_str().unwrap().contains("deploy/samples/gitops/")
        {
            continue;
        }
        let directory = file.parent().unwrap();
        let text = server
            .kubectl
            .run(&["kustomize", directory.to_str().unwrap()])
            .await
            .unwrap();
        assert!(!text.is_empty(), "{} makes nothing", directory.display());
        rendered.push((directory.to_owned(), of_our_kinds(&[text], directory)));
    }
    assert!(rendered.len() >= 4, "deploy/samples/gitops lost its layout");
    rendered
}
