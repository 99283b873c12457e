//! Surroundings: credentials, network, Kubernetes and command line, each as bad as it gets.

use ecr_emulator::Fault;
use serde_json::json;

use crate::world::{ACCOUNT, KEY, World, assert_says, closed_port, condition, forward, message};

/// Waits until the object says why nothing happens, though nobody is needed.
async fn hindered(world: &World, reason: &str) -> String {
    let object = world
        .wait("api", reason, |object| {
            condition(object, "Reconciling") == Some(("True", reason))
        })
        .await;
    assert_eq!(condition(&object, "Ready"), Some(("False", reason)));
    assert_eq!(object.status.as_ref().unwrap().arn, None);
    message(&object, "Ready").to_owned()
}

#[tokio::test]
async fn credentials_that_aws_does_not_know_heal_by_themselves() {
    let world = World::without_operator("revoked").await;
    world
        .emulator
        .configure(|s| _ = s.revoked_access_keys.insert(KEY.to_owned()));
    let mut world = world;
    world.start_operator().await;
    world.apply("api", json!({})).await;
    let says = hindered(&world, "AccessDenied").await;
    assert_says(&says, "check the operator's credentials");
    assert_says(&says, "InvalidClientTokenId");
    assert_eq!(world.operator().readyz().await.unwrap().0, 200);
    world.emulator.configure(|s| s.revoked_access_keys.clear());
    world.ready("api").await;
    world.finish().await;
}

#[tokio::test]
async fn credentials_that_have_run_out_say_so() {
    let mut world = World::without_operator("expired").await;
    world
        .start_operator_with(&[("AWS_ACCESS_KEY_ID", "ASIAEXPIRED1")])
        .await;
    world.apply("api", json!({})).await;
    let says = hindered(&world, "AccessDenied").await;
    assert_says(&says, "expired");
    world.finish().await;
}

#[tokio::test]
async fn without_any_credentials_it_says_what_it_lacks() {
    let mut world = World::without_operator("no-credentials").await;
    let none = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    world.start_operator_with(&none).await;
    world.apply("api", json!({})).await;
    let says = hindered(&world, "AccessDenied").await;
    assert_says(&says, "check the operator's credentials");
    assert!(world.calls().is_empty());
    world.finish().await;
}

#[tokio::test]
async fn without_an_endpoint_it_stays_up_and_goes_on_when_there_is_one() {
    let mut world = World::without_operator("no-endpoint").await;
    let closed = closed_port();
    let endpoint = format!("http://{closed}");
    world
        .start_operator_with(&[("AWS_ENDPOINT_URL", &endpoint)])
        .await;
    world.apply("api", json!({})).await;
    let says = hindered(&world, "AwsUnavailable").await;
    assert_says(&says, "AWS_ENDPOINT_URL");
    assert_eq!(world.operator().readyz().await.unwrap().0, 200);
    let _proxy = forward(closed, world.emulator.url().trim_start_matches("http://")).await;
    world.ready("api").await;
    world.finish().await;
}

#[tokio::test]
async fn without_a_region_it_says_which_variable_to_set() {
    let mut world = World::without_operator("no-region").await;
    world.start_operator_with(&[("AWS_REGION", "")]).await;
    world.apply("api", json!({})).await;
    let says = hindered(&world, "AccessDenied").await;
    assert_says(&says, "set AWS_REGION");
    world.stop_operator().await;
    world.start_operator().await;
    world.ready("api").await;
    world.finish().await;
}

#[tokio::test]
async fn an_outage_at_rest_flips_nothing() {
    let world = World::new("outage").await;
    world
        .apply("api", json!({"access": {"pull": [ACCOUNT]}}))
        .await;
    let before = world.ready("api").await;
    let seen = world.calls().len();
    world.emulator.inject(Fault::any().forever().server_error());
    let failed = |world: &World| {
        let calls = world.calls();
        calls[seen..].iter().filter(|c| c.fault.is_some()).count()
    };
    world
        .until("several looks to fail", |w| failed(w) >= 8)
        .await;
    world.emulator.clear_faults();
    world.looks(&world.in_ecr("api"), 2).await;
    let after = world.get("api").await;
    assert_eq!(
        after.metadata.resource_version,
        before.metadata.resource_version
    );
    world.finish().await;
}

#[tokio::test]
async fn an_interrupt_ends_it_as_cleanly_as_a_termination() {
    let mut world = World::new("sigint").await;
    world.apply("api", json!({})).await;
    world.ready("api").await;
    let operator = world.release_operator();
    operator.signal("INT");
    let (status, log) = operator.ended().await;
    assert!(status.success(), "{status}\n{log}");
    assert_says(&log, "stopped");
    world.finish().await;
}
