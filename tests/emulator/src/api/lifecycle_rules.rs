//! Which images a lifecycle policy acts on: a pure function, which preview and execution share.
//!
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html>: all rules are
//! evaluated together and then applied by priority; an image is acted on by one rule or none; one
//! that fits the tags of a rule cannot be acted on by a rule of lower priority, which still counts
//! it; oldest first.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{list, push, text};
use crate::state::Image;

const DAY: f64 = 86_400.0;

/// What a rule does to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Expire,
    /// To the archive.
    Transition,
}

/// The rule that acts on an image, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) digest: String,
    pub(crate) priority: u64,
    pub(crate) action: Action,
}

type Images = BTreeMap<String, Image>;

/// The images that a policy, in its stored form, acts on at a time: by rule, oldest first, each
/// followed by what refers to it.
pub(crate) fn evaluate(policy: &str, images: &Images, now: f64) -> Vec<Verdict> {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let mut marks = Marks {
        images,
        followers: followers(images),
        kept: in_lists(images),
        marked: BTreeSet::new(),
        verdicts: Vec::new(),
    };
    let mut claimed = BTreeSet::new();
    // Stored policies have their rules by ascending priority.
    for rule in list(&policy, "rules").iter().filter_map(Rule::read) {
        let fitting = rule.fitting(images, now);
        for image in rule.due(&fitting, now) {
            let digest = image.digest.as_str();
            if !claimed.contains(digest) {
                marks.mark(image, &rule);
            }
        }
        claimed.extend(fitting.iter().map(|image| image.digest.as_str()));
    }
    marks.verdicts
}

/// The images of manifest lists. They stay until the list has gone or is archived itself, as the
/// guide says. They do count, which users with images for several platforms complain about.
fn in_lists(images: &Images) -> BTreeSet<&str> {
    let lists = images.values().filter(|list| !list.archived);
    lists
        .flat_map(|list| list.children.iter().map(String::as_str))
        .collect()
}

/// Signatures and the like, by the digest of their subject. They follow it, within a day as the guide
/// says, here at once; no rule selects or counts them. The guide can be read so that they also follow
/// a subject that somebody deletes or archives by hand, and does not say by which rule; here they
/// follow what a policy does, and one without its subject is an image like any other.
fn followers(images: &Images) -> BTreeMap<&str, Vec<&str>> {
    let mut followers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for image in images.values() {
        if let Some(subject) = subject(image, images) {
            followers.entry(subject).or_default().push(&image.digest);
        }
    }
    followers
}

/// The subject of an image, if it is in the repository.
fn subject<'a>(image: &'a Image, images: &Images) -> Option<&'a str> {
    image
        .subject
        .as_deref()
        .filter(|subject| images.contains_key(*subject) && *subject != image.digest)
}

/// A rule of a stored policy.
struct Rule<'a> {
    priority: u64,
    tag_status: &'a str,
    patterns: Vec<String>,
    archived: bool,
    count_type: &'a str,
    count: usize,
    action: Action,
}

impl<'a> Rule<'a> {
    fn read(rule: &'a Value) -> Option<Self> {
        let selection = rule.get("selection")?;
        let given = |name: &str| list(selection, name).iter().filter_map(Value::as_str);
        let prefixes = given("tagPrefixList").map(|prefix| format!("{prefix}*"));
        let patterns = given("tagPatternList").map(str::to_owned);
        Some(Self {
            priority: rule.get("rulePriority")?.as_u64()?,
            tag_status: text(selection, "tagStatus"),
            patterns: patterns.chain(prefixes).collect(),
            archived: text(selection, "storageClass") == "archive",
            count_type: text(selection, "countType"),
            count: usize::try_from(selection.get("countNumber")?.as_u64()?).ok()?,
            action: match text(rule.get("action")?, "type") {
                "transition" => Action::Transition,
                _ => Action::Expire,
            },
        })
    }

    /// The images that the rule selects, oldest first. One that is being restored is in neither
    /// storage class yet.
    fn fitting<'i>(&self, images: &'i Images, now: f64) -> Vec<&'i Image> {
        let class = if self.archived { "ARCHIVED" } else { "ACTIVE" };
        let mut fitting: Vec<&Image> = images
            .values()
            .filter(|image| image.status(now) == class && self.fits_tags(image))
            .filter(|image| subject(image, images).is_none())
            .collect();
        fitting.sort_by(|a, b| {
            let by_age = self.since(a).total_cmp(&self.since(b));
            by_age.then_with(|| a.digest.cmp(&b.digest))
        });
        fitting
    }

    /// Every pattern must fit one of the tags, not every tag a pattern.
    fn fits_tags(&self, image: &Image) -> bool {
        match self.tag_status {
            "untagged" => image.tags.is_empty(),
            "tagged" => self.patterns.iter().all(|pattern| {
                let mut tags = image.tags.iter();
                tags.any(|tag| push::glob(pattern.as_bytes(), tag.as_bytes()))
            }),
            _ => true,
        }
    }

    /// Since when the image is as old as the rule sees it. One that was restored is as old as its
    /// restoration; one that was never pulled as if it had been pulled when it came.
    fn since(&self, image: &Image) -> f64 {
        let came = image.activated_at.unwrap_or(image.pushed_at);
        match self.count_type {
            "sinceImagePulled" => image.pulled_at.map_or(came, |pulled| pulled.max(came)),
            "sinceImageTransitioned" => image.archived_at.unwrap_or(came),
            _ => came,
        }
    }

    /// Of the images that the rule selects those on which it would act: all but the youngest ones,
    /// or those older than some days.
    fn due<'i>(&self, fitting: &[&'i Image], now: f64) -> Vec<&'i Image> {
        if self.count_type == "imageCountMoreThan" {
            let excess = fitting.len().saturating_sub(self.count);
            return fitting.iter().take(excess).copied().collect();
        }
        let days = u32::try_from(self.count).unwrap_or(u32::MAX);
        let limit = now - f64::from(days) * DAY;
        let images = fitting.iter().copied();
        images.filter(|image| self.since(image) < limit).collect()
    }
}

/// What has been marked so far.
struct Marks<'a> {
    images: &'a Images,
    followers: BTreeMap<&'a str, Vec<&'a str>>,
    kept: BTreeSet<&'a str>,
    marked: BTreeSet<&'a str>,
    verdicts: Vec<Verdict>,
}

impl<'a> Marks<'a> {
    /// Marks an image, and with it what refers to it, however far; but nothing that a list holds.
    fn mark(&mut self, image: &'a Image, rule: &Rule<'_>) {
        if self.kept.contains(image.digest.as_str()) || !self.marked.insert(&image.digest) {
            return;
        }
        // A follower may be in the archive already.
        if rule.action == Action::Expire || !image.archived {
            self.verdicts.push(Verdict {
                digest: image.digest.clone(),
                priority: rule.priority,
                action: rule.action,
            });
        }
        let followers = self.followers.remove(image.digest.as_str());
        for follower in followers.unwrap_or_default() {
            if let Some(follower) = self.images.get(follower) {
                self.mark(follower, rule);
            }
        }
    }
}
