//! The registries that pull through cache rules name: which there are, the secrets with which they
//! are entered, and pulls from them. What they hold is set by the test.

use serde_json::Value;

use super::{Context, creation, list, manifest, push, repositories, templates, text};
use crate::error::Error;
use crate::events::News;
use crate::registry::PullThroughRule;
use crate::settings::SecretFault;
use crate::shape::matches;
use crate::state::{Image, sha256_hex};

pub(super) const NAMES: &[&str] = &[
    "ecr",
    "ecr-public",
    "quay",
    "k8s",
    "docker-hub",
    "github-container-registry",
    "azure-container-registry",
    "gitlab-container-registry",
    "chainguard",
];

/// The name, the pattern of the URL, and whether there must be credentials (model,
/// `CreatePullThroughCacheRule$upstreamRegistryUrl`, and the user guide on creating rules).
const UPSTREAMS: &[(&str, &str, bool)] = &[
    (
        "ecr",
        r"[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?",
        false,
    ),
    ("ecr-public", r"public\.ecr\.aws", false),
    ("quay", r"quay\.io", false),
    ("k8s", r"registry\.k8s\.io", false),
    ("docker-hub", r"registry-1\.docker\.io", true),
    ("github-container-registry", r"ghcr\.io", true),
    (
        "azure-container-registry",
        r"[a-zA-Z0-9]+\.azurecr\.(io|cn|us)",
        true,
    ),
    ("gitlab-container-registry", r"registry\.gitlab\.com", true),
    ("chainguard", r"cgr\.dev", true),
];

/// The upstream that a URL is of, which must be the one that the caller names.
pub(super) fn kind(url: &str, given: &str) -> Result<&'static str, Error> {
    let bare = url.strip_prefix("https://").unwrap_or(url);
    for (name, pattern, _) in UPSTREAMS {
        if matches(pattern, bare)? && (given.is_empty() || given == *name) {
            return Ok(name);
        }
    }
    Err(Error::new(
        "UnsupportedUpstreamRegistryException",
        format!("The upstream registry '{url}' is not supported"),
    ))
}

/// What a rule has to have, by its upstream, and whether its secret can be read.
pub(super) fn check(context: &Context<'_>, rule: &Value) -> Result<(), Error> {
    let kind = text(rule, "upstreamRegistry");
    let (secret, assumed) = (text(rule, "credentialArn"), text(rule, "customRoleArn"));
    let needs_secret = UPSTREAMS
        .iter()
        .any(|(name, _, needs)| *name == kind && *needs);
    if needs_secret && secret.is_empty() {
        return Err(validation(&format!(
            "The upstream registry {kind} requires a credentialArn"
        )));
    }
    if kind == "ecr" {
        check_ecr(context, rule)?;
    } else if !assumed.is_empty() {
        return Err(validation(&format!(
            "A customRoleArn is not supported for the upstream registry {kind}"
        )));
    }
    if secret.is_empty() {
        return Ok(());
    }
    check_secret(context, secret)
}

/// Another account's registry is entered with a role, never with a secret:
/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache-private.html>.
fn check_ecr(context: &Context<'_>, rule: &Value) -> Result<(), Error> {
    let assumed = text(rule, "customRoleArn");
    if !text(rule, "credentialArn").is_empty() {
        return Err(validation(
            "A credentialArn is not supported for the upstream registry ecr",
        ));
    }
    let foreign = !text(rule, "upstreamRegistryUrl").contains(&context.caller.account);
    match (assumed.is_empty(), foreign) {
        (true, true) => Err(validation(
            "A customRoleArn is required for the registry of another account",
        )),
        (true, false) => Ok(()),
        (false, _) => templates::own_role(context, assumed),
    }
}

fn validation(message: &str) -> Error {
    Error::new("ValidationException", message)
}

/// The secret must be in the account and region of the rule (user guide on creating secrets).
fn check_secret(context: &Context<'_>, secret: &str) -> Result<(), Error> {
    let mut parts = secret.split(':').skip(3);
    let place = (parts.next(), parts.next());
    let caller = context.caller;
    let fault = if place == (Some(&caller.region), Some(&caller.account)) {
        context.settings.secret_faults.get(secret).copied()
    } else {
        Some(SecretFault::NotFound)
    };
    let (code, message) = match fault {
        Some(SecretFault::NotFound) => (
            "SecretNotFoundException",
            "The ARN of the secret specified in the pull through cache rule was not found",
        ),
        Some(SecretFault::Inaccessible) => (
            "UnableToAccessSecretException",
            "The secret is unable to be accessed. Verify the resource permissions for the secret",
        ),
        Some(SecretFault::Undecryptable) => (
            "UnableToDecryptSecretValueException",
            "The secret is accessible but is unable to be decrypted",
        ),
        // What is in the secret is looked at when a rule is validated or used.
        None | Some(SecretFault::Malformed | SecretFault::Rejected) => return Ok(()),
    };
    Err(Error::new(code, message))
}

