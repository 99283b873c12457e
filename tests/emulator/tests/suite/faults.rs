//! Faults: each kind, whom they hit, and what the log says of it.

use std::time::{Duration, Instant};

use ecr_emulator::{Emulator, Fault, Forever, Times};
use serde_json::json;

use crate::support::{
    ACCOUNT, REGION, arn, assert_refused, authorization, client, client_of, create, http, refused,
    start,
};

#[tokio::test]
async fn a_fault_skips_strikes_and_goes() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    emulator.inject(Fault::on("ListTagsForResource").skip(1).times(2).throttle());
    let mut codes = Vec::new();
    for _ in 0..4 {
        let answer = client
            .list_tags_for_resource()
            .resource_arn(arn("api"))
            .send()
            .await;
        codes.push(answer.is_ok());
        if answer.is_err() {
            assert_refused(answer, "ThrottlingException", "Rate exceeded");
        }
        // Another operation is not hit.
        client.describe_repositories().send().await.unwrap();
    }
    assert_eq!(codes, [true, false, false, true]);
    let faults: Vec<_> = emulator
        .log()
        .into_iter()
        .filter(|call| call.operation == "ListTagsForResource")
        .map(|call| (call.fault, call.applied))
        .collect();
    let hit = || (Some("throttle".to_owned()), false);
    assert_eq!(faults, [(None, true), hit(), hit(), (None, true)]);
}

#[tokio::test]
async fn a_fault_may_strike_every_third_call_alone() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    emulator.inject(Fault::any().skip(1).every(3).times(2).throttle());
    let mut answered = Vec::new();
    for _ in 0..10 {
        let list = client.list_tags_for_resource().resource_arn(arn("api"));
        answered.push(u8::from(list.send().await.is_ok()));
    }
    assert_eq!(answered, [1, 1, 1, 0, 1, 1, 0, 1, 1, 1]);
}

#[tokio::test]
async fn a_fault_may_strike_by_chance_and_the_same_seed_throws_the_same() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    let mut all = Vec::new();
    for seed in [7, 7, 8] {
        emulator.inject(Fault::any().percent(60, seed).forever().throttle());
        let mut answered = Vec::new();
        for _ in 0..200 {
            let list = client.list_tags_for_resource().resource_arn(arn("api"));
            answered.push(list.send().await.is_ok());
        }
        let hit = answered.iter().filter(|is_ok| !**is_ok).count();
        assert!((90..=150).contains(&hit), "{hit} of 200");
        emulator.clear_faults();
        all.push(answered);
    }
    assert_eq!(all[0], all[1]);
    assert_ne!(all[0], all[2]);
}

#[tokio::test]
async fn the_three_refusals_look_like_those_of_aws() {
    let emulator = start().await;
    create(&emulator, "team/api");
    let client = client(&emulator);
    let delete = || {
        client
            .delete_repository()
            .repository_name("team/api")
            .send()
    };
    emulator.inject(Fault::on("DeleteRepository").deny());
    assert_refused(
        delete().await,
        "AccessDeniedException",
        "User: arn:aws:iam::111122223333:user/emulator is not authorized to perform: \
         ecr:DeleteRepository on resource: \
         arn:aws:ecr:eu-central-1:111122223333:repository/team/api because no identity-based \
         policy allows the ecr:DeleteRepository action",
    );
    emulator.inject(Fault::any().fail(400, "KmsException", "key gone"));
    assert_refused(delete().await, "KmsException", "key gone");
    emulator.inject(Fault::any().server_error());
    let error = delete().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 500);
    assert_eq!(refused::<(), _>(Err(error)).0, "ServerException");
    delete().await.unwrap();
}

