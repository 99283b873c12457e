//! What ECR does with each write: read from its API reference, apart from the code under test.
//!
//! What ECR would refuse whatever it holds is a failure here: such a write is never to be planned.

use serde_json::Value;

use super::{
    action::{Action, NewRepository},
    desired::{Encryption, EncryptionType, ImageTagMutability, Mutability},
    lifecycle::Lifecycle,
    observed::{Described, Observed, Reading, Tags},
    plan::Step,
    policy::Document,
};

/// A new repository.
pub(crate) fn create(new: &NewRepository) -> Observed {
    check_tags(&new.tags);
    Observed {
        described: Described {
            uri: "uri".to_owned(),
            created_at: "now".to_owned(),
            mutability: Some(new.mutability.as_ref().map_or_else(mutable, checked)),
            scan_on_push: new.scan_on_push.unwrap_or(false),
            encryption: Some(encrypted(new.encryption.as_ref())),
        },
        tags: new.tags.clone(),
        lifecycle: Reading::Absent,
        policy: Reading::Absent,
    }
}

/// A repository after one write.
pub(crate) fn apply(held: &Observed, action: &Action) -> Observed {
    let mut after = held.clone();
    match action {
        Action::CreateRepository(_) => panic!("RepositoryAlreadyExistsException"),
        Action::DeleteRepository { .. } => panic!("no plan deletes a repository"),
        Action::TagResource(tags) => {
            check_tags(tags);
            after.tags.extend(tags.clone());
        }
        Action::UntagResource(keys) => {
            assert!(!keys.is_empty(), "InvalidParameterException: no keys");
            assert!(!keys.iter().any(|key| is_awss(key)), "aws: tags are AWS's");
            after.tags.retain(|key, _| !keys.contains(key));
        }
        Action::PutImageTagMutability(mutability) => {
            after.described.mutability = Some(checked(mutability));
        }
        Action::PutImageScanningConfiguration(scan) => after.described.scan_on_push = *scan,
        Action::PutLifecyclePolicy(policy) => {
            let text = policy.text();
            assert!((100..=30_720).contains(&text.chars().count()), "{text}");
            after.lifecycle = Reading::Stored(Lifecycle::stored(&rewritten(&text)));
        }
        Action::DeleteLifecyclePolicy => {
            assert!(
                matches!(held.lifecycle, Reading::Stored(_)),
                "LifecyclePolicyNotFoundException"
            );
            after.lifecycle = Reading::Absent;
        }
        Action::SetRepositoryPolicy(policy) => {
            let text = policy.text();
            assert!(text.chars().count() <= 10_240, "{text}");
            after.policy = Reading::Stored(Document::stored(&rewritten(&text)));
        }
        Action::DeleteRepositoryPolicy => {
            assert!(
                matches!(held.policy, Reading::Stored(_)),
                "RepositoryPolicyNotFoundException"
            );
            after.policy = Reading::Absent;
        }
    }
    after
}

/// A repository after all of these.
pub(crate) fn run<'a>(held: &Observed, steps: impl IntoIterator<Item = &'a Step>) -> Observed {
    steps
        .into_iter()
        .fold(held.clone(), |held, step| apply(&held, &step.action))
}

/// What these make of a repository that may not exist.
pub(crate) fn run_anew<'a>(
    held: Option<Observed>,
    steps: impl IntoIterator<Item = &'a Step>,
) -> Option<Observed> {
    steps
        .into_iter()
        .fold(held, |held, step| match (held, &step.action) {
            (None, Action::CreateRepository(new)) => Some(create(new)),
            // RepositoryNotFoundException.
            (None, _) => None,
            (Some(held), action) => Some(apply(&held, action)),
        })
}

fn mutable() -> Mutability {
    Mutability {
        mode: ImageTagMutability::Mutable,
        exclusions: [].into(),
    }
}

fn checked(mutability: &Mutability) -> Mutability {
    let excludes = match mutability.mode {
        ImageTagMutability::Mutable | ImageTagMutability::Immutable => false,
        ImageTagMutability::MutableWithExclusion | ImageTagMutability::ImmutableWithExclusion => {
            true
        }
    };
    assert_eq!(excludes, !mutability.exclusions.is_empty(), "{mutability}");
    mutability.clone()
}

/// ECR reports an ARN, whatever the key was named by.
fn encrypted(asked: Option<&Encryption>) -> Encryption {
    let kind = asked.map_or(EncryptionType::Aes256, |asked| asked.kind);
    let key = asked.and_then(|asked| asked.key.as_deref());
    assert!(kind != EncryptionType::Aes256 || key.is_none(), "{key:?}");
    let arn = match key {
        _ if kind == EncryptionType::Aes256 => None,
        Some(key) if key.contains(":key/") => Some(key.to_owned()),
        Some(id) if !id.contains("alias/") => {
            Some(format!("arn:aws:kms:ap-southeast-1:111122223333:key/{id}"))
        }
        Some(_) | None => Some("arn:aws:kms:ap-southeast-1:111122223333:key/own".to_owned()),
    };
    Encryption { kind, key: arn }
}

fn check_tags(tags: &Tags) {
    assert!(!tags.is_empty(), "InvalidParameterException: no tags");
    assert!(tags.len() <= 50, "TooManyTagsException");
    assert!(!tags.keys().any(|key| is_awss(key)), "aws: tags are AWS's");
}

fn is_awss(key: &str) -> bool {
    key.to_ascii_lowercase().starts_with("aws:")
}

/// The text as ECR gives it back: pretty, and every list the other way round.
fn rewritten(text: &str) -> String {
    let document: Value = serde_json::from_str(text).unwrap();
    serde_json::to_string_pretty(&reversed(document)).unwrap()
}

fn reversed(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().rev().map(reversed).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(key, value)| (key, reversed(value)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}
