//! Lifecycle policies: stored, returned and deleted. What they may say is in `lifecycle_grammar`,
//! what they do in `lifecycle_rules`.

use serde_json::{Value, json};

use super::{Context, REGISTRY_ID, REPOSITORY_NAME, answer, lifecycle_grammar, text};
use crate::error::Error;
use crate::shape::{Member, Shape, optional, required};
use crate::state::Repository;

pub(super) const PUT: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    required("lifecyclePolicyText", Shape::text(100, 30720)),
];

pub(super) fn put(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let repository = context.repository(input)?;
    let stored = lifecycle_grammar::canonical(text(input, "lifecyclePolicyText"))?;
    repository.lifecycle_policy = Some(stored.clone());
    repository.lifecycle_evaluated_at = 0.0;
    Ok(answer(repository, [("lifecyclePolicyText", json!(stored))]))
}

pub(super) fn get(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    stored(context.repository(input)?)
}

pub(super) fn delete(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let repository = context.repository(input)?;
    let answer = stored(repository)?;
    repository.lifecycle_policy = None;
    Ok(answer)
}

/// A policy that was never evaluated shows 1970 as `lastEvaluatedAt`, as users of ECR report.
fn stored(repository: &Repository) -> Result<Value, Error> {
    let policy = policy(repository)?;
    Ok(answer(
        repository,
        [
            ("lifecyclePolicyText", json!(policy)),
            ("lastEvaluatedAt", json!(repository.lifecycle_evaluated_at)),
        ],
    ))
}

/// The policy that is in force.
pub(super) fn policy(repository: &Repository) -> Result<&str, Error> {
    repository.lifecycle_policy.as_deref().ok_or_else(|| {
        Error::new(
            "LifecyclePolicyNotFoundException",
            format!(
                "Lifecycle policy does not exist for the repository with name '{}' in the registry \
                 with id '{}'",
                repository.name, repository.registry_id
            ),
        )
    })
}
