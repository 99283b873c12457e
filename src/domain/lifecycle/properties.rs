//! Properties: policies written in many ways are equal, policies of another meaning are not.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use super::{Lifecycle, wanted};
use crate::api::LifecyclePolicy;
use crate::domain::setting::Setting;

/// A rule as the tests understand it, apart from the code under test.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Rule {
    description: Option<String>,
    /// `None` for untagged images, which are left to one rule a policy.
    tags: Option<(bool, BTreeSet<String>)>,
    count: (&'static str, u32, bool),
}

/// Rules by priority.
type Model = BTreeMap<u32, Rule>;

const PUSHED: &str = "sinceImagePushed";
const PULLED: &str = "sinceImagePulled";
const ARCHIVED: &str = "sinceImageTransitioned";
const COUNT: &str = "imageCountMoreThan";

fn count() -> impl Strategy<Value = (&'static str, u32, bool)> {
    (
        select(&[PUSHED, PULLED, ARCHIVED, COUNT]),
        90_u32..94,
        any::<bool>(),
    )
        .prop_map(|(what, number, archives)| {
            let archives = if what == PULLED {
                true
            } else {
                archives && what != ARCHIVED
            };
            (what, number, archives)
        })
}

prop_compose! {
    fn rule()(
        description in proptest::option::of(select(&["a", "A", "é\"\\\n"]).prop_map(str::to_owned)),
        tags in btree_set(select(&["a", "A", "b*", "*"]).prop_map(str::to_owned), 1..4),
        prefix in any::<bool>(),
        count in count(),
    ) -> Rule {
        Rule { description, tags: Some((prefix, tags)), count }
    }
}

prop_compose! {
    fn model()(
        mut rules in btree_map(1_u32..100, rule(), 1..5),
        untagged in proptest::option::of(select(&[100_u32, 200])),
        count in count(),
    ) -> Model {
        let mut seen = BTreeSet::new();
        // Lists of prefixes come once a storage class.
        rules.retain(|_, rule| {
            let prefixes = rule.tags.clone().filter(|(prefix, _)| *prefix);
            prefixes.is_none_or(|(_, tags)| seen.insert((rule.count.0 == ARCHIVED, tags)))
        });
        let untagged = untagged.map(|priority| (priority, Rule { description: None, tags: None, count }));
        rules.into_iter().chain(untagged).collect()
    }
}

/// What a writer may do that changes nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Habit {
    /// Values come twice in lists.
    Repeats,
    /// What is absent is written as empty.
    WritesEmpty,
    /// Defaults are written.
    WritesDefaults,
    /// White space.
    WritesPretty,
}

/// A way of writing.
#[derive(Clone, Debug)]
struct Style {
    order: Vec<usize>,
    habits: Vec<Habit>,
}

prop_compose! {
    fn style()(
        order in Just((0..8).collect::<Vec<_>>()).prop_shuffle(),
        habits in subsequence(
            vec![Habit::Repeats, Habit::WritesEmpty, Habit::WritesDefaults, Habit::WritesPretty],
            0..=4,
        ),
    ) -> Style {
        Style { order, habits }
    }
}

impl Style {
    fn has(&self, habit: Habit) -> bool {
        self.habits.contains(&habit)
    }

    fn shuffled<T: Clone>(&self, items: &[T]) -> Vec<T> {
        self.order
            .iter()
            .filter_map(|i| items.get(*i))
            .cloned()
            .collect()
    }

