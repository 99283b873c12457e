//! Values that fit the model's shapes, and values that do not.

use serde_json::{Map, Value, json};

use super::patterns::strings;
use super::{Model, members, text};
use crate::support::{ACCOUNT, REGION, arn, digest, manifest};

/// A value of a shape that the emulator understands: required members only.
pub(super) fn sample(model: &Model, name: &str) -> Value {
    if let Some(value) = chosen(name) {
        return value;
    }
    let shape = model.shape(name);
    match text(shape, "type") {
        "structure" => members(shape)
            .into_iter()
            .filter(|(_, _, required)| *required)
            .map(|(member, shape, _)| (member.to_owned(), sample(model, shape)))
            .collect::<Map<_, _>>()
            .into(),
        "list" => json!([sample(model, text(&shape["member"], "shape"))]),
        "boolean" => json!(true),
        "integer" | "long" => json!(shape["min"].as_i64().unwrap_or(1)),
        "blob" => json!("bGF5ZXI="),
        "string" if shape["enum"].is_array() => shape["enum"][0].clone(),
        "string" => json!("a".repeat(usize::try_from(shape["min"].as_u64().unwrap_or(1)).unwrap())),
        other => panic!("no sample of {name}, a {other}"),
    }
}

/// What the model cannot say about a shape.
fn chosen(name: &str) -> Option<Value> {
    let uuid = "01234567-89ab-cdef-0123-456789abcdef";
    let signer = format!("arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/one");
    let secret = "arn:aws:secretsmanager:a:secret:ecr-pullthroughcache/a";
    let role = format!("arn:aws:iam::{ACCOUNT}:role/one");
    Some(match name {
        "ImageIdentifier" => json!({ "imageTag": "v1" }),
        "ImageDigest" => json!(digest(image().as_bytes())),
        "ImageTag" => json!("v1"),
        "RegistryId" => json!(ACCOUNT),
        "RepositoryName" => json!("api"),
        "Prefix" | "PullThroughCacheRuleRepositoryPrefix" => json!("team"),
        "LayerDigest" | "BatchedOperationLayerDigest" => json!(digest(b"layer")),
        "UploadId" | "ReplicationBackfillId" => json!(uuid),
        "Url" => json!("quay.io"),
        "Arn" => json!(arn("api")),
        "Region" => json!("eu-west-1"),
        "PrincipalArn" | "CustomRoleArn" => json!(role),
        "CredentialArn" => json!(secret),
        "SigningProfileArn" => json!(signer),
        "KmsKeyForRepositoryCreationTemplate" => json!(""),
        "RepositoryPolicyText" => json!(policy(None)),
        "RegistryPolicyText" => json!(policy(Some("*"))),
        "LifecyclePolicyText" | "LifecyclePolicyTextForRepositoryCreationTemplate" => {
            json!(lifecycle())
        }
        "ImageManifest" => json!(manifest(&digest(b"config"), &digest(b"layer"), "new")),
        "AccountSettingName" => json!("BLOB_MOUNTING"),
        "AccountSettingValue" => json!("ENABLED"),
        _ => return None,
    })
}

/// The manifest of the image that the world has.
pub(super) fn image() -> String {
    manifest(&digest(b"config"), &digest(b"layer"), "v1")
}

