//! Bad input, as raw as it can be sent: past kubectl's own checks, as `--validate=false` does. It is
//! refused at admission, or the object says what is wrong; nothing of it reaches AWS, and nobody
//! else is disturbed.

use kube::ResourceExt as _;
use serde_json::json;

use crate::{
    looking::writes,
    world::{World, assert_says, condition, message},
};

/// Stands in everything that must not reach AWS.
const MARK: &str = "m4rk";

/// What becomes of it.
enum Fate {
    /// The API server refuses it and says this.
    Refused(&'static str),
    /// It is taken, and the object is Stalled with a message that says this.
    Stalled(&'static str),
    /// What is wrong is dropped, as if it had not been written.
    Dropped,
}
use Fate::{Dropped, Refused, Stalled};

struct Case {
    name: &'static str,
    /// The spec, as text: some of it no JSON library would write.
    spec: String,
    fate: Fate,
}

fn case(name: &'static str, spec: impl Into<String>, fate: Fate) -> Case {
    let spec = spec.into();
    Case { name, spec, fate }
}

/// A repository policy with these fields in its only statement.
fn statement(fields: &str) -> String {
    format!(
        r#"{{"repositoryPolicy": {{"Version": "2012-10-17", "Statement": [{{"Sid": "{MARK}", "Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"{fields}}}]}}}}"#
    )
}

fn condition_value(value: &str) -> String {
    statement(&format!(
        r#", "Condition": {{"StringEquals": {{"aws:PrincipalOrgID": {value}}}}}"#
    ))
}

fn lifecycle(rule: &str, selection: &str) -> String {
    format!(
        r#"{{"lifecyclePolicy": {{"rules": [{{{rule} "selection": {{"tagStatus": "any", "countType": "imageCountMoreThan", {selection}}}, "action": {{"type": "expire"}}}}]}}}}"#
    )
}

fn nested(levels: usize) -> String {
    condition_value(&format!(
        "{}\"{MARK}\"{}",
        "[".repeat(levels),
        "]".repeat(levels)
    ))
}

/// A policy with so many values of a thousand characters.
fn long(values: usize) -> String {
    let values = (0..values).map(|n| format!("\"{MARK}{n}{}\"", "x".repeat(1000)));
    condition_value(&format!("[{}]", values.collect::<Vec<_>>().join(", ")))
}

/// A policy with a value of so many characters.
fn long_value(characters: usize) -> String {
    condition_value(&format!("\"{MARK}{}\"", "x".repeat(characters)))
}

fn documents() -> Vec<Case> {
    vec![
        case(
            "nested",
            nested(20),
            Refused("spec.repositoryPolicy.Statement"),
        ),
        case("nested-deep", nested(120), Refused("spec.repositoryPolicy")),
        case(
            "nested-deeper",
            nested(2000),
            Refused("spec.repositoryPolicy"),
        ),
        case("huge", condition_value("1e400"), Refused("1e400")),
        case(
            "nul-value",
            condition_value(r#""a\u0000m4rk""#),
            Stalled("control"),
        ),
        case(
            "nul-sid",
            statement(r#", "Sid": "a\u0000m4rk""#).replacen(r#""Sid": "m4rk", "#, "", 1),
            Stalled("control"),
        ),
        case(
            "nul-key",
            statement(r#", "m4rk\u0000": "x""#),
            Stalled("remove"),
        ),
        case(
            "bidi-value",
            condition_value(r#""a\u202em4rk""#),
            Stalled("control"),
        ),
        case(
            "bidi-key",
            statement(r#", "m4rk\u202e": "x""#),
            Stalled("remove"),
        ),
        case("long", long(11), Stalled("ECR takes 10240")),
        case("long-value", long_value(1_000_000), Refused("Too long")),
        case(
            "null",
            statement(r#", "Condition": null"#),
            Stalled("null, which AWS refuses"),
        ),
        case(
            "unknown-key",
            statement(r#", "Conditions": {}"#),
            Stalled("`Conditions` is no key of"),
        ),
        case(
            "lower-case",
            statement("").replace("Effect", "effect"),
            Stalled("did you mean `Effect`?"),
        ),
        case(
            "text",
            r#"{"repositoryPolicy": {"Statement": "m4rk"}}"#,
            Stalled("spec.repositoryPolicy.Statement"),
        ),
        case(
            "lists",
            r#"{"repositoryPolicy": {"Statement": [[["m4rk"]]]}}"#,
            Stalled("spec.repositoryPolicy.Statement[0]"),
        ),
        case(
            "nul-description",
            lifecycle(r#""description": "a\u0000m4rk","#, r#""countNumber": 1"#),
            Refused("description"),
        ),
        case(
            "bidi-description",
            lifecycle(r#""description": "a\u202em4rk","#, r#""countNumber": 1"#),
            Refused("description"),
        ),
        case(
            "int64",
            lifecycle(
                r#""description": "m4rk","#,
                r#""countNumber": 9223372036854775808"#,
            ),
            Refused("countNumber"),
        ),
        case(
            "int32",
            lifecycle(r#""description": "m4rk","#, r#""countNumber": 2147483648"#),
            Refused("countNumber"),
        ),
        case(
            "fraction",
            lifecycle(r#""description": "m4rk","#, r#""countNumber": 1.5"#),
            Refused("countNumber"),
        ),
        case(
            "exponent",
            lifecycle(r#""description": "m4rk","#, r#""countNumber": 1e400"#),
            Refused("1e400"),
        ),
    ]
}

fn fields() -> Vec<Case> {
    vec![
        case(
            "nul-name",
            r#"{"repositoryName": "m4rk/a\u0000b"}"#,
            Refused("spec.repositoryName"),
        ),
        case(
            "bidi-name",
            r#"{"repositoryName": "m4rk/a\u202eb"}"#,
            Refused("spec.repositoryName"),
        ),
        case(
            "line-name",
            r#"{"repositoryName": "m4rk/a\nb"}"#,
            Refused("spec.repositoryName"),
        ),
        case(
            "last-line-name",
            r#"{"repositoryName": "m4rk/a\n"}"#,
            Refused("spec.repositoryName"),
        ),
        case(
            "nul-tag",
            r#"{"tags": {"a": "m4rk\u0000"}}"#,
            Refused("spec.tags"),
        ),
        case(
            "bidi-tag",
            r#"{"tags": {"a": "m4rk\u202e"}}"#,
            Refused("spec.tags"),
        ),
        case(
            "bidi-tag-key",
            r#"{"tags": {"m4rk\u202e": "a"}}"#,
            Refused("spec.tags"),
        ),
        case(
            "line-tag",
            r#"{"tags": {"a": "m4rk\n"}}"#,
            Refused("spec.tags"),
        ),
        case(
            "nul-filter",
            r#"{"imageTagMutability": "MUTABLE_WITH_EXCLUSION", "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "m4rk\u0000"}]}"#,
            Refused("filter"),
        ),
        case(
            "nul-principal",
            r#"{"access": {"pull": ["arn:aws:iam::111122223333:role/m4rk\u0000"]}}"#,
            Refused("spec.access.pull"),
        ),
        case(
            "bidi-principal",
            r#"{"access": {"pull": ["arn:aws:iam::111122223333:role/m4rk\u202e"]}}"#,
            Refused("spec.access.pull"),
        ),
        case(
            "nul-kms-key",
            r#"{"encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "m4rk\u0000"}}"#,
            Refused("kmsKey"),
        ),
        case(
            "bidi-kms-key",
            r#"{"encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "m4rk\u202e"}}"#,
            Refused("kmsKey"),
        ),
        case(
            "nul-pattern",
            r#"{"lifecyclePolicy": {"rules": [{"selection": {"tagStatus": "tagged", "tagPatternList": ["m4rk\u0000"], "countType": "imageCountMoreThan", "countNumber": 1}, "action": {"type": "expire"}}]}}"#,
            Refused("tagPatternList"),
        ),
        case("null-spec", "null", Dropped),
        case("null-tags", r#"{"tags": null}"#, Dropped),
        case("unknown-field", r#"{"repositoryNam": "m4rk/a"}"#, Dropped),
        case(
            "unknown-inside",
            r#"{"imageScanningConfiguration": {"scanOnPush": true, "m4rk": true}}"#,
            Dropped,
        ),
        case("wrong-type", r#"{"tags": ["m4rk"]}"#, Refused("spec.tags")),
        case(
            "twice",
            r#"{"repositoryName": "m4rk/a", "repositoryName": "m4rk/B"}"#,
            Refused("spec.repositoryName"),
        ),
        case("no-json", r#"{"tags": {"a": "m4rk"}"#, Refused("")),
    ]
}

/// Sends an object's text as it is; `Ignore` asks the API server to check no more than it must.
async fn send(world: &World, name: &str, spec: &str, strictness: &str) -> anyhow::Result<String> {
    let text = format!(
        r#"{{"apiVersion": "ecr-operator.dev/v1alpha1", "kind": "ECRRepository", "metadata": {{"name": "{name}"}}, "spec": {spec}}}"#
    );
    let path = format!(
        "/apis/ecr-operator.dev/v1alpha1/namespaces/{}/ecrrepositories?fieldValidation={strictness}",
        world.namespace
    );
    let create = ["create", "--raw", &path, "-f", "-"];
    world.server.kubectl.run_with(&create, &text).await
}

/// Sends all of it to an operator that has an object to mind already.
async fn endure(name: &str, cases: Vec<Case>) {
    let world = World::new(name).await;
    world.apply("bystander", json!({"tags": {"n": "1"}})).await;
    let rests = world.ready("bystander").await;
    let mut wrong = Vec::new();
    for Case { name, spec, fate } in &cases {
        let sent = send(&world, name, spec, "Ignore").await;
        match (sent, fate) {
            (Err(error), Refused(says)) if error.to_string().contains(says) => {}
            (Ok(_), Stalled(_) | Dropped) => {}
            (Ok(_), Refused(_)) => wrong.push(format!("{name} is taken")),
            (Err(error), _) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for Case { name, fate, .. } in &cases {
        match fate {
            Refused(_) => {}
            Dropped => _ = world.ready(name).await,
            Stalled(says) => {
                let object = world.stalled(name, "InvalidSpec").await;
                assert_says(message(&object, "Stalled"), says);
                assert_eq!(
                    condition(&object, "Accepted"),
                    Some(("False", "InvalidSpec"))
                );
                assert_eq!(writes(&world, name, 0), ["CreateRepository"], "{name}");
            }
        }
    }
    for call in world.calls() {
        let sent = call.input.to_string();
        assert!(!sent.contains(MARK), "AWS was sent {sent}");
    }
    let undisturbed = world.get("bystander").await;
    assert_eq!(undisturbed.resource_version(), rests.resource_version());
    world.apply("bystander", json!({"tags": {"n": "2"}})).await;
    world.ready("bystander").await;
    world.finish().await;
}

#[tokio::test]
async fn bad_documents_are_refused_or_named_and_disturb_nobody() {
    Box::pin(endure("bad-documents", documents())).await;
}

#[tokio::test]
async fn bad_fields_are_refused_and_disturb_nobody() {
    Box::pin(endure("bad-fields", fields())).await;
}

#[tokio::test]
async fn of_a_key_that_is_there_twice_the_last_one_counts_unless_strictness_is_asked_for() {
    let world = World::new("twice").await;
    let spec = r#"{"repositoryPolicy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:m4rk", "Action": "ecr:BatchGetImage"}]}, "tags": {"a": "m4rk", "a": "1"}}"#;
    let refused = send(&world, "api", spec, "Strict").await;
    assert_says(
        &refused.unwrap_err().to_string(),
        "duplicate field \"spec.repositoryPolicy.Statement[0].Action\"",
    );
    send(&world, "api", spec, "Ignore").await.unwrap();
    world.ready("api").await;
    let held = world.repository("api").unwrap();
    assert_eq!(held.tags["a"], "1");
    assert_says(&held.policy.unwrap(), "ecr:BatchGetImage");
    for call in world.calls() {
        assert!(!call.input.to_string().contains(MARK), "{}", call.input);
    }
    world.finish().await;
}

#[tokio::test]
async fn applied_past_the_checks_of_kubectl_it_is_refused_all_the_same() {
    let world = World::new("unchecked").await;
    let manifest = |spec: serde_json::Value| {
        json!({
            "apiVersion": "ecr-operator.dev/v1alpha1", "kind": "ECRRepository",
            "metadata": {"name": "api", "namespace": world.namespace}, "spec": spec,
        })
        .to_string()
    };
    let kubectl = &world.server.kubectl;
    for how in [
        &["apply", "--validate=false", "-f", "-"][..],
        &["apply", "--validate=false", "--server-side", "-f", "-"],
    ] {
        for (spec, says) in [
            (json!({"repositoryName": "WRONG"}), "spec.repositoryName"),
            (json!({"tags": {"aws:a": "b"}}), "aws:"),
            (json!({"deletionPolicy": "Orphan"}), "spec.deletionPolicy"),
            (json!({"access": {"pull": ["*"]}}), "spec.access.pull"),
        ] {
            let refused = kubectl.run_with(how, &manifest(spec)).await;
            assert_says(&refused.unwrap_err().to_string(), says);
        }
    }
    assert_eq!(world.count("CreateRepository"), 0);
    world.finish().await;
}
