//! Whose objects may be of a class: a selector, as in
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>.

use std::collections::BTreeSet;

use super::pattern::{Labels, meant};
use crate::api::{NamespaceRequirement, NamespaceSelector, SelectorOperator};
use crate::domain::near::nearest;

/// Namespaces, by their labels.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Namespaces(Option<Vec<Requirement>>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Requirement {
    Is(String, String),
    In(String, BTreeSet<String>),
    NotIn(String, BTreeSet<String>),
    Exists(String),
    DoesNotExist(String),
}

impl Namespaces {
    /// Parses a selector: absent, no namespace; empty, every namespace.
    #[must_use]
    pub fn parse(selector: Option<&NamespaceSelector>) -> Self {
        Self(selector.map(|selector| {
            let labels = selector.match_labels.iter().flatten();
            let expressions = selector.match_expressions.iter().flatten();
            labels
                .map(|(key, value)| Requirement::Is(key.clone(), value.clone()))
                .chain(expressions.map(Requirement::parse))
                .collect()
        }))
    }

    /// Whether a namespace with these labels is among them.
    #[must_use]
    pub fn include(&self, labels: &Labels) -> bool {
        self.0
            .as_ref()
            .is_some_and(|all| all.iter().all(|one| one.holds(labels)))
    }

    /// What these labels lack, for a message; `None` where no labels would do. A value of `matchLabels` is told,
    /// since it is what all namespaces of the class have; those of a list are not: they may be the names of
    /// others.
    pub(super) fn lacks(&self, labels: &Labels) -> Option<Vec<String>> {
        let failing = self.0.as_ref()?.iter().filter(|one| !one.holds(labels));
        Some(failing.map(|one| one.lacks(labels)).collect())
    }
}

impl Requirement {
    fn parse(requirement: &NamespaceRequirement) -> Self {
        let key = requirement.key.clone();
        let values = || requirement.values.iter().flatten().cloned().collect();
        match requirement.operator {
            SelectorOperator::In => Self::In(key, values()),
            SelectorOperator::NotIn => Self::NotIn(key, values()),
            SelectorOperator::Exists => Self::Exists(key),
            SelectorOperator::DoesNotExist => Self::DoesNotExist(key),
        }
    }

    fn key(&self) -> &str {
        match self {
            Self::Is(key, _)
            | Self::In(key, _)
            | Self::NotIn(key, _)
            | Self::Exists(key)
            | Self::DoesNotExist(key) => key,
        }
    }

    fn holds(&self, labels: &Labels) -> bool {
        let value = labels.get(self.key());
        match self {
            Self::Is(_, wanted) => value == Some(wanted),
            Self::In(_, values) => value.is_some_and(|value| values.contains(value)),
            Self::NotIn(_, values) => value.is_none_or(|value| !values.contains(value)),
            Self::Exists(_) => value.is_some(),
            Self::DoesNotExist(_) => value.is_none(),
        }
    }

    /// What is wanted, and what is there in its place.
    fn lacks(&self, labels: &Labels) -> String {
        let key = self.key();
        let has = labels.get(key);
        let wanted = match self {
            Self::Is(_, value) => format!("the label {key}={value}"),
            Self::In(_, _) => format!("one of the class's values of the label {key}"),
            Self::Exists(_) => format!("the label {key}"),
            Self::NotIn(_, _) => format!("another value of the label {key}"),
            Self::DoesNotExist(_) => format!("no label {key}"),
        };
        let instead = match has {
            Some(has) => format!(" (it has {key}={has})"),
            None => meant(key, nearest(key, labels.keys().map(String::as_str))),
        };
        wanted + &instead
    }
}
