//! Repository policies: the grammar as a table, and the form in which they come back.

use serde_json::{Value, json};

use crate::support::{ACCOUNT, REGION, assert_refused, client, create, post, start};

const INVALID: &str = "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid \
                       repository policy provided'";
const ROLE: &str = "arn:aws:iam::444455556666:role/ci/pusher";

fn statement() -> Value {
    json!({
        "Effect": "Allow", "Principal": { "AWS": "444455556666" }, "Action": "ecr:BatchGetImage",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut statement = statement();
    statement[name] = value;
    statement
}

fn without(name: &str) -> Value {
    let mut statement = statement();
    statement.as_object_mut().unwrap().remove(name);
    statement
}

fn instead(name: &str, other: &str, value: Value) -> Value {
    let mut statement = without(name);
    statement[other] = value;
    statement
}

fn of(statement: Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

async fn set(emulator: &ecr_emulator::Emulator, text: &str) -> (u16, Value) {
    let input = json!({ "repositoryName": "api", "policyText": text });
    post(emulator, "SetRepositoryPolicy", input).await
}

#[tokio::test]
async fn what_the_grammar_allows_is_accepted() {
    let emulator = start().await;
    create(&emulator, "api");
    for (what, document) in [
        ("a plain one", of(statement())),
        ("no version", json!({ "Statement": [statement()] })),
        (
            "the old version",
            json!({ "Version": "2008-10-17", "Id": "id", "Statement": statement() }),
        ),
        ("everyone by string", of(with("Principal", json!("*")))),
        (
            "everyone by type",
            of(with("Principal", json!({ "AWS": "*" }))),
        ),
        (
            "many principals",
            of(with(
                "Principal",
                json!({ "AWS": [ROLE, "arn:aws:iam::444455556666:user/a", "arn:aws:sts::444455556666:assumed-role/r/s"], "Service": "lambda.amazonaws.com" }),
            )),
        ),
        (
            "a federated principal",
            of(with(
                "Principal",
                json!({ "Federated": "cognito-identity.amazonaws.com" }),
            )),
        ),
        (
            "a deny with exceptions",
            of(
                json!({ "Effect": "Deny", "NotPrincipal": { "AWS": ROLE }, "NotAction": ["ecr:Get*"] }),
            ),
        ),
        ("all actions", of(with("Action", json!("ecr:*")))),
        ("some actions", of(with("Action", json!("ecr:?etImage*")))),
        (
            "actions in another case, and one that is no operation",
            of(with(
                "Action",
                json!(["ECR:putimage", "ecr:ReplicateImage"]),
            )),
        ),
        ("all actions of all", of(with("Action", json!("*")))),
        (
            "a condition",
            of(with(
                "Condition",
                json!({ "StringEqualsIfExists": { "aws:PrincipalOrgID": ["o-1", "o-2"] }, "Bool": { "aws:SecureTransport": true }, "ForAnyValue:StringLike": { "aws:PrincipalOrgPaths": "o-1/*" } }),
            )),
        ),
        (
            "Sids",
            json!({ "Version": "2012-10-17", "Statement": [with("Sid", json!("One")), with("Sid", json!("allow public pull")), with("Sid", json!("pull/Überall.1:b")), statement()] }),
        ),
        (
            "a Sid twice",
            json!({ "Statement": [with("Sid", json!("a")), with("Sid", json!("a"))] }),
        ),
    ] {
        let (status, body) = set(&emulator, &document.to_string()).await;
        assert_eq!(status, 200, "{what}: {body}");
    }
}

#[tokio::test]
async fn what_the_grammar_forbids_is_refused() {
    let emulator = start().await;
    create(&emulator, "api");
    let principal = |value: Value| of(with("Principal", value));
    let table = [
        ("no statement", json!({ "Version": "2012-10-17" })),
        (
            "empty statements",
            json!({ "Version": "2012-10-17", "Statement": [] }),
        ),
        (
            "another version",
            json!({ "Version": "2024-01-01", "Statement": [statement()] }),
        ),
        (
            "an unknown member",
            json!({ "Statement": [statement()], "Name": "x" }),
        ),
        (
            "an Id that is a number",
            json!({ "Statement": [statement()], "Id": 5 }),
        ),
        ("a statement that is a string", of(json!("Allow"))),
        (
            "an unknown member of a statement",
            of(with("Name", json!("x"))),
        ),
        ("a Resource", of(with("Resource", json!("*")))),
        ("a NotResource", of(with("NotResource", json!("*")))),
        ("no Effect", of(without("Effect"))),
        ("another Effect", of(with("Effect", json!("allow")))),
        ("no Principal", of(without("Principal"))),
        (
            "Principal and NotPrincipal",
            of(with("NotPrincipal", json!({ "AWS": ROLE }))),
        ),
        ("no Action", of(without("Action"))),
        (
            "Action and NotAction",
            of(with("NotAction", json!("ecr:*"))),
        ),
        ("an empty list of actions", of(with("Action", json!([])))),
        (
            "an action of another service",
            of(with("Action", json!(["ecr:PutImage", "s3:GetObject"]))),
        ),
        (
            "an action that ECR does not have",
            of(with("Action", json!("ecr:GetImage"))),
        ),
        (
            "an action that is about no repository",
            of(with("Action", json!("ecr:GetAuthorizationToken"))),
        ),
        (
            "an action without a service",
            of(with("Action", json!("BatchGetImage"))),
        ),
        ("an action that is a number", of(with("Action", json!(1)))),
        (
            "a principal that is another string",
            principal(json!("444455556666")),
        ),
        ("a principal of no type", principal(json!({}))),
        (
            "a principal of an unknown type",
            principal(json!({ "User": "x" })),
        ),
        (
            "an empty list of principals",
            principal(json!({ "AWS": [] })),
        ),
        ("a short account", principal(json!({ "AWS": "1234" }))),
        (
            "a role with a wildcard",
            principal(json!({ "AWS": "arn:aws:iam::444455556666:role/*" })),
        ),
        (
            "an ARN of no principal",
            principal(json!({ "AWS": "arn:aws:s3:::bucket" })),
        ),
        (
            "a unique id",
            principal(json!({ "AWS": "AIDACKCEVSQ6C2EXAMPLE" })),
        ),
        (
            "a service of nobody",
            principal(json!({ "Service": "lambda" })),
        ),
        (
            "a principal of another partition",
            principal(json!({ "AWS": "arn:aws-cn:iam::444455556666:role/pull" })),
        ),
        (
            "an unknown operator",
            of(with(
                "Condition",
                json!({ "StringIs": { "aws:PrincipalOrgID": "o" } }),
            )),
        ),
        (
            "an operator without keys",
            of(with("Condition", json!({ "StringEquals": {} }))),
        ),
        (
            "a condition without values",
            of(with("Condition", json!({ "StringEquals": { "k": [] } }))),
        ),
        (
            "a condition that is null",
            of(with("Condition", Value::Null)),
        ),
    ];
    let texts = table.map(|(what, document)| (what, document.to_string()));
    let unreadable = [("no JSON", "{nope".to_owned()), ("nothing", String::new())];
    for (what, text) in texts.into_iter().chain(unreadable) {
        let (status, body) = set(&emulator, &text).await;
        assert_eq!(status, 400, "{what}: {body}");
        assert_eq!(body["__type"], "InvalidParameterException", "{what}");
        assert_eq!(body["message"], INVALID, "{what}");
    }
    let state = emulator.repository(ACCOUNT, REGION, "api").unwrap();
    assert_eq!(state.policy, None);
}

#[tokio::test]
async fn it_comes_back_pretty_and_normalised() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    let text = json!({
        "Statement": [
            {
                "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                "Principal": { "AWS": ["444455556666", ROLE] },
                "Effect": "Allow",
                "Sid": "Pull",
            },
            {
                "Condition": { "StringEquals": { "aws:PrincipalOrgID": ["o-1"] } },
                "Principal": "*",
                "Effect": "Deny",
                "Action": ["ecr:PutImage"],
            },
        ],
        "Version": "2012-10-17",
    })
    .to_string();
    let stored = r#"{
  "Version" : "2012-10-17",
  "Statement" : [ {
    "Sid" : "Pull",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : [ "arn:aws:iam::444455556666:root", "arn:aws:iam::444455556666:role/ci/pusher" ]
    },
    "Action" : [ "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer" ]
  }, {
    "Effect" : "Deny",
    "Principal" : "*",
    "Action" : "ecr:PutImage",
    "Condition" : {
      "StringEquals" : {
        "aws:PrincipalOrgID" : "o-1"
      }
    }
  } ]
}"#;
    let get = || client.get_repository_policy().repository_name("api").send();
    let delete = || {
        client
            .delete_repository_policy()
            .repository_name("api")
            .send()
    };
    let put = client.set_repository_policy().repository_name("api");
    let answer = put.policy_text(text).send().await.unwrap();
    assert_eq!(answer.policy_text(), Some(stored));
    assert_eq!(get().await.unwrap().policy_text(), Some(stored));
    // What comes back is accepted and comes back the same.
    let (_, again) = set(&emulator, stored).await;
    assert_eq!(again["policyText"], stored);
    assert_eq!(delete().await.unwrap().policy_text(), Some(stored));
    let message = "Repository policy does not exist for the repository with name 'api' in the \
                   registry with id '111122223333'";
    let code = "RepositoryPolicyNotFoundException";
    assert_refused(get().await, code, message);
    assert_refused(delete().await, code, message);
}

