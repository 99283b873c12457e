//! The check of a repository policy: nothing is granted to anybody, and no action, beyond what the
//! class lists.
//!
//! What a document denies is free. What it allows is held to the lists statement by statement. `*` as a
//! principal is let through only under a condition that by itself leaves nobody but those listed:
//! `StringEquals` fails where its key is absent, as it is for who comes without credentials ("IAM JSON
//! policy elements: Condition operators"); `…IfExists` and `ForAllValues:` hold then, and a pattern's
//! reach can't be told.

use super::actions::AllowedActions;
use super::principals::AllowedPrincipals;
use super::refusal::{Rule, cut, not_permitted};
use crate::domain::desired::Refusal;
use crate::domain::identity::RegistryId;
use crate::domain::policy::{Condition, Document, Grant, Grantee};

/// What policies may grant, and to whom.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grantable {
    /// To whom.
    pub principals: AllowedPrincipals,
    /// What.
    pub actions: AllowedActions,
}

impl Grantable {
    /// Whether a document grants nothing beyond, in a repository of this account.
    ///
    /// # Errors
    /// Names the first statement that does, the rule, and what is allowed.
    pub fn check(&self, document: &Document, own: &RegistryId) -> Result<(), Refusal> {
        let grants = document
            .grants()
            .ok_or_else(|| self.principal("Write", "a policy that can be read", own))?;
        grants
            .iter()
            .try_for_each(|grant| self.check_statement(grant, own))
    }

    fn check_statement(&self, grant: &Grant<'_>, own: &RegistryId) -> Result<(), Refusal> {
        let at = &grant.at;
        let Some(actions) = &grant.actions else {
            let what = format!("NotAction from {at} and name what it allows: it allows all else");
            return Err(self.action("Remove", &what));
        };
        let Some(grantees) = &grant.grantees else {
            let what =
                format!("NotPrincipal from {at} and name whom it allows: it allows everybody else");
            return Err(self.principal("Remove", &what, own));
        };
        if let Some(action) = actions.iter().find(|it| !self.actions.allow(it)) {
            return Err(self.action("Remove", &format!("action {:?} from {at}", cut(action))));
        }
        let narrowed = grant
            .conditions
            .iter()
            .any(|condition| self.narrows(condition, own));
        let beyond = grantees.iter().find(|grantee| match grantee {
            Grantee::Everyone => !narrowed && !self.principals.include(grantee, own),
            Grantee::Account(_)
            | Grantee::Identity { .. }
            | Grantee::Service(_)
            | Grantee::Federated(_)
            | Grantee::Other(_) => !self.principals.include(grantee, own),
        });
        match beyond {
            None => Ok(()),
            Some(Grantee::Everyone) => {
                let what = format!(
                    "principal \"*\" from {at}, or add StringEquals on aws:PrincipalOrgID, \
                     aws:PrincipalAccount or aws:PrincipalArn with nothing but what is allowed"
                );
                Err(self.principal("Remove", &what, own))
            }
            Some(other) => {
                let what = format!("principal {:?} from {at}", cut(other.text()));
                Err(self.principal("Remove", &what, own))
            }
        }
    }

    /// Whether a condition by itself leaves nobody but those listed. Others beside it can only narrow
    /// further, because all of a statement's conditions must hold.
    fn narrows(&self, condition: &Condition<'_>, own: &RegistryId) -> bool {
        let listed: &dyn Fn(&str) -> bool = match (condition.operator, condition.key) {
            ("stringequals", "aws:principalorgid") => {
                &|id| self.principals.include_organization(id)
            }
            ("stringequals", "aws:principalaccount") => {
                &|account| self.principals.includes_account(account, own)
            }
            ("stringequals", "aws:principalarn") => {
                &|arn| self.principals.include(&Grantee::of_aws(arn), own)
            }
            _ => return false,
        };
        !condition.values.is_empty() && condition.values.iter().all(|value| listed(value))
    }

    fn principal(&self, verb: &str, what: &str, own: &RegistryId) -> Refusal {
        let allowed = self.principals.shown(own);
        not_permitted(&format!("{verb} {what}"), Rule::AllowedPrincipals, &allowed)
    }

    fn action(&self, verb: &str, what: &str) -> Refusal {
        let allowed = self.actions.shown();
        not_permitted(&format!("{verb} {what}"), Rule::AllowedActions, allowed)
    }
}
