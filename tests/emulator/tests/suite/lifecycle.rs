//! Lifecycle policies: the grammar as a table, and what is stored.

use aws_sdk_ecr::primitives::DateTime;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, REGION, apply, assert_refused, client, create, post, start};

/// A rule that is fine by itself.
fn rule(priority: u64, selection: Value) -> Value {
    json!({ "rulePriority": priority, "selection": selection, "action": { "type": "expire" } })
}

fn any() -> Value {
    json!({ "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10 })
}

fn untagged() -> Value {
    json!({
        "tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days",
        "countNumber": 14,
    })
}

fn archived(status: &str) -> Value {
    json!({
        "tagStatus": status, "storageClass": "archive", "countType": "sinceImageTransitioned",
        "countUnit": "days", "countNumber": 90,
    })
}

fn tagged(list: &str, items: &[&str]) -> Value {
    json!({
        "tagStatus": "tagged", list: items, "countType": "imageCountMoreThan", "countNumber": 10,
    })
}

/// A value with one member changed or added.
fn with(mut value: Value, pointer: &str, new: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    value.pointer_mut(parent).unwrap()[name] = new;
    value
}

fn without(mut value: Value, parent: &str, name: &str) -> Value {
    value
        .pointer_mut(parent)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove(name);
    value
}

fn document(rules: Vec<Value>) -> String {
    json!({ "rules": rules }).to_string()
}

/// Blanks are JSON too: they bring a short document over the minimal length.
fn padded(text: &str) -> String {
    format!("{text:<100}")
}

#[tokio::test]
async fn what_the_grammar_allows_is_accepted() {
    let emulator = start().await;
    create(&emulator, "api");
    let transition = |selection: Value| {
        json!({
            "rulePriority": 1, "selection": selection,
            "action": { "type": "transition", "targetStorageClass": "archive" },
        })
    };
    let pulled = json!({
        "tagStatus": "any", "countType": "sinceImagePulled", "countUnit": "days", "countNumber": 30,
    });
    let fifty = (1..=50)
        .map(|n| rule(n, tagged("tagPrefixList", &[&format!("v{n}")])))
        .collect();
    for (what, rules) in [
        ("any", vec![rule(1, any())]),
        (
            "a description",
            vec![with(rule(1, any()), "/description", json!("keep ten"))],
        ),
        ("untagged by days", vec![rule(1, untagged())]),
        (
            "patterns",
            vec![rule(1, tagged("tagPatternList", &["v*", "*a*b*c*"]))],
        ),
        (
            "prefixes",
            vec![rule(1, tagged("tagPrefixList", &["v", "w"]))],
        ),
        (
            "the standard class by name",
            vec![rule(1, with(any(), "/storageClass", json!("standard")))],
        ),
        ("the archive", vec![rule(1, archived("any"))]),
        ("a transition", vec![transition(any())]),
        ("a transition by pull", vec![transition(pulled)]),
        (
            "any last in each class",
            vec![
                rule(1, untagged()),
                transition_last(2),
                rule(3, archived("any")),
            ],
        ),
        (
            "one untagged in each class",
            vec![rule(1, untagged()), rule(2, archived("untagged"))],
        ),
        ("fifty rules", fifty),
        (
            "gaps in the priorities",
            vec![rule(7, untagged()), rule(1000, any())],
        ),
    ] {
        let input = json!({ "repositoryName": "api", "lifecyclePolicyText": document(rules) });
        let (status, body) = post(&emulator, "PutLifecyclePolicy", input).await;
        assert_eq!(status, 200, "{what}: {body}");
    }
}

fn transition_last(priority: u64) -> Value {
    json!({
        "rulePriority": priority, "selection": any(),
        "action": { "type": "transition", "targetStorageClass": "archive" },
    })
}

/// Document and refusal, for what ECR's schema refuses: one line for each complaint.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn refused_by_schema() -> Vec<(&'static str, String, &'static str)> {
    const SELECTION: &str = "instance failed to match exactly one schema (matched 0 out of 4)\n";
    const ACTION: &str = "instance failed to match exactly one schema (matched 0 out of 2)\n";
    let one = |selection: Value| document(vec![rule(1, selection)]);
    let act = |action: Value| document(vec![with(rule(1, any()), "/action", action)]);
    let too_many = (1..=51).map(|n| rule(n, any())).collect();
    vec![
        (
            "no rules",
            padded("{}"),
            "object has missing required properties ([\"rules\"])\n",
        ),
        (
            "rules are no list",
            padded("{\"rules\":{}}"),
            "instance type (object) does not match any allowed primitive type (allowed: [\"array\"])\n",
        ),
        (
            "empty rules",
            padded("{\"rules\":[]}"),
            "array is too short: must have at least 1 elements but instance has 0 elements\n",
        ),
        (
            "51 rules",
            document(too_many),
            "array is too long: must have at most 50 elements but instance has 51 elements\n",
        ),
        (
            "a rule that is a string",
            padded("{\"rules\":[\"x\"]}"),
            "instance type (string) does not match any allowed primitive type (allowed: [\"object\"])\n",
        ),
        (
            "unknown key at the top",
            with(json!({ "rules": [rule(1, any())] }), "/version", json!(1)).to_string(),
            "object instance has properties which are not allowed by the schema: [\"version\"]\n",
        ),
        (
            "unknown key in a rule",
            document(vec![with(rule(1, any()), "/name", json!("x"))]),
            "object instance has properties which are not allowed by the schema: [\"name\"]\n",
        ),
        (
            "unknown key in a selection",
            one(with(any(), "/tags", json!("x"))),
            "object instance has properties which are not allowed by the schema: [\"tags\"]\n",
        ),
        (
            "unknown key in an action",
            act(json!({ "type": "expire", "now": true })),
            "object instance has properties which are not allowed by the schema: [\"now\"]\n",
        ),
        (
            "no priority",
            document(vec![without(rule(1, any()), "", "rulePriority")]),
            "object has missing required properties ([\"rulePriority\"])\n",
        ),
        (
            "no selection, no action",
            padded("{\"rules\":[{\"rulePriority\":1}]}"),
            "object has missing required properties ([\"action\",\"selection\"])\n",
        ),
        (
            "no tagStatus",
            one(without(any(), "", "tagStatus")),
            "object has missing required properties ([\"tagStatus\"])\n",
        ),
        (
            "no countType",
            one(without(any(), "", "countType")),
            "object has missing required properties ([\"countType\"])\n",
        ),
        (
            "no countNumber",
            one(without(any(), "", "countNumber")),
            "object has missing required properties ([\"countNumber\"])\n",
        ),
        (
            "no action type",
            act(json!({})),
            "object has missing required properties ([\"type\"])\n",
        ),
        (
            "priority 0",
            document(vec![rule(0, any())]),
            "numeric instance is lower than the required minimum (minimum: 1, found: 0)\n",
        ),
        (
            "priority in words",
            document(vec![with(rule(1, any()), "/rulePriority", json!("1"))]),
            "instance type (string) does not match any allowed primitive type (allowed: [\"integer\"])\n",
        ),
        (
            "half a priority",
            document(vec![with(rule(1, any()), "/rulePriority", json!(1.5))]),
            "instance type (number) does not match any allowed primitive type (allowed: [\"integer\"])\n",
        ),
        (
            "countNumber 0",
            one(with(any(), "/countNumber", json!(0))),
            "numeric instance is lower than the required minimum (minimum: 1, found: 0)\n",
        ),
        (
            "description null",
            document(vec![with(rule(1, any()), "/description", Value::Null)]),
            "instance type (null) does not match any allowed primitive type (allowed: [\"string\"])\n",
        ),
        (
            "tagStatus unknown",
            one(with(any(), "/tagStatus", json!("all"))),
            "instance value (\"all\") not found in enum (possible values: [\"any\",\"tagged\",\"untagged\"])\n",
        ),
        (
            "both lists null",
            one(with(
                with(any(), "/tagPatternList", Value::Null),
                "/tagPrefixList",
                Value::Null,
            )),
            "instance type (null) does not match any allowed primitive type (allowed: [\"array\"])\ninstance type (null) does not match any allowed primitive type (allowed: [\"array\"])\n",
        ),
        (
            "empty prefixes",
            one(tagged("tagPrefixList", &[])),
            "array is too short: must have at least 1 elements but instance has 0 elements\n",
        ),
        (
            "a number as prefix",
            one(with(
                tagged("tagPrefixList", &["v"]),
                "/tagPrefixList",
                json!([1]),
            )),
            "instance type (integer) does not match any allowed primitive type (allowed: [\"string\"])\n",
        ),
        (
            "action unknown",
            act(json!({ "type": "delete" })),
            "instance value (\"delete\") not found in enum (possible values: [\"expire\",\"transition\"])\n",
        ),
        (
            "countType unknown",
            one(with(any(), "/countType", json!("imageCount"))),
            SELECTION,
        ),
        (
            "unit null",
            one(with(any(), "/countUnit", Value::Null)),
            SELECTION,
        ),
        (
            "unit with a number of images",
            one(with(any(), "/countUnit", json!("days"))),
            SELECTION,
        ),
        (
            "no unit with days",
            one(without(untagged(), "", "countUnit")),
            SELECTION,
        ),
        (
            "another unit",
            one(with(untagged(), "/countUnit", json!("hours"))),
            SELECTION,
        ),
        (
            "archive by number",
            one(with(any(), "/storageClass", json!("archive"))),
            SELECTION,
        ),
        (
            "archive by push",
            one(with(untagged(), "/storageClass", json!("archive"))),
            SELECTION,
        ),
        (
            "transitioned in standard",
            one(with(archived("any"), "/storageClass", json!("standard"))),
            SELECTION,
        ),
        (
            "transitioned without class",
            one(without(archived("any"), "", "storageClass")),
            SELECTION,
        ),
        (
            "class null",
            one(with(any(), "/storageClass", Value::Null)),
            SELECTION,
        ),
        (
            "target null",
            act(json!({ "type": "expire", "targetStorageClass": null })),
            ACTION,
        ),
        (
            "target of an expiry",
            act(json!({ "type": "expire", "targetStorageClass": "archive" })),
            ACTION,
        ),
        (
            "no target of a transition",
            act(json!({ "type": "transition" })),
            ACTION,
        ),
        (
            "wrong target of a transition",
            act(json!({ "type": "transition", "targetStorageClass": "standard" })),
            ACTION,
        ),
    ]
}

/// Document and refusal, for what the rules say.
fn refused_by_rules() -> Vec<(&'static str, String, &'static str)> {
    let one = |selection: Value| document(vec![rule(1, selection)]);
    let transition = |selection: Value| {
        let action = json!({ "type": "transition", "targetStorageClass": "archive" });
        document(vec![with(rule(1, selection), "/action", action)])
    };
    let pulled = with(untagged(), "/countType", json!("sinceImagePulled"));
    let both = with(
        tagged("tagPrefixList", &["v"]),
        "/tagPatternList",
        json!(["v*"]),
    );
    let prefixes = |items: &[&str]| tagged("tagPrefixList", items);
    let any_first = "Rule for tagStatus=ANY must have the lowest priority per storage class";
    vec![
        (
            "tagged without a list",
            one(with(any(), "/tagStatus", json!("tagged"))),
            "Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED.",
        ),
        (
            "both lists",
            one(both),
            "Cannot specify both tagPrefixList and tagPatternList.",
        ),
        (
            "any with a list",
            one(with(any(), "/tagPrefixList", json!(["v"]))),
            "Cannot specify tagPrefixList or tagPatternList when tagStatus=ANY.",
        ),
        (
            "untagged with a list",
            one(with(untagged(), "/tagPatternList", json!(["v"]))),
            "Cannot specify tagPrefixList or tagPatternList when tagStatus=UNTAGGED.",
        ),
        (
            "an empty prefix",
            one(prefixes(&[""])),
            "An entry of tagPrefixList or tagPatternList must not be empty.",
        ),
        (
            "five wildcards",
            one(tagged("tagPatternList", &["*a*b*c*d*"])),
            "The tag pattern *a*b*c*d* exceeds the maximum of 4 wildcards.",
        ),
        (
            "expiry by pull",
            one(pulled),
            "countType=sinceImagePulled requires action type transition.",
        ),
        (
            "transition from the archive",
            transition(archived("any")),
            "countType=sinceImageTransitioned requires action type expire.",
        ),
        (
            "89 days in the archive",
            one(with(archived("any"), "/countNumber", json!(89))),
            "countNumber must be at least 90 when countType=sinceImageTransitioned.",
        ),
        (
            "a priority twice",
            document(vec![rule(1, untagged()), rule(1, any())]),
            "Each rule must have a unique rulePriority.",
        ),
        (
            "untagged twice",
            document(vec![rule(1, untagged()), rule(2, untagged())]),
            "Only one rule can select Untagged images per storage class.",
        ),
        (
            "any before another",
            document(vec![rule(1, any()), rule(2, untagged())]),
            any_first,
        ),
        (
            "any twice",
            document(vec![rule(1, any()), rule(2, any())]),
            any_first,
        ),
        (
            "the same prefixes",
            document(vec![
                rule(1, prefixes(&["v", "w"])),
                rule(2, prefixes(&["w", "v"])),
            ]),
            "The set of tagPrefixList values must be unique per storage class.",
        ),
    ]
}

#[tokio::test]
async fn what_the_grammar_forbids_is_refused() {
    let emulator = start().await;
    create(&emulator, "api");
    let unreadable = "Could not map policyString into LifecyclePolicy.";
    let mut table = refused_by_schema();
    table.extend(refused_by_rules());
    table.push(("no JSON", padded("{nope"), unreadable));
    table.push(("no object", padded("[]"), unreadable));
    for (what, text, message) in table {
        let input = json!({ "repositoryName": "api", "lifecyclePolicyText": text });
        let (status, body) = post(&emulator, "PutLifecyclePolicy", input).await;
        assert_eq!(status, 400, "{what}");
        assert_eq!(body["__type"], "InvalidParameterException", "{what}");
        let message = format!(
            "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle \
             policy validation failure: {message}'"
        );
        assert_eq!(body["message"], message, "{what}");
    }
    let state = emulator.repository(ACCOUNT, REGION, "api").unwrap();
    assert_eq!(state.lifecycle_policy, None);
}

#[tokio::test]
async fn it_is_stored_compact_and_in_the_order_of_the_priorities() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    let text = r#"{
        "rules": [
            {"action": {"type": "expire"}, "rulePriority": 20, "selection":
                {"countNumber": 3, "countType": "imageCountMoreThan", "tagStatus": "any"}},
            {"action": {"targetStorageClass": "archive", "type": "transition"},
             "selection": {"countNumber": 14, "countUnit": "days", "countType": "sinceImagePushed",
                "storageClass": "standard", "tagPatternList": ["b*", "a*"], "tagStatus": "tagged"},
             "description": "say \"hello\"", "rulePriority": 3}
        ]
    }"#;
    let stored = concat!(
        r#"{"rules":[{"rulePriority":3,"description":"say \"hello\"","selection":{"tagStatus":"tagged","#,
        r#""tagPatternList":["b*","a*"],"storageClass":"standard","countType":"sinceImagePushed","#,
        r#""countUnit":"days","countNumber":14},"action":{"type":"transition","#,
        r#""targetStorageClass":"archive"}},{"rulePriority":20,"selection":{"tagStatus":"any","#,
        r#""countType":"imageCountMoreThan","countNumber":3},"action":{"type":"expire"}}]}"#,
    );
    let put = client
        .put_lifecycle_policy()
        .repository_name("api")
        .lifecycle_policy_text(text)
        .send()
        .await
        .unwrap();
    assert_eq!(put.lifecycle_policy_text(), Some(stored));
    assert_eq!(put.registry_id(), Some(ACCOUNT));
    let name = json!({ "repositoryName": "api" });
    let got = client.get_lifecycle_policy().repository_name("api");
    let got = got.send().await.unwrap();
    assert_eq!(got.lifecycle_policy_text(), Some(stored));
    assert_eq!(got.last_evaluated_at(), Some(&DateTime::from_secs(0)));
    let deleted = apply(&emulator, "DeleteLifecyclePolicy", name);
    assert_eq!(deleted["lifecyclePolicyText"], stored);
}

#[tokio::test]
async fn a_policy_that_is_not_there_is_named() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    let message = "Lifecycle policy does not exist for the repository with name 'api' in the \
                   registry with id '111122223333'";
    let code = "LifecyclePolicyNotFoundException";
    let get = || client.get_lifecycle_policy().repository_name("api").send();
    let delete = || {
        client
            .delete_lifecycle_policy()
            .repository_name("api")
            .send()
    };
    assert_refused(get().await, code, message);
    assert_refused(delete().await, code, message);
    let text = document(vec![rule(1, any())]);
    let mut input = json!({ "repositoryName": "api", "lifecyclePolicyText": text });
    apply(&emulator, "PutLifecyclePolicy", input.clone());
    delete().await.unwrap();
    assert_refused(get().await, code, message);
    input["repositoryName"] = json!("none");
    let (_, refused) = post(&emulator, "PutLifecyclePolicy", input).await;
    assert_eq!(
        refused,
        json!({
            "__type": "RepositoryNotFoundException",
            "message": "The repository with name 'none' does not exist in the registry with id \
                        '111122223333'",
        })
    );
}