#[tokio::test]
async fn an_unknown_principal_is_refused_until_it_has_propagated() {
    let emulator = start().await;
    create(&emulator, "api");
    let document = of(with("Principal", json!({ "AWS": [ROLE, "444455556666"] }))).to_string();
    emulator.configure(|settings| {
        settings.unknown_principals.insert(ROLE.to_owned(), Some(2));
    });
    for _ in 0..2 {
        let (status, body) = set(&emulator, &document).await;
        assert_eq!((status, &body["message"]), (400, &json!(INVALID)));
    }
    assert_eq!(set(&emulator, &document).await.0, 200);
    assert!(emulator.settings().unknown_principals.is_empty());
    let root = "arn:aws:iam::444455556666:root".to_owned();
    emulator.configure(|settings| {
        settings.unknown_principals.insert(root.clone(), None);
    });
    for _ in 0..5 {
        assert_eq!(set(&emulator, &document).await.0, 400);
    }
    emulator.configure(|settings| {
        settings.unknown_principals.remove(&root);
    });
    assert_eq!(set(&emulator, &document).await.0, 200);
}

#[tokio::test]
async fn a_deleted_principal_becomes_its_unique_id_for_good() {
    let emulator = start().await;
    create(&emulator, "api");
    let document = of(with("Principal", json!({ "AWS": [ROLE] }))).to_string();
    assert_eq!(set(&emulator, &document).await.0, 200);
    emulator.configure(|settings| {
        let id = "AROAEXAMPLEEXAMPLE123".to_owned();
        settings.deleted_principals.insert(ROLE.to_owned(), id);
    });
    let get = async || {
        let input = json!({ "repositoryName": "api" });
        let (_, body) = post(&emulator, "GetRepositoryPolicy", input).await;
        let policy: Value = serde_json::from_str(body["policyText"].as_str().unwrap()).unwrap();
        policy["Statement"][0]["Principal"]["AWS"].clone()
    };
    assert_eq!(get().await, "AROAEXAMPLEEXAMPLE123");
    let (status, body) = set(&emulator, &document).await;
    assert_eq!((status, &body["message"]), (400, &json!(INVALID)));
    emulator.configure(|settings| settings.deleted_principals.clear());
    assert_eq!(get().await, "AROAEXAMPLEEXAMPLE123", "made anew: another");
    assert_eq!(set(&emulator, &document).await.0, 200);
    assert_eq!(get().await, ROLE);
}

#[tokio::test]
async fn nobody_locks_himself_out_unless_forced() {
    let emulator = start().await;
    create(&emulator, "api");
    let deny = of(json!({ "Effect": "Deny", "Principal": "*", "Action": "ecr:*" })).to_string();
    assert_eq!(set(&emulator, &deny).await.0, 400);
    let input = json!({ "repositoryName": "api", "policyText": deny, "force": true });
    assert_eq!(post(&emulator, "SetRepositoryPolicy", input).await.0, 200);
    let deny_others = of(instead("Principal", "NotPrincipal", json!({ "AWS": ROLE }))).to_string();
    assert_eq!(set(&emulator, &deny_others).await.0, 200);
}
