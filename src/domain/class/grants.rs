//! The check of a repository policy: nothing is granted to anybody, and no action, beyond what the
//! class lists.
//!
//! What a document denies is free, unless it could meet the operator (see `denials`). What it allows is
//! held to the lists statement by statement; a service must be held to those for whom it may act. `*` as a
//! principal is let through only under a condition that by itself leaves nobody but those listed:
//! `StringEquals` fails where its key is absent, as it is for who comes without credentials ("IAM JSON
//! policy elements: Condition operators"); `…IfExists` and `ForAllValues:` hold then, and a pattern's
//! reach can't be told.

use super::actions::AllowedActions;
use super::denials::Operator;
use super::principals::AllowedPrincipals;
use super::refusal::{Rule, cut, not_listed, not_permitted};
use crate::domain::desired::Refusal;
use crate::domain::identity::RegistryId;
use crate::domain::policy::{Condition, Document, Grant, Grantee};
use crate::domain::reason::Reason;

/// What policies may grant, and to whom.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grantable {
    principals: AllowedPrincipals,
    actions: AllowedActions,
    operator: Operator,
}

impl Grantable {
    /// What these lists let policies grant, where the operator goes by this role.
    #[must_use]
    pub fn new(
        principals: AllowedPrincipals,
        actions: AllowedActions,
        role_arn: Option<&str>,
    ) -> Self {
        Self {
            principals,
            actions,
            operator: Operator::of(role_arn),
        }
    }

    /// Whether a document grants nothing beyond, in a repository of this account, and leaves the
    /// operator its rights.
    ///
    /// # Errors
    /// Names the first statement that does, the rule, and what may be told of what is allowed.
    pub fn check(&self, document: &Document, own: &RegistryId) -> Result<(), Refusal> {
        let grants = document
            .grants()
            .ok_or_else(|| self.principal("Write", "a policy that can be read", own))?;
        for grant in &grants {
            self.check_statement(grant, own)?;
        }
        if self.principals.everybody() {
            return Ok(());
        }
        match self.operator.is_met_by(document, own) {
            None => Ok(()),
            Some(at) => Err(meets_operator(&at)),
        }
    }

    /// What to tell of a document that is permitted, or the class's own, and could all the same deny
    /// the operator what it does.
    #[must_use]
    pub fn warning(&self, document: &Document, own: &RegistryId) -> Option<String> {
        let at = self.operator.is_met_by(document, own)?;
        Some(format!(
            "The operator may be locked out of this repository by what {at} denies — narrow it to \
             pushing and pulling, or to principals that the operator cannot be; once it is in force \
             only somebody else with rights on the repository can take it back"
        ))
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
        let included = |it: &Grantee<'_>| self.principals.include(it, &grant.conditions, own);
        let beyond = grantees.iter().find(|grantee| match grantee {
            Grantee::Everyone => !narrowed && !included(grantee),
            Grantee::Account(_)
            | Grantee::Identity { .. }
            | Grantee::Service(_)
            | Grantee::Federated(_)
            | Grantee::Other(_) => !included(grantee),
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
            Some(service) if self.principals.has_service(service) => Err(sourceless(service, at)),
            Some(other) => {
                let what = format!("Remove principal {:?} from {at}", cut(other.text()));
                let (rule, shown) = match other {
                    Grantee::Service(_) => (Rule::AllowedServices, None),
                    Grantee::Everyone
                    | Grantee::Account(_)
                    | Grantee::Identity { .. }
                    | Grantee::Federated(_)
                    | Grantee::Other(_) => (Rule::AllowedPrincipals, self.principals.shown(own)),
                };
                Err(not_listed(&what, rule, shown))
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
                &|arn| self.principals.include(&Grantee::of_aws(arn), &[], own)
            }
            _ => return false,
        };
        !condition.values.is_empty() && condition.values.iter().all(|value| listed(value))
    }

    fn principal(&self, verb: &str, what: &str, own: &RegistryId) -> Refusal {
        let shown = self.principals.shown(own);
        not_listed(&format!("{verb} {what}"), Rule::AllowedPrincipals, shown)
    }

    fn action(&self, verb: &str, what: &str) -> Refusal {
        let allowed = self.actions.shown();
        not_permitted(&format!("{verb} {what}"), Rule::AllowedActions, allowed)
    }
}

/// Any customer of AWS could otherwise have the service act for them.
fn sourceless(service: &Grantee<'_>, at: &str) -> Refusal {
    refused(format!(
        "In {at} any customer of AWS may have service {:?} act for them — add StringEquals on \
         aws:SourceAccount with the account for which it acts, one that the class lists (aws:SourceArn and \
         aws:SourceOrgID serve as well), or have anySource set for it in the class's {}",
        cut(service.text()),
        Rule::AllowedServices
    ))
}

/// Whoever is everybody's, and so the operator's own, is for those who may everything.
fn meets_operator(at: &str) -> Refusal {
    refused(format!(
        "What {at} denies, under whatever condition, could stop the operator's own work — take it out, or name \
         principals there that the operator cannot be (with Principal, not NotPrincipal); the class permits it \
         to those alone who have \"*\" in its {}",
        Rule::AllowedPrincipals
    ))
}

fn refused(message: String) -> Refusal {
    Refusal {
        reason: Reason::NotPermitted,
        message,
    }
}
