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
        (json!({"Foo": 1}), "`Foo` is no key of spec.repositoryPolicy — correct or remove it; known are Version, Id, Statement".to_owned()),
        (json!({"statement": []}), "`statement` is no key of spec.repositoryPolicy — did you mean `Statement`?".to_owned()),
        (json!({}), "spec.repositoryPolicy has no Statement — write one, or `repositoryPolicy: {Statement: []}` where".to_owned()),
        (json!({"Version": "2012-10-17"}), "spec.repositoryPolicy has no Statement — write one, or".to_owned()),
        (version(json!("2012")), "spec.repositoryPolicy.Version is not what AWS takes there — write the string \"2012-10-17\"".to_owned()),
        (version(json!(2012)), "spec.repositoryPolicy.Version is not what AWS takes there — write the string \"2012-10-17\"".to_owned()),
        (version(json!(null)), "spec.repositoryPolicy.Version is null, which AWS refuses — give it a value or leave it out".to_owned()),
        (json!({"Id": 1, "Statement": []}), "spec.repositoryPolicy.Id is not what AWS takes there — write a string".to_owned()),
        (json!({"Statement": {}}), "spec.repositoryPolicy.Statement is empty — name at least one value".to_owned()),
        (json!({"Statement": "x"}), "spec.repositoryPolicy.Statement is not what AWS takes there — write a statement: an object with Effect, Principal and Action".to_owned()),
        (json!({"Statement": [null]}), format!("{at} is null")),
        (json!({"Statement": [[]]}), format!("{at} is not what AWS takes there — write a statement: an object with Effect, Principal and Action")),
        (with(json!({"Effetc": 1})), format!("`Effetc` is no key of {at} — did you mean `Effect`?; known are Sid, Effect")),
        (with(json!({"Effects": 1})), format!("`Effects` is no key of {at} — did you mean `Effect`?; known are Sid, Effect")),
        (with(json!({"Resource": "*"})), format!("ECR refuses `Resource` in {at}, since a repository policy is about its own")),
        (with(json!({"NotResource": "*"})), format!("ECR refuses `NotResource` in {at}")),
        (with(json!({"Effect": null})), format!("`Effect` is missing in {at} — add it")),
        (with(json!({"Effect": "allow"})), format!("{at}.Effect is not what AWS takes there — write `Allow` or `Deny`")),
        (with(json!({"Principal": null})), format!("`Principal` (or `NotPrincipal`) is missing in {at} — add it")),
        (with(json!({"NotPrincipal": "*"})), format!("`Principal` and `NotPrincipal` exclude each other in {at} — keep one of them")),
        (with(json!({"Action": null})), format!("`Action` (or `NotAction`) is missing in {at} — add it")),
        (with(json!({"NotAction": "*"})), format!("`Action` and `NotAction` exclude each other in {at} — keep one of them")),
        (with(json!({"Principal": ACCOUNT})), format!("{at}.Principal is not what AWS takes there — write \"*\", or an object such as {{AWS: \"123456789012\"}}")),
        (with(json!({"Principal": {}})), format!("{at}.Principal is empty — name at least one value or leave it out")),
        (with(json!({"Principal": {"AWS": []}})), format!("{at}.Principal.AWS is empty")),
        (with(json!({"Principal": {"AWS": ""}})), format!("{at}.Principal.AWS is empty")),
        (with(json!({"Principal": {"AWS": null}})), format!("{at}.Principal.AWS is null")),
        (with(json!({"Principal": {"AWS": [ACCOUNT, null]}})), format!("{at}.Principal.AWS[1] is null")),
        (with(json!({"Principal": {"AWS": 111_122_223_333_i64}})), format!("{at}.Principal.AWS is not what AWS takes there — write a principal as a string (put account ids in quotes)")),
        (with(json!({"Principal": {"aws": ACCOUNT}})), format!("`aws` is no key of {at}.Principal — did you mean `AWS`?; known are AWS, Service, Federated, CanonicalUser")),
        (with(json!({"Principal": {"AWS": "arn:aws:iam::1:role/*"}})), format!("`arn:aws:iam::1:role/*` at {at}.Principal.AWS has a `*`, which cannot stand for a part of a principal — name principals in full")),
        (with(json!({"Action": []})), format!("{at}.Action is empty")),
        (with(json!({"Action": {}})), format!("{at}.Action is not what AWS takes there — write an action as a string, such as `ecr:BatchGetImage`")),
        (with(json!({"Action": "BatchGetImage"})), format!("`BatchGetImage` at {at}.Action names no service — write it as in `ecr:BatchGetImage`")),
        (with(json!({"Sid": 7})), format!("{at}.Sid is not what AWS takes there — write a string")),
        (with(json!({"Sid": "EcrOperatorPull"})), "The Sid `EcrOperatorPull` begins with `EcrOperator`".to_owned()),
        (with(json!({"Condition": []})), format!("{at}.Condition is not what AWS takes there — write an object of operators, such as {{StringEquals: {{…}}}}")),
        (with(json!({"Condition": {"StringEquals": {}}})), format!("{at}.Condition.StringEquals is empty")),
        (with(json!({"Condition": {"StringEquals": "x"}})), format!("{at}.Condition.StringEquals is not what AWS takes there — write an object of condition keys")),
        (with(json!({"Condition": {"StringEquals": null}})), format!("{at}.Condition.StringEquals is null")),
        (with(json!({"Condition": {"StringEquals": {"k": []}}})), format!("{at}.Condition.StringEquals.k is empty")),
        (with(json!({"Condition": {"StringEquals": {"k": [null]}}})), format!("{at}.Condition.StringEquals.k[0] is null")),
        (with(json!({"Condition": {"StringEquals": {"k": [["deep"]]}}})), format!("{at}.Condition.StringEquals.k[0] is not what AWS takes there — write a string, a number or a Boolean")),
        (with(json!({"Condition": {"StringEquals": {"k": "x", "K": "y"}}})), format!("`k` stands twice in {at}.Condition.StringEquals")),
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
