//! The names of principals, as the IAM User Guide has them in "IAM identifiers".

/// Whether this is an account's id: twelve digits.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The parts of an IAM or STS ARN that name a principal.
pub(super) struct Arn<'a> {
    /// `iam` or `sts`.
    pub(super) service: &'a str,
    /// Twelve digits.
    pub(super) account: &'a str,
    /// What follows the account.
    pub(super) resource: &'a str,
}

/// Takes apart `arn:<partition>:<iam or sts>::<account>:<resource>`, of whatever partition.
pub(super) fn parse(text: &str) -> Option<Arn<'_>> {
    let (partition, rest) = text.strip_prefix("arn:")?.split_once(':')?;
    let (service, rest) = rest.split_once("::")?;
    let (account, resource) = rest.split_once(':')?;
    let known = is_partition(partition) && matches!(service, "iam" | "sts") && is_account(account);
    (known && !resource.is_empty()).then_some(Arn {
        service,
        account,
        resource,
    })
}

fn is_partition(text: &str) -> bool {
    match text.strip_prefix("aws") {
        Some("") => true,
        Some(rest) => {
            rest.starts_with('-')
                && rest
                    .bytes()
                    .all(|byte| byte == b'-' || byte.is_ascii_lowercase())
        }
        None => false,
    }
}

/// The account of which this is the root ARN.
pub(super) fn account_of_root(text: &str) -> Option<&str> {
    parse(text)
        .filter(|arn| arn.service == "iam" && arn.resource == "root")
        .map(|arn| arn.account)
}

/// Whether this is the ARN of somebody: an account's root, a role, a user, or a session of one.
pub(super) fn names_a_principal(text: &str) -> bool {
    let Some(arn) = parse(text) else {
        return false;
    };
    match (arn.service, arn.resource.split_once('/')) {
        ("iam", None) => arn.resource == "root",
        ("iam", Some(("role" | "user", name)))
        | ("sts", Some(("assumed-role" | "federated-user", name))) => !name.is_empty(),
        _ => false,
    }
}

/// Whether this may be a unique id of IAM or a canonical user id. AWS shows them for principals that are
/// gone; whether it takes one, of somebody who is there, is documented nowhere.
pub(super) fn may_be_an_id(text: &str) -> bool {
    let is_unique = text.len() >= 16
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && text.bytes().any(|byte| byte.is_ascii_uppercase());
    let is_canonical = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_unique || is_canonical
}

/// Whether this is an origin access identity, whose ARN has a word for an account, and spaces ("Restrict
/// access to an Amazon S3 origin", Amazon `CloudFront` Developer Guide).
pub(super) fn is_of_cloudfront(text: &str) -> bool {
    let rest = text.strip_prefix("arn:").and_then(|it| it.split_once(':'));
    rest.is_some_and(|(partition, rest)| {
        is_partition(partition) && rest.starts_with("iam::cloudfront:user/")
    })
}

/// The kinds of IAM identities that AWS replaces by a unique id once they are deleted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Identity {
    /// A user; its unique id begins with `AIDA`.
    User,
    /// A role; its unique id begins with `AROA`.
    Role,
}

impl Identity {
    /// The kind of identity that an ARN names.
    pub(super) fn of_arn(text: &str) -> Option<Self> {
        let arn = parse(text).filter(|arn| arn.service == "iam")?;
        match arn.resource.split_once('/') {
            Some(("user", _)) => Some(Self::User),
            Some(("role", _)) => Some(Self::Role),
            _ => None,
        }
    }

    /// The kind of identity that a unique id stands for ("Understanding unique ID prefixes").
    pub(super) fn of_unique_id(text: &str) -> Option<Self> {
        let shaped = (16..=128).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        match text.get(..4).filter(|_| shaped) {
            Some("AIDA") => Some(Self::User),
            Some("AROA") => Some(Self::Role),
            _ => None,
        }
    }
}
