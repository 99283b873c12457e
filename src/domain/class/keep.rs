//! `keepStatements`: statements of a repository policy that others write, and that stay as they are.
//!
//! AWS Lambda adds one by itself to the policy of a repository whose images it runs (Lambda Developer Guide, "Create
//! a Lambda function using a container image", Amazon ECR permissions), and does so once: without it functions fail
//! when they start anew.

use std::collections::BTreeSet;

use super::grants::Grantable;
use crate::domain::wildcard::{Token, matches};
use crate::domain::{
    desired::Refusal,
    digest::digest,
    identity::RegistryId,
    observed::Reading,
    policy::{Document, MAX_CHARACTERS},
    reason::Reason,
    setting::Setting,
};

/// The Sid of the statement that AWS Lambda adds.
const LAMBDA: &str = "LambdaECRImageRetrievalPolicy";

/// AWS Lambda, as a principal.
const LAMBDA_SERVICE: &str = "lambda.amazonaws.com";

/// Which statements stay.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Keep {
    /// Patterns of Sids: `*` stands for any run of characters.
    sids: BTreeSet<String>,
    /// What they may grant; absent, anything.
    within: Option<Box<Grantable>>,
}

impl Keep {
    /// Keeps the statements whose Sids match one of these.
    #[must_use]
    pub fn of(sids: Option<&[String]>) -> Self {
        Self {
            sids: sids.unwrap_or_default().iter().cloned().collect(),
            within: None,
        }
    }

    /// The same, as far as a class permits what they grant.
    #[must_use]
    pub fn within(self, lists: &Grantable) -> Self {
        Self {
            within: Some(Box::new(lists.clone())),
            ..self
        }
    }

    /// The digest of a policy that is asked for beside what is kept.
    #[must_use]
    pub fn hash(&self, policy: String) -> String {
        if self.sids.is_empty() {
            return policy;
        }
        digest("keepStatements", &format!("{policy} {:?}", self.sids))
    }

    fn names(&self, sid: &str) -> bool {
        let token = |character: char| match character {
            '*' => Token::Across,
            other => Token::Char(other),
        };
        let mut patterns = self.sids.iter();
        patterns.any(|it| matches(&it.chars().map(token).collect::<Vec<_>>(), sid))
    }

    /// What is to be in ECR in the end: what is asked for, and beside it the statements of others that stay. A Sid
    /// that is asked for is nobody else's.
    ///
    /// # Errors
    /// Where nothing can be written without losing what is to stay, or where both together are too long.
    pub fn with(
        &self,
        wanted: &Setting<Document>,
        held: &Reading<Document>,
        own: &RegistryId,
    ) -> Result<Setting<Document>, Refusal> {
        let (Reading::Stored(held), false) = (held, self.sids.is_empty()) else {
            return Ok(wanted.clone());
        };
        let asked = match wanted {
            Setting::Unmanaged => return Ok(Setting::Unmanaged),
            Setting::Absent => None,
            Setting::Present(asked) => Some(asked),
        };
        if !held.is_understood() && held.sids().iter().any(|sid| self.names(sid)) {
            return Err(unread());
        }
        let sids = asked.map(Document::sids).unwrap_or_default();
        let kept = held.only(|sid, statement| {
            self.names(sid) && !sids.contains(sid) && self.permits(statement, own)
        });
        match (asked, kept) {
            (None, None) => Ok(Setting::Absent),
            (None, Some(kept)) => Ok(Setting::Present(kept)),
            (Some(asked), None) => Ok(Setting::Present(asked.clone())),
            (Some(asked), Some(kept)) => {
                let both = asked.beside(&kept).map_err(|_| too_long())?;
                Ok(Setting::Present(both))
            }
        }
    }

    fn permits(&self, statement: &Document, own: &RegistryId) -> bool {
        let lists = self.within.as_ref();
        lists.is_none_or(|lists| lists.offences(statement, own).is_empty())
    }

    /// What to tell before a policy is written without a statement that somebody needs: Lambda's, or one that was to
    /// stay and may not.
    #[must_use]
    pub fn warning(&self, held: &Reading<Document>, then: Option<&Document>) -> Option<String> {
        let Reading::Stored(held) = held else {
            return None;
        };
        let sids = then.map(Document::sids).unwrap_or_default();
        let gone = held.sids().into_iter().filter(|sid| !sids.contains(sid));
        // It may have its rights from a statement of the object's own.
        let is_let_in = then.is_some_and(|it| it.text().contains(LAMBDA_SERVICE));
        let mut gone = gone.filter(|sid| (sid == LAMBDA && !is_let_in) || self.names(sid));
        let sid = gone.next()?;
        Some(if self.names(&sid) {
            format!(
                "The statement {sid} of the repository policy is taken out, although keepStatements names it: the class \
                 does not permit what it grants — have its principal and actions permitted by the class \
                 (allowedServices, allowedPrincipals, allowedActions)"
            )
        } else {
            format!(
                "The statement {LAMBDA}, which AWS Lambda added to the repository policy, is taken out: functions of \
                 these images fail once they start anew — to keep it set spec.keepStatements: [{LAMBDA}], where the \
                 class permits {LAMBDA_SERVICE}; then have Lambda add it again (update the function's code)"
            )
        })
    }
}

fn unread() -> Refusal {
    Refusal {
        reason: Reason::StoredDiffers,
        message: "ECR's repository policy has a statement that keepStatements names, in words that this version does \
                  not know; nothing of it is written — update the operator, or take the Sid out of keepStatements"
            .to_owned(),
    }
}

fn too_long() -> Refusal {
    Refusal {
        reason: Reason::InvalidSpec,
        message: format!(
            "With the statements of others that keepStatements keeps the repository policy is longer than the \
             {MAX_CHARACTERS} characters that ECR takes — shorten spec.repositoryPolicy and spec.access, or keep fewer"
        ),
    }
}
