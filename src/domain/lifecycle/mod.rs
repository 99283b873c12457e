//! Lifecycle policies, compared by what they mean.

mod error;
mod grammar;
mod rule;
mod stored;

pub use error::LifecycleError;

use grammar::Rules;
use serde_json::{Value, json};

use super::digest;
use super::setting::Setting;
use crate::api::LifecyclePolicy;

/// The most rules that ECR takes in one policy ("Amazon ECR service quotas").
pub const MAX_RULES: usize = 50;

/// The longest text that ECR stores, in characters (`LifecyclePolicyText` of its API model).
pub const MAX_CHARACTERS: usize = 30_720;

/// A lifecycle policy; `==` is equality of meaning, as told in the documentation of this module.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lifecycle(Content);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Content {
    /// At least one.
    Rules(Rules),
    /// What is stored in AWS and does not follow the grammar that we know; made by [`Lifecycle::stored`] alone.
    Opaque(String),
}

impl Lifecycle {
    /// Reads what AWS has stored.
    ///
    /// Never fails: a text that we do not understand equals itself alone, so that it counts as different from
    /// whatever a user asks for.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        let rules = stored::policy(text).and_then(|policy| grammar::rules(&policy).ok());
        Self(match rules {
            Some(rules) if !rules.is_empty() => Content::Rules(rules),
            Some(_) | None => Content::Opaque(text.to_owned()),
        })
    }

    /// The policy as compact JSON, to be sent to `PutLifecyclePolicy`: rules by priority, nothing that can be left out.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.0 {
            Content::Rules(rules) => text(rules),
            Content::Opaque(text) => text.clone(),
        }
    }

    /// 16 hexadecimal digits, the same for two policies exactly when they are equal.
    #[must_use]
    pub fn hash(&self) -> String {
        match &self.0 {
            Content::Rules(rules) => digest(&text(rules)),
            Content::Opaque(text) => digest(&format!("opaque {text}")),
        }
    }
}

/// What `spec.lifecyclePolicy` asks for; a list without rules asks for none.
///
/// # Errors
///
/// What ECR would refuse.
pub fn wanted(spec: Option<&LifecyclePolicy>) -> Result<Setting<Lifecycle>, LifecycleError> {
    let Some(policy) = spec else {
        return Ok(Setting::Unmanaged);
    };
    let rules = grammar::rules(policy)?;
    if rules.is_empty() {
        return Ok(Setting::Absent);
    }
    let characters = text(&rules).chars().count();
    if characters > MAX_CHARACTERS {
        return Err(LifecycleError::TooLong { characters });
    }
    Ok(Setting::Present(Lifecycle(Content::Rules(rules))))
}

/// Two policies have the same text exactly when they are equal: nothing that is kept of a policy is left out of it.
fn text(rules: &Rules) -> String {
    let rules: Value = rules
        .iter()
        .map(|(priority, rule)| rule.json(*priority))
        .collect();
    json!({ "rules": rules }).to_string()
}
