//! The policy of a registry.

use serde_json::{Value, json};

use super::{Context, policy, policy_grammar, text};
use crate::error::Error;
use crate::shape::{Member, Shape, required};

pub(super) const PUT_POLICY: &[Member] = &[required("policyText", Shape::text(0, 10240))];

pub(super) fn put_policy(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let region = &context.caller.region;
    let policy = policy_grammar::parse_for_registry(text(input, "policyText"), region)
        .ok_or_else(refusal)?;
    policy::refuse_unknown(context.settings, &policy, refusal)?;
    context.registry.config.policy = Some(policy.pretty());
    get_policy(context, input)
}

fn refusal() -> Error {
    Error::invalid("PolicyText", "Invalid registry policy provided")
}

pub(super) fn get_policy(context: &mut Context<'_>, _: &Value) -> Result<Value, Error> {
    let account = &context.caller.account;
    let Some(policy) = &context.registry.config.policy else {
        return Err(Error::new(
            "RegistryPolicyNotFoundException",
            format!("Registry policy does not exist in the registry with id '{account}'"),
        ));
    };
    Ok(json!({ "registryId": account, "policyText": policy }))
}

pub(super) fn delete_policy(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let answer = get_policy(context, input)?;
    context.registry.config.policy = None;
    Ok(answer)
}
