//! Denials that could meet the operator. An explicit denial goes before every permission (IAM User Guide,
//! "Policy evaluation logic"): once it is in force the operator can neither see whose the repository is
//! nor write what the class enforces, and not even take the denial back. ECR's own check of a policy
//! that locks its author out is about `SetRepositoryPolicy` alone.
//!
//! Conditions are not looked at: one that does not hold today may hold tomorrow.

use crate::domain::identity::RegistryId;
use crate::domain::operations::USED;
use crate::domain::policy::{Denial, Document, Grantee};
use crate::domain::wildcard::{action_tokens, matches};

/// Who the operator is in AWS.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Operator {
    /// The name of the role that it assumes; `None` where it goes by its own credentials, of which only
    /// the account is known.
    role: Option<String>,
}

impl Operator {
    /// By the role of a class.
    pub(super) fn of(role_arn: Option<&str>) -> Self {
        let name = |arn: &str| arn.rsplit('/').next().unwrap_or(arn).to_ascii_lowercase();
        Self {
            role: role_arn.map(name),
        }
    }

    /// The statements of a document that could deny the operator something that it does, in a repository of
    /// this account. One that is not understood denies whatever it likes.
    pub(super) fn met_by(&self, document: &Document, own: &RegistryId) -> Vec<String> {
        let Some(denials) = document.denials() else {
            return vec!["the policy".to_owned()];
        };
        let meets = |it: &Denial<'_>| stops(it) && self.may_be_among(it.denied.as_deref(), own);
        denials.into_iter().filter(meets).map(|it| it.at).collect()
    }

    /// `NotPrincipal` leaves a role out only where its account, the role and the very session are all
    /// named ("AWS JSON policy elements: `NotPrincipal`"), and sessions have no names to rely on.
    fn may_be_among(&self, denied: Option<&[Grantee<'_>]>, own: &RegistryId) -> bool {
        denied.is_none_or(|denied| denied.iter().any(|it| self.may_be(it, own)))
    }

    fn may_be(&self, denied: &Grantee<'_>, own: &RegistryId) -> bool {
        match denied {
            // The last are unique ids, which roles have as well.
            Grantee::Everyone | Grantee::Other(_) => true,
            Grantee::Account(account) => *account == own.as_str(),
            Grantee::Identity { account, arn } => {
                *account == own.as_str() && self.may_be_called(arn)
            }
            Grantee::Service(_) => false,
            // A pod's own credentials are those of a web identity.
            Grantee::Federated(_) => self.role.is_none(),
        }
    }

    /// `…:role/<path>/<name>` or `…:assumed-role/<name>/<session>`.
    fn may_be_called(&self, arn: &str) -> bool {
        let Some(role) = &self.role else {
            return true;
        };
        let mut parts = arn.split('/').skip(1);
        parts.any(|part| part.eq_ignore_ascii_case(role))
    }
}

/// Whether it denies anything that the operator does.
fn stops(denial: &Denial<'_>) -> bool {
    let patterns: Vec<_> = denial.actions.iter().map(|it| action_tokens(it)).collect();
    USED.iter().any(|operation| {
        let action = format!("ecr:{operation}").to_ascii_lowercase();
        let named = patterns.iter().any(|pattern| matches(pattern, &action));
        named != denial.all_but
    })
}
