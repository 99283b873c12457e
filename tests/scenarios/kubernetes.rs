//! Kubernetes says no in the middle of a pass: nothing is done in AWS that would not be known.

use ecr_operator::api::ECRRepository;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::{
    looking::{tag_keys, told},
    world::{World, condition, has_finalizer},
};

/// What a refusal says.
const SAID: &str = "the moon is full";

/// A write that the API server refuses from now on, in the scenario's namespace.
struct Refusal {
    resource: &'static str,
    /// What a write must be like (CEL).
    unless: &'static str,
    /// A write to the object `probe` that is refused.
    probe: Value,
}

/// Status must not name the registry: it is refused before the first call to AWS.
fn binding() -> Refusal {
    Refusal {
        resource: "ecrrepositories/status",
        unless: "!has(object.status.registryId)",
        probe: json!({"status": {"registryId": "111122223333"}}),
    }
}

/// Status must not name the repository's ARN: it is refused once the repository exists.
fn creation() -> Refusal {
    Refusal {
        resource: "ecrrepositories/status",
        unless: "!has(object.status.arn)",
        probe: json!({"status": {"arn": "arn:aws:ecr:eu-west-1:111122223333:repository/probe"}}),
    }
}

/// The key `late` must not be remembered.
fn late_key() -> Refusal {
    Refusal {
        resource: "ecrrepositories/status",
        unless: "!has(object.status.tagKeys) || object.status.tagKeys.all(key, key != 'late')",
        probe: json!({"status": {"tagKeys": ["late"]}}),
    }
}

/// Finalizers must stay as they are.
fn finalizers() -> Refusal {
    Refusal {
        resource: "ecrrepositories",
        unless: "has(object.metadata.finalizers) == has(oldObject.metadata.finalizers)",
        probe: json!({"metadata": {"finalizers": ["example.com/probe"]}}),
    }
}

impl Refusal {
    /// Begins; returns once it is in effect.
    async fn begin(&self, world: &World) {
        let [policy, binding] = self.objects(world);
        for object in [policy, binding] {
            let apply = ["apply", "--server-side", "-f", "-"];
            let kubectl = &world.server.kubectl;
            kubectl.run_with(&apply, &object.to_string()).await.unwrap();
        }
        self.until_refused(world, true).await;
    }

    async fn end(&self, world: &World) {
        let name = world.namespace.as_str();
        let kinds = "validatingadmissionpolicybinding,validatingadmissionpolicy";
        let kubectl = &world.server.kubectl;
        kubectl.run(&["delete", kinds, name]).await.unwrap();
        self.until_refused(world, false).await;
    }

    fn objects(&self, world: &World) -> [Value; 2] {
        let name = &world.namespace;
        let api = "admissionregistration.k8s.io/v1";
        let policy = json!({
            "apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
            "spec": {
                "matchConstraints": {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
                    "resourceRules": [{
                        "apiGroups": ["ecr-operator.dev"], "apiVersions": ["*"],
                        "operations": ["UPDATE"], "resources": [self.resource],
                    }],
                },
                "validations": [{"expression": self.unless, "message": SAID}],
            },
        });
        let binding = json!({
            "apiVersion": api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        });
        [policy, binding]
    }

    /// Admission policies take effect a moment after they were written.
    async fn until_refused(&self, world: &World, wanted: bool) {
        let dry_run = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let patch = Patch::Merge(&self.probe);
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
        let waiting = async {
            loop {
                let written = if self.resource.ends_with("/status") {
                    world.api().patch_status("probe", &dry_run, &patch).await
                } else {
                    world.api().patch("probe", &dry_run, &patch).await
                };
                let refused = written.is_err_and(|error| error.to_string().contains(SAID));
                if refused == wanted {
                    return;
                }
                ticks.tick().await;
            }
        };
        world
            .patiently("admission to change its mind", waiting)
            .await;
    }
}

/// A world with an object that refusals are tried on, in which nothing is looked at but for a reason.
async fn probed(name: &str) -> World {
    let mut world = World::without_operator(name).await;
    world.seldom();
    world.apply("probe", json!({"suspend": true})).await;
    world.start_operator().await;
    let suspended = |o: &ECRRepository| condition(o, "Ready") == Some(("False", "Suspended"));
    world.wait("probe", "Suspended", suspended).await;
    world
}

/// Waits until the operator was refused so often.
async fn refused(world: &World, times: usize) {
    let times_said = |world: &World| world.operator().log().matches(SAID).count();
    world
        .until("the operator is refused", |world| {
            times_said(world) >= times
        })
        .await;
}

