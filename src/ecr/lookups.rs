//! Look-ups of repositories that are known to exist: those that wait for the same turn share one call.
//!
//! Of names that may not exist each is looked up by itself: one that is missing makes the whole call
//! fail (Amazon ECR API Reference, `DescribeRepositories`). So does one that is denied, since IAM judges each resource
//! of a call: what is said of a call for many is said to those who asked for that one alone.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use aws_sdk_ecr::{
    operation::describe_repositories::DescribeRepositoriesOutput, types::Repository,
};
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
    /// One of the names is missing, or refused: each asks by itself.
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
        let repository = by_name(&answer, &at.name).ok_or_else(|| unreadable("no repository"))?;
        described(repository).map(Some)
    }

    async fn look_up_all(&self, registry: &Registry, turn: Turn, batch: Vec<Waiting>) {
        let mut names: Vec<_> = batch.iter().map(|it| it.name.to_string()).collect();
        names.sort_unstable();
        names.dedup();
        let is_alone = names.len() == 1;
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
        for Waiting { name, answer: to } in batch {
            let found = of_one(&answer, &name, is_alone);
            // Whoever has given up meanwhile needs no answer.
            let _ = to.send(found);
        }
    }
}

/// What an answer says of one; `is_alone` where it was asked for nothing else.
fn of_one(
    answer: &Result<DescribeRepositoriesOutput, Error>,
    name: &RepositoryName,
    is_alone: bool,
) -> Found {
    let failure = match answer {
        Ok(answer) => {
            let found = by_name(answer, name).ok_or(Unanswered::AskAlone)?;
            return described(found).map(Some).map_err(Unanswered::Failed);
        }
        Err(error) => &error.failure,
    };
    if is_alone && failure.class == Class::Gone {
        return Ok(None);
    }
    if is_alone || is_of_all(failure.class) {
        return Err(Unanswered::Failed(failure.clone()));
    }
    Err(Unanswered::AskAlone)
}

fn by_name<'a>(
    answer: &'a DescribeRepositoriesOutput,
    name: &RepositoryName,
) -> Option<&'a Repository> {
    let mut repositories = answer.repositories().iter();
    repositories.find(|it| it.repository_name() == Some(name.as_str()))
}

/// Whether a call fails so whatever it asks for. Anything else may be said of a single one of its names, which
/// the others must not be told of.
fn is_of_all(class: Class) -> bool {
    match class {
        Class::Throttled
        | Class::Unavailable
        | Class::Credentials
        | Class::WrongAccount
        | Class::NotLeading => true,
        Class::Denied
        | Class::Invalid
        | Class::PolicyRefused
        | Class::Limit
        | Class::Kms
        | Class::Gone
        | Class::Exists
        | Class::NotEmpty
        | Class::Altered
        | Class::Unsettled => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecr::error::refused;

    fn name(name: &str) -> RepositoryName {
        RepositoryName::parse(name).unwrap()
    }

    fn error(code: &str) -> Result<DescribeRepositoriesOutput, Error> {
        Err(refused(
            "DescribeRepositories",
            400,
            Some(code),
            Some("of one"),
        ))
    }

    #[test]
    fn what_may_be_said_of_one_name_is_told_to_nobody_else() {
        for (code, is_of_all) in [
            ("AccessDeniedException", false),
            ("InvalidParameterException", false),
            ("RepositoryNotFoundException", false),
            ("KmsException", false),
            ("SomethingNew", false),
            ("ThrottlingException", true),
            ("ServerException", true),
            ("ExpiredTokenException", true),
        ] {
            let told = of_one(&error(code), &name("api"), false);
            let asks_alone = matches!(told, Err(Unanswered::AskAlone));
            assert_eq!(asks_alone, !is_of_all, "{code}");
            let told = of_one(&error(code), &name("api"), true);
            assert!(!matches!(told, Err(Unanswered::AskAlone)), "{code}");
        }
        let gone = of_one(&error("RepositoryNotFoundException"), &name("api"), true);
        assert!(matches!(gone, Ok(None)));
    }

    #[test]
    fn an_answer_about_another_repository_tells_nothing() {
        let other = Repository::builder().repository_name("other").build();
        let answer = DescribeRepositoriesOutput::builder().repositories(other);
        let told = of_one(&Ok(answer.build()), &name("api"), true);
        assert!(matches!(told, Err(Unanswered::AskAlone)));
    }
}