#[tokio::test]
async fn a_fault_may_be_for_some_only() {
    let emulator = start().await;
    let mine = client_of(&emulator, "AKIAMINE", REGION);
    let others = client_of(&emulator, ACCOUNT, "us-east-1");
    for (fault, hits_mine) in [
        (Fault::any().account("123456789012"), true),
        (Fault::any().account(ACCOUNT), false),
        (Fault::any().region(REGION), true),
        (Fault::any().region("us-east-1"), false),
        (Fault::any().access_key("AKIAMINE"), true),
        (Fault::any().access_key(ACCOUNT), false),
    ] {
        emulator.inject(fault.clone().forever());
        assert_eq!(
            mine.describe_repositories().send().await.is_err(),
            hits_mine,
            "{fault:?}"
        );
        assert_eq!(
            others.describe_repositories().send().await.is_err(),
            !hits_mine,
            "{fault:?}"
        );
        emulator.clear_faults();
    }
    mine.create_repository()
        .repository_name("one")
        .send()
        .await
        .unwrap();
    mine.create_repository()
        .repository_name("two")
        .send()
        .await
        .unwrap();
    emulator.inject(Fault::any().repository("one").forever().throttle());
    let tags = |name: &str| {
        let arn = format!("arn:aws:ecr:{REGION}:123456789012:repository/{name}");
        mine.list_tags_for_resource().resource_arn(arn).send()
    };
    assert!(tags("one").await.is_err());
    tags("two").await.unwrap();
    let delete = |name: &str| mine.delete_repository().repository_name(name).send();
    assert!(delete("one").await.is_err());
    delete("two").await.unwrap();
}

/// Creates a repository over a connection that is cut, and then again; what the second call says.
async fn create_twice(emulator: &Emulator, fault: Fault) -> Result<(), String> {
    let client = client(emulator);
    emulator.inject(fault);
    let create = || client.create_repository().repository_name("api").send();
    let lost = create().await.unwrap_err();
    assert!(lost.as_service_error().is_none(), "{lost:?}");
    let again = create().await;
    again
        .map(drop)
        .map_err(|error| refused::<(), _>(Err(error)).0)
}

#[tokio::test]
async fn a_lost_answer_takes_effect() {
    let emulator = start().await;
    let again = create_twice(&emulator, Fault::on("CreateRepository").lose_answer()).await;
    assert_eq!(again, Err("RepositoryAlreadyExistsException".to_owned()));
    let call = &emulator.log()[0];
    assert!(call.applied);
    assert_eq!(call.fault.as_deref(), Some("loseAnswer"));
    assert_eq!(
        call.answer.as_ref().unwrap()["repository"]["repositoryName"],
        "api"
    );
}

#[tokio::test]
async fn a_dropped_call_has_no_effect() {
    let emulator = start().await;
    let again = create_twice(&emulator, Fault::on("CreateRepository").drop_call()).await;
    assert_eq!(again, Ok(()));
    let call = &emulator.log()[0];
    assert!(!call.applied);
    assert_eq!(call.answer.as_ref().unwrap_err().code, "ConnectionReset");
}

#[tokio::test]
async fn a_cut_connection_carries_not_a_byte() {
    let emulator = start().await;
    for fault in [Fault::any().lose_answer(), Fault::any().drop_call()] {
        emulator.inject(fault);
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            (
                "x-amz-target",
                "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories",
            ),
            ("authorization", &authorization(ACCOUNT, REGION, "ecr")),
        ];
        assert_eq!(http(&emulator, "POST", "/", &headers, "{}").await, None);
    }
    assert_eq!(emulator.calls().get("DescribeRepositories"), Some(&2));
}

#[tokio::test]
async fn delays_add_up_and_then_the_call_goes_on() {
    let emulator = start().await;
    let client = client(&emulator);
    emulator.inject(Fault::any().delay(Duration::from_millis(30)));
    emulator.inject(Fault::any().delay(Duration::from_millis(20)));
    emulator.inject(Fault::any().throttle());
    let start = Instant::now();
    let answer = client.describe_repositories().send().await;
    assert!(start.elapsed() >= Duration::from_millis(50));
    assert_eq!(refused(answer).0, "ThrottlingException");
    assert_eq!(
        emulator.log()[0].fault.as_deref(),
        Some("delay 50 ms, throttle")
    );
    emulator.configure(|settings| settings.latency_millis = 25);
    let start = Instant::now();
    client.describe_repositories().send().await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(25));
}

#[tokio::test]
async fn what_is_answered_late_has_taken_effect_by_then() {
    let emulator = start().await;
    let client = client(&emulator);
    let wait = Duration::from_millis(200);
    emulator.inject(Fault::on("CreateRepository").delay_answer(wait));
    let start = Instant::now();
    let created = async {
        let create = client.create_repository().repository_name("api");
        create.send().await.unwrap();
        start.elapsed()
    };
    let there = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while emulator.repository(ACCOUNT, REGION, "api").is_none() {
            ticks.tick().await;
        }
        start.elapsed()
    };
    let (answered, applied) = tokio::join!(created, there);
    assert!(applied < answered && answered >= wait);
    let call = &emulator.log()[0];
    assert!(call.applied && call.answered - call.arrived >= wait.as_secs_f64());
    assert_eq!(call.fault.as_deref(), Some("delayAnswer 200 ms"));
}

