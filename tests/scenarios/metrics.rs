//! What a running operator shows on /metrics is what the page says and what dashboard and alerts ask for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use ecr_emulator::Fault;
use serde_json::{Value, json};

use crate::{
    queries::{Query, between},
    world::{KEY, SECRET, World, assert_says},
};

fn text(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// Type and labels.
type Shape = (String, BTreeSet<String>);

/// What a scrape shows, by the names of the page.
fn shapes(scrape: &str) -> BTreeMap<String, Shape> {
    let mut shapes = BTreeMap::new();
    let mut current = String::new();
    for line in scrape.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            let suffix = if kind == "counter" { "_total" } else { "" };
            current = format!("{name}{suffix}");
            shapes.insert(current.clone(), (kind.to_owned(), BTreeSet::new()));
        } else if !line.starts_with('#') {
            let labels = Query::read(line.rsplit_once(' ').unwrap().0).labels;
            let shape = shapes.get_mut(&current).unwrap();
            shape.1.extend(labels.into_iter().filter(|it| it != "le"));
        }
    }
    shapes
}

/// What the page says: rows of name, type, labels and meaning.
fn page() -> BTreeMap<String, Shape> {
    let page = text("docs/metrics.md");
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<_> = line.strip_prefix("| `")?.split('|').collect();
        let [name, kind, labels, meaning, ..] = cells[..] else {
            return None;
        };
        let known = ["counter", "gauge", "histogram"].contains(&kind.trim());
        if !known {
            return None;
        }
        assert!(!meaning.trim().is_empty(), "{line}");
        let labels = labels.split('`').skip(1).step_by(2);
        let labels = labels.map(ToOwned::to_owned).collect();
        Some((
            name.trim().trim_end_matches('`').to_owned(),
            (kind.trim().to_owned(), labels),
        ))
    });
    rows.collect()
}

/// The names that may be asked for, with their labels.
fn samples(scrape: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut samples: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in scrape.lines().filter(|line| !line.starts_with('#')) {
        let query = Query::read(line.rsplit_once(' ').unwrap().0);
        let name = query.metrics.first().unwrap().clone();
        samples.entry(name).or_default().extend(query.labels);
    }
    samples
}

/// Labels that Prometheus adds to whatever it scrapes from a pod.
const OF_THE_TARGET: [&str; 4] = ["instance", "job", "namespace", "pod"];

/// Every query asks only for what is shown; `told` are labels that its result is described by.
#[track_caller]
fn holds(at: &str, expr: &str, told: &[&str], samples: &BTreeMap<String, BTreeSet<String>>) {
    let query = Query::read(expr);
    assert!(!query.metrics.is_empty(), "{at}: {expr}");
    let mut labels: BTreeSet<_> = OF_THE_TARGET.map(ToOwned::to_owned).into();
    for metric in &query.metrics {
        let Some(of_metric) = samples.get(metric) else {
            panic!("{at}: there is no {metric}")
        };
        labels.extend(of_metric.iter().cloned());
    }
    let unknown: Vec<_> = query.labels.difference(&labels).collect();
    assert!(unknown.is_empty(), "{at}: no label {unknown:?} in {expr}");
    let result = query.grouped.unwrap_or(labels);
    for label in told {
        assert!(result.contains(*label), "{at}: {expr} has no {label}");
    }
}

