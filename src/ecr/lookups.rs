//! Look-ups of repositories that are known to exist: those that wait for the same turn share one call.
//!
//! Of names that may not exist each is looked up by itself: one that is missing makes the whole call
//! fail (Amazon ECR API Reference, `DescribeRepositories`).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use aws_sdk_ecr::operation::describe_repositories::DescribeRepositoriesOutput;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::{
    aws::{Aws, if_there},
    convert::{described, unreadable},
    error::Error,
    pacing::{Kind, Turn},
};
use crate::{
    domain::{
        failure::{Class, Failure},
        identity::{Identity, Registry, RepositoryName},
        observed::Described,
    },
    telemetry::call_span,
};

/// The most names in one call (Amazon ECR API Reference, `DescribeRepositories`).
const NAMES_A_CALL: usize = 100;

const OPERATION: &str = "DescribeRepositories";

/// What comes of a look-up.
type Found = Result<Option<Described>, Unanswered>;

/// Why a call for many did not answer one of them.
#[derive(Clone, Debug)]
enum Unanswered {
    /// One of the names is missing: each asks by itself.
    AskAlone,
    Failed(Failure),
}

#[derive(Debug)]
struct Waiting {
    name: RepositoryName,
    answer: oneshot::Sender<Found>,
}

/// Who waits for a turn, by registry.
#[derive(Debug, Default)]
pub(super) struct Lookups(Mutex<HashMap<Registry, Vec<Waiting>>>);

impl Lookups {
    fn add(&self, at: &Identity) -> oneshot::Receiver<Found> {
        let (answer, answered) = oneshot::channel();
        let name = at.name.clone();
        self.with(|all| {
            let waiting = all.entry(at.registry.clone()).or_default();
            waiting.push(Waiting { name, answer });
        });
        answered
    }

    /// Those who go with the next call; whoever has given up does not.
    fn take(&self, registry: &Registry) -> Vec<Waiting> {
        self.with(|all| {
            let Some(waiting) = all.get_mut(registry) else {
                return Vec::new();
            };
            waiting.retain(|it| !it.answer.is_closed());
            let first = waiting.len().min(NAMES_A_CALL);
            waiting.drain(..first).collect()
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut HashMap<Registry, Vec<Waiting>>) -> T) -> T {
        // A map is whole after any panic.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Aws {
    /// `DescribeRepositories` of a name that is known to exist. Whoever has a turn first asks for all who
    /// wait.
    pub(super) async fn look_up(&self, at: &Identity) -> Result<Option<Described>, Failure> {
        loop {
            // Whoever asked for all may give up in the middle.
            match self.answered(at).await {
                Some(Ok(described)) => return Ok(described),
                Some(Err(Unanswered::AskAlone)) => return self.look_up_alone(at).await,
                Some(Err(Unanswered::Failed(failure))) => return Err(failure),
                None => {}
            }
        }
    }

    async fn answered(&self, at: &Identity) -> Option<Found> {
        let mut answered = self.lookups.add(at);
        loop {
            tokio::select! {
                biased;
                found = &mut answered => return found.ok(),
                turn = self.pacing.turn(&at.registry, Kind::Read, OPERATION, &self.errand) => {
                    let batch = self.lookups.take(&at.registry);
                    if batch.is_empty() {
                        // A call that somebody else has made is under way.
                        return answered.await.ok();
                    }
                    self.look_up_all(&at.registry, turn, batch).await;
                }
            }
        }
    }

    /// `DescribeRepositories` of one name.
    pub(super) async fn look_up_alone(&self, at: &Identity) -> Result<Option<Described>, Failure> {
        let call = self
            .ecr
            .describe_repositories()
            .registry_id(at.registry.id.as_str())
            .repository_names(at.name.as_str())
            .send();
        let answer = self.call(&at.registry, OPERATION, call).await;
        let Some(answer) = if_there(answer)? else {
            return Ok(None);
        };
        let repository = answer
            .repositories()
            .first()
            .ok_or_else(|| unreadable("no repository"))?;
        described(repository).map(Some)
    }

    async fn look_up_all(&self, registry: &Registry, turn: Turn, batch: Vec<Waiting>) {
        let mut names: Vec<_> = batch.iter().map(|it| it.name.to_string()).collect();
        names.sort_unstable();
        names.dedup();
        let call = self
            .ecr
            .describe_repositories()
            .registry_id(registry.id.as_str())
            .set_repository_names(Some(names))
            .send();
        let span = call_span(OPERATION, registry);
        let call = Box::pin(self.send(OPERATION, turn.waited, call));
        let answer = call.instrument(span).await;
        self.note_rate(OPERATION, turn, &answer);
        let is_alone = batch.len() == 1;
        for Waiting { name, answer: to } in batch {
            let found = match &answer {
                Err(error) if error.failure.class == Class::Gone && is_alone => Ok(None),
                answer => of_one(answer, &name),
            };
            // Whoever has given up meanwhile needs no answer.
            let _ = to.send(found);
        }
    }
}

/// What the answer for many says of one.
fn of_one(answer: &Result<DescribeRepositoriesOutput, Error>, name: &RepositoryName) -> Found {
    match answer {
        Ok(answer) => {
            let mut repositories = answer.repositories().iter();
            let found = repositories.find(|it| it.repository_name() == Some(name.as_str()));
            let found = found.ok_or(Unanswered::AskAlone)?;
            described(found).map(Some).map_err(Unanswered::Failed)
        }
        Err(error) if error.failure.class == Class::Gone => Err(Unanswered::AskAlone),
        Err(error) => Err(Unanswered::Failed(error.failure.clone())),
    }
}
