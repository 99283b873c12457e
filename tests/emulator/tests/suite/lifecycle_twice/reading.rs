//! The second reading:
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html>.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::Regex;
use serde_json::Value;

pub(super) const BEGIN: u64 = 1_700_000_000;
pub(super) const HOUR: u64 = 3_600;
pub(super) const DAY: u64 = 24 * HOUR;

/// What is known of an image. Times are in seconds since 1970.
#[derive(Debug, Clone, Default)]
pub(super) struct Fact {
    pub(super) tags: BTreeSet<String>,
    pub(super) pushed: u64,
    pub(super) pulled: Option<u64>,
    /// Since when it is in the archive.
    pub(super) archived: Option<u64>,
    /// When it was last restored.
    pub(super) restored: Option<u64>,
    pub(super) holds: Vec<String>,
    pub(super) subject: Option<String>,
}

/// A repository as it should be.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) images: BTreeMap<String, Fact>,
    pub(super) rules: Value,
    pub(super) now: u64,
}

/// What a policy does to an image, and by the rule of which priority.
pub(super) type Fate = (&'static str, u64);

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

    pub(super) fn fates(&self) -> BTreeMap<String, Fate> {
        let digests = self.images.keys();
        digests
            .filter_map(|digest| Some((digest.clone(), self.fate(digest)?)))
            .collect()
    }

    pub(super) fn execute(&mut self) {
        for (digest, (action, _)) in self.fates() {
            if action == "EXPIRE" {
                self.images.remove(&digest);
            } else {
                self.images.get_mut(&digest).unwrap().archived = Some(self.now);
            }
        }
    }

    /// Lets time pass; the policy is executed at the end of every day.
    pub(super) fn pass(&mut self, seconds: u64) {
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
    pub(super) fn inventory(&self) -> BTreeMap<String, bool> {
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
