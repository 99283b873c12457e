//! Principals that were deleted in IAM.

use std::{collections::BTreeSet, fmt};

use super::arn::Identity;
use super::document::{Document, Only, PrincipalKind, Principals, Statement};
use super::word::Word;

/// The principals by which alone two documents differ: AWS has unique ids where ARNs are asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DeletedPrincipals {
    /// The users and roles that are asked for and that AWS did not know when it was last told them,
    /// as ARNs.
    pub wanted: BTreeSet<String>,
    /// The unique ids (`AIDA…`, `AROA…`) that AWS has in their place.
    pub stored: BTreeSet<String>,
}

/// What it means, for people.
impl fmt::Display for DeletedPrincipals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |words: &BTreeSet<String>| words.iter().cloned().collect::<Vec<_>>().join(", ");
        write!(
            f,
            "ECR has {} in the place of {}, as it does once a principal was deleted in IAM",
            list(&self.stored),
            list(&self.wanted)
        )
    }
}

impl Document {
    /// How the stored document differs from this one, if unique ids in the place of ARNs are all.
    ///
    /// IAM replaces the ARN of a deleted user or role by its unique id, and never turns it back,
    /// even when one of the same name is made again ("AWS JSON policy elements: Principal"). One
    /// write cures it if there is a new one; if there is none, no number of writes does.
    #[must_use]
    pub fn deleted_principals(&self, stored: &Self) -> Option<DeletedPrincipals> {
        let (wanted, stored) = (self.policy()?, stored.policy()?);
        if (wanted.version, &wanted.id) != (stored.version, &stored.id) {
            return None;
        }
        let mut candidates: Vec<&Statement> =
            stored.statements.difference(&wanted.statements).collect();
        let mut deleted = DeletedPrincipals::default();
        for statement in wanted.statements.difference(&stored.statements) {
            // The first that fits is taken: only statements that differ in nothing but their
            // principals could be paired otherwise, and a pairing that is missed costs a write, not
            // the truth.
            let (at, found) = candidates
                .iter()
                .enumerate()
                .find_map(|(at, stored)| Some((at, replaced(statement, stored)?)))?;
            candidates.remove(at);
            deleted.wanted.extend(found.wanted);
            deleted.stored.extend(found.stored);
        }
        (candidates.is_empty() && !deleted.stored.is_empty()).then_some(deleted)
    }
}

/// The replacements that turn one statement into the other, if there is no other difference.
fn replaced(wanted: &Statement, stored: &Statement) -> Option<DeletedPrincipals> {
    let same = (
        &wanted.sid,
        wanted.effect,
        &wanted.actions,
        &wanted.conditions,
    ) == (
        &stored.sid,
        stored.effect,
        &stored.actions,
        &stored.conditions,
    );
    if !same {
        return None;
    }
    match (&wanted.principals, &stored.principals) {
        (Only::These(wanted), Only::These(stored))
        | (Only::AllBut(wanted), Only::AllBut(stored)) => replaced_principals(wanted, stored),
        (Only::These(_), Only::AllBut(_)) | (Only::AllBut(_), Only::These(_)) => None,
    }
}

fn replaced_principals(wanted: &Principals, stored: &Principals) -> Option<DeletedPrincipals> {
    let others = |principals: &Principals| {
        let mut others = principals.clone();
        others.remove(&PrincipalKind::Aws);
        others
    };
    if others(wanted) != others(stored) {
        return None;
    }
    let (wanted, stored) = (
        wanted.get(&PrincipalKind::Aws)?,
        stored.get(&PrincipalKind::Aws)?,
    );
    let missing: Vec<&Word> = wanted.difference(stored).collect();
    let foreign: Vec<&Word> = stored.difference(wanted).collect();
    let arns = counts(&missing, Identity::of_arn)?;
    let ids = counts(&foreign, Identity::of_unique_id)?;
    let texts = |words: Vec<&Word>| {
        words
            .into_iter()
            .map(|word| word.written().to_owned())
            .collect()
    };
    (arns == ids).then(|| DeletedPrincipals {
        wanted: texts(missing),
        stored: texts(foreign),
    })
}

/// How many users and roles there are, if there is nothing else.
fn counts(words: &[&Word], identity: fn(&str) -> Option<Identity>) -> Option<(usize, usize)> {
    words.iter().try_fold((0, 0), |(users, roles), word| {
        match identity(word.meaning())? {
            Identity::User => Some((users + 1, roles)),
            Identity::Role => Some((users, roles + 1)),
        }
    })
}
