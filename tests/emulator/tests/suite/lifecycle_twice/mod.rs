//! Lifecycle policies, understood twice: what the emulator does against a second reading of the user
//! guide, which asks for every image by itself what becomes of it. Whatever is pushed, pulled,
//! archived, restored and deleted, preview and execution do what it says.

mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ecr_emulator::{Emulator, Movement};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use self::reading::{BEGIN, DAY, Fact, Facts, HOUR};
use crate::lifecycle_world::{Images, keep, older, policy};
use crate::support::{ACCOUNT, REGION, apply, start};

/// What somebody does; images that are meant are those that are there then.
#[derive(Debug, Clone)]
enum Step {
    Push(Vec<&'static str>),
    Refer(Index),
    List(Vec<Index>, Vec<&'static str>),
    Pull(Index),
    Archive(Index),
    Restore(Index),
    Delete(Index),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let index = || any::<Index>();
    let tags = || prop::sample::subsequence(vec!["prod", "prod-2", "beta", "web-1", "a.b"], 0..3);
    prop_oneof![
        6 => tags().prop_map(Step::Push),
        2 => index().prop_map(Step::Refer),
        1 => (prop::collection::vec(index(), 1..4), tags()).prop_map(|(of, tags)| Step::List(of, tags)),
        2 => index().prop_map(Step::Pull),
        2 => index().prop_map(Step::Archive),
        2 => index().prop_map(Step::Restore),
        1 => index().prop_map(Step::Delete),
        4 => (1_u64..70).prop_map(|hours| Step::Wait(hours * HOUR)),
        1 => (80_u64..100).prop_map(|days| Step::Wait(days * DAY)),
    ]
}

fn rule() -> impl Strategy<Value = Value> {
    let wildcards = prop::sample::subsequence(vec!["*", "prod*", "beta", "*e*", "a.b"], 1..3);
    let prefixes = prop::sample::subsequence(vec!["p", "prod", "web", "a.", "zz"], 1..3);
    let tags = prop_oneof![
        3 => wildcards.prop_map(|texts| json!({ "tagStatus": "tagged", "tagPatternList": texts })),
        2 => prefixes.prop_map(|texts| json!({ "tagStatus": "tagged", "tagPrefixList": texts })),
        2 => Just(json!({ "tagStatus": "untagged" })),
        2 => Just(json!({ "tagStatus": "any" })),
    ];
    (tags, 1_u64..5, 0_u8..7).prop_map(|(mut tags, number, kind)| match kind {
        0 | 1 => keep(tags, number),
        2 => older(tags, "sinceImagePushed", number, "expire"),
        3 => older(tags, "sinceImagePushed", number, "transition"),
        4 => older(tags, "sinceImagePulled", number, "transition"),
        5 => {
            let mut rule = keep(tags, number);
            rule["action"] = json!({ "type": "transition", "targetStorageClass": "archive" });
            rule
        }
        _ => {
            tags["storageClass"] = json!("archive");
            older(tags, "sinceImageTransitioned", 89 + number, "expire")
        }
    })
}

/// Rules in an order that the grammar allows: in each class one for what has no tags, every set of
/// prefixes once, and one for all images at the end.
fn rules() -> impl Strategy<Value = Value> {
    prop::collection::vec(rule(), 1..7).prop_map(|mut rules| {
        let mut seen = BTreeSet::new();
        rules.retain(|rule| {
            let selection = &rule["selection"];
            let texts = match &selection["tagPatternList"] {
                Value::Null => selection["tagPrefixList"].to_string(),
                // Of patterns there may be as many as one likes.
                patterns => format!("{patterns} {}", seen.len()),
            };
            let class = selection["storageClass"].to_string();
            seen.insert((class, selection["tagStatus"].to_string(), texts))
        });
        rules.sort_by_key(|rule| rule["selection"]["tagStatus"] == "any");
        json!(rules)
    })
}

/// The emulator and the second reading of it, which live through the same.
struct Both<'a> {
    images: Images<'a>,
    facts: Facts,
    pushed: u32,
}

impl<'a> Both<'a> {
    fn new(emulator: &'a Emulator) -> Self {
        // The days of the emulator begin anew when the clock is moved back.
        let begin = Movement {
            set: Some(1_700_000_000.0),
            hold: Some(true),
            ..Movement::default()
        };
        emulator.turn_clock(begin).unwrap();
        Self {
            images: Images::new(emulator),
            facts: Facts {
                now: BEGIN,
                ..Facts::default()
            },
            pushed: 0,
        }
    }

    fn one(&self, index: Index) -> Option<String> {
        let digests: Vec<&String> = self.facts.images.keys().collect();
        (!digests.is_empty()).then(|| (*index.get(&digests)).clone())
    }

    fn push(&mut self, tags: &[&str], subject: Option<String>, holds: Vec<String>) {
        self.pushed += 1;
        let note = self.pushed.to_string();
        let digest = match (&subject, holds.as_slice()) {
            (Some(subject), _) => self.images.refer(&note, subject),
            (None, []) => self.images.push(&note, tags),
            (None, held) => {
                let held: Vec<&str> = held.iter().map(String::as_str).collect();
                self.images.list(&held, tags)
            }
        };
        let tags: BTreeSet<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        for other in self.facts.images.values_mut() {
            other.tags.retain(|tag| !tags.contains(tag));
        }
        let image = Fact {
            tags,
            pushed: self.facts.now,
            subject,
            holds,
            ..Fact::default()
        };
        self.facts.images.insert(digest, image);
        self.facts.pass(1);
    }

