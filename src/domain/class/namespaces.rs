//! Whose objects may be of a class: a selector, as in
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>.

use std::collections::BTreeSet;

use super::pattern::Labels;
use crate::api::{NamespaceRequirement, NamespaceSelector, SelectorOperator};

/// Namespaces, by their labels.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Namespaces(Option<Vec<Requirement>>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Requirement {
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
                .map(|(key, value)| Requirement::In(key.clone(), [value.clone()].into()))
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

    /// The keys that decide. The values are left out: they may be the names of others.
    pub(super) fn keys(&self) -> BTreeSet<&str> {
        let requirements = self.0.iter().flatten();
        requirements.map(Requirement::key).collect()
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
            Self::In(key, _)
            | Self::NotIn(key, _)
            | Self::Exists(key)
            | Self::DoesNotExist(key) => key,
        }
    }

    fn holds(&self, labels: &Labels) -> bool {
        let value = labels.get(self.key());
        match self {
            Self::In(_, values) => value.is_some_and(|value| values.contains(value)),
            Self::NotIn(_, values) => value.is_none_or(|value| !values.contains(value)),
            Self::Exists(_) => value.is_some(),
            Self::DoesNotExist(_) => value.is_none(),
        }
    }
}
