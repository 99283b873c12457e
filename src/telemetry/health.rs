//! Whether the process is ready, and if not, why.

use std::sync::Arc;

use tokio::sync::watch;

/// The answer of /readyz; clones share it.
#[derive(Clone)]
pub struct Health(Arc<watch::Sender<Result<(), String>>>);

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Err("starting".to_owned()))))
    }
}

impl Health {
    /// The process does its work.
    pub fn ready(&self) {
        let changed = self
            .0
            .send_if_modified(|state| std::mem::replace(state, Ok(())).is_err());
        if changed {
            tracing::info!("ready");
        }
    }

    /// The process can't do its work; says so in the log when that is news.
    pub fn unready(&self, why: String) {
        let changed = self.0.send_if_modified(|state| {
            let news = state.as_ref().err() != Some(&why);
            *state = Err(why);
            news
        });
        if let (true, Err(why)) = (changed, &*self.0.borrow()) {
            tracing::error!("not ready: {why}");
        }
    }

    /// Ready, or why not.
    ///
    /// # Errors
    /// Says why not.
    pub fn check(&self) -> Result<(), String> {
        self.0.borrow().clone()
    }
}
