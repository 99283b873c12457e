//! Templates and patterns of names, against naive readings.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use super::super::{Glob, Labels, NameTemplate, NamingError, Subject, ValueError};
use super::labels;
use crate::domain::identity::RepositoryName;

const KEYS: &[&str] = &["project", "example.com/team", "a-b_c.d"];

/// Values as Kubernetes has them, and some that it has not.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-z0-9]([a-z0-9._-]{0,6}[a-z0-9])?",
        2 => "[a-z]{1,2}/[a-z]{1,2}",
        1 => select(vec![
            "", "/", "a/b", "../x", "*", "**", "${name}", "A", "é", "a b", "a\nb", "..", "%2f", "\u{0}", "?",
        ]).prop_map(str::to_owned),
        1 => ".{0,4}",
    ]
}

fn some_labels() -> impl Strategy<Value = Labels> {
    btree_map(select(KEYS).prop_map(str::to_owned), value(), 0..3)
}

/// A piece of a template, as text.
fn piece() -> impl Strategy<Value = String> {
    let variable = prop_oneof![
        Just("namespace".to_owned()),
        Just("name".to_owned()),
        select(KEYS).prop_map(|key| format!("labels.{key}")),
        select(KEYS).prop_map(|key| format!("namespaceLabels.{key}")),
    ];
    prop_oneof![
        variable.prop_map(|name| format!("${{{name}}}")),
        select(vec!["/", "-", "x", "team", "."]).prop_map(str::to_owned),
    ]
}

/// What the variables stand for, by their text.
fn values(
    namespace: &str,
    name: &str,
    own: &Labels,
    of_namespace: &Labels,
) -> BTreeMap<String, Option<String>> {
    let mut values = BTreeMap::from([
        ("${namespace}".to_owned(), Some(namespace.to_owned())),
        ("${name}".to_owned(), Some(name.to_owned())),
    ]);
    for key in KEYS {
        values.insert(format!("${{labels.{key}}}"), own.get(*key).cloned());
        let of_namespace = of_namespace.get(*key).cloned();
        values.insert(format!("${{namespaceLabels.{key}}}"), of_namespace);
    }
    values
}

/// By the regular expression of ECR's API model, without one.
fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        let bytes = part.as_bytes();
        let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let separated = ["..", "._", "_.", ".-", "-.", "-_", "_-", "___"];
        bytes.first().is_some_and(plain)
            && bytes.last().is_some_and(plain)
            && bytes.iter().all(|b| plain(b) || b"._-".contains(b))
            && !separated.iter().any(|it| part.contains(it))
    };
    (2..=256).contains(&name.len()) && name.split('/').all(part)
}

fn naive_match(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', '*', rest @ ..] => (0..=text.len()).any(|eaten| naive_match(rest, &text[eaten..])),
        ['*', rest @ ..] => {
            let most = text.iter().take_while(|it| **it != '/').count();
            (0..=most).any(|eaten| naive_match(rest, &text[eaten..]))
        }
        [one, rest @ ..] => text.first() == Some(one) && naive_match(rest, &text[1..]),
    }
}

