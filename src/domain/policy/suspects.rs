//! Words of a policy that ECR may refuse. They are sent, since nobody knows for certain or they may have to
//! be known first; where the policy is refused, the message names them.

use super::document::{Document, Only, PrincipalKind, Statement};
use super::error::shown;
use super::{arn, word::Word};
use crate::domain::text::{cut, some};

/// The most principals that a message names: conditions have room for 1 KiB.
const NAMED: usize = 3;

/// The most characters of all that is named: AWS's own words have to fit beside it.
const LONGEST: usize = 500;

impl Document {
    /// What to look at first once ECR has refused the document; `None` where nothing stands out.
    #[must_use]
    pub fn suspects(&self) -> Option<String> {
        let statements = &self.policy()?.statements;
        let mut all: Vec<String> = Vec::new();
        if statements.iter().any(names_the_token) {
            // A module that removed it in 2020, since AWS had begun to refuse it:
            // <https://github.com/cloudposse/terraform-aws-ecr/pull/67>. Others have it still.
            all.push(
                "`ecr:GetAuthorizationToken`, which is about no repository: it belongs into the policies of \
                 those who pull"
                    .to_owned(),
            );
        }
        let of_kind = |kind| {
            let principals = statements
                .iter()
                .filter_map(move |it| match &it.principals {
                    Only::These(all) | Only::AllBut(all) => all.get(&kind),
                });
            principals.flatten().map(Word::written)
        };
        let services = of_kind(PrincipalKind::Service).filter(|name| !name.contains('.'));
        all.extend(named(services, "no name of a service"));
        let users = || of_kind(PrincipalKind::Aws).filter(|name| *name != "*");
        let ids = users().filter(|name| arn::may_be_an_id(name));
        all.extend(named(ids, "an id in the place of an ARN"));
        let others = users().filter(|name| !arn::may_be_an_id(name));
        all.extend(named(others, "unknown to AWS if it is gone or new"));
        let federated = of_kind(PrincipalKind::Federated);
        let others = federated.chain(of_kind(PrincipalKind::CanonicalUser));
        all.extend(named(others, "not among what ECR is known to take"));
        let all = all.join("; then at ");
        (!all.is_empty()).then(|| format!("look first at {}", cut(&all, LONGEST)))
    }
}

fn names_the_token(statement: &Statement) -> bool {
    let (Only::These(actions) | Only::AllBut(actions)) = &statement.actions;
    let mut actions = actions.iter();
    actions.any(|it| it.meaning() == "ecr:getauthorizationtoken")
}

/// Some words with what is to be said of them.
fn named<'a>(words: impl Iterator<Item = &'a str>, what: &str) -> Option<String> {
    let named = some(words.map(shown), NAMED);
    (!named.is_empty()).then(|| format!("{named} ({what})"))
}
