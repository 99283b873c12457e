//! Repository policies: stored, returned and deleted. What they may say is in `policy_grammar`.

use serde_json::{Value, json};

use super::{Context, REGISTRY_ID, REPOSITORY_NAME, answer, flag, policy_grammar, text};
use crate::error::Error;
use crate::settings::Settings;
use crate::shape::{Member, Shape, optional, required};
use crate::state::Repository;

pub(super) const SET: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    required("policyText", Shape::text(0, 10240)),
    optional("force", Shape::Boolean),
];

pub(super) fn set(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    context.repository(input)?;
    let policy = policy_grammar::parse(text(input, "policyText"), &context.caller.region)
        .ok_or_else(refusal)?;
    refuse_unknown(context.settings, &policy, refusal)?;
    if !flag(input, "force") && policy.locks_out(&context.caller.arn(), &context.caller.account) {
        // The check that `force` overrides; AWS does not publish its words.
        return Err(Error::invalid(
            "PolicyText",
            "The policy would prevent you from setting another policy in the future; use force",
        ));
    }
    let stored = policy.pretty();
    let repository = context.repository(input)?;
    repository.policy = Some(stored.clone());
    Ok(answer(repository, [("policyText", json!(stored))]))
}

/// ECR says the same whether the grammar is wrong or a principal does not exist (yet).
pub(super) fn refusal() -> Error {
    Error::invalid("PolicyText", "Invalid repository policy provided")
}

/// Refuses principals that IAM does not know, and counts down those that get known by themselves.
pub(super) fn refuse_unknown(
    settings: &mut Settings,
    policy: &policy_grammar::Policy,
    refusal: fn() -> Error,
) -> Result<(), Error> {
    let mut refused = false;
    for principal in policy.principals() {
        refused |= settings.deleted_principals.contains_key(principal);
        match settings.unknown_principals.get_mut(principal) {
            None => {}
            Some(Some(0)) => {
                settings.unknown_principals.remove(principal);
            }
            Some(left) => {
                *left = left.map(|left| left - 1);
                refused = true;
            }
        }
    }
    if refused { Err(refusal()) } else { Ok(()) }
}

pub(super) fn get(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    forget_deleted(context, input)?;
    stored(context.repository(input)?)
}

/// IAM puts the unique id of a principal that was deleted in the place of its ARN, and never turns it
/// back: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>.
fn forget_deleted(context: &mut Context<'_>, input: &Value) -> Result<(), Error> {
    let deleted = context.settings.deleted_principals.clone();
    if let Some(policy) = &mut context.repository(input)?.policy {
        for (arn, id) in deleted {
            *policy = policy.replace(&format!("\"{arn}\""), &format!("\"{id}\""));
        }
    }
    Ok(())
}

pub(super) fn delete(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    forget_deleted(context, input)?;
    let repository = context.repository(input)?;
    let answer = stored(repository)?;
    repository.policy = None;
    Ok(answer)
}

fn stored(repository: &Repository) -> Result<Value, Error> {
    let Some(policy) = &repository.policy else {
        return Err(Error::new(
            "RepositoryPolicyNotFoundException",
            format!(
                "Repository policy does not exist for the repository with name '{}' in the \
                 registry with id '{}'",
                repository.name, repository.registry_id
            ),
        ));
    };
    Ok(answer(repository, [("policyText", json!(policy))]))
}
