//! Repositories and their simple settings.

use serde_json::{Value, json};

use super::{
    Context, MAX_RESULTS, REGISTRY_ID, REPOSITORY_NAME, TAG_LIST, answer, flag, kms, list,
    scanning, tags, text,
};
use crate::error::Error;
use crate::paging::{self, Page};
use crate::shape::{Member, Shape, optional, required};
use crate::state::{Repository, repository_arn};

/// In the order in which ECR lists the set in its refusals.
pub(super) const MUTABILITY: Shape = Shape::one_of(&[
    "IMMUTABLE",
    "MUTABLE",
    "MUTABLE_WITH_EXCLUSION",
    "IMMUTABLE_WITH_EXCLUSION",
]);
pub(super) const EXCLUSION_FILTERS: Shape = Shape::list(
    &Shape::Structure(&[
        required("filterType", Shape::one_of(&["WILDCARD"])),
        required(
            "filter",
            Shape::matching(1, 128, "^[0-9a-zA-Z._*-]{1,128}$"),
        ),
    ]),
    1,
    5,
);
const SCANNING: Shape = Shape::Structure(&[optional("scanOnPush", Shape::Boolean)]);
pub(super) const ENCRYPTION_TYPE: Shape = Shape::one_of(&["AES256", "KMS", "KMS_DSSE"]);
const ENCRYPTION: Shape = Shape::Structure(&[
    required("encryptionType", ENCRYPTION_TYPE),
    optional("kmsKey", Shape::text(1, 2048)),
]);

pub(super) const CREATE: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    optional("tags", TAG_LIST),
    optional("imageTagMutability", MUTABILITY),
    optional("imageTagMutabilityExclusionFilters", EXCLUSION_FILTERS),
    optional("imageScanningConfiguration", SCANNING),
    optional("encryptionConfiguration", ENCRYPTION),
];
pub(super) const DELETE: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    optional("force", Shape::Boolean),
];
pub(super) const DESCRIBE: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    optional("repositoryNames", Shape::list(&REPOSITORY_NAME, 1, 100)),
    optional("nextToken", Shape::TEXT),
    optional("maxResults", MAX_RESULTS),
];
pub(super) const PUT_MUTABILITY: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    required("imageTagMutability", MUTABILITY),
    optional("imageTagMutabilityExclusionFilters", EXCLUSION_FILTERS),
];
pub(super) const PUT_SCANNING: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    required("imageScanningConfiguration", SCANNING),
];

pub(super) fn create(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let name = text(input, "repositoryName");
    require_own_registry(context, input, "ecr:CreateRepository", name)?;
    let repository = requested(context, input, name)?;
    let account = &context.caller.account;
    if context.registry.repositories.contains_key(name) {
        return Err(Error::new(
            "RepositoryAlreadyExistsException",
            format!(
                "The repository with name '{name}' already exists in the registry with id \
                 '{account}'"
            ),
        ));
    }
    if context.registry.repositories.len() >= context.settings.repositories_quota {
        return Err(too_many(context));
    }
    let answer = json!({ "repository": repository.to_json() });
    let place = context.place();
    let at = (&place, context.now);
    let news = scanning::of_new(&context.registry.config, &repository, at);
    context.news.extend(news);
    context
        .registry
        .repositories
        .insert(name.to_owned(), repository);
    Ok(answer)
}

pub(super) fn too_many(context: &Context<'_>) -> Error {
    Error::new(
        "LimitExceededException",
        format!(
            "The registry with id '{}' already has the maximum allowed number of repositories which \
             is '{}'",
            context.caller.account, context.settings.repositories_quota
        ),
    )
}

/// The repository that a `CreateRepository` describes, with AWS's defaults for the rest.
fn requested(context: &Context<'_>, input: &Value, name: &str) -> Result<Repository, Error> {
    let (account, region) = (&context.caller.account, &context.caller.region);
    let (image_tag_mutability, exclusion_filters) = mutability(input)?;
    let (encryption_type, kms_key) = encryption(context, input)?;
    Ok(Repository {
        image_tag_mutability,
        exclusion_filters,
        scan_on_push: input
            .get("imageScanningConfiguration")
            .is_some_and(|scanning| flag(scanning, "scanOnPush")),
        encryption_type,
        kms_key,
        tags: tags::merged(&std::collections::BTreeMap::new(), list(input, "tags"))?,
        ..Repository::new(account, region, name, context.now)
    })
}

/// Creating in, or listing, a foreign registry needs a grant that nobody gives: IAM refuses it
/// before ECR looks.
pub(super) fn require_own_registry(
    context: &Context<'_>,
    input: &Value,
    action: &str,
    name: &str,
) -> Result<(), Error> {
    let registry = context.registry_id(input);
    if registry == context.caller.account {
        return Ok(());
    }
    let resource = repository_arn(registry, &context.caller.region, name);
    Err(Error::access_denied(
        &context.caller.arn(),
        action,
        &resource,
    ))
}

