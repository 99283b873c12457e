//! One contract, driven through the AWS SDK, for the emulator, for a stranger's emulator (moto) and,
//! if `ECR_CONTRACT_REGION` names a region and the environment has credentials, for ECR itself.

mod differences;
mod moto;
mod steps;

use std::collections::BTreeMap;
use std::fmt::Debug;

use aws_sdk_ecr::Client;
use aws_sdk_ecr::config::retry::RetryConfig;
use aws_sdk_ecr::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};

use crate::support::{REGION, client_of, start};
use differences::DIFFERENCES;

/// What one that speaks ECR's API answered, by step: each in a few words, without what cannot be the
/// same twice.
type Answers = BTreeMap<&'static str, String>;

/// The account that moto has, and the emulator for keys that name none.
const KEY: &str = "AKIACONTRACT";

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

/// A client without retries: moto answers 500 to what it does not have.
fn client_at(url: Option<&str>, region: String, credentials: Credentials) -> Client {
    let mut config = aws_sdk_ecr::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled());
    config.set_endpoint_url(url.map(str::to_owned));
    Client::from_conf(config.build())
}

/// Where two disagree, by step.
fn disagreements<'a>(
    ours: &'a Answers,
    theirs: &'a Answers,
) -> BTreeMap<&'static str, (&'a str, &'a str)> {
    ours.iter()
        .map(|(step, own)| (*step, (own.as_str(), theirs[step].as_str())))
        .filter(|(_, (own, other))| own != other)
        .collect()
}

#[tokio::test]
async fn moto_differs_only_where_aws_says_that_it_is_wrong() {
    let emulator = start().await;
    let ours = steps::take(&client_of(&emulator, KEY, REGION), "contract").await;
    let moto = moto::Moto::start();
    let credentials = Credentials::new(KEY, "secret", None, None, "test");
    let theirs = client_at(Some(&moto.url), REGION.to_owned(), credentials);
    let theirs = steps::take(&theirs, "contract").await;
    let found = disagreements(&ours, &theirs);
    let known: BTreeMap<_, _> = DIFFERENCES
        .iter()
        .map(|line| (line.step, (line.ecr, line.moto)))
        .collect();
    assert_eq!(known.len(), DIFFERENCES.len(), "a step has one line");
    // Both ways: a difference without a line, and a line without a difference.
    assert_eq!(found, known);
    assert!(
        DIFFERENCES
            .iter()
            .all(|line| line.source.starts_with("https://"))
    );
}

/// What ECR itself says, when somebody lends it; it is left as it was found.
#[tokio::test]
async fn ecr_itself_agrees_with_the_emulator() {
    let lent = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (Some(region), Some(key), Some(secret)) = (
        lent("ECR_CONTRACT_REGION"),
        lent("AWS_ACCESS_KEY_ID"),
        lent("AWS_SECRET_ACCESS_KEY"),
    ) else {
        return;
    };
    let emulator = start().await;
    let prefix = format!("contract-{}", std::process::id());
    let ours = steps::take(&client_of(&emulator, KEY, REGION), &prefix).await;
    let credentials = Credentials::new(key, secret, lent("AWS_SESSION_TOKEN"), None, "lent");
    let theirs = steps::take(&client_at(None, region, credentials), &prefix).await;
    assert_eq!(disagreements(&ours, &theirs), BTreeMap::new());
}
