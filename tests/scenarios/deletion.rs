//! Deletion: nothing is lost by default, and an object that waits says for what.

use ecr_emulator::Fault;
use ecr_operator::api::ECRRepository;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::world::{ACCOUNT, REGION, World, assert_says, condition, has_finalizer, message};

/// How often AWS was asked about this repository alone.
fn asked(world: &World, repository: &str) -> usize {
    let arn = format!("arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{repository}");
    let about = |input: &Value| {
        input.get("repositoryName") == Some(&json!(repository))
            || input.get("resourceArn") == Some(&json!(arn))
    };
    let calls = world.calls();
    calls.iter().filter(|call| about(&call.input)).count()
}

/// Waits until the object that is being deleted says why it waits.
pub(crate) async fn waits(world: &World, name: &str, reason: &str) -> ECRRepository {
    let object = world
        .wait(name, reason, |object| {
            object.metadata.deletion_timestamp.is_some()
                && condition(object, "Ready") == Some(("False", reason))
        })
        .await;
    assert_says(message(&object, "Ready"), "spec.deletionPolicy to Retain");
    object
}

/// An object that asks for its empty repository's deletion, with so many images pushed since.
pub(crate) async fn with_images(world: &World, policy: &str, tags: &[&str]) -> ECRRepository {
    world.apply("api", json!({"deletionPolicy": policy})).await;
    let object = world.ready("api").await;
    for tag in tags {
        world.push(&world.in_ecr("api"), tag);
    }
    object
}

#[tokio::test]
async fn retained_is_the_default_and_asks_nothing_of_aws() {
    let world = World::quiet("retain").await;
    world.apply("silent", json!({})).await;
    world
        .apply("outspoken", json!({"deletionPolicy": "Retain"}))
        .await;
    for name in ["silent", "outspoken"] {
        let object = world.ready(name).await;
        assert!(!has_finalizer(&object), "nothing is to be done at the end");
        world.delete(name).await;
        world.gone(&object).await;
        // A pass of another object, so that one of this object would have been seen as well.
        world
            .apply("bystander", json!({"tags": {"after": name}}))
            .await;
        world.ready("bystander").await;
        assert_eq!(asked(&world, &world.in_ecr(name)), 1, "its creation alone");
        assert!(world.repository(name).is_some(), "the repository stays");
    }
    assert_eq!(world.count("DeleteRepository"), 0);
    world.delete("bystander").await;
    world.finish().await;
}

#[tokio::test]
async fn retained_goes_also_while_aws_is_down() {
    let world = World::new("retain-down").await;
    world
        .apply("api", json!({"deletionPolicy": "Delete"}))
        .await;
    let object = world.ready("api").await;
    world.emulator.inject(Fault::any().forever().drop_call());
    world.delete("api").await;
    waits(&world, "api", "AwsUnavailable").await;
    world
        .apply("api", json!({"deletionPolicy": "Retain"}))
        .await;
    world.gone(&object).await;
    world.emulator.clear_faults();
    assert!(world.repository("api").is_some());
    world.finish().await;
}

#[tokio::test]
async fn an_empty_repository_goes_with_its_object_in_two_calls() {
    let world = World::quiet("delete-empty").await;
    world
        .apply("api", json!({"deletionPolicy": "Delete"}))
        .await;
    let object = world.ready("api").await;
    assert!(has_finalizer(&object));
    let before = asked(&world, &world.in_ecr("api"));
    world.delete("api").await;
    world.gone(&object).await;
    let calls = asked(&world, &world.in_ecr("api")) - before;
    assert_eq!(calls, 2, "ListTagsForResource and DeleteRepository");
    assert!(world.repository("api").is_none());
    assert_eq!(world.event("api", "Deleted").await, "DeleteRepository");
    world.finish().await;
}

