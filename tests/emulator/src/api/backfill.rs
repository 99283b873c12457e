//! Replication backfills: copies of what was there before the rules.

use serde_json::{Value, json};

use super::jobs::{Copier, Job, Place, Work};
use super::replication::{DESTINATION, destinations, place_of};
use super::{Context, MAX_RESULTS, REGISTRY_ID, layers, list as items, repositories, text};
use crate::error::Error;
use crate::paging::{Page, with_token};
use crate::registry::Backfill;
use crate::shape::{self, Member, Shape, optional, required};
use crate::state::{Registry, uuid};

pub(super) const START: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("destination", DESTINATION),
];
pub(super) const STOP: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("replicationBackfillId", layers::UPLOAD_ID),
];
pub(super) const LIST: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    optional("maxResults", Shape::Integer { min: 1, max: 50 }),
    optional("nextToken", Shape::TEXT),
];
pub(super) const RESULTS: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("replicationBackfillId", layers::UPLOAD_ID),
    optional("resultStatusFilter", Shape::one_of(&["COMPLETE", "FAILED"])),
    optional("maxResults", MAX_RESULTS),
    optional("nextToken", Shape::TEXT),
];

/// In progress at once (model, `StartReplicationBackfill`).
const MAX_RUNNING: usize = 10;
/// A page when the caller does not say how long (model, `ListReplicationBackfills$maxResults`).
const PAGE: usize = 25;
/// How long those that have ended are kept (model, `ListReplicationBackfills`).
const KEPT: f64 = 90.0 * 24.0 * 3600.0;

pub(super) fn start(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    own(context, input, "ecr:StartReplicationBackfill")?;
    let given = input.get("destination").unwrap_or(&Value::Null);
    let destination = shape::known(&DESTINATION, given);
    let to = place_of(&destination);
    let total = wanted(context.registry, &to).len();
    if !is_configured(context.registry, &to) {
        return Err(Error::new(
            "ValidationException",
            "The destination is not in the replication configuration of the registry",
        ));
    }
    check_running(context, &to)?;
    let id = uuid(&format!("backfill {}", context.serial));
    let due = context.job_end();
    let backfill = Backfill {
        id: id.clone(),
        serial: context.serial,
        destination: destination.clone(),
        started_at: context.now,
        prepared_at: context.now.midpoint(due),
        ends_at: due,
        stopped_at: None,
        failure: None,
        total,
        results: Vec::new(),
    };
    let started_at = context.now;
    let at = context.place();
    let work = Work::Backfill { at, id: id.clone() };
    context.jobs.push(Job { due, work });
    let backfills = &mut context.registry.config.backfills;
    backfills.insert(id.clone(), backfill);
    Ok(json!({
        "replicationBackfillId": id,
        "registryId": context.caller.account,
        "destination": destination,
        "status": "PREPARING",
        "startedAt": started_at,
    }))
}

fn own(context: &mut Context<'_>, input: &Value, action: &str) -> Result<(), Error> {
    repositories::require_own_registry(context, input, action, "*")?;
    let now = context.now;
    let kept = |backfill: &Backfill| now - backfill.ended_at(now).unwrap_or(now) <= KEPT;
    let backfills = &mut context.registry.config.backfills;
    backfills.retain(|_, backfill| kept(backfill));
    Ok(())
}

fn is_configured(registry: &Registry, to: &Place) -> bool {
    registry
        .config
        .replication
        .iter()
        .flat_map(|rule| items(rule, "destinations"))
        .any(|destination| place_of(destination) == *to)
}

/// One for a destination Region, ten in all.
fn check_running(context: &Context<'_>, to: &Place) -> Result<(), Error> {
    let now = context.now;
    let running: Vec<Place> = context
        .registry
        .config
        .backfills
        .values()
        .filter(|backfill| backfill.ended_at(now).is_none())
        .map(|backfill| place_of(&backfill.destination))
        .collect();
    if running.iter().any(|other| other.1 == to.1) {
        return Err(Error::new(
            "ReplicationBackfillInProgressException",
            format!(
                "A replication backfill is already in progress for the destination region '{}'",
                to.1
            ),
        ));
    }
    if running.len() >= MAX_RUNNING {
        return Err(Error::new(
            "LimitExceededException",
            format!(
                "The registry already has the maximum allowed number of replication backfills in \
                 progress which is '{MAX_RUNNING}'"
            ),
        ));
    }
    Ok(())
}

/// Every image and tag that a destination should have; an image without a tag counts once.
fn wanted(registry: &Registry, to: &Place) -> Vec<(String, String, String)> {
    let rules = &registry.config.replication;
    registry
        .repositories
        .values()
        .filter(|repository| destinations(rules, &repository.name, |_| true).contains(to))
        .flat_map(|repository| {
            repository
                .images
                .values()
                .map(move |image| (repository, image))
        })
        .filter(|(_, image)| !image.archived)
        .flat_map(|(repository, image)| {
            let untagged = image.tags.is_empty().then_some("");
            let tags = image.tags.iter().map(String::as_str).chain(untagged);
            tags.map(|tag| {
                let tag = tag.to_owned();
                (repository.name.clone(), image.digest.clone(), tag)
            })
        })
        .collect()
}

