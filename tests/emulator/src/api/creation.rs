//! The repositories that ECR creates by itself: on push, from an upstream, by replication.

use serde_json::Value;

use super::{
    Context, Place, kms, lifecycle_grammar, list, policy_grammar, repositories, scanning, tags,
    text,
};
use crate::error::Error;
use crate::events::News;
use crate::registry::{RegistryConfig, Template};
use crate::settings::Settings;
use crate::state::{Registry, Repository};

/// A repository in a registry, made by the template that applies, if one does. Templates are checked
/// when they are stored, so nothing in them is refused here.
pub(super) fn templated(
    config: &RegistryConfig,
    place: &Place,
    name: &str,
    scenario: &str,
    now: f64,
) -> Repository {
    let (account, region) = place;
    let mut repository = Repository::new(account, region, name, now);
    let Some(template) = template(config, name, scenario) else {
        return repository;
    };
    let settings = &template.settings;
    if let Ok((mutability, filters)) = repositories::mutability(settings) {
        repository.image_tag_mutability = mutability;
        repository.exclusion_filters = filters;
    }
    let encryption = settings.get("encryptionConfiguration");
    let kind = encryption.map_or("AES256", |encryption| text(encryption, "encryptionType"));
    kind.clone_into(&mut repository.encryption_type);
    if kind != "AES256" {
        let key = encryption.map_or("", |encryption| text(encryption, "kmsKey"));
        repository.kms_key = Some(match key {
            "" => kms::managed_key(account, region),
            key => key.to_owned(),
        });
    }
    repository.tags =
        tags::merged(&repository.tags, list(settings, "resourceTags")).unwrap_or_default();
    repository.policy = policy_grammar::parse(text(settings, "repositoryPolicy"), region)
        .map(|policy| policy.pretty());
    repository.lifecycle_policy =
        lifecycle_grammar::canonical(text(settings, "lifecyclePolicy")).ok();
    repository
}

/// The template with the longest prefix of those that apply to the scenario; ROOT is for all that no
/// other is for. That a more special template for another scenario does not hide this one is our
/// reading.
fn template<'a>(config: &'a RegistryConfig, name: &str, scenario: &str) -> Option<&'a Template> {
    let applies =
        |template: &&Template| list(&template.settings, "appliedFor").contains(&scenario.into());
    let prefixes = name
        .match_indices('/')
        .filter_map(|(end, _)| name.split_at_checked(end));
    let mut special: Vec<&Template> = prefixes
        .filter_map(|(prefix, _)| config.templates.get(prefix))
        .filter(applies)
        .collect();
    special
        .pop()
        .or_else(|| config.templates.get("ROOT").filter(applies))
}

/// Creates a repository of the caller's registry, unless it is there or the quota is full. Returns
/// whether it did.
pub(super) fn create(context: &mut Context<'_>, name: &str, scenario: &str) -> bool {
    let place = context.place();
    let ground = (
        &mut *context.registry,
        &*context.settings,
        &mut *context.news,
    );
    create_in(ground, &place, (name, scenario), context.now)
}

/// The same in any registry.
pub(super) fn create_in(
    (registry, settings, news): (&mut Registry, &Settings, &mut Vec<News>),
    place: &Place,
    (name, scenario): (&str, &str),
    now: f64,
) -> bool {
    let full = registry.repositories.len() >= settings.repositories_quota;
    if full || registry.repositories.contains_key(name) {
        return false;
    }
    let repository = templated(&registry.config, place, name, scenario, now);
    news.extend(scanning::of_new(
        &registry.config,
        &repository,
        (place, now),
    ));
    registry.repositories.insert(name.to_owned(), repository);
    true
}

/// A push into a repository that is not there creates it, if a template says so; without one the
/// push fails as ever. One that fails leaves no repository behind.
pub(super) fn with_push(
    context: &mut Context<'_>,
    input: &Value,
    push: impl FnOnce(&mut Context<'_>, &Value) -> Result<Value, Error>,
) -> Result<Value, Error> {
    let name = text(input, "repositoryName");
    let told = context.news.len();
    let own = context.registry_id(input) == context.caller.account;
    let created = own
        && template(&context.registry.config, name, "CREATE_ON_PUSH").is_some()
        && create(context, name, "CREATE_ON_PUSH");
    let outcome = push(context, input);
    if created && outcome.is_err() {
        context.registry.repositories.remove(name);
        context.news.truncate(told);
    }
    outcome
}
