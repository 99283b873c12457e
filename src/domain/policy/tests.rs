//! Tables: what is equal and what only looks so.

mod access;
mod deleted_principals;
mod real_documents;
mod refusals;

use serde_json::{Map, Value, json};

use super::{Document, PolicyError, with_access};
use crate::domain::identity::RegistryId;
use crate::domain::setting::Setting;

const ACCOUNT: &str = "111122223333";

/// The account of the repository.
fn own() -> RegistryId {
    RegistryId::parse(ACCOUNT).unwrap()
}

fn map(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

/// A document of one statement, with some of its members replaced; null removes one.
fn with(members: Value) -> Value {
    let mut statement = map(json!({
        "Sid": "one", "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "ecr:BatchGetImage",
    }));
    statement.extend(map(members));
    statement.retain(|_, value| !value.is_null());
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

fn stored(document: &Value) -> Document {
    let read = Document::stored(&document.to_string());
    assert!(read.is_understood(), "understood: {document}");
    read
}

fn assert_same(one: &Value, other: &Value) {
    let (a, b) = (stored(one), stored(other));
    assert_eq!(a, b, "{one} and {other}");
    assert_eq!(a.hash(), b.hash(), "{one} and {other}");
    assert_eq!(format!("{a:?}"), format!("{b:?}"), "{one} and {other}");
}

fn assert_differ(one: &Value, other: &Value) {
    let a = stored(one);
    let b = Document::stored(&other.to_string());
    assert_ne!(a, b, "{one} and {other}");
    assert_ne!(a.hash(), b.hash(), "{one} and {other}");
}

fn wanted(policy: Value) -> Result<Setting<Document>, PolicyError> {
    with_access(Some(&map(policy)), None, &own())
}

fn document(setting: Result<Setting<Document>, PolicyError>) -> Document {
    match setting.unwrap() {
        Setting::Present(document) => document,
        other => panic!("no document: {other:?}"),
    }
}

#[test]
fn members_that_mean_the_same() {
    let role = "arn:aws:iam::111122223333:role/Ci";
    let condition = |keys: Value| json!({"Condition": {"StringEquals": keys}});
    for (one, other) in [
        (
            json!({"Principal": {"AWS": ACCOUNT}}),
            json!({"Principal": {"AWS": [ACCOUNT]}}),
        ),
        (
            json!({}),
            json!({"Principal": {"AWS": "arn:aws:iam::111122223333:root"}}),
        ),
        (
            json!({}),
            json!({"Principal": {"AWS": "arn:aws-cn:iam::111122223333:root"}}),
        ),
        (
            json!({}),
            json!({"Principal": {"AWS": "arn:aws-us-gov:iam::111122223333:root"}}),
        ),
        (
            json!({}),
            json!({"Principal": {"AWS": [ACCOUNT, "arn:aws:iam::111122223333:root"]}}),
        ),
        (
            json!({"NotPrincipal": {"AWS": ACCOUNT}, "Principal": null}),
            json!({"NotPrincipal": {"AWS": [ACCOUNT]}, "Principal": null}),
        ),
        (
            json!({"Principal": "*"}),
            json!({"Principal": {"AWS": "*"}}),
        ),
        (
            json!({"Principal": {"AWS": [ACCOUNT, role]}}),
            json!({"Principal": {"AWS": [role, ACCOUNT]}}),
        ),
        (
            json!({"Action": "ecr:BatchGetImage"}),
            json!({"Action": ["ecr:BatchGetImage"]}),
        ),
        (
            json!({}),
            json!({"Action": ["ECR:batchgetimage", "ecr:BatchGetImage"]}),
        ),
        (
            json!({"Action": ["ecr:a", "ecr:b"]}),
            json!({"Action": ["ecr:b", "ecr:a", "ecr:b"]}),
        ),
        (json!({"Sid": ""}), json!({"Sid": null})),
        (json!({}), json!({"Condition": {}})),
        (
            condition(json!({"aws:SourceIp": "x"})),
            condition(json!({"AWS:sourceip": ["x"]})),
        ),
        (
            condition(json!({"a:k": ["x", "y"]})),
            condition(json!({"a:k": ["y", "x", "y"]})),
        ),
        (
            json!({"Condition": {"Bool": {"aws:SecureTransport": true}}}),
            json!({"Condition": {"bool": {"aws:SecureTransport": ["true"]}}}),
        ),
        (
            json!({"Condition": {"NumericEquals": {"a:n": 10}}}),
            json!({"Condition": {"NumericEquals": {"a:n": "10"}}}),
        ),
    ] {
        assert_same(&with(one), &with(other));
    }
}

#[test]
fn members_that_only_look_the_same() {
    let equals = |value: Value| json!({"Condition": {"StringEquals": {"a:k": value}}});
    let operator = |name: &str| json!({"Condition": {name: {"a:k": "x"}}});
    let role =
        |path: &str| json!({"Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:role/{path}")}});
    for (one, other) in [
        (json!({}), json!({"Effect": "Deny"})),
        (json!({}), json!({"Effect": "allow"})),
        (json!({}), json!({"Sid": "two"})),
        (json!({}), json!({"Sid": "One"})),
        (json!({}), json!({"Sid": null})),
        (
            json!({}),
            json!({"Principal": null, "NotPrincipal": {"AWS": ACCOUNT}}),
        ),
        (
            json!({}),
            json!({"Action": null, "NotAction": "ecr:BatchGetImage"}),
        ),
        (json!({}), json!({"Principal": {"AWS": "111122223334"}})),
        (
            json!({}),
            json!({"Principal": {"AWS": "arn:aws:iam::111122223334:root"}}),
        ),
        (
            json!({}),
            json!({"Principal": {"AWS": "arn:aws:iam::111122223333:user/root"}}),
        ),
        (
            json!({}),
            json!({"Principal": {"AWS": "arn:aws:sts::111122223333:root"}}),
        ),
        (
            json!({}),
            json!({"Principal": {"AWS": "ARN:aws:iam::111122223333:root"}}),
        ),
        (
            json!({}),
            json!({"Principal": {"AWS": "arn:azure:iam::111122223333:root"}}),
        ),
        (json!({}), json!({"Principal": {"Federated": ACCOUNT}})),
        (
            json!({}),
            json!({"Principal": {"AWS": ACCOUNT, "Service": "lambda.amazonaws.com"}}),
        ),
        (
            json!({"Principal": {"AWS": "*"}}),
            json!({"Principal": {"Service": "*"}}),
        ),
        (
            json!({"Principal": {"AWS": "*"}}),
            json!({"Principal": {"AWS": ["*", ACCOUNT]}}),
        ),
        (role("Ci"), role("ci")),
        (role("Ci"), role("build/Ci")),
        (
            role("Ci"),
            json!({"Principal": {"AWS": "AROAEXAMPLEEXAMPLE123"}}),
        ),
        (json!({}), json!({"Action": "ecr:BatchGetImage*"})),
        (json!({}), json!({"Action": "ecr:*"})),
        (json!({"Action": "ecr:*"}), json!({"Action": "*"})),
        (
            json!({}),
            json!({"Action": ["ecr:BatchGetImage", "ecr:PutImage"]}),
        ),
        (json!({}), equals(json!("x"))),
        (equals(json!("x")), equals(json!("X"))),
        (equals(json!("x")), equals(json!(["x", "y"]))),
        (equals(json!(10)), equals(json!(10.0))),
        (
            equals(json!(ACCOUNT)),
            equals(json!("arn:aws:iam::111122223333:root")),
        ),
        (operator("StringEquals"), operator("StringLike")),
        (operator("StringEquals"), operator("StringEqualsIfExists")),
        (
            operator("StringEquals"),
            operator("ForAllValues:StringEquals"),
        ),
        (
            operator("ForAnyValue:StringEquals"),
            operator("ForAllValues:StringEquals"),
        ),
        (
            equals(json!("x")),
            json!({"Condition": {"StringEquals": {"a:l": "x"}}}),
        ),
        // Not understood, and so different from all that is.
        (json!({}), json!({"Resource": "*"})),
        (json!({}), json!({"Condition": {"StringEquals": {}}})),
        (json!({}), json!({"New": "word"})),
    ] {
        assert_differ(&with(one), &with(other));
    }
}

