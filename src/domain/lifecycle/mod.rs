//! Lifecycle policies, compared by what they mean.
//!
//! ECR gives back another text than it was given: rules sorted by priority, JSON written anew.
//! Sources are pages of the ECR User Guide.
//!
//! # Equal
//!
//! | what | source |
//! |---|---|
//! | order of keys and of rules, white space | "Lifecycle policy properties in Amazon ECR": `rulePriority` sets the order, lowest to highest |
//! | rules without any `rulePriority` and the same numbered 1, 2, 3… | ours: ECR wants numbers, so the order of the list gives them |
//! | order within `tagPatternList` and `tagPrefixList`, a value that is there twice | the same page: an image is selected that matches all of them |
//! | an empty list, a null, and no list | they say the same; Terraform writes them, ECR does not store them |
//! | no `storageClass` and `standard` | the same page: the default |
//! | no `description` and an empty one | neither says anything |
//! | `10` and `10.0` on AWS's side | JSON |
//!
//! # Different, though it may look equal
//!
//! - Another description, of the same rules: ECR stores it and the user asked for it.
//! - Other priorities in the same order: ECR stores the numbers.
//! - The prefix `v` and the pattern `v*`; a pattern that others cover.
//! - `any` alone, and `untagged` beside the pattern `*`: nothing is concluded from what rules cover.
//!
//! # What is understood
//!
//! The grammar of that page and of "Automate the cleanup of images by using lifecycle policies".
//! Admission checks it too, but can be switched off and may be older than this program. On the
//! user's side all else is refused with what to do about it. On AWS's side it makes the policy
//! opaque: different from all that a user can ask for, and never an error; so is a stored policy
//! with a word that is newer than this program.
//!
//! # Length
//!
//! ECR takes 100 to 30,720 characters. The shortest policy of this grammar, one rule for `any` or
//! `untagged` images, has more than 100 as compact JSON, so nothing needs padding; a test holds
//! that.

mod error;
mod grammar;
mod rule;
mod stored;

pub use error::LifecycleError;

use grammar::Rules;
use serde_json::{Value, json};

use super::digest::digest;
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
    /// What is stored in AWS and does not follow the grammar that we know; made by
    /// [`Lifecycle::stored`] alone.
    Opaque(String),
}

impl Lifecycle {
    /// Reads what AWS has stored.
    ///
    /// Never fails: a text that we do not understand equals itself alone, so that it counts as
    /// different from whatever a user asks for.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        let rules = stored::policy(text).and_then(|policy| grammar::rules(&policy).ok());
        Self(match rules {
            Some(rules) if !rules.is_empty() => Content::Rules(rules),
            Some(_) | None => Content::Opaque(text.to_owned()),
        })
    }

    /// Whether the policy follows the grammar that we know; always true of what a user asks for.
    ///
    /// A stored policy that is not understood right after it was written as asked has been put by
    /// AWS into words that are newer than this program: to write it again would change nothing.
    #[must_use]
    pub fn is_understood(&self) -> bool {
        match &self.0 {
            Content::Rules(_) => true,
            Content::Opaque(_) => false,
        }
    }

    /// The policy as compact JSON, to be sent to `PutLifecyclePolicy`: rules by priority, nothing
    /// that can be left out.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.0 {
            Content::Rules(rules) => text(rules),
            Content::Opaque(text) => text.clone(),
        }
    }

    /// The same policy, with a mark where its first rule is described: what a rule is called changes nothing
    /// of what it does, and a preview of it is known by that among all others. `None` where it would be too
    /// long.
    #[must_use]
    pub fn marked(&self, mark: &str) -> Option<Self> {
        let Content::Rules(rules) = &self.0 else {
            return None;
        };
        let mut rules = rules.clone();
        rules.values_mut().next()?.description = Some(mark.to_owned());
        let fits = text(&rules).chars().count() <= MAX_CHARACTERS;
        fits.then_some(Self(Content::Rules(rules)))
    }

    /// 16 hexadecimal digits, the same for two policies exactly when they are equal.
    #[must_use]
    pub fn hash(&self) -> String {
        match &self.0 {
            Content::Rules(rules) => digest("lifecyclePolicy", &text(rules)),
            Content::Opaque(text) => digest("lifecyclePolicy, opaque", text),
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

/// Two policies have the same text exactly when they are equal: nothing that is kept of a policy is
/// left out of it.
fn text(rules: &Rules) -> String {
    let rules: Value = rules
        .iter()
        .map(|(priority, rule)| rule.json(*priority))
        .collect();
    json!({ "rules": rules }).to_string()
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
