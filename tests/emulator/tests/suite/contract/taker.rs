//! What takes the steps and keeps the answers; it leaves a registry as it found it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use aws_sdk_ecr::Client;
use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecr::types::{ReplicationConfiguration, ScanType};

/// What one that speaks ECR's API answered, by step: each in a few words, without what cannot be the
/// same twice.
pub(super) type Answers = BTreeMap<&'static str, String>;

/// A digest that nothing has.
pub(super) const NO_DIGEST: &str =
    "sha256:0000000000000000000000000000000000000000000000000000000000000000";
/// An account that lends nothing to anybody.
pub(super) const FOREIGN: &str = "999999999999";

/// One that speaks ECR's API, and what it has answered so far.
pub(super) struct Taker {
    pub(super) ecr: Client,
    /// The namespace of the repositories.
    pub(super) prefix: String,
    /// The repository that most steps are about.
    pub(super) name: String,
    answers: Answers,
}

/// Takes all steps, and puts everything back, also if one of them fails.
pub(super) async fn take(ecr: Client, prefix: &str) -> Answers {
    let untouched = is_untouched(&ecr).await;
    let taker = Taker {
        ecr: ecr.clone(),
        prefix: prefix.to_owned(),
        name: format!("{prefix}/api"),
        answers: Answers::new(),
    };
    let outcome = tokio::spawn(taker.steps(untouched)).await;
    remove_repositories(&ecr, prefix).await;
    if untouched {
        restore(&ecr).await;
    }
    outcome.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))
}

/// Whether all settings of the registry that steps replace are at AWS's defaults: nobody loses his.
async fn is_untouched(ecr: &Client) -> bool {
    let policy = ecr.get_registry_policy().send().await;
    let policy = policy.err().map(|error| code(&error));
    let described = ecr.describe_registry().send().await.unwrap();
    let replication = described.replication_configuration();
    let scanning = ecr
        .get_registry_scanning_configuration()
        .send()
        .await
        .unwrap();
    let scanning = scanning.scanning_configuration().unwrap();
    policy.as_deref() == Some("RegistryPolicyNotFoundException")
        && replication.is_none_or(|replication| replication.rules().is_empty())
        && scanning.scan_type() == Some(&ScanType::Basic)
        && scanning.rules().is_empty()
}

/// AWS's defaults again.
async fn restore(ecr: &Client) {
    let none = ReplicationConfiguration::builder().set_rules(Some(Vec::new()));
    let put = ecr.put_replication_configuration();
    let put = put.replication_configuration(none.build().unwrap());
    put.send().await.unwrap();
    let put = ecr.put_registry_scanning_configuration();
    put.scan_type(ScanType::Basic)
        .set_rules(Some(Vec::new()))
        .send()
        .await
        .unwrap();
    let _ = ecr.delete_registry_policy().send().await;
    assert!(
        is_untouched(ecr).await,
        "the registry's settings are not restored"
    );
}

/// Also those that were made against the contract.
async fn remove_repositories(ecr: &Client, prefix: &str) {
    let mut pages = ecr.describe_repositories().into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        found.extend(page.unwrap().repositories.unwrap_or_default());
    }
    let own = format!("{prefix}/");
    for repository in found {
        let name = repository.repository_name.unwrap();
        // One letter is no name that ECR takes, so nobody has it there.
        if name.starts_with(&own) || name == "a" {
            let delete = ecr.delete_repository().repository_name(name).force(true);
            let delete = delete.set_registry_id(repository.registry_id);
            delete.send().await.unwrap();
        }
    }
}

/// A refusal as its code; the statuses of those that have none.
fn code<E: ProvideErrorMetadata + Debug>(error: &SdkError<E>) -> String {
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    match (error.code(), status) {
        (Some(code), _) => code.to_owned(),
        (None, Some(status)) => format!("HTTP {status}"),
        (None, None) => format!("{error:?}"),
    }
}

/// How many have been served, and why others have not.
pub(super) fn tally(served: usize, failures: impl Iterator<Item = String>) -> String {
    let failures: BTreeSet<String> = failures.collect();
    let served = std::iter::once(served.to_string());
    served.chain(failures).collect::<Vec<_>>().join(" ")
}

impl Taker {
    async fn steps(mut self, untouched: bool) -> Answers {
        self.repositories().await;
        self.mutability().await;
        self.tags().await;
        self.policies().await;
        self.lifecycle().await;
        self.layers().await;
        let pushed = self.pushes().await;
        self.scans().await;
        self.images(&pushed).await;
        self.registry().await;
        if untouched {
            self.registry_settings().await;
        }
        self.beyond().await;
        self.deletion().await;
        self.answers
    }

    /// Keeps an answer in a few words, or the code of a refusal.
    pub(super) fn note<T, E: ProvideErrorMetadata + Debug>(
        &mut self,
        step: &'static str,
        outcome: Result<T, SdkError<E>>,
        words: impl FnOnce(T) -> String,
    ) {
        let answer = outcome.map_or_else(|error| code(&error), words);
        assert!(self.answers.insert(step, answer).is_none(), "{step} twice");
    }

    /// Keeps only whether it was refused.
    pub(super) fn refusal<T, E: ProvideErrorMetadata + Debug>(
        &mut self,
        step: &'static str,
        outcome: Result<T, SdkError<E>>,
    ) {
        self.note(step, outcome, |_| "done".to_owned());
    }

    /// A name in the namespace of the contract.
    pub(super) fn named(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }
}
