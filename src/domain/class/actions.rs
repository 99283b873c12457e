//! What policies of repositories may grant.

use crate::domain::operations::OPERATIONS;
use crate::domain::policy::pull_and_push;
use crate::domain::wildcard::{Token, action_tokens, matches};

/// Actions of ECR, by patterns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AllowedActions {
    /// Whether the class has a list.
    listed: bool,
    patterns: Vec<Vec<Token>>,
}

impl AllowedActions {
    /// Takes a class's list: absent, pull and push.
    #[must_use]
    pub fn parse(list: Option<&[String]>) -> Self {
        let written: Vec<String> = match list {
            Some(list) => list.to_vec(),
            None => pull_and_push().map(str::to_owned).collect(),
        };
        Self {
            listed: list.is_some(),
            patterns: written.iter().map(|it| action_tokens(it)).collect(),
        }
    }

    /// Whether a policy may name this action. One with a wildcard is allowed where it stands for some
    /// operation and for none that is not allowed, of those that this program knows. The service is
    /// ECR, or all of it is `*`: no pattern reaches from the service into the operation.
    #[must_use]
    pub fn allow(&self, action: &str) -> bool {
        let of_ecr = |(service, _): (&str, &str)| service.eq_ignore_ascii_case("ecr");
        if action != "*" && !action.split_once(':').is_some_and(of_ecr) {
            return false;
        }
        if !action.contains(['*', '?']) {
            return self.includes(action);
        }
        let pattern = action_tokens(action);
        let mut meant = OPERATIONS
            .iter()
            .map(|operation| format!("ecr:{operation}"))
            .filter(|operation| matches(&pattern, &operation.to_ascii_lowercase()))
            .peekable();
        meant.peek().is_some() && meant.all(|operation| self.includes(&operation))
    }

    fn includes(&self, action: &str) -> bool {
        let action = action.to_ascii_lowercase();
        self.patterns
            .iter()
            .any(|pattern| matches(pattern, &action))
    }

    /// What is allowed without a list, for a message: whoever writes one must name it as well.
    pub(super) fn unlisted(&self) -> Option<String> {
        (!self.listed).then(|| "pull and push".to_owned())
    }
}

/// The entry of a list that stands for an action of a policy; `None` where no entry does.
pub(super) fn entry(action: &str) -> Option<String> {
    if action == "*" {
        return Some("ecr:*".to_owned());
    }
    let (service, operation) = action.split_once(':')?;
    let is_listable = operation
        .chars()
        .all(|c| c.is_ascii_alphabetic() || c == '*');
    let is_of_ecr = service.eq_ignore_ascii_case("ecr");
    let entry = format!("ecr:{operation}");
    let helps = || AllowedActions::parse(Some(std::slice::from_ref(&entry))).allow(action);
    (is_of_ecr && is_listable && !operation.is_empty() && helps()).then_some(entry)
}