#[tokio::test]
async fn images_keep_the_repository_until_they_are_deleted_outside() {
    let world = World::new("delete-images").await;
    let object = with_images(&world, "Delete", &["v1", "v2", "v3"]).await;
    let repository = world.in_ecr("api");
    world.delete("api").await;
    let waiting = waits(&world, "api", "RepositoryNotEmpty").await;
    assert_eq!(
        condition(&waiting, "Stalled"),
        Some(("True", "RepositoryNotEmpty"))
    );
    let says = message(&waiting, "Stalled");
    assert_says(
        says,
        &format!("{repository} still holds 3 images — delete the images"),
    );
    assert_says(says, "DeleteWithImages");
    assert_says(
        &world.event("api", "RepositoryNotEmpty").await,
        "still holds 3 images",
    );
    world.delete_images(&repository, &["v1", "v2", "v3"]);
    world.gone(&object).await;
    assert!(world.repository("api").is_none());
    world.finish().await;
}

#[tokio::test]
async fn a_waiting_object_goes_at_once_when_it_is_told_to_retain() {
    let world = World::new("delete-retain").await;
    let object = with_images(&world, "Delete", &["v1"]).await;
    world.delete("api").await;
    waits(&world, "api", "RepositoryNotEmpty").await;
    let deletes = world.count("DeleteRepository");
    world
        .apply("api", json!({"deletionPolicy": "Retain"}))
        .await;
    world.gone(&object).await;
    assert_eq!(world.repository("api").unwrap().images.len(), 1);
    assert!(world.count("DeleteRepository") <= deletes + 1);
    world.finish().await;
}

#[tokio::test]
async fn a_waiting_object_goes_at_once_when_its_images_may_go_too() {
    let world = World::new("delete-force").await;
    let object = with_images(&world, "Delete", &["v1"]).await;
    world.delete("api").await;
    waits(&world, "api", "RepositoryNotEmpty").await;
    world
        .apply("api", json!({"deletionPolicy": "DeleteWithImages"}))
        .await;
    world.gone(&object).await;
    assert!(world.repository("api").is_none());
    assert_eq!(
        world.event("api", "Deleted").await,
        "DeleteRepository with all its images"
    );
    world.finish().await;
}

#[tokio::test]
async fn with_images_all_of_it_goes_after_a_fresh_proof() {
    let world = World::quiet("delete-with-images").await;
    let object = with_images(&world, "DeleteWithImages", &["v1", "v2"]).await;
    world.delete("api").await;
    world.gone(&object).await;
    assert!(world.repository("api").is_none());
    let calls = world.calls();
    let [.., proof, delete] = calls.as_slice() else {
        panic!("too few calls");
    };
    assert_eq!(proof.operation, "ListTagsForResource");
    assert_eq!(delete.operation, "DeleteRepository");
    assert_eq!(delete.images_before, 2);
    world.finish().await;
}

#[tokio::test]
async fn what_is_suspended_or_only_observed_is_retained() {
    let world = World::new("delete-idle").await;
    for (name, spec) in [
        ("suspended", json!({"suspend": true})),
        ("observed", json!({"managementPolicy": "Observe"})),
    ] {
        world
            .apply(name, json!({"deletionPolicy": "DeleteWithImages"}))
            .await;
        assert!(has_finalizer(&world.ready(name).await));
        let mut spec = spec;
        spec["deletionPolicy"] = json!("DeleteWithImages");
        world.apply(name, spec).await;
        let object = world
            .wait(name, "no finalizer", |object| !has_finalizer(object))
            .await;
        world.delete(name).await;
        world.gone(&object).await;
        assert!(world.repository(name).is_some(), "{name} is retained");
    }
    assert_eq!(world.count("DeleteRepository"), 0);
    world.finish().await;
}

