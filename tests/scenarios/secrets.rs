//! Secrets: those that the operator is given and those that AWS hands out show up nowhere, however loud
//! it is told to be and whatever goes wrong.

use ecr_emulator::Fault;
use serde_json::json;

use crate::world::{Canaries, World, condition};

const SESSION_TOKEN: &str = "canary-session-token";
const EXTERNAL_ID: &str = "canary-external-id";
/// What every session token of the emulator begins with, as many of AWS's do.
const HANDED_OUT: &str = "FwoGZXIvYXdzE";

/// All there is, and the libraries that see credentials by the names of their innermost modules.
const LOUDEST: &str = "--log=trace,\
    aws_config::sts=trace,\
    aws_runtime::auth::sigv4=trace,\
    aws_sdk_ecr::config=trace,\
    aws_sdk_sts::operation::assume_role=trace,\
    aws_sigv4::http_request::sign=trace,\
    aws_sigv4::http_request::canonical_request=trace,\
    aws_smithy_runtime::client::orchestrator=trace,\
    aws_smithy_runtime::client::identity=trace,\
    aws_smithy_runtime_api::client::interceptors=trace,\
    hyper::proto::h1=trace,\
    hyper_util::client::legacy=trace,\
    rustls::client=trace";

/// A class of the scenario's own, in another account.
fn class(name: &str) -> String {
    let class = json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": "ECRRepositoryClass",
        "metadata": {"name": name},
        "spec": {
            "registry": {"accountId": "222222222222", "region": "ap-southeast-1"},
            "assumeRole": {
                "roleArn": "arn:aws:iam::222222222222:role/ecr-operator",
                "externalId": EXTERNAL_ID,
            },
            "allowedNamespaces": {},
        },
    });
    class.to_string()
}

/// What AWS says of a signature that does not match: the request that it should have signed, with its token.
fn echo() -> String {
    format!(
        "The request signature we calculated does not match the signature you provided.\n\nThe Canonical String \
         for this request should have been\n'POST\n/\n\nhost:api.ecr.ap-southeast-1.amazonaws.com\n\
         x-amz-security-token:{SESSION_TOKEN}\n\nhost;x-amz-security-token'\n"
    )
}

/// Answers of AWS that a program would like to quote.
fn unkind(world: &World) {
    for operation in ["AssumeRole", "CreateRepository", "GetCallerIdentity"] {
        world.emulator.inject(Fault::on(operation).truncate());
        world.emulator.inject(Fault::on(operation).lose_answer());
        let refused = Fault::on(operation).fail(403, "SignatureDoesNotMatch", &echo());
        world.emulator.inject(refused);
        let wrapped = format!("No. Encoded authorization failure message: {SESSION_TOKEN}");
        let denied = Fault::on(operation).fail(403, "AccessDenied", &wrapped);
        world.emulator.inject(denied);
    }
}

#[tokio::test]
async fn no_secret_shows_up_however_loud_the_operator_is() {
    let mut world = World::without_operator("secrets").await;
    let canaries = Canaries::of(&world.server)
        .and("the session token", SESSION_TOKEN)
        .and("the external id", EXTERNAL_ID)
        .and("a token that STS handed out", HANDED_OUT);
    let member = world.namespace.clone();
    let apply = ["apply", "-f", "-"];
    let kubectl = world.server.kubectl.clone();
    kubectl.run_with(&apply, &class(&member)).await.unwrap();
    world.emulator.configure(|it| {
        let role = "arn:aws:iam::222222222222:role/ecr-operator".to_owned();
        it.role_external_ids.insert(role, EXTERNAL_ID.to_owned());
    });
    unkind(&world);
    world.flag(LOUDEST);
    let environment = [
        ("AWS_SESSION_TOKEN", SESSION_TOKEN),
        ("RUST_LOG", "trace"),
        ("RUST_BACKTRACE", "full"),
    ];
    world.start_operator_with(&environment).await;
    world
        .apply(
            "own",
            json!({"lifecyclePolicy": crate::samples::keep_last(3)}),
        )
        .await;
    world.apply("member", json!({"className": member})).await;
    world.ready("own").await;
    world.ready("member").await;
    let handed_out = world.count("AssumeRole");
    assert!(
        handed_out > 3,
        "AssumeRole failed three times, and then not"
    );

    let log = world.operator().log();
    for target in ["TRACE", "ecr_operator"] {
        assert!(log.contains(target), "it is not loud:\n{log}");
    }
    canaries.are_not_in("the log", &log);
    for (path, text) in world.operator().pages().await {
        canaries.are_not_in(path, &text);
    }
    for name in ["own", "member"] {
        let object = world.get(name).await;
        assert_eq!(condition(&object, "Ready"), Some(("True", "Synced")));
        canaries.are_not_in("an object", &serde_json::to_string(&object).unwrap());
        canaries.are_not_in("an event", &format!("{:?}", world.events(name).await));
    }
    for object in [["ecrrepo", "member"], ["ecrclass", &member]] {
        let delete = ["delete", object[0], object[1], "-n", &member];
        kubectl.run(&delete).await.unwrap();
    }
    // The usual end knows one account and one class alone.
    let log = world.release_operator().stop().await;
    canaries.are_not_in("the log", &log);
    assert!(!log.contains("panicked"), "{log}");
}
