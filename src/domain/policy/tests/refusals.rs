//! What users may write, and what they are told of the rest.

use serde_json::{Value, json};

use super::{ACCOUNT, document, map, own, wanted, with};
use crate::api::Access;
use crate::domain::policy::{PolicyError, with_access};

#[test]
fn refusals_say_what_to_do() {
    let version = |version: Value| json!({"Version": version, "Statement": []});
    let at = "spec.repositoryPolicy.Statement[0]";
    for (policy, message) in [
        (json!({"Foo": 1}), "Remove `Foo` from spec.repositoryPolicy: only Version, Id, Statement are known there".to_owned()),
        (json!({"Version": "2012-10-17"}), "Add `Statement` to spec.repositoryPolicy".to_owned()),
        (version(json!("2012")), "Write the string \"2012-10-17\"".to_owned()),
        (version(json!(2012)), "Write the string \"2012-10-17\"".to_owned()),
        (version(json!(null)), "Give spec.repositoryPolicy.Version a value or leave it out".to_owned()),
        (json!({"Id": 1, "Statement": []}), "Write a string at spec.repositoryPolicy.Id".to_owned()),
        (json!({"Statement": []}), "Name at least one value at spec.repositoryPolicy.Statement".to_owned()),
        (json!({"Statement": "x"}), "Write a statement: an object with Effect, Principal and Action at spec.repositoryPolicy.Statement".to_owned()),
        (json!({"Statement": [null]}), format!("Give {at} a value")),
        (json!({"Statement": [[]]}), format!("Write a statement: an object with Effect, Principal and Action at {at}")),
        (with(json!({"Effects": 1})), format!("Remove `Effects` from {at}")),
        (with(json!({"Resource": "*"})), format!("Remove `Resource` from {at}: a repository policy is about its own")),
        (with(json!({"NotResource": "*"})), format!("Remove `NotResource` from {at}")),
        (with(json!({"Effect": null})), format!("Add `Effect` to {at}")),
        (with(json!({"Effect": "allow"})), format!("Write `Allow` or `Deny` at {at}.Effect")),
        (with(json!({"Principal": null})), format!("Add `Principal` (or `NotPrincipal`) to {at}")),
        (with(json!({"NotPrincipal": "*"})), format!("Keep one of `Principal` and `NotPrincipal` in {at}")),
        (with(json!({"Action": null})), format!("Add `Action` (or `NotAction`) to {at}")),
        (with(json!({"NotAction": "*"})), format!("Keep one of `Action` and `NotAction` in {at}")),
        (with(json!({"Principal": ACCOUNT})), format!("Write \"*\", or an object such as {{AWS: \"123456789012\"}} at {at}.Principal")),
        (with(json!({"Principal": {}})), format!("Name at least one value at {at}.Principal")),
        (with(json!({"Principal": {"AWS": []}})), format!("Name at least one value at {at}.Principal.AWS")),
        (with(json!({"Principal": {"AWS": ""}})), format!("Name at least one value at {at}.Principal.AWS")),
        (with(json!({"Principal": {"AWS": null}})), format!("Give {at}.Principal.AWS a value")),
        (with(json!({"Principal": {"AWS": [ACCOUNT, null]}})), format!("Give {at}.Principal.AWS[1] a value")),
        (with(json!({"Principal": {"AWS": 111_122_223_333_i64}})), format!("Write a principal as a string (put account ids in quotes) at {at}.Principal.AWS")),
        (with(json!({"Principal": {"aws": ACCOUNT}})), format!("Remove `aws` from {at}.Principal: only AWS, Service, Federated, CanonicalUser")),
        (with(json!({"Principal": {"AWS": "arn:aws:iam::1:role/*"}})), format!("Name principals in full at {at}.Principal.AWS")),
        (with(json!({"Action": []})), format!("Name at least one value at {at}.Action")),
        (with(json!({"Action": {}})), format!("Write an action as a string, such as `ecr:BatchGetImage` at {at}.Action")),
        (with(json!({"Action": "BatchGetImage"})), format!("Write `BatchGetImage` at {at}.Action with its service")),
        (with(json!({"Sid": 7})), format!("Write a string at {at}.Sid")),
        (with(json!({"Sid": "EcrOperatorPull"})), "Rename the Sid `EcrOperatorPull`".to_owned()),
        (with(json!({"Condition": {}})), format!("Name at least one value at {at}.Condition")),
        (with(json!({"Condition": []})), format!("Write an object of operators, such as {{StringEquals: {{…}}}} at {at}.Condition")),
        (with(json!({"Condition": {"StringEquals": "x"}})), format!("Write an object of condition keys at {at}.Condition.StringEquals")),
        (with(json!({"Condition": {"StringEquals": null}})), format!("Give {at}.Condition.StringEquals a value")),
        (with(json!({"Condition": {"StringEquals": {"k": []}}})), format!("Name at least one value at {at}.Condition.StringEquals.k")),
        (with(json!({"Condition": {"StringEquals": {"k": [null]}}})), format!("Give {at}.Condition.StringEquals.k[0] a value")),
        (with(json!({"Condition": {"StringEquals": {"k": [["deep"]]}}})), format!("Write a string, a number or a Boolean at {at}.Condition.StringEquals.k[0]")),
        (with(json!({"Condition": {"StringEquals": {"k": "x", "K": "y"}}})), format!("Write `k` once at {at}.Condition.StringEquals")),
    ] {
        let refusal = wanted(policy.clone()).unwrap_err().to_string();
        assert!(refusal.starts_with(&message), "{policy}\n  says  {refusal}\n  not   {message}");
        assert!(refusal.len() < 512, "{refusal}");
    }
}

#[test]
fn refusals_stay_short() {
    let long = "é".repeat(5_000);
    for policy in [
        json!({long.clone(): 1}),
        with(json!({"Sid": format!("EcrOperator{long}")})),
        with(json!({"Action": long})),
        with(json!({"Principal": {"AWS": format!("{long}*")}})),
        with(json!({"Condition": {long.clone(): {long.clone(): null}}})),
    ] {
        let refusal = wanted(policy).unwrap_err().to_string();
        assert!(refusal.len() < 1_024, "{refusal}");
    }
}

#[test]
fn sids_may_be_what_ecr_takes() {
    document(wanted(with(json!({"Sid": "new statement"}))));
    let twice = json!({"Statement": [with(json!({}))["Statement"][0], with(json!({"Effect": "Deny"}))["Statement"][0]]});
    assert_eq!(
        document(wanted(twice)).policy().unwrap().statements.len(),
        2
    );
}

#[test]
fn the_size_is_checked_as_a_whole() {
    let of = |bytes: usize| {
        let access = Access {
            pull: Some(vec![ACCOUNT.to_owned()]),
            push: None,
        };
        with_access(
            Some(&map(with(json!({"Sid": "x".repeat(bytes)})))),
            Some(&access),
            &own(),
        )
    };
    let room = 10_240 - document(of(1)).text().len() + 1;
    assert_eq!(document(of(room)).text().len(), 10_240);
    assert_eq!(
        of(room + 1),
        Err(PolicyError::TooLong { characters: 10_241 })
    );
}
