//! Lifecycle policies, understood twice: what the emulator does against a second reading of the user
//! guide, <https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html>, which asks
//! for every image by itself what becomes of it. Whatever is pushed, pulled, archived, restored and
//! deleted, preview and execution do what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ecr_emulator::{Emulator, Movement};
use proptest::prelude::*;
use proptest::sample::Index;
use regex_lite::Regex;
use serde_json::{Value, json};

use crate::lifecycle_world::{Images, keep, older, policy};
use crate::support::{ACCOUNT, REGION, apply, start};

const BEGIN: u64 = 1_700_000_000;
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// What is known of an image. Times are in seconds since 1970.
#[derive(Debug, Clone, Default)]
struct Fact {
    tags: BTreeSet<String>,
    pushed: u64,
    pulled: Option<u64>,
    /// Since when it is in the archive.
    archived: Option<u64>,
    /// When it was last restored.
    restored: Option<u64>,
    holds: Vec<String>,
    subject: Option<String>,
}

/// A repository as it should be.
#[derive(Debug, Clone, Default)]
struct Facts {
    images: BTreeMap<String, Fact>,
    rules: Value,
    now: u64,
}

/// What a policy does to an image, and by the rule of which priority.
type Fate = (&'static str, u64);

impl Facts {
    fn rules(&self) -> Vec<(u64, &Value)> {
        let rules = self.rules.as_array().map_or(&[][..], Vec::as_slice);
        (1..).zip(rules).collect()
    }

    /// "If an image is referenced by a manifest list, it cannot be expired or archived without the
    /// manifest list being deleted or archived first."
    fn is_held(&self, digest: &str) -> bool {
        let mut lists = self.images.values();
        lists.any(|list| list.archived.is_none() && list.holds.iter().any(|held| held == digest))
    }

    fn subject(&self, digest: &str) -> Option<&String> {
        let subject = self.images[digest].subject.as_ref();
        subject.filter(|subject| self.images.contains_key(*subject))
    }

    /// Storage class and tags. What refers to another image is its own only when that has gone.
    fn selects(&self, rule: &Value, digest: &str) -> bool {
        let (selection, image) = (&rule["selection"], &self.images[digest]);
        let class = selection["storageClass"] == "archive";
        let tags = match selection["tagStatus"].as_str().unwrap() {
            "untagged" => image.tags.is_empty(),
            "tagged" => wildcards(selection).iter().all(|wildcard| {
                let mut tags = image.tags.iter();
                tags.any(|tag| wildcard.is_match(tag))
            }),
            _ => true,
        };
        tags && class == image.archived.is_some() && self.subject(digest).is_none()
    }

    /// The time that counts for a rule.
    fn time(&self, rule: &Value, digest: &str) -> u64 {
        let image = &self.images[digest];
        let came = image.restored.unwrap_or(image.pushed);
        match rule["selection"]["countType"].as_str().unwrap() {
            "sinceImageTransitioned" => image.archived.unwrap(),
            "sinceImagePulled" => match (image.pulled, image.restored) {
                (Some(pulled), Some(restored)) if pulled < restored => restored,
                (Some(pulled), _) => pulled,
                (None, _) => came,
            },
            _ => came,
        }
    }

    /// Whether so many are younger, or it is older than so many days.
    fn is_due(&self, rule: &Value, digest: &str) -> bool {
        let number = rule["selection"]["countNumber"].as_u64().unwrap();
        let time = self.time(rule, digest);
        if rule["selection"]["countType"] == "imageCountMoreThan" {
            let others = self.images.keys();
            let younger =
                others.filter(|other| self.selects(rule, other) && self.time(rule, other) > time);
            return younger.count() as u64 >= number;
        }
        self.now - time > number * DAY
    }

    /// The rule that strikes an image. The first that selects it decides, also if it spares it; what
    /// refers to another image shares its fate.
    fn struck_by(&self, digest: &str) -> Option<(u64, &Value)> {
        if self.is_held(digest) {
            return None;
        }
        if let Some(subject) = self.subject(digest) {
            return self.struck_by(subject);
        }
        let mut rules = self.rules().into_iter();
        rules
            .find(|(_, rule)| self.selects(rule, digest))
            .filter(|(_, rule)| self.is_due(rule, digest))
    }

    fn fate(&self, digest: &str) -> Option<Fate> {
        let (priority, rule) = self.struck_by(digest)?;
        match rule["action"]["type"].as_str().unwrap() {
            "expire" => Some(("EXPIRE", priority)),
            // What refers to the image may be in the archive already.
            _ if self.images[digest].archived.is_some() => None,
            _ => Some(("TRANSITION", priority)),
        }
    }

    fn fates(&self) -> BTreeMap<String, Fate> {
        let digests = self.images.keys();
        digests
            .filter_map(|digest| Some((digest.clone(), self.fate(digest)?)))
            .collect()
    }

    fn execute(&mut self) {
        for (digest, (action, _)) in self.fates() {
            if action == "EXPIRE" {
                self.images.remove(&digest);
            } else {
                self.images.get_mut(&digest).unwrap().archived = Some(self.now);
            }
        }
    }

    /// Lets time pass; the policy is executed at the end of every day.
    fn pass(&mut self, seconds: u64) {
        let end = self.now + seconds;
        while let day = BEGIN + ((self.now - BEGIN) / DAY + 1) * DAY
            && day <= end
        {
            self.now = day;
            self.execute();
        }
        self.now = end;
    }

    /// Whether each is in the archive.
    fn inventory(&self) -> BTreeMap<String, bool> {
        let images = self.images.iter();
        images
            .map(|(digest, image)| (digest.clone(), image.archived.is_some()))
            .collect()
    }
}

fn wildcards(selection: &Value) -> Vec<Regex> {
    let texts = |name: &str| selection[name].as_array().cloned().unwrap_or_default();
    let of = |text: &Value, end: &str| {
        let text = regex_lite::escape(text.as_str().unwrap()).replace("\\*", ".*");
        Regex::new(&format!("^{text}{end}")).unwrap()
    };
    let patterns = texts("tagPatternList");
    let patterns = patterns.iter().map(|text| of(text, "$"));
    let prefixes = texts("tagPrefixList");
    patterns
        .chain(prefixes.iter().map(|text| of(text, "")))
        .collect()
}

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
