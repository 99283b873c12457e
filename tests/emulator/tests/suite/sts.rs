//! What stands beside ECR: STS.

use std::time::Duration;

use aws_credential_types::Credentials;
use base64::Engine as _;
use ecr_emulator::{Emulator, Fault};
use serde_json::{Value, json};

use crate::support::{ACCOUNT, REGION, assert_refused, key, refused, sdk, start};

const ROLE: &str = "arn:aws:iam::444455556666:role/team/deployer";

fn sts(emulator: &Emulator, credentials: Credentials) -> aws_sdk_sts::Client {
    aws_sdk_sts::Client::new(&sdk(emulator, credentials, REGION))
}

fn own() -> Credentials {
    key(ACCOUNT)
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
        let config = sdk(&emulator, handed_out(credentials, token), REGION);
        aws_sdk_ecr::Client::new(&config)
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
