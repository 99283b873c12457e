//! What stands beside ECR: STS and the Resource Groups Tagging API.

use std::time::Duration;

use aws_sdk_sts::config::{BehaviorVersion, Credentials, Region};
use base64::Engine as _;
use ecr_emulator::{Emulator, Fault};
use serde_json::{Value, json};

use crate::support::{
    ACCOUNT, REGION, apply, arn, assert_refused, authorization, create, http, refused, start,
};

const ROLE: &str = "arn:aws:iam::444455556666:role/team/deployer";

fn sts(emulator: &Emulator, credentials: Credentials) -> aws_sdk_sts::Client {
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(emulator.url())
        .region(Region::from_static(REGION))
        .credentials_provider(credentials)
        .retry_config(aws_sdk_sts::config::retry::RetryConfig::disabled())
        .build();
    aws_sdk_sts::Client::from_conf(config)
}

fn own() -> Credentials {
    Credentials::new(ACCOUNT, "secret", None, None, "test")
}

fn handed_out(credentials: &aws_sdk_sts::types::Credentials, token: Option<&str>) -> Credentials {
    Credentials::new(
        credentials.access_key_id(),
        credentials.secret_access_key(),
        token.map(str::to_owned),
        None,
        "test",
    )
}

#[tokio::test]
async fn the_account_follows_the_credentials_of_a_role() {
    let emulator = start().await;
    let assume = sts(&emulator, own())
        .assume_role()
        .role_arn(ROLE)
        .role_session_name("ci@1")
        .send();
    let assumed = assume.await.unwrap();
    let user = assumed.assumed_role_user().unwrap();
    assert_eq!(
        user.arn(),
        "arn:aws:sts::444455556666:assumed-role/deployer/ci@1"
    );
    let credentials = assumed.credentials().unwrap();
    let lasts = credentials.expiration().as_secs_f64() - emulator.now();
    assert!((3590.0..=3600.0).contains(&lasts), "{lasts}");
    let role = sts(
        &emulator,
        handed_out(credentials, Some(credentials.session_token())),
    );
    let identity = role.get_caller_identity().send().await.unwrap();
    assert_eq!(identity.account(), Some("444455556666"));
    assert_eq!(identity.arn(), Some(user.arn()));
    assert_eq!(identity.user_id(), Some(user.assumed_role_id()));
    // ECR too, and wiping takes nothing from the credentials.
    emulator.wipe();
    let ecr = |token: Option<&str>| {
        let config = aws_sdk_ecr::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(emulator.url())
            .region(Region::from_static(REGION))
            .credentials_provider(handed_out(credentials, token))
            .retry_config(aws_sdk_sts::config::retry::RetryConfig::disabled())
            .build();
        aws_sdk_ecr::Client::from_conf(config)
    };
    let create = ecr(Some(credentials.session_token()));
    create
        .create_repository()
        .repository_name("api")
        .send()
        .await
        .unwrap();
    assert_eq!(emulator.repositories("444455556666", REGION), ["api"]);
    assert_eq!(emulator.log()[0].account, "444455556666");
    emulator.inject(Fault::any().deny());
    let denied = create.describe_repositories().send().await;
    assert!(
        refused(denied)
            .1
            .starts_with(&format!("User: {} is not authorized", user.arn()))
    );
    for token in [None, Some("another")] {
        let answer = ecr(token).describe_repositories().send().await;
        assert_eq!(refused(answer).0, "UnrecognizedClientException");
    }
    let chained = role.assume_role().role_arn(ROLE).role_session_name("ci");
    let answer = chained.duration_seconds(3601).send().await;
    assert!(refused(answer).1.contains("role chaining"));
    emulator.advance(Duration::from_hours(1));
    let answer = create.describe_repositories().send().await;
    assert_eq!(refused(answer).0, "ExpiredTokenException");
}