#[test]
fn documents_as_a_whole() {
    let other = with(json!({"Sid": "two"}));
    let both = |first: &Value, second: &Value| {
        let statement = |document: &Value| document["Statement"][0].clone();
        json!({"Version": "2012-10-17", "Statement": [statement(first), statement(second)]})
    };
    let one = with(json!({}));
    assert_same(&both(&one, &other), &both(&other, &one));
    assert_same(&one, &both(&one, &one));
    assert_differ(&one, &both(&one, &other));
    assert_differ(&one, &json!({"Version": "2012-10-17", "Statement": []}));

    let scalar = json!({"Version": "2012-10-17", "Statement": one["Statement"][0]});
    assert_same(&one, &scalar);

    let versioned = |version: Value| {
        let mut document = map(one.clone());
        document.extend(map(json!({"Version": version})));
        document.retain(|_, value| !value.is_null());
        Value::Object(document)
    };
    assert_same(&versioned(Value::Null), &versioned(json!("2008-10-17")));
    assert_differ(&versioned(Value::Null), &one);
    assert_differ(&one, &versioned(json!("2012-10-18")));

    let named = |id: &str| {
        let mut document = map(one.clone());
        document.insert("Id".to_owned(), id.into());
        Value::Object(document)
    };
    assert_same(&one, &named(""));
    assert_differ(&one, &named("a"));
    assert_differ(&named("A"), &named("a"));
}

