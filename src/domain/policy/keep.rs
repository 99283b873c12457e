//! Statements that somebody else put into a repository policy, by their Sids.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::RESERVED_SID_PREFIX;
use super::document::{Document, Policy, Statement};
use super::error::PolicyError;

impl Document {
    /// What is left of it with nothing but the statements of others that are kept, each of them asked by its Sid and
    /// as a document of its own; `None` where nothing is left, or it is not understood. What stands for
    /// `spec.access` is nobody else's.
    #[must_use]
    pub fn only(&self, is_kept: impl Fn(&str, &Self) -> bool) -> Option<Self> {
        let policy = self.policy()?;
        let alone = |statement: &Statement| {
            let one = Policy {
                statements: BTreeSet::from([statement.clone()]),
                ..policy.clone()
            };
            Self::wanted(one).ok()
        };
        let stays = |statement: &&Statement| {
            let sid = statement.sid.as_deref();
            let sid = sid.filter(|sid| !sid.starts_with(RESERVED_SID_PREFIX));
            let alone = sid.and_then(|_| alone(statement));
            sid.zip(alone).is_some_and(|(sid, it)| is_kept(sid, &it))
        };
        let left: BTreeSet<_> = policy.statements.iter().filter(stays).cloned().collect();
        if left.is_empty() {
            return None;
        }
        let left = Policy {
            statements: left,
            ..policy.clone()
        };
        Self::wanted(left).ok()
    }

    /// The document with the statements of another one beside its own.
    ///
    /// # Errors
    /// [`PolicyError::TooLong`] if ECR would not take it.
    pub fn beside(&self, other: &Self) -> Result<Self, PolicyError> {
        let (Some(own), Some(other)) = (self.policy(), other.policy()) else {
            return Ok(self.clone());
        };
        let mut whole = own.clone();
        whole.statements.extend(other.statements.iter().cloned());
        Self::wanted(whole)
    }

    /// The Sids of its statements, also of those that are not understood.
    #[must_use]
    pub fn sids(&self) -> BTreeSet<String> {
        if let Some(policy) = self.policy() {
            let sids = policy.statements.iter();
            return sids.filter_map(|it| it.sid.clone()).collect();
        }
        let whole = serde_json::from_str::<Map<String, Value>>(&self.text()).unwrap_or_default();
        let statements = match whole.get("Statement") {
            Some(Value::Array(all)) => all.iter().collect(),
            Some(one) => vec![one],
            None => Vec::new(),
        };
        let sids = statements.into_iter().filter_map(|it| it.get("Sid"));
        sids.filter_map(|sid| Some(sid.as_str()?.to_owned()))
            .collect()
    }
}
