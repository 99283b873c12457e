//! What a class does not permit, as its users meet it: one round, and no cure that leads into the next refusal.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::world::{
    ACCOUNT, REGION, assert_says,
    estate::{Estate, condition, message},
};

/// The manifests of a page, those in lists included.
fn manifests(page: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split("```yaml\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap().replace("\n   ", "\n"));
    let read = blocks.map(|block| serde_yaml::from_str(block.trim_start()).unwrap());
    read.collect()
}

/// The policy that terraform-aws-modules/ecr writes for every private repository, with a reader in another account
/// and Lambda. Its ecr:GetAuthorizationToken is left out: public sources disagree whether ECR takes it.
fn of_terraform() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "PrivateReadOnly", "Effect": "Allow",
                "Principal": {"AWS": ["arn:aws:iam::111122223333:root", "arn:aws:iam::123456789012:root"]},
                "Action": [
                    "ecr:ListTagsForResource", "ecr:ListImages", "ecr:GetRepositoryPolicy", "ecr:GetLifecyclePolicyPreview",
                    "ecr:GetLifecyclePolicy", "ecr:GetDownloadUrlForLayer", "ecr:DescribeRepositories", "ecr:DescribeImages",
                    "ecr:DescribeImageScanFindings", "ecr:BatchGetImage", "ecr:BatchCheckLayerAvailability",
                ],
            },
            {
                "Sid": "PrivateLambdaReadOnly", "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": ["ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"],
            },
        ],
    })
}

/// A repository that Terraform made, with this policy.
fn made_by_terraform(estate: &Estate, name: &str, policy: Option<&Value>) {
    let call = |operation, input| {
        let done = estate.emulator.call(ACCOUNT, REGION, operation, input);
        assert!(done.is_ok(), "{done:?}");
    };
    call(
        "CreateRepository",
        json!({"repositoryName": name, "imageTagMutability": "IMMUTABLE",
        "imageScanningConfiguration": {"scanOnPush": true}}),
    );
    if let Some(policy) = policy {
        let input = json!({"repositoryName": name, "policyText": policy.to_string()});
        call("SetRepositoryPolicy", input);
    }
}

