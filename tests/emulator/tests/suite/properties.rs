//! Laws that hold for any input.

use std::collections::BTreeMap;

use ecr_emulator::Emulator;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::{ACCOUNT, REGION, arn};

/// An emulator with one repository; the properties work behind its back, which is fast.
fn with_emulator(
    test: impl FnOnce(&Emulator) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let runtime = Runtime::new().unwrap();
    let emulator = runtime
        .block_on(Emulator::start(([127, 0, 0, 1], 0).into()))
        .unwrap();
    let create = json!({ "repositoryName": "api" });
    emulator
        .call(ACCOUNT, REGION, "CreateRepository", create)
        .unwrap();
    test(&emulator)
}

fn tagged_rule() -> impl Strategy<Value = Value> {
    (
        prop::collection::vec("[a-z]{1,5}\\*?", 1..4),
        1_u32..1000,
        any::<bool>(),
    )
        .prop_map(|(patterns, number, days)| {
            let mut selection = json!({
                "tagStatus": "tagged", "tagPatternList": patterns, "countNumber": number,
                "countType": if days { "sinceImagePushed" } else { "imageCountMoreThan" },
            });
            if days {
                selection["countUnit"] = json!("days");
            }
            json!({ "selection": selection, "action": { "type": "expire" } })
        })
}

/// A policy that the grammar allows, its rules in any order.
fn lifecycle() -> impl Strategy<Value = Value> {
    let rules = prop::collection::btree_map(1_u32..10_000, tagged_rule(), 1..20);
    rules
        .prop_map(|rules| {
            rules
                .into_iter()
                .map(|(priority, mut rule)| {
                    rule["rulePriority"] = json!(priority);
                    rule
                })
                .collect::<Vec<Value>>()
        })
        .prop_shuffle()
        .prop_map(|rules| json!({ "rules": rules }))
}

fn policy() -> impl Strategy<Value = Value> {
    let account = "[0-9]{12}";
    let statement = (prop::collection::vec(account, 1..4), prop::collection::vec("ecr:[A-Z][a-z]{1,9}\\*", 1..4))
        .prop_map(|(accounts, actions)| {
            json!({ "Effect": "Allow", "Principal": { "AWS": accounts }, "Action": actions })
        });
    prop::collection::vec(statement, 1..5)
        .prop_map(|statements| json!({ "Version": "2012-10-17", "Statement": statements }))
}

/// Stores a text twice: what comes back must be stored as it is.
fn fixed_point(emulator: &Emulator, operation: &str, member: &str, text: &str) -> String {
    let store = |text: &str| {
        let input = json!({ "repositoryName": "api", member: text });
        let answer = emulator.call(ACCOUNT, REGION, operation, input).unwrap();
        answer[member].as_str().unwrap().to_owned()
    };
    let once = store(text);
    assert_eq!(store(&once), once);
    once
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_stored_lifecycle_policy_is_sorted_and_means_the_same(document in lifecycle()) {
        with_emulator(|emulator| {
            let text = document.to_string();
            let stored = fixed_point(emulator, "PutLifecyclePolicy", "lifecyclePolicyText", &text);
            let stored: Value = serde_json::from_str(&stored).unwrap();
            let priorities = |document: &Value| -> Vec<u64> {
                let rules = document["rules"].as_array().unwrap();
                rules.iter().map(|rule| rule["rulePriority"].as_u64().unwrap()).collect()
            };
            prop_assert!(priorities(&stored).is_sorted());
            let mut rules = document["rules"].as_array().unwrap().clone();
            rules.sort_by_key(|rule| rule["rulePriority"].as_u64());
            prop_assert_eq!(&stored["rules"], &json!(rules));
            Ok(())
        })?;
    }

    #[test]
    fn a_stored_policy_is_a_fixed_point(document in policy()) {
        with_emulator(|emulator| {
            let text = document.to_string();
            let stored = fixed_point(emulator, "SetRepositoryPolicy", "policyText", &text);
            let stored: Value = serde_json::from_str(&stored).unwrap();
            let before = document["Statement"].as_array().unwrap().len();
            prop_assert_eq!(stored["Statement"].as_array().unwrap().len(), before);
            Ok(())
        })?;
    }

    #[test]
    fn pages_of_any_size_are_the_whole(names in prop::collection::btree_set("[a-z]{2,8}", 1..40), size in 1_u32..12) {
        with_emulator(|emulator| {
            let call = |operation: &str, input: Value| {
                emulator.call(ACCOUNT, REGION, operation, input)
            };
            for name in &names {
                // "api" may be among them.
                let _ = call("CreateRepository", json!({ "repositoryName": name }));
            }
            let mut found = Vec::new();
            let mut token = Value::Null;
            loop {
                let input = json!({ "maxResults": size, "nextToken": token });
                let page = call("DescribeRepositories", input).unwrap();
                let repositories = page["repositories"].as_array().unwrap();
                prop_assert!(repositories.len() <= size as usize);
                found.extend(repositories.iter().map(|repository| repository["repositoryName"].as_str().unwrap().to_owned()));
                token = page["nextToken"].clone();
                if token.is_null() {
                    break;
                }
            }
            prop_assert_eq!(found, emulator.repositories(ACCOUNT, REGION));
            Ok(())
        })?;
    }

    #[test]
    fn tags_behave_as_a_map(steps in prop::collection::vec(("[a-c]", prop::option::of("[x-z]")), 0..30)) {
        with_emulator(|emulator| {
            let mut model = BTreeMap::new();
            for (key, value) in steps {
                if let Some(value) = value {
                    let tags = json!([{ "Key": key, "Value": value }]);
                    let input = json!({ "resourceArn": arn("api"), "tags": tags });
                    emulator.call(ACCOUNT, REGION, "TagResource", input).unwrap();
                    model.insert(key, value);
                } else {
                    let input = json!({ "resourceArn": arn("api"), "tagKeys": [key] });
                    emulator.call(ACCOUNT, REGION, "UntagResource", input).unwrap();
                    model.remove(&key);
                }
            }
            prop_assert_eq!(emulator.repository(ACCOUNT, REGION, "api").unwrap().tags, model);
            Ok(())
        })?;
    }

    #[test]
    fn no_text_brings_it_down(operation in "(Put|Set|Get)[A-Za-z]{0,20}", name in ".{0,20}", text in ".{0,200}") {
        with_emulator(|emulator| {
            for operation in [operation.as_str(), "PutLifecyclePolicy", "SetRepositoryPolicy", "PutImage", "TagResource"] {
                let input = json!({
                    "repositoryName": name, "resourceArn": text, "lifecyclePolicyText": text,
                    "policyText": text, "imageManifest": text, "tags": [{ "Key": text, "Value": name }],
                });
                let _ = emulator.call(ACCOUNT, REGION, operation, input);
            }
            prop_assert_eq!(emulator.repositories(ACCOUNT, REGION), ["api"]);
            Ok(())
        })?;
    }
}
