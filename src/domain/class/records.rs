//! `status.effective`: what holds, in short, and where it comes from.

use std::collections::BTreeSet;

use super::effective::Effective;
use crate::api::{
    Access, ClassSetting, DeletionPolicy, ECRRepositorySpec, EffectiveSetting, EncryptionType,
    MAX_WORD, SettingSource,
};

impl Effective {
    /// One entry for each setting, and for tags one for each source; ordered, so that equal
    /// settings make an equal status.
    #[must_use]
    pub fn records(&self) -> Vec<EffectiveSetting> {
        let whole = [
            ClassSetting::ImageTagMutability,
            ClassSetting::ImageScanningConfiguration,
            ClassSetting::EncryptionConfiguration,
            ClassSetting::LifecyclePolicy,
            ClassSetting::RepositoryPolicy,
            ClassSetting::DeletionPolicy,
        ];
        let whole = whole.into_iter().map(|setting| EffectiveSetting {
            setting,
            source: self.source(setting),
            value: short(setting, &self.spec).map(cut),
        });
        let kept = self.spec.keep_statements.as_ref();
        let kept = kept.map(|sids| EffectiveSetting {
            setting: ClassSetting::KeepStatements,
            source: self.source(ClassSetting::KeepStatements),
            value: Some(if sids.is_empty() {
                "none".to_owned()
            } else {
                cut(sids.join(", "))
            }),
        });
        let whole = whole.chain(kept);
        let mut records: Vec<_> = whole.chain(self.tag_records()).collect();
        records.sort_by_key(|record| (record.setting, record.source));
        records
    }

    fn tag_records(&self) -> Vec<EffectiveSetting> {
        let sources: BTreeSet<SettingSource> = self.tag_sources().values().copied().collect();
        if sources.is_empty() {
            return vec![EffectiveSetting {
                setting: ClassSetting::Tags,
                source: SettingSource::Unmanaged,
                value: None,
            }];
        }
        let keys = |source| {
            let of_source = self.tag_sources().iter().filter(|(_, it)| **it == source);
            let keys: Vec<&str> = of_source.map(|(key, _)| key.as_str()).collect();
            keys.join(", ")
        };
        let record = |source| EffectiveSetting {
            setting: ClassSetting::Tags,
            source,
            value: Some(cut(keys(source))),
        };
        sources.into_iter().map(record).collect()
    }
}

/// A setting in a few words.
fn short(setting: ClassSetting, spec: &ECRRepositorySpec) -> Option<String> {
    match setting {
        ClassSetting::ImageTagMutability => mutability(spec),
        ClassSetting::ImageScanningConfiguration => {
            let scanning = spec.image_scanning_configuration.as_ref()?;
            let scan = scanning.scan_on_push.unwrap_or(false);
            Some(format!("scanOnPush: {scan}"))
        }
        ClassSetting::EncryptionConfiguration => encryption(spec),
        ClassSetting::LifecyclePolicy => {
            let rules = spec.lifecycle_policy.as_ref()?.rules.len();
            Some(counted(rules, "rule"))
        }
        ClassSetting::RepositoryPolicy => policy(spec),
        ClassSetting::KeepStatements | ClassSetting::Tags => None,
        ClassSetting::DeletionPolicy => Some(match spec.deletion_policy {
            Some(policy) => format!("{policy:?}"),
            None => format!("{:?} (built in)", DeletionPolicy::default()),
        }),
    }
}

fn mutability(spec: &ECRRepositorySpec) -> Option<String> {
    let mode = spec.image_tag_mutability.map_or("", |mode| mode.as_str());
    let filters = spec.image_tag_mutability_exclusion_filters.iter().flatten();
    let filters: Vec<&str> = filters.map(|it| it.filter.as_str()).collect();
    match (mode, filters.as_slice()) {
        ("", []) => None,
        (mode, []) => Some(mode.to_owned()),
        (mode, filters) => Some(format!("{mode}: {}", filters.join(", "))),
    }
}

fn encryption(spec: &ECRRepositorySpec) -> Option<String> {
    let encryption = spec.encryption_configuration.as_ref()?;
    let kind = match encryption.encryption_type {
        EncryptionType::Aes256 => "AES256",
        EncryptionType::Kms => "KMS",
        EncryptionType::KmsDsse => "KMS_DSSE",
    };
    Some(match &encryption.kms_key {
        None => kind.to_owned(),
        Some(key) => format!("{kind}: {key}"),
    })
}

fn policy(spec: &ECRRepositorySpec) -> Option<String> {
    if spec.repository_policy.is_none() && spec.access.is_none() {
        return None;
    }
    let statements = match spec
        .repository_policy
        .as_ref()
        .and_then(|it| it.0.get("Statement"))
    {
        None => 0,
        Some(serde_json::Value::Array(statements)) => statements.len(),
        Some(_) => 1,
    };
    let entries = |of: fn(&Access) -> &Option<Vec<String>>| {
        let list = spec.access.as_ref().and_then(|access| of(access).as_ref());
        list.map_or(0, Vec::len)
    };
    let pull = entries(|access| &access.pull);
    let push = entries(|access| &access.push);
    let statements = counted(statements, "statement");
    Some(format!(
        "{statements}, access.pull {pull}, access.push {push}"
    ))
}

fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// Cut to what the schema takes.
fn cut(text: String) -> String {
    let most = usize::try_from(MAX_WORD).unwrap_or(usize::MAX);
    if text.chars().count() <= most {
        return text;
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}
