//! Definitions that are older than the operator: what they lack is pruned from every object, and its absence may mean
//! "write". So nothing is written until they are there.

use std::time::Duration;

use ecr_operator::api::OWNER_TAG;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::{
    installation::{CRD, change, installed, put},
    world::{Server, World, assert_says, condition},
};

const CLASS_CRD: [&str; 2] = ["crd", "ecrrepositoryclasses.ecr-operator.dev"];

/// Takes a field out of a definition; gives it as it was.
async fn without(server: &Server, crd: [&str; 2], path: &str) -> Value {
    let (parent, field) = path.rsplit_once('.').unwrap();
    let pointer = parent.replace('.', "/properties/");
    let root = "/spec/versions/0/schema/openAPIV3Schema/properties";
    change(&server.kubectl, crd, |it| {
        let fields = it.pointer_mut(&format!("{root}/{pointer}/properties"));
        let removed = fields.unwrap().as_object_mut().unwrap().remove(field);
        assert!(removed.is_some(), "{path}");
        // Selected can be only by what a schema has.
        if let Some(fields) = it["spec"]["versions"][0]["selectableFields"].as_array_mut() {
            fields.retain(|it| it["jsonPath"] != format!(".{path}"));
        }
    })
    .await
}

/// Applies an object as a client does that only warns of fields that nobody knows.
async fn applied_with_a_warning(world: &World, name: &str, spec: Value) {
    let object = json!({
        "apiVersion": "ecr-operator.dev/v1alpha1", "kind": "ECRRepository",
        "metadata": {"name": name, "namespace": world.namespace}, "spec": spec,
    });
    let (apply, object) = (["apply", "--validate=warn", "-f", "-"], object.to_string());
    let applied = world.server.kubectl.run_with(&apply, &object).await;
    applied.unwrap();
}

async fn not_ready(world: &World, field: &str) {
    let says = format!("the definitions in the cluster lack {field}");
    world
        .operator()
        .readiness(|status, body| {
            let is_told = body.contains(&says) && body.contains("kubectl apply --server-side");
            status == 503 && is_told
        })
        .await;
    assert_says(&world.operator().log(), &format!("not ready: {says}"));
}

/// An operator that does not become ready.
fn started(world: &mut World) {
    let operator = world.spawn_operator(&[]);
    world.adopt_operator(operator);
}

#[tokio::test]
async fn a_field_that_means_hands_off_and_is_lost_lets_nothing_be_written() {
    let (_control_plane, server) = installed("lacks-suspend").await;
    let whole = without(&server, CRD, "spec.suspend").await;
    let mut world = World::on(server, "lacks-suspend").await;
    applied_with_a_warning(&world, "obs", json!({"suspend": true})).await;
    assert_eq!(world.get("obs").await.spec.suspend, None, "it is lost");
    started(&mut world);
    not_ready(&world, "ECRRepository spec.suspend").await;
    assert_eq!(world.written(), []);
    let seen = world.get("obs").await.status;
    assert_eq!(seen.and_then(|it| it.conditions.into_iter().next()), None);

    // It goes on by itself, and what is applied again is heeded.
    put(&world.server.kubectl, whole).await;
    let again = async {
        while world.get("obs").await.spec.suspend.is_none() {
            applied_with_a_warning(&world, "obs", json!({"suspend": true})).await;
        }
    };
    world.patiently("the field to be kept", again).await;
    world.operator().ready().await;
    world.apply("api", json!({})).await;
    world.ready("api").await;
    world.finish().await;
}

#[tokio::test]
async fn fields_of_a_class_and_fields_within_fields_count_as_well() {
    let (_control_plane, server) = installed("lacks-nested").await;
    let mut world = World::on(server, "lacks-nested").await;
    for (crd, path, told) in [
        (
            CLASS_CRD,
            "spec.allowedActions",
            "ECRRepositoryClass spec.allowedActions",
        ),
        (
            CRD,
            "spec.repositoryPolicy.Id",
            "ECRRepository spec.repositoryPolicy.Id",
        ),
    ] {
        let whole = without(&world.server, crd, path).await;
        started(&mut world);
        not_ready(&world, told).await;
        assert_eq!(world.written(), []);
        put(&world.server.kubectl, whole).await;
        world.operator().ready().await;
        world.stop_operator().await;
    }
    world.finish().await;
}

#[tokio::test]
async fn definitions_that_are_put_back_while_it_runs_stop_it_and_their_return_does_not_need_a_restart()
 {
    let (_control_plane, server) = installed("put-back").await;
    let mut world = World::on(server, "put-back").await;
    world.start_operator().await;
    world.apply("api", json!({"tags": {"a": "b"}})).await;
    world.ready("api").await;
    let whole = without(&world.server, CRD, "spec.suspend").await;
    not_ready(&world, "ECRRepository spec.suspend").await;
    let written = world.written();
    world.apply("api", json!({"tags": {"c": "d"}})).await;
    world.apply("new", json!({})).await;
    // Long enough for several looks, had there been any.
    let waits = async {
        loop {
            let scrape = world.operator().scrape().await.unwrap();
            let depth = r#"workqueue_depth{name="ecrrepository",controller="ecrrepository"} 2.0"#;
            if scrape.contains(depth) {
                return;
            }
        }
    };
    world.patiently("both to wait for their pass", waits).await;
    assert_eq!(world.written(), written);
    put(&world.server.kubectl, whole).await;
    world.operator().ready().await;
    world.ready("new").await;
    world.finish().await;
}

