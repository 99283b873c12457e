//! What a document allows, for those who judge whether it may.

use super::document::{Document, Effect, Only, PrincipalKind, Principals, Statement};
use super::{arn, error::shown};

/// A statement that allows something. What it denies can only take away.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant<'a> {
    /// How a message names the statement.
    pub at: String,
    /// Whom it names; `None` where it names who is left out (`NotPrincipal`).
    pub grantees: Option<Vec<Grantee<'a>>>,
    /// The actions as they are written; `None` where it names what is left out (`NotAction`).
    pub actions: Option<Vec<&'a str>>,
    /// The conditions, all of which must hold.
    pub conditions: Vec<Condition<'a>>,
}

/// A statement that denies something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Denial<'a> {
    /// How a message names the statement.
    pub at: String,
    /// Whom it names; `None` where it names who is left out (`NotPrincipal`).
    pub denied: Option<Vec<Grantee<'a>>>,
    /// The actions as they are written: those that are denied, or, with `all_but`, those that are not.
    pub actions: Vec<&'a str>,
    /// Whether it names the actions that are left out (`NotAction`).
    pub all_but: bool,
}

/// One key under one operator of a condition; one of the values must fit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Condition<'a> {
    /// The operator in lower case, qualifiers such as `foranyvalue:` included.
    pub operator: &'a str,
    /// The key in lower case.
    pub key: &'a str,
    /// The values.
    pub values: Vec<&'a str>,
}

/// Whom a statement, a condition or a list of permitted principals names.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Grantee<'a> {
    /// Everybody, also without credentials: `*` as an `AWS` principal.
    Everyone,
    /// An account, and with it whomever the account lets.
    Account(&'a str),
    /// A role, a user or a session of an account.
    Identity {
        /// The account.
        account: &'a str,
        /// The ARN.
        arn: &'a str,
    },
    /// A service of AWS.
    Service(&'a str),
    /// An identity provider.
    Federated(&'a str),
    /// What names nobody that we could place: a unique id, a canonical user, a part with a variable.
    Other(&'a str),
}

impl<'a> Grantee<'a> {
    /// Reads what stands as an `AWS` principal, as the value of a condition, or in a list.
    #[must_use]
    pub fn of_aws(text: &'a str) -> Self {
        if text == "*" {
            return Self::Everyone;
        }
        if arn::is_account(text) {
            return Self::Account(text);
        }
        // `*`, `?` and `${…}` stand for something in patterns, and for nothing that could be listed.
        let plain = !text.contains(['*', '?', '$']) && !text.contains(char::is_whitespace);
        match arn::parse(text).filter(|_| plain) {
            Some(parts) if parts.service == "iam" && parts.resource == "root" => {
                Self::Account(parts.account)
            }
            Some(parts) => Self::Identity {
                account: parts.account,
                arn: text,
            },
            None => Self::Other(text),
        }
    }

    /// The text by which it is known.
    #[must_use]
    pub const fn text(&self) -> &'a str {
        match self {
            Self::Everyone => "*",
            Self::Account(text)
            | Self::Identity { arn: text, .. }
            | Self::Service(text)
            | Self::Federated(text)
            | Self::Other(text) => text,
        }
    }

    fn of(kind: PrincipalKind, text: &'a str) -> Self {
        match kind {
            PrincipalKind::Aws => Self::of_aws(text),
            PrincipalKind::Service => Self::Service(text),
            PrincipalKind::Federated => Self::Federated(text),
            PrincipalKind::CanonicalUser => Self::Other(text),
        }
    }
}

impl Document {
    /// What the document allows, statement by statement; `None` where it is not understood.
    #[must_use]
    pub fn grants(&self) -> Option<Vec<Grant<'_>>> {
        let allowing = self.statements(Effect::Allow)?.into_iter();
        Some(
            allowing
                .map(|(place, statement)| grant(place, statement))
                .collect(),
        )
    }

    /// What the document denies, statement by statement; `None` where it is not understood.
    #[must_use]
    pub fn denials(&self) -> Option<Vec<Denial<'_>>> {
        let denying = self.statements(Effect::Deny)?.into_iter();
        Some(
            denying
                .map(|(place, statement)| denial(place, statement))
                .collect(),
        )
    }

    fn statements(&self, effect: Effect) -> Option<Vec<(usize, &Statement)>> {
        let statements = self.policy()?.statements.iter().enumerate();
        Some(statements.filter(|(_, it)| it.effect == effect).collect())
    }
}

fn denial(place: usize, statement: &Statement) -> Denial<'_> {
    let (actions, all_but) = match &statement.actions {
        Only::These(actions) => (actions, false),
        Only::AllBut(actions) => (actions, true),
    };
    Denial {
        at: at(place, statement),
        denied: these(&statement.principals).map(grantees),
        actions: actions.iter().map(super::word::Word::written).collect(),
        all_but,
    }
}

fn at(place: usize, statement: &Statement) -> String {
    match statement.sid.as_deref() {
        Some(sid) if sid.starts_with(super::RESERVED_SID_PREFIX) => "spec.access".to_owned(),
        Some(sid) => format!("statement {:?}", shown(sid)),
        None => format!("a statement without Sid (number {})", place + 1),
    }
}

fn grant(place: usize, statement: &Statement) -> Grant<'_> {
    Grant {
        at: at(place, statement),
        grantees: these(&statement.principals).map(grantees),
        actions: these(&statement.actions)
            .map(|actions| actions.iter().map(super::word::Word::written).collect()),
        conditions: conditions(statement),
    }
}

fn these<T>(of: &Only<T>) -> Option<&T> {
    match of {
        Only::These(content) => Some(content),
        Only::AllBut(_) => None,
    }
}

fn grantees(principals: &Principals) -> Vec<Grantee<'_>> {
    let of_kind = principals
        .iter()
        .flat_map(|(kind, words)| words.iter().map(|word| Grantee::of(*kind, word.written())));
    of_kind.collect()
}

fn conditions(statement: &Statement) -> Vec<Condition<'_>> {
    let keys = statement.conditions.iter().flat_map(|(operator, keys)| {
        keys.iter().map(move |(key, values)| Condition {
            operator: operator.meaning(),
            key: key.meaning(),
            values: values.iter().map(super::word::Word::written).collect(),
        })
    });
    keys.collect()
}
