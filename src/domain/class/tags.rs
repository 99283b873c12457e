//! Tags, of which some are the class's and some the object's. IAM does not tell keys apart by their case
//! ("IAM JSON policy elements: Condition", tag keys): a policy that asks for a tag of the class would
//! be answered by one of the object that differs in case alone.

use std::collections::{BTreeMap, BTreeSet};

use super::pattern::{Kind, PatternError, Piece, Subject, ValueError, pieces};
use super::refusal::{Offence, refusal};
use super::{Class, Effective, effective::spec_of, invalid};
use crate::api::{ClassManagement, ClassSettings, ECRRepositorySpec, SettingSource};
use crate::domain::desired::{Desired, Refusal};
use crate::domain::identity::{Identity, Owner, Registry};

/// Whether a class's own keys can be told apart.
pub(super) fn check_class(
    enforced: &ClassSettings,
    defaults: &ClassSettings,
) -> Result<(), Refusal> {
    let mut seen: BTreeMap<String, &String> = BTreeMap::new();
    let tags = [enforced, defaults].into_iter();
    for key in tags
        .filter_map(|it| it.tags.as_ref())
        .flat_map(BTreeMap::keys)
    {
        if let Some(other) = seen.insert(key.to_lowercase(), key)
            && other != key
        {
            return Err(invalid(format!(
                "The tags {other:?} and {key:?} of spec.enforced and spec.defaults differ in case alone, by \
                 which IAM does not tell keys apart — rename one of them"
            )));
        }
    }
    check_values("spec.enforced", enforced)?;
    check_values("spec.defaults", defaults)
}

fn check_values(at: &str, settings: &ClassSettings) -> Result<(), Refusal> {
    let bad = |(key, text): (&String, &String)| Some((key.clone(), pieces(text, Kind::Tag).err()?));
    match settings.tags.iter().flatten().find_map(bad) {
        None => Ok(()),
        Some((key, why)) => Err(invalid(format!(
            "The value of {at}.tags, {key:?}, cannot be read — {why}"
        ))),
    }
}

/// The most characters of a tag's value ("Tag naming limits and requirements", Tagging AWS resources).
const LONGEST_VALUE: usize = 256;

/// Why a tag of a class has no value for an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum NoValue {
    /// A variable that has none, or one that is none.
    Variable(ValueError),
    /// So many characters.
    TooLong(usize),
    /// It was never to be read.
    Unreadable(PatternError),
}

/// The value of a class's tag for an object. What a variable stands for is taken literally.
pub(super) fn made(text: &str, subject: &Subject<'_>) -> Result<String, NoValue> {
    let mut value = String::new();
    for piece in pieces(text, Kind::Tag).map_err(NoValue::Unreadable)? {
        match piece {
            Piece::Text(text) => value.push_str(&text),
            Piece::Variable(variable) => {
                let raw = variable.raw(subject).map_err(NoValue::Variable)?;
                if !raw.chars().all(is_of_value) {
                    let letters = "letters, digits, spaces or any of _ . : / = + - @";
                    return Err(NoValue::Variable(variable.unfit(raw, letters)));
                }
                value.push_str(raw);
            }
        }
    }
    match value.chars().count() {
        long if long > LONGEST_VALUE => Err(NoValue::TooLong(long)),
        _ => Ok(value),
    }
}

/// Whether AWS takes a character in the value of a tag.
fn is_of_value(character: char) -> bool {
    character.is_alphanumeric() || " _.:/=+-@".contains(character)
}

/// A tag of a class that has no value for an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Unfit {
    key: String,
    source: SettingSource,
    why: NoValue,
}

impl Unfit {
    pub(super) fn new(key: &str, source: SettingSource, why: NoValue) -> Self {
        Self {
            key: key.to_owned(),
            source,
            why,
        }
    }

    /// Whether nothing may be done for the object without it.
    pub(super) fn is_enforced(&self) -> bool {
        self.source == SettingSource::Enforced
    }

