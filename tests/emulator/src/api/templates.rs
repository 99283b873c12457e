//! Repository creation templates: what repositories get that ECR creates by itself.
//!
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-creation-templates.html>.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde_json::{Value, json};

use super::{
    Context, MAX_RESULTS, TAG_LIST, kms, lifecycle_grammar, list, policy, policy_grammar,
    repositories, tags, text,
};
use crate::error::Error;
use crate::paging::{self, Page, with_token};
use crate::registry::Template;
use crate::shape::{self, Member, Shape, matches, optional, required};

/// The model writes `\/` for `/`.
pub(super) const PREFIX_PATTERN: &str =
    r"^([a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*/?|ROOT)$";
const PREFIX: Shape = Shape::matching(1, 256, PREFIX_PATTERN);
const KMS_KEY: &str = r"^$|arn:aws[a-z0-9-]*:kms:[a-z0-9-]+:[0-9]{12}:key\/[a-z0-9-]+";
const ENCRYPTION: Shape = Shape::Structure(&[
    required("encryptionType", repositories::ENCRYPTION_TYPE),
    optional("kmsKey", Shape::matching(0, 2048, KMS_KEY)),
]);
const APPLIED_FOR: Shape = Shape::list(
    &Shape::one_of(&["REPLICATION", "PULL_THROUGH_CACHE", "CREATE_ON_PUSH"]),
    0,
    usize::MAX,
);

pub(super) const CREATE: &[Member] = &members(required("appliedFor", APPLIED_FOR));
/// Only creating has to say what a template is for.
pub(super) const UPDATE: &[Member] = &members(optional("appliedFor", APPLIED_FOR));

const fn members(applied_for: Member) -> [Member; 10] {
    [
        required("prefix", PREFIX),
        optional("description", Shape::text(0, 256)),
        optional("encryptionConfiguration", ENCRYPTION),
        optional("resourceTags", TAG_LIST),
        optional("imageTagMutability", repositories::MUTABILITY),
        optional(
            "imageTagMutabilityExclusionFilters",
            repositories::EXCLUSION_FILTERS,
        ),
        optional("repositoryPolicy", Shape::text(0, 10240)),
        optional("lifecyclePolicy", Shape::text(0, 30720)),
        applied_for,
        optional("customRoleArn", Shape::text(0, 2048)),
    ]
}

pub(super) const DELETE: &[Member] = &[required("prefix", PREFIX)];
pub(super) const DESCRIBE: &[Member] = &[
    optional("prefixes", Shape::list(&PREFIX, 0, usize::MAX)),
    optional("nextToken", Shape::TEXT),
    optional("maxResults", MAX_RESULTS),
];

/// `prod` and `prod/` are the same: there is always an assumed `/` at the end (model).
fn key(prefix: &str) -> &str {
    prefix.strip_suffix('/').unwrap_or(prefix)
}

pub(super) fn create(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let prefix = text(input, "prefix");
    if context.registry.config.templates.contains_key(key(prefix)) {
        return Err(Error::new(
            "TemplateAlreadyExistsException",
            format!(
                "The repository creation template with prefix '{prefix}' already exists in the \
                 registry with id '{}'",
                context.caller.account
            ),
        ));
    }
    let settings = shape::known(&Shape::Structure(CREATE), input);
    check(context, &settings)?;
    let template = Template {
        settings,
        created_at: context.now,
        updated_at: context.now,
    };
    let answer = answer(context, &template);
    let templates = &mut context.registry.config.templates;
    templates.insert(key(prefix).to_owned(), template);
    Ok(answer)
}

/// What is not given stays, but the mutability, which goes back to MUTABLE (model,
/// `UpdateRepositoryCreationTemplate$imageTagMutability`).
pub(super) fn update(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let mut template = find(context, text(input, "prefix"))?.clone();
    let given = shape::known(&Shape::Structure(UPDATE), input);
    if let (Some(settings), Value::Object(given)) = (template.settings.as_object_mut(), given) {
        settings.remove("imageTagMutability");
        settings.remove("imageTagMutabilityExclusionFilters");
        settings.extend(given.into_iter().filter(|(name, _)| name != "prefix"));
    }
    check(context, &template.settings)?;
    template.updated_at = context.now;
    let answer = answer(context, &template);
    let templates = &mut context.registry.config.templates;
    templates.insert(key(text(input, "prefix")).to_owned(), template);
    Ok(answer)
}

