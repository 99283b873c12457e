//! Repository policies (IAM policy documents), compared by what they mean.
//!
//! AWS stores a policy and gives back another text: pretty-printed, lists in another order, ids
//! turned into ARNs. A write for each such difference would never end, so two documents are
//! compared by their meaning, and what goes to AWS is what the user wrote. Sources are pages of the
//! IAM User Guide unless another is named.
//!
//! # Equal
//!
//! | what | source |
//! |---|---|
//! | order of keys, white space | JSON; "Grammar of the IAM JSON policy language": blocks can appear in any order |
//! | order of statements, and a statement that is there twice | "Policy evaluation logic": all statements are evaluated, and a second of the same adds nothing |
//! | order of principals, actions, condition values; a value that is there twice | the same page; "IAM JSON policy elements: Condition": values of a key are joined by OR |
//! | order of condition operators and keys | "Creating a condition with multiple keys or values": joined by AND |
//! | a list of one and its only value, `Statement` included | "Grammar": the brackets are optional |
//! | `123456789012` and `arn:<any partition>:iam::123456789012:root` as `AWS` principals | "AWS JSON policy elements: Principal": both behave the same, and the service may convert one to the other |
//! | `"Principal": "*"` and `{"AWS": "*"}` | the same page, "All principals". Sent as the latter: the string form is reported to have been refused |
//! | case of an action and its prefix | "IAM JSON policy elements: Action": both are case insensitive |
//! | case of condition keys | "IAM JSON policy elements: Condition": key names are not case-sensitive |
//! | case of condition operators | not documented; AWS has no two operators that differ in case alone |
//! | `true` and `"true"`, `10` and `"10"` as condition values | "Grammar": quotation marks are optional for numbers and Booleans |
//! | no `Version` and `2008-10-17` | "IAM JSON policy elements: Version": the default |
//! | no `Sid` (or `Id`) and an empty one | it names nothing; Terraform writes `"Sid": ""` |
//! | no `Condition` and an empty one | there is nothing that must hold; IAM's own answers have `"Condition": {}` |
//!
//! # Different, though it may look equal
//!
//! - `2012-10-17` and any other version: `${…}` is a variable in it alone.
//! - A `Sid` or `Id` that is another, comes or goes: it says nothing to IAM but something to
//!   people, and the user asked for it. AWS is not known to add one.
//! - `Principal` and `NotPrincipal`, `Action` and `NotAction`, `Allow` and `Deny` (and `allow`,
//!   which is none).
//! - `StringEquals`, `StringEqualsIfExists`, `ForAnyValue:StringEquals`,
//!   `ForAllValues:StringEquals`.
//! - Condition values in another case, or the number `10` and the number `10.0`: whether they mean
//!   the same depends on the operator.
//! - ARNs in another case ("AWS JSON policy elements: Principal": names in them are case sensitive);
//!   an ARN of a role with its path and without; the root of another account; an account as a
//!   `Federated` principal or in a condition value.
//! - `ecr:*` and the list of all actions, `{"AWS": ["*", "123456789012"]}` and `"*"`, two
//!   statements and one that says both: nothing is concluded from what patterns and statements
//!   cover.
//! - `{"Service": "*"}` and `"*"`.
//! - A role's ARN and its unique id: AWS shows the id once the role is gone. See
//!   [`Document::deleted_principals`].
//!
//! # What is understood
//!
//! The grammar without `Resource` and `NotResource`, which ECR refuses (ECR User Guide, "Private
//! repository policies"). On the user's side all else is refused with what to do about it, for ECR
//! itself says no more than "Invalid repository policy provided". On AWS's side it makes the
//! document opaque: different from all that a user can ask for, and never an error.
//!
//! ECR is more lenient with Sids than IAM, and so are we: they may hold spaces (AWS in the
//! discussion of awsdocs/amazon-ecr-user-guide#33) and may come twice (getmoto/moto#8933).

mod access;
mod arn;
mod certain;
mod document;
mod error;
mod grammar;
mod grants;
mod keep;
mod operator;
mod part;
mod suspects;
mod unique_id;
mod word;

pub use access::{Level, pull_and_push};
pub use document::{Document, MAX_CHARACTERS};
pub use error::PolicyError;
pub use grants::{Condition, Denial, Grant, Grantee};
pub use unique_id::DeletedPrincipals;

use std::collections::BTreeSet;

use document::{Policy, Version};
use serde_json::{Map, Value};

use super::identity::RegistryId;
use super::setting::Setting;
use crate::api::Access;

/// How the Sids of the statements begin that stand for `spec.access`.
pub const RESERVED_SID_PREFIX: &str = "EcrOperator";

/// The document that `spec.repositoryPolicy` and `spec.access` ask for together in a repository of the
/// account `own`.
///
/// Both absent: not ours. Empty lists in what is present: none. What is present and has no list asks for
/// nothing: it may be what is left of a key that was misspelt, and none would take away what is there.
///
/// # Errors
///
/// What AWS would refuse, what takes the place of generated statements, and what asks for nothing.
pub fn with_access(
    user: Option<&Map<String, Value>>,
    access: Option<&Access>,
    own: &RegistryId,
) -> Result<Setting<Document>, PolicyError> {
    if user.is_none() && access.is_none() {
        return Ok(Setting::Unmanaged);
    }
    let written = user
        .map(users_policy)
        .transpose()?
        .filter(|policy| !policy.statements.is_empty());
    let generated = access.map_or_else(
        || Ok(BTreeSet::new()),
        |access| access::statements(access, own),
    )?;
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
    if let Some(sid) = sids.find(|sid| sid.starts_with(RESERVED_SID_PREFIX)) {
        return Err(PolicyError::ReservedSid {
            sid: error::shown(sid),
        });
    }
    certain::check(map)?;
    Ok(policy)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
