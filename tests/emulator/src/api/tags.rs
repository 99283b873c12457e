//! The tags of repositories.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Context, TAG_LIST, list as items, text};
use crate::error::Error;
use crate::partition::Partition;
use crate::shape::{Member, Shape, matches, required};
use crate::state::Repository;

/// Tags on one resource: <https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-using-tags.html>.
const MAX_TAGS: usize = 50;

pub(super) const LIST: &[Member] = &[required("resourceArn", Shape::TEXT)];
pub(super) const TAG: &[Member] = &[
    required("resourceArn", Shape::TEXT),
    required("tags", TAG_LIST),
];
pub(super) const UNTAG: &[Member] = &[
    required("resourceArn", Shape::TEXT),
    required("tagKeys", Shape::list(&Shape::TEXT, 0, usize::MAX)),
];

pub(super) fn list(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let tags: Vec<Value> = addressed(context, input)?
        .tags
        .iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect();
    Ok(json!({ "tags": tags }))
}

pub(super) fn tag(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let repository = addressed(context, input)?;
    repository.tags = merged(&repository.tags, items(input, "tags"))?;
    Ok(json!({}))
}

/// A key that is not there is no error.
pub(super) fn untag(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let repository = addressed(context, input)?;
    let keys: Vec<&str> = items(input, "tagKeys")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    keys.iter().try_for_each(|key| check_key(key))?;
    repository
        .tags
        .retain(|key, _| !keys.contains(&key.as_str()));
    Ok(json!({}))
}

/// The repository behind a `resourceArn`. An ARN of another region or partition than the endpoint's
/// cannot be served there; AWS does not document its answer, we give the one for a malformed ARN.
fn addressed<'a>(context: &'a mut Context<'_>, input: &Value) -> Result<&'a mut Repository, Error> {
    let arn = text(input, "resourceArn");
    let region = &context.caller.region;
    let (account, name) = parse_arn(arn)
        .filter(|found| found.region == region.as_str())
        .map(|found| (found.account.to_owned(), found.name))
        .ok_or_else(|| Error::invalid("resourceArn", "Invalid ARN"))?;
    context.repository_in(&account, name)
}

/// The parts of a repository's ARN.
pub(crate) struct RepositoryArn<'a> {
    pub(crate) region: &'a str,
    pub(crate) account: &'a str,
    pub(crate) name: &'a str,
}

/// Reads `arn:aws:ecr:<region>:<account>:repository/<name>`.
pub(crate) fn parse_arn(arn: &str) -> Option<RepositoryArn<'_>> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "ecr", region, account, resource] = parts.as_slice() else {
        return None;
    };
    let name = resource.strip_prefix("repository/")?;
    let well_formed = *partition == Partition::of(region).id
        && crate::caller::is_account(account)
        && !name.is_empty();
    well_formed.then_some(RepositoryArn {
        region,
        account,
        name,
    })
}

/// Existing tags with new ones on top, or AWS's refusal of the new ones. The codes are the model's;
/// AWS does not publish the words.
pub(super) fn merged(
    existing: &BTreeMap<String, String>,
    new: &[Value],
) -> Result<BTreeMap<String, String>, Error> {
    let mut tags = existing.clone();
    let mut given = Vec::new();
    for tag in new {
        let (key, value) = (text(tag, "Key"), text(tag, "Value"));
        check_key(key)?;
        check_value(key, value)?;
        if given.contains(&key) {
            return Err(invalid(format!(
                "The tag key '{key}' is given more than once"
            )));
        }
        given.push(key);
        tags.insert(key.to_owned(), value.to_owned());
    }
    if tags.len() > MAX_TAGS {
        return Err(Error::new(
            "TooManyTagsException",
            format!(
                "The list of tags on the repository is over the limit. The maximum number of tags \
                 that can be applied to a repository is {MAX_TAGS}."
            ),
        ));
    }
    Ok(tags)
}

/// Letters, digits and spaces of any script, and `. _ : / = + - @`:
/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-using-tags.html>.
const CHARACTERS: &str = r"(\w|\s|[.:/=+@-]|[^\x00-\x7F])*";

fn check_key(key: &str) -> Result<(), Error> {
    if key.is_empty() || key.chars().count() > 128 {
        return Err(invalid("Tag keys must have 1 to 128 characters".to_owned()));
    }
    if key.to_lowercase().starts_with("aws:") {
        return Err(invalid(format!(
            "The tag key '{key}' is invalid: the prefix 'aws:' is reserved for AWS use"
        )));
    }
    if !matches(CHARACTERS, key)? {
        return Err(invalid(format!(
            "The tag key '{key}' has characters that are not allowed"
        )));
    }
    Ok(())
}

fn check_value(key: &str, value: &str) -> Result<(), Error> {
    if value.chars().count() > 256 {
        return Err(invalid(format!(
            "The value of the tag '{key}' must have at most 256 characters"
        )));
    }
    if !matches(CHARACTERS, value)? {
        return Err(invalid(format!(
            "The value of the tag '{key}' has characters that are not allowed"
        )));
    }
    Ok(())
}

fn invalid(message: String) -> Error {
    Error::new("InvalidTagParameterException", message)
}
