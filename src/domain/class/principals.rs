//! Whom policies of repositories may grant something.

use std::collections::BTreeSet;

use crate::api::AllowedService;
use crate::domain::identity::RegistryId;
use crate::domain::policy::{Condition, Grantee};

/// The entry that stands for everybody, also outside of AWS: for classes of those who may all that their
/// account may.
const EVERYBODY: &str = "*";

/// Principals that may be named.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AllowedPrincipals {
    /// Absent: the repositories' own account.
    list: Option<BTreeSet<String>>,
    /// Services that may be named without saying for whom they act.
    any_source: BTreeSet<String>,
    /// Services that may be named where the statement says it.
    sourced: BTreeSet<String>,
}

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
pub(super) fn is_organization(entry: &str) -> bool {
    entry.strip_prefix("o-").is_some_and(|id| {
        (10..=32).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

impl AllowedPrincipals {
    /// Takes a class's lists: of principals, absent the repositories' own account; and of services.
    #[must_use]
    pub fn parse(list: Option<&[String]>, services: Option<&[AllowedService]>) -> Self {
        let list: Option<BTreeSet<String>> = list.map(|list| list.iter().cloned().collect());
        let in_list = list.iter().flatten().filter(|it| is_service(it)).cloned();
        let services = services.unwrap_or_default().iter();
        let (any, sourced): (Vec<_>, Vec<_>) =
            services.partition(|it| it.any_source.unwrap_or(false));
        let names = |of: Vec<&AllowedService>| -> BTreeSet<String> {
            of.into_iter().map(|it| it.service.clone()).collect()
        };
        let mut sourced = names(sourced);
        sourced.extend(in_list);
        Self {
            list,
            any_source: names(any),
            sourced,
        }
    }

    /// Whether everything that may act by this name is among them, under these conditions. Everyone is
    /// only where the class says so.
    #[must_use]
    pub fn include(
        &self,
        grantee: &Grantee<'_>,
        conditions: &[Condition<'_>],
        own: &RegistryId,
    ) -> bool {
        if self.everybody() {
            return true;
        }
        match grantee {
            Grantee::Everyone | Grantee::Other(_) => false,
            Grantee::Account(account) => self.includes_account(account, own),
            Grantee::Identity { account, arn } => {
                self.lists(arn) || self.includes_account(account, own)
            }
            Grantee::Service(name) => {
                self.any_source.contains(*name)
                    || (self.sourced.contains(*name)
                        && conditions.iter().any(|it| self.names_source(it, own)))
            }
            Grantee::Federated(name) => !is_service(name) && self.lists(name),
        }
    }

    /// Whether there is no limit at all.
    pub(super) fn everybody(&self) -> bool {
        self.lists(EVERYBODY)
    }

    /// What is not listed of that which a condition by itself leaves a service to act for: accounts and
    /// organisations ("The confused deputy problem", IAM User Guide). Nothing but the own account and what is
    /// listed is wanted; `None` where the condition leaves it somebody who can't be told.
    pub(super) fn foreign_sources(
        &self,
        condition: &Condition<'_>,
        own: &RegistryId,
    ) -> Option<BTreeSet<String>> {
        let source: &dyn Fn(&str) -> Option<Source> = match (condition.operator, condition.key) {
            ("stringequals", "aws:sourceaccount") => &|it| Source::account(it),
            ("stringequals", "aws:sourceorgid") => &|it| Source::organization(it),
            // A pattern of a whole text may reach over the parts of an ARN, one of an ARN may not.
            ("stringequals" | "stringlike", "aws:sourcearn") => &|arn| {
                let (before, account) = account_of(arn)?;
                Source::account(account).filter(|_| is_plain(before))
            },
            ("arnequals" | "arnlike", "aws:sourcearn") => {
                &|arn| account_of(arn).and_then(|(_, account)| Source::account(account))
            }
            _ => return None,
        };
        let sources: Option<Vec<Source>> = condition.values.iter().map(|it| source(it)).collect();
        let sources = sources.filter(|it| !it.is_empty())?;
        let foreign = sources.into_iter().filter(|source| match source {
            Source::Account(it) => it != own.as_str() && !self.includes_account(it, own),
            Source::Organization(it) => !self.include_organization(it),
        });
        Some(foreign.map(Source::entry).collect())
    }

    /// Whether a condition leaves a service nobody but those that are listed.
    fn names_source(&self, condition: &Condition<'_>, own: &RegistryId) -> bool {
        let foreign = self.foreign_sources(condition, own);
        foreign.is_some_and(|it| it.is_empty())
    }

    /// Whether an account is among them as a whole.
    #[must_use]
    pub fn includes_account(&self, account: &str, own: &RegistryId) -> bool {
        match &self.list {
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
        self.list.as_ref().is_some_and(|list| list.contains(entry))
    }

    /// Whether a service may be named by anybody, or not at all.
    pub(super) fn knows_service(&self, name: &str) -> bool {
        self.any_source.contains(name) || self.sourced.contains(name)
    }

    /// What is allowed, for a message; `None` where that is a list, which may name what is others'.
    pub(super) fn shown(&self, own: &RegistryId) -> Option<String> {
        match &self.list {
            None => Some(format!("account {own}")),
            Some(_) => None,
        }
    }
}

/// For whom a service may act.
enum Source {
    Account(String),
    Organization(String),
}

impl Source {
    fn account(text: &str) -> Option<Self> {
        let is_account = whole_account(text) == Some(text);
        is_account.then(|| Self::Account(text.to_owned()))
    }

    fn organization(text: &str) -> Option<Self> {
        is_organization(text).then(|| Self::Organization(text.to_owned()))
    }

    fn entry(self) -> String {
        match self {
            Self::Account(text) | Self::Organization(text) => text,
        }
    }
}

/// The entry of a list that stands for a principal of a policy; `None` where no entry does.
pub(super) fn entry(grantee: &Grantee<'_>) -> Option<String> {
    match grantee {
        Grantee::Account(text) | Grantee::Identity { arn: text, .. } => Some((*text).to_owned()),
        Grantee::Federated(name) => (!is_service(name)).then(|| (*name).to_owned()),
        Grantee::Everyone | Grantee::Service(_) | Grantee::Other(_) => None,
    }
}

/// What stands before the account in an ARN, and the account.
fn account_of(arn: &str) -> Option<(&str, &str)> {
    let (at, _) = arn.match_indices(':').nth(3)?;
    let (before, rest) = arn.split_at_checked(at)?;
    let (account, _) = rest.strip_prefix(':')?.split_once(':')?;
    let whole = before.starts_with("arn:") && !arn.contains('$');
    whole.then_some((before, account))
}

fn is_plain(text: &str) -> bool {
    !text.contains(['*', '?', '$'])
}

/// Whether a name is a service's. Amazon Cognito is an identity provider for all its name ("AWS JSON
/// policy elements: Principal").
fn is_service(name: &str) -> bool {
    let amazon = name.ends_with(".amazonaws.com") || name.ends_with(".amazonaws.com.cn");
    amazon && !name.starts_with("cognito-identity.")
}
