//! Each service throttles by the code that its own model declares; one whose model has none by AWS's common one.

use aws_sdk_resourcegroupstagging::Client as Tagging;
use aws_sdk_sts::Client as Sts;
use ecr_emulator::Fault;

use super::Model;
use crate::support::{ACCOUNT, REGION, client, key, refused, sdk, start};

/// The errors of an operation that speak of throttling.
fn declared(service: &str, operation: &str) -> Vec<String> {
    let model = Model::of(service);
    let errors = model.errors(operation).into_iter();
    let errors = errors.filter(|error| error.contains("Throttl"));
    errors.map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn each_service_throttles_in_its_own_words() {
    let emulator = start().await;
    emulator.inject(Fault::any().forever().throttle());
    let config = sdk(&emulator, key(ACCOUNT), REGION);
    let tagging = Tagging::new(&config).get_resources().send().await;
    assert_eq!(
        declared("resourcegroupstaggingapi", "GetResources"),
        [refused(tagging).0]
    );
    // None is declared: AWS's common errors, in JSON and in the query protocol.
    assert!(declared("ecr", "DescribeRepositories").is_empty());
    let ecr = client(&emulator).describe_repositories().send().await;
    assert_eq!(refused(ecr).0, "ThrottlingException");
    assert!(declared("sts", "GetCallerIdentity").is_empty());
    let sts = Sts::new(&config).get_caller_identity().send().await;
    assert_eq!(refused(sts).0, "Throttling");
}
