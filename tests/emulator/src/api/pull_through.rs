//! Pull through cache rules.
//!
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache.html>.

use std::ops::Bound;

use serde_json::{Value, json};

use super::{Context, MAX_RESULTS, REGISTRY_ID, list, repositories, templates, text, upstream};
use crate::error::Error;
use crate::paging::{self, Page, with_token};
use crate::registry::PullThroughRule;
use crate::shape::{self, Member, Shape, optional, required};

const PREFIX: Shape = Shape::matching(2, 30, templates::PREFIX_PATTERN);
const CREDENTIAL: Shape = Shape::matching(
    50,
    612,
    r"^arn:aws(-\w+)*:secretsmanager:[a-zA-Z0-9-:]+:secret:ecr\-pullthroughcache\/[a-zA-Z0-9\/_+=.@-]+$",
);

pub(super) const CREATE: &[Member] = &[
    required("ecrRepositoryPrefix", PREFIX),
    required("upstreamRegistryUrl", Shape::TEXT),
    optional("registryId", REGISTRY_ID),
    optional("upstreamRegistry", Shape::one_of(upstream::NAMES)),
    optional("credentialArn", CREDENTIAL),
    optional("customRoleArn", Shape::text(0, 2048)),
    optional("upstreamRepositoryPrefix", PREFIX),
];
pub(super) const UPDATE: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("ecrRepositoryPrefix", PREFIX),
    optional("credentialArn", CREDENTIAL),
    optional("customRoleArn", Shape::text(0, 2048)),
];
/// The input of the operations on one rule.
pub(super) const ONE: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("ecrRepositoryPrefix", PREFIX),
];
pub(super) const DESCRIBE: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    optional("ecrRepositoryPrefixes", Shape::list(&PREFIX, 1, 100)),
    optional("nextToken", Shape::TEXT),
    optional("maxResults", MAX_RESULTS),
];

/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html>.
const MAX_RULES: usize = 50;

/// `docker-hub` and `docker-hub/` are the same: there is always an assumed `/` at the end (model).
fn key(prefix: &str) -> &str {
    prefix.strip_suffix('/').unwrap_or(prefix)
}

pub(super) fn create(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    own(context, input, "ecr:CreatePullThroughCacheRule")?;
    let prefix = text(input, "ecrRepositoryPrefix");
    let kind = upstream::kind(
        text(input, "upstreamRegistryUrl"),
        text(input, "upstreamRegistry"),
    )?;
    let account = &context.caller.account;
    let rules = &context.registry.config.pull_through;
    if rules.contains_key(key(prefix)) {
        return Err(Error::new(
            "PullThroughCacheRuleAlreadyExistsException",
            format!(
                "A pull through cache rule with the prefix '{prefix}' already exists in the \
                 registry with id '{account}'"
            ),
        ));
    }
    if rules.len() >= MAX_RULES {
        return Err(Error::new(
            "LimitExceededException",
            format!(
                "The registry with id '{account}' already has the maximum allowed number of pull \
                 through cache rules which is '{MAX_RULES}'"
            ),
        ));
    }
    let mut settings = shape::known(&Shape::Structure(CREATE), input);
    if let Some(members) = settings.as_object_mut() {
        members.insert("registryId".to_owned(), json!(account));
        members.insert("upstreamRegistry".to_owned(), json!(kind));
        members
            .entry("upstreamRepositoryPrefix")
            .or_insert_with(|| json!("ROOT"));
    }
    upstream::check(context, &settings)?;
    let rule = PullThroughRule {
        settings,
        created_at: context.now,
        updated_at: context.now,
    };
    let answer = written(&rule, &["updatedAt"]);
    let rules = &mut context.registry.config.pull_through;
    rules.insert(key(prefix).to_owned(), rule);
    Ok(answer)
}

fn own(context: &Context<'_>, input: &Value, action: &str) -> Result<(), Error> {
    repositories::require_own_registry(context, input, action, "*")
}

