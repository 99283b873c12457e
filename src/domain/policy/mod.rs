//! Repository policies (IAM policy documents), compared by what they mean.

mod access;
mod arn;
mod document;
mod error;
mod grammar;
mod unique_id;
mod word;

pub use access::Level;
pub use document::{Document, MAX_CHARACTERS};
pub use error::PolicyError;
pub use unique_id::DeletedPrincipals;

use std::collections::BTreeSet;

use document::{Policy, Version};
use serde_json::{Map, Value};

use super::setting::Setting;
use crate::api::Access;

/// How the Sids of the statements begin that stand for `spec.access`.
pub const RESERVED_SID_PREFIX: &str = "EcrOperator";

/// The document that `spec.repositoryPolicy` and `spec.access` ask for together.
///
/// Both absent: not ours. Nothing but emptiness in what is present: none.
///
/// # Errors
///
/// What AWS would refuse, or what takes the place of generated statements.
pub fn with_access(
    user: Option<&Map<String, Value>>,
    access: Option<&Access>,
) -> Result<Setting<Document>, PolicyError> {
    if user.is_none() && access.is_none() {
        return Ok(Setting::Unmanaged);
    }
    let written = user
        .filter(|map| !map.is_empty())
        .map(users_policy)
        .transpose()?;
    let generated = access.map_or_else(|| Ok(BTreeSet::new()), access::statements)?;
    if written.is_none() && generated.is_empty() {
        return Ok(Setting::Absent);
    }
    let mut whole = written.unwrap_or_else(|| Policy {
        version: Version::V2012,
        id: None,
        statements: BTreeSet::new(),
    });
    whole.statements.extend(generated);
    Document::wanted(whole).map(Setting::Present)
}

fn users_policy(map: &Map<String, Value>) -> Result<Policy, PolicyError> {
    let policy = grammar::policy(map)?;
    let mut sids = policy
        .statements
        .iter()
        .filter_map(|statement| statement.sid.as_deref());
    match sids.find(|sid| sid.starts_with(RESERVED_SID_PREFIX)) {
        Some(sid) => Err(PolicyError::ReservedSid {
            sid: error::shown(sid),
        }),
        None => Ok(policy),
    }
}
