//! Unique ids in the place of ARNs.

use serde_json::{Value, json};

use super::{ACCOUNT, Document, map, stored, with};

const ROLE: &str = "arn:aws:iam::111122223333:role/Ci";
const OTHER_ROLE: &str = "arn:aws:iam::111122223333:role/Cd";
const USER: &str = "arn:aws:iam::111122223333:user/alice";
const ROLE_ID: &str = "AROAEXAMPLEEXAMPLE123";
const USER_ID: &str = "AIDAEXAMPLEEXAMPLE123";

fn of(principals: &[&str]) -> Document {
    stored(&with(
        json!({"Principal": {"AWS": principals, "Service": "lambda.amazonaws.com"}}),
    ))
}

fn found(wanted: &[&str], stored: &[&str]) -> Option<(Vec<String>, Vec<String>)> {
    let deleted = of(wanted).deleted_principals(&of(stored))?;
    Some((
        deleted.wanted.into_iter().collect(),
        deleted.stored.into_iter().collect(),
    ))
}

fn one(arn: &str, id: &str) -> (Vec<String>, Vec<String>) {
    (vec![arn.to_owned()], vec![id.to_owned()])
}

#[test]
fn are_found_where_they_are_the_only_difference() {
    assert_eq!(found(&[ROLE], &[ROLE_ID]), Some(one(ROLE, ROLE_ID)));
    assert_eq!(
        found(
            &[USER, ACCOUNT],
            &["arn:aws:iam::111122223333:root", USER_ID]
        ),
        Some(one(USER, USER_ID))
    );
    assert_eq!(
        found(&[ROLE, OTHER_ROLE], &[OTHER_ROLE, ROLE_ID]),
        Some(one(ROLE, ROLE_ID))
    );
    let (arns, ids) = found(&[ROLE, USER], &[ROLE_ID, USER_ID]).unwrap();
    assert_eq!((arns.len(), ids.len()), (2, 2));
}

#[test]
fn are_not_seen_in_other_differences() {
    assert_eq!(found(&[ROLE], &[ROLE]), None);
    assert_eq!(found(&[ROLE], &[USER_ID]), None, "a user's id for a role");
    assert_eq!(
        found(&[ACCOUNT], &[ROLE_ID]),
        None,
        "accounts are not replaced"
    );
    assert_eq!(found(&[ROLE], &[OTHER_ROLE]), None);
    assert_eq!(found(&[ROLE], &[ROLE, ROLE_ID]), None, "one too many");
    assert_eq!(
        found(&[ROLE, OTHER_ROLE], &[ROLE_ID]),
        None,
        "one is missing"
    );
    assert_eq!(found(&[ROLE], &["AROAshort"]), None);
    assert_eq!(of(&[ROLE]).deleted_principals(&Document::stored("?")), None);
}

#[test]
fn count_only_if_all_else_is_the_same() {
    let role = of(&[ROLE]);
    let changed = |members: Value| {
        let mut all =
            map(json!({"Principal": {"AWS": ROLE_ID, "Service": "lambda.amazonaws.com"}}));
        all.extend(map(members));
        stored(&with(Value::Object(all)))
    };
    assert!(role.deleted_principals(&changed(json!({}))).is_some());
    for members in [
        json!({"Sid": "two"}),
        json!({"Effect": "Deny"}),
        json!({"Action": "ecr:PutImage"}),
        json!({"Condition": {"Bool": {"k": "true"}}}),
        json!({"Principal": {"AWS": ROLE_ID}}),
        json!({"Principal": null, "NotPrincipal": {"AWS": ROLE_ID, "Service": "lambda.amazonaws.com"}}),
    ] {
        assert_eq!(
            role.deleted_principals(&changed(members.clone())),
            None,
            "{members}"
        );
    }
}

#[test]
fn are_gathered_from_all_statements() {
    let two = |first: &str, second: &str| {
        let statement = |sid: &str, principal: &str| json!({"Sid": sid, "Effect": "Allow", "Principal": {"AWS": principal}, "Action": "ecr:PutImage"});
        stored(&json!({"Statement": [statement("a", first), statement("b", second)]}))
    };
    let wanted = two(ROLE, USER);
    assert_eq!(
        wanted
            .deleted_principals(&two(ROLE_ID, USER))
            .unwrap()
            .wanted
            .len(),
        1
    );
    assert_eq!(
        wanted
            .deleted_principals(&two(ROLE_ID, USER_ID))
            .unwrap()
            .wanted
            .len(),
        2
    );
    assert_eq!(
        wanted.deleted_principals(&two(USER_ID, ROLE_ID)),
        None,
        "in the wrong statements"
    );
    assert_eq!(
        wanted.deleted_principals(&two(ROLE_ID, OTHER_ROLE)),
        None,
        "and another difference"
    );
}

#[test]
fn do_not_hide_a_statement_too_many() {
    let statement = |sid: &str, principal: &str| {
        with(json!({"Sid": sid, "Principal": {"AWS": principal}}))["Statement"][0].clone()
    };
    let wanted = stored(&json!({"Statement": [statement("a", ROLE)]}));
    let more = stored(&json!({"Statement": [statement("a", ROLE_ID), statement("b", ACCOUNT)]}));
    assert_eq!(wanted.deleted_principals(&more), None);
    assert_eq!(more.deleted_principals(&wanted), None);
}
