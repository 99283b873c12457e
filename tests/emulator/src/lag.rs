//! Read-after-write lag: ECR makes repositories behind the answer to the call, so that for a while a
//! new one is not found and a deleted one still listed
//! (<https://github.com/hashicorp/terraform-provider-aws/issues/3849>).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::settings::Settings;
use crate::state::{Registry, Repository};
use crate::world::all_named as names;

/// What calls do not see yet.
#[derive(Debug, Default)]
pub(crate) struct Lags(BTreeMap<(String, String), BTreeMap<String, Lag>>);

#[derive(Debug)]
struct Lag {
    /// So many calls more are deceived.
    left: u64,
    /// A repository that has gone; none: one that has come.
    gone: Option<Repository>,
}

/// What was changed in a registry for one call.
#[derive(Debug, Default)]
pub(crate) struct Veil {
    hidden: Vec<Repository>,
    shown: Vec<String>,
}

/// These see the truth: creating a repository, also by a push, meets it at once.
const STRONG: [&str; 3] = ["CreateRepository", "PutImage", "InitiateLayerUpload"];

impl Lags {
    /// Makes a registry look as the call sees it.
    pub(crate) fn draw(
        &mut self,
        place: &(String, String),
        registry: &mut Registry,
        (operation, input): (&str, &Value),
    ) -> Veil {
        let mut veil = Veil::default();
        let Some(lags) = self.0.get_mut(place) else {
            return veil;
        };
        let lists = operation == "DescribeRepositories" && names(input).next().is_none();
        for (name, lag) in lags.iter_mut() {
            let named = names(input).any(|named| named == name);
            let there = registry.repositories.contains_key(name);
            match &lag.gone {
                // One that has gone is listed still, but nobody finds it by its name.
                Some(gone) if lists && !there => {
                    registry.repositories.insert(name.clone(), gone.clone());
                    veil.shown.push(name.clone());
                }
                None if (lists || named) && !STRONG.contains(&operation) => {
                    veil.hidden.extend(registry.repositories.remove(name));
                }
                _ => continue,
            }
            lag.left -= 1;
        }
        lags.retain(|_, lag| lag.left > 0);
        veil
    }

    /// Remembers what the call did that others shall not see yet.
    pub(crate) fn note(
        &mut self,
        place: (String, String),
        settings: &Settings,
        (operation, name): (&str, &str),
        gone: Option<Repository>,
    ) {
        let left = match operation {
            "CreateRepository" => settings.create_lag_calls,
            "DeleteRepository" => settings.delete_lag_calls,
            _ => return,
        };
        let lags = self.0.entry(place).or_default();
        // A repository that was just made does not lag as deleted any more, and the other way round.
        lags.remove(name);
        if left > 0 {
            lags.insert(name.to_owned(), Lag { left, gone });
        }
    }
}

impl Veil {
    /// Brings the truth back.
    pub(crate) fn lift(self, registry: &mut Registry) {
        for name in &self.shown {
            registry.repositories.remove(name);
        }
        for repository in self.hidden {
            let name = repository.name.clone();
            registry.repositories.insert(name, repository);
        }
    }
}