#[tokio::test]
async fn nothing_is_created_before_the_binding_is_saved() {
    let world = probed("no-binding").await;
    let refusal = binding();
    refusal.begin(&world).await;
    world.apply("api", json!({"tags": {"team": "a"}})).await;
    refused(&world, 3).await;
    assert_eq!(world.count("CreateRepository"), 0);
    let status = world.get("api").await.status.unwrap();
    assert_eq!((status.registry_id, status.tag_keys), (None, Vec::new()));
    refusal.end(&world).await;
    world.ready("api").await;
    assert_eq!(world.count("CreateRepository"), 1);
    world.finish_looking().await;
}

#[tokio::test]
async fn no_tag_is_written_before_its_key_is_saved() {
    let world = probed("no-keys").await;
    world.apply("api", json!({"tags": {"team": "a"}})).await;
    world.ready("api").await;
    let refusal = late_key();
    refusal.begin(&world).await;
    world.apply("api", json!({"tags": {"late": "1"}})).await;
    refused(&world, 3).await;
    assert_eq!(world.count("TagResource"), 0);
    assert_eq!(world.count("UntagResource"), 0);
    refusal.end(&world).await;
    let object = world.ready("api").await;
    assert_eq!(tag_keys(&object), ["late"]);
    assert_eq!(world.repository("api").unwrap().tags["late"], "1");
    world.finish_looking().await;
}

#[tokio::test]
async fn what_was_created_and_could_not_be_saved_is_created_once() {
    let mut world = probed("no-arn").await;
    let refusal = creation();
    refusal.begin(&world).await;
    world
        .apply(
            "api",
            json!({"tags": {"team": "a"}, "access": {"pull": ["111122223333"]}}),
        )
        .await;
    refused(&world, 3).await;
    let created = world.repository("api").unwrap().created_at.to_bits();
    assert_eq!(world.get("api").await.status.unwrap().arn, None);
    world.kill_operator();
    world.start_operator().await;
    refused(&world, 2).await;
    refusal.end(&world).await;
    let object = world.ready("api").await;
    assert!(object.status.unwrap().arn.is_some());
    let held = world.repository("api").unwrap();
    assert_eq!(held.created_at.to_bits(), created);
    assert!(held.policy.is_some());
    let writes = world.written();
    let of = |operation: &str| writes.iter().filter(|c| c.operation == operation).count();
    assert_eq!(of("CreateRepository"), 1);
    assert_eq!(told(&world, "api", "Created").await.len(), 1, "told once");
    world.finish_looking().await;
}

#[tokio::test]
async fn killed_between_finalizer_and_status_it_ends_the_same() {
    let mut world = probed("no-status").await;
    let refusal = binding();
    refusal.begin(&world).await;
    for name in ["stays", "goes"] {
        world
            .apply(name, json!({"deletionPolicy": "DeleteWithImages"}))
            .await;
        world.wait(name, "its finalizer", has_finalizer).await;
    }
    refused(&world, 2).await;
    world.kill_operator();
    assert_eq!(world.written(), []);
    refusal.end(&world).await;
    // It was never bound: nothing in AWS can be its own.
    let goes = world.get("goes").await;
    world.delete("goes").await;
    world.start_operator().await;
    world.gone(&goes).await;
    world.ready("stays").await;
    assert_eq!(world.count("CreateRepository"), 1);
    assert_eq!(world.count("DeleteRepository"), 0);
    world.finish_looking().await;
}

#[tokio::test]
async fn nothing_is_created_before_its_finalizer_is_there_nor_deleted_twice() {
    let world = probed("no-finalizer").await;
    let refusal = finalizers();
    refusal.begin(&world).await;
    world
        .apply("api", json!({"deletionPolicy": "Delete"}))
        .await;
    refused(&world, 3).await;
    assert_eq!(world.count("CreateRepository"), 0);
    refusal.end(&world).await;
    let object = world.ready("api").await;
    refusal.begin(&world).await;
    let said = world.operator().log().matches(SAID).count();
    world
        .api()
        .delete("api", &DeleteParams::default())
        .await
        .unwrap();
    refused(&world, said + 2).await;
    assert!(world.repository("api").is_none());
    assert!(world.api().get_opt("api").await.unwrap().is_some());
    refusal.end(&world).await;
    world.gone(&object).await;
    assert_eq!(world.written().len(), 2, "one creation and one deletion");
    assert_eq!(told(&world, "api", "Deleted").await.len(), 1, "told once");
    world.finish_looking().await;
}
