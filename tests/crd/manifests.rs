//! What people copy from the documentation and from the samples is accepted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kube::api::PostParams;
use serde::Deserialize;
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

fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md")];
    for directory in ["docs", "deploy/samples"] {
        let entries = fs::read_dir(root.join(directory)).unwrap();
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    files.retain(|file| file.is_file());
    files
}

/// Every manifest of a file that is of one of our kinds.
fn manifests(file: &Path) -> Vec<Value> {
    let mut manifests = Vec::new();
    for text in yaml(file) {
        for document in serde_yaml::Deserializer::from_str(&text) {
            let manifest = Value::deserialize(document)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            // A page may leave the head out.
            let is_part = manifest["kind"].is_null() && manifest["spec"].is_object();
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
    for file in files() {
        for manifest in manifests(&file) {
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