fn plan(object: &crate::world::estate::Object) -> Vec<String> {
    let pending = object.data["status"]["pending"].as_array();
    let actions = pending.into_iter().flatten();
    actions
        .map(|it| it["action"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_walk_by_the_page_of_migration_takes_over_what_terraform_wrote() {
    let mut estate = Estate::new("migration").await;
    estate.adopted = vec!["payments-api-prod".to_owned()];
    estate
        .namespace("payments", json!({"migration": "true"}))
        .await;
    let shown = manifests("docs/migration.md");
    let [class, object, ..] = shown.as_slice() else {
        panic!("the page shows a class and an object");
    };
    estate.class("migration", class["spec"].clone()).await;
    let mut spec = object["spec"].clone();
    made_by_terraform(
        &estate,
        spec["repositoryName"].as_str().unwrap(),
        Some(&of_terraform()),
    );
    let mark = estate.calls().len();
    spec["repositoryPolicy"] = of_terraform();
    estate.apply("payments", "api", spec.clone()).await;
    let repositories = estate.repositories("payments");
    let observed = ["Ready", "True", "Observed"];
    let looked = estate.says(&repositories, "api", observed).await;
    assert_eq!(plan(&looked), ["TagResource"]);
    spec.as_object_mut().unwrap().remove("managementPolicy");
    estate.apply("payments", "api", spec).await;
    estate.ready("payments", "api").await;
    let writes = estate.writes_since(mark);
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert_says(&writes.concat(), "TagResource");
    estate.finish().await;
}

#[tokio::test]
async fn a_real_policy_takes_one_round() {
    let estate = Estate::quiet("one-round").await;
    estate.namespace("payments", json!({})).await;
    estate
        .default_class("default", json!({"allowedNamespaces": {}}))
        .await;
    let asked = json!({"repositoryPolicy": of_terraform(), "adoption": {"policy": "IfUnowned"}});
    estate.apply("payments", "api", asked).await;
    let object = estate.stalled("payments", "api", "NotPermitted").await;
    let said = message(&object, "Ready");
    let (_, would) = said
        .split_once("or the class would have to allow: ")
        .unwrap();
    let mut class = json!({"allowedNamespaces": {}, "adoption": "IfUnowned"});
    let words = |field: &str| -> Vec<String> {
        let line = would
            .split("; ")
            .find_map(|it| it.strip_prefix(field))
            .unwrap();
        let (words, _) = line.split_once(" (beside ").unwrap_or((line, ""));
        words.split(", ").map(|it| it.trim().to_owned()).collect()
    };
    let mut actions = words("allowedActions");
    actions.extend(
        [
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
        ]
        .map(String::from),
    );
    let mut principals = words("allowedPrincipals");
    assert_eq!(principals, ["111122223333"]);
    principals.push(ACCOUNT.to_owned());
    assert_says(would, &format!("(beside account {ACCOUNT})"));
    class["allowedActions"] = json!(actions);
    class["allowedPrincipals"] = json!(principals);
    let services = words("allowedServices").into_iter();
    let services: Vec<_> = services
        .map(|it| json!({"service": it, "anySource": true}))
        .collect();
    class["allowedServices"] = json!(services);
    estate.default_class("default", class).await;
    estate.ready("payments", "api").await;
    estate.finish().await;
}

#[tokio::test]
async fn what_exists_already_says_from_the_first_whether_it_may_be_adopted() {
    let mut estate = Estate::quiet("dead-end").await;
    estate.adopted = vec!["payments/api".to_owned()];
    estate.namespace("payments", json!({})).await;
    let mut class = json!({"allowedNamespaces": {}});
    estate.default_class("default", class.clone()).await;
    made_by_terraform(&estate, "payments/api", None);
    estate.apply("payments", "api", json!({})).await;
    let object = estate.stalled("payments", "api", "AlreadyExists").await;
    assert_says(
        &message(&object, "Ready"),
        "and class default does not allow adoption — have an administrator of the cluster set adoption: IfUnowned \
         on class default, then set spec.adoption.policy to IfUnowned",
    );
    let adopting = json!({"adoption": {"policy": "IfUnowned"}});
    estate.apply("payments", "api", adopting.clone()).await;
    let object = estate.stalled("payments", "api", "NotPermitted").await;
    assert_says(
        &message(&object, "Ready"),
        "Class default does not allow adoption (adoption) — remove spec.adoption",
    );
    estate.apply("payments", "api", json!({})).await;
    estate.stalled("payments", "api", "AlreadyExists").await;
    class["adoption"] = json!("IfUnowned");
    estate.default_class("default", class).await;
    let repositories = estate.repositories("payments");
    estate
        .wait(&repositories, "api", "the way that is open now", |it| {
            message(it, "Ready").contains("to manage it, which class default allows")
        })
        .await;
    estate.apply("payments", "api", adopting).await;
    estate.ready("payments", "api").await;
    estate.finish().await;
}

/// Of the classes those alone are named that are for the object's namespace.
#[tokio::test]
async fn a_misspelt_class_is_told_from_others() {
    let estate = Estate::quiet("misspelt").await;
    estate
        .namespace("shop", json!({"environment": "prod"}))
        .await;
    estate
        .namespace("sandbox", json!({"enviroment": "prod"}))
        .await;
    let class = json!({"allowedNamespaces": {"matchLabels": {"environment": "prod"}}});
    estate.class("production", class).await;
    for (namespace, said) in [
        (
            "shop",
            "There is no class \"prodution\"; did you mean production? — set",
        ),
        ("sandbox", "There is no class \"prodution\" — set"),
    ] {
        estate
            .apply(namespace, "api", json!({"className": "prodution"}))
            .await;
        let object = estate.stalled(namespace, "api", "ClassNotFound").await;
        assert_says(&message(&object, "Ready"), said);
        estate
            .apply(namespace, "api", json!({"className": "production"}))
            .await;
    }
    estate.ready("shop", "api").await;
    let object = estate.stalled("sandbox", "api", "NotPermitted").await;
    assert_says(
        &message(&object, "Ready"),
        "Class production needs the label environment=prod (it has enviroment: did you mean environment?) on \
         namespace sandbox (allowedNamespaces) — have the namespace labelled so",
    );
    assert_eq!(condition(&object, "Accepted").unwrap().0, "False");
    estate
        .namespace("sandbox", json!({"environment": "prod"}))
        .await;
    estate.ready("sandbox", "api").await;
    estate.finish().await;
}
