//! Which keys of AWS KMS may be named.

use crate::domain::desired::is_kms_key;
use crate::domain::identity::{self, Registry};
use crate::domain::wildcard::{matches, path_tokens};

/// Keys of KMS, by patterns of their ARNs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KmsKeys(Option<Vec<String>>);

/// The parts of `arn:<partition>:kms:<region>:<account>:<resource>`.
type Parts = [String; 6];

impl KmsKeys {
    /// Takes a class's list: absent, every key of the repositories' own account.
    #[must_use]
    pub fn parse(patterns: Option<&[String]>) -> Self {
        Self(patterns.map(<[String]>::to_vec))
    }

    /// Whether a key may be named: its ARN, its id, or an alias. What is no ARN means a key of the
    /// repositories' own account and region, in the list as in a spec. What is none of the three is
    /// no key, whatever the list says.
    #[must_use]
    pub fn allow(&self, key: &str, own: &Registry) -> bool {
        if !is_kms_key(key) {
            return false;
        }
        let Some(key) = parts(key, own) else {
            return false;
        };
        match &self.0 {
            None => {
                let [_, _, service, _, account, _] = &key;
                service == "kms" && account == own.id.as_str()
            }
            Some(patterns) => patterns
                .iter()
                .filter_map(|pattern| parts(pattern, own))
                .any(|pattern| fits(&pattern, &key)),
        }
    }

    /// What is allowed, for a message; `None` where that is a list, which may name what is others'.
    pub(super) fn shown(&self, own: &Registry) -> Option<String> {
        match &self.0 {
            None => Some(format!("the keys of account {}", own.id)),
            Some(_) => None,
        }
    }
}

/// Each part by itself, so that no `*` reaches from one into another.
fn fits(pattern: &Parts, key: &Parts) -> bool {
    pattern
        .iter()
        .zip(key)
        .all(|(pattern, part)| matches(&path_tokens(pattern), part))
}

fn parts(text: &str, own: &Registry) -> Option<Parts> {
    // Whatever has parts is an ARN or nothing: read as an id it would be one of the own account.
    let whole = if text.contains(':') {
        text.to_owned()
    } else {
        let resource = if text.starts_with("alias/") {
            text.to_owned()
        } else {
            format!("key/{text}")
        };
        let partition = identity::partition(&own.region);
        format!("arn:{partition}:kms:{}:{}:{resource}", own.region, own.id)
    };
    let parts: Vec<String> = whole.splitn(6, ':').map(str::to_owned).collect();
    parts.try_into().ok()
}