#[test]
fn what_is_not_understood_equals_itself_alone() {
    let texts = [
        "",
        "null",
        "[]",
        "{}",
        "{",
        "\"text\"",
        "{\"Statement\":[]}",
        "{\"Statement\":null}",
    ];
    let read = texts.map(Document::stored);
    for (i, one) in read.iter().enumerate() {
        assert!(!one.is_understood());
        assert_eq!(one.text(), texts[i]);
        for (j, other) in read.iter().enumerate() {
            assert_eq!(one == other, i == j, "{} and {}", texts[i], texts[j]);
            assert_eq!(one.hash() == other.hash(), i == j);
        }
    }
    let deep = "[".repeat(100_000);
    assert_eq!(Document::stored(&deep), Document::stored(&deep));
}

#[test]
fn what_aws_gives_back_equals_what_was_sent() {
    let sent = document(wanted(json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "CodeBuild access", "Effect": "Allow", "Principal": {"Service": "codebuild.amazonaws.com"}, "Action": ["ecr:BatchGetImage"]},
            {"Effect": "Allow", "Principal": {"AWS": ["444455556666", ACCOUNT]}, "Action": ["ecr:PutImage", "ecr:BatchGetImage"],
             "Condition": {"Bool": {"aws:SecureTransport": true}}},
        ],
    })));
    let returned = r#"{
  "Version" : "2012-10-17",
  "Statement" : [ {
    "Effect" : "Allow",
    "Principal" : { "AWS" : [ "arn:aws:iam::111122223333:root", "arn:aws:iam::444455556666:root" ] },
    "Action" : [ "ecr:BatchGetImage", "ecr:PutImage" ],
    "Condition" : { "Bool" : { "aws:SecureTransport" : "true" } }
  }, {
    "Sid" : "CodeBuild access",
    "Effect" : "Allow",
    "Principal" : { "Service" : "codebuild.amazonaws.com" },
    "Action" : "ecr:BatchGetImage"
  } ]
}"#;
    assert_eq!(sent, Document::stored(returned));
}

#[test]
fn the_text_is_what_the_user_wrote_in_our_order() {
    let policy = json!({"Id": "x", "Statement": {
        "Effect": "Deny", "NotPrincipal": {"AWS": ["arn:aws:iam::111122223333:root"], "Service": ["b.amazonaws.com", "a.amazonaws.com"]},
        "NotAction": "ECR:Get*", "Condition": {"StringLike": {"aws:PrincipalArn": [true, 7, "x"]}},
    }});
    assert_eq!(
        document(wanted(policy)).text(),
        "{\"Id\":\"x\",\"Statement\":[{\"Condition\":{\"StringLike\":{\"aws:PrincipalArn\":[\"7\",\"true\",\"x\"]}},\
         \"Effect\":\"Deny\",\"NotAction\":\"ECR:Get*\",\
         \"NotPrincipal\":{\"AWS\":\"arn:aws:iam::111122223333:root\",\"Service\":[\"a.amazonaws.com\",\"b.amazonaws.com\"]}}],\
         \"Version\":\"2008-10-17\"}"
    );
}

#[test]
fn the_hash_outlives_this_program() {
    // It stands in `status.applied`: another one would have every policy read again after an
    // upgrade.
    assert_eq!(stored(&with(json!({}))).hash(), "68fc3106364f8db1");
}