pub(super) fn policy(resource: Option<&str>) -> String {
    let mut statement = json!({
        "Effect": "Allow", "Principal": { "AWS": ACCOUNT }, "Action": "ecr:BatchGetImage",
    });
    if let Some(resource) = resource {
        statement["Resource"] = json!(resource);
    }
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

pub(super) fn lifecycle() -> String {
    json!({ "rules": [{
        "rulePriority": 1,
        "selection": { "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 9 },
        "action": { "type": "expire" },
    }] })
    .to_string()
}

/// A string of that many characters that fits the pattern of its shape as far as one can.
fn sized(name: &str, length: usize) -> Value {
    let start = match name {
        "CredentialArn" => "arn:aws:secretsmanager:a:secret:ecr-pullthroughcache/",
        "PrincipalArn" => "arn:aws:iam::111122223333:role/",
        "SigningProfileArn" => "arn:aws:signer:a:111122223333:/signing-profiles/",
        "KmsKeyForRepositoryCreationTemplate" => "arn:aws:kms:a:111122223333:key/",
        _ => "",
    };
    let start = if length > start.len() { start } else { "" };
    json!(format!("{start}{}", "a".repeat(length - start.len())))
}

/// A value at or beyond a boundary, as part of an input.
pub(super) struct Case {
    /// Where the emulator would complain.
    pub(super) at: String,
    /// What it would say.
    pub(super) constraint: &'static str,
    pub(super) value: Value,
    pub(super) inside: bool,
}

/// How the emulator complains of a wrong type.
pub(super) const TYPE: &str = "type";
const MISSING: &str = "must not be null";
const PATTERN: &str = "must satisfy regular expression";
const SET: &str = "must satisfy enum value set";

/// Every boundary of a shape and of what it holds, each as a value of the shape.
pub(super) fn cases(model: &Model, name: &str, at: &str) -> Vec<Case> {
    let shape = model.shape(name);
    let mut cases = Vec::new();
    let mut add = |constraint, value, inside| {
        let at = at.to_owned();
        cases.push(Case {
            at,
            constraint,
            value,
            inside,
        });
    };
    let bound = |name: &str| shape[name].as_i64();
    match text(shape, "type") {
        "structure" => return structure(model, name, at),
        "list" => return list(model, shape, at),
        "string" => {
            for (length, constraint, inside) in lengths(bound("min"), bound("max")) {
                add(constraint, sized(name, length), inside);
            }
            if let Some(set) = shape["enum"].as_array() {
                for value in set {
                    add(SET, value.clone(), true);
                }
                add(SET, json!("NOT_OF_THE_SET"), false);
            }
            if let Some(pattern) = shape["pattern"].as_str() {
                add(PATTERN, sample(model, name), true);
                let bounds = bound("min").unwrap_or(0)..=bound("max").unwrap_or(i64::MAX);
                let fits = |length: usize| bounds.contains(&i64::try_from(length).unwrap());
                for (string, inside) in strings(pattern) {
                    if fits(string.chars().count()) {
                        add(PATTERN, json!(string), inside);
                    }
                }
            }
            add(TYPE, json!(5), false);
        }
        "integer" | "long" => {
            for (value, step, constraint) in [
                (bound("min"), -1, "value greater than or equal to"),
                (bound("max"), 1, "value less than or equal to"),
            ] {
                if let Some(value) = value {
                    add(constraint, json!(value), true);
                    add(constraint, json!(value + step), false);
                }
            }
            add(TYPE, json!("5"), false);
        }
        "boolean" => add(TYPE, json!("true"), false),
        "blob" => {
            use base64::Engine as _;
            for (length, constraint, inside) in lengths(bound("min"), bound("max")) {
                let blob = base64::engine::general_purpose::STANDARD.encode(vec![0; length]);
                add(constraint, json!(blob), inside);
            }
            add(TYPE, json!(5), false);
        }
        other => panic!("no cases for {name}, a {other}"),
    }
    cases
}

/// The lengths at and beyond the bounds.
fn lengths(min: Option<i64>, max: Option<i64>) -> Vec<(usize, &'static str, bool)> {
    let mut lengths = Vec::new();
    let size = |bound| usize::try_from(bound).unwrap();
    if let Some(min) = min {
        lengths.push((size(min), "length greater than or equal to", true));
        if min > 0 {
            lengths.push((size(min - 1), "length greater than or equal to", false));
        }
    }
    if let Some(max) = max {
        lengths.push((size(max), "length less than or equal to", true));
        lengths.push((size(max + 1), "length less than or equal to", false));
    }
    lengths
}

fn list(model: &Model, shape: &Value, at: &str) -> Vec<Case> {
    let member = text(&shape["member"], "shape");
    let items = |length| Value::from(vec![sample(model, member); length]);
    let lengths = lengths(shape["min"].as_i64(), shape["max"].as_i64());
    let own = lengths
        .into_iter()
        .map(|(length, constraint, inside)| Case {
            at: at.to_owned(),
            constraint,
            value: items(length),
            inside,
        });
    let nested = cases(model, member, &format!("{at}.1.member"));
    own.chain(nested.into_iter().map(|case| Case {
        value: json!([case.value]),
        ..case
    }))
    .collect()
}

fn structure(model: &Model, name: &str, at: &str) -> Vec<Case> {
    let whole = sample(model, name);
    let mut found = Vec::new();
    for (member, shape, required) in members(model.shape(name)) {
        let inner = inner(at, member);
        if required {
            let mut value = whole.clone();
            value.as_object_mut().unwrap().remove(member);
            let at = inner.clone();
            found.push(Case {
                at,
                constraint: MISSING,
                value,
                inside: false,
            });
        }
        for case in cases(model, shape, &inner) {
            let mut value = whole.clone();
            value[member] = case.value;
            found.push(Case { value, ..case });
        }
    }
    found
}

/// AWS writes `Key` as `tags.1.member.key`.
fn inner(at: &str, member: &str) -> String {
    let (first, rest) = member.split_at(1);
    let member = format!("{}{rest}", first.to_lowercase());
    if at.is_empty() {
        member
    } else {
        format!("{at}.{member}")
    }
}
