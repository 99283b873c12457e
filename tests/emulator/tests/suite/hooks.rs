//! Log, counters and the hooks over HTTP.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ecr_emulator::{Fault, Settings};
use serde_json::{Value, json};

use crate::support::{
    ACCOUNT, REGION, apply, arn, client, client_of, create, hook, post, push, start,
};

#[tokio::test]
async fn the_log_tells_what_each_call_met_and_did() {
    let emulator = start().await;
    let client = client(&emulator);
    client
        .create_repository()
        .repository_name("api")
        .send()
        .await
        .unwrap();
    let tag = json!({ "resourceArn": arn("api"), "tags": [{ "Key": "owner", "Value": "a/b" }] });
    let (_, _) = post(&emulator, "TagResource", tag.clone()).await;
    push(&client, "api", &["v1"]).await;
    emulator.reset();
    let _ = post(&emulator, "TagResource", tag.clone()).await;
    let _ = post(&emulator, "DescribeRepositories", json!({})).await;
    let _ = client
        .delete_repository()
        .repository_name("api")
        .send()
        .await;
    let _ = client
        .delete_repository()
        .repository_name("none")
        .send()
        .await;
    let log = emulator.log();
    let seqs: Vec<u64> = log.iter().map(|call| call.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4]);
    let owner = Some([("owner".to_owned(), "a/b".to_owned())].into());
    assert_eq!(log[0].operation, "TagResource");
    assert_eq!(log[0].input, tag);
    assert_eq!(log[0].owner_before, owner);
    assert_eq!((log[0].existed_before, log[0].images_before), (true, 1));
    assert_eq!(
        (log[0].account.as_str(), log[0].region.as_str()),
        (ACCOUNT, REGION)
    );
    assert_eq!(log[0].access_key, ACCOUNT);
    assert_eq!(log[1].owner_before, None);
    assert_eq!(
        log[1].answer.as_ref().unwrap()["repositories"][0]["repositoryName"],
        "api"
    );
    assert_eq!(log[2].owner_before, owner);
    let refusal = log[2].answer.as_ref().unwrap_err();
    assert_eq!(
        (refusal.code.as_str(), refusal.status),
        ("RepositoryNotEmptyException", 400)
    );
    assert!(!log[2].applied);
    assert!(
        log[2].user_agent.contains("aws-sdk-rust"),
        "{}",
        log[2].user_agent
    );
    assert!(!log[3].existed_before);
}

#[tokio::test]
async fn the_log_tells_by_the_real_clock_when_a_call_came_and_when_it_was_answered() {
    let emulator = start().await;
    emulator.advance(Duration::from_hours(1));
    let slow = Fault::on("DescribeRepositories").delay(Duration::from_millis(300));
    emulator.inject(slow);
    let since_1970 = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let before = since_1970().as_secs_f64();
    let _ = post(&emulator, "DescribeRepositories", json!({})).await;
    let after = since_1970().as_secs_f64();
    let call = &emulator.log()[0];
    // Times are to the millisecond.
    assert!(call.arrived >= before - 0.001 && call.answered <= after);
    assert!(call.answered - call.arrived >= 0.299);
    assert!(
        call.time > after + 3_000.0,
        "the virtual clock goes on its own"
    );
}

#[tokio::test]
async fn counters_count_every_call_of_everybody() {
    let emulator = start().await;
    let mine = client(&emulator);
    let other = client_of(&emulator, "444455556666", "us-east-1");
    mine.create_repository()
        .repository_name("api")
        .send()
        .await
        .unwrap();
    other
        .create_repository()
        .repository_name("api")
        .send()
        .await
        .unwrap();
    emulator.inject(Fault::on("CreateRepository").throttle());
    mine.create_repository()
        .repository_name("more")
        .send()
        .await
        .unwrap_err();
    mine.describe_repositories().send().await.unwrap();
    let expected = json!({ "CreateRepository": 3, "DescribeRepositories": 1 });
    assert_eq!(
        hook(&emulator, "GET", "calls", Value::Null).await,
        (200, expected)
    );
    let (_, log) = hook(&emulator, "GET", "log", Value::Null).await;
    assert_eq!(log[2]["answer"]["Err"]["code"], "ThrottlingException");
    assert_eq!(log[0]["answer"]["Ok"]["repository"]["registryId"], ACCOUNT);
    assert_eq!(log[0]["existedBefore"], false);
    hook(&emulator, "POST", "reset", Value::Null).await;
    assert_eq!(
        hook(&emulator, "GET", "calls", Value::Null).await,
        (200, json!({}))
    );
    assert_eq!(
        hook(&emulator, "GET", "log", Value::Null).await,
        (200, json!([]))
    );
    assert_eq!(emulator.repositories(ACCOUNT, REGION), ["api"]);
}

