//! Properties: documents written in many ways are equal, documents of another meaning are not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::{Document, with_access};
use crate::domain::identity::RegistryId;
use crate::domain::setting::Setting;

/// A document as the tests understand it, apart from the code under test.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Model {
    new_version: bool,
    id: Option<String>,
    statements: BTreeSet<Statement>,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Statement {
    sid: Option<String>,
    allow: bool,
    not_principal: bool,
    principals: Principals,
    not_action: bool,
    actions: BTreeSet<String>,
    conditions: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Principals {
    All,
    Some(BTreeMap<String, BTreeSet<String>>),
}

fn words(from: &'static [&'static str]) -> impl Strategy<Value = BTreeSet<String>> {
    btree_set(select(from).prop_map(str::to_owned), 1..3)
}

fn word(from: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(from).prop_map(str::to_owned)
}

const AWS: &[&str] = &[
    "111122223333",
    "444455556666",
    "arn:aws:iam::111122223333:role/Ci",
    "arn:aws:iam::111122223333:role/ci",
    "arn:aws:iam::111122223333:user/alice",
    "AROAEXAMPLEEXAMPLE123",
];
const OTHERS: &[&str] = &[
    "lambda.amazonaws.com",
    "111122223333",
    "arn:aws:iam::111122223333:root",
];
const ACTIONS: &[&str] = &[
    "ecr:putimage",
    "ecr:batchgetimage",
    "ecr:*",
    "*",
    "ecr:get*",
];
const OPERATORS: &[&str] = &[
    "stringequals",
    "stringequalsifexists",
    "forallvalues:stringequals",
    "bool",
];
const KEYS: &[&str] = &["aws:sourceip", "aws:principalorgid", "k"];
const VALUES: &[&str] = &[
    "true",
    "True",
    "false",
    "10",
    "x",
    "X",
    "",
    "*",
    "111122223333",
    "é\"\\\n",
];

fn principals() -> impl Strategy<Value = Principals> {
    let kinds = (
        words(AWS),
        proptest::option::of(words(OTHERS)),
        proptest::option::of(words(OTHERS)),
    );
    let some = kinds.prop_map(|(aws, service, federated)| {
        let kinds = [
            ("AWS", Some(aws)),
            ("Service", service),
            ("Federated", federated),
        ];
        Principals::Some(
            kinds
                .into_iter()
                .filter_map(|(kind, set)| Some((kind.to_owned(), set?)))
                .collect(),
        )
    });
    prop_oneof![1 => Just(Principals::All), 5 => some]
}

prop_compose! {
    fn statement()(
        sid in proptest::option::of(word(&["a", "A", "b c"])),
        (allow, not_principal, not_action) in any::<(bool, bool, bool)>(),
        principals in principals(),
        actions in words(ACTIONS),
        conditions in btree_map(word(OPERATORS), btree_map(word(KEYS), words(VALUES), 1..3), 0..3),
    ) -> Statement {
        Statement { sid, allow, not_principal, principals, not_action, actions, conditions }
    }
}

prop_compose! {
    fn model()(
        new_version in any::<bool>(),
        id in proptest::option::of(word(&["x", "X"])),
        statements in btree_set(statement(), 1..4),
    ) -> Model {
        Model { new_version, id, statements }
    }
}

/// Dice for the choices that change nothing.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }

    fn coin(&mut self) -> bool {
        self.roll(2) == 0
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.roll(last + 1));
        }
    }
}

/// Writes a model as JSON text in one of the many ways that mean the same.
struct Writer {
    dice: Dice,
    pretty: bool,
    /// Whether words may be spelled in other ways.
    respell: bool,
}

