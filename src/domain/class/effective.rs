//! What is in force for an object: what the class enforces, else what spec says, else the class's
//! default, else nothing.
//!
//! A setting comes whole from one place; tags are merged key by key.

use std::collections::{BTreeMap, BTreeSet};

use super::pattern::Subject;
use super::tags::{Unfit, made};
use super::{Class, Keep};
use crate::api::{Aspect, ClassSetting, ClassSettings, ECRRepositorySpec, SettingSource};

/// A spec in which the class has had its say, and where each setting comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective {
    /// To be parsed as if the user had written it.
    pub spec: ECRRepositorySpec,
    sources: BTreeMap<ClassSetting, SettingSource>,
    tags: BTreeMap<String, SettingSource>,
    unfit: Vec<Unfit>,
    overridden: Vec<ClassSetting>,
    /// Which statements of others stay in the repository policy.
    keep: Keep,
}

impl Effective {
    /// Which statements of others stay in the repository policy, as far as the class permits them.
    #[must_use]
    pub fn keep(&self) -> Keep {
        self.keep.clone()
    }

    /// Where a setting comes from. Tags come from several places: see [`Self::tag_source`].
    #[must_use]
    pub fn source(&self, setting: ClassSetting) -> SettingSource {
        self.sources
            .get(&setting)
            .copied()
            .unwrap_or(SettingSource::Unmanaged)
    }

    /// Where a tag comes from, if it is asked for.
    #[must_use]
    pub fn tag_source(&self, key: &str) -> Option<SettingSource> {
        self.tags.get(key).copied()
    }

    /// The tags with their sources.
    pub(super) fn tag_sources(&self) -> &BTreeMap<String, SettingSource> {
        &self.tags
    }

    /// The class's tags that have no value for this object.
    pub(super) fn unfit(&self) -> &[Unfit] {
        &self.unfit
    }

    /// Whether the class asks for it and not the object.
    #[must_use]
    pub fn is_from_class(&self, setting: ClassSetting) -> bool {
        match self.source(setting) {
            SettingSource::Enforced | SettingSource::Default => true,
            SettingSource::Spec | SettingSource::Unmanaged => false,
        }
    }

    /// The settings in which spec asks for something that the class overrides, in the order of
    /// [`ClassSetting`].
    #[must_use]
    pub fn overridden(&self) -> &[ClassSetting] {
        &self.overridden
    }

    /// What `Accepted=True/OverriddenByClass` says, where something is overridden.
    #[must_use]
    pub fn override_message(&self) -> Option<String> {
        let names: Vec<&str> = self.overridden.iter().map(|it| it.as_str()).collect();
        (!names.is_empty()).then(|| {
            format!(
                "The class enforces {} in place of what spec asks for — nothing to do: status.effective shows \
                 what holds",
                names.join(", ")
            )
        })
    }
}

/// The three places that a setting may come from, in the order in which they count.
struct Layers<'a> {
    enforced: &'a ClassSettings,
    spec: &'a ClassSettings,
    defaults: &'a ClassSettings,
}

/// What the layers make of one setting.
struct Pick<T> {
    value: Option<T>,
    source: SettingSource,
    overridden: bool,
}

/// Decides by what each layer has, in their order.
fn pick<T: PartialEq>(opted_out: bool, layers: [Option<T>; 3]) -> Pick<T> {
    let [enforced, spec, default] = layers;
    let default = default.filter(|_| !opted_out);
    let overridden = enforced.is_some() && (opted_out || (spec.is_some() && spec != enforced));
    let (value, source) = match (enforced, spec, default) {
        (Some(value), _, _) => (Some(value), SettingSource::Enforced),
        (None, Some(value), _) => (Some(value), SettingSource::Spec),
        (None, None, Some(value)) => (Some(value), SettingSource::Default),
        (None, None, None) => (None, SettingSource::Unmanaged),
    };
    Pick {
        value,
        source,
        overridden,
    }
}

/// What holds for an object with this spec under this class. The name of the repository is left as
/// spec has it.
#[must_use]
pub fn effective(spec: &ECRRepositorySpec, class: &Class, subject: &Subject<'_>) -> Effective {
    let asked = settings_of(spec);
    let layers = Layers {
        enforced: &class.enforced,
        spec: &asked,
        defaults: &class.defaults,
    };
    let mut merging = Merging {
        out: Effective {
            spec: spec.clone(),
            sources: BTreeMap::new(),
            tags: BTreeMap::new(),
            unfit: Vec::new(),
            overridden: Vec::new(),
            keep: Keep::default(),
        },
        layers,
    };
    merging.settings();
    merging.policies();
    merging.tags(subject);
    merging.deletion();
    let mut out = merging.out;
    out.overridden.sort_unstable();
    out.keep = Keep::of(out.spec.keep_statements.as_deref()).within(&class.grantable);
    out
}

struct Merging<'a> {
    out: Effective,
    layers: Layers<'a>,
}