/// IAM judges each resource of a call (Service Authorization Reference, "Actions, resources, and condition keys for
/// Amazon ECR").
#[tokio::test]
async fn a_fault_of_one_repository_hits_each_list_that_names_it() {
    let emulator = start().await;
    let client = client(&emulator);
    for name in ["one", "two"] {
        create(&emulator, name);
    }
    let fault = Fault::on("DescribeRepositories")
        .repository("one")
        .forever();
    emulator.inject(fault.deny());
    let describe = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let describe = client.describe_repositories();
        describe.set_repository_names(Some(names)).send()
    };
    let (_, message) = refused(describe(&["one", "two"]).await);
    assert!(message.contains("repository/one "), "{message}");
    assert!(describe(&["one"]).await.is_err());
    describe(&["two"]).await.unwrap();
    client.describe_repositories().send().await.unwrap();
    emulator.clear_faults();
    emulator.inject(Fault::any().no_repository().throttle());
    describe(&["one", "two"]).await.unwrap();
    assert!(client.describe_repositories().send().await.is_err());
}

#[tokio::test]
async fn a_late_call_takes_effect_though_nobody_waits_for_it() {
    let emulator = start().await;
    let client = client(&emulator);
    let late = Duration::from_millis(300);
    emulator.inject(Fault::on("CreateRepository").late(late));
    let create = client.create_repository().repository_name("api").send();
    let given_up = tokio::time::timeout(late / 3, create).await;
    assert!(given_up.is_err());
    assert_eq!(emulator.repositories(ACCOUNT, REGION), [""; 0]);
    while emulator.log().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(emulator.repositories(ACCOUNT, REGION), ["api"]);
    let call = &emulator.log()[0];
    assert_eq!(call.fault.as_deref(), Some("late 300 ms"));
    assert!(call.answered - call.arrived >= late.as_secs_f64());
}

#[tokio::test]
async fn a_list_may_have_no_end() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    emulator.inject(Fault::on("DescribeRepositories").times(3).repeat_token());
    let list = |token: Option<&str>| {
        let list = client.describe_repositories();
        list.set_next_token(token.map(ToOwned::to_owned)).send()
    };
    let mut token = None;
    for _ in 0..3 {
        let page = list(token.as_deref()).await.unwrap();
        assert_eq!(page.repositories().len(), 1);
        assert_eq!(page.next_token(), Some("again"));
        token = Some("again".to_owned());
    }
    assert_eq!(
        refused(list(token.as_deref()).await).0,
        "InvalidParameterException"
    );
    assert_eq!(list(None).await.unwrap().next_token(), None);
}

#[test]
fn faults_are_written_as_the_readme_says() {
    let full = json!({
        "operation": "PutImage", "account": ACCOUNT, "region": REGION, "repository": "api",
        "accessKey": "AKIA", "skip": 2, "every": 3, "percent": 60, "seed": 7, "times": "forever",
        "effect": { "fail": { "code": "KmsException", "message": "m", "status": 400 } },
    });
    let fault: Fault = serde_json::from_value(full.clone()).unwrap();
    let built = Fault::on("PutImage")
        .account(ACCOUNT)
        .region(REGION)
        .repository("api")
        .access_key("AKIA")
        .skip(2)
        .every(3)
        .percent(60, 7)
        .forever()
        .fail(400, "KmsException", "m");
    assert_eq!(fault, built);
    assert_eq!(serde_json::to_value(&built).unwrap(), full);
    assert_eq!(built.times, Times::Always(Forever::Forever));
    for (effect, built) in [
        (json!("throttle"), Fault::any().throttle()),
        (json!("deny"), Fault::any().deny()),
        (json!("loseAnswer"), Fault::any().lose_answer()),
        (json!("drop"), Fault::any().drop_call()),
        (json!("repeatToken"), Fault::any().repeat_token()),
        (
            json!({ "late": { "millis": 7 } }),
            Fault::any().late(Duration::from_millis(7)),
        ),
        (
            json!({ "delay": { "millis": 5 } }),
            Fault::any().delay(Duration::from_millis(5)),
        ),
        (
            json!({ "delayAnswer": { "millis": 5 } }),
            Fault::any().delay_answer(Duration::from_millis(5)),
        ),
    ] {
        let fault: Fault = serde_json::from_value(json!({ "effect": effect })).unwrap();
        assert_eq!(fault, built);
    }
}