#[tokio::test]
async fn the_finalizer_is_there_only_while_deletion_has_work_to_do() {
    let world = World::new("finalizer").await;
    for (spec, wanted) in [
        (json!({}), false),
        (json!({"deletionPolicy": "Delete"}), true),
        (json!({"deletionPolicy": "Retain"}), false),
        (json!({"deletionPolicy": "DeleteWithImages"}), true),
        (
            json!({"deletionPolicy": "DeleteWithImages", "suspend": true}),
            false,
        ),
        (json!({"deletionPolicy": "Delete"}), true),
        (
            json!({"deletionPolicy": "Delete", "managementPolicy": "Observe"}),
            false,
        ),
        (json!({"deletionPolicy": "Delete"}), true),
    ] {
        let generation = world.apply("api", spec.clone()).await.metadata.generation;
        world
            .wait("api", &format!("finalizer {wanted} for {spec}"), |o| {
                let observed = o.status.as_ref().and_then(|s| s.observed_generation);
                observed == generation && has_finalizer(o) == wanted
            })
            .await;
    }
    world.ready("api").await;
    world.finish().await;
}

#[tokio::test]
async fn an_object_that_was_never_bound_goes_at_once() {
    let mut world = World::without_operator("delete-unbound").await;
    // No operator has seen it, and so nothing holds it.
    let object = world
        .apply("early", json!({"deletionPolicy": "Delete"}))
        .await;
    world.delete("early").await;
    world.gone(&object).await;
    world.start_operator().await;
    assert_eq!(world.count("CreateRepository"), 0);
    world.finish().await;
}

#[tokio::test]
async fn an_object_without_a_repository_of_its_own_goes_and_touches_nothing() {
    let world = World::new("delete-foreign").await;
    let repository = world.in_ecr("api");
    world.outside("CreateRepository", json!({"repositoryName": repository}));
    world.push(&repository, "v1");
    let before = world.repository("api");
    world
        .apply("api", json!({"deletionPolicy": "DeleteWithImages"}))
        .await;
    let object = world.stalled("api", "AlreadyExists").await;
    assert!(has_finalizer(&object));
    world.delete("api").await;
    world.gone(&object).await;
    assert_eq!(world.repository("api"), before);
    assert_eq!(world.count("DeleteRepository"), 0);
    world.finish().await;
}

#[tokio::test]
async fn what_is_no_longer_ours_is_left() {
    let world = World::new("delete-lost-tag").await;
    let object = with_images(&world, "DeleteWithImages", &["v1"]).await;
    let arn = world.repository("api").unwrap().arn;
    world.outside(
        "UntagResource",
        json!({"resourceArn": arn, "tagKeys": ["ecr-operator.dev/owner"]}),
    );
    world.delete("api").await;
    world.gone(&object).await;
    assert_eq!(world.repository("api").unwrap().images.len(), 1);
    assert_eq!(world.count("DeleteRepository"), 0);
    world.finish().await;
}

#[tokio::test]
async fn what_is_gone_outside_already_holds_nothing_up() {
    let mut world = World::quiet("delete-gone").await;
    let object = with_images(&world, "Delete", &[]).await;
    world.lose(&world.in_ecr("api"));
    world.delete("api").await;
    world.gone(&object).await;
    assert_eq!(world.count("CreateRepository"), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_denied_deletion_waits_and_retain_lets_go() {
    let world = World::new("delete-denied").await;
    world
        .emulator
        .inject(Fault::on("DeleteRepository").forever().deny());
    let object = with_images(&world, "Delete", &[]).await;
    world.delete("api").await;
    let waiting = waits(&world, "api", "AccessDenied").await;
    assert_says(message(&waiting, "Ready"), "ecr:DeleteRepository");
    world
        .apply("api", json!({"deletionPolicy": "Retain"}))
        .await;
    world.gone(&object).await;
    assert!(world.repository("api").is_some());
    world.finish().await;
}

#[tokio::test]
async fn a_deleted_namespace_takes_what_may_go_and_waits_for_nothing_else() {
    let world = World::new("delete-namespace").await;
    world.apply("kept", json!({})).await;
    world
        .apply("dropped", json!({"deletionPolicy": "Delete"}))
        .await;
    let (kept, dropped) = (world.ready("kept").await, world.ready("dropped").await);
    world.delete_namespace().await;
    world.gone(&kept).await;
    world.gone(&dropped).await;
    world.namespace_gone().await;
    assert!(world.repository("kept").is_some());
    assert!(world.repository("dropped").is_none());
    world.finish().await;
}

pub(crate) fn manifest(world: &World, spec: &Value) -> String {
    json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": "ECRRepository",
        "metadata": {"name": "api", "namespace": world.namespace},
        "spec": spec,
    })
    .to_string()
}

