//! What is given to Prometheus, Grafana and kube-state-metrics. What they ask of a running operator is
//! tested with one, in `tests/scenarios/metrics.rs`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The alerts, and those that name the object.
const RULES: [(&str, &str); 2] = [
    ("deploy/monitoring/prometheus-rule.yaml", "rules.yaml"),
    (
        "deploy/monitoring/prometheus-rule-objects.yaml",
        "objects.yaml",
    ),
];
/// What a link from outside of the cluster begins with; whoever publishes the project fills it in.
const RUNBOOKS: &str = "https://github.com/OWNER/ecr-operator/blob/main/docs/runbooks/";
const TESTS: &str = "tests/promtool/alerts.yaml";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

fn yaml(file: &str) -> Value {
    serde_yaml::from_str(&text(file)).unwrap()
}

fn alerts() -> Vec<Value> {
    let mut rules = Vec::new();
    for (file, _) in RULES {
        for group in yaml(file)["spec"]["groups"].as_array().unwrap() {
            rules.extend(group["rules"].as_array().unwrap().iter().cloned());
        }
    }
    rules
}

fn promtool() -> PathBuf {
    if let Some(set) = std::env::var_os("PROMTOOL") {
        return set.into();
    }
    // Cargo's own directory for this test lies beside it.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let built = target.join("tools/promtool");
    assert!(
        built.exists(),
        "there is no {}: make promtool",
        built.display()
    );
    built
}

/// Runs promtool on the rules, beside the tests in a directory of this test's own.
fn check(name: &str, args: &[&str]) -> (bool, String) {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("promtool")
        .join(name);
    fs::create_dir_all(&dir).unwrap();
    for (file, name) in RULES {
        fs::write(dir.join(name), yaml(file)["spec"].to_string()).unwrap();
    }
    fs::write(dir.join("alerts.yaml"), text(TESTS)).unwrap();
    let output = Command::new(promtool())
        .args(args)
        .current_dir(&dir)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.success(), said)
}

#[test]
fn prometheus_takes_the_rules_and_alerts_fire_as_they_should() {
    for args in [
        ["check", "rules", "rules.yaml"],
        ["check", "rules", "objects.yaml"],
        ["test", "rules", "alerts.yaml"],
    ] {
        let (succeeds, said) = check("as-it-is", &args);
        assert!(succeeds, "{args:?}: {said}");
    }
}

/// What the tests expect at some moment: all that fire then.
#[test]
fn each_alert_is_seen_firing_and_seen_silent_before() {
    let tests = yaml(TESTS);
    for alert in alerts() {
        let name = format!("alertname=\"{}\"", alert["alert"].as_str().unwrap());
        let fires = |moment: &Value| {
            moment["exp_samples"]
                .to_string()
                .replace('\\', "")
                .contains(&name)
        };
        let seen = tests["tests"].as_array().unwrap().iter().any(|test| {
            let moments = test["promql_expr_test"].as_array();
            let moments: Vec<_> = moments.into_iter().flatten().map(fires).collect();
            // Silent first, and then not: or its `for` could be left out unnoticed.
            moments.windows(2).any(|it| it == [false, true])
        });
        assert!(seen, "no test of {TESTS} sees {name} begin");
    }
}

#[test]
fn each_alert_has_a_page_and_each_page_an_alert() {
    let mut pages = BTreeSet::new();
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(
            ["critical", "warning", "info"].contains(&severity),
            "{name}"
        );
        for annotation in ["summary", "description"] {
            let said = alert["annotations"][annotation]
                .as_str()
                .unwrap_or_default();
            assert!(!said.is_empty(), "{name} has no {annotation}");
        }
        let url = alert["annotations"]["runbook_url"].as_str().unwrap();
        let page = url
            .strip_prefix(RUNBOOKS)
            .unwrap_or_else(|| panic!("{url}"));
        // What names the object is of the same page as what does not.
        let about = page.strip_suffix(".md").unwrap();
        let is_of = [name.to_owned(), name.replace("Object", "")].contains(&about.to_owned());
        assert!(
            is_of || name == "EcrRepositoryObjectsLeftOut",
            "{name}: {page}"
        );
        let text = text(&format!("docs/runbooks/{page}"));
        for part in [
            &format!("# {about}\n"),
            "## What it means for users",
            "## What to do",
        ] {
            assert!(text.contains(part), "{page} has no {part}");
        }
        pages.insert(page.to_owned());
    }
    let there = fs::read_dir(root().join("docs/runbooks")).unwrap();
    let there: BTreeSet<_> = there
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(there, pages);
}