    fn call(&self, operation: &str, more: Value) {
        let mut input = json!({ "repositoryName": "api" });
        let more = more.as_object().unwrap().clone();
        input.as_object_mut().unwrap().extend(more);
        apply(self.images.0, operation, input);
    }

    fn wait(&mut self, seconds: u64) {
        self.images.0.advance(Duration::from_secs(seconds));
        self.facts.pass(seconds);
    }

    /// Moves an image to a class, if it is in the other.
    fn class(&mut self, digest: &str, class: &str) {
        let now = self.facts.now;
        let image = self.facts.images.get_mut(digest).unwrap();
        if image.archived.is_some() == (class == "ARCHIVE") {
            return;
        }
        if class == "ARCHIVE" {
            image.archived = Some(now);
        } else {
            (image.archived, image.restored) = (None, Some(now));
        }
        let id = json!({ "imageDigest": digest });
        self.call(
            "UpdateImageStorageClass",
            json!({ "imageId": id, "targetStorageClass": class }),
        );
        self.wait(1);
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Push(tags) => self.push(tags, None, Vec::new()),
            Step::Wait(seconds) => self.wait(*seconds),
            Step::List(of, tags) => {
                let held: BTreeSet<String> =
                    of.iter().filter_map(|index| self.one(*index)).collect();
                let held: Vec<String> = held.into_iter().collect();
                // The same list again would be the same image.
                let mut images = self.facts.images.values();
                if images.all(|image| image.holds != held) {
                    self.push(tags, None, held);
                }
            }
            Step::Refer(index)
            | Step::Pull(index)
            | Step::Archive(index)
            | Step::Restore(index)
            | Step::Delete(index) => {
                if let Some(digest) = self.one(*index) {
                    self.take_on(step, &digest);
                }
            }
        }
    }

    fn take_on(&mut self, step: &Step, digest: &str) {
        let ids = json!({ "imageIds": [{ "imageDigest": digest }] });
        match step {
            Step::Refer(_) => self.push(&[], Some(digest.to_owned()), Vec::new()),
            Step::Pull(_) => {
                let image = self.facts.images.get_mut(digest).unwrap();
                // What is archived cannot be pulled.
                image.pulled = image
                    .archived
                    .map_or(Some(self.facts.now), |_| image.pulled);
                self.call("BatchGetImage", ids);
                self.wait(1);
            }
            Step::Archive(_) => self.class(digest, "ARCHIVE"),
            Step::Restore(_) => self.class(digest, "STANDARD"),
            Step::Delete(_) => {
                let mut lists = self.facts.images.values();
                if !lists.any(|list| list.holds.iter().any(|held| held == digest)) {
                    self.facts.images.remove(digest);
                }
                self.call("BatchDeleteImage", ids);
            }
            Step::Push(_) | Step::List(..) | Step::Wait(_) => {}
        }
    }

    fn preview(&self) -> BTreeMap<String, (String, u64)> {
        let text = policy(self.facts.rules.clone());
        self.call(
            "StartLifecyclePolicyPreview",
            json!({ "lifecyclePolicyText": text }),
        );
        let name = json!({ "repositoryName": "api" });
        let preview = apply(self.images.0, "GetLifecyclePolicyPreview", name);
        let results = preview["previewResults"].as_array().unwrap().iter();
        results
            .map(|result| {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let priority = result["appliedRulePriority"].as_u64().unwrap();
                let action = text(&result["action"]["type"]);
                (text(&result["imageDigest"]), (action, priority))
            })
            .collect()
    }

    /// Each image, and whether it is in the archive.
    fn inventory(&self) -> BTreeMap<String, bool> {
        let repository = self.images.0.repository(ACCOUNT, REGION, "api").unwrap();
        let images = repository.images.into_values();
        images.map(|image| (image.digest, image.archived)).collect()
    }
}

fn lives_through(before: &[Step], rules: Value, after: &[Step]) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let emulator = runtime.unwrap().block_on(start());
    let mut both = Both::new(&emulator);
    for step in before {
        both.take(step);
    }
    prop_assert_eq!(both.inventory(), both.facts.inventory());
    both.facts.rules = rules;
    let fates = both.facts.fates().into_iter();
    let fates: BTreeMap<String, (String, u64)> = fates
        .map(|(digest, (action, priority))| (digest, (action.to_owned(), priority)))
        .collect();
    prop_assert_eq!(both.preview(), fates);
    both.images.policy(both.facts.rules.clone());
    for step in after {
        both.take(step);
        prop_assert_eq!(both.inventory(), both.facts.inventory(), "after {:?}", step);
    }
    emulator.run_lifecycle();
    both.facts.execute();
    prop_assert_eq!(both.inventory(), both.facts.inventory(), "at the end");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn both_readings_of_the_guide_agree(
        before in prop::collection::vec(step(), 0..24),
        rules in rules(),
        after in prop::collection::vec(step(), 0..12),
    ) {
        lives_through(&before, rules, &after)?;
    }
}
