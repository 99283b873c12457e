//! Whether the process is ready, and if not, why.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;

/// What is known of one part.
type State = Result<(), String>;

/// The answer of /readyz; clones share it. The process is ready when all of its parts are.
#[derive(Clone)]
pub struct Health(Arc<watch::Sender<BTreeMap<&'static str, State>>>);

impl Health {
    /// None of these parts is ready yet.
    #[must_use]
    pub fn of(parts: impl IntoIterator<Item = &'static str>) -> Self {
        let starting = |part| (part, Err("starting".to_owned()));
        let parts = parts.into_iter().map(starting).collect();
        Self(Arc::new(watch::Sender::new(parts)))
    }

    /// A part does its work.
    pub fn ready(&self, part: &'static str) {
        if self.note(part, Ok(())) && self.check().is_ok() {
            tracing::info!("ready");
        }
    }

    /// A part can't do its work; says so in the log when that is news.
    pub fn unready(&self, part: &'static str, why: &str) {
        if self.note(part, Err(why.to_owned())) {
            tracing::error!("not ready: {why}");
        }
    }

    /// Notes a state; whether it is news.
    fn note(&self, part: &'static str, state: State) -> bool {
        self.0.send_if_modified(|parts| {
            let before = parts.insert(part, state.clone());
            before != Some(state)
        })
    }

    /// Ready, or why not: of what is known to be wrong, before what has not begun.
    ///
    /// # Errors
    /// Says why not.
    pub fn check(&self) -> Result<(), String> {
        let parts = self.0.borrow();
        let mut missing: Vec<_> = parts
            .values()
            .filter_map(|state| state.as_ref().err())
            .collect();
        missing.sort_by_key(|why| *why == "starting");
        missing.first().map_or(Ok(()), |why| Err((*why).clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_when_all_parts_are() {
        let health = Health::of(["a", "b"]);
        assert_eq!(health.check(), Err("starting".to_owned()));
        health.ready("a");
        assert_eq!(health.check(), Err("starting".to_owned()));
        health.ready("b");
        assert_eq!(health.check(), Ok(()));
        health.unready("a", "install it");
        health.ready("b");
        assert_eq!(health.check(), Err("install it".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_said_before_what_has_not_begun() {
        let health = Health::of(["a", "b"]);
        health.unready("b", "install it");
        assert_eq!(health.check(), Err("install it".to_owned()));
    }
}
