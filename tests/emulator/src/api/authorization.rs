//! The tokens with which docker logs in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Context, REGISTRY_ID, list};
use crate::error::Error;
use crate::partition::Partition;
use crate::shape::{Member, Shape, optional};
use crate::state::uuid;

/// A token is valid for 12 hours (model, `AuthorizationData$expiresAt`).
const VALID_SECONDS: f64 = 12.0 * 3600.0;

pub(super) const GET: &[Member] = &[optional("registryIds", Shape::list(&REGISTRY_ID, 1, 10))];

/// One entry for each registry that is named, also of another account: a token is good for every
/// registry that its owner may access.
#[expect(clippy::unnecessary_wraps, reason = "all operations have one type")]
pub(super) fn get(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let (account, region) = (&context.caller.account, &context.caller.region);
    let mut registries: Vec<&str> = list(input, "registryIds")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    if registries.is_empty() {
        registries.push(account);
    }
    let secret = uuid(&format!("token {account} {region} {}", context.serial));
    let token = STANDARD.encode(format!("AWS:{secret}"));
    let domain = Partition::of(region).domain;
    let data: Vec<Value> = registries
        .into_iter()
        .map(|registry| {
            json!({
                "authorizationToken": token,
                "expiresAt": context.now + VALID_SECONDS,
                "proxyEndpoint": format!("https://{registry}.dkr.ecr.{region}.{domain}"),
            })
        })
        .collect();
    Ok(json!({ "authorizationData": data }))
}
