//! The process: whether it is alive, how it stops, what it logs, and the traces that it sends.

use std::{
    fs,
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, routing::post};
use ecr_emulator::Fault;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message as _;
use serde_json::json;
use tokio::{net::TcpListener, sync::mpsc};

use crate::world::{
    KEY, Operator, PATIENCE, SECRET, World, assert_says, closed_port, forward, operations,
};

fn with_lifecycle() -> serde_json::Value {
    let rule = json!({
        "rulePriority": 1,
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10},
        "action": {"type": "expire"},
    });
    json!({"lifecyclePolicy": {"rules": [rule]}})
}

#[tokio::test]
async fn a_stop_waits_for_the_answer_that_is_under_way() {
    let mut world = World::new("drain").await;
    let fault = Fault::on("PutLifecyclePolicy");
    world.emulator.inject(fault.delay(Duration::from_secs(3)));
    world.apply("api", with_lifecycle()).await;
    world
        .until("the repository to be half made", |world| {
            world.repository("api").is_some()
        })
        .await;
    assert!(world.repository("api").unwrap().lifecycle_policy.is_none());
    // Fails unless the process ends well.
    world.stop_operator().await;
    assert!(world.repository("api").unwrap().lifecycle_policy.is_some());
    // Status was written too: the object is ready though nobody is there any more.
    world.ready("api").await;
    let written = world.written();
    assert_eq!(
        operations(&written),
        ["CreateRepository", "PutLifecyclePolicy"]
    );
    world.start_operator().await;
    world.looks(&world.in_ecr("api"), 2).await;
    assert_eq!(world.written(), written);
    world.finish().await;
}

#[tokio::test]
async fn levels_follow_a_file_while_it_runs() {
    let mut world = World::without_operator("levels").await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("levels");
    world.flag(&format!("--log-levels-file={}", file.display()));
    world.start_operator().await;
    world
        .emulator
        .inject(Fault::on("CreateRepository").throttle());
    world.apply("one", json!({})).await;
    world.ready("one").await;
    let detail = "AWS said no";
    assert!(!world.operator().log().contains(detail));
    fs::write(&file, "warn,ecr_operator::ecr=debug\n").unwrap();
    let says = |what: &'static str| move |world: &World| world.operator().log().contains(what);
    world
        .until("the change to show", says("what is logged has changed"))
        .await;
    world
        .emulator
        .inject(Fault::on("CreateRepository").throttle());
    world.apply("two", json!({})).await;
    world.ready("two").await;
    assert_says(&world.operator().log(), detail);
    // What can't be read leaves what was in force, and says which words count.
    for (nonsense, said) in [
        ("infoo", "\\\"infoo\\\" is neither"),
        ("info,a=b=c", "\\\"a=b=c\\\" is neither"),
    ] {
        fs::write(&file, nonsense).unwrap();
        world.until("the mistake to show", says(said)).await;
    }
    assert_says(
        &world.operator().log(),
        "off, error, warn, info, debug, trace",
    );
    let before = world.operator().log().matches(detail).count();
    world
        .emulator
        .inject(Fault::on("CreateRepository").throttle());
    world.apply("three", json!({})).await;
    world.ready("three").await;
    assert!(world.operator().log().matches(detail).count() > before);
    fs::remove_file(&file).unwrap();
    world
        .until("--log to count again", |world| {
            let log = world.operator().log();
            log.contains("filter=\"info\"") && !log.contains("filter=\"\"")
        })
        .await;
    world.finish().await;
}

#[tokio::test]
async fn an_open_way_to_aws_is_warned_of() {
    let mut world = World::without_operator("open-way").await;
    world.seldom();
    let open = "http://sts.example.com";
    world
        .start_operator_with(&[("AWS_ENDPOINT_URL_STS", open)])
        .await;
    let warns = |world: &World| {
        let log = world.operator().log();
        let mut lines = log.lines();
        lines.any(|it| it.contains("neither secret nor proved") && it.contains(open))
    };
    world.until("the warning", warns).await;
    // Of the one that leads nowhere else nothing is said.
    let told = world.operator().log().matches("neither secret").count();
    assert_eq!(told, 1);
    world.stop_operator().await;
    world.finish().await;
}

