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
    world::{ACCOUNT, KEY, REGION, SECRET, World, assert_says},
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
    let told_elsewhere = [
        "ecr_operator_repository_deletion_seconds",
        "ecr_operator_repository_lost_timestamp_seconds",
        "ecr_operator_snapshot_repositories",
    ];
    assert_eq!(unasked, told_elsewhere, "no panel");
}

fn rules_hold(samples: &BTreeMap<String, BTreeSet<String>>) {
    for file in ["prometheus-rule.yaml", "prometheus-rule-objects.yaml"] {
        let text = text(&format!("deploy/monitoring/{file}"));
        let rule: Value = serde_yaml::from_str(&text).unwrap();
        alerts_hold(&rule, samples);
    }
}

fn alerts_hold(rule: &Value, samples: &BTreeMap<String, BTreeSet<String>>) {
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
    let mut world = World::without_operator("metrics").await;
    world.flag("--per-object-metrics");
    world.start_operator().await;
    world
        .emulator
        .inject(Fault::on("CreateRepository").throttle());
    world
        .emulator
        .inject(Fault::on("PutImageTagMutability").deny());
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
    world.apply("paused", json!({"suspend": true})).await;
    // It waits for its images to go.
    let waits = json!({"deletionPolicy": "Delete"});
    world.apply("waits", waits).await;
    world.ready("waits").await;
    world.push(&world.in_ecr("waits"), "v1");
    world.delete("waits").await;
    world.stalled("waits", "RepositoryNotEmpty").await;
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

/// What happened is counted once each, where it happened.
fn counts_hold(world: &World, scrape: &str) {
    let place = format!(
        r#"exported_namespace="{}",class="local",account="{ACCOUNT}",region="{REGION}""#,
        world.namespace
    );
    let leader = format!(
        r#"leader_election_master_status{{name="ecr-operator-{}"}}"#,
        world.namespace
    );
    let nowhere = r#"exported_namespace="",class="",account="",region="""#;
    // An operator of one namespace does not say where classes lead.
    let unbound = format!(
        r#"exported_namespace="{}",class="local",account="",region="""#,
        world.namespace
    );
    let of_class = format!(r#"class="local",account="{ACCOUNT}",region="{REGION}""#);
    let sample =
        |name: &str, label: &str, place: &str| format!("ecr_operator_{name}{{{label},{place}}}");
    let reason = |name: &str, reason: &str, place: &str| {
        sample(name, &format!(r#"reason="{reason}""#), place)
    };
    for (sample, count) in [
        (
            sample("drift_repaired_total", r#"aspect="imageTagMutability""#, &place),
            1.0,
        ),
        (
            sample("drift_repaired_total", r#"aspect="tags""#, nowhere),
            0.0,
        ),
        (reason("losses_total", "RepositoryLost", &place), 1.0),
        (reason("conflicts_total", "AlreadyExists", &place), 1.0),
        (reason("conflicts_total", "NameConflict", nowhere), 0.0),
        (
            sample("repositories_deleted_total", r#"images="none""#, &place),
            1.0,
        ),
        (
            sample("repositories_deleted_total", r#"images="any""#, nowhere),
            0.0,
        ),
        (
            sample(
                "aws_denials_total",
                r#"operation="PutImageTagMutability",code="AccessDeniedException""#,
                &of_class,
            ),
            1.0,
        ),
        (
            r#"ecr_operator_aws_throttles_total{operation="CreateRepository"}"#.to_owned(),
            1.0,
        ),
        (
            r#"ecr_operator_aws_calls_total{operation="CreateRepository",code="ThrottlingException"}"#
                .to_owned(),
            1.0,
        ),
        (SYNCED.to_owned(), 1.0),
        (
            r#"ecr_operator_resources{kind="ECRRepository",ready="False",reason="AlreadyExists",stalled="true"}"#
                .to_owned(),
            1.0,
        ),
        (
            sample(
                "unready",
                r#"kind="ECRRepository",reason="AlreadyExists",stalled="true""#,
                &place,
            ),
            1.0,
        ),
        (
            sample("not_enforced", r#"mode="suspend""#, &unbound),
            1.0,
        ),
        (
            format!("ecr_operator_repositories{{{unbound}}}"),
            4.0,
        ),
        ("ecr_operator_repositories_left_out".to_owned(), 0.0),
        (leader.clone(), 1.0),
    ] {
        let found = value(scrape, &sample);
        assert!((found - count).abs() < f64::EPSILON, "{sample} is {found}");
    }
}

#[tokio::test]
async fn what_is_shown_is_what_the_page_dashboard_and_alerts_say() {
    let world = Box::pin(eventful()).await;
    let scrape = shown(&world).await;
    assert_eq!(shapes(&scrape), page());
    let samples = samples(&scrape);
    dashboard_holds(&samples);
    rules_hold(&samples);

    counts_hold(&world, &scrape);
    // Calls are counted as they are made, by whoever answers them.
    let creations = f64::from(u32::try_from(world.count("CreateRepository")).unwrap());
    let counted: f64 = scrape
        .lines()
        .filter(|it| it.starts_with(r#"ecr_operator_aws_calls_total{operation="CreateRepository""#))
        .map(|it| it.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
        .sum();
    assert!((counted - creations).abs() < f64::EPSILON, "{counted}");
    // Objects are named only where somebody asks for it, by the metrics that he asked for.
    let lines = scrape.lines();
    let others = lines.filter(|it| !it.starts_with("ecr_operator_repository_"));
    let others = others.collect::<Vec<_>>().join("\n");
    for secret in ["contested", SECRET, KEY] {
        assert!(!others.contains(secret), "{secret} in\n{others}");
    }
    assert_says(&scrape, r#"ecr_operator_repository_info{name="contested","#);
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
