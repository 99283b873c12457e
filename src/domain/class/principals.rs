//! Whom policies of repositories may grant something.

use std::collections::BTreeSet;

use crate::domain::identity::RegistryId;
use crate::domain::policy::Grantee;

/// The entry that stands for everybody, also outside of AWS: for classes of those who may all that their
/// account may.
const EVERYBODY: &str = "*";

/// Principals that may be named.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AllowedPrincipals(Option<BTreeSet<String>>);

/// The account of an entry that stands for a whole account.
fn whole_account(entry: &str) -> Option<&str> {
    match Grantee::of_aws(entry) {
        Grantee::Account(account) => Some(account),
        Grantee::Everyone
        | Grantee::Identity { .. }
        | Grantee::Service(_)
        | Grantee::Federated(_)
        | Grantee::Other(_) => None,
    }
}

/// Organisations, as AWS Organizations numbers them.
fn is_organization(entry: &str) -> bool {
    entry.strip_prefix("o-").is_some_and(|id| {
        (10..=32).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

impl AllowedPrincipals {
    /// Takes a class's list: absent, the repositories' own account.
    #[must_use]
    pub fn parse(list: Option<&[String]>) -> Self {
        Self(list.map(|list| list.iter().cloned().collect()))
    }

    /// Whether everything that may act by this name is among them. Everyone is only where the class says so.
    #[must_use]
    pub fn include(&self, grantee: &Grantee<'_>, own: &RegistryId) -> bool {
        if self.lists(EVERYBODY) {
            return true;
        }
        match grantee {
            Grantee::Everyone | Grantee::Other(_) => false,
            Grantee::Account(account) => self.includes_account(account, own),
            Grantee::Identity { account, arn } => {
                self.lists(arn) || self.includes_account(account, own)
            }
            Grantee::Service(name) => is_service(name) && self.lists(name),
            Grantee::Federated(name) => !is_service(name) && self.lists(name),
        }
    }

    /// Whether an account is among them as a whole.
    #[must_use]
    pub fn includes_account(&self, account: &str, own: &RegistryId) -> bool {
        match &self.0 {
            None => account == own.as_str(),
            Some(list) => list
                .iter()
                .any(|entry| whole_account(entry) == Some(account)),
        }
    }

    /// Whether an organisation is among them.
    #[must_use]
    pub fn include_organization(&self, id: &str) -> bool {
        is_organization(id) && self.lists(id)
    }

    fn lists(&self, entry: &str) -> bool {
        self.0.as_ref().is_some_and(|list| list.contains(entry))
    }

    /// What is allowed, for a message.
    pub(super) fn shown(&self, own: &RegistryId) -> Vec<String> {
        match &self.0 {
            None => vec![own.to_string()],
            Some(list) => list.iter().cloned().collect(),
        }
    }
}

/// Whether a name is a service's. Amazon Cognito is an identity provider for all its name ("AWS JSON
/// policy elements: Principal").
fn is_service(name: &str) -> bool {
    let amazon = name.ends_with(".amazonaws.com") || name.ends_with(".amazonaws.com.cn");
    amazon && !name.starts_with("cognito-identity.")
}
