//! Laws of what is in force.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Value, json};

use super::super::effective::{Effective, effective, settings_of};
use super::super::{Class, setting_of};
use super::SUBJECT;
use crate::api::{Aspect, ClassSetting, ClassSettings, ECRRepositorySpec, MAX_WORD, SettingSource};
use crate::domain::arbitrary;

fn with(enforced: ClassSettings, defaults: ClassSettings) -> Class {
    let mut class = super::class(json!({}));
    class.enforced = enforced;
    class.defaults = defaults;
    class
}

prop_compose! {
    fn world()(
        spec in arbitrary::spec(),
        enforced in arbitrary::spec(),
        defaults in arbitrary::spec(),
        unmanaged in subsequence(Aspect::ALL.to_vec(), 0..3),
        sparse in any::<bool>(),
    ) -> (ECRRepositorySpec, Class) {
        let mut spec = spec;
        spec.unmanaged = (!unmanaged.is_empty()).then_some(unmanaged);
        let mut enforced = settings_of(&enforced);
        if sparse {
            enforced = ClassSettings { tags: enforced.tags, ..ClassSettings::default() };
        }
        (spec, with(enforced, settings_of(&defaults)))
    }
}

const WHOLE: [ClassSetting; 7] = [
    ClassSetting::ImageTagMutability,
    ClassSetting::ImageScanningConfiguration,
    ClassSetting::EncryptionConfiguration,
    ClassSetting::LifecyclePolicy,
    ClassSetting::RepositoryPolicy,
    ClassSetting::KeepStatements,
    ClassSetting::DeletionPolicy,
];

/// The fields of each setting.
fn fields(setting: ClassSetting) -> &'static [&'static str] {
    match setting {
        ClassSetting::ImageTagMutability => {
            &["imageTagMutability", "imageTagMutabilityExclusionFilters"]
        }
        ClassSetting::ImageScanningConfiguration => &["imageScanningConfiguration"],
        ClassSetting::EncryptionConfiguration => &["encryptionConfiguration"],
        ClassSetting::LifecyclePolicy => &["lifecyclePolicy"],
        ClassSetting::RepositoryPolicy => &["repositoryPolicy", "access"],
        ClassSetting::KeepStatements => &["keepStatements"],
        ClassSetting::Tags => &["tags"],
        ClassSetting::DeletionPolicy => &["deletionPolicy"],
    }
}

/// A setting as JSON; filters that are empty are none.
fn part(settings: &ClassSettings, setting: ClassSetting) -> BTreeMap<&'static str, Value> {
    let whole = serde_json::to_value(settings).unwrap();
    let field = |name: &&'static str| Some((*name, whole.get(name)?.clone()));
    let mut part: BTreeMap<_, _> = fields(setting).iter().filter_map(field).collect();
    part.retain(|name, value| {
        *name != "imageTagMutabilityExclusionFilters"
            || value.as_array().is_some_and(|it| !it.is_empty())
    });
    part
}

fn opted_out(spec: &ECRRepositorySpec, setting: ClassSetting) -> bool {
    spec.unmanaged
        .iter()
        .flatten()
        .any(|aspect| setting_of(*aspect) == setting)
}

fn tags_of(settings: &ClassSettings) -> BTreeMap<String, String> {
    settings.tags.clone().unwrap_or_default()
}

fn effective_part(of: &Effective, setting: ClassSetting) -> BTreeMap<&'static str, Value> {
    part(&settings_of(&of.spec), setting)
}