/// Why the upstream cannot be entered, if it cannot.
pub(super) fn failure(context: &Context<'_>, rule: &Value) -> Option<String> {
    let secret = text(rule, "credentialArn");
    let reason = match context.settings.secret_faults.get(secret)? {
        SecretFault::Malformed => {
            "The secret does not have the keys username and accessToken".to_owned()
        }
        SecretFault::Rejected => {
            "The upstream registry did not accept the credentials in the secret".to_owned()
        }
        _ => check_secret(context, secret).err()?.message,
    };
    Some(reason)
}

/// Whether a repository is the cache of an upstream, which must be one that can be entered; the code
/// is that of the refusal if it cannot.
pub(super) fn enter(context: &Context<'_>, name: &str, code: &str) -> Result<bool, Error> {
    let Some((rule, _)) = rule_for(context, name) else {
        return Ok(false);
    };
    match failure(context, &rule.settings) {
        None => Ok(true),
        Some(reason) => Err(Error::new(code, reason)),
    }
}

/// Brings the images that a pull asks for into the cache: into a repository that is created if there
/// is none. What the upstream does not have is not found, as ever.
pub(super) fn import(context: &mut Context<'_>, input: &Value) -> Result<(), Error> {
    let name = text(input, "repositoryName");
    if context.registry_id(input) != context.caller.account {
        return Ok(());
    }
    let Some((rule, rest)) = rule_for(context, name) else {
        return Ok(());
    };
    let rule = rule.settings;
    let wanted = list(input, "imageIds").iter();
    let found: Vec<(&str, String)> = wanted
        .map(|id| text(id, "imageTag"))
        .filter_map(|tag| {
            let place = format!("{}:{tag}", location(&rule, &rest));
            Some((tag, context.settings.upstream_images.get(&place)?.clone()))
        })
        .collect();
    if found.is_empty() {
        return Ok(());
    }
    let outcome = fetch(context, (name, &rule), &found);
    if let Err(error) = &outcome {
        let failure = Err((error.code.as_str(), error.message.as_str()));
        for (tag, _) in &found {
            tell(context, (name, &rule), (tag, failure));
        }
    }
    outcome
}

/// Nothing is stored, and no repository made, if one of the images cannot be had.
fn fetch(
    context: &mut Context<'_>,
    (name, rule): (&str, &Value),
    found: &[(&str, String)],
) -> Result<(), Error> {
    if let Some(reason) = failure(context, rule) {
        return Err(Error::new("UnableToGetUpstreamImageException", reason));
    }
    let now = context.now;
    let read = found.iter();
    let images = read
        .map(|(tag, manifest)| Ok((*tag, cached(manifest, now)?)))
        .collect::<Result<Vec<(&str, Image)>, Error>>()?;
    let missing = !context.registry.repositories.contains_key(name);
    if missing && !creation::create(context, name, "PULL_THROUGH_CACHE") {
        return Err(repositories::too_many(context));
    }
    let own = context.caller.account.clone();
    for (tag, image) in images {
        let repository = context.repository_in(&own, name)?;
        let current = repository.image_tagged(tag);
        if current.is_none_or(|current| current.digest != image.digest) {
            let digest = image.digest.clone();
            push::store(repository, image, tag);
            tell(context, (name, rule), (tag, Ok(&digest)));
        }
    }
    Ok(())
}

fn tell(
    context: &mut Context<'_>,
    (name, rule): (&str, &Value),
    outcome: (&str, Result<&str, (&str, &str)>),
) {
    let place = context.place();
    let news = News::pull_through((&place, context.now), name, rule, outcome);
    context.news.push(news);
}

/// The rule with the longest prefix of a name, and the rest of the name.
fn rule_for(context: &Context<'_>, name: &str) -> Option<(PullThroughRule, String)> {
    let rules = &context.registry.config.pull_through;
    let prefixed = name
        .rmatch_indices('/')
        .filter_map(|(end, _)| name.split_at_checked(end))
        .find_map(|(prefix, rest)| Some((rules.get(prefix)?, rest.trim_start_matches('/'))));
    let (rule, rest) = prefixed.or_else(|| Some((rules.get("ROOT")?, name)))?;
    Some((rule.clone(), rest.to_owned()))
}

/// Where the upstream has it: `registry-1.docker.io/library/alpine`.
fn location(rule: &Value, rest: &str) -> String {
    let url = text(rule, "upstreamRegistryUrl");
    let bare = url.strip_prefix("https://").unwrap_or(url);
    match text(rule, "upstreamRepositoryPrefix").trim_end_matches('/') {
        "ROOT" | "" => format!("{bare}/{rest}"),
        prefix => format!("{bare}/{prefix}/{rest}"),
    }
}

/// The layers of a cached image come later, with the pull of each; the emulator has none.
fn cached(text: &str, now: f64) -> Result<Image, Error> {
    let found = manifest::read(text, "")
        .map_err(|error| Error::new("UnableToGetUpstreamImageException", error.message))?;
    let digest = format!("sha256:{}", sha256_hex(text.as_bytes()));
    Ok(push::image(text, digest, found, 0, now))
}