#[tokio::test]
async fn replaced_by_force_a_retained_repository_is_ours_again() {
    let world = World::new("replace").await;
    let replace = ["replace", "--force", "-f", "-"];
    world.apply("api", json!({})).await;
    let first = world.ready("api").await;
    world.push(&world.in_ecr("api"), "v1");
    let spec = json!({"tags": {"team": "web"}, "deletionPolicy": "DeleteWithImages"});
    let kubectl = &world.server.kubectl;
    kubectl
        .run_with(&replace, &manifest(&world, &spec))
        .await
        .unwrap();
    let second = world.ready("api").await;
    assert_ne!(second.metadata.uid, first.metadata.uid);
    let repository = world.repository("api").unwrap();
    assert_eq!(repository.tags["team"], "web");
    assert_eq!(repository.images.len(), 1, "it is the same repository");
    // And with the images: kubectl waits until the first object and its repository are gone.
    kubectl
        .run_with(&replace, &manifest(&world, &json!({})))
        .await
        .unwrap();
    world.ready("api").await;
    assert_eq!(world.repository("api").unwrap().images.len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn deleted_while_it_is_created_it_goes_with_what_was_created() {
    let world = World::new("delete-creating").await;
    let delay = std::time::Duration::from_secs(1);
    for (name, policy, stays) in [
        ("gone", "Delete", false),
        ("kept", "Retain", true),
        ("emptied", "DeleteWithImages", false),
    ] {
        let create = Fault::on("CreateRepository").repository(&world.in_ecr(name));
        world.emulator.inject(create.delay(delay));
        let object = world.apply(name, json!({"deletionPolicy": policy})).await;
        world.struck().await;
        world.delete(name).await;
        world.gone(&object).await;
        let created = |world: &World| {
            let calls = world.calls();
            calls.iter().any(|c| {
                c.operation == "CreateRepository" && c.fault.is_some() && {
                    c.input["repositoryName"] == json!(world.in_ecr(name))
                }
            })
        };
        world.until("the creation to take effect", created).await;
        assert_eq!(world.repository(name).is_some(), stays, "{name}");
    }
    assert_eq!(world.count("CreateRepository"), 3);
    world.finish().await;
}

#[tokio::test]
async fn a_name_is_used_again_only_after_the_deletion_ended() {
    let world = World::new("delete-again").await;
    let first = with_images(&world, "Delete", &["v1"]).await;
    world.delete("api").await;
    waits(&world, "api", "RepositoryNotEmpty").await;
    // Applying now changes the object that goes; it does not save it.
    let same = world
        .apply(
            "api",
            json!({"deletionPolicy": "DeleteWithImages", "tags": {"n": "2"}}),
        )
        .await;
    assert_eq!(same.metadata.uid, first.metadata.uid);
    world.gone(&first).await;
    assert!(world.repository("api").is_none());
    world.apply("api", json!({"tags": {"n": "3"}})).await;
    let second = world.ready("api").await;
    assert_ne!(second.metadata.uid, first.metadata.uid);
    assert_eq!(world.repository("api").unwrap().tags["n"], "3");
    world.finish().await;
}

#[tokio::test]
async fn deleting_in_the_foreground_is_no_different() {
    let world = World::new("delete-foreground").await;
    let object = with_images(&world, "Delete", &[]).await;
    world
        .api()
        .delete("api", &DeleteParams::foreground())
        .await
        .unwrap();
    world.gone(&object).await;
    assert!(world.repository("api").is_none());
    world.finish().await;
}
