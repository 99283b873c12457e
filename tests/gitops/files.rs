//! `deploy/argocd` holds every state, and the health scripts in the forms that Argo CD is configured by.
//!
//! After a change: `UPDATE=1 cargo test --test gitops`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use ecr_operator::{cli::yaml, domain::reason::Reason};
use serde_json::{Value, json};

use crate::{class_states, reasons, repository_states, state::State};

const KINDS: [&str; 2] = ["ECRRepository", "ECRRepositoryClass"];

fn argocd() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/argocd")
}

/// Where Argo CD's own sources would have a kind.
fn customization(kind: &str) -> PathBuf {
    argocd()
        .join("resource_customizations/ecr-operator.dev")
        .join(kind)
}

fn script(kind: &str) -> String {
    fs::read_to_string(customization(kind).join("health.lua")).unwrap()
}

fn states(kind: &str) -> Vec<State> {
    match kind {
        "ECRRepository" => repository_states::all(),
        _ => class_states::all(),
    }
}

/// Compares a file with what it is to be; with `UPDATE` set, writes it.
fn fresh(path: &Path, text: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, text).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap_or_default() == text,
        "{} is stale: run `UPDATE=1 cargo test --test gitops` and commit it",
        path.display()
    );
}

#[test]
fn every_state_has_its_file() {
    for kind in KINDS {
        let states = states(kind);
        let testdata = customization(kind).join("testdata");
        for state in &states {
            let text = yaml::text(&state.object).unwrap();
            fresh(&testdata.join(format!("{}.yaml", state.name)), &text);
        }
        let names: BTreeSet<String> = states.iter().map(|it| it.name.clone() + ".yaml").collect();
        assert_eq!(names.len(), states.len(), "two states have one name");
        let files = fs::read_dir(testdata).unwrap();
        let files: BTreeSet<String> = files
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(files, names, "remove the files of states that are no more");
    }
}

/// In the form of Argo CD's own tests.
#[test]
fn every_state_has_its_health() {
    for kind in KINDS {
        let tests: Vec<Value> = states(kind)
            .iter()
            .map(|state| {
                json!({
                    "healthStatus": {"status": format!("{:?}", state.health), "message": state.message},
                    "inputPath": format!("testdata/{}.yaml", state.name),
                })
            })
            .collect();
        let text = yaml::text(&json!({"tests": tests})).unwrap();
        fresh(&customization(kind).join("health_test.yaml"), &text);
    }
}

/// Whatever may stand beside a reason has a state.
#[test]
fn every_reason_has_a_state() {
    let mut shown: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for state in KINDS.into_iter().flat_map(states) {
        let conditions = state.object["status"]["conditions"].as_array();
        for condition in conditions.into_iter().flatten() {
            let [reason, type_] = ["reason", "type"].map(|it| condition[it].as_str().unwrap());
            shown
                .entry(reason.to_owned())
                .or_default()
                .insert(type_.to_owned());
        }
    }
    for &reason in Reason::ALL {
        // A loss is told by an Event alone.
        let expected = reason != Reason::RepositoryLost;
        assert_eq!(shown.contains_key(reason.as_str()), expected, "{reason}");
        for sign in reasons::of_repository(reason) {
            let type_ = match sign {
                reasons::Shown::Stalled => "Stalled",
                reasons::Shown::Reconciling => "Reconciling",
                reasons::Shown::Otherwise => continue,
            };
            assert!(shown[reason.as_str()].contains(type_), "{reason} {type_}");
        }
    }
}

/// A text with each line indented.
fn indented(text: &str, indent: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let line = format!("{indent}{line}");
        writeln!(out, "{}", line.trim_end()).unwrap();
    }
    out
}

/// What people may have Argo CD do with an object, in the order of its menu.
const ACTIONS: [&str; 3] = ["reconcile", "suspend", "resume"];

/// The value that configures them.
fn actions() -> String {
    let of = |file: &str| {
        let path = customization("ECRRepository").join("actions").join(file);
        fs::read_to_string(path).unwrap()
    };
    let discovery = indented(&of("discovery.lua"), "  ");
    let mut text = format!("discovery.lua: |\n{discovery}definitions:\n");
    for name in ACTIONS {
        let script = indented(&of(&format!("{name}/action.lua")), "    ");
        write!(text, "- name: {name}\n  action.lua: |\n{script}").unwrap();
    }
    text
}

/// The scripts as keys of argocd-cm, each line indented.
fn keys(indent: &str) -> String {
    let key = |of: &str, kind: &str, text: &str| {
        let text = indented(text, &format!("{indent}  "));
        format!("{indent}resource.customizations.{of}.ecr-operator.dev_{kind}: |\n{text}")
    };
    let health = KINDS.map(|kind| key("health", kind, &script(kind)));
    health.concat() + &key("actions", KINDS[0], &actions())
}

#[test]
fn the_scripts_are_the_same_in_every_form() {
    assert_eq!(
        script(KINDS[0]),
        script(KINDS[1]),
        "both kinds follow the same rules"
    );
    let made = "# Made of resource_customizations by tests/gitops: change it there.\n";
    let head = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-cm\n  \
                labels:\n    app.kubernetes.io/name: argocd-cm\n    app.kubernetes.io/part-of: argocd\ndata:\n";
    fresh(
        &argocd().join("argocd-cm.yaml"),
        &format!("{made}{head}{}", keys("  ")),
    );
    fresh(
        &argocd().join("helm-values.yaml"),
        &format!(
            "# For the Helm chart argo-cd.\n{made}configs:\n  cm:\n{}",
            keys("    ")
        ),
    );
}
