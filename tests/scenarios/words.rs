//! The same meaning in other words is no drift, however AWS puts it; another meaning is, however
//! alike it looks.

use serde_json::{Value, json};

use crate::{
    dice::Dice,
    looking::{reconcile_now, writes},
    world::{World, assert_says},
};

/// Says a policy document in other words: lists in another order, one value with or without its
/// list, account ids for root ARNs and the other way round.
fn policy_in_other_words(value: &Value, dice: &mut Dice) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| {
                let said = policy_in_other_words(value, dice);
                (
                    key.clone(),
                    if key == "AWS" {
                        principals(said, dice)
                    } else {
                        said
                    },
                )
            })
            .collect(),
        Value::Array(values) => {
            let mut said: Vec<_> = values
                .iter()
                .map(|value| policy_in_other_words(value, dice))
                .collect();
            dice.shuffle(&mut said);
            if said.len() == 1 && dice.coin() {
                return said.remove(0);
            }
            json!(said)
        }
        scalar => scalar.clone(),
    }
}

fn principals(said: Value, dice: &mut Dice) -> Value {
    match said {
        Value::Array(values) => values.into_iter().map(|v| principals(v, dice)).collect(),
        Value::String(text) if text.ends_with(":root") && dice.coin() => {
            json!(text["arn:aws:iam::".len()..][..12])
        }
        Value::String(text) if text.len() == 12 && dice.coin() => {
            json!(format!("arn:aws:iam::{text}:root"))
        }
        other => other,
    }
}

/// Says a lifecycle policy in other words: rules and tags in another order, the default written out
/// or left out.
fn lifecycle_in_other_words(policy: &Value, dice: &mut Dice) -> Value {
    let mut said = policy.clone();
    let rules = said["rules"].as_array_mut().unwrap();
    dice.shuffle(rules);
    for rule in rules {
        let selection = rule["selection"].as_object_mut().unwrap();
        if selection.get("storageClass") != Some(&json!("archive")) {
            selection.remove("storageClass");
            if dice.coin() {
                selection.insert("storageClass".to_owned(), json!("standard"));
            }
        }
        for list in ["tagPatternList", "tagPrefixList"] {
            if let Some(Value::Array(tags)) = selection.get_mut(list) {
                dice.shuffle(tags);
            }
        }
    }
    said
}

/// The text of a document, its keys in another order, in one line or in many.
fn text(value: &Value, dice: &mut Dice) -> String {
    let gap = ["", " ", "\n    ", "\t"][dice.below(4)];
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> = map
                .iter()
                .map(|(key, value)| format!("{gap}{}:{gap}{}", json!(key), text(value, dice)))
                .collect();
            dice.shuffle(&mut fields);
            format!("{{{}{gap}}}", fields.join(","))
        }
        Value::Array(values) => {
            let said: Vec<_> = values.iter().map(|value| text(value, dice)).collect();
            format!("[{gap}{}{gap}]", said.join(&format!("{gap},")))
        }
        scalar => scalar.to_string(),
    }
}

fn policy() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Pull", "Effect": "Allow",
                "Principal": {"AWS": ["111122223333", "arn:aws:iam::444455556666:root", "arn:aws:iam::777788889999:role/ci"]},
                "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:ListImages"],
                "Condition": {
                    "StringEquals": {"aws:PrincipalTag/team": ["b", "a", "c"], "aws:PrincipalOrgID": ["o-abcdefghij"]},
                    "Bool": {"aws:SecureTransport": ["true"]},
                },
            },
            {
                "Sid": "Build", "Effect": "Allow",
                "Principal": {"AWS": ["555566667777"], "Service": ["codebuild.amazonaws.com"]},
                "Action": ["ecr:BatchGetImage"],
            },
            {
                "Sid": "Never", "Effect": "Deny", "Principal": "*",
                "Action": ["ecr:DeleteRepository", "ecr:BatchDeleteImage"],
                "Condition": {"StringNotEquals": {"aws:PrincipalAccount": ["111122223333", "444455556666"]}},
            },
        ],
    })
}