impl Merging<'_> {
    fn settings(&mut self) {
        let (mode, filters) = self
            .choose(ClassSetting::ImageTagMutability, |it| {
                let filters = it.image_tag_mutability_exclusion_filters.clone();
                let filters = filters.filter(|filters| !filters.is_empty());
                let present = it.image_tag_mutability.is_some() || filters.is_some();
                present.then_some((it.image_tag_mutability, filters))
            })
            .unwrap_or_default();
        self.out.spec.image_tag_mutability = mode;
        self.out.spec.image_tag_mutability_exclusion_filters = filters;
        self.out.spec.image_scanning_configuration = self
            .choose(ClassSetting::ImageScanningConfiguration, |it| {
                it.image_scanning_configuration.clone()
            });
        self.out.spec.encryption_configuration = self
            .choose(ClassSetting::EncryptionConfiguration, |it| {
                it.encryption_configuration.clone()
            });
        self.out.spec.lifecycle_policy = self.choose(ClassSetting::LifecyclePolicy, |it| {
            it.lifecycle_policy.clone()
        });
    }

    fn policies(&mut self) {
        let (policy, access) = self
            .choose(ClassSetting::RepositoryPolicy, |it| {
                let present = it.repository_policy.is_some() || it.access.is_some();
                present.then(|| (it.repository_policy.clone(), it.access.clone()))
            })
            .unwrap_or_default();
        self.out.spec.repository_policy = policy;
        self.out.spec.access = access;
        self.out.spec.keep_statements = self.choose(ClassSetting::KeepStatements, |it| {
            it.keep_statements.clone()
        });
    }

    fn deletion(&mut self) {
        self.out.spec.deletion_policy =
            self.choose(ClassSetting::DeletionPolicy, |it| it.deletion_policy);
    }

    fn tags(&mut self, subject: &Subject<'_>) {
        let opted_out = self.opts_out(ClassSetting::Tags);
        let layers = [self.layers.enforced, self.layers.spec, self.layers.defaults];
        let keys = layers.iter().filter_map(|it| it.tags.as_ref());
        let mut merged = BTreeMap::new();
        let mut overridden = false;
        for key in keys.flat_map(BTreeMap::keys).collect::<BTreeSet<_>>() {
            let [enforced, spec, default] = layers.map(|it| it.tags.as_ref()?.get(key));
            let made = |text: &String| made(text, subject);
            let layers = [enforced.map(made), spec.cloned().map(Ok), default.map(made)];
            let pick = pick(opted_out, layers);
            overridden |= pick.overridden;
            match pick.value {
                Some(Ok(value)) => {
                    merged.insert(key.clone(), value);
                    self.out.tags.insert(key.clone(), pick.source);
                }
                Some(Err(why)) => self.out.unfit.push(Unfit::new(key, pick.source, why)),
                None => {}
            }
        }
        self.out.spec.tags = (!merged.is_empty()).then_some(merged);
        // Of several sources the first in the order of ClassSetting's own: enforced, spec, default.
        if let Some(source) = self.out.tags.values().min() {
            self.out.sources.insert(ClassSetting::Tags, *source);
        }
        if overridden {
            self.out.overridden.push(ClassSetting::Tags);
        }
    }

    fn choose<T: PartialEq>(
        &mut self,
        setting: ClassSetting,
        of: impl Fn(&ClassSettings) -> Option<T>,
    ) -> Option<T> {
        let layers = [self.layers.enforced, self.layers.spec, self.layers.defaults];
        let pick = pick(self.opts_out(setting), layers.map(of));
        self.out.sources.insert(setting, pick.source);
        if pick.overridden {
            self.out.overridden.push(setting);
        }
        pick.value
    }

    fn opts_out(&self, setting: ClassSetting) -> bool {
        let named = |aspect: &Aspect| setting_of(*aspect) == setting;
        self.out.spec.unmanaged.iter().flatten().any(named)
    }
}

/// The setting that is an aspect's.
#[must_use]
pub const fn setting_of(aspect: Aspect) -> ClassSetting {
    match aspect {
        Aspect::ImageTagMutability => ClassSetting::ImageTagMutability,
        Aspect::ImageScanningConfiguration => ClassSetting::ImageScanningConfiguration,
        Aspect::LifecyclePolicy => ClassSetting::LifecyclePolicy,
        Aspect::RepositoryPolicy => ClassSetting::RepositoryPolicy,
        Aspect::Tags => ClassSetting::Tags,
    }
}

/// What a spec says of that which a class may decide.
pub(super) fn settings_of(spec: &ECRRepositorySpec) -> ClassSettings {
    ClassSettings {
        image_tag_mutability: spec.image_tag_mutability,
        image_tag_mutability_exclusion_filters: spec.image_tag_mutability_exclusion_filters.clone(),
        image_scanning_configuration: spec.image_scanning_configuration.clone(),
        encryption_configuration: spec.encryption_configuration.clone(),
        lifecycle_policy: spec.lifecycle_policy.clone(),
        repository_policy: spec.repository_policy.clone(),
        access: spec.access.clone(),
        keep_statements: spec.keep_statements.clone(),
        tags: spec.tags.clone(),
        deletion_policy: spec.deletion_policy,
    }
}

/// The spec that says just this.
pub(super) fn spec_of(settings: &ClassSettings) -> ECRRepositorySpec {
    let settings = settings.clone();
    ECRRepositorySpec {
        image_tag_mutability: settings.image_tag_mutability,
        image_tag_mutability_exclusion_filters: settings.image_tag_mutability_exclusion_filters,
        image_scanning_configuration: settings.image_scanning_configuration,
        encryption_configuration: settings.encryption_configuration,
        lifecycle_policy: settings.lifecycle_policy,
        repository_policy: settings.repository_policy,
        access: settings.access,
        keep_statements: settings.keep_statements,
        tags: settings.tags,
        deletion_policy: settings.deletion_policy,
        ..ECRRepositorySpec::default()
    }
}