fn dashboard_holds(samples: &BTreeMap<String, BTreeSet<String>>) {
    let dashboard: Value = serde_json::from_str(&text("deploy/monitoring/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut asked = BTreeSet::new();
    for panel in panels {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let (title, expr) = (panel["title"].as_str().unwrap(), target["expr"].as_str());
            let legend = target["legendFormat"].as_str().unwrap();
            holds(title, expr.unwrap(), &between(legend, "{{", "}}"), samples);
            asked.extend(Query::read(expr.unwrap()).metrics);
        }
    }
    let ids: BTreeSet<_> = panels.iter().map(|it| it["id"].to_string()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if let Some((expr, label)) = variable["definition"].as_str().and_then(|it| {
            let inside = it.strip_prefix("label_values(")?.strip_suffix(')')?;
            inside.split_once(", ")
        }) {
            holds("variables", expr, &[label], samples);
        }
    }
    let own = |it: &&String| it.starts_with("ecr_operator_");
    let families = |name: &str| name.trim_end_matches("_bucket").to_owned();
    let asked: BTreeSet<_> = asked.iter().filter(own).map(|it| families(it)).collect();
    let unasked: Vec<_> = page().into_keys().collect();
    let unasked = unasked.iter().filter(own).filter(|it| !asked.contains(*it));
    let unasked: Vec<_> = unasked.collect();
    assert_eq!(unasked, ["ecr_operator_snapshot_repositories"], "no panel");
}

fn rules_hold(samples: &BTreeMap<String, BTreeSet<String>>) {
    let rule: Value =
        serde_yaml::from_str(&text("deploy/monitoring/prometheus-rule.yaml")).unwrap();
    for group in rule["spec"]["groups"].as_array().unwrap() {
        for alert in group["rules"].as_array().unwrap() {
            let name = alert["alert"].as_str().unwrap();
            let told = alert["annotations"].to_string();
            let told = between(&told, "$labels.", " ");
            holds(name, alert["expr"].as_str().unwrap(), &told, samples);
        }
    }
}

/// The value of one sample.
#[track_caller]
fn value(scrape: &str, sample: &str) -> f64 {
    let mut lines = scrape.lines();
    let found = lines.find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    let found = found.unwrap_or_else(|| panic!("no {sample} in\n{scrape}"));
    found.parse().unwrap()
}

/// A world in which everything that is counted has happened once.
async fn eventful() -> World {
    let mut world = World::new("metrics").await;
    world
        .emulator
        .inject(Fault::on("CreateRepository").throttle());
    world
        .apply("api", json!({"imageTagMutability": "IMMUTABLE"}))
        .await;
    world.ready("api").await;
    let name = world.in_ecr("api");
    world.outside(
        "PutImageTagMutability",
        json!({"repositoryName": name, "imageTagMutability": "MUTABLE"}),
    );
    world.event("api", "DriftRepaired").await;
    let going = world
        .apply("going", json!({"deletionPolicy": "Delete"}))
        .await;
    world.ready("going").await;
    world.lose(&name);
    world.event("api", "RepositoryLost").await;
    world.ready("api").await;
    world.make_outside(&world.in_ecr("contested"), &[]);
    world.apply("contested", json!({})).await;
    world.stalled("contested", "AlreadyExists").await;
    world.delete("going").await;
    world.gone(&going).await;
    world
}

const SYNCED: &str =
    r#"ecr_operator_resources{kind="ECRRepository",ready="True",reason="Synced",stalled="false"}"#;

/// What is shown once the watch has told that `going` is gone, as the API server says before it.
async fn shown(world: &World) -> String {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let gone = async {
        loop {
            let scrape = world.operator().scrape().await.unwrap();
            if value(&scrape, SYNCED) < 2.0 {
                return scrape;
            }
            ticks.tick().await;
        }
    };
    world.patiently("the watch to tell of the end", gone).await
}

#[tokio::test]
async fn what_is_shown_is_what_the_page_dashboard_and_alerts_say() {
    let world = eventful().await;
    let scrape = shown(&world).await;
    assert_eq!(shapes(&scrape), page());
    let samples = samples(&scrape);
    dashboard_holds(&samples);
    rules_hold(&samples);

    let leader = format!(
        r#"leader_election_master_status{{name="ecr-operator-{}"}}"#,
        world.namespace
    );
    for (sample, count) in [
        (
            r#"ecr_operator_drift_repaired_total{aspect="imageTagMutability"}"#,
            1.0,
        ),
        (r#"ecr_operator_drift_repaired_total{aspect="tags"}"#, 0.0),
        (r#"ecr_operator_losses_total{reason="RepositoryLost"}"#, 1.0),
        (
            r#"ecr_operator_conflicts_total{reason="AlreadyExists"}"#,
            1.0,
        ),
        (
            r#"ecr_operator_conflicts_total{reason="NameConflict"}"#,
            0.0,
        ),
        (
            r#"ecr_operator_repositories_deleted_total{images="none"}"#,
            1.0,
        ),
        (
            r#"ecr_operator_repositories_deleted_total{images="any"}"#,
            0.0,
        ),
        (
            r#"ecr_operator_aws_throttles_total{operation="CreateRepository"}"#,
            1.0,
        ),
        (
            r#"ecr_operator_aws_calls_total{operation="CreateRepository",code="ThrottlingException"}"#,
            1.0,
        ),
        (SYNCED, 1.0),
        (
            r#"ecr_operator_resources{kind="ECRRepository",ready="False",reason="AlreadyExists",stalled="true"}"#,
            1.0,
        ),
        (leader.as_str(), 1.0),
    ] {
        let found = value(&scrape, sample);
        assert!((found - count).abs() < f64::EPSILON, "{sample} is {found}");
    }
    // Calls are counted as they are made, by whoever answers them.
    let creations = f64::from(u32::try_from(world.count("CreateRepository")).unwrap());
    let counted: f64 = scrape
        .lines()
        .filter(|it| it.starts_with(r#"ecr_operator_aws_calls_total{operation="CreateRepository""#))
        .map(|it| it.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
        .sum();
    assert!((counted - creations).abs() < f64::EPSILON, "{counted}");
    // The lease is called by the one namespace that is watched.
    let others = scrape.replace(&leader, "");
    for secret in [world.namespace.as_str(), "contested", SECRET, KEY] {
        assert!(!others.contains(secret), "{secret} in\n{others}");
    }
    world.finish().await;
}

#[tokio::test]
async fn the_answer_is_open_metrics_and_says_so() {
    let world = World::new("scrape").await;
    let (head, body) = world.operator().ask("/metrics").await.unwrap();
    assert_says(
        &head.to_lowercase(),
        "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8",
    );
    assert!(body.ends_with("# EOF\n"), "{body}");
    let (head, body) = world.operator().ask("/livez").await.unwrap();
    assert_says(&head, " 200 ");
    assert_eq!(body, "ok\n");
    world.finish().await;
}