impl Writer {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let pretty = dice.coin();
        Self {
            dice,
            pretty,
            respell: true,
        }
    }

    fn space(&mut self) -> &'static str {
        if self.pretty {
            [" ", "\n  ", ""][self.dice.roll(3)]
        } else {
            ""
        }
    }

    fn object(&mut self, mut members: Vec<(&str, String)>) -> String {
        self.dice.shuffle(&mut members);
        let mut text = "{".to_owned();
        for (i, (key, value)) in members.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(
                text,
                "{comma}{}{}{}:{}{value}",
                self.space(),
                string(key),
                self.space(),
                self.space()
            )
            .unwrap();
        }
        text + self.space() + "}"
    }

    fn list(&mut self, mut items: Vec<String>) -> String {
        if items.len() == 1 && self.dice.coin() {
            return items.remove(0);
        }
        if self.dice.coin() {
            let again = items[self.dice.roll(items.len())].clone();
            items.push(again);
        }
        self.dice.shuffle(&mut items);
        format!("[{}{}{}]", self.space(), items.join(","), self.space())
    }

    fn caseless(&mut self, word: &str) -> String {
        let spell = |letter: char| {
            if self.respell && self.dice.coin() {
                letter.to_ascii_uppercase()
            } else {
                letter
            }
        };
        word.chars().map(spell).collect()
    }

    fn aws(&mut self, principal: &str) -> String {
        let account = principal.len() == 12 && self.respell;
        let partition = ["", "aws", "aws-cn", "aws-us-gov"][self.dice.roll(4)];
        if account && !partition.is_empty() {
            string(&format!("arn:{partition}:iam::{principal}:root"))
        } else {
            string(principal)
        }
    }

    fn condition_value(&mut self, value: &str) -> String {
        let bare = matches!(value, "true" | "false" | "10");
        if bare && self.dice.coin() {
            value.to_owned()
        } else {
            string(value)
        }
    }

    fn principals(&mut self, principals: &Principals) -> String {
        match principals {
            Principals::All if self.dice.coin() => string("*"),
            Principals::All => {
                let all = self.list(vec![string("*")]);
                self.object(vec![("AWS", all)])
            }
            Principals::Some(kinds) => {
                let mut members = Vec::new();
                for (kind, words) in kinds {
                    let words = words.iter().map(|word| {
                        if kind == "AWS" {
                            self.aws(word)
                        } else {
                            string(word)
                        }
                    });
                    let words = words.collect();
                    members.push((kind.as_str(), self.list(words)));
                }
                self.object(members)
            }
        }
    }

    fn conditions(
        &mut self,
        conditions: &BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    ) -> String {
        let mut operators = Vec::new();
        for (operator, keys) in conditions {
            let mut members = Vec::new();
            for (key, values) in keys {
                let values = values
                    .iter()
                    .map(|value| self.condition_value(value))
                    .collect();
                members.push((self.caseless(key), self.list(values)));
            }
            let members = members
                .iter()
                .map(|(key, values)| (key.as_str(), values.clone()))
                .collect();
            operators.push((self.caseless(operator), self.object(members)));
        }
        let operators = operators
            .iter()
            .map(|(operator, keys)| (operator.as_str(), keys.clone()))
            .collect();
        self.object(operators)
    }

    fn label(&mut self, label: Option<&String>) -> Option<String> {
        match label {
            Some(label) => Some(string(label)),
            None => self.dice.coin().then(|| string("")),
        }
    }

    fn statement(&mut self, statement: &Statement) -> String {
        let mut members = vec![(
            "Effect",
            string(if statement.allow { "Allow" } else { "Deny" }),
        )];
        members.extend(self.label(statement.sid.as_ref()).map(|sid| ("Sid", sid)));
        let key = if statement.not_principal {
            "NotPrincipal"
        } else {
            "Principal"
        };
        members.push((key, self.principals(&statement.principals)));
        let key = if statement.not_action {
            "NotAction"
        } else {
            "Action"
        };
        let actions = statement
            .actions
            .iter()
            .map(|action| string(&self.caseless(action)))
            .collect();
        members.push((key, self.list(actions)));
        if !statement.conditions.is_empty() {
            members.push(("Condition", self.conditions(&statement.conditions)));
        }
        self.object(members)
    }

    fn document(&mut self, model: &Model) -> String {
        let statements = model
            .statements
            .iter()
            .map(|statement| self.statement(statement))
            .collect();
        let mut members = vec![("Statement", self.list(statements))];
        members.extend(self.label(model.id.as_ref()).map(|id| ("Id", id)));
        if model.new_version {
            members.push(("Version", string("2012-10-17")));
        } else if self.dice.coin() {
            members.push(("Version", string("2008-10-17")));
        }
        self.object(members)
    }
}

fn string(text: &str) -> String {
    Value::from(text).to_string()
}

fn write(model: &Model, seed: u64) -> String {
    Writer::new(seed).document(model)
}

fn own() -> RegistryId {
    RegistryId::parse("111122223333").unwrap()
}

/// The document of a user, which differs from a stored one in how it is read.
fn wanted(text: &str) -> Document {
    let map: Map<String, Value> = serde_json::from_str(text).unwrap();
    match with_access(Some(&map), None, &own()).unwrap() {
        Setting::Present(document) => document,
        other => panic!("no document: {other:?}"),
    }
}

/// Changes one thing that has a meaning.
fn change(model: &Model, which: usize, how: usize) -> Model {
    let mut changed = model.clone();
    let mut statement = model
        .statements
        .iter()
        .nth(which % model.statements.len())
        .unwrap()
        .clone();
    match how {
        0 => changed.new_version = !model.new_version,
        1 => changed.id = Some("another".to_owned()),
        2 => changed
            .statements
            .insert(Statement {
                sid: Some("added".to_owned()),
                ..statement.clone()
            })
            .then_some(())
            .unwrap(),
        _ => {
            changed.statements.remove(&statement);
            change_statement(&mut statement, how);
            changed.statements.insert(statement);
        }
    }
    changed
}