#[tokio::test]
async fn who_allows_older_definitions_is_ready_and_told_of_them() {
    let (_control_plane, server) = installed("allowed").await;
    without(&server, CRD, "spec.suspend").await;
    let mut world = World::on(server, "allowed").await;
    world.flag("--allow-older-definitions");
    world.start_operator().await;
    world.apply("api", json!({})).await;
    world.ready("api").await;
    let (status, body) = world.operator().readyz().await.unwrap();
    assert_eq!(status, 200);
    assert_says(
        &body,
        "ok, the definitions in the cluster lack ECRRepository spec.suspend",
    );
    let log = world.operator().log();
    assert_says(&log, "allowed by --allow-older-definitions");
    world.finish().await;
}

/// A rollout stops at a process that is not ready: so one that stands by says so as well, and leaves the lease alone.
#[tokio::test]
async fn one_that_could_not_work_is_no_candidate() {
    let (_control_plane, server) = installed("candidate").await;
    let whole = without(&server, CRD, "spec.suspend").await;
    let mut world = World::on(server, "candidate").await;
    world.flag("--leader-elect");
    world.flag("--lease-namespace=ecr-operator-system");
    let kubectl = world.server.kubectl.clone();
    let lease = format!("ecr-operator-{}", world.namespace);
    let rights = crate::leader::rights(&lease).to_string();
    let apply = ["apply", "-n", "ecr-operator-system", "-f", "-"];
    kubectl.run_with(&apply, &rights).await.unwrap();
    started(&mut world);
    not_ready(&world, "ECRRepository spec.suspend").await;
    let leases: Api<k8s_openapi::api::coordination::v1::Lease> =
        Api::namespaced(world.client.clone(), "ecr-operator-system");
    let held = leases.get_opt(&lease).await.unwrap();
    assert_eq!(held.map(|it| it.name_any()), None);
    put(&kubectl, whole).await;
    world.operator().ready().await;
    world.apply("api", json!({})).await;
    world.ready("api").await;
    world.finish().await;
}

/// What status lacks is told as well, and who needs it waits: a takeover that nobody could note would be made again.
#[tokio::test]
async fn a_takeover_that_status_can_not_note_waits_and_the_log_says_for_what() {
    let (_control_plane, server) = installed("lacks-taken-over").await;
    let whole = without(&server, CRD, "status.takenOver").await;
    let mut world = World::on(server, "lacks-taken").await;
    world.permit_adoption("api");
    let (repository, legacy) = (world.in_ecr("api"), "legacy/shop/api");
    world.make_outside(&repository, &[(OWNER_TAG, legacy)]);
    world.start_operator().await;
    let log = world.operator().log();
    assert_says(&log, "the definitions lack ECRRepository status.takenOver");
    let (_, body) = world.operator().readyz().await.unwrap();
    assert_says(
        &body,
        "ok, the definitions lack ECRRepository status.takenOver",
    );
    let adoption = json!({"policy": "TakeOver", "from": legacy});
    let spec = json!({"adoption": adoption, "imageTagMutability": "IMMUTABLE"});
    world.apply("api", spec).await;
    let is_told = |world: &World| world.operator().log().contains("lack a field of status");
    world.until("the log to say why it waits", is_told).await;
    let waiting = world.get("api").await;
    assert_ne!(condition(&waiting, "Ready").map(|it| it.0), Some("True"));
    put(&world.server.kubectl, whole).await;
    world.ready("api").await;
    world.finish().await;
}

/// Where it may not be told which definitions there are, it does not guess.
#[tokio::test]
async fn who_may_not_read_the_definitions_is_told_what_to_grant() {
    let (_control_plane, server) = installed("no-discovery").await;
    let kubectl = server.kubectl.clone();
    let binding = ["delete", "clusterrolebinding", "system:discovery"];
    kubectl.run(&binding).await.unwrap();
    let mut world = World::on(server, "no-discovery").await;
    started(&mut world);
    world
        .operator()
        .readiness(|status, body| status == 503 && body.contains("system:discovery"))
        .await;
    world.stop_operator().await;
    world.flag("--allow-older-definitions");
    world.start_operator().await;
    world.finish().await;
}

/// The first look takes no time that anybody would notice.
#[tokio::test]
async fn the_first_call_comes_at_once() {
    let mut world = World::without_operator("first-call").await;
    world.apply("api", json!({})).await;
    let began = std::time::Instant::now();
    world.start_operator().await;
    world
        .until("the first call", |it| !it.calls().is_empty())
        .await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    world.ready("api").await;
    world.finish().await;
}
