//! Account settings, and the principals whose pulls leave no trace.

use std::ops::Bound;

use serde_json::{Value, json};

use super::{Context, MAX_RESULTS, text};
use crate::error::Error;
use crate::paging::{Page, with_token};
use crate::shape::{Member, Shape, optional, required};

const NAME: Shape = Shape::text(1, 64);

pub(super) const GET: &[Member] = &[required("name", NAME)];
pub(super) const PUT: &[Member] = &[required("name", NAME), required("value", Shape::TEXT)];

/// The settings with the values that may be set (model, `PutAccountSetting`). The first is what a
/// setting is before it was ever set; AWS documents that blob mounting has to be switched on, and
/// leaves one value to each of the others.
const SETTINGS: &[(&str, &[&str])] = &[
    ("BASIC_SCAN_TYPE_VERSION", &["AWS_NATIVE"]),
    ("BLOB_MOUNTING", &["DISABLED", "ENABLED"]),
    ("REGISTRY_POLICY_SCOPE", &["V2"]),
];

fn values(input: &Value) -> Result<&'static [&'static str], Error> {
    let name = text(input, "name");
    let known = SETTINGS.iter().find(|(own, _)| *own == name);
    known
        .map(|(_, values)| *values)
        .ok_or_else(|| not_one_of("name", SETTINGS.iter().map(|(name, _)| *name)))
}

fn not_one_of(at: &str, set: impl Iterator<Item = &'static str>) -> Error {
    let set: Vec<&str> = set.collect();
    let set = set.join(", ");
    Error::invalid(at, format!("Member must satisfy enum value set: [{set}]"))
}

pub(super) fn get(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let name = text(input, "name");
    let default = values(input)?.first().copied().unwrap_or_default();
    let value = context.registry.config.account_settings.get(name);
    let value = value.map_or(default, String::as_str);
    Ok(json!({ "name": name, "value": value }))
}

pub(super) fn put(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let (name, value) = (text(input, "name"), text(input, "value"));
    let values = values(input)?;
    if !values.contains(&value) {
        return Err(not_one_of("value", values.iter().copied()));
    }
    let settings = &mut context.registry.config.account_settings;
    settings.insert(name.to_owned(), value.to_owned());
    Ok(json!({ "name": name, "value": value }))
}

/// The list of the model has at most so many.
const MAX_EXCLUSIONS: usize = 100;

pub(super) const EXCLUSION: &[Member] = &[required(
    "principalArn",
    Shape::matching(
        0,
        200,
        r"^arn:aws(-[a-z]+)*:iam::[0-9]{12}:(role|user)/[\w+=,.@-]+(/[\w+=,.@-]+)*$",
    ),
)];
pub(super) const LIST: &[Member] = &[
    optional("maxResults", MAX_RESULTS),
    optional("nextToken", Shape::TEXT),
];

pub(super) fn register(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let arn = text(input, "principalArn");
    let exclusions = &mut context.registry.config.pull_time_exclusions;
    if exclusions.contains_key(arn) {
        return Err(Error::new(
            "ExclusionAlreadyExistsException",
            format!("The pull time update exclusion for '{arn}' already exists"),
        ));
    }
    if exclusions.len() >= MAX_EXCLUSIONS {
        return Err(Error::new(
            "LimitExceededException",
            format!(
                "The registry already has the maximum allowed number of pull time update \
                 exclusions which is '{MAX_EXCLUSIONS}'"
            ),
        ));
    }
    exclusions.insert(arn.to_owned(), context.now);
    Ok(json!({ "principalArn": arn, "createdAt": context.now }))
}

pub(super) fn deregister(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let arn = text(input, "principalArn");
    let exclusions = &mut context.registry.config.pull_time_exclusions;
    if exclusions.remove(arn).is_none() {
        return Err(Error::new(
            "ExclusionNotFoundException",
            format!("The pull time update exclusion for '{arn}' does not exist"),
        ));
    }
    Ok(json!({ "principalArn": arn }))
}

pub(super) fn list(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let scope = format!("ListPullTimeUpdateExclusions {}", context.caller.account);
    let page = Page::read(input, scope)?;
    let exclusions = &context.registry.config.pull_time_exclusions;
    let following = exclusions.range::<str, _>((page.start(), Bound::Unbounded));
    let (arns, token) = page.take(following.map(|(arn, _)| (arn, arn)));
    Ok(with_token(
        json!({ "pullTimeUpdateExclusions": arns }),
        token,
    ))
}

/// Whether the caller's pulls are not recorded. A session is its role.
pub(super) fn is_excluded(context: &Context<'_>) -> bool {
    let caller = context.caller.arn();
    context
        .registry
        .config
        .pull_time_exclusions
        .keys()
        .any(|arn| *arn == caller || is_session_of(&caller, arn))
}

/// Whether `arn:…:sts::<account>:assumed-role/<role>/<session>` is a session of
/// `arn:…:iam::<account>:role/<path>/<role>`; a session does not show the path.
fn is_session_of(session: &str, role: &str) -> bool {
    let (Some((session, assumed)), Some((account, role))) = (
        session.split_once(":assumed-role/"),
        role.split_once(":role/"),
    ) else {
        return false;
    };
    let name = role.rsplit('/').next();
    session.replace(":sts:", ":iam:") == account && assumed.split('/').next() == name
}
