//! Metrics, read as Prometheus reads them.
#![allow(
    clippy::float_cmp,
    reason = "counts are whole numbers, which floats hold exactly"
)]

use std::{thread, time::Duration};

use super::{Kind, Metrics, OK, Outcome, Place, Shown, Sight};

/// The value of the one sample that begins so.
#[track_caller]
fn value(metrics: &Metrics, sample: &str) -> f64 {
    let text = metrics.text();
    let found: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))
        .collect();
    let [number] = found.as_slice() else {
        panic!("{found:?} for {sample} in\n{text}")
    };
    number.parse().unwrap()
}

const QUEUE: &str = r#"{name="it",controller="it"}"#;

#[track_caller]
fn queue(metrics: &Metrics, name: &str) -> f64 {
    value(metrics, &format!("workqueue_{name}{QUEUE}"))
}

#[test]
fn an_object_waits_once_however_often_it_is_asked_for() {
    let metrics = Metrics::of("ecr-operator");
    let work = metrics.work("it", 4);
    assert_eq!(queue(&metrics, "depth"), 0.0);
    for key in [1, 1, 2] {
        work.wanted(key);
    }
    assert_eq!(queue(&metrics, "depth"), 2.0);
    assert_eq!(queue(&metrics, "adds_total"), 2.0);
    let pass = work.begins(1);
    assert_eq!(queue(&metrics, "depth"), 1.0);
    // Asked for while it is worked on: a pass more.
    work.wanted(1);
    assert_eq!(queue(&metrics, "depth"), 2.0);
    assert_eq!(queue(&metrics, "adds_total"), 3.0);
    let active = r#"controller_runtime_active_workers{controller="it"}"#;
    assert_eq!(value(&metrics, active), 1.0);
    pass.ends(Outcome::Done);
    assert_eq!(value(&metrics, active), 0.0);
    assert_eq!(queue(&metrics, "queue_duration_seconds_count"), 1.0);
    assert_eq!(queue(&metrics, "work_duration_seconds_count"), 1.0);
}

#[test]
fn what_comes_by_time_counts_once_it_is_due() {
    let metrics = Metrics::of("ecr-operator");
    let work = metrics.work("it", 4);
    work.later(1, Duration::from_hours(1));
    work.later(2, Duration::ZERO);
    assert_eq!(queue(&metrics, "depth"), 1.0);
    assert_eq!(queue(&metrics, "adds_total"), 1.0);
    // The earliest counts.
    work.later(1, Duration::ZERO);
    work.later(1, Duration::from_hours(1));
    assert_eq!(queue(&metrics, "depth"), 2.0);
    work.later(3, Duration::from_hours(1));
    work.wanted(3);
    work.later(3, Duration::from_hours(1));
    assert_eq!(queue(&metrics, "depth"), 3.0);
    assert_eq!(queue(&metrics, "adds_total"), 3.0);
    drop(work.begins(3));
    assert_eq!(queue(&metrics, "depth"), 2.0, "it waited once");
}

#[test]
fn objects_that_are_gone_wait_no_more() {
    let metrics = Metrics::of("ecr-operator");
    let work = metrics.work("it", 4);
    for key in [1, 2, 3] {
        work.wanted(key);
    }
    work.later(4, Duration::ZERO);
    work.forget(1);
    assert_eq!(queue(&metrics, "depth"), 3.0);
    work.only(|key| key == 2);
    assert_eq!(queue(&metrics, "depth"), 1.0);
    assert_eq!(queue(&metrics, "adds_total"), 4.0, "a counter never falls");
}

