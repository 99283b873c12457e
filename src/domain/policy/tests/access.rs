//! `spec.access`, and what it makes together with `spec.repositoryPolicy`.

use serde_json::{Map, Value, json};

use super::{ACCOUNT, document, map, own, stored, with};
use crate::api::Access;
use crate::domain::policy::{Document, PolicyError, with_access};
use crate::domain::setting::Setting;

fn granted(access: Value) -> Result<Setting<Document>, PolicyError> {
    with_access(
        None,
        Some(&serde_json::from_value::<Access>(access).unwrap()),
        &own(),
    )
}

#[test]
fn three_states() {
    let empty = map(json!({"Statement": []}));
    let none = Access {
        pull: None,
        push: Some(vec![]),
    };
    let empty_lists = Access {
        pull: Some(vec![]),
        push: Some(vec![]),
    };
    let some = Access {
        pull: Some(vec![ACCOUNT.to_owned()]),
        push: None,
    };
    assert_eq!(with_access(None, None, &own()), Ok(Setting::Unmanaged));
    assert_eq!(with_access(Some(&empty), None, &own()), Ok(Setting::Absent));
    assert_eq!(with_access(None, Some(&none), &own()), Ok(Setting::Absent));
    assert_eq!(
        with_access(Some(&empty), Some(&empty_lists), &own()),
        Ok(Setting::Absent)
    );
    let policy = map(with(json!({})));
    assert_eq!(
        with_access(Some(&policy), Some(&none), &own()),
        with_access(Some(&policy), None, &own())
    );
    assert_eq!(
        with_access(Some(&empty), Some(&some), &own()),
        with_access(None, Some(&some), &own())
    );
    for nothing in [
        with_access(Some(&Map::new()), None, &own()),
        with_access(Some(&Map::new()), Some(&some), &own()),
    ] {
        assert_eq!(nothing, Err(PolicyError::NoStatement));
    }
    for user in [None, Some(&policy), Some(&empty)] {
        let nothing = with_access(user, Some(&Access::default()), &own());
        assert_eq!(nothing, Err(PolicyError::NoAccess));
    }
    assert_eq!(
        document(with_access(Some(&policy), Some(&some), &own()))
            .policy()
            .unwrap()
            .statements
            .len(),
        2
    );
}

#[test]
fn access_becomes_statements() {
    let generated = document(granted(json!({
        "pull": ["lambda.amazonaws.com", ACCOUNT, "arn:aws:iam::111122223333:root"],
        "push": ["arn:aws:iam::111122223333:role/ci/Push"],
    })));
    let pull = [
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
    ];
    let push = [
        "ecr:InitiateLayerUpload",
        "ecr:UploadLayerPart",
        "ecr:CompleteLayerUpload",
        "ecr:PutImage",
    ];
    let both = [&pull[..], &push[..]].concat();
    let by_hand = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "EcrOperatorPull", "Effect": "Allow", "Action": pull,
         "Principal": {"AWS": "arn:aws:iam::111122223333:root"}},
        {"Sid": "EcrOperatorPullServices", "Effect": "Allow", "Action": pull,
         "Principal": {"Service": "lambda.amazonaws.com"},
         "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}},
        {"Sid": "EcrOperatorPush", "Effect": "Allow", "Action": both,
         "Principal": {"AWS": "arn:aws:iam::111122223333:role/ci/Push"}},
    ]});
    assert_eq!(generated, stored(&by_hand));
    assert!(
        generated
            .text()
            .contains(&format!("{{\"AWS\":\"{ACCOUNT}\"")),
        "{}",
        generated.text()
    );
}

#[test]
fn access_takes_principals_only() {
    for entry in [
        "arn:aws:iam::111122223333:user/team/alice",
        "arn:aws-cn:iam::111122223333:role/r",
        "arn:aws:sts::111122223333:assumed-role/r/session",
        "arn:aws:sts::111122223333:federated-user/bob",
        "ec2.amazonaws.com.cn",
        "codebuild.eu-west-1.amazonaws.com",
    ] {
        document(granted(json!({"push": [entry]})));
    }
    for entry in [
        "",
        "*",
        "11112222333",
        "1111222233334",
        "11112222333a",
        "o-abcdefghij",
        "AROAEXAMPLEEXAMPLE123",
        "amazonaws.com",
        ".amazonaws.com",
        "a..amazonaws.com",
        "Lambda.amazonaws.com",
        "lambda.amazonaws.com.evil",
        "arn:aws:iam::111122223333:role/*",
        "arn:aws:iam::111122223333:role/",
        "arn:aws:iam::111122223333:group/g",
        "arn:aws:iam::111122223333:policy/p",
        "arn:aws:iam::111122223333:",
        "arn:aws:iam::1:root",
        "arn:aws:s3:::bucket",
        "arn:gcp:iam::111122223333:root",
    ] {
        let refusal = granted(json!({"pull": [ACCOUNT, entry]}))
            .unwrap_err()
            .to_string();
        assert!(
            refusal.starts_with(&format!("`{entry}` is nobody, at spec.access.pull — write")),
            "{refusal}"
        );
    }
}

/// A service works for all customers of AWS: what `access` grants it, it may do for the account of the
/// repository alone.
#[test]
fn services_act_for_the_account_of_the_repository() {
    for level in ["pull", "push"] {
        let services = ["lambda.amazonaws.com", "codebuild.amazonaws.com"];
        let generated = document(granted(json!({level: services}))).text();
        let generated: Value = serde_json::from_str(&generated).unwrap();
        let statement = &generated["Statement"][0];
        assert_eq!(generated["Statement"].as_array().unwrap().len(), 1);
        assert_eq!(
            statement["Condition"],
            json!({"StringEquals": {"aws:SourceAccount": ACCOUNT}})
        );
    }
}
