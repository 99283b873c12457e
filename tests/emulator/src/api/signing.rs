//! Managed signing: <https://docs.aws.amazon.com/AmazonECR/latest/userguide/managed-signing.html>.
//!
//! The emulator keeps that and when an image was signed; it makes no signature, because nobody could
//! verify one.

use serde_json::{Value, json};

use super::{Context, answer, images, list, push, text};
use crate::error::Error;
use crate::registry::Signing;
use crate::shape::{self, Member, Shape, optional, required};

const FILTERS: Shape = Shape::list(
    &Shape::Structure(&[
        required(
            "filter",
            Shape::matching(
                1,
                256,
                r"^(?:[a-z0-9*]+(?:[._-][a-z0-9*]+)*/)*[a-z0-9*]+(?:[._-][a-z0-9*]+)*$",
            ),
        ),
        required("filterType", Shape::one_of(&["WILDCARD_MATCH"])),
    ]),
    1,
    100,
);
const PROFILE: Shape = Shape::matching(
    0,
    200,
    r"^arn:aws(-[a-z]+)*:signer:[a-z0-9-]+:[0-9]{12}:\/signing-profiles\/[a-zA-Z0-9_]{2,}$",
);
const CONFIGURATION: Shape = Shape::Structure(&[required(
    "rules",
    Shape::list(
        &Shape::Structure(&[
            required("signingProfileArn", PROFILE),
            optional("repositoryFilters", FILTERS),
        ]),
        0,
        10,
    ),
)]);

pub(super) const PUT: &[Member] = &[required("signingConfiguration", CONFIGURATION)];

#[expect(clippy::unnecessary_wraps, reason = "all operations have one type")]
pub(super) fn put(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let given = input.get("signingConfiguration").unwrap_or(&Value::Null);
    let configuration = shape::known(&CONFIGURATION, given);
    context.registry.config.signing = Some(configuration.clone());
    Ok(json!({ "signingConfiguration": configuration }))
}

pub(super) fn get(context: &mut Context<'_>, _: &Value) -> Result<Value, Error> {
    let account = &context.caller.account;
    let Some(configuration) = &context.registry.config.signing else {
        return Err(Error::new(
            "SigningConfigurationNotFoundException",
            format!("Signing configuration does not exist in the registry with id '{account}'"),
        ));
    };
    Ok(json!({ "registryId": account, "signingConfiguration": configuration }))
}

pub(super) fn delete(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let answer = get(context, input)?;
    context.registry.config.signing = None;
    Ok(answer)
}

/// Signs an image that was pushed, once with each profile of the rules that match.
pub(super) fn on_push(context: &mut Context<'_>, name: &str, digest: &str) {
    let completed_at = context.job_end();
    let Some(configuration) = &context.registry.config.signing else {
        return;
    };
    let profiles: Vec<&str> = list(configuration, "rules")
        .iter()
        .filter(|rule| covers(list(rule, "repositoryFilters"), name))
        .map(|rule| text(rule, "signingProfileArn"))
        .collect();
    let repository = context.registry.repositories.get_mut(name);
    let Some(image) = repository.and_then(|repository| repository.images.get_mut(digest)) else {
        return;
    };
    for profile in profiles {
        if image.signings.iter().all(|done| done.profile != profile) {
            image.signings.push(Signing {
                profile: profile.to_owned(),
                completed_at,
            });
        }
    }
}

/// A rule without filters is for every repository (model, `SigningRule$repositoryFilters`).
fn covers(filters: &[Value], name: &str) -> bool {
    filters.is_empty()
        || filters
            .iter()
            .any(|filter| push::glob(text(filter, "filter").as_bytes(), name.as_bytes()))
}

pub(super) fn status(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let now = context.now;
    let repository = context.repository(input)?;
    let image = images::one(repository, input)?;
    let id = input.get("imageId").unwrap_or(&Value::Null);
    let statuses: Vec<Value> = image
        .signings
        .iter()
        .map(|signing| {
            let done = now >= signing.completed_at;
            json!({
                "signingProfileArn": signing.profile,
                "status": if done { "COMPLETE" } else { "IN_PROGRESS" },
            })
        })
        .collect();
    Ok(answer(
        repository,
        [
            ("imageId", image.id(text(id, "imageTag"))),
            ("signingStatuses", json!(statuses)),
        ],
    ))
}
