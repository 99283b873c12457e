//! `status.effective` where nobody asks: what holds all the same. ECR can't change how a repository is
//! encrypted, so that what was read once holds for as long as the repository is there.

use super::desired::Encryption;
use crate::api::{ClassSetting, EffectiveSetting, EncryptionType, MAX_WORD, SettingSource};

/// Behind a value that was read.
const READ: &str = " (read from ECR)";

/// Shows how the repository is encrypted, unless that is what is asked for.
pub fn note_encryption(
    effective: &mut [EffectiveSetting],
    asked: Option<&Encryption>,
    held: &Encryption,
) {
    if asked.is_some_and(|asked| !asked.contradicts(held)) {
        return;
    }
    let text = format!("{held}{READ}");
    let fits = u32::try_from(text.len()).is_ok_and(|length| length <= MAX_WORD);
    for entry in effective.iter_mut().filter(|it| is_encryption(it)) {
        entry.source = SettingSource::Unmanaged;
        entry.value = fits.then(|| text.clone());
    }
}

/// How the repository is encrypted, where that was read and shown.
#[must_use]
pub fn encryption_read(effective: &[EffectiveSetting]) -> Option<Encryption> {
    let entry = effective.iter().find(|it| is_encryption(it))?;
    let text = entry.value.as_deref()?.strip_suffix(READ)?;
    let (kind, key) = match text.split_once(" (") {
        Some((kind, key)) => (kind, Some(key.strip_suffix(')')?.to_owned())),
        None => (text, None),
    };
    let kinds = [
        EncryptionType::Aes256,
        EncryptionType::Kms,
        EncryptionType::KmsDsse,
    ];
    let mut all = kinds.into_iter().map(|kind| Encryption {
        kind,
        key: key.clone(),
    });
    let is_it = |it: &Encryption| {
        let bare = Encryption {
            kind: it.kind,
            key: None,
        };
        bare.to_string() == kind
    };
    all.find(is_it)
}

fn is_encryption(it: &EffectiveSetting) -> bool {
    it.setting == ClassSetting::EncryptionConfiguration
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/a";

    fn encryption(kind: EncryptionType, key: Option<&str>) -> Encryption {
        Encryption {
            kind,
            key: key.map(ToOwned::to_owned),
        }
    }

    fn entry(source: SettingSource, value: Option<&str>) -> [EffectiveSetting; 1] {
        [EffectiveSetting {
            setting: ClassSetting::EncryptionConfiguration,
            source,
            value: value.map(ToOwned::to_owned),
        }]
    }

    #[test]
    fn what_ecr_holds_is_shown_where_nobody_asks_for_it() {
        use EncryptionType::{Aes256, Kms, KmsDsse};
        let (aes, kms) = (encryption(Aes256, None), encryption(Kms, Some(ARN)));
        let read = format!("KMS ({ARN}) (read from ECR)");
        let none = (SettingSource::Unmanaged, None);
        let kms_asked = (SettingSource::Default, Some("KMS"));
        for (asked, before, held, after) in [
            (
                None,
                none,
                &aes,
                (SettingSource::Unmanaged, "AES256 (read from ECR)"),
            ),
            (None, none, &kms, (SettingSource::Unmanaged, read.as_str())),
            // The class's counts at creation alone.
            (
                Some(encryption(Kms, None)),
                kms_asked,
                &aes,
                (SettingSource::Unmanaged, "AES256 (read from ECR)"),
            ),
            (
                Some(encryption(Kms, None)),
                kms_asked,
                &kms,
                (SettingSource::Default, "KMS"),
            ),
        ] {
            let mut effective = entry(before.0, before.1);
            note_encryption(&mut effective, asked.as_ref(), held);
            assert_eq!(effective, entry(after.0, Some(after.1)));
            let known = encryption_read(&effective);
            assert_eq!(
                known.as_ref(),
                (after.0 == SettingSource::Unmanaged).then_some(held)
            );
        }
        let mut dsse = entry(none.0, none.1);
        note_encryption(&mut dsse, None, &encryption(KmsDsse, Some(ARN)));
        assert_eq!(encryption_read(&dsse), Some(encryption(KmsDsse, Some(ARN))));
    }

    #[test]
    fn what_was_not_read_is_not_taken_for_it() {
        for value in [
            None,
            Some("KMS"),
            Some("ROT13 (read from ECR)"),
            Some("KMS (a (read from ECR)"),
        ] {
            assert_eq!(
                encryption_read(&entry(SettingSource::Unmanaged, value)),
                None,
                "{value:?}"
            );
        }
        let long = format!(
            "arn:aws:kms:eu-central-1:111122223333:key/{}",
            "a".repeat(300)
        );
        let mut effective = entry(SettingSource::Unmanaged, None);
        note_encryption(
            &mut effective,
            None,
            &encryption(EncryptionType::Kms, Some(&long)),
        );
        assert_eq!(effective, entry(SettingSource::Unmanaged, None));
    }
}