#[test]
fn passes_are_counted_by_how_they_end() {
    let metrics = Metrics::of("ecr-operator");
    let work = metrics.work("it", 4);
    for outcome in [
        Outcome::Done,
        Outcome::Later,
        Outcome::Again,
        Outcome::Failed,
        Outcome::Hopeless,
        Outcome::TimedOut,
    ] {
        work.begins(1).ends(outcome);
    }
    for (result, count) in [
        ("success", 1.0),
        ("requeue_after", 1.0),
        ("requeue", 1.0),
        ("error", 3.0),
    ] {
        let sample =
            format!(r#"controller_runtime_reconcile_total{{controller="it",result="{result}"}}"#);
        assert_eq!(value(&metrics, &sample), count, "{result}");
    }
    for (name, count) in [
        ("reconcile_errors_total", 3.0),
        ("terminal_reconcile_errors_total", 1.0),
        ("reconcile_timeouts_total", 1.0),
        ("reconcile_time_seconds_count", 6.0),
    ] {
        let sample = format!(r#"controller_runtime_{name}{{controller="it"}}"#);
        assert_eq!(value(&metrics, &sample), count, "{name}");
    }
    assert_eq!(queue(&metrics, "retries_total"), 3.0);
}

#[test]
fn a_pass_that_hangs_shows_how_long() {
    let metrics = Metrics::of("ecr-operator");
    let work = metrics.work("it", 4);
    assert_eq!(queue(&metrics, "longest_running_processor_seconds"), 0.0);
    let hangs = work.begins(1);
    while queue(&metrics, "longest_running_processor_seconds") == 0.0 {
        thread::yield_now();
    }
    assert!(queue(&metrics, "unfinished_work_seconds") > 0.0);
    drop(hangs);
    assert_eq!(queue(&metrics, "unfinished_work_seconds"), 0.0);
}

#[test]
fn throttles_are_counted_by_operation() {
    let metrics = Metrics::of("ecr-operator");
    let second = Duration::from_secs(1);
    metrics.called("TagResource", OK, second, second);
    let throttles = r#"ecr_operator_aws_throttles_total{operation="TagResource"}"#;
    assert_eq!(value(&metrics, throttles), 0.0, "shown from the first call");
    metrics.called("TagResource", "ServerException", second, second);
    metrics.throttled("TagResource");
    assert_eq!(value(&metrics, throttles), 1.0);
    let waits = r#"ecr_operator_aws_wait_seconds_total{operation="TagResource"}"#;
    assert_eq!(value(&metrics, waits), 2.0);
}

#[test]
fn objects_are_counted_at_each_scrape() {
    let metrics = Metrics::of("ecr-operator");
    let unready = Shown {
        kind: Kind::Repository,
        ready: "False",
        reason: "AccessDenied",
        stalled: true,
        unready_for: Some(Duration::from_mins(1)),
        deleting_for: None,
        mode: None,
        place: Place {
            exported_namespace: "payments".into(),
            class: "prod".into(),
            account: "111122223333".into(),
            region: "eu-central-1".into(),
        },
    };
    let longer = Shown {
        unready_for: Some(Duration::from_mins(2)),
        deleting_for: Some(Duration::from_mins(3)),
        mode: Some("suspend"),
        ..unready.clone()
    };
    metrics.shows(move || Sight {
        shown: vec![unready.clone(), longer.clone()],
        ..Sight::default()
    });
    let denied = r#"ecr_operator_resources{kind="ECRRepository",ready="False",reason="AccessDenied",stalled="true"}"#;
    assert_eq!(value(&metrics, denied), 2.0);
    let well = r#"ecr_operator_resources{kind="ECRRepository",ready="True",reason="Synced",stalled="false"}"#;
    assert_eq!(value(&metrics, well), 0.0);
    let place = r#"exported_namespace="payments",class="prod",account="111122223333",region="eu-central-1"}"#;
    let kind = r#"kind="ECRRepository""#;
    let denied = r#"reason="AccessDenied",stalled="true""#;
    for (sample, expected) in [
        (format!("unready{{{kind},{denied},{place}"), 2.0),
        (
            format!("oldest_unready_seconds{{{kind},{denied},{place}"),
            120.0,
        ),
        (format!("oldest_deletion_seconds{{{kind},{place}"), 180.0),
        (format!(r#"not_enforced{{mode="suspend",{place}"#), 1.0),
    ] {
        assert_eq!(value(&metrics, &format!("ecr_operator_{sample}")), expected);
    }
}

#[test]
fn a_registry_that_nobody_asks_for_has_no_age() {
    let metrics = Metrics::of("ecr-operator");
    metrics.swept("one", 3);
    metrics.swept("other", 4);
    let count = r#"ecr_operator_snapshot_repositories{registry="one"}"#;
    assert_eq!(value(&metrics, count), 3.0);
    let age = r#"ecr_operator_snapshot_age_seconds{registry="one"}"#;
    assert!(value(&metrics, age) >= 0.0);
    metrics.sweeps("one");
    assert_eq!(value(&metrics, count), 3.0, "it was read already");
    metrics.no_longer_swept("one");
    assert!(!metrics.text().contains(r#"registry="one""#));
    metrics.no_longer_swept("other");
    assert!(!metrics.text().contains("snapshot"));
}

#[test]
fn a_registry_that_was_never_read_grows_old_all_the_same() {
    let metrics = Metrics::of("ecr-operator");
    metrics.sweeps("one");
    let age = r#"ecr_operator_snapshot_age_seconds{registry="one"}"#;
    assert!(value(&metrics, age) >= 0.0);
}

#[test]
fn without_an_election_it_leads() {
    let metrics = Metrics::of("ecr-operator");
    let leader = r#"leader_election_master_status{name="ecr-operator"}"#;
    assert_eq!(value(&metrics, leader), 1.0);
    metrics.leading(false);
    assert_eq!(value(&metrics, leader), 0.0);
}

#[test]
fn no_label_forges_a_line() {
    let metrics = Metrics::of("ecr-operator");
    let before = metrics.text().lines().count();
    metrics.swept("one", 1);
    let lines = metrics.text().lines().count() - before;
    metrics.no_longer_swept("one");
    metrics.swept(
        "a\"} 1\necr_operator_forged{registry=\"\\\r\u{1b}[31m\0\u{202e}",
        1,
    );
    let text = metrics.text();
    assert_eq!(text.lines().count() - before, lines, "{text}");
    assert!(
        !text
            .lines()
            .any(|line| line.starts_with("ecr_operator_forged")),
        "{text}"
    );
}