proptest! {
    /// Enforced, else spec, else default unless opted out, else nothing; whole from one place.
    #[test]
    fn each_setting_comes_from_the_first_that_has_it((spec, class) in world()) {
        let effective = effective(&spec, &class, &SUBJECT);
        for setting in WHOLE {
            let enforced = part(&class.enforced, setting);
            let asked = part(&settings_of(&spec), setting);
            let default = part(&class.defaults, setting);
            let (expected, source) = if !enforced.is_empty() {
                (enforced.clone(), SettingSource::Enforced)
            } else if !asked.is_empty() {
                (asked.clone(), SettingSource::Spec)
            } else if !default.is_empty() && !opted_out(&spec, setting) {
                (default, SettingSource::Default)
            } else {
                (BTreeMap::new(), SettingSource::Unmanaged)
            };
            prop_assert_eq!(effective_part(&effective, setting), expected, "{:?}", setting);
            prop_assert_eq!(effective.source(setting), source, "{:?}", setting);
            let overridden = !enforced.is_empty()
                && ((!asked.is_empty() && asked != enforced) || opted_out(&spec, setting));
            prop_assert_eq!(effective.overridden().contains(&setting), overridden, "{:?}", setting);
        }
    }

    #[test]
    fn tags_are_merged_by_key((spec, class) in world()) {
        let effective = effective(&spec, &class, &SUBJECT);
        let (enforced, asked) = (tags_of(&class.enforced), tags_of(&settings_of(&spec)));
        let mut expected = BTreeMap::new();
        if !opted_out(&spec, ClassSetting::Tags) {
            expected.extend(tags_of(&class.defaults));
        }
        expected.extend(asked.clone());
        expected.extend(enforced.clone());
        for key in expected.keys() {
            let source = if enforced.contains_key(key) {
                SettingSource::Enforced
            } else if asked.contains_key(key) {
                SettingSource::Spec
            } else {
                SettingSource::Default
            };
            prop_assert_eq!(effective.tag_source(key), Some(source));
        }
        let lost = enforced.iter().any(|(key, value)| asked.get(key).is_some_and(|it| it != value));
        let opted = opted_out(&spec, ClassSetting::Tags) && !enforced.is_empty();
        prop_assert_eq!(effective.overridden().contains(&ClassSetting::Tags), lost || opted);
        prop_assert_eq!(effective.spec.tags.unwrap_or_default(), expected);
    }

    /// What holds, asked for, holds.
    #[test]
    fn twice_is_once((spec, class) in world()) {
        let once = effective(&spec, &class, &SUBJECT);
        let twice = effective(&once.spec, &class, &SUBJECT);
        prop_assert_eq!(&twice.spec, &once.spec);
        // What is opted out of stays so; all else is no longer overridden.
        let out = |it: &&ClassSetting| opted_out(&spec, **it);
        prop_assert!(twice.overridden().iter().all(|it| out(&it)));
    }

    /// A setting depends on its own fields alone.
    #[test]
    fn settings_are_independent((spec, class) in world(), (other, others) in world(), which in 0..6_usize) {
        let setting = WHOLE[which];
        let mix = |of: &ClassSettings, with: &ClassSettings| {
            let mut mixed = serde_json::to_value(of).unwrap();
            let with = serde_json::to_value(with).unwrap();
            for field in fields(setting) {
                mixed.as_object_mut().unwrap().remove(*field);
                if let Some(value) = with.get(field) {
                    mixed[field] = value.clone();
                }
            }
            serde_json::from_value::<ClassSettings>(mixed).unwrap()
        };
        let mixed = with(mix(&class.enforced, &others.enforced), mix(&class.defaults, &others.defaults));
        let settings = mix(&settings_of(&spec), &settings_of(&other));
        let mut asked = super::super::effective::spec_of(&settings);
        asked.unmanaged.clone_from(&spec.unmanaged);
        let (before, after) = (effective(&spec, &class, &SUBJECT), effective(&asked, &mixed, &SUBJECT));
        for unchanged in WHOLE.into_iter().chain([ClassSetting::Tags]).filter(|it| *it != setting) {
            prop_assert_eq!(effective_part(&before, unchanged), effective_part(&after, unchanged));
            prop_assert_eq!(before.source(unchanged), after.source(unchanged));
        }
    }

    /// A class that says nothing changes nothing, and no class touches what it can't decide.
    #[test]
    fn all_else_is_the_objects((spec, class) in world()) {
        let rest = |spec: &ECRRepositorySpec| {
            (spec.class_name.clone(), spec.repository_name.clone(), spec.adoption.clone(), spec.management_policy, spec.suspend, spec.unmanaged.clone())
        };
        prop_assert_eq!(rest(&effective(&spec, &class, &SUBJECT).spec), rest(&spec));
        let silent = effective(&spec, &with(ClassSettings::default(), ClassSettings::default()), &SUBJECT);
        for setting in WHOLE {
            prop_assert_eq!(effective_part(&silent, setting), part(&settings_of(&spec), setting));
        }
        prop_assert!(silent.overridden().is_empty() && silent.override_message().is_none());
    }

    /// The record is complete, ordered, and fits into the schema.
    #[test]
    fn the_record_tells_all((spec, class) in world()) {
        let effective = effective(&spec, &class, &SUBJECT);
        let records = effective.records();
        prop_assert!((7..=10).contains(&records.len()), "{:?}", records);
        prop_assert!(records.windows(2).all(|two| (two[0].setting, two[0].source) < (two[1].setting, two[1].source)));
        for record in &records {
            let most = usize::try_from(MAX_WORD).unwrap();
            prop_assert!(record.value.as_ref().is_none_or(|it| it.chars().count() <= most));
            let is_unmanaged = record.source == SettingSource::Unmanaged;
            let is_built_in = record.value.as_deref() == Some("Retain (built in)");
            prop_assert_eq!(record.value.is_none(), is_unmanaged && !is_built_in, "{:?}", record);
            prop_assert_eq!(is_built_in, is_unmanaged && record.setting == ClassSetting::DeletionPolicy);
        }
    }
}
