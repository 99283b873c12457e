//! `spec.access`: lists of principals instead of statements.

use std::collections::BTreeSet;
use std::fmt;

use super::PolicyError;
use super::arn;
use super::document::{Conditions, Effect, Only, PrincipalKind, Principals, Statement};
use super::error::shown;
use super::word::Word;
use crate::api::Access;
use crate::domain::identity::RegistryId;

/// What `docker pull` needs.
const PULL: &[&str] = &[
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
];
/// What `docker push` needs beside.
const PUSH: &[&str] = &[
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
];

/// What `docker pull` and `docker push` need together.
pub fn pull_and_push() -> impl Iterator<Item = &'static str> {
    PULL.iter().chain(PUSH).copied()
}

/// One of the two lists of `spec.access`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// Who may pull.
    Pull,
    /// Who may pull and push.
    Push,
}

impl Level {
    fn sid(self, of: &str) -> String {
        let suffix = match self {
            Self::Pull => "Pull",
            Self::Push => "Push",
        };
        format!("{}{suffix}{of}", super::RESERVED_SID_PREFIX)
    }

    fn actions(self) -> BTreeSet<Word> {
        let more = match self {
            Self::Pull => &[],
            Self::Push => PUSH,
        };
        PULL.iter()
            .chain(more)
            .map(|action| Word::caseless(action))
            .collect()
    }

    fn entries(self, access: &Access) -> &[String] {
        let entries = match self {
            Self::Pull => &access.pull,
            Self::Push => &access.push,
        };
        entries.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Pull => "pull",
            Self::Push => "push",
        })
    }
}

/// The statements that stand for the lists. A service acts on behalf of many customers ("The confused
/// deputy problem", IAM User Guide): it is let in only where it acts for `own`, the account of the
/// repository.
///
/// # Errors
///
/// [`PolicyError::Access`] for an entry that names no principal, and [`PolicyError::NoAccess`] where neither
/// list is there.
pub(super) fn statements(
    access: &Access,
    own: &RegistryId,
) -> Result<BTreeSet<Statement>, PolicyError> {
    if access.pull.is_none() && access.push.is_none() {
        return Err(PolicyError::NoAccess);
    }
    let mut statements = BTreeSet::new();
    for level in [Level::Pull, Level::Push] {
        let mut principals = principals(level, access)?;
        let services = principals.remove(&PrincipalKind::Service);
        let services = services.map(|words| Principals::from([(PrincipalKind::Service, words)]));
        let allow = |of, principals, conditions| Statement {
            sid: Some(level.sid(of)),
            effect: Effect::Allow,
            principals: Only::These(principals),
            actions: Only::These(level.actions()),
            conditions,
        };
        if !principals.is_empty() {
            statements.insert(allow("", principals, Conditions::new()));
        }
        if let Some(services) = services {
            statements.insert(allow("Services", services, acting_for(own)));
        }
    }
    Ok(statements)
}

fn acting_for(account: &RegistryId) -> Conditions {
    let value = [Word::exact(account.as_str())].into();
    let key = [(Word::caseless("aws:SourceAccount"), value)].into();
    [(Word::caseless("StringEquals"), key)].into()
}

fn principals(level: Level, access: &Access) -> Result<Principals, PolicyError> {
    let mut principals = Principals::new();
    for entry in level.entries(access) {
        let (kind, word) = principal(entry).ok_or_else(|| PolicyError::Access {
            level,
            entry: shown(entry),
        })?;
        principals.entry(kind).or_default().insert(word);
    }
    Ok(principals)
}

/// An account is sent as its id and not as its root ARN, which would need to know the partition;
/// AWS stores the ARN.
fn principal(entry: &str) -> Option<(PrincipalKind, Word)> {
    if arn::is_account(entry) || is_principal_arn(entry) {
        Some((PrincipalKind::Aws, Word::principal(entry)))
    } else if is_service(entry) {
        Some((PrincipalKind::Service, Word::exact(entry)))
    } else {
        None
    }
}

fn is_principal_arn(entry: &str) -> bool {
    arn::names_a_principal(entry) && !entry.contains(['*', '?'])
}

fn is_service(entry: &str) -> bool {
    let name = entry
        .strip_suffix(".amazonaws.com")
        .or_else(|| entry.strip_suffix(".amazonaws.com.cn"));
    name.is_some_and(|name| {
        !name.is_empty()
            && name.split('.').all(|part| {
                !part.is_empty()
                    && part.bytes().all(|byte| {
                        byte == b'-' || byte.is_ascii_lowercase() || byte.is_ascii_digit()
                    })
            })
    })
}