    fn object(&self, members: Vec<(&str, Option<Value>)>) -> Value {
        let nothing = |key| {
            if self.has(Habit::WritesEmpty) && key == "tagPatternList" {
                Some(json!([]))
            } else {
                None
            }
        };
        let members = members
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value.or_else(|| nothing(key))?)));
        Value::Object(members.collect())
    }

    fn rule(&self, priority: Option<u32>, rule: &Rule) -> Value {
        let (what, number, archives) = rule.count;
        let list = |wanted: bool| {
            let (_, tags) = rule.tags.as_ref().filter(|(prefix, _)| *prefix == wanted)?;
            let mut tags = self.shuffled(&tags.iter().cloned().collect::<Vec<_>>());
            if self.has(Habit::Repeats) {
                tags.push(tags[0].clone());
            }
            Some(json!(tags))
        };
        let class = if what == ARCHIVED {
            Some("archive")
        } else {
            self.has(Habit::WritesDefaults).then_some("standard")
        };
        let selection = self.object(vec![
            (
                "tagStatus",
                Some(
                    if rule.tags.is_some() {
                        "tagged"
                    } else {
                        "untagged"
                    }
                    .into(),
                ),
            ),
            ("tagPatternList", list(false)),
            ("tagPrefixList", list(true)),
            ("storageClass", class.map(Value::from)),
            ("countType", Some(what.into())),
            ("countUnit", (what != COUNT).then(|| "days".into())),
            ("countNumber", Some(number.into())),
        ]);
        let action = if archives {
            json!({"type": "transition", "targetStorageClass": "archive"})
        } else {
            json!({"type": "expire"})
        };
        let description = rule
            .description
            .clone()
            .or_else(|| self.has(Habit::WritesEmpty).then(String::new));
        self.object(vec![
            ("rulePriority", priority.map(Value::from)),
            ("description", description.map(Value::from)),
            ("selection", Some(selection)),
            ("action", Some(action)),
        ])
    }

    fn write(&self, model: &Model) -> Value {
        let rules: Vec<_> = model
            .iter()
            .map(|(priority, rule)| self.rule(Some(*priority), rule))
            .collect();
        json!({"rules": self.shuffled(&rules)})
    }

    fn text(&self, model: &Model) -> String {
        let json = self.write(model);
        if self.has(Habit::WritesPretty) {
            serde_json::to_string_pretty(&json).unwrap()
        } else {
            json.to_string()
        }
    }
}

fn asked(policy: &Value) -> Lifecycle {
    match wanted(Some(
        &serde_json::from_value::<LifecyclePolicy>(policy.clone()).unwrap(),
    ))
    .unwrap()
    {
        Setting::Present(lifecycle) => lifecycle,
        other => panic!("no policy: {other:?}"),
    }
}

/// Changes one thing that has a meaning.
fn change(model: &Model, which: usize, how: usize) -> Model {
    let mut changed = model.clone();
    let priority = *model.keys().nth(which % model.len()).unwrap();
    let mut rule = changed.remove(&priority).unwrap();
    let (what, number, archives) = rule.count;
    match how {
        0 => return changed,
        1 => {
            changed.insert(priority + 1_000, rule);
            return changed;
        }
        2 => rule.description = Some("another".to_owned()),
        3 => rule.description = None,
        4 => rule.count.1 = number + 1,
        5 => rule.count = (what, number, archives != matches!(what, PUSHED | COUNT)),
        6 => {
            rule.count = (
                if what == PUSHED { COUNT } else { PUSHED },
                number,
                archives,
            );
        }
        7 => {
            rule.tags = Some((
                rule.tags.is_none_or(|(prefix, _)| !prefix),
                BTreeSet::from(["another".to_owned()]),
            ));
        }
        _ => {
            if let Some((_, tags)) = &mut rule.tags {
                tags.insert("another".to_owned());
            }
        }
    }
    changed.insert(priority, rule);
    changed
}

