//! Variables in the values of a class's tags.

use proptest::collection::btree_map;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::super::{Labels, Subject, tags::made};
use super::{SUBJECT, class, labels, own};
use crate::api::{ECRRepositorySpec, SettingSource};
use crate::domain::identity::{Identity, Owner, RepositoryName};

fn spec(of: Value) -> ECRRepositorySpec {
    serde_json::from_value(of).unwrap()
}

fn owner() -> Owner {
    Owner::parse("prod/payments/api").unwrap()
}

fn of(layer: &str, tags: &Value) -> Value {
    json!({"allowedNamespaces": {}, layer: {"tags": tags}})
}

#[test]
fn a_tag_is_made_of_object_and_namespace() {
    let (own_labels, of_namespace) = (
        labels(&[("app", "Shop")]),
        labels(&[("cost-centre", "4711"), ("empty", "")]),
    );
    let subject = Subject {
        labels: &own_labels,
        namespace_labels: &of_namespace,
        ..SUBJECT
    };
    for layer in ["enforced", "defaults"] {
        let class = class(of(
            layer,
            &json!({
                "team": "${namespace}", "object": "${namespace}/${name}", "app": "app:${labels.app}",
                "CostCentre": "${namespaceLabels.cost-centre}", "none": "${namespaceLabels.empty}", "plain": "a b+c@d", "blank": "",
            }),
        ));
        let effective = class
            .admit(&subject, &spec(json!({"tags": {"own": "x"}})), &own())
            .unwrap();
        let desired = effective.desired(&class, owner(), own()).unwrap();
        let expected = json!({
            "team": "payments", "object": "payments/api", "app": "app:Shop", "CostCentre": "4711", "none": "", "plain": "a b+c@d",
            "blank": "", "own": "x",
        });
        assert_eq!(json!(desired.tags.unwrap()), expected, "{layer}");
    }
}

/// Without its value no enforced tag is left out in silence: nothing is made for the object.
#[test]
fn an_enforced_tag_without_a_value_refuses_the_object() {
    let class = class(of(
        "enforced",
        &json!({"team": "${labels.team}", "fixed": "x"}),
    ));
    let asked = spec(json!({"tags": {"team": "mine"}}));
    let refusal = class.admit(&SUBJECT, &asked, &own()).unwrap_err();
    assert_eq!(refusal.reason.as_str(), "InvalidSpec");
    assert_eq!(
        refusal.message,
        "Class prod needs the label team on this object for its tag team — add it"
    );
    // In the repository that it has, what can be enforced is.
    let at = Identity {
        registry: own(),
        name: RepositoryName::parse("payments/api").unwrap(),
    };
    let alone = class
        .enforced_alone(owner(), &SUBJECT, &at, [].into())
        .unwrap();
    assert_eq!(json!(alone.enforced_tags), json!({"fixed": "x"}));
}

/// A default without a value is said, leaves all other aspects alone, and gives way to the object's own.
#[test]
fn a_default_tag_without_a_value_is_the_tags_alone() {
    let class = class(of("defaults", &json!({"team": "${namespaceLabels.team}"})));
    let desired = |asked: Value| {
        let effective = class.admit(&SUBJECT, &spec(asked), &own()).unwrap();
        let source = effective.tag_source("team");
        (effective.desired(&class, owner(), own()).unwrap(), source)
    };
    let (refused, source) = desired(json!({"imageTagMutability": "IMMUTABLE"}));
    assert_eq!(source, None);
    assert_eq!(
        refused.tags.unwrap_err().message,
        "Class prod needs the label team on namespace payments for its tag team — have the namespace \
         labelled, or set the tag in spec.tags"
    );
    assert!(refused.mutability.is_ok());
    let (own, source) = desired(json!({"tags": {"team": "mine"}}));
    assert_eq!(
        (json!(own.tags.unwrap()), source),
        (json!({"team": "mine"}), Some(SettingSource::Spec))
    );
    let (out, _) = desired(json!({"unmanaged": ["tags"]}));
    assert_eq!(json!(out.tags.unwrap()), json!({}));
}

#[test]
fn a_value_that_is_too_long_is_refused() {
    let long = "x".repeat(63);
    let has = labels(&[("a", &long)]);
    let subject = Subject {
        labels: &has,
        ..SUBJECT
    };
    let five = "${labels.a}".repeat(5);
    let refused =
        class(of("enforced", &json!({"k": five}))).admit(&subject, &spec(json!({})), &own());
    assert_eq!(
        refused.unwrap_err().message,
        "Class prod makes 315 characters of its tag k, and ECR takes 256 in a value — use shorter labels, or \
         have the tag made of fewer"
    );
    let four = "${labels.a}".repeat(4);
    assert_eq!(made(&four, &subject).unwrap().len(), 252);
}

proptest! {
    /// A value is the text with its variables replaced, or there is none; it holds nothing but what AWS takes.
    #[test]
    fn a_value_is_its_text_with_the_variables_replaced(
        pieces in proptest::collection::vec(select(vec![
            "a", " ", "/", "=", "${namespace}", "${name}", "${labels.k}", "${namespaceLabels.k}",
        ]), 0..6),
        own in btree_map(Just("k".to_owned()), "[A-Za-z0-9._-]{0,63}|[\\$\\{\\}\u{0}\n*]", 0..2),
        of_namespace in btree_map(Just("k".to_owned()), "[A-Za-z0-9._-]{0,63}", 0..2),
    ) {
        let (own, of_namespace): (Labels, Labels) = (own, of_namespace);
        let text = pieces.concat();
        let subject = Subject { labels: &own, namespace_labels: &of_namespace, ..SUBJECT };
        let value = |piece: &&str| match *piece {
            "${namespace}" => Some("payments".to_owned()),
            "${name}" => Some("api".to_owned()),
            "${labels.k}" => own.get("k").cloned(),
            "${namespaceLabels.k}" => of_namespace.get("k").cloned(),
            other => Some(other.to_owned()),
        };
        let replaced: Option<String> = pieces.iter().map(value).collect();
        let fit = |it: &String| it.len() <= 256 && it.chars().all(|c| c.is_ascii_alphanumeric() || " ._-/=".contains(c));
        prop_assert_eq!(made(&text, &subject).ok(), replaced.filter(fit));
    }
}