/// A collector; what it is sent, as it came.
async fn collector() -> (String, mpsc::UnboundedReceiver<Bytes>) {
    let (sender, received) = mpsc::unbounded_channel();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let take = async move |body: Bytes| {
        // Whoever asked may be done.
        let _ = sender.send(body);
    };
    let router = Router::new().route("/v1/traces", post(take));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

fn attribute(attributes: &[KeyValue], key: &str) -> Option<Value> {
    let found = attributes.iter().find(|it| it.key == key)?;
    found.value.clone()?.value
}

fn word(span: &Span, key: &str) -> String {
    match attribute(&span.attributes, key) {
        Some(Value::StringValue(word)) => word,
        other => panic!("{key} of {} is {other:?}", span.name),
    }
}

#[tokio::test]
async fn each_pass_is_a_trace_and_each_call_a_span_of_it_without_secrets() {
    let (url, mut received) = collector().await;
    let mut world = World::without_operator("traces").await;
    world.flag(&format!("--otlp-endpoint={url}"));
    world
        .emulator
        .inject(Fault::on("CreateRepository").throttle());
    world.start_operator().await;
    world.apply("api", with_lifecycle()).await;
    world.ready("api").await;
    // The last ones are sent at the end.
    world.stop_operator().await;
    let mut spans = Vec::new();
    while let Ok(body) = received.try_recv() {
        for secret in [SECRET, KEY, "imageCountMoreThan"] {
            let mut windows = body.windows(secret.len());
            assert!(!windows.any(|it| it == secret.as_bytes()), "{secret}");
        }
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        for of_resource in request.resource_spans {
            let resource = of_resource.resource.unwrap();
            let service = attribute(&resource.attributes, "service.name");
            assert_eq!(service, Some(Value::StringValue("ecr-operator".to_owned())));
            spans.extend(of_resource.scope_spans.into_iter().flat_map(|it| it.spans));
        }
    }
    for operation in [
        "CreateRepository",
        "PutLifecyclePolicy",
        "DescribeRepositories",
        "GetCallerIdentity",
    ] {
        let name = format!("AWS/{operation}");
        let of_calls = spans.iter().filter(|span| span.name == name);
        let calls = world.count(operation);
        assert_eq!(of_calls.count(), calls, "{operation}");
    }
    let mut codes = Vec::new();
    for span in spans.iter().filter(|span| span.name.starts_with("AWS/")) {
        assert_eq!(format!("AWS/{}", word(span, "rpc.method")), span.name);
        assert!(!word(span, "registry").is_empty());
        let waited = attribute(&span.attributes, "waited_seconds");
        assert!(matches!(waited, Some(Value::DoubleValue(_))), "{waited:?}");
        if span.name == "AWS/CreateRepository" {
            assert_eq!(word(span, "registry"), "123456789012/ap-southeast-1");
            codes.push(word(span, "code"));
            let parent = spans.iter().find(|it| it.span_id == span.parent_span_id);
            let parent = parent.expect("a call is made by a pass");
            assert_eq!(parent.name, "pass");
            assert_eq!(parent.trace_id, span.trace_id);
            assert!(parent.parent_span_id.is_empty());
            assert_eq!(word(parent, "object"), format!("{}/api", world.namespace));
            assert!(!word(parent, "result").is_empty());
        }
        assert!(span.events.is_empty(), "no log lines: {:?}", span.events);
    }
    assert_eq!(codes, ["ThrottlingException", "ok"]);
    let failed = spans.iter().filter(|span| span.name == "pass");
    let failed = failed.filter(|span| word(span, "result") == "Failed");
    assert_eq!(failed.count(), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_collector_that_is_not_there_stops_nothing_and_shows() {
    let mut world = World::without_operator("no-collector").await;
    world.flag(&format!("--otlp-endpoint=http://{}", closed_port()));
    let soon = [("OTEL_BSP_SCHEDULE_DELAY", "50")];
    world.start_operator_with(&soon).await;
    world.apply("api", json!({})).await;
    world.ready("api").await;
    world
        .until("the loss to show", |world| {
            world.operator().log().contains("traces are lost")
        })
        .await;
    world.finish().await;
}

/// What a probe waits for an answer where its manifest says nothing else.
const PROBE: Duration = Duration::from_secs(1);

async fn alive(operator: &Operator) {
    alive_within(operator, PATIENCE).await;
}

async fn alive_within(operator: &Operator, within: Duration) {
    let answer = operator.livez(within).await;
    assert_eq!(answer, Some((200, "ok\n".to_owned())));
}

#[tokio::test]
async fn it_is_alive_while_nobody_answers_it_and_not_while_it_hangs() {
    let mut world = World::without_operator("alive").await;
    let port = closed_port();
    let file = format!("{}.kubeconfig", world.namespace);
    let (server, real) = world.server.through(port, &file).await;
    let operator = world.spawn_operator_on(&server, &[]);
    operator.readiness(|status, _| status == 503).await;
    alive(&operator).await;
    let proxy = forward(port, &real).await;
    operator.ready().await;
    alive(&operator).await;

    // AWS holds on to a call.
    let fault = Fault::on("CreateRepository");
    world.emulator.inject(fault.delay(Duration::from_secs(3)));
    world.apply("api", json!({})).await;
    world.struck().await;
    alive(&operator).await;
    assert!(world.repository("api").is_none());
    world.ready("api").await;

    // The API server hangs up, and is not there any more.
    drop(proxy);
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let failing = async {
        while operator.watch_errors().await == 0 {
            ticks.tick().await;
        }
    };
    world.patiently("the watches to fail", failing).await;
    alive(&operator).await;
    let _proxy = forward(port, &real).await;
    world.apply("web", json!({})).await;
    world.ready("web").await;

    operator.signal("STOP");
    assert_eq!(operator.livez(PROBE).await, None);
    operator.signal("CONT");
    alive(&operator).await;
    world.adopt_operator(operator);
    world.finish().await;
}

/// How many files and connections a process has open.
fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count()
}

#[tokio::test]
async fn half_requests_hold_up_neither_probes_nor_the_end() {
    let mut world = World::new("half-requests").await;
    let before = open_files(world.operator().pid());
    let halves = world.operator().half_requests(800).await;
    alive_within(world.operator(), PROBE).await;
    let more = open_files(world.operator().pid()).saturating_sub(before);
    assert!(more <= 80, "{more} connections are open");
    let began = Instant::now();
    world.stop_operator().await;
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    drop(halves);
    world.start_operator().await;
    let half = world.operator().half_requests(1).await;
    let began = Instant::now();
    world.stop_operator().await;
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    drop(half);
    world.finish().await;
}