/// Tag mutability and the filters, which must be there if and only if the mutability has an
/// exclusion. The words for filters that are missing are ECR's; those for filters that are too many
/// have not been quoted by anybody and are ours.
pub(super) fn mutability(input: &Value) -> Result<(String, Vec<String>), Error> {
    const AT: &str = "imageTagMutabilityExclusionFilters";
    let mutability = match text(input, "imageTagMutability") {
        "" => "MUTABLE",
        given => given,
    };
    let filters: Vec<String> = list(input, AT)
        .iter()
        .map(|filter| text(filter, "filter").to_owned())
        .collect();
    let fault = match (mutability.ends_with("_WITH_EXCLUSION"), filters.is_empty()) {
        (true, true) => "can't be null",
        (false, false) => "must be null",
        _ => return check_wildcards(filters).map(|filters| (mutability.to_owned(), filters)),
    };
    Err(Error::invalid(
        AT,
        format!(
            "ImageTagMutabilityExclusionFilters {fault} when imageTagMutability is set as \
             {mutability}"
        ),
    ))
}

/// At most two wildcards in a filter:
/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-tag-mutability.html>.
fn check_wildcards(filters: Vec<String>) -> Result<Vec<String>, Error> {
    let excessive = filters
        .iter()
        .find(|filter| filter.matches('*').count() > 2);
    match excessive {
        None => Ok(filters),
        Some(filter) => Err(Error::invalid(
            "imageTagMutabilityExclusionFilters",
            format!("The filter {filter} has more than the maximum of 2 wildcards"),
        )),
    }
}

fn encryption(context: &Context<'_>, input: &Value) -> Result<(String, Option<String>), Error> {
    let Some(wanted) = input
        .get("encryptionConfiguration")
        .filter(|value| !value.is_null())
    else {
        return Ok(("AES256".to_owned(), None));
    };
    let kind = text(wanted, "encryptionType");
    let key = text(wanted, "kmsKey");
    match (kind, key) {
        ("AES256", "") => Ok((kind.to_owned(), None)),
        // The model's documentation: a key is for the KMS types only.
        ("AES256", _) => Err(kms::key_without_kms()),
        _ => {
            let key = kms::resolve(context, key)?;
            kms::check(context.settings, Some(&key))?;
            Ok((kind.to_owned(), Some(key)))
        }
    }
}

pub(super) fn delete(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let repository = context.repository(input)?;
    let (name, registry) = (repository.name.clone(), repository.registry_id.clone());
    if !repository.images.is_empty() && !flag(input, "force") {
        return Err(Error::new(
            "RepositoryNotEmptyException",
            format!(
                "The repository with name '{name}' in registry with id '{registry}' cannot be \
                 deleted because it still contains images"
            ),
        ));
    }
    let answer = json!({ "repository": repository.to_json() });
    kms::check_repository(context, input)?;
    context.registry.repositories.remove(&name);
    context
        .registry
        .uploads
        .retain(|_, upload| upload.repository != name);
    Ok(answer)
}

/// ECR promises no order; ours is by name.
pub(super) fn describe(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    paging::refuse_with(input, "repositoryNames")?;
    let names = list(input, "repositoryNames");
    if !names.is_empty() {
        return describe_named(context, input, names);
    }
    require_own_registry(context, input, "ecr:DescribeRepositories", "*")?;
    let page = Page::read(
        input,
        format!("DescribeRepositories {}", context.caller.account),
    )?;
    let following = context
        .registry
        .repositories
        .range::<str, _>((page.start(), std::ops::Bound::Unbounded));
    let (repositories, token) =
        page.take(following.map(|(name, repository)| (name, repository.to_json())));
    let mut answer = json!({ "repositories": repositories });
    if let (Some(token), Some(members)) = (token, answer.as_object_mut()) {
        members.insert("nextToken".to_owned(), json!(token));
    }
    Ok(answer)
}

/// One name that does not exist fails the whole call. A name given twice is answered once.
fn describe_named(
    context: &mut Context<'_>,
    input: &Value,
    names: &[Value],
) -> Result<Value, Error> {
    let registry = context.registry_id(input).to_owned();
    let mut seen = Vec::new();
    let mut repositories = Vec::new();
    for name in names.iter().filter_map(Value::as_str) {
        if !seen.contains(&name) {
            seen.push(name);
            let repository = context.repository_in(&registry, name)?;
            repositories.push(repository.to_json());
        }
    }
    Ok(json!({ "repositories": repositories }))
}

/// Replaces the filters together with the mutability: one that takes none clears them.
pub(super) fn put_mutability(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let (mutability, filters) = mutability(input)?;
    let repository = context.repository(input)?;
    repository.image_tag_mutability = mutability;
    repository.exclusion_filters = filters;
    let mut answer = answer(
        repository,
        [("imageTagMutability", json!(repository.image_tag_mutability))],
    );
    if let Some(members) = answer.as_object_mut() {
        members.extend(repository.exclusion_filters_json());
    }
    Ok(answer)
}

pub(super) fn put_scanning(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let repository = context.repository(input)?;
    repository.scan_on_push = input
        .get("imageScanningConfiguration")
        .is_some_and(|scanning| flag(scanning, "scanOnPush"));
    Ok(answer(
        repository,
        [(
            "imageScanningConfiguration",
            json!({ "scanOnPush": repository.scan_on_push }),
        )],
    ))
}