/// Only the credentials and the role can be changed.
pub(super) fn update(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    own(context, input, "ecr:UpdatePullThroughCacheRule")?;
    let mut rule = find(context, text(input, "ecrRepositoryPrefix"))?.clone();
    if let Some(members) = rule.settings.as_object_mut() {
        for name in ["credentialArn", "customRoleArn"] {
            if let Some(value) = input.get(name).filter(|value| !value.is_null()) {
                members.insert(name.to_owned(), value.clone());
            }
        }
    }
    upstream::check(context, &rule.settings)?;
    rule.updated_at = context.now;
    let answer = written(
        &rule,
        &["createdAt", "upstreamRegistryUrl", "upstreamRegistry"],
    );
    let rules = &mut context.registry.config.pull_through;
    rules.insert(key(text(input, "ecrRepositoryPrefix")).to_owned(), rule);
    Ok(answer)
}

pub(super) fn delete(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    own(context, input, "ecr:DeletePullThroughCacheRule")?;
    let prefix = text(input, "ecrRepositoryPrefix");
    let answer = written(find(context, prefix)?, &["updatedAt", "upstreamRegistry"]);
    context.registry.config.pull_through.remove(key(prefix));
    Ok(answer)
}

/// One prefix without a rule fails the whole call: the operation declares an error for it.
pub(super) fn describe(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    own(context, input, "ecr:DescribePullThroughCacheRules")?;
    paging::refuse_with(input, "ecrRepositoryPrefixes")?;
    let prefixes = list(input, "ecrRepositoryPrefixes");
    if !prefixes.is_empty() {
        let found = prefixes
            .iter()
            .filter_map(Value::as_str)
            .map(|prefix| Ok(written(find(context, prefix)?, &[])))
            .collect::<Result<Vec<Value>, Error>>()?;
        return Ok(json!({ "pullThroughCacheRules": found }));
    }
    let scope = format!("DescribePullThroughCacheRules {}", context.caller.account);
    let page = Page::read(input, scope)?;
    let rules = &context.registry.config.pull_through;
    let following = rules.range::<str, _>((page.start(), Bound::Unbounded));
    let (found, token) = page.take(following.map(|(key, rule)| (key, written(rule, &[]))));
    Ok(with_token(json!({ "pullThroughCacheRules": found }), token))
}

/// A rule whose secret has a fault is not valid; whether the upstream takes the credentials is set
/// by the test.
pub(super) fn validate(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    own(context, input, "ecr:ValidatePullThroughCacheRule")?;
    let rule = find(context, text(input, "ecrRepositoryPrefix"))?;
    let mut answer = written(rule, &["createdAt", "updatedAt", "upstreamRegistry"]);
    let failure = upstream::failure(context, &rule.settings);
    if let Some(members) = answer.as_object_mut() {
        members.insert("isValid".to_owned(), json!(failure.is_none()));
        members.extend(failure.map(|failure| ("failure".to_owned(), json!(failure))));
    }
    Ok(answer)
}

fn find<'a>(context: &'a Context<'_>, prefix: &str) -> Result<&'a PullThroughRule, Error> {
    let rules = &context.registry.config.pull_through;
    rules.get(key(prefix)).ok_or_else(|| {
        Error::new(
            "PullThroughCacheRuleNotFoundException",
            format!(
                "The pull through cache rule with prefix '{prefix}' does not exist in the registry \
                 with id '{}'",
                context.caller.account
            ),
        )
    })
}

/// The answers of the operations differ in the members that they leave out.
fn written(rule: &PullThroughRule, without: &[&str]) -> Value {
    let mut written = rule.settings.clone();
    if let Some(members) = written.as_object_mut() {
        members.insert("createdAt".to_owned(), json!(rule.created_at));
        members.insert("updatedAt".to_owned(), json!(rule.updated_at));
        members.retain(|name, _| !without.contains(&name.as_str()));
    }
    written
}