#[tokio::test]
async fn wiping_leaves_nothing() {
    let emulator = start().await;
    create(&emulator, "api");
    emulator.configure(|settings| settings.repositories_quota = 1);
    emulator.inject(Fault::any().forever().throttle());
    client(&emulator)
        .describe_repositories()
        .send()
        .await
        .unwrap_err();
    hook(&emulator, "POST", "wipe", Value::Null).await;
    assert!(emulator.repositories(ACCOUNT, REGION).is_empty());
    assert!(emulator.log().is_empty());
    assert_eq!(emulator.settings(), Settings::default());
    client(&emulator)
        .describe_repositories()
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn faults_come_and_go_over_http() {
    let emulator = start().await;
    let one =
        json!({ "operation": "DescribeRepositories", "times": "forever", "effect": "throttle" });
    let two = json!([{ "effect": "drop" }, { "effect": { "fail": { "code": "X" } } }]);
    assert_eq!(hook(&emulator, "POST", "faults", one).await.0, 200);
    let (status, faults) = hook(&emulator, "POST", "faults", two).await;
    assert_eq!((status, faults.as_array().map(Vec::len)), (200, Some(3)));
    client(&emulator)
        .describe_repositories()
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        hook(&emulator, "DELETE", "faults", Value::Null).await.0,
        200
    );
    assert_eq!(
        hook(&emulator, "GET", "faults", Value::Null).await.1,
        json!([])
    );
    client(&emulator)
        .describe_repositories()
        .send()
        .await
        .unwrap();
    for wrong in [
        json!({}),
        json!({ "effect": "explode" }),
        json!({ "effect": "drop", "operations": "X" }),
    ] {
        let (status, body) = hook(&emulator, "POST", "faults", wrong).await;
        assert_eq!(status, 400);
        assert!(
            body["message"]
                .as_str()
                .unwrap()
                .starts_with("Not a fault: "),
            "{body}"
        );
    }
}

#[tokio::test]
async fn settings_keep_what_is_not_sent() {
    let emulator = start().await;
    let first =
        json!({ "repositoriesQuota": 5, "unknownPrincipals": { "arn:aws:iam::1:role/a": 3 } });
    assert_eq!(hook(&emulator, "POST", "settings", first).await.0, 200);
    let (_, after) = hook(&emulator, "POST", "settings", json!({ "latencyMillis": 1 })).await;
    assert_eq!(after["repositoriesQuota"], 5);
    assert_eq!(after["latencyMillis"], 1);
    assert_eq!(
        hook(&emulator, "GET", "settings", Value::Null).await.1,
        after
    );
    assert_eq!(
        emulator.settings().unknown_principals["arn:aws:iam::1:role/a"],
        Some(3)
    );
    for wrong in [
        json!({ "latency": 1 }),
        json!({ "latencyMillis": "1" }),
        json!([]),
    ] {
        assert_eq!(hook(&emulator, "POST", "settings", wrong).await.0, 400);
    }
}

#[tokio::test]
async fn answers_may_be_kept_out_of_the_log() {
    let emulator = start().await;
    emulator.configure(|settings| settings.log_answers = false);
    client(&emulator)
        .describe_repositories()
        .send()
        .await
        .unwrap();
    assert_eq!(emulator.log()[0].answer, Ok(Value::Null));
}

#[tokio::test]
async fn an_outsider_calls_over_http_too() {
    let emulator = start().await;
    let call = |input: Value| json!({ "account": ACCOUNT, "region": REGION, "operation": "CreateRepository", "input": input });
    let (_, created) = hook(
        &emulator,
        "POST",
        "call",
        call(json!({ "repositoryName": "api" })),
    )
    .await;
    assert_eq!(created["Ok"]["repository"]["repositoryArn"], arn("api"));
    let (status, refused) = hook(&emulator, "POST", "call", call(json!({}))).await;
    assert_eq!(
        (status, &refused["Err"]["code"]),
        (200, &json!("InvalidParameterException"))
    );
    assert!(emulator.log().is_empty());
    let (status, body) = hook(&emulator, "GET", "nothing", Value::Null).await;
    assert_eq!(status, 404);
    assert!(body["message"].as_str().unwrap().contains("GET calls"));
}

#[tokio::test]
async fn a_state_is_a_copy() {
    let emulator = start().await;
    create(&emulator, "api");
    let before = emulator.repository(ACCOUNT, REGION, "api").unwrap();
    let scanning = json!({ "scanOnPush": true });
    let input = json!({ "repositoryName": "api", "imageScanningConfiguration": scanning });
    apply(&emulator, "PutImageScanningConfiguration", input);
    assert!(!before.scan_on_push);
    assert!(
        emulator
            .repository(ACCOUNT, REGION, "api")
            .unwrap()
            .scan_on_push
    );
    assert_eq!(emulator.repository(ACCOUNT, "us-east-1", "api"), None);
}
