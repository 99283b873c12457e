//! The check of a repository policy: nothing is granted to anybody, and no action, beyond what the
//! class lists.
//!
//! What a document denies is free, unless it could meet the operator (see `denials`). What it allows is
//! held to the lists statement by statement; a service must be held to those for whom it may act. `*` as a
//! principal is let through only under a condition that by itself leaves nobody but those listed:
//! `StringEquals` fails where its key is absent, as it is for who comes without credentials ("IAM JSON
//! policy elements: Condition operators"); `…IfExists` and `ForAllValues:` hold then, and a pattern's
//! reach can't be told.

use std::collections::BTreeSet;

use super::actions::{self, AllowedActions};
use super::denials::Operator;
use super::principals::{self, AllowedPrincipals, is_organization};
use super::refusal::{Offence, Rule, Wanted, cut, some};
use crate::domain::identity::RegistryId;
use crate::domain::policy::{Condition, Document, Grant, Grantee};

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

    /// All that a document grants beyond, in a repository of this account, and by what it takes the operator
    /// its rights.
    pub(super) fn offences(&self, document: &Document, own: &RegistryId) -> Vec<Offence> {
        let Some(grants) = document.grants() else {
            let what = "does not permit a policy that cannot be read (allowedPrincipals)";
            return vec![Offence::new(what, "write another")];
        };
        let mut offences: Vec<Offence> = Vec::new();
        for grant in &grants {
            offences.extend(self.actions_beyond(grant));
            offences.extend(self.principals_beyond(grant, own));
        }
        if !self.principals.everybody() {
            let met = self.operator.met_by(document, own);
            offences.extend(met.iter().map(|at| meets_operator(at)));
        }
        offences
    }

    /// What to tell of a document that is permitted, or the class's own, and could all the same deny
    /// the operator what it does.
    #[must_use]
    pub fn warning(&self, document: &Document, own: &RegistryId) -> Option<String> {
        let at = self.operator.met_by(document, own).into_iter().next()?;
        Some(format!(
            "The operator may be locked out of this repository by what {at} denies — narrow it to \
             pushing and pulling, or to principals that the operator cannot be; once it is in force \
             only somebody else with rights on the repository can take it back"
        ))
    }

    fn actions_beyond(&self, grant: &Grant<'_>) -> Option<Offence> {
        let at = &grant.at;
        let Some(actions) = &grant.actions else {
            let what = format!(
                "does not permit NotAction in {at}, which allows all else (allowedActions)"
            );
            return Some(Offence::new(what, "name with Action what it allows"));
        };
        let beyond: BTreeSet<&str> = actions.iter().copied().collect();
        let beyond: Vec<&str> = beyond
            .into_iter()
            .filter(|it| !self.actions.allow(it))
            .collect();
        let (noun, them) = counted("action", beyond.len())?;
        let named = some(&beyond);
        let what = format!("does not permit the {noun} {named} in {at} (allowedActions)");
        let entries = beyond.iter().filter_map(|it| actions::entry(it));
        let wanted = Wanted::of(Rule::AllowedActions, entries, self.actions.unlisted());
        Some(Offence::new(what, format!("remove {them}")).wants(wanted))
    }

    fn principals_beyond(&self, grant: &Grant<'_>, own: &RegistryId) -> Vec<Offence> {
        let at = &grant.at;
        let Some(grantees) = &grant.grantees else {
            let what = format!(
                "does not permit NotPrincipal in {at}, which allows everybody else (allowedPrincipals)"
            );
            return vec![Offence::new(what, "name with Principal whom it allows")];
        };
        let conditions = &grant.conditions;
        let narrowed = conditions.iter().any(|it| self.narrows(it, own));
        let beyond: BTreeSet<&Grantee<'_>> = grantees
            .iter()
            .filter(|it| !self.principals.include(it, conditions, own))
            .collect();
        let mut offences = Vec::new();
        let mut others = Vec::new();
        for grantee in beyond {
            match grantee {
                Grantee::Everyone if narrowed => {}
                Grantee::Everyone => offences.push(self.everyone(grant, own)),
                Grantee::Service(name) => offences.push(self.service(name, grant, own)),
                Grantee::Account(_)
                | Grantee::Identity { .. }
                | Grantee::Federated(_)
                | Grantee::Other(_) => others.push(*grantee),
            }
        }
        if let Some((noun, them)) = counted("principal", others.len()) {
            let named = some(others.iter().map(Grantee::text));
            let what = format!("does not permit the {noun} {named} in {at} (allowedPrincipals)");
            let wanted = self.wanted(others.iter().filter_map(principals::entry), own);
            offences.insert(
                0,
                Offence::new(what, format!("remove {them}")).wants(wanted),
            );
        }
        offences
    }

    fn wanted(&self, entries: impl IntoIterator<Item = String>, own: &RegistryId) -> Wanted {
        Wanted::of(Rule::AllowedPrincipals, entries, self.principals.shown(own))
    }

    /// `*` without a condition that leaves nobody but those listed; one that would, if more were listed, tells
    /// who these are.
    fn everyone(&self, grant: &Grant<'_>, own: &RegistryId) -> Offence {
        let mut conditions = grant.conditions.iter();
        let foreign = conditions.find_map(|it| self.foreign(it, own));
        let at = &grant.at;
        match foreign {
            Some((key, foreign)) => {
                let what = format!(
                    "does not permit {} by {key} in {at} (allowedPrincipals)",
                    some(&foreign)
                );
                let wanted = self.wanted(foreign, own);
                Offence::new(what, "take it out of the condition").wants(wanted)
            }
            None => Offence::new(
                format!("does not permit the principal \"*\" in {at} (allowedPrincipals)"),
                "remove it, or add StringEquals on aws:PrincipalOrgID, aws:PrincipalAccount or \
                 aws:PrincipalArn with nothing but what is allowed",
            ),
        }
    }

    /// Any customer of AWS could otherwise have the service act for them.
    fn service(&self, name: &str, grant: &Grant<'_>, own: &RegistryId) -> Offence {
        let at = &grant.at;
        let mut conditions = grant.conditions.iter();
        let foreign = conditions.find_map(|it| self.principals.foreign_sources(it, own));
        let unknown = (!self.principals.knows_service(name)).then(|| name.to_owned());
        let service = Wanted::of(Rule::AllowedServices, unknown.clone(), None);
        match (unknown, foreign) {
            (_, Some(foreign)) if !foreign.is_empty() => {
                let what = format!(
                    "does not permit the service {} for {} in {at} (allowedServices)",
                    cut(name),
                    some(&foreign)
                );
                let wanted = self.wanted(foreign, own);
                Offence::new(what, "take it out")
                    .wants(service)
                    .wants(wanted)
            }
            (Some(_), Some(_)) => Offence::new(
                format!(
                    "does not permit the service {} in {at} (allowedServices)",
                    cut(name)
                ),
                "remove it",
            )
            .wants(service),
            (unknown, _) => {
                let remove = if unknown.is_some() {
                    "remove it; if it stays, "
                } else {
                    ""
                };
                Offence::new(
                    format!(
                        "does not permit that any customer of AWS has the service {} act for them in {at} \
                         (allowedServices)",
                        cut(name)
                    ),
                    format!(
                        "{remove}add StringEquals on aws:SourceAccount with the account for which it acts \
                         (aws:SourceArn and aws:SourceOrgID serve as well), or have anySource set for it"
                    ),
                )
                .wants(service)
            }
        }
    }

    /// Whether a condition by itself leaves nobody but those listed. Others beside it can only narrow
    /// further, because all of a statement's conditions must hold.
    fn narrows(&self, condition: &Condition<'_>, own: &RegistryId) -> bool {
        let foreign = self.foreign(condition, own);
        foreign.is_some_and(|(_, foreign)| foreign.is_empty())
    }

    /// Who is not listed of those that a condition by itself leaves, and its key; `None` where it leaves
    /// somebody who can't be listed.
    fn foreign(
        &self,
        condition: &Condition<'_>,
        own: &RegistryId,
    ) -> Option<(&'static str, BTreeSet<String>)> {
        let all = &self.principals;
        let included = |it: &Grantee<'_>| all.include(it, &[], own);
        let (key, judge): (_, Judge<'_>) = match (condition.operator, condition.key) {
            ("stringequals", "aws:principalorgid") => ("aws:PrincipalOrgID", &|id| {
                is_organization(id).then(|| all.include_organization(id))
            }),
            ("stringequals", "aws:principalaccount") => ("aws:PrincipalAccount", &|account| {
                let is_account = Grantee::of_aws(account) == Grantee::Account(account);
                is_account.then(|| all.includes_account(account, own))
            }),
            ("stringequals", "aws:principalarn") => ("aws:PrincipalArn", &|arn| {
                let it = Grantee::of_aws(arn);
                (included(&it) || principals::entry(&it).is_some()).then(|| included(&it))
            }),
            _ => return None,
        };
        let judged = condition.values.iter().map(|it| Some((*it, judge(it)?)));
        let judged: Option<Vec<(&str, bool)>> = judged.collect();
        let judged = judged.filter(|it| !it.is_empty())?;
        let foreign = judged.into_iter().filter(|(_, listed)| !listed);
        Some((key, foreign.map(|(value, _)| value.to_owned()).collect()))
    }
}

/// Whether somebody is listed; `None` where nobody could list them.
type Judge<'a> = &'a dyn Fn(&str) -> Option<bool>;

/// The word for so many, and for them together; none where there is none.
fn counted(noun: &str, number: usize) -> Option<(String, &'static str)> {
    match number {
        0 => None,
        1 => Some((noun.to_owned(), "it")),
        _ => Some((format!("{noun}s"), "them")),
    }
}

/// Whoever is everybody's, and so the operator's own, is for those who may everything.
fn meets_operator(at: &str) -> Offence {
    let what = format!(
        "does not permit what {at} denies, which could stop the operator's own work under whatever \
         condition (allowedPrincipals)"
    );
    Offence::new(
        what,
        "take it out, or name with Principal those alone that the operator cannot be; none but those of a \
         class that lists \"*\" may deny this",
    )
}