fn lifecycle() -> Value {
    json!({"rules": [
        {"rulePriority": 1, "description": "untagged", "selection": {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 1}, "action": {"type": "expire"}},
        {"rulePriority": 2, "selection": {"tagStatus": "tagged", "tagPatternList": ["rc-*", "v*", "*-test"], "countType": "imageCountMoreThan", "countNumber": 5}, "action": {"type": "expire"}},
        {"rulePriority": 3, "selection": {"tagStatus": "tagged", "tagPrefixList": ["a", "c", "b"], "countType": "imageCountMoreThan", "countNumber": 7}, "action": {"type": "expire"}},
        {"rulePriority": 4, "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 100}, "action": {"type": "expire"}},
        {"rulePriority": 5, "selection": {"tagStatus": "any", "storageClass": "archive", "countType": "sinceImageTransitioned", "countUnit": "days", "countNumber": 90}, "action": {"type": "expire"}},
    ]})
}

const FILTERS: [&str; 4] = ["a*", "b*", "*c", "d"];

fn filters(of: &[&str]) -> Value {
    let filter = |it: &&str| json!({"filterType": "WILDCARD", "filter": it});
    of.iter().map(filter).collect()
}

fn spec() -> Value {
    json!({
        "imageTagMutability": "MUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": filters(&FILTERS),
        "lifecyclePolicy": lifecycle(),
        "repositoryPolicy": policy(),
    })
}

/// Writes all of it behind the operator's back.
fn write_outside(world: &World, name: &str, lifecycle: &str, policy: &str, filters: &Value) {
    let repository = world.in_ecr(name);
    world.outside(
        "PutLifecyclePolicy",
        json!({"repositoryName": repository, "lifecyclePolicyText": lifecycle}),
    );
    world.outside(
        "SetRepositoryPolicy",
        json!({"repositoryName": repository, "policyText": policy}),
    );
    world.outside(
        "PutImageTagMutability",
        json!({
            "repositoryName": repository,
            "imageTagMutability": "MUTABLE_WITH_EXCLUSION",
            "imageTagMutabilityExclusionFilters": filters,
        }),
    );
}

#[tokio::test]
async fn the_same_meaning_in_ten_other_wordings_is_no_drift() {
    let world = World::new("words").await;
    world.apply("api", spec()).await;
    let settled = world.ready("api").await;
    let mark = world.calls().len();
    let mut dice = Dice::new(5);
    for n in 0..10 {
        let before = world.repository("api").unwrap();
        let lifecycle = text(
            &lifecycle_in_other_words(&lifecycle(), &mut dice),
            &mut dice,
        );
        let policy = text(&policy_in_other_words(&policy(), &mut dice), &mut dice);
        let mut patterns = FILTERS;
        dice.shuffle(&mut patterns);
        write_outside(&world, "api", &lifecycle, &policy, &filters(&patterns));
        let after = world.repository("api").unwrap();
        assert_ne!(before.policy, after.policy, "other words");
        assert_ne!(
            before.lifecycle_policy, after.lifecycle_policy,
            "other words"
        );
        let read = world.count("GetRepositoryPolicy");
        let object = reconcile_now(&world, "api", &n.to_string()).await;
        assert!(world.count("GetRepositoryPolicy") > read, "they are read");
        assert_eq!(
            writes(&world, "api", mark),
            [""; 0],
            "{lifecycle}\n{policy}"
        );
        let applied = |object: &ecr_operator::api::ECRRepository| {
            object.status.clone().unwrap().working_memory.applied
        };
        assert_eq!(applied(&object), applied(&settled));
    }
    world.finish().await;
}

/// Changes one place of a document.
fn with(mut document: Value, place: &str, value: &Value) -> Value {
    let old = document.pointer_mut(place).unwrap();
    assert_ne!(old, value);
    *old = value.clone();
    document
}

#[tokio::test]
async fn what_only_looks_the_same_is_drift() {
    let world = World::new("alike").await;
    let pattern = "/rules/1/selection/tagPatternList/1";
    let prefix = "/rules/2/selection/tagPrefixList";
    let cases: [(&str, Value, Value, &[&str]); 8] = [
        (
            "pattern",
            with(lifecycle(), pattern, &json!("V*")),
            policy(),
            &FILTERS,
        ),
        (
            "prefix",
            with(lifecycle(), prefix, &json!(["ab", "c"])),
            policy(),
            &FILTERS,
        ),
        (
            "number",
            with(lifecycle(), "/rules/3/selection/countNumber", &json!(101)),
            policy(),
            &FILTERS,
        ),
        (
            "version",
            lifecycle(),
            with(policy(), "/Version", &json!("2008-10-17")),
            &FILTERS,
        ),
        (
            "value",
            lifecycle(),
            with(
                policy(),
                "/Statement/0/Condition/StringEquals/aws:PrincipalTag~1team/0",
                &json!("B"),
            ),
            &FILTERS,
        ),
        (
            "effect",
            lifecycle(),
            with(policy(), "/Statement/2/Effect", &json!("Allow")),
            &FILTERS,
        ),
        (
            "service",
            lifecycle(),
            with(
                policy(),
                "/Statement/1/Principal",
                &json!({"AWS": ["555566667777"]}),
            ),
            &FILTERS,
        ),
        ("filter", lifecycle(), policy(), &["a*", "b*", "*c", "D"]),
    ];
    for (name, ..) in &cases {
        world.apply(name, spec()).await;
    }
    for (name, ..) in &cases {
        world.ready(name).await;
    }
    let mark = world.calls().len();
    for (name, lifecycle, policy, patterns) in &cases {
        write_outside(
            &world,
            name,
            &lifecycle.to_string(),
            &policy.to_string(),
            &filters(patterns),
        );
    }
    for (name, changed, _, patterns) in &cases {
        let write = if **patterns != FILTERS {
            "PutImageTagMutability"
        } else if *changed != lifecycle() {
            "PutLifecyclePolicy"
        } else {
            "SetRepositoryPolicy"
        };
        let note = world.event(name, "DriftRepaired").await;
        assert_says(&note, &format!("repaired by {write}"));
        assert_eq!(writes(&world, name, mark), [write], "{name}");
    }
    world.finish().await;
}
