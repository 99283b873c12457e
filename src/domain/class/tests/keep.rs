//! Statements of others that stay: Lambda's above all.

use serde_json::{Value, json};

use super::{SUBJECT, class, own};
use crate::domain::{
    class::{Class, Keep},
    observed::Reading,
    policy::{self, Document},
    reason::Reason,
    setting::Setting,
};

fn lambda() -> Value {
    json!({
        "Sid": "LambdaECRImageRetrievalPolicy",
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        "Condition": {"StringLike": {"aws:sourceArn": "arn:aws:lambda:ap-southeast-1:123456789012:function:*"}},
    })
}

fn pull(sid: &str) -> Value {
    json!({"Sid": sid, "Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "ecr:BatchGetImage"})
}

fn held(statements: &[Value]) -> Reading<Document> {
    let text = json!({"Version": "2008-10-17", "Id": "theirs", "Statement": statements});
    Reading::Stored(Document::stored(&text.to_string()))
}

fn asked(spec: &Value) -> Setting<Document> {
    policy::with_access(spec.as_object(), None, &own().id).unwrap()
}

fn sids(setting: &Setting<Document>) -> Option<Vec<String>> {
    Some(setting.value()?.sids().into_iter().collect())
}

fn keep(sids: &[&str]) -> Keep {
    let sids: Vec<String> = sids.iter().map(|it| (*it).to_owned()).collect();
    Keep::of(Some(&sids))
}

const LAMBDA: &str = "LambdaECRImageRetrievalPolicy";

#[test]
fn what_is_named_stays_beside_what_is_asked_for() {
    let asked = asked(&json!({"Version": "2012-10-17", "Statement": [pull("mine")]}));
    let held = held(&[lambda(), pull("theirs"), pull("EcrOperatorPull")]);
    let own = own().id;
    for (globs, expected) in [
        (&[][..], &["mine"][..]),
        (&[LAMBDA], &[LAMBDA, "mine"]),
        (&["Lambda*"], &[LAMBDA, "mine"]),
        (&["lambda*"], &["mine"]),
        (&["Lambda"], &["mine"]),
        (&["*Policy", "t*s"], &[LAMBDA, "mine", "theirs"]),
        // What stands for access is the operator's own.
        (&["*"], &[LAMBDA, "mine", "theirs"]),
    ] {
        let whole = keep(globs).with(&asked, &held, &own).unwrap();
        assert_eq!(sids(&whole).unwrap(), expected, "{globs:?}");
    }
}

#[test]
fn a_sid_that_is_asked_for_is_nobody_elses() {
    let mut mine = pull(LAMBDA);
    mine["Action"] = json!("ecr:DescribeImages");
    let asked = asked(&json!({"Version": "2012-10-17", "Statement": [mine]}));
    let whole = keep(&["*"]).with(&asked, &held(&[lambda()]), &own().id);
    assert_eq!(whole.unwrap(), asked);
}

#[test]
fn where_none_is_asked_for_what_is_kept_is_left_as_it_is() {
    let (kept, own) = (keep(&[LAMBDA]), own().id);
    let with = |held: &Reading<Document>| kept.with(&Setting::Absent, held, &own).unwrap();
    let alone = held(&[lambda()]);
    let Reading::Stored(theirs) = &alone else {
        panic!("it was read");
    };
    // Version and Id are theirs as well: there is nothing to write.
    assert_eq!(with(&alone), Setting::Present(theirs.clone()));
    assert_eq!(
        with(&held(&[lambda(), pull("old")])),
        Setting::Present(theirs.clone())
    );
    assert_eq!(with(&held(&[pull("old")])), Setting::Absent);
    assert_eq!(with(&Reading::Absent), Setting::Absent);
    let unmanaged = kept.with(&Setting::Unmanaged, &alone, &own).unwrap();
    assert_eq!(unmanaged, Setting::Unmanaged);
}

fn of(class: &Class, spec: &Value) -> Keep {
    let spec = serde_json::from_value(spec.clone()).unwrap();
    super::super::effective(&spec, class, &SUBJECT).keep()
}

#[test]
fn nothing_stays_that_the_class_does_not_permit() {
    let asked = asked(&json!({"Version": "2012-10-17", "Statement": [pull("mine")]}));
    let held = held(&[lambda()]);
    let spec = json!({"keepStatements": ["*"]});
    let services = json!([{"service": "lambda.amazonaws.com"}]);
    for (class_spec, stays) in [
        (json!({"allowedServices": services}), true),
        (json!({"allowedPrincipals": ["*"]}), true),
        (json!({}), false),
        (
            json!({"allowedServices": services, "allowedActions": ["ecr:DescribeImages"]}),
            false,
        ),
    ] {
        let keep = of(&class(class_spec.clone()), &spec);
        let whole = keep.with(&asked, &held, &own().id).unwrap();
        assert_eq!(sids(&whole).unwrap().len() == 2, stays, "{class_spec}");
        let warning = keep.warning(&held, whole.value());
        let told = warning.is_some_and(|it| it.contains("the class does not permit"));
        assert_eq!(told, !stays, "{class_spec}");
    }
}

#[test]
fn lists_come_from_the_first_that_has_one() {
    let class = class(json!({
        "allowedPrincipals": ["*"],
        "defaults": {"keepStatements": [LAMBDA]},
    }));
    let held = held(&[lambda()]);
    let stays = |spec: Value| {
        let keep = of(&class, &spec);
        keep.with(&Setting::Absent, &held, &own().id).unwrap() != Setting::Absent
    };
    assert!(stays(json!({})));
    assert!(!stays(json!({"keepStatements": []})));
    assert!(!stays(json!({"keepStatements": ["other"]})));
    let effective = super::super::effective(
        &serde_json::from_value(json!({})).unwrap(),
        &class,
        &SUBJECT,
    );
    let records = effective.records();
    let mut records = records.iter();
    let told = records.find(|it| it.setting.as_str() == "keepStatements");
    assert_eq!(told.unwrap().value.as_deref(), Some(LAMBDA));
}

#[test]
fn what_is_kept_counts_for_the_longest_policy() {
    let many: Vec<String> = (0..150)
        .map(|number| format!("arn:aws:iam::123456789012:role/a-role-with-a-long-name-{number}"))
        .collect();
    let mut long = pull("long");
    long["Principal"] = json!({"AWS": many});
    let asked = asked(&json!({"Version": "2012-10-17", "Statement": [long]}));
    let few: Vec<&String> = many.iter().take(60).collect();
    let mut other = pull("other");
    other["Principal"] = json!({"AWS": few});
    let refusal = keep(&["other"]).with(&asked, &held(&[other]), &own().id);
    let refusal = refusal.unwrap_err();
    assert_eq!(refusal.reason, Reason::InvalidSpec);
    assert!(refusal.message.contains("10240 characters"), "{refusal}");
}

#[test]
fn what_is_to_stay_and_is_not_understood_is_not_overwritten() {
    let mut new = lambda();
    new["NewWord"] = json!(1);
    let asked = asked(&json!({"Version": "2012-10-17", "Statement": [pull("mine")]}));
    let (held, own) = (held(&[new]), own().id);
    let refusal = keep(&["Lambda*"]).with(&asked, &held, &own).unwrap_err();
    assert_eq!(refusal.reason, Reason::StoredDiffers);
    let other = keep(&["other"]).with(&asked, &held, &own);
    assert_eq!(other.unwrap(), asked);
}

#[test]
fn the_digest_is_the_policys_where_nothing_is_kept() {
    let policy = || "0123456789abcdef".to_owned();
    assert_eq!(Keep::default().hash(policy()), policy());
    assert_eq!(keep(&[]).hash(policy()), policy());
    let one = keep(&["a"]).hash(policy());
    assert_ne!(one, policy());
    assert_ne!(one, keep(&["b"]).hash(policy()));
}

#[test]
fn lambdas_statement_is_told_of_before_it_goes() {
    let held = held(&[lambda(), pull("other")]);
    let none = Keep::default();
    let mine = asked(&json!({"Version": "2012-10-17", "Statement": [pull("mine")]}));
    for then in [None, mine.value()] {
        let warning = none.warning(&held, then).unwrap();
        assert!(
            warning.contains("spec.keepStatements: [LambdaECRImageRetrievalPolicy]"),
            "{warning}"
        );
        assert!(warning.len() < 1024, "{warning}");
    }
    // It has its rights all the same.
    let mut again = lambda();
    again["Sid"] = json!("mine");
    let again = asked(&json!({"Version": "2012-10-17", "Statement": [again]}));
    assert_eq!(none.warning(&held, again.value()), None);
    let Reading::Stored(theirs) = &held else {
        panic!("it was read");
    };
    assert_eq!(none.warning(&held, Some(theirs)), None);
    assert_eq!(none.warning(&Reading::Absent, None), None);
}