/// Does the work of a backfill that was not stopped.
pub(super) fn run(copier: &mut Copier<'_>, at: &Place, id: &str) {
    let now = copier.now;
    let Some(registry) = copier.registries.get(at) else {
        return;
    };
    let Some(backfill) = registry.config.backfills.get(id) else {
        return;
    };
    if backfill.stopped_at.is_some() {
        return;
    }
    let to = place_of(&backfill.destination);
    let configured = is_configured(registry, &to);
    let mut results = Vec::new();
    for (name, digest, tag) in wanted(registry, &to) {
        let outcome = copier.replicate(at, &to, &name, &digest, &tag);
        results.push(result(&name, &digest, &tag, outcome.err()));
    }
    let registry = copier.registries.get_mut(at);
    if let Some(backfill) = registry.and_then(|registry| registry.config.backfills.get_mut(id)) {
        backfill.ends_at = now;
        backfill.total = results.len();
        backfill.results = results;
        // AWS does not publish its codes; this is the one way in which a whole backfill fails here.
        backfill.failure = (!configured).then_some("DestinationNotConfigured");
    }
}

fn result(name: &str, digest: &str, tag: &str, failure: Option<&str>) -> Value {
    let mut id = json!({ "imageDigest": digest });
    if let (false, Some(members)) = (tag.is_empty(), id.as_object_mut()) {
        members.insert("imageTag".to_owned(), json!(tag));
    }
    let status = if failure.is_some() {
        "FAILED"
    } else {
        "COMPLETE"
    };
    let mut result = json!({ "repositoryName": name, "imageId": id, "status": status });
    if let (Some(code), Some(members)) = (failure, result.as_object_mut()) {
        members.insert("failureCode".to_owned(), json!(code));
    }
    result
}

/// Copies are made when a backfill ends, so one that is stopped has none under way.
pub(super) fn stop(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    own(context, input, "ecr:StopReplicationBackfill")?;
    let now = context.now;
    let account = context.caller.account.clone();
    let backfill = find(context, input)?;
    let status = backfill.status(now);
    if backfill.ended_at(now).is_some() {
        return Err(Error::new(
            "ReplicationBackfillInvalidStatusException",
            format!(
                "The replication backfill with id '{}' has the status {status} and cannot be \
                 stopped",
                backfill.id
            ),
        ));
    }
    backfill.stopped_at = Some(now);
    Ok(json!({
        "registryId": account,
        "replicationBackfillId": backfill.id,
        "destination": backfill.destination,
        "status": backfill.status(now),
        "startedAt": backfill.started_at,
    }))
}

fn find<'a>(context: &'a mut Context<'_>, input: &Value) -> Result<&'a mut Backfill, Error> {
    let id = text(input, "replicationBackfillId");
    let account = &context.caller.account;
    context.registry.config.backfills.get_mut(id).ok_or_else(|| {
        Error::new(
            "ReplicationBackfillNotFoundException",
            format!(
                "The replication backfill with id '{id}' does not exist in the registry with id \
                 '{account}'"
            ),
        )
    })
}

/// The latest first.
pub(super) fn list(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    own(context, input, "ecr:ListReplicationBackfills")?;
    let account = &context.caller.account;
    let page = Page::read(input, format!("ListReplicationBackfills {account}"))?;
    let page = page.or_size(input, PAGE);
    let mut sorted: Vec<(String, &Backfill)> = context
        .registry
        .config
        .backfills
        .values()
        .map(|backfill| (format!("{:020}", u64::MAX - backfill.serial), backfill))
        .filter(|(key, _)| page.follows(key))
        .collect();
    sorted.sort_by(|one, other| one.0.cmp(&other.0));
    let summaries = sorted
        .into_iter()
        .map(|(key, backfill)| (key, backfill.summary(context.now)));
    let (backfills, token) = page.take(summaries);
    let answer = json!({ "registryId": account, "backfills": backfills });
    Ok(with_token(answer, token))
}

/// Results are there only when the backfill has ended (model, `DescribeReplicationBackfillResults`).
pub(super) fn results(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    own(context, input, "ecr:DescribeReplicationBackfillResults")?;
    let now = context.now;
    let account = context.caller.account.clone();
    let backfill = find(context, input)?;
    let wanted = text(input, "resultStatusFilter");
    let scope = format!(
        "DescribeReplicationBackfillResults {} {wanted}",
        backfill.id
    );
    let page = Page::read(input, scope)?;
    let numbered = backfill
        .results
        .iter()
        .enumerate()
        .filter(|(_, result)| wanted.is_empty() || text(result, "status") == wanted)
        .map(|(number, result)| (format!("{number:012}"), result.clone()))
        .filter(|(key, _)| page.follows(key));
    let (results, token) = page.take(numbered);
    let mut answer = backfill.summary(now);
    if let Some(members) = answer.as_object_mut() {
        members.insert("registryId".to_owned(), json!(account));
        members.insert("results".to_owned(), json!(results));
    }
    Ok(with_token(answer, token))
}