#[tokio::test]
async fn a_role_is_refused_in_the_words_of_sts() {
    let emulator = start().await;
    emulator.configure(|settings| {
        settings
            .role_external_ids
            .insert(ROLE.to_owned(), "abc".to_owned());
    });
    let client = sts(&emulator, own());
    let assume = |role: &str, session: &str| {
        client
            .assume_role()
            .role_arn(role)
            .role_session_name(session)
    };
    let message = format!(
        "User: arn:aws:iam::{ACCOUNT}:user/emulator is not authorized to perform: sts:AssumeRole \
         on resource: {ROLE}"
    );
    assert_refused(assume(ROLE, "ci").send().await, "AccessDenied", &message);
    assert_refused(
        assume(ROLE, "ci").external_id("x1").send().await,
        "AccessDenied",
        &message,
    );
    assume(ROLE, "ci").external_id("abc").send().await.unwrap();
    emulator.configure(|settings| {
        settings.denied_roles.insert(ROLE.to_owned());
    });
    let denied = assume(ROLE, "ci").external_id("abc").send().await;
    assert_refused(denied, "AccessDenied", &message);
    for (role, session, seconds, part) in [
        (
            ROLE,
            "a b",
            900,
            "satisfy regular expression pattern: [\\w+=,.@-]*",
        ),
        (ROLE, "a", 900, "length greater than or equal to 2"),
        (ROLE, "ci", 899, "value greater than or equal to 900"),
        (ROLE, "ci", 43_201, "value less than or equal to 43200"),
        ("arn:aws:iam::1:r/x", "ci", 900, "at 'roleArn' failed"),
        (
            "arn:aws:iam::444455556666:user/x",
            "ci",
            900,
            "user/x is invalid",
        ),
    ] {
        let answer = assume(role, session).duration_seconds(seconds).send().await;
        let (code, message) = refused(answer);
        assert_eq!(code, "ValidationError");
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn a_web_identity_needs_no_credentials() {
    let emulator = start().await;
    let now = emulator.now();
    let token = |expires: f64| {
        let encode = |value: Value| {
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
        };
        let claims = json!({
            "iss": "https://oidc.test", "sub": "system:serviceaccount:a:b",
            "aud": ["sts.amazonaws.com"], "exp": expires,
        });
        format!(
            "{}.{}.c2ln",
            encode(json!({ "alg": "RS256" })),
            encode(claims)
        )
    };
    let assume = |token: String| {
        sts(&emulator, own())
            .assume_role_with_web_identity()
            .role_arn(ROLE)
            .role_session_name("pod")
            .web_identity_token(token)
            .send()
    };
    let assumed = assume(token(now + 100.0)).await.unwrap();
    assert_eq!(
        assumed.subject_from_web_identity_token(),
        Some("system:serviceaccount:a:b")
    );
    assert_eq!(assumed.audience(), Some("sts.amazonaws.com"));
    let credentials = assumed.credentials().unwrap();
    let role = sts(
        &emulator,
        handed_out(credentials, Some(credentials.session_token())),
    );
    let identity = role.get_caller_identity().send().await.unwrap();
    assert_eq!(identity.account(), Some("444455556666"));
    assert_eq!(
        refused(assume("no-jwt".to_owned()).await).0,
        "InvalidIdentityToken"
    );
    emulator.advance(Duration::from_mins(2));
    let (code, message) = refused(assume(token(now + 100.0)).await);
    assert_eq!(code, "ExpiredTokenException");
    assert!(
        message.starts_with("Token expired: current date/time 20"),
        "{message}"
    );
}

/// A call of the Resource Groups Tagging API.
async fn resources(emulator: &Emulator, input: Value) -> (u16, Value) {
    let headers = [
        ("content-type", "application/x-amz-json-1.1"),
        (
            "x-amz-target",
            "ResourceGroupsTaggingAPI_20170126.GetResources",
        ),
        ("authorization", &authorization(ACCOUNT, REGION, "tagging")),
    ];
    let answer = http(emulator, "POST", "/", &headers, &input.to_string()).await;
    let (status, body) = answer.unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

async fn names(emulator: &Emulator, input: Value) -> Vec<String> {
    let (status, answer) = resources(emulator, input).await;
    assert_eq!(status, 200, "{answer}");
    let list = answer["ResourceTagMappingList"].as_array().unwrap();
    list.iter()
        .map(|resource| {
            let arn = resource["ResourceARN"].as_str().unwrap();
            arn.rsplit_once('/').unwrap().1.to_owned()
        })
        .collect()
}

fn tagged(emulator: &Emulator, name: &str, key: &str, value: &str) {
    let tags = json!([{ "Key": key, "Value": value }]);
    apply(
        emulator,
        "CreateRepository",
        json!({ "repositoryName": name, "tags": tags }),
    );
}

#[tokio::test]
async fn resources_are_filtered_and_paged_by_hundreds() {
    let emulator = start().await;
    create(&emulator, "plain");
    for number in 0..150 {
        tagged(
            &emulator,
            &format!("r{number:03}"),
            "owner",
            if number < 3 { "a" } else { "b" },
        );
    }
    let (_, first) = resources(
        &emulator,
        json!({ "ResourceTypeFilters": ["ecr:repository"] }),
    )
    .await;
    assert_eq!(
        first["ResourceTagMappingList"].as_array().unwrap().len(),
        100
    );
    assert_eq!(
        first["ResourceTagMappingList"][0],
        json!({ "ResourceARN": arn("r000"), "Tags": [{ "Key": "owner", "Value": "a" }] })
    );
    let more = json!({
        "ResourceTypeFilters": ["ecr:repository"], "PaginationToken": first["PaginationToken"],
    });
    let (_, rest) = resources(&emulator, more).await;
    assert_eq!(rest["ResourceTagMappingList"].as_array().unwrap().len(), 50);
    assert_eq!(rest["PaginationToken"], "");
    let filter =
        |key: &str, values: Value| json!({ "TagFilters": [{ "Key": key, "Values": values }] });
    assert_eq!(
        names(&emulator, filter("owner", json!(["a", "z"])))
            .await
            .len(),
        3
    );
    assert_eq!(
        names(&emulator, filter("owner", json!([]))).await.len(),
        100
    );
    assert!(
        names(&emulator, filter("other", json!([])))
            .await
            .is_empty()
    );
    assert!(
        names(&emulator, json!({ "ResourceTypeFilters": ["s3"] }))
            .await
            .is_empty()
    );
    let one = json!({ "ResourceARNList": [arn("r007"), arn("none")] });
    assert_eq!(names(&emulator, one).await, ["r007"]);
    for (wrong, code) in [
        (
            json!({ "ResourcesPerPage": 101 }),
            "InvalidParameterException",
        ),
        (
            json!({ "ResourceARNList": [arn("r007")], "ResourcesPerPage": 5 }),
            "InvalidParameterException",
        ),
        (
            json!({ "PaginationToken": "made-up" }),
            "PaginationTokenExpiredException",
        ),
    ] {
        let (status, answer) = resources(&emulator, wrong).await;
        assert_eq!((status, &answer["__type"]), (400, &json!(code)));
    }
}

#[tokio::test]
async fn resources_are_as_late_as_the_settings_say() {
    let emulator = start().await;
    emulator.configure(|settings| settings.tagging_lag_millis = 60_000);
    let all = async || names(&emulator, json!({})).await;
    tagged(&emulator, "api", "owner", "a");
    assert!(all().await.is_empty());
    emulator.advance(Duration::from_mins(1));
    assert_eq!(all().await, ["api"]);
    let untag = json!({ "resourceArn": arn("api"), "tagKeys": ["owner"] });
    apply(&emulator, "UntagResource", untag);
    let by_tag = || names(&emulator, json!({ "TagFilters": [{ "Key": "owner" }] }));
    assert_eq!(by_tag().await, ["api"]);
    emulator.advance(Duration::from_mins(1));
    // What had tags once is a resource still.
    assert!(by_tag().await.is_empty());
    assert_eq!(all().await, ["api"]);
    apply(
        &emulator,
        "DeleteRepository",
        json!({ "repositoryName": "api" }),
    );
    assert_eq!(all().await, ["api"]);
    emulator.advance(Duration::from_mins(1));
    assert!(all().await.is_empty());
}