pub(super) fn delete(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let prefix = text(input, "prefix");
    let answer = answer(context, find(context, prefix)?);
    context.registry.config.templates.remove(key(prefix));
    Ok(answer)
}

/// A prefix without a template is just absent: the operation declares no error for it.
pub(super) fn describe(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let account = &context.caller.account;
    let templates = &context.registry.config.templates;
    let prefixes = list(input, "prefixes");
    if !prefixes.is_empty() {
        paging::refuse_with(input, "prefixes")?;
        let found: Vec<Value> = prefixes
            .iter()
            .filter_map(|prefix| templates.get(key(prefix.as_str()?)))
            .map(written)
            .collect();
        return Ok(json!({ "registryId": account, "repositoryCreationTemplates": found }));
    }
    let scope = format!("DescribeRepositoryCreationTemplates {account}");
    let page = Page::read(input, scope)?;
    let following = templates.range::<str, _>((page.start(), Bound::Unbounded));
    let (found, token) = page.take(following.map(|(key, template)| (key, written(template))));
    let answer = json!({ "registryId": account, "repositoryCreationTemplates": found });
    Ok(with_token(answer, token))
}

fn find<'a>(context: &'a Context<'_>, prefix: &str) -> Result<&'a Template, Error> {
    let account = &context.caller.account;
    let templates = &context.registry.config.templates;
    templates.get(key(prefix)).ok_or_else(|| {
        Error::new(
            "TemplateNotFoundException",
            format!(
                "The repository creation template with prefix '{prefix}' does not exist in the \
                 registry with id '{account}'"
            ),
        )
    })
}

fn answer(context: &Context<'_>, template: &Template) -> Value {
    json!({
        "registryId": context.caller.account,
        "repositoryCreationTemplate": written(template),
    })
}

/// As it was given, with the defaults of what was not.
fn written(template: &Template) -> Value {
    let mut written = json!({
        "encryptionConfiguration": { "encryptionType": "AES256" },
        "imageTagMutability": "MUTABLE",
        "createdAt": template.created_at,
        "updatedAt": template.updated_at,
    });
    if let (Some(members), Some(settings)) =
        (written.as_object_mut(), template.settings.as_object())
    {
        members.extend(settings.clone());
    }
    written
}

/// Everything that a repository would be refused for. The operations declare no errors for tags, so
/// wrong tags are wrong parameters.
fn check(context: &mut Context<'_>, settings: &Value) -> Result<(), Error> {
    repositories::mutability(settings)?;
    tags::merged(&BTreeMap::new(), list(settings, "resourceTags"))
        .map_err(|error| Error::invalid("resourceTags", error.message))?;
    let encryption = settings.get("encryptionConfiguration");
    let kind = encryption.map_or("AES256", |encryption| text(encryption, "encryptionType"));
    let kms_key = encryption.map_or("", |encryption| text(encryption, "kmsKey"));
    if kind == "AES256" && !kms_key.is_empty() {
        return Err(kms::key_without_kms());
    }
    check_role(context, settings, kind != "AES256")?;
    if !text(settings, "repositoryPolicy").is_empty() {
        let region = &context.caller.region;
        policy_grammar::parse(text(settings, "repositoryPolicy"), region)
            .ok_or_else(policy::refusal)?;
    }
    if !text(settings, "lifecyclePolicy").is_empty() {
        lifecycle_grammar::canonical(text(settings, "lifecyclePolicy"))?;
    }
    Ok(())
}

/// The role must be in the account of the registry (model, `customRoleArn`), and there must be one
/// for KMS and for tags:
/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-creation-templates-iam.html>.
fn check_role(context: &Context<'_>, settings: &Value, kms: bool) -> Result<(), Error> {
    let role = text(settings, "customRoleArn");
    if role.is_empty() {
        let wanted = kms || !list(settings, "resourceTags").is_empty();
        return if wanted {
            Err(Error::invalid(
                "customRoleArn",
                "A custom role is required when KMS encryption or resource tags are specified",
            ))
        } else {
            Ok(())
        };
    }
    own_role(context, role)
}

/// Refuses what is not the ARN of a role of the caller's account.
pub(super) fn own_role(context: &Context<'_>, role: &str) -> Result<(), Error> {
    let account = &context.caller.account;
    let own = matches(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+", role)?
        && role.split(':').nth(4) == Some(account.as_str());
    if own {
        Ok(())
    } else {
        Err(Error::invalid(
            "customRoleArn",
            "The role must be one of the account of the registry",
        ))
    }
}
