//! One contract, driven through the AWS SDK, for the emulator, for a stranger's emulator (moto) and,
//! if `ECR_CONTRACT_REGION` names a region and the environment has credentials, for ECR itself.

mod beyond;
mod differences;
mod images;
mod layers;
mod lifecycle;
mod moto;
mod policies;
mod pushes;
mod registry;
mod repositories;
mod scans;
mod tags;
mod taker;

use std::collections::BTreeMap;

use aws_sdk_ecr::Client;
use aws_sdk_ecr::config::retry::RetryConfig;
use aws_sdk_ecr::config::{BehaviorVersion, Credentials, Region};

use ecr_emulator::Fault;
use serde_json::json;

use crate::support::{REGION, client_of, start};
use taker::{Answers, take};

/// The account that moto has, and the emulator for keys that name none.
const KEY: &str = "AKIACONTRACT";

/// A client for moto or, without a URL, for ECR.
fn client_at(
    url: Option<&str>,
    region: String,
    credentials: Credentials,
    retries: RetryConfig,
) -> Client {
    let mut config = aws_sdk_ecr::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(credentials)
        .retry_config(retries);
    config.set_endpoint_url(url.map(str::to_owned));
    Client::from_conf(config.build())
}

/// What ECR or the emulator answers and what another does, by step.
type Pairs<'a> = BTreeMap<&'a str, (&'a str, &'a str)>;

/// Where two disagree. Steps that the other one was spared are none.
fn disagreements<'a>(ours: &'a Answers, theirs: &'a Answers) -> Pairs<'a> {
    theirs
        .iter()
        .map(|(step, other)| (*step, (ours[step].as_str(), other.as_str())))
        .filter(|(_, (own, other))| own != other)
        .collect()
}

/// The pairs that others do not have too, as they would stand in the table.
fn not_in(others: &Pairs<'_>, pairs: &Pairs<'_>) -> Vec<String> {
    let rest = pairs
        .iter()
        .filter(|(step, pair)| others.get(*step) != Some(pair));
    rest.map(|(step, (ecr, other))| format!("| {step} | {ecr} | {other} |"))
        .collect()
}

async fn ours(prefix: &str) -> Answers {
    let emulator = start().await;
    take(client_of(&emulator, KEY, REGION), prefix).await
}

#[tokio::test]
async fn moto_differs_only_where_aws_says_that_it_is_wrong() {
    let ours = ours("contract").await;
    let moto = moto::Moto::start();
    let credentials = Credentials::new(KEY, "secret", None, None, "test");
    // Without retries: moto answers 500 to what it does not have.
    let retries = RetryConfig::disabled();
    let theirs = client_at(Some(&moto.url), REGION.to_owned(), credentials, retries);
    let theirs = take(theirs, "contract").await;
    assert!(ours.keys().eq(theirs.keys()), "both take all steps");
    let (found, known) = (disagreements(&ours, &theirs), differences::known());
    assert_eq!(
        not_in(&known, &found),
        [""; 0],
        "differences without a line"
    );
    assert_eq!(
        not_in(&found, &known),
        [""; 0],
        "lines without a difference"
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
    let prefix = format!("contract-{}", std::process::id());
    let ours = ours(&prefix).await;
    let credentials = Credentials::new(key, secret, lent("AWS_SESSION_TOKEN"), None, "lent");
    // With retries: ECR throttles.
    let retries = RetryConfig::standard().with_max_attempts(8);
    let theirs = client_at(None, region, credentials, retries);
    let theirs = take(theirs, &prefix).await;
    assert_eq!(disagreements(&ours, &theirs), BTreeMap::new());
}

/// The account of [`KEY`].
const ACCOUNT: &str = "123456789012";

#[tokio::test]
async fn nothing_is_left_behind_even_if_a_step_fails() {
    let emulator = start().await;
    let client = client_of(&emulator, KEY, REGION);
    take(client.clone(), "contract").await;
    assert_eq!(emulator.repositories(ACCOUNT, REGION), [""; 0]);
    // Images cannot be pushed then, and the contract cannot go on.
    emulator.inject(Fault::on("InitiateLayerUpload").forever().deny());
    let failed = tokio::spawn(take(client, "contract")).await;
    assert!(failed.unwrap_err().is_panic());
    assert_eq!(emulator.repositories(ACCOUNT, REGION), [""; 0]);
}

#[tokio::test]
async fn what_somebody_has_set_in_the_registry_stays() {
    let rule = json!({ "scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": [] });
    let destination = json!({ "region": "us-east-1", "registryId": ACCOUNT });
    let replication = json!({ "rules": [{ "destinations": [destination] }] });
    let statement = json!({
        "Effect": "Allow", "Principal": "*", "Action": "ecr:ReplicateImage", "Resource": "*",
    });
    let policy = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
    for (put, input, get) in [
        (
            "PutRegistryScanningConfiguration",
            json!({ "scanType": "BASIC", "rules": [rule] }),
            "GetRegistryScanningConfiguration",
        ),
        (
            "PutRegistryScanningConfiguration",
            json!({ "scanType": "ENHANCED", "rules": [] }),
            "GetRegistryScanningConfiguration",
        ),
        (
            "PutReplicationConfiguration",
            json!({ "replicationConfiguration": replication }),
            "DescribeRegistry",
        ),
        (
            "PutRegistryPolicy",
            json!({ "policyText": policy }),
            "GetRegistryPolicy",
        ),
    ] {
        let emulator = start().await;
        let call = |operation, input| emulator.call(ACCOUNT, REGION, operation, input).unwrap();
        call(put, input);
        let before = call(get, json!({}));
        let answers = take(client_of(&emulator, KEY, REGION), "contract").await;
        assert!(answers.contains_key("create") && !answers.contains_key("put a registry policy"));
        assert_eq!(call(get, json!({})), before, "{put}");
    }
}