    pub(super) fn offence(&self) -> Offence {
        let key = &self.key;
        let (what, cure) = match &self.why {
            NoValue::Variable(why) => (format!("{} for its tag {key}", why.needs()), why.cure()),
            NoValue::TooLong(long) => (
                format!(
                    "makes {long} characters of its tag {key}, and ECR takes {LONGEST_VALUE} in a value"
                ),
                "use shorter labels, or have the tag made of fewer".to_owned(),
            ),
            NoValue::Unreadable(why) => (
                format!("has no value for its tag {key}: {why}"),
                "have the class corrected".to_owned(),
            ),
        };
        let otherwise = if self.is_enforced() {
            ""
        } else {
            ", or set the tag in spec.tags"
        };
        Offence::new(what, cure + otherwise).invalid()
    }
}

impl Effective {
    /// All that is asked for, parsed.
    ///
    /// # Errors
    /// As [`Desired::parse`].
    pub fn desired(
        &self,
        class: &Class,
        owner: Owner,
        registry: Registry,
    ) -> Result<Desired, Refusal> {
        let mut desired = Desired::parse(owner, registry, &self.spec)?;
        desired.keep = self.keep();
        if let Some(refusal) = self.clash().or_else(|| self.untagged(class)) {
            desired.tags = desired.tags.and(Err(refusal));
        }
        let of = |source| {
            let of_source = self
                .tag_sources()
                .iter()
                .filter(move |(_, it)| **it == source);
            of_source.map(|(key, _)| key)
        };
        let tags = self.spec.tags.iter().flatten();
        let enforced: BTreeSet<&String> = of(SettingSource::Enforced).collect();
        let enforced = tags.filter(|(key, _)| enforced.contains(key));
        desired.enforced_tags = enforced.map(|(k, v)| (k.clone(), v.clone())).collect();
        desired.own_tag_keys = of(SettingSource::Spec).cloned().collect();
        Ok(desired)
    }

    /// That tags which the class has by default have no value.
    fn untagged(&self, class: &Class) -> Option<Refusal> {
        let offences: Vec<Offence> = self.unfit().iter().map(Unfit::offence).collect();
        refusal(&class.name, &offences).err()
    }

    /// A tag of the object that differs from one of the class in case alone.
    fn clash(&self) -> Option<Refusal> {
        let all = self.tag_sources();
        let own = all.iter().filter(|(_, it)| **it == SettingSource::Spec);
        let (own, of_class) = own.into_iter().find_map(|(own, _)| {
            let folded = own.to_lowercase();
            let mut others = all.iter().filter(|(_, it)| **it != SettingSource::Spec);
            others
                .find(|(other, _)| other.to_lowercase() == folded)
                .map(|(other, _)| (own, other))
        })?;
        Some(invalid(format!(
            "The tag {own:?} differs from the class's tag {of_class:?} in case alone, by which IAM does not \
             tell keys apart — rename or remove it"
        )))
    }
}

impl Class {
    /// What the class enforces in the repository `at`, which exists, and nothing of what its object asks
    /// for, which is refused as a whole; `None` where that is nothing. `own_tag_keys` are keys of the
    /// object's, whose tags make room where they must.
    #[must_use]
    pub fn enforced_alone(
        &self,
        owner: Owner,
        subject: &Subject<'_>,
        at: &Identity,
        own_tag_keys: BTreeSet<String>,
    ) -> Option<Desired> {
        if !self.management.contains(&ClassManagement::Enforce) {
            return None;
        }
        let mut spec = ECRRepositorySpec {
            // These count when the repository is created and when it goes.
            encryption_configuration: None,
            deletion_policy: None,
            // It says something of a policy alone.
            keep_statements: None,
            ..spec_of(&self.enforced)
        };
        // One that has no value for the object stays as it is in ECR.
        let value = |(key, text): (String, String)| Some((key, made(&text, subject).ok()?));
        let enforced_tags = spec.tags.take().unwrap_or_default();
        let enforced_tags: BTreeMap<_, _> = enforced_tags.into_iter().filter_map(value).collect();
        if enforced_tags.is_empty() && spec == ECRRepositorySpec::default() {
            return None;
        }
        spec.repository_name = Some(at.name.to_string());
        let desired = Desired::parse(owner, at.registry.clone(), &spec).ok()?;
        Some(Desired {
            tags: Err(invalid("The object as a whole is refused".to_owned())),
            enforced_tags,
            own_tag_keys,
            ..desired
        })
    }
}
