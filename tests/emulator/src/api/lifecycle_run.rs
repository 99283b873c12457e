//! Lifecycle policies in execution: once a day, on the virtual clock.

use super::lifecycle_rules::{Action, Verdict, evaluate};
use crate::state::{Registry, Repository};

/// Executes the policies of all repositories of a registry.
pub(crate) fn run(registry: &mut Registry, now: f64) {
    for repository in registry.repositories.values_mut() {
        if let Some(policy) = &repository.lifecycle_policy {
            let verdicts = evaluate(policy, &repository.images, now);
            repository.lifecycle_evaluated_at = now;
            execute(repository, &verdicts, now);
        }
    }
}

fn execute(repository: &mut Repository, verdicts: &[Verdict], now: f64) {
    for verdict in verdicts {
        if verdict.action == Action::Expire {
            repository.images.remove(&verdict.digest);
        } else if let Some(image) = repository.images.get_mut(&verdict.digest) {
            image.archived = true;
            image.archived_at = Some(now);
        }
    }
}
