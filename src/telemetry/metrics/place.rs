//! Where something belongs: labels by which an alert finds its team. They name namespaces and classes, never an
//! object, and there are so many of them at most.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::encoding::EncodeLabelSet;

/// So many places are told apart; further ones are counted together.
pub(super) const MOST: usize = 500;

/// What further ones are called: no namespace and no class can be.
const OTHERS: &str = "_others";

/// A namespace and a class, and where AWS is called for it. What is not known is empty.
///
/// Not `namespace`: Prometheus gives that of the pod to whatever it scrapes.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// The object's namespace.
    pub exported_namespace: Arc<str>,
    /// The class, if there is one of that name.
    pub class: Arc<str>,
    /// Its account.
    pub account: Arc<str>,
    /// Its region.
    pub region: Arc<str>,
}

impl Default for Place {
    fn default() -> Self {
        let nothing: Arc<str> = "".into();
        Self {
            exported_namespace: Arc::clone(&nothing),
            class: Arc::clone(&nothing),
            account: Arc::clone(&nothing),
            region: nothing,
        }
    }
}

impl Place {
    /// All that there is no room for.
    pub(super) fn others() -> Self {
        Self {
            exported_namespace: OTHERS.into(),
            class: OTHERS.into(),
            ..Self::default()
        }
    }
}

/// The places that counters have told of: a counter must never be taken away.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<HashSet<Place>>);

impl Places {
    /// The place, or that of all others where there is no room for one more.
    pub(super) fn admitted(&self, place: &Place) -> Place {
        // A set is whole after any panic.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(place) {
            if known.len() >= MOST {
                return Place::others();
            }
            known.insert(place.clone());
        }
        place.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_and_then_one_for_all_others() {
        let places = Places::default();
        let of = |n: usize| Place {
            exported_namespace: n.to_string().into(),
            ..Place::default()
        };
        for n in 0..MOST {
            assert_eq!(places.admitted(&of(n)), of(n));
        }
        assert_eq!(places.admitted(&of(MOST)), Place::others());
        assert_eq!(places.admitted(&of(0)), of(0), "it is known");
    }
}
