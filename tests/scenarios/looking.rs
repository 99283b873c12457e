//! What scenarios look at: the writes to one repository, what is pending, how often a thing was told.

use ecr_emulator::Call;
use ecr_operator::api::{ECRRepository, PendingAction};
use serde_json::json;

use crate::world::World;

/// The annotation by which Flux asks for a pass now.
pub(crate) const FLUX: &str = "reconcile.fluxcd.io/requestedAt";
/// The operator's own.
pub(crate) const REQUEST: &str = "ecr-operator.dev/reconcile-requested-at";

/// The operations that wrote to the object's repository, all calls since `mark`.
pub(crate) fn writes(world: &World, name: &str, mark: usize) -> Vec<String> {
    operations(world, name, mark)
        .into_iter()
        .filter(|o| {
            !["Describe", "Get", "List"]
                .iter()
                .any(|read| o.starts_with(read))
        })
        .collect()
}

/// All operations of calls to the object's repository since `mark`.
pub(crate) fn operations(world: &World, name: &str, mark: usize) -> Vec<String> {
    let repository = world.in_ecr(name);
    let calls = world.calls();
    let calls = calls[mark..]
        .iter()
        .filter(|call| is_about(call, &repository));
    calls.map(|call| call.operation.clone()).collect()
}

/// Whether a call is about this repository, by its name or its ARN.
pub(crate) fn is_about(call: &Call, repository: &str) -> bool {
    let input = &call.input;
    let arn = input["resourceArn"].as_str().unwrap_or_default();
    input["repositoryName"] == json!(repository)
        || input["repositoryNames"] == json!([repository])
        || arn.ends_with(&format!(":repository/{repository}"))
}

/// What is still to be done, as the object's status says.
pub(crate) fn pending(object: &ECRRepository) -> Vec<PendingAction> {
    object
        .status
        .as_ref()
        .map(|s| s.pending.clone())
        .unwrap_or_default()
}

/// The notes of all events with a reason.
pub(crate) async fn told(world: &World, name: &str, reason: &str) -> Vec<String> {
    let events = world.events(name).await;
    events
        .into_iter()
        .filter(|(_, r, _)| r == reason)
        .map(|(_, _, note)| note)
        .collect()
}

/// Asks for a pass now, as `flux reconcile` does, and waits until it was made.
pub(crate) async fn reconcile_now(world: &World, name: &str, token: &str) -> ECRRepository {
    world.annotate(name, FLUX, token).await;
    world
        .wait(name, "the request is handled", |object| {
            let status = object.status.as_ref();
            status.is_some_and(|s| s.last_handled_reconcile_at.as_deref() == Some(token))
        })
        .await
}

/// The tag keys that status calls ours.
pub(crate) fn tag_keys(object: &ECRRepository) -> Vec<String> {
    object
        .status
        .as_ref()
        .map(|s| s.tag_keys.clone())
        .unwrap_or_default()
}

/// Waits until a call was made so often in all.
pub(crate) async fn called(world: &World, operation: &str, times: usize) {
    let what = format!("{times} calls of {operation}");
    world.until(&what, |w| w.count(operation) >= times).await;
}
