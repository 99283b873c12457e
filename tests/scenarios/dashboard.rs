//! What the dashboard answers: its queries, asked of a running operator by Prometheus' own engine, and the picture of
//! its first screen, which is drawn from the answers.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ecr_emulator::Fault;
use serde_json::{Value, json};

use crate::{
    picture::{self, Sample},
    samples::keep_last,
    world::{ACCOUNT, REGION, estate::Estate},
};

const DASHBOARD: &str = "deploy/monitoring/dashboard.json";
const PICTURE: &str = "docs/dashboard.svg";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What asks Prometheus' engine.
fn program() -> PathBuf {
    if let Some(set) = std::env::var_os("PANELS") {
        return set.into();
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let built = target.join("tools/panels");
    let path = built.display();
    assert!(built.exists(), "there is no {path}: make promtool");
    built
}

fn asked(request: &Value) -> Vec<Value> {
    let mut panels = Command::new(program())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = panels.stdin.take().unwrap();
    input.write_all(request.to_string().as_bytes()).unwrap();
    drop(input);
    let output = panels.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The query of a panel for all namespaces and classes.
fn query(target: &Value) -> String {
    let mut expr = target["expr"].as_str().unwrap().to_owned();
    for (variable, value) in [
        ("$namespace", ".*"),
        ("$team", ".*"),
        ("$class", ".*"),
        ("$__rate_interval", "5m"),
    ] {
        expr = expr.replace(variable, value);
    }
    expr
}

/// Three teams, two classes that work and one that does not, and everything that people want to be told of.
async fn fleet() -> Estate {
    let mut estate = Estate::new("dashboard").await;
    estate.stop_operator().await;
    estate.start_operator_with("--per-object-metrics=50").await;
    let open = json!({"allowedNamespaces": {}});
    estate.default_class("dev", open.clone()).await;
    estate.class("prod", open).await;
    let elsewhere = json!({"accountId": "444455556666", "region": REGION});
    let elsewhere = json!({"allowedNamespaces": {}, "registry": elsewhere});
    estate.class("archive", elsewhere).await;
    for team in ["checkout", "payments", "search"] {
        estate.namespace(team, json!({})).await;
    }
    let prod = |spec: Value| {
        let mut spec = spec;
        spec["className"] = json!("prod");
        spec
    };
    for (team, names) in [
        ("checkout", ["cart", "web", "worker"]),
        ("payments", ["api", "ledger", "refunds"]),
        ("search", ["crawler", "indexer", "query"]),
    ] {
        for name in names {
            let spec = json!({"imageTagMutability": "IMMUTABLE"});
            estate.apply(team, name, prod(spec)).await;
            estate.ready(team, name).await;
        }
    }
    happens(&estate, prod).await;
    estate
}

async fn happens(estate: &Estate, prod: impl Fn(Value) -> Value) {
    let outside = |operation: &str, input: Value| {
        estate
            .emulator
            .call(ACCOUNT, REGION, operation, input)
            .unwrap()
    };
    // Somebody deletes one, and changes others.
    let lost = json!({"repositoryName": "payments/ledger", "force": true});
    outside("DeleteRepository", lost);
    for repository in ["checkout/web", "checkout/worker"] {
        let input = json!({"repositoryName": repository, "imageTagMutability": "MUTABLE"});
        outside("PutImageTagMutability", input);
    }
    outside(
        "CreateRepository",
        json!({"repositoryName": "search/legacy"}),
    );
    let denied = Fault::on("PutLifecyclePolicy").repository("checkout/jobs");
    estate.emulator.inject(denied.forever().deny());

    let jobs = json!({"lifecyclePolicy": keep_last(10)});
    for (team, name, spec) in [
        ("checkout", "jobs", prod(jobs)),
        ("search", "legacy", prod(json!({}))),
        ("search", "typo", json!({"className": "prd"})),
        ("payments", "statements", json!({"className": "archive"})),
        ("payments", "refunds", prod(json!({"suspend": true}))),
        (
            "search",
            "crawler",
            prod(json!({"managementPolicy": "Observe"})),
        ),
    ] {
        estate.apply(team, name, spec).await;
    }
    estate.stalled("search", "legacy", "AlreadyExists").await;
    estate.stalled("search", "typo", "ClassNotFound").await;
}

/// The answers once all that happened is shown.
async fn answers(estate: &Estate, queries: &[String]) -> Vec<Vec<Sample>> {
    let complete = [
        "losses_total{reason=\"RepositoryLost\",exported_namespace=\"payments\"",
        "drift_repaired_total{aspect=\"imageTagMutability\",exported_namespace=\"checkout\"",
        "aws_denials_total{operation=\"PutLifecyclePolicy\"",
        "not_enforced{mode=\"suspend\"",
        "not_enforced{mode=\"observe\"",
        "unready{kind=\"ECRRepositoryClass\",reason=\"WrongAccount\"",
        "unready{kind=\"ECRRepository\",reason=\"AccessDenied\"",
        "unready{kind=\"ECRRepository\",reason=\"WrongAccount\"",
    ];
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    let mut scrape = String::new();
    let waiting = async {
        loop {
            scrape = estate.operator().scrape().await.unwrap();
            let lacks = |it: &&&str| !scrape.contains(&format!("ecr_operator_{it}"));
            if complete.iter().find(lacks).is_none() {
                return;
            }
            ticks.tick().await;
        }
    };
    let is_in_time = tokio::time::timeout(crate::world::PATIENCE, waiting).await;
    assert!(is_in_time.is_ok(), "{scrape}");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let request = json!({
        "scrapes": [{"at": now.as_secs(), "text": scrape}],
        "labels": {
            "namespace": "ecr-operator-system", "pod": "ecr-operator-0", "job": "ecr-operator",
            "instance": "10.0.0.10:8080",
        },
        "queries": queries,
    });
    let answers = asked(&request).into_iter().zip(queries);
    let read = |(answer, query): (Value, &String)| {
        assert_eq!(answer["error"], Value::Null, "{query}: {}", answer["error"]);
        serde_json::from_value(answer["samples"].clone()).unwrap()
    };
    answers.map(read).collect()
}

#[tokio::test]
async fn the_first_screen_answers_who_needs_a_person_what_drifted_and_what_was_lost() {
    let estate = fleet().await;
    let text = fs::read_to_string(root().join(DASHBOARD)).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut queries = Vec::new();
    for panel in panels {
        let targets = panel["targets"].as_array().into_iter().flatten();
        queries.extend(targets.map(query));
    }
    let mut answers = answers(&estate, &queries).await.into_iter();
    let mut first = Vec::new();
    for panel in panels {
        let count = panel["targets"].as_array().map_or(0, Vec::len);
        let told: Vec<_> = answers.by_ref().take(count).collect();
        if picture::is_on_first_screen(panel)
            && let Some(told) = told.into_iter().next()
        {
            first.push((panel, told));
        }
    }
    let told = |title: &str| {
        let found = first.iter().find(|(panel, _)| panel["title"] == title);
        &found.unwrap_or_else(|| panic!("no panel {title}")).1
    };
    for (title, count) in [
        ("Lost in a day", 1.0),
        ("Drift repaired in a day", 2.0),
        ("Classes not ready", 1.0),
        ("Suspended", 1.0),
        ("Observed", 1.0),
        ("Objects", 13.0),
    ] {
        let [one] = told(title).as_slice() else {
            panic!("{title}")
        };
        assert!((one.value - count).abs() < f64::EPSILON, "{title}: {one:?}");
    }
    for (title, row) in [
        (
            "Who needs a person",
            [
                ("exported_namespace", "search"),
                ("reason", "ClassNotFound"),
            ],
        ),
        (
            "Who needs a person",
            [
                ("exported_namespace", "search"),
                ("reason", "AlreadyExists"),
            ],
        ),
        (
            "Not ready for longest",
            [("class", "prod"), ("reason", "AccessDenied")],
        ),
        (
            "What was lost in a day",
            [("exported_namespace", "payments"), ("class", "prod")],
        ),
        (
            "What drifted in a day",
            [
                ("exported_namespace", "checkout"),
                ("aspect", "imageTagMutability"),
            ],
        ),
        (
            "Which class is broken",
            [("class", "archive"), ("reason", "WrongAccount")],
        ),
        (
            "What AWS denied in a day",
            [("class", "prod"), ("operation", "PutLifecyclePolicy")],
        ),
        (
            "Suspended and observed",
            [("exported_namespace", "payments"), ("mode", "suspend")],
        ),
    ] {
        let has = |it: &Sample| row.iter().all(|(label, value)| it.label(label) == *value);
        assert!(
            told(title).iter().any(has),
            "{title}: no {row:?} in {:?}",
            told(title)
        );
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(root().join(PICTURE), picture::drawn(&dashboard, &first)).unwrap();
    }
    estate.finish().await;
}
