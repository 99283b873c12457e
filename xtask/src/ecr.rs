//! ECR as a user's own tools see it: AWS's SDK against an endpoint.

use aws_credential_types::Credentials;
use aws_sdk_ecr::Client;
use aws_sdk_ecr::config::{BehaviorVersion, Config, Region};

/// The region of the local stack.
pub const REGION: &str = "ap-southeast-1";

/// The access key of the local stack; the emulator takes it for account 123456789012.
pub const ACCESS_KEY: &str = "test";

/// A client of the ECR at `endpoint`.
#[must_use]
pub fn client(endpoint: &str) -> Client {
    let credentials = Credentials::new(ACCESS_KEY, ACCESS_KEY, None, None, "local stack");
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(credentials)
        .build();
    Client::from_conf(config)
}