/// The picture of the first screen is of this dashboard: `tests/scenarios/dashboard.rs` draws it.
#[test]
fn the_picture_is_of_the_dashboard_as_it_is() {
    let dashboard: Value = serde_json::from_str(&text("deploy/monitoring/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let first = panels.filter(|it| it["gridPos"]["y"].as_f64() < Some(24.0) && it["type"] != "row");
    let first = serde_json::to_string(&first.collect::<Vec<_>>()).unwrap();
    let digest = Sha256::digest(first);
    let digest = digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    assert!(
        text("docs/dashboard.svg").contains(&digest),
        "docs/dashboard.svg is of another dashboard: \
         make promtool && UPDATE=1 cargo test --test scenarios dashboard::"
    );
}

/// The schema of a kind.
fn schema(kind: &str) -> Value {
    let crds = fs::read_dir(root().join("crds")).unwrap();
    let mut crds = crds.map(|entry| {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        serde_yaml::from_str::<Value>(&text).unwrap()
    });
    let crd = crds
        .find(|crd| crd["spec"]["names"]["kind"] == kind)
        .unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// What a path of kube-state-metrics leads to.
fn at(schema: &Value, path: &Value) -> Value {
    let mut schema = schema.clone();
    for step in path.as_array().unwrap() {
        let step = step.as_str().unwrap();
        schema = match step.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            Some(choice) => {
                let (key, _) = choice.split_once('=').unwrap();
                let items = schema["items"].clone();
                assert!(!items["properties"][key].is_null(), "{path}: no {key}");
                items
            }
            None => schema["properties"][step].clone(),
        };
        assert!(!schema.is_null(), "{path}: there is no {step}");
    }
    schema
}

#[test]
fn kube_state_metrics_is_sent_to_fields_that_exist() {
    let config = yaml("deploy/monitoring/kube-state-metrics.yaml");
    let page = text("docs/metrics.md");
    let mut kinds = Vec::new();
    for resource in config["spec"]["resources"].as_array().unwrap() {
        let kind = resource["groupVersionKind"]["kind"].as_str().unwrap();
        let mut schema = schema(kind);
        schema["properties"]["metadata"] = serde_json::json!({
            "properties": {"name": {"type": "string"}, "namespace": {"type": "string"}},
        });
        kinds.push(kind.to_owned());
        let common = resource["labelsFromPath"].as_object().unwrap();
        for path in common.values() {
            at(&schema, path);
        }
        for metric in resource["metrics"].as_array().unwrap() {
            let name = format!(
                "{}_{}",
                resource["metricNamePrefix"].as_str().unwrap(),
                metric["name"].as_str().unwrap()
            );
            let row = page
                .lines()
                .find(|line| line.starts_with(&format!("| `{name}` |")));
            let row = row.unwrap_or_else(|| panic!("docs/metrics.md: no {name}"));
            let each = &metric["each"];
            let of_type = &each[each["type"].as_str().unwrap().to_lowercase()];
            let mut base = schema.clone();
            if !of_type["path"].is_null() {
                base = at(&schema, &of_type["path"]);
                if base["type"] == "array" {
                    base = base["items"].clone();
                }
            }
            if !of_type["valueFrom"].is_null() {
                at(&base, &of_type["valueFrom"]);
            }
            let own = of_type["labelsFromPath"].as_object();
            for (label, path) in own.into_iter().flatten() {
                at(&base, path);
                assert!(row.contains(&format!("`{label}`")), "{name}: {label}");
            }
            for label in common.keys() {
                assert!(row.contains(&format!("`{label}`")), "{name}: {label}");
            }
        }
    }
    assert_eq!(kinds, ["ECRRepository", "ECRRepositoryClass"]);
}
