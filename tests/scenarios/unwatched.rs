//! Watches that fail for good, and work that nobody can do.

use std::time::Duration;

use serde_json::json;

use crate::world::{Relay, World, assert_says, estate::Estate};

#[tokio::test]
async fn when_the_api_server_takes_no_credentials_any_more_readiness_and_log_say_so() {
    let mut world = World::without_operator("nobody").await;
    let relay = Relay::to(&world.server, &format!("{}.kubeconfig", world.namespace)).await;
    let operator = world.spawn_operator_on(&relay.server, &[]);
    operator.ready().await;
    world.adopt_operator(operator);
    world.apply("api", json!({})).await;
    world.ready("api").await;
    relay.knows_nobody(true);
    let cause = "401 Unauthorized — the API server does not take the operator's credentials";
    world
        .operator()
        .readiness(|status, body| status == 503 && body.contains(cause))
        .await;
    let log = world.operator().log();
    assert_says(&log, cause);
    for debug in ["Error {", "Status {", "ErrorResponse", "Some("] {
        let told: Vec<_> = log.lines().filter(|it| it.contains(debug)).collect();
        assert_eq!(told, Vec::<&str>::new(), "{debug} in a log line");
    }
    // It goes on once it is somebody again, though nothing happens to the objects.
    relay.knows_nobody(false);
    world.operator().ready().await;
    world.finish().await;
}

/// A name costs nothing, and must not stay on a gauge that people are woken by.
#[tokio::test]
async fn a_class_that_is_not_there_leaves_nothing_in_the_queue() {
    let mut estate = Estate::new("depth").await;
    estate.start_operator().await;
    estate.class("real", json!({"allowedNamespaces": {}})).await;
    estate.namespace("team", json!({})).await;
    for class in ["nosuch", "nosuch-either"] {
        let name = format!("of-{class}");
        estate
            .apply("team", &name, json!({"className": class}))
            .await;
        estate.stalled("team", &name, "ClassNotFound").await;
    }
    estate
        .apply("team", "fine", json!({"className": "real"}))
        .await;
    estate.ready("team", "fine").await;
    is_idle(&estate).await;
    // Nor do those leave any that go.
    let objects = estate.repositories("team");
    estate.delete(&objects, "of-nosuch").await;
    estate.gone(&objects, "of-nosuch").await;
    is_idle(&estate).await;
    estate.finish().await;
}

/// Both queues come to rest.
async fn is_idle(estate: &Estate) {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let idle = async {
        loop {
            let scrape = estate.operator().scrape().await.unwrap();
            let empty = ["ecrrepository", "ecrrepositoryclass"].map(|name| {
                scrape.contains(&format!(
                    r#"workqueue_depth{{name="{name}",controller="{name}"}} 0"#
                ))
            });
            if empty == [true, true] {
                return;
            }
            ticks.tick().await;
        }
    };
    let patience = Duration::from_secs(30);
    let is_in_time = tokio::time::timeout(patience, idle).await;
    assert!(is_in_time.is_ok(), "somebody waits for a pass for ever");
}