fn change_statement(statement: &mut Statement, how: usize) {
    let extra = BTreeSet::from(["another".to_owned()]);
    match how {
        3 => statement.sid = Some("another".to_owned()),
        4 => statement.allow = !statement.allow,
        5 => statement.not_principal = !statement.not_principal,
        6 => statement.not_action = !statement.not_action,
        7 => statement.actions.extend(["ecr:another".to_owned()]),
        8 => statement.actions = BTreeSet::from(["ecr:another".to_owned()]),
        9 => {
            statement
                .conditions
                .entry("stringlike".to_owned())
                .or_default()
                .insert("key".to_owned(), extra);
        }
        10 => statement.conditions.clear(),
        11 => {
            let changed = std::mem::take(&mut statement.conditions).into_iter();
            statement.conditions = changed
                .map(|(operator, keys)| (format!("{operator}IfExists").to_lowercase(), keys))
                .collect();
        }
        _ => statement.principals = Principals::Some(BTreeMap::from([("AWS".to_owned(), extra)])),
    }
}

/// JSON made of the words of the grammar in all the wrong places.
fn any_json() -> impl Strategy<Value = Value> {
    const KEYS: &[&str] = &[
        "Version",
        "Id",
        "Statement",
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Condition",
        "Resource",
        "AWS",
        "Service",
        "StringEquals",
        "stringequals",
        "x",
    ];
    const TEXTS: &[&str] = &[
        "Allow",
        "Deny",
        "*",
        "2012-10-17",
        "ecr:*",
        "111122223333",
        "EcrOperatorX",
        "",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        select(&[0.5, 10.0, -1e300]).prop_map(Value::from),
        select(TEXTS).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        let members = vec((select(KEYS).prop_map(str::to_owned), inner.clone()), 0..6);
        prop_oneof![
            vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn however_it_is_written_it_is_the_same(model in model(), one in any::<u64>(), other in any::<u64>()) {
        let (one, other) = (write(&model, one), write(&model, other));
        let (a, b) = (Document::stored(&one), Document::stored(&other));
        prop_assert!(a.is_understood(), "{one}");
        prop_assert_eq!(&a, &b, "{} and {}", one, other);
        prop_assert_eq!(a.hash(), b.hash());
        prop_assert_eq!(&wanted(&one), &b);
        prop_assert_eq!(a.deleted_principals(&b), None);
    }

    #[test]
    fn the_text_means_the_document(model in model(), seed in any::<u64>()) {
        let document = wanted(&write(&model, seed));
        let text = document.text();
        let again = Document::stored(&text);
        prop_assert_eq!(&again, &document, "{}", text);
        prop_assert_eq!(again.hash(), document.hash());
        prop_assert_eq!(again.text(), text);
    }

    #[test]
    fn the_text_depends_on_words_and_meaning_alone(model in model(), one in any::<u64>(), other in any::<u64>()) {
        let text = |seed| {
            let mut writer = Writer { respell: false, ..Writer::new(seed) };
            wanted(&writer.document(&model)).text()
        };
        prop_assert_eq!(text(one), text(other));
    }

    #[test]
    fn another_meaning_is_another_document(
        model in model(),
        which in any::<usize>(),
        how in 0_usize..13,
        (one, other) in any::<(u64, u64)>(),
    ) {
        let changed = change(&model, which, how);
        prop_assume!(changed != model);
        let (one, other) = (write(&model, one), write(&changed, other));
        let (a, b) = (Document::stored(&one), Document::stored(&other));
        prop_assert!(b.is_understood(), "{other}");
        prop_assert_ne!(&a, &b, "{} and {}", one, other);
        prop_assert_ne!(a.hash(), b.hash());
    }

    #[test]
    fn equality_is_that_of_the_models(models in vec(model(), 3), seeds in any::<[u64; 3]>(), same in any::<[bool; 2]>()) {
        let models = [0, usize::from(!same[0]), if same[1] { 0 } else { 2 }].map(|i| &models[i]);
        let read: Vec<_> = models.iter().zip(seeds).map(|(model, seed)| Document::stored(&write(model, seed))).collect();
        for (i, a) in read.iter().enumerate() {
            for (j, b) in read.iter().enumerate() {
                prop_assert_eq!(a == b, models[i] == models[j]);
                prop_assert_eq!(a == b, a.hash() == b.hash());
                prop_assert_eq!(a == b, b == a);
            }
        }
    }

    #[test]
    fn any_text_is_read_and_equals_itself(text in any::<String>()) {
        let document = Document::stored(&text);
        prop_assert_eq!(&document, &Document::stored(&text));
        prop_assert_eq!(&Document::stored(&document.text()), &document);
    }

    #[test]
    fn any_json_is_read_and_what_is_accepted_can_be_sent(json in any_json()) {
        let stored = Document::stored(&json.to_string());
        prop_assert_eq!(&Document::stored(&stored.text()), &stored);
        if let Value::Object(map) = json {
            match with_access(Some(&map), None, &own()) {
                Ok(Setting::Present(document)) => prop_assert_eq!(document, stored),
                Ok(Setting::Absent) => prop_assert_eq!(map.get("Statement"), Some(&json!([]))),
                Ok(Setting::Unmanaged) => prop_assert!(false, "present is never unmanaged"),
                Err(refusal) => prop_assert!(refusal.to_string().len() < 1_024),
            }
        }
    }
}
