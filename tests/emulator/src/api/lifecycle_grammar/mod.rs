//! The grammar of lifecycle policies, with ECR's refusals.
//!
//! The document: <https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html>.
//! ECR checks in two steps, and so do we. First a JSON schema, whose complaints are those of a
//! known Java validator ("instance failed to match exactly one schema (matched 0 out of 2)"), one a
//! line. Then what a schema cannot say, in sentences. Where no user has ever quoted the sentence,
//! the comment says that the words are ours.

mod checks;
mod rule;
mod schema;

use serde_json::{Map, Value};

use self::rule::Rule;
use crate::error::Error;

/// Checks a policy and returns it as ECR stores it: compact, the rules by ascending priority.
pub(super) fn canonical(text: &str) -> Result<String, Error> {
    let Ok(Value::Object(document)) = serde_json::from_str(text) else {
        return Err(refusal("Could not map policyString into LifecyclePolicy."));
    };
    let mut complaints = Vec::new();
    schema::check_document(&document, &mut complaints);
    if !complaints.is_empty() {
        return Err(refusal(&format!("{}\n", complaints.join("\n"))));
    }
    let mut rules: Vec<Rule> = array(&document, "rules")
        .iter()
        .filter_map(Rule::read)
        .collect();
    rules
        .iter()
        .try_for_each(checks::check_rule)
        .map_err(|message| refusal(&message))?;
    checks::check_together(&rules).map_err(refusal)?;
    rules.sort_by_key(|rule| rule.priority);
    let rules: Vec<String> = rules.iter().map(Rule::write).collect();
    Ok(format!("{{\"rules\":[{}]}}", rules.join(",")))
}

fn refusal(message: &str) -> Error {
    Error::invalid(
        "LifecyclePolicyText",
        format!("Lifecycle policy validation failure: {message}"),
    )
}

/// A list member; empty if it is absent.
fn array<'a>(object: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    object
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