proptest! {
    /// A name is legal, is the template with its variables replaced, and has the template's slashes
    /// and no others, whatever the values; a missing label is named.
    #[test]
    fn expansion_stays_in_its_place(
        template in vec(piece(), 1..6),
        namespace in "[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?",
        name in "[a-z0-9]([a-z0-9.-]{0,8}[a-z0-9])?",
        own in some_labels(),
        of_namespace in some_labels(),
    ) {
        let text = template.concat();
        let subject = Subject { namespace: &namespace, name: &name, labels: &own, namespace_labels: &of_namespace };
        let values = values(&namespace, &name, &own, &of_namespace);
        let expanded = NameTemplate::parse(&text).unwrap().expand(&subject);
        let replaced: Option<String> = template
            .iter()
            .map(|piece| match values.get(piece) {
                Some(value) => value.clone(),
                None => Some(piece.clone()),
            })
            .collect();
        let clean = |value: &Option<String>| {
            value.as_ref().is_some_and(|it| !it.is_empty() && it.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-')))
        };
        let used: Vec<_> = template.iter().filter_map(|piece| values.get(piece)).collect();
        match expanded {
            Ok(name) => {
                let name = name.as_str();
                prop_assert!(is_name(name), "{name:?}");
                prop_assert_eq!(Some(name), replaced.as_deref());
                prop_assert_eq!(name.matches('/').count(), template.iter().filter(|it| *it == "/").count());
                prop_assert!(used.into_iter().all(clean));
            }
            Err(NamingError::Value(ValueError::NoLabel { key, .. })) => {
                prop_assert!(!own.contains_key(&key));
                let variable = format!("${{labels.{key}}}");
                prop_assert!(text.contains(&variable));
            }
            Err(NamingError::Value(ValueError::NoNamespaceLabel { key, .. })) => {
                prop_assert!(!of_namespace.contains_key(&key));
                let variable = format!("${{namespaceLabels.{key}}}");
                prop_assert!(text.contains(&variable));
            }
            Err(NamingError::Value(ValueError::Value { .. })) => {
                prop_assert!(used.into_iter().flatten().any(|it| !clean(&Some(it.clone()))));
            }
            Err(NamingError::Name(_)) => prop_assert!(!is_name(&replaced.unwrap())),
        }
    }

    /// As a naive matcher, with variables taken to the letter.
    #[test]
    fn patterns_match_as_a_naive_matcher(
        pattern in vec(select(vec!["*", "**", "a", "b", "/", "-", "${namespace}", "${namespaceLabels.project}"]), 1..7),
        name in "[ab]{1,3}((/|-)[ab]{1,3}){0,3}",
        project in value(),
    ) {
        let text = pattern.concat();
        prop_assume!(!text.contains("***"));
        let Ok(name) = RepositoryName::parse(&name) else { return Ok(()) };
        let of_namespace = labels(&[("project", &project)]);
        let subject = Subject { namespace: "ab", name: "api", labels: super::NONE, namespace_labels: &of_namespace };
        let legal = !project.is_empty() && project.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-'));
        let needs = text.contains("Labels");
        let replaced = text.replace("${namespace}", "ab").replace("${namespaceLabels.project}", &project);
        let characters = |text: &str| text.chars().collect::<Vec<_>>();
        let expected = (legal || !needs) && naive_match(&characters(&replaced), &characters(name.as_str()));
        let glob = Glob::parse(&text).unwrap();
        prop_assert_eq!(glob.allows(&name, &subject), expected, "{} {}", text, name);
        let without = Subject { namespace_labels: super::NONE, ..subject };
        prop_assert!(!needs || !glob.allows(&name, &without));
    }

    /// No text makes the parsers panic, and what they take has no character that is in no name.
    #[test]
    fn any_text_is_taken_or_refused(text in "[a*/${}.A-Zé{]{0,12}|\\PC{0,12}") {
        let _ = NameTemplate::parse(&text);
        if Glob::parse(&text).is_ok() {
            prop_assert!(!text.chars().any(char::is_whitespace), "{:?}", text);
        }
    }
}

#[test]
fn a_pattern_that_is_written_to_be_slow_is_not() {
    let text = "*a".repeat(120) + "b";
    let name = RepositoryName::parse(&"a".repeat(256)).unwrap();
    assert!(!Glob::parse(&text).unwrap().allows(&name, &super::SUBJECT));
}

#[test]
fn templates_are_read_or_say_why() {
    for (text, words) in [
        ("", "it is empty"),
        ("${namespace", "close"),
        ("${}", "stands for nothing"),
        ("${labels}", "stands for nothing"),
        ("${labels.}", "stands for nothing"),
        ("${labels.a b}", "stands for nothing"),
        ("${labels.${name}}", "stands for nothing"),
        ("${namespaces}", "stands for nothing"),
        ("$namespace", "'$'"),
        ("a}b", "'}'"),
        ("*", "'*'"),
        ("A", "'A'"),
    ] {
        let error = NameTemplate::parse(text).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
}

/// Who writes an object chooses its name, so that by itself it limits nothing.
#[test]
fn a_name_needs_the_namespace_beside_it() {
    for text in [
        "${name}",
        "${name}/**",
        "a/${name}",
        "**/${name}",
        "shared-${name}/*",
    ] {
        let error = Glob::parse(text).unwrap_err().to_string();
        assert!(error.contains("${name} alone"), "{text}: {error}");
    }
    for text in [
        "${namespace}/${name}",
        "${name}-${namespace}",
        "${namespaceLabels.project}/${name}/**",
        "shared/*",
    ] {
        assert!(Glob::parse(text).is_ok(), "{text}");
    }
    assert!(NameTemplate::parse("${name}").is_ok());
}

/// Kubernetes has no such label. If it had, it would reach no other path.
#[test]
fn no_value_brings_a_slash() {
    let of_namespace = labels(&[("project", "checkout/billing")]);
    let subject = Subject {
        labels: &of_namespace,
        namespace_labels: &of_namespace,
        ..super::SUBJECT
    };
    for text in ["${labels.project}-${name}", "${namespaceLabels.project}/x"] {
        let template = NameTemplate::parse(text).unwrap();
        let error = template.expand(&subject).unwrap_err().to_string();
        assert!(error.contains("change it to lower-case"), "{text}: {error}");
    }
    let glob = Glob::parse("${namespaceLabels.project}/*").unwrap();
    let name = RepositoryName::parse("checkout/billing/api").unwrap();
    assert!(!glob.allows(&name, &subject));
}

#[test]
fn the_scheme_of_the_guide() {
    let template = NameTemplate::parse("${labels.project}-${name}-${labels.environment}").unwrap();
    let own = labels(&[("project", "nashtech"), ("environment", "mgmt")]);
    let subject = Subject {
        labels: &own,
        ..super::SUBJECT
    };
    let name = template.expand(&subject).unwrap();
    assert_eq!(name.as_str(), "nashtech-api-mgmt");
    let error = template.expand(&super::SUBJECT).unwrap_err().to_string();
    assert_eq!(error, "it needs the label project on this object — add it");
}
