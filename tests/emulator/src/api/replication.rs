//! Replication: what is set, and how it goes for an image. The copying itself is in `jobs`.
//!
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/replication.html>.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::jobs::{Job, Place, Work};
use super::{Context, REGISTRY_ID, answer, flag, images, list, text};
use crate::error::Error;
use crate::registry::Replication;
use crate::shape::{self, Member, Shape, optional, required};

pub(super) const DESTINATION: Shape = Shape::Structure(&[
    required("region", Shape::matching(2, 25, "[0-9a-z-]{2,25}")),
    required("registryId", REGISTRY_ID),
]);
const FILTER: Shape = Shape::Structure(&[
    required(
        "filter",
        Shape::matching(
            2,
            256,
            "^(?:[a-z0-9]+(?:[._-][a-z0-9]*)*/)*[a-z0-9]*(?:[._-][a-z0-9]*)*$",
        ),
    ),
    required("filterType", Shape::one_of(&["PREFIX_MATCH"])),
]);
const RULE: Shape = Shape::Structure(&[
    required("destinations", Shape::list(&DESTINATION, 0, 100)),
    optional("repositoryFilters", Shape::list(&FILTER, 1, 100)),
    optional(
        "deleteReplication",
        Shape::Structure(&[required("enabled", Shape::Boolean)]),
    ),
]);
const CONFIGURATION: Shape = Shape::Structure(&[required("rules", Shape::list(&RULE, 0, 25))]);

pub(super) const PUT: &[Member] = &[required("replicationConfiguration", CONFIGURATION)];

/// Unique destinations over all rules:
/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html>.
const MAX_DESTINATIONS: usize = 25;

/// Replaces all rules; none at all switches replication off.
pub(super) fn put(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let given = input
        .get("replicationConfiguration")
        .unwrap_or(&Value::Null);
    let configuration = shape::known(&CONFIGURATION, given);
    let rules = list(&configuration, "rules");
    let destinations: BTreeSet<Place> = rules.iter().flat_map(destinations_of).collect();
    if destinations.contains(&context.place()) {
        return Err(Error::invalid(
            "replicationConfiguration",
            "Replication destination cannot be the same as the source registry",
        ));
    }
    if destinations.len() > MAX_DESTINATIONS {
        return Err(Error::new(
            "ValidationException",
            format!(
                "The replication configuration has more than the maximum allowed number of unique \
                 destinations which is '{MAX_DESTINATIONS}'"
            ),
        ));
    }
    context.registry.config.replication = rules.to_vec();
    Ok(json!({ "replicationConfiguration": configuration }))
}

#[expect(clippy::unnecessary_wraps, reason = "all operations have one type")]
pub(super) fn describe_registry(context: &mut Context<'_>, _: &Value) -> Result<Value, Error> {
    Ok(json!({
        "registryId": context.caller.account,
        "replicationConfiguration": { "rules": context.registry.config.replication },
    }))
}

fn destinations_of(rule: &Value) -> impl Iterator<Item = Place> + '_ {
    list(rule, "destinations").iter().map(place_of)
}

pub(super) fn place_of(destination: &Value) -> Place {
    let text = |name| text(destination, name).to_owned();
    (text("registryId"), text("region"))
}

/// Where a repository is replicated to, by those of the rules that the caller chooses. A rule
/// without filters is for every repository.
pub(super) fn destinations(
    rules: &[Value],
    name: &str,
    chosen: impl Fn(&Value) -> bool,
) -> BTreeSet<Place> {
    rules
        .iter()
        .filter(|rule| {
            let filters = list(rule, "repositoryFilters");
            let covers = |filter: &Value| name.starts_with(text(filter, "filter"));
            filters.is_empty() || filters.iter().any(covers)
        })
        .filter(|rule| chosen(rule))
        .flat_map(destinations_of)
        .collect()
}

/// Replicates an image that was pushed. What arrives by replication is not replicated on.
pub(super) fn on_push(context: &mut Context<'_>, name: &str, digest: &str, tag: &str) {
    let (from, due) = (context.place(), context.job_end());
    let destinations = destinations(&context.registry.config.replication, name, |_| true);
    let repository = context.registry.repositories.get_mut(name);
    let Some(image) = repository.and_then(|repository| repository.images.get_mut(digest)) else {
        return;
    };
    for to in destinations {
        image.replications.retain(|known| known.place() != to);
        image.replications.push(Replication {
            registry_id: to.0.clone(),
            region: to.1.clone(),
            done: false,
            failure: None,
        });
        let work = Work::Copy {
            from: from.clone(),
            to,
            repository: name.to_owned(),
            digest: digest.to_owned(),
            tag: tag.to_owned(),
        };
        context.jobs.push(Job { due, work });
    }
}

/// Replicates deletions, where a rule wants that.
pub(super) fn on_delete(context: &mut Context<'_>, name: &str, deleted: &[Value]) {
    let due = context.job_end();
    let held = context.registry.repositories.get(name);
    for id in deleted {
        let digest = text(id, "imageDigest");
        let stays = held.is_some_and(|held| held.images.contains_key(digest));
        let tag = stays.then(|| text(id, "imageTag").to_owned());
        let rules = &context.registry.config.replication;
        let gone = removals(rules, name, digest, tag.as_ref());
        context.jobs.extend(gone.map(|work| Job { due, work }));
    }
}

/// What a deletion is at the destinations of the rules that replicate deletions: of a tag, or else of
/// the image. An expiry by a lifecycle policy is one too:
/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/replication-delete.html>.
pub(crate) fn removals<'a>(
    rules: &[Value],
    name: &'a str,
    digest: &'a str,
    tag: Option<&'a String>,
) -> impl Iterator<Item = Work> + use<'a> {
    let wants = |rule: &Value| {
        rule.get("deleteReplication")
            .is_some_and(|setting| flag(setting, "enabled"))
    };
    let destinations = destinations(rules, name, wants);
    destinations.into_iter().map(move |to| Work::Remove {
        to,
        repository: name.to_owned(),
        digest: digest.to_owned(),
        tag: tag.cloned(),
    })
}

pub(super) fn status(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let repository = context.repository(input)?;
    let image = images::one(repository, input)?;
    let id = input.get("imageId").unwrap_or(&Value::Null);
    let statuses: Vec<Value> = image.replications.iter().map(written).collect();
    let mut answer = answer(
        repository,
        [
            ("imageId", image.id(text(id, "imageTag"))),
            ("replicationStatuses", json!(statuses)),
        ],
    );
    // The output shape has no registryId.
    if let Some(members) = answer.as_object_mut() {
        members.remove("registryId");
    }
    Ok(answer)
}

fn written(replication: &Replication) -> Value {
    let status = match (replication.done, &replication.failure) {
        (false, _) => "IN_PROGRESS",
        (true, None) => "COMPLETE",
        (true, Some(_)) => "FAILED",
    };
    let mut written = json!({
        "region": replication.region,
        "registryId": replication.registry_id,
        "status": status,
    });
    if let (Some(code), Some(members)) = (&replication.failure, written.as_object_mut()) {
        members.insert("failureCode".to_owned(), json!(code));
    }
    written
}
