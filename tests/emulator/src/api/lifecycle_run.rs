//! Lifecycle policies in execution: once a day, on the virtual clock.

use super::Place;
use super::lifecycle_rules::{Action, Verdict, evaluate};
use crate::events::{self, News};
use crate::state::{Image, Registry, Repository};

/// What a run did to one image.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) repository: String,
    pub(crate) priority: u64,
    /// Else it was archived.
    pub(crate) expired: bool,
    /// As it was before.
    pub(crate) image: Image,
}

impl Done {
    /// The event of it.
    pub(crate) fn news(&self, at: (&Place, f64)) -> News {
        let tag = self.image.tags.first().map_or("", String::as_str);
        let action = if self.expired {
            events::Action::Delete
        } else {
            events::Action::Archive
        };
        News::image(at, &self.repository, (action, tag), &self.image)
    }
}

/// Executes the policies of all repositories of a registry.
pub(crate) fn run(registry: &mut Registry, now: f64) -> Vec<Done> {
    let mut done = Vec::new();
    for repository in registry.repositories.values_mut() {
        if let Some(policy) = &repository.lifecycle_policy {
            let verdicts = evaluate(policy, &repository.images, now);
            repository.lifecycle_evaluated_at = now;
            done.extend(
                verdicts
                    .iter()
                    .filter_map(|verdict| execute(repository, verdict, now)),
            );
        }
    }
    done
}

fn execute(repository: &mut Repository, verdict: &Verdict, now: f64) -> Option<Done> {
    let image = repository.images.get_mut(&verdict.digest)?;
    let done = Done {
        repository: repository.name.clone(),
        priority: verdict.priority,
        expired: verdict.action == Action::Expire,
        image: image.clone(),
    };
    if done.expired {
        repository.images.remove(&verdict.digest);
    } else {
        image.archived = true;
        image.archived_at = Some(now);
    }
    Some(done)
}
