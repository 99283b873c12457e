//! What is wrong with a KMS key, by the name that KMS gives it: ECR passes that on with its exception
//! as `kmsError` (Amazon ECR API Reference, `KmsException`).

use super::{
    desired::Encryption,
    failure::{Class, Failure},
    identity::Region,
};

/// The longest name of an error that is told.
const LONGEST: usize = 64;

/// A name of an error, if it is one: what answers in AWS's place may say anything.
#[must_use]
pub fn named(error: &str) -> Option<&str> {
    let is_word = error.chars().all(|c| c.is_ascii_alphanumeric());
    (is_word && (1..=LONGEST).contains(&error.len())).then_some(error)
}

/// A call that failed for its key: which one, why, and what cures it. What is KMS's own trouble heals by itself.
#[must_use]
pub fn failed(
    encryption: Option<&Encryption>,
    region: &Region,
    error: Option<&str>,
    failure: Failure,
) -> Failure {
    let Some(error) = error.and_then(named) else {
        return failure;
    };
    let key = encryption.and_then(|it| it.key.as_deref());
    let what = match (encryption, key) {
        (_, Some(key)) => format!("the KMS key {key}"),
        (Some(_), None) => "the KMS key alias/aws/ecr".to_owned(),
        (None, _) => "the repository's KMS key".to_owned(),
    };
    let elsewhere = key.and_then(region_of).filter(|it| *it != region.as_str());
    let (why, cure) = cause(error, elsewhere, region);
    let class = if is_passing(error) {
        Class::Unavailable
    } else {
        failure.class
    };
    Failure {
        class,
        said: format!("{what} {why} ({error}) — {cure}; {}", failure.said),
    }
}

/// The region in the ARN of a key.
fn region_of(key: &str) -> Option<&str> {
    let mut parts = key.split(':');
    (parts.next() == Some("arn"))
        .then(|| parts.nth(2))
        .flatten()
}

/// What heals by itself (AWS KMS API Reference, the errors of `CreateGrant` and `DescribeKey`).
fn is_passing(error: &str) -> bool {
    matches!(
        error,
        "DependencyTimeoutException"
            | "KMSInternalException"
            | "KeyUnavailableException"
            | "ThrottlingException"
    )
}

fn cause(error: &str, elsewhere: Option<&str>, region: &Region) -> (String, String) {
    let (why, cure) = match (error, elsewhere) {
        (_, Some(other)) => (
            format!("is in {other}, and the repository in {region}"),
            format!("choose a key of {region}"),
        ),
        ("NotFoundException" | "InvalidArnException", None) => (
            "is not there".to_owned(),
            "correct its ARN, id or alias in encryptionConfiguration.kmsKey, or create it".to_owned(),
        ),
        ("DisabledException", None) => ("is disabled".to_owned(), "enable it".to_owned()),
        ("KMSInvalidStateException" | "InvalidStateException", None) => (
            "is in a state in which it can't be used, such as pending deletion".to_owned(),
            "cancel its deletion or complete its import, or choose another key".to_owned(),
        ),
        ("AccessDeniedException", None) => (
            "may not be used by the operator's role".to_owned(),
            "allow that role kms:CreateGrant, kms:RetireGrant and kms:DescribeKey on it, in the role's policy \
             (deploy/iam) and in the key's"
                .to_owned(),
        ),
        ("InvalidKeyUsageException" | "UnsupportedOperationException", None) => (
            "is of a kind that ECR can't encrypt with".to_owned(),
            "choose a symmetric key for encryption".to_owned(),
        ),
        ("LimitExceededException", None) => (
            "has no room for another grant".to_owned(),
            "ask AWS for a higher quota of grants, or choose another key".to_owned(),
        ),
        _ if is_passing(error) => (
            "can't be reached at the moment".to_owned(),
            "nothing to do, it is tried again".to_owned(),
        ),
        _ => (
            "can't be used".to_owned(),
            "check the key, its state, its policy and its grants".to_owned(),
        ),
    };
    (why, cure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::EncryptionType;

    const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/a";

    fn told(key: Option<&str>, error: Option<&str>) -> Failure {
        let encryption = Encryption {
            kind: EncryptionType::Kms,
            key: key.map(ToOwned::to_owned),
        };
        let region = Region::parse("eu-central-1").unwrap();
        let failure = Failure {
            class: Class::Kms,
            said: "CreateRepository: KmsException: the key".to_owned(),
        };
        failed(Some(&encryption), &region, error, failure)
    }

    #[test]
    fn each_cause_has_its_key_and_its_cure() {
        let elsewhere = "arn:aws:kms:us-east-1:111122223333:key/a";
        for (key, error, said) in [
            (
                Some(ARN),
                "NotFoundException",
                format!("the KMS key {ARN} is not there (NotFoundException) — correct its ARN"),
            ),
            (
                Some("alias/x"),
                "NotFoundException",
                "the KMS key alias/x is not there".to_owned(),
            ),
            (
                Some(ARN),
                "DisabledException",
                format!(
                    "the KMS key {ARN} is disabled (DisabledException) — enable it; CreateRepository: "
                ),
            ),
            (
                Some(ARN),
                "KMSInvalidStateException",
                format!(
                    "the KMS key {ARN} is in a state in which it can't be used, such as pending deletion"
                ),
            ),
            (
                Some(ARN),
                "AccessDeniedException",
                format!(
                    "the KMS key {ARN} may not be used by the operator's role (AccessDeniedException) — allow that role kms:CreateGrant"
                ),
            ),
            (
                Some(elsewhere),
                "NotFoundException",
                format!(
                    "the KMS key {elsewhere} is in us-east-1, and the repository in eu-central-1 (NotFoundException) — choose a key of eu-central-1"
                ),
            ),
            (
                None,
                "AccessDeniedException",
                "the KMS key alias/aws/ecr may not be used".to_owned(),
            ),
            (
                Some(ARN),
                "SomethingNewException",
                format!("the KMS key {ARN} can't be used (SomethingNewException) — check the key"),
            ),
        ] {
            let failure = told(key, Some(error));
            assert!(failure.said.starts_with(&said), "{}", failure.said);
            assert!(
                failure
                    .said
                    .ends_with("; CreateRepository: KmsException: the key")
            );
            assert_eq!(failure.class, Class::Kms, "{error}");
        }
    }

    #[test]
    fn what_is_trouble_of_kms_heals_by_itself() {
        for error in [
            "KMSInternalException",
            "DependencyTimeoutException",
            "ThrottlingException",
        ] {
            assert_eq!(
                told(Some(ARN), Some(error)).class,
                Class::Unavailable,
                "{error}"
            );
        }
    }

    #[test]
    fn what_names_no_error_adds_nothing() {
        let long = "x".repeat(65);
        for error in [
            None,
            Some(""),
            Some("a b"),
            Some("\u{1b}[2J"),
            Some(long.as_str()),
        ] {
            assert_eq!(
                told(Some(ARN), error).said,
                "CreateRepository: KmsException: the key"
            );
        }
    }
}