/// JSON made of the words of the grammar in all the wrong places.
fn any_json() -> impl Strategy<Value = Value> {
    const KEYS: &[&str] = &[
        "rules",
        "rulePriority",
        "description",
        "selection",
        "action",
        "tagStatus",
        "tagPatternList",
        "tagPrefixList",
        "storageClass",
        "countType",
        "countUnit",
        "countNumber",
        "type",
        "targetStorageClass",
        "x",
    ];
    const TEXTS: &[&str] = &[
        "any",
        "untagged",
        "tagged",
        "archive",
        "standard",
        "days",
        "expire",
        "transition",
        PUSHED,
        PULLED,
        COUNT,
        "",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        select(&[0.5, 10.0, -1e300]).prop_map(Value::from),
        select(TEXTS).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        let members = vec((select(KEYS).prop_map(str::to_owned), inner.clone()), 0..7);
        prop_oneof![
            vec(inner, 0..3).prop_map(Value::from),
            members.prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Policies of the right shape with values that need not go together.
fn any_policy() -> impl Strategy<Value = Value> {
    let word = |words: &'static [&'static str]| proptest::option::weighted(0.7, select(words));
    let tags = || proptest::option::of(vec(select(&["a", "b*", "*****", ""]), 0..3));
    let rule = (
        (proptest::option::weighted(0.8, -1_i64..5), word(&["", "d"])),
        (
            select(&["any", "untagged", "tagged"]),
            tags(),
            tags(),
            word(&["standard", "archive"]),
        ),
        (
            select(&[PUSHED, PULLED, ARCHIVED, COUNT]),
            word(&["days"]),
            -1_i64..120,
        ),
        (select(&["expire", "transition"]), word(&["archive"])),
    );
    let rule = rule.prop_map(|((priority, description), (status, patterns, prefixes, class), (what, unit, number), (action, target))| {
        json!({
            "rulePriority": priority, "description": description,
            "selection": {"tagStatus": status, "tagPatternList": patterns, "tagPrefixList": prefixes, "storageClass": class,
                "countType": what, "countUnit": unit, "countNumber": number},
            "action": {"type": action, "targetStorageClass": target},
        })
    });
    vec(rule, 0..3).prop_map(|rules| json!({ "rules": rules }))
}

proptest! {
    #[test]
    fn however_it_is_written_it_is_the_same(model in model(), one in style(), other in style()) {
        let (a, b) = (Lifecycle::stored(&one.text(&model)), asked(&other.write(&model)));
        prop_assert_eq!(&a, &b);
        prop_assert_eq!(a.hash(), b.hash());
        prop_assert_eq!(a.text(), b.text());
    }

    #[test]
    fn the_order_of_the_list_gives_the_priorities(model in model(), style in style()) {
        let unnumbered: Vec<_> = model.values().map(|rule| style.rule(None, rule)).collect();
        let numbered: Model = (1..).zip(model.into_values()).collect();
        prop_assert_eq!(asked(&json!({"rules": unnumbered})), asked(&style.write(&numbered)));
    }

    #[test]
    fn the_text_means_the_policy(model in model(), style in style()) {
        let policy = asked(&style.write(&model));
        let text = policy.text();
        let again = Lifecycle::stored(&text);
        prop_assert_eq!(&again, &policy);
        prop_assert_eq!(again.text(), text.clone());
        prop_assert!(text.len() >= 100 && !text.contains("null"));
    }

    #[test]
    fn another_meaning_is_another_policy(
        model in model(),
        which in any::<usize>(),
        how in 0_usize..9,
        (one, other) in (style(), style()),
    ) {
        let changed = change(&model, which, how);
        prop_assume!(changed != model);
        let (a, b) = (asked(&one.write(&model)), Lifecycle::stored(&other.text(&changed)));
        prop_assert_ne!(&a, &b);
        prop_assert_ne!(a.hash(), b.hash());
    }

    #[test]
    fn equality_is_that_of_the_models(models in vec(model(), 3), styles in vec(style(), 3), same in any::<[bool; 2]>()) {
        let models = [0, usize::from(!same[0]), if same[1] { 0 } else { 2 }].map(|i| &models[i]);
        let read: Vec<_> = models.iter().zip(&styles).map(|(model, style)| Lifecycle::stored(&style.text(model))).collect();
        for (i, a) in read.iter().enumerate() {
            for (j, b) in read.iter().enumerate() {
                prop_assert_eq!(a == b, models[i] == models[j]);
                prop_assert_eq!(a == b, a.hash() == b.hash());
                prop_assert_eq!(a == b, b == a);
            }
        }
    }

    #[test]
    fn any_text_is_read_and_equals_itself(text in any::<String>(), json in any_json()) {
        for text in [text, json.to_string()] {
            let policy = Lifecycle::stored(&text);
            prop_assert_eq!(&policy, &Lifecycle::stored(&text));
            prop_assert_eq!(&Lifecycle::stored(&policy.text()), &policy);
        }
    }

    #[test]
    fn any_policy_is_refused_or_read_alike_on_both_sides(policy in any_policy()) {
        match wanted(Some(&serde_json::from_value(policy.clone()).unwrap())) {
            Ok(Setting::Present(asked)) => prop_assert_eq!(asked, Lifecycle::stored(&policy.to_string())),
            Ok(Setting::Absent) => prop_assert_eq!(policy, json!({"rules": []})),
            Ok(Setting::Unmanaged) => prop_assert!(false, "present is never unmanaged"),
            Err(refusal) => {
                prop_assert!(refusal.to_string().len() < 1_024);
                prop_assert_eq!(Lifecycle::stored(&policy.to_string()).text(), policy.to_string());
            }
        }
    }
}
