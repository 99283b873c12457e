//! One rule, so that no rule can be written that ECR would refuse by itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// What one rule does to which images.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Rule {
    /// Never empty.
    pub(super) description: Option<String>,
    pub(super) images: Images,
    pub(super) criterion: Criterion,
}

/// Which images a rule selects, within its storage class.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Images {
    /// All of them.
    Any,
    /// Those without a tag.
    Untagged,
    /// Those that have, for each pattern, a tag that matches.
    Patterns(BTreeSet<String>),
    /// Those that have, for each prefix, a tag that begins with it.
    Prefixes(BTreeSet<String>),
}

/// What is counted, what happens beyond it; and with it the storage class.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Criterion {
    /// More than so many images.
    CountMoreThan(u32, Action),
    /// Pushed more than so many days ago.
    SincePushed(u32, Action),
    /// Not pulled for so many days; the images are archived.
    SincePulled(u32),
    /// Archived more than so many days ago; the images are deleted.
    SinceTransitioned(u32),
}

/// What happens to an image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Action {
    /// It is deleted.
    Expire,
    /// It is archived.
    Archive,
}

/// Which images a rule sees at all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum StorageClass {
    /// Those that can be pulled.
    Standard,
    /// Those that are archived.
    Archive,
}

impl Rule {
    /// The images that this rule sees at all.
    pub(super) fn storage_class(&self) -> StorageClass {
        match self.criterion {
            Criterion::CountMoreThan(..)
            | Criterion::SincePushed(..)
            | Criterion::SincePulled(_) => StorageClass::Standard,
            Criterion::SinceTransitioned(_) => StorageClass::Archive,
        }
    }

    /// The rule in AWS's shape, with nothing in it that can be left out.
    pub(super) fn json(&self, priority: u32) -> Value {
        object([
            ("action", Some(self.action())),
            ("description", self.description.as_deref().map(Value::from)),
            ("rulePriority", Some(priority.into())),
            ("selection", Some(self.selection())),
        ])
    }

    fn action(&self) -> Value {
        let action = match self.criterion {
            Criterion::CountMoreThan(_, action) | Criterion::SincePushed(_, action) => action,
            Criterion::SincePulled(_) => Action::Archive,
            Criterion::SinceTransitioned(_) => Action::Expire,
        };
        match action {
            Action::Expire => json!({"type": "expire"}),
            Action::Archive => json!({"targetStorageClass": "archive", "type": "transition"}),
        }
    }

    fn selection(&self) -> Value {
        let (count_type, number) = match self.criterion {
            Criterion::CountMoreThan(images, _) => ("imageCountMoreThan", images),
            Criterion::SincePushed(days, _) => ("sinceImagePushed", days),
            Criterion::SincePulled(days) => ("sinceImagePulled", days),
            Criterion::SinceTransitioned(days) => ("sinceImageTransitioned", days),
        };
        let (tag_status, patterns, prefixes) = match &self.images {
            Images::Any => ("any", None, None),
            Images::Untagged => ("untagged", None, None),
            Images::Patterns(patterns) => ("tagged", Some(patterns), None),
            Images::Prefixes(prefixes) => ("tagged", None, Some(prefixes)),
        };
        let list = |tags: &BTreeSet<String>| tags.iter().map(String::as_str).collect::<Value>();
        let unit = (!matches!(self.criterion, Criterion::CountMoreThan(..))).then(|| "days".into());
        let archive = self.storage_class() == StorageClass::Archive;
        object([
            ("countNumber", Some(number.into())),
            ("countType", Some(count_type.into())),
            ("countUnit", unit),
            ("storageClass", archive.then(|| "archive".into())),
            ("tagPatternList", patterns.map(list)),
            ("tagPrefixList", prefixes.map(list)),
            ("tagStatus", Some(tag_status.into())),
        ])
    }
}

/// The members that there are. They are named in alphabetical order, so that the text is the same
/// whether or not some dependency turns on `preserve_order` of `serde_json`.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let present = members
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(present.collect())
}
