//! Keys that KMS refuses to use.

use ecr_emulator::Emulator;
use serde_json::{Value, json};

use crate::lifecycle_world::Images;
use crate::support::{ACCOUNT, REGION, apply, create, post, refusal, start};

const OTHER: &str = "eu-west-1";

fn key(region: &str) -> String {
    format!("arn:aws:kms:{region}:{ACCOUNT}:key/01234567-89ab-cdef-0123-456789abcdef")
}

fn sealed(region: &str) -> Value {
    json!({ "encryptionType": "KMS", "kmsKey": key(region) })
}

fn disable(emulator: &Emulator, region: &str) {
    let fault = (key(region), "DisabledException".to_owned());
    emulator.configure(|settings| settings.kms_faults = [fault].into());
}

#[tokio::test]
async fn the_refusal_of_kms_is_passed_on() {
    let emulator = start().await;
    disable(&emulator, REGION);
    let mut input = json!({ "repositoryName": "api", "encryptionConfiguration": sealed(REGION) });
    let (status, refused) = post(&emulator, "CreateRepository", input.clone()).await;
    let wanted = json!({
        "__type": "KmsException", "message": "The operation failed due to a KMS exception.",
        "kmsError": "DisabledException",
    });
    assert_eq!((status, refused), (400, wanted));
    assert!(emulator.repositories(ACCOUNT, REGION).is_empty());
    // Another key is another matter.
    input["encryptionConfiguration"]["kmsKey"] = json!("alias/other");
    apply(&emulator, "CreateRepository", input);
}

#[tokio::test]
async fn an_image_that_cannot_be_decrypted_is_not_pulled() {
    let emulator = start().await;
    let input = json!({ "repositoryName": "api", "encryptionConfiguration": sealed(REGION) });
    apply(&emulator, "CreateRepository", input);
    let images = Images(&emulator);
    images.layer();
    let one = images.push("one", &["v1"]);
    let pull = || {
        let ids = json!([{ "imageTag": "v1" }, { "imageTag": "none" }]);
        apply(
            &emulator,
            "BatchGetImage",
            json!({ "repositoryName": "api", "imageIds": ids }),
        )
    };
    disable(&emulator, REGION);
    let codes = |answer: &Value| -> Vec<String> {
        let failures = answer["failures"].as_array().unwrap().iter();
        failures
            .map(|failure| failure["failureCode"].as_str().unwrap().to_owned())
            .collect()
    };
    let answer = pull();
    assert_eq!(answer["images"], json!([]));
    assert_eq!(codes(&answer), ["KmsError", "ImageNotFound"]);
    let kept = &emulator.repository(ACCOUNT, REGION, "api").unwrap().images[&one];
    assert_eq!(kept.pulled_at, None);
    emulator.configure(|settings| settings.kms_faults.clear());
    assert_eq!(codes(&pull()), ["ImageNotFound"]);
}

#[tokio::test]
async fn a_push_that_creates_under_such_a_key_leaves_nothing() {
    let emulator = start().await;
    let template = json!({
        "prefix": "ROOT", "appliedFor": ["CREATE_ON_PUSH"],
        "encryptionConfiguration": sealed(REGION),
        "customRoleArn": format!("arn:aws:iam::{ACCOUNT}:role/templates"),
    });
    apply(&emulator, "CreateRepositoryCreationTemplate", template);
    disable(&emulator, REGION);
    let name = json!({ "repositoryName": "api" });
    assert_eq!(
        refusal(&emulator, "InitiateLayerUpload", name),
        "KmsException"
    );
    assert!(emulator.repositories(ACCOUNT, REGION).is_empty());
}

#[tokio::test]
async fn a_replica_under_such_a_key_fails() {
    let emulator = start().await;
    create(&emulator, "api");
    let there = json!({ "repositoryName": "api", "encryptionConfiguration": sealed(OTHER) });
    let made = emulator.call(ACCOUNT, OTHER, "CreateRepository", there);
    made.unwrap();
    let rules = json!([{ "destinations": [{ "region": OTHER, "registryId": ACCOUNT }] }]);
    let input = json!({ "replicationConfiguration": { "rules": rules } });
    apply(&emulator, "PutReplicationConfiguration", input);
    disable(&emulator, OTHER);
    let images = Images(&emulator);
    images.layer();
    images.push("one", &["v1"]);
    let image = json!({ "repositoryName": "api", "imageId": { "imageTag": "v1" } });
    let status = apply(&emulator, "DescribeImageReplicationStatus", image);
    assert_eq!(
        status["replicationStatuses"][0]["failureCode"],
        "KmsException"
    );
    let replica = emulator.repository(ACCOUNT, OTHER, "api").unwrap();
    assert!(replica.images.is_empty() && replica.layers.is_empty());
}
