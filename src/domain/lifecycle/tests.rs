//! Tables: what is equal, what only looks so, what is refused.

use serde_json::{Map, Value, json};

use super::{Lifecycle, LifecycleError, wanted};
use crate::api::LifecyclePolicy;
use crate::domain::setting::Setting;

/// A rule for untagged images, with some of its members replaced; null removes one.
fn rule(selection: Value, others: Value) -> Value {
    let merged = |base: Value, members: Value| {
        let mut map: Map<String, Value> = serde_json::from_value(base).unwrap();
        map.extend(serde_json::from_value::<Map<String, Value>>(members).unwrap());
        map.retain(|_, value| !value.is_null());
        Value::Object(map)
    };
    let selection = merged(
        json!({"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14}),
        selection,
    );
    merged(
        json!({"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}),
        others,
    )
}

fn tagged(selection: &Value) -> Value {
    let mut all = json!({"tagStatus": "tagged"});
    all.as_object_mut()
        .unwrap()
        .extend(selection.as_object().unwrap().clone());
    rule(all, json!({}))
}

fn policy(rules: &[Value]) -> Value {
    json!({ "rules": rules })
}

fn stored(policy: &Value) -> Lifecycle {
    Lifecycle::stored(&policy.to_string())
}

fn asked(policy: &Value) -> Result<Setting<Lifecycle>, LifecycleError> {
    wanted(Some(
        &serde_json::from_value::<LifecyclePolicy>(policy.clone()).unwrap(),
    ))
}

/// A policy that a user may ask for.
fn legal(policy: &Value) -> Lifecycle {
    match asked(policy).unwrap() {
        Setting::Present(lifecycle) => lifecycle,
        other => panic!("no policy: {other:?}"),
    }
}

const ARCHIVED: &str = "sinceImageTransitioned";

fn to_archive() -> Value {
    json!({"action": {"type": "transition", "targetStorageClass": "archive"}})
}

#[test]
fn what_means_the_same() {
    let priority = |priority: Value| rule(json!({}), json!({"rulePriority": priority}));
    let any = |priority: Value| {
        rule(
            json!({"tagStatus": "any"}),
            json!({"rulePriority": priority}),
        )
    };
    for (one, other) in [
        (
            vec![priority(json!(1)), any(json!(2))],
            vec![any(json!(2)), priority(json!(1))],
        ),
        (
            vec![priority(json!(null)), any(json!(null))],
            vec![priority(json!(1)), any(json!(2))],
        ),
        (
            vec![tagged(&json!({"tagPatternList": ["a*", "b*"]}))],
            vec![tagged(&json!({"tagPatternList": ["b*", "a*", "b*"]}))],
        ),
        (
            vec![tagged(&json!({"tagPrefixList": ["a", "b"]}))],
            vec![tagged(
                &json!({"tagPrefixList": ["b", "a"], "tagPatternList": []}),
            )],
        ),
        (
            vec![rule(json!({}), json!({}))],
            vec![rule(
                json!({"tagPrefixList": [], "tagPatternList": []}),
                json!({}),
            )],
        ),
        (
            vec![rule(json!({}), json!({}))],
            vec![rule(json!({"storageClass": "standard"}), json!({}))],
        ),
        (
            vec![rule(json!({}), json!({}))],
            vec![rule(json!({}), json!({"description": ""}))],
        ),
    ] {
        let (one, other) = (policy(&one), policy(&other));
        assert_eq!(stored(&one), stored(&other), "{one} and {other}");
        assert_eq!(legal(&one), stored(&other), "{one} and {other}");
        assert_eq!(stored(&one), legal(&other), "{one} and {other}");
        assert_eq!(
            stored(&one).hash(),
            stored(&other).hash(),
            "{one} and {other}"
        );
    }
}

#[test]
fn what_only_looks_the_same() {
    let one = |members: Value| rule(json!({}), members);
    for (one, other) in [
        (one(json!({})), one(json!({"rulePriority": 2}))),
        (one(json!({})), one(json!({"description": "a"}))),
        (
            one(json!({"description": "A"})),
            one(json!({"description": "a"})),
        ),
        (
            one(json!({"description": "a "})),
            one(json!({"description": "a"})),
        ),
        (one(json!({})), one(to_archive())),
        (with(json!({})), with(json!({"tagStatus": "any"}))),
        (with(json!({})), with(json!({"countNumber": 15}))),
        (
            with(json!({})),
            with(json!({"countType": "imageCountMoreThan", "countUnit": null})),
        ),
        (
            rule(json!({}), to_archive()),
            rule(json!({"countType": "sinceImagePulled"}), to_archive()),
        ),
        (
            with(json!({})),
            with(json!({"countType": ARCHIVED, "storageClass": "archive", "countNumber": 90})),
        ),
        (with(json!({})), tagged(&json!({"tagPatternList": ["*"]}))),
        (
            tagged(&json!({"tagPatternList": ["v*"]})),
            tagged(&json!({"tagPrefixList": ["v"]})),
        ),
        (
            tagged(&json!({"tagPatternList": ["v*"]})),
            tagged(&json!({"tagPatternList": ["V*"]})),
        ),
        (
            tagged(&json!({"tagPatternList": ["v*"]})),
            tagged(&json!({"tagPatternList": ["v*", "v1*"]})),
        ),
    ] {
        let (one, other) = (policy(&[one]), policy(&[other]));
        assert_ne!(legal(&one), legal(&other), "{one} and {other}");
        assert_ne!(legal(&one), stored(&other), "{one} and {other}");
        assert_ne!(
            legal(&one).hash(),
            legal(&other).hash(),
            "{one} and {other}"
        );
    }
    let (a, b) = (
        one(json!({})),
        rule(json!({"tagStatus": "any"}), json!({"rulePriority": 2})),
    );
    assert_ne!(
        legal(&policy(std::slice::from_ref(&a))),
        legal(&policy(&[a, b]))
    );
}

#[test]
fn what_is_not_understood_equals_itself_alone() {
    let plain = rule(json!({}), json!({}));
    let texts = [
        "",
        "{",
        "[]",
        "{}",
        r#"{"rules":[]}"#,
        &policy(&[rule(json!({"new": true}), json!({}))]).to_string(),
        &policy(&[rule(json!({}), json!({"new": {"deep": 1}}))]).to_string(),
        &json!({"rules": [plain], "version": 2}).to_string(),
        &policy(&[rule(json!({"countType": "sinceNewWord"}), json!({}))]).to_string(),
        &policy(&[rule(json!({"countNumber": 0}), json!({}))]).to_string(),
        &policy(&[rule(json!({"countNumber": 1.5}), json!({}))]).to_string(),
        &policy(&[rule(json!({"countNumber": "14"}), json!({}))]).to_string(),
        &policy(&[rule(json!({"countNumber": 4_294_967_310_i64}), json!({}))]).to_string(),
        &policy(&[plain.clone(), plain.clone()]).to_string(),
    ];
    let read = texts.map(Lifecycle::stored);
    for (i, one) in read.iter().enumerate() {
        assert!(!one.is_understood());
        assert_eq!(one.text(), texts[i]);
        assert_ne!(*one, legal(&policy(std::slice::from_ref(&plain))));
        for (j, other) in read.iter().enumerate() {
            assert_eq!(one == other, i == j, "{} and {}", texts[i], texts[j]);
            assert_eq!(one.hash() == other.hash(), i == j);
        }
    }
}

#[test]
fn what_aws_gives_back_equals_what_was_sent() {
    let sent = legal(&json!({"rules": [
        {"rulePriority": 10, "description": "keep the last 10 images",
         "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10}, "action": {"type": "expire"}},
        {"rulePriority": 2, "selection": {"tagStatus": "tagged", "tagPatternList": ["b*", "a*"], "countType": "sinceImagePulled", "countUnit": "days", "countNumber": 60},
         "action": {"type": "transition", "targetStorageClass": "archive"}},
    ]}));
    let returned = r#"{
  "rules" : [ {
    "rulePriority" : 2, "description" : null,
    "selection" : { "tagStatus" : "tagged", "tagPrefixList" : [ ], "tagPatternList" : [ "a*", "b*" ],
      "storageClass" : "standard", "countType" : "sinceImagePulled", "countUnit" : "days", "countNumber" : 60.0 },
    "action" : { "type" : "transition", "targetStorageClass" : "archive" }
  }, {
    "rulePriority" : 10, "description" : "keep the last 10 images",
    "selection" : { "tagStatus" : "any", "countType" : "imageCountMoreThan", "countUnit" : null, "countNumber" : 10 },
    "action" : { "type" : "expire" }
  } ]
}"#;
    assert_eq!(sent, Lifecycle::stored(returned));
}

#[test]
fn the_text_leaves_out_what_can_be() {
    let rules = [
        rule(
            json!({"tagStatus": "any", "storageClass": "standard"}),
            json!({"rulePriority": 7, "description": "é"}),
        ),
        rule(
            json!({"countType": ARCHIVED, "storageClass": "archive", "countNumber": 90}),
            json!({"rulePriority": 3, "description": ""}),
        ),
    ];
    assert_eq!(
        legal(&policy(&rules)).text(),
        "{\"rules\":[{\"action\":{\"type\":\"expire\"},\"rulePriority\":3,\
         \"selection\":{\"countNumber\":90,\"countType\":\"sinceImageTransitioned\",\"countUnit\":\"days\",\
         \"storageClass\":\"archive\",\"tagStatus\":\"untagged\"}},\
         {\"action\":{\"type\":\"expire\"},\"description\":\"é\",\"rulePriority\":7,\
         \"selection\":{\"countNumber\":14,\"countType\":\"sinceImagePushed\",\"countUnit\":\"days\",\"tagStatus\":\"any\"}}]}"
    );
}

#[test]
fn the_hash_outlives_this_program() {
    // It stands in `status.applied`: another one would have every policy read again after an
    // upgrade.
    assert_eq!(
        legal(&policy(&[rule(json!({}), json!({}))])).hash(),
        "913b74b6812a96d1"
    );
}

#[test]
fn the_shortest_policy_is_long_enough_for_ecr() {
    // The shortest word of each kind. A count needs no unit, but its name is longer than a unit.
    let shortest = ["any", "untagged"].into_iter().flat_map(|status| {
        [
            json!({"tagStatus": status, "countNumber": 1}),
            json!({"tagStatus": status, "countNumber": 1, "countType": "imageCountMoreThan", "countUnit": null}),
            json!({"tagStatus": "tagged", "tagPrefixList": ["a"], "countNumber": 1}),
        ]
    });
    let lengths = shortest.map(|selection| {
        legal(&policy(&[rule(selection, json!({}))]))
            .text()
            .chars()
            .count()
    });
    let least = lengths.min().unwrap();
    assert!(
        least >= 100,
        "{least} characters: pad the text with white space"
    );
}

#[test]
fn three_states() {
    assert_eq!(wanted(None), Ok(Setting::Unmanaged));
    assert_eq!(asked(&policy(&[])), Ok(Setting::Absent));
    assert!(matches!(
        asked(&policy(&[rule(json!({}), json!({}))])),
        Ok(Setting::Present(_))
    ));
}

/// Each policy of one rule is refused with a message that begins like this, `{}` being the rule's
/// path.
fn assert_refused<const N: usize>(cases: [(Value, &str); N]) {
    for (rule, message) in cases {
        let refusal = asked(&policy(std::slice::from_ref(&rule)))
            .unwrap_err()
            .to_string();
        let message = message.replace("{}", "spec.lifecyclePolicy.rules[0]");
        assert!(
            refusal.starts_with(&message),
            "{rule}\n  says  {refusal}\n  not   {message}"
        );
    }
}

fn with(selection: Value) -> Value {
    rule(selection, json!({}))
}

#[test]
fn refusals_of_numbers_say_what_to_do() {
    let of = |priority: i64| rule(json!({}), json!({"rulePriority": priority}));
    assert_refused([
        (
            of(0),
            "{}.rulePriority is no number that ECR takes — write a whole one from 1 to 2147483647",
        ),
        (
            of(2_147_483_648),
            "{}.rulePriority is no number that ECR takes — write a whole one from 1 to 2147483647",
        ),
        (
            with(json!({"countNumber": 0})),
            "{}.selection.countNumber is no number that ECR takes — write a whole one from 1 to 2147483647",
        ),
        (
            with(json!({"countNumber": -5})),
            "{}.selection.countNumber is no number that ECR takes — write a whole one from 1 to 2147483647",
        ),
        (
            with(json!({"countType": ARCHIVED, "storageClass": "archive", "countNumber": 89})),
            "{}.selection.countNumber is no number that ECR takes — write a whole one from 90 to 2147483647",
        ),
    ]);
}

#[test]
fn refusals_of_tags_say_what_to_do() {
    legal(&policy(&[tagged(&json!({"tagPatternList": ["*a*b*c*"]}))]));
    assert_refused([
        (
            tagged(&json!({})),
            "tagStatus tagged lacks what it needs at {}.selection — set tagPatternList (or tagPrefixList)",
        ),
        (
            tagged(&json!({"tagPatternList": []})),
            "tagStatus tagged lacks what it needs at {}.selection",
        ),
        (
            tagged(&json!({"tagPatternList": ["a"], "tagPrefixList": ["a"]})),
            "tagPrefixList does not go with tagPatternList at {}.selection — remove it",
        ),
        (
            tagged(&json!({"tagPatternList": ["a*b*c*d*e*"]})),
            "A pattern in tagPatternList at {}.selection has more than four `*` — write it with fewer",
        ),
        (
            tagged(&json!({"tagPrefixList": ["a", ""]})),
            "tagPrefixList at {}.selection has an empty string, which names no tag — remove it",
        ),
        (
            with(json!({"tagPatternList": ["a"]})),
            "tagPatternList does not go with tagStatus untagged at {}.selection — remove it",
        ),
        (
            with(json!({"tagStatus": "any", "tagPrefixList": ["a"]})),
            "tagPrefixList does not go with tagStatus any at {}.selection — remove it",
        ),
    ]);
}

#[test]
fn refusals_of_counts_and_actions_say_what_to_do() {
    let archived = json!({"countType": ARCHIVED, "storageClass": "archive", "countNumber": 90});
    let both = json!({"action": {"type": "expire", "targetStorageClass": "archive"}});
    assert_refused([
        (
            with(json!({"countUnit": null})),
            "countType sinceImagePushed lacks what it needs at {}.selection — set countUnit to days",
        ),
        (
            with(json!({"countType": "imageCountMoreThan"})),
            "countUnit does not go with countType imageCountMoreThan at {}.selection — remove it",
        ),
        (
            with(json!({"countType": ARCHIVED})),
            "countType sinceImageTransitioned lacks what it needs at {}.selection — set storageClass to archive",
        ),
        (
            with(json!({"storageClass": "archive"})),
            "storageClass archive does not go with countType sinceImagePushed at {}.selection — remove it",
        ),
        (
            rule(archived, to_archive()),
            "countType sinceImageTransitioned takes no other action than expire at {} — set action.type to it",
        ),
        (
            with(json!({"countType": "sinceImagePulled"})),
            "countType sinceImagePulled takes no other action than transition at {} — set action.type to it",
        ),
        (
            rule(json!({}), json!({"action": {"type": "transition"}})),
            "type transition lacks what it needs at {}.action — set targetStorageClass to archive",
        ),
        (
            rule(json!({}), both),
            "targetStorageClass does not go with type expire at {}.action — remove it",
        ),
    ]);
}

#[test]
fn refusals_of_rules_together_say_what_to_do() {
    let at = "spec.lifecyclePolicy.rules[1]";
    let of = |priority: Value, selection: Value| rule(selection, json!({"rulePriority": priority}));
    let any = || json!({"tagStatus": "any"});
    let prefixes = |list: Value| json!({"tagStatus": "tagged", "tagPrefixList": list});
    let archived = |status: &str| json!({"tagStatus": status, "countType": ARCHIVED, "storageClass": "archive", "countNumber": 90});
    for (rules, message) in [
        (vec![of(json!(1), json!({})), of(json!(null), any())], format!("{at} has no rulePriority, and other rules have one — set it there too")),
        (vec![of(json!(1), json!({})), of(json!(1), any())], format!("{at} has rulePriority 1, as another rule does — give each its own")),
        (vec![of(json!(1), json!({})), of(json!(2), json!({}))], format!("{at} selects untagged images, as does the rule of priority 1, and ECR takes one such rule a storage class — merge the two")),
        (vec![of(json!(5), any()), of(json!(4), any())], format!("{at} selects all images, as does the rule of priority 5, and ECR takes one such rule a storage class — merge the two")),
        (vec![of(json!(1), archived("any")), of(json!(2), archived("any"))], format!("{at} selects all images, as does the rule of priority 1")),
        (vec![of(json!(1), prefixes(json!(["a", "b"]))), of(json!(2), prefixes(json!(["b", "a"])))], format!("{at} selects the same tagPrefixList, as does the rule of priority 1")),
        (vec![of(json!(1), any()), of(json!(2), json!({}))], "The rule with tagStatus any is at rulePriority 1, and 2 comes after it — give it the highest of its storage class".to_owned()),
        (vec![of(json!(null), any()), of(json!(null), json!({}))], "The rule with tagStatus any is at rulePriority 1, and 2 comes after it".to_owned()),
    ] {
        let refusal = asked(&policy(&rules)).unwrap_err().to_string();
        assert!(refusal.starts_with(&message), "{rules:?}\n  says  {refusal}\n  not   {message}");
    }
    for rules in [
        vec![of(json!(1), any()), of(json!(2), archived("any"))],
        vec![of(json!(2), any()), of(json!(1), archived("any"))],
        vec![of(json!(1), json!({})), of(json!(2), archived("untagged"))],
        vec![
            of(json!(3), any()),
            of(json!(1), prefixes(json!(["a"]))),
            of(json!(2), prefixes(json!(["a", "b"]))),
        ],
    ] {
        legal(&policy(&rules));
    }
}

#[test]
fn sizes_are_those_of_ecr() {
    let many = |count: usize, bytes: usize| {
        let rules = (0..count).map(|i| {
            let selection = json!({"tagStatus": "tagged", "tagPatternList": [format!("{i}")]});
            rule(
                selection,
                json!({"rulePriority": i + 1, "description": "x".repeat(bytes)}),
            )
        });
        policy(&rules.collect::<Vec<_>>())
    };
    legal(&many(50, 1));
    assert_eq!(
        asked(&many(51, 1)),
        Err(LifecycleError::TooManyRules { count: 51 })
    );
    let room = 30_720 - legal(&many(1, 1)).text().len() + 1;
    assert_eq!(legal(&many(1, room)).text().len(), 30_720);
    assert_eq!(
        asked(&many(1, room + 1)),
        Err(LifecycleError::TooLong { characters: 30_721 })
    );
}

#[test]
fn a_mark_changes_what_a_policy_is_called_and_nothing_of_what_it_does() {
    let rules = json!({"rules": [
        {"rulePriority": 2, "description": "keep the last 10 images",
         "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10},
         "action": {"type": "expire"}},
        {"rulePriority": 1,
         "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 1},
         "action": {"type": "expire"}},
    ]});
    let policy = legal(&rules);
    let marked = policy.marked("mark").unwrap();
    assert_ne!(marked, policy);
    assert_ne!(marked, policy.marked("another").unwrap());
    assert_eq!(Lifecycle::stored(&marked.text()), marked);
    let mut expected = rules;
    expected["rules"][1]["description"] = json!("mark");
    assert_eq!(marked, legal(&expected));
    assert_eq!(Lifecycle::stored("{}").marked("mark"), None);
}
