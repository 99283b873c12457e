//! Statements of others: AWS Lambda adds one by itself to the policy of a repository whose images it runs.

use serde_json::{Value, json};

use crate::{
    looking::{reconcile_now, told},
    world::{ACCOUNT, REGION, World, assert_says, estate::Estate},
};

const LAMBDA: &str = "LambdaECRImageRetrievalPolicy";

fn lambdas() -> Value {
    json!({
        "Sid": LAMBDA,
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        "Condition": {"StringLike": {"aws:sourceArn": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:*")}},
    })
}

fn statements(policy: Option<String>) -> Vec<Value> {
    let policy = policy.map(|it| serde_json::from_str::<Value>(&it).unwrap());
    policy.map_or_else(Vec::new, |it| it["Statement"].as_array().unwrap().clone())
}

fn held(world: &World) -> Vec<Value> {
    statements(world.repository("fn").unwrap().policy)
}

fn sids(statements: &[Value]) -> Vec<&str> {
    let mut sids: Vec<_> = statements
        .iter()
        .filter_map(|it| it["Sid"].as_str())
        .collect();
    sids.sort_unstable();
    sids
}

/// What Lambda does when a function is made: what is there, and its statement.
fn lambda_adds(world: &World) {
    let mut statements = held(world);
    statements.push(lambdas());
    let policy = json!({"Version": "2012-10-17", "Statement": statements});
    let name = world.in_ecr("fn");
    world.outside(
        "SetRepositoryPolicy",
        json!({"repositoryName": name, "policyText": policy.to_string()}),
    );
}

async fn world(name: &str, spec: Value) -> World {
    let world = World::quiet(name).await;
    world.apply("fn", spec).await;
    world.ready("fn").await;
    lambda_adds(&world);
    world
}

#[tokio::test]
async fn without_the_field_it_is_told_of_before_it_goes_and_with_it_it_stays() {
    let world = world("lambda", json!({"access": {"pull": ["111122223333"]}})).await;
    let removed = world.calls().len();
    reconcile_now(&world, "fn", "1").await;
    let note = world.event("fn", "StatementRemoved").await;
    assert_says(&note, &format!("spec.keepStatements: [{LAMBDA}]"));
    world.event("fn", "DriftRepaired").await;
    assert_eq!(sids(&held(&world)), ["EcrOperatorPull"]);
    let events = world.events("fn").await;
    let of = |reason: &str| events.iter().position(|(_, it, _)| it == reason);
    assert!(of("StatementRemoved") < of("DriftRepaired"), "{events:?}");
    assert_eq!(events[of("StatementRemoved").unwrap()].0, "Warning");
    let calls = world.calls();
    let writes = calls[removed..]
        .iter()
        .filter(|it| it.operation == "SetRepositoryPolicy");
    assert_eq!(writes.count(), 1);

    let keeps = json!({"access": {"pull": ["111122223333"]}, "keepStatements": [LAMBDA]});
    world.apply("fn", keeps).await;
    world.ready("fn").await;
    lambda_adds(&world);
    reconcile_now(&world, "fn", "2").await;
    world.ready("fn").await;
    assert_eq!(sids(&held(&world)), ["EcrOperatorPull", LAMBDA]);
    let drift = told(&world, "fn", "DriftRepaired").await;
    assert_eq!(drift.len(), 1, "it is no drift: {drift:?}");

    // It stays in a write that is about something else, and is none of what is written.
    let other = json!({"access": {"push": ["111122223333"]}, "keepStatements": ["Lambda*"]});
    world.apply("fn", other).await;
    world.ready("fn").await;
    assert_eq!(sids(&held(&world)), ["EcrOperatorPush", LAMBDA]);
    let mut kept = held(&world);
    kept.retain(|it| it["Sid"] == LAMBDA);
    assert_eq!(kept, [lambdas()], "as it was");
    assert_eq!(told(&world, "fn", "StatementRemoved").await.len(), 1);
    world.finish_looking().await;
}

#[tokio::test]
async fn where_no_policy_is_asked_for_it_stays_alone() {
    let none = json!({"access": {"pull": [], "push": []}, "keepStatements": [LAMBDA]});
    let world = world("lambda-none", none).await;
    let mark = world.written().len();
    reconcile_now(&world, "fn", "1").await;
    world.ready("fn").await;
    assert_eq!(held(&world), [lambdas()]);
    assert_eq!(world.written().len(), mark, "there is nothing to write");
    // Without the field it is none again, and told.
    let none = json!({"access": {"pull": [], "push": []}});
    world.apply("fn", none).await;
    world
        .until("none", |it| it.repository("fn").unwrap().policy.is_none())
        .await;
    world.event("fn", "StatementRemoved").await;
    world.ready("fn").await;
    world.finish_looking().await;
}

#[tokio::test]
async fn who_observes_sees_what_would_be_lost() {
    let world = world(
        "lambda-observe",
        json!({"access": {"pull": ["111122223333"]}}),
    )
    .await;
    let observe = |keep: Value| {
        json!({
            "access": {"pull": ["111122223333"]},
            "managementPolicy": "Observe",
            "keepStatements": keep,
        })
    };
    world.apply("fn", observe(json!([]))).await;
    let object = world
        .wait("fn", "the plan", |object| {
            let status = object.status.as_ref().unwrap();
            status
                .pending
                .iter()
                .any(|it| it.action == "SetRepositoryPolicy")
        })
        .await;
    let status = object.status.unwrap();
    assert_says(status.pending[0].message.as_deref().unwrap(), LAMBDA);
    world.apply("fn", observe(json!([LAMBDA]))).await;
    world
        .wait("fn", "nothing to do", |object| {
            object.status.as_ref().unwrap().pending.is_empty()
        })
        .await;
    assert_eq!(world.count("SetRepositoryPolicy"), 1, "nothing was written");
    world.finish_looking().await;
}

#[tokio::test]
async fn a_class_keeps_it_for_all_and_permits_no_more_than_its_lists() {
    let estate = Estate::new("lambda-class").await;
    let class = |services: Value| {
        json!({
            "allowedNamespaces": {},
            "allowedPrincipals": [ACCOUNT],
            "allowedServices": services,
            "defaults": {"keepStatements": [LAMBDA]},
        })
    };
    estate
        .default_class("prod", class(json!([{"service": "lambda.amazonaws.com"}])))
        .await;
    estate.namespace("team", json!({})).await;
    estate
        .apply("team", "fn", json!({"access": {"pull": [ACCOUNT]}}))
        .await;
    estate.ready("team", "fn").await;
    let of = |estate: &Estate| {
        let held = estate
            .emulator
            .repository(ACCOUNT, REGION, "team/fn")
            .unwrap();
        statements(held.policy)
    };
    let mut all = of(&estate);
    all.push(lambdas());
    let policy = json!({"Version": "2012-10-17", "Statement": all});
    let input = json!({"repositoryName": "team/fn", "policyText": policy.to_string()});
    let set = estate
        .emulator
        .call(ACCOUNT, REGION, "SetRepositoryPolicy", input);
    set.unwrap();
    let ask = "ecr-operator.dev/reconcile-requested-at";
    let handled = async |token: &str| {
        estate.annotate("team", "fn", ask, token).await;
        let api = estate.repositories("team");
        estate
            .wait(&api, "fn", "the request is handled", |object| {
                object.data["status"]["lastHandledRequestAt"] == json!(token)
            })
            .await;
    };
    handled("1").await;
    assert_eq!(sids(&of(&estate)), ["EcrOperatorPull", LAMBDA]);
    // What the class permits no longer does not stay.
    estate.default_class("prod", class(json!([]))).await;
    handled("2").await;
    estate
        .until("it is gone", |it| sids(&of(it)) == ["EcrOperatorPull"])
        .await;
    estate.finish().await;
}
