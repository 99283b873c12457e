//! What the status of a class says.

use k8s_openapi::jiff::Timestamp;

use crate::{
    api::{ConditionType, ECRRepositoryClassStatus as Status},
    domain::{
        desired::Refusal,
        reason::Reason,
        retry::Attempt,
        status::{Said, conditions},
    },
};

/// How a class stands at the end of a pass.
#[derive(Clone, Debug, PartialEq)]
pub enum ClassStanding {
    /// Its repositories can be worked on.
    Ready,
    /// They can, and it is one of several default classes: which of them counts.
    SeveralDefaults(String),
    /// It says something that can't be carried out.
    Refused(Refusal),
    /// AWS does not let us in as it says.
    Hindered(Attempt),
    /// It is to be deleted, and objects are of it.
    InUse {
        /// How many.
        users: usize,
    },
}

/// Closes `next`: conditions and `observedGeneration`.
pub fn conclude_class(next: &mut Status, standing: ClassStanding, generation: i64, now: Timestamp) {
    next.observed_generation = Some(generation);
    let (reason, message, sign) = match standing {
        ClassStanding::Ready => (
            Reason::Ready,
            "Repositories of this class can be worked on".to_owned(),
            None,
        ),
        ClassStanding::SeveralDefaults(told) => (Reason::SeveralDefaultClasses, told, None),
        ClassStanding::Refused(refusal) => (
            refusal.reason,
            refusal.message,
            Some(ConditionType::Stalled),
        ),
        ClassStanding::Hindered(attempt) => (
            attempt.told.reason,
            attempt.told.message,
            Some(if attempt.told.stalled {
                ConditionType::Stalled
            } else {
                ConditionType::Reconciling
            }),
        ),
        ClassStanding::InUse { users } => (
            Reason::InUse,
            format!(
                "{users} ECRRepositories are still of this class — delete them or move them to another \
                 (spec.className): the class goes when there are none"
            ),
            Some(ConditionType::Stalled),
        ),
    };
    let ready = Said::new(ConditionType::Ready, sign.is_none(), reason, &message);
    let sign = sign.map(|sign| Said::new(sign, true, reason, &message));
    let said = [Some(ready), sign].into_iter().flatten().collect();
    next.conditions = conditions(said, &next.conditions, generation, now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::failure::{Class as FailureClass, Failure};
    use crate::domain::retry::{Attempts, Call, Moment, Now, Slot, Waits};
    use std::time::Duration;

    fn said(standing: ClassStanding) -> Vec<(String, String, String)> {
        let mut status = Status::default();
        conclude_class(&mut status, standing, 3, Timestamp::UNIX_EPOCH);
        assert_eq!(status.observed_generation, Some(3));
        let conditions = status.conditions.into_iter();
        conditions.map(|c| (c.type_, c.status, c.reason)).collect()
    }

    fn attempt(class: FailureClass) -> ClassStanding {
        let failure = Failure {
            class,
            said: "no".to_owned(),
        };
        let waits = Waits {
            rest: Duration::from_mins(30),
            rota: Duration::from_hours(8),
        };
        let mut attempts = Attempts::default();
        let call = Call {
            slot: Slot::Look,
            operation: "GetCallerIdentity",
        };
        let now = Now {
            moment: Moment::default(),
            wall: Timestamp::UNIX_EPOCH,
        };
        let attempt = attempts.failed(call, "", failure, now, 0.5, waits);
        ClassStanding::Hindered(attempt.clone())
    }

    #[test]
    fn each_standing_says_its_own() {
        let refusal = Refusal {
            reason: Reason::InvalidSpec,
            message: "Mend it".to_owned(),
        };
        for (standing, ready, sign) in [
            (ClassStanding::Ready, ("True", "Ready"), None),
            (
                ClassStanding::SeveralDefaults("two".to_owned()),
                ("True", "SeveralDefaultClasses"),
                None,
            ),
            (
                ClassStanding::Refused(refusal),
                ("False", "InvalidSpec"),
                Some("Stalled"),
            ),
            (
                attempt(FailureClass::WrongAccount),
                ("False", "WrongAccount"),
                Some("Stalled"),
            ),
            (
                attempt(FailureClass::Unavailable),
                ("False", "AwsUnavailable"),
                Some("Reconciling"),
            ),
            (
                ClassStanding::InUse { users: 2 },
                ("False", "InUse"),
                Some("Stalled"),
            ),
        ] {
            let (status, reason) = ready;
            let mut expected = vec![("Ready".to_owned(), status.to_owned(), reason.to_owned())];
            expected.extend(sign.map(|it| (it.to_owned(), "True".to_owned(), reason.to_owned())));
            assert_eq!(said(standing.clone()), expected, "{standing:?}");
        }
    }

    #[test]
    fn a_pass_that_finds_nothing_new_leads_to_an_equal_status() {
        let mut status = Status::default();
        conclude_class(&mut status, ClassStanding::Ready, 1, Timestamp::UNIX_EPOCH);
        let first = status.clone();
        conclude_class(&mut status, ClassStanding::Ready, 1, Timestamp::MAX);
        assert_eq!(status, first);
    }
}
