//! Words without what is secret in them: keys, tokens, signatures, log-ins and queries of addresses.
//!
//! By their form, since whoever says them is not ours: AWS, a proxy, a library.

/// What stands behind these in one word is nobody's to read (Signature Version 4 in headers and in queries, and the
/// answers of whatever hands out credentials).
const NAMES: [&str; 12] = [
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-credential",
    "aws4-hmac-sha256",
    "signature",
    "credential",
    "accesskeyid",
    "secretaccesskey",
    "sessiontoken",
    "token",
    "password",
    "secret",
];

/// From so many characters on, capitals, small letters and digits in one run are no name. In an ARN, a role may have 64 of
/// its own and a path before them.
const LONG: usize = 64;
const LONG_IN_ARN: usize = 256;

/// What a word may end in that is not its own.
const CLOSE: [char; 11] = [')', ']', '}', '>', ';', ',', '.', ':', '\'', '"', '`'];

/// A word without what is secret in it, or differs from one session to the next.
pub(super) fn hide(word: &str) -> String {
    let mut hidden = word.to_owned();
    // Where something was left out, something else may come to stand behind a name.
    for _ in 0..4 {
        let before = hidden.clone();
        let rest = without_query(&without_log_in(&hidden));
        hidden = without_runs(&without_named(&without_session(&rest)));
        if hidden == before {
            break;
        }
    }
    hidden
}

/// Without the name and the password of `https://name:password@host`.
fn without_log_in(word: &str) -> String {
    let mut parts = word.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(['/', '?', '#']).unwrap_or(part.len());
        let (authority, rest) = part.split_at_checked(end).unwrap_or((part, ""));
        let host = authority.rsplit_once('@').map_or(authority, |(_, it)| it);
        shown.extend(["://", host, rest]);
    }
    shown
}

/// Without a query, in which a presigned address has its signature.
fn without_query(word: &str) -> String {
    match word.split_once('?') {
        Some((address, query)) if query.contains('=') => format!("{address}{}", closing(query)),
        Some(_) | None => word.to_owned(),
    }
}

/// Without the name of a session that is not ours: the SDK, EKS and the instance make another one each hour.
fn without_session(word: &str) -> String {
    let found = word.split_once(":assumed-role/");
    let Some((before, (role, session))) =
        found.and_then(|(before, rest)| Some((before, rest.split_once('/')?)))
    else {
        return word.to_owned();
    };
    if session.starts_with("ecr-operator@") {
        return word.to_owned();
    }
    // STS, AssumeRole: `[\w+=,.@-]`.
    let is_its = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    let rest = session.trim_start_matches(is_its);
    format!("{before}:assumed-role/{role}{rest}")
}

/// Without what stands behind a name of a secret.
fn without_named(word: &str) -> String {
    // Of the same length as the word.
    let small = word.to_ascii_lowercase();
    let value = |name: &&str| {
        let from = small.find(*name)?.saturating_add(name.len());
        let rest = small.get(from..)?.trim_start_matches(['"', '\'', '`']);
        let value = rest.strip_prefix([':', '='])?;
        small.len().checked_sub(value.len())
    };
    let first = NAMES.iter().filter_map(value).min();
    let split = first.and_then(|at| word.split_at_checked(at));
    match split {
        Some((name, value)) if closing(value).len() < value.len() => {
            format!("{name}…{}", closing(value))
        }
        Some(_) | None => word.to_owned(),
    }
}

/// Without tokens, signatures and access keys, whatever stands before them.
fn without_runs(word: &str) -> String {
    let is_run = |c: char| c.is_ascii_alphanumeric() || "+/=_-".contains(c);
    let long = if word.contains("arn:") {
        LONG_IN_ARN
    } else {
        LONG
    };
    let mut shown = String::new();
    let mut rest = word;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_run(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let is_digest = shown.ends_with("sha256:");
        shown.push_str(if !is_digest && is_secret(run, long) {
            "…"
        } else {
            run
        });
        let next = after.find(is_run).unwrap_or(after.len());
        let (between, after) = after.split_at_checked(next).unwrap_or((after, ""));
        shown.push_str(between);
        rest = after;
    }
    shown
}

fn is_secret(run: &str, long: usize) -> bool {
    let has = |is: fn(&char) -> bool| run.chars().any(|c| is(&c));
    let is_mixed =
        has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase) && has(char::is_ascii_digit);
    let is_hash = run.chars().all(|c| c.is_ascii_hexdigit());
    (run.len() >= long && is_mixed)
        || (run.len() >= LONG && is_hash)
        || run.split('/').any(is_access_key)
}

/// IAM User Guide, "Unique identifiers": keys of a user, and of a session.
fn is_access_key(text: &str) -> bool {
    let is_its = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    (16..=128).contains(&text.len())
        && text.chars().all(is_its)
        && ["AKIA", "ASIA"].iter().any(|it| text.starts_with(it))
}

/// What a word ends in that is not its own.
fn closing(word: &str) -> &str {
    let own = word.trim_end_matches(CLOSE);
    word.strip_prefix(own).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn what_is_secret_does_not_show() {
        let token = format!("IQoJb3JpZ2luX2VjE{}", "aB3+/".repeat(80));
        for (word, shown) in [
            (
                "https://me:pa55@ecr.example.com/v2/".to_owned(),
                "https://ecr.example.com/v2/",
            ),
            ("'http://me@proxy:3128'".to_owned(), "'http://proxy:3128'"),
            (
                format!("(https://x/y?X-Amz-Credential=a&X-Amz-Signature={HASH})."),
                "(https://x/y).",
            ),
            (
                "/v2/credentials?id=4711".to_owned(),
                "/v2/credentials",
            ),
            (format!("x-amz-security-token:{token}"), "x-amz-security-token:…"),
            (
                format!("{{\"SessionToken\":\"{token}\"}}"),
                "{\"SessionToken\":…\"}",
            ),
            (
                "Credential=AKIDEXAMPLE/20260101/us-east-1/ecr/aws4_request,".to_owned(),
                "Credential=…,",
            ),
            (format!("Signature={HASH}"), "Signature=…"),
            (token.clone(), "…"),
            (format!("'{token}'"), "'…'"),
            (HASH.to_owned(), "…"),
            ("(ASIAIOSFODNN7EXAMPLE)".to_owned(), "(…)"),
            (
                "'AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/ecr/aws4_request'".to_owned(),
                "'…'",
            ),
            (
                "arn:aws:sts::111122223333:assumed-role/ecr-operator/web-identity-token-1699999999999"
                    .to_owned(),
                "arn:aws:sts::111122223333:assumed-role/ecr-operator",
            ),
        ] {
            assert_eq!(hide(&word), shown, "{word}");
        }
    }

    #[test]
    fn what_helps_shows() {
        for word in [
            "",
            "https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE",
            "arn:aws:sts::111122223333:assumed-role/ecr/ecr-operator@prod@team-a",
            "arn:aws:iam::111122223333:role/EcrOperatorStack-EcrOperatorRoleA1B2C3D4-EXAMPLE1EXAMPLE2EXAMPLE3EXAMPLE4",
            "arn:aws:kms:eu-central-1:123456789012:key/8d5a0a76-1111-4222-8333-944455556666",
            "arn:aws:ecr:*:*:repository/a?",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "'team/a-repository-with-a-name-that-is-rather-long-and-goes-on-and-on-1699999999'",
            "token.actions.githubusercontent.com:sub",
            "signature:",
            "'nextToken'",
            "why?",
        ] {
            assert_eq!(hide(word), word);
        }
    }

    proptest! {
        #[test]
        fn no_token_shows_wherever_it_stands(
            before in "([a-zA-Z0-9:=/@?'\"(,.-]{0,12}|https://|arn:aws:|\\?X-Amz-Security-Token=)",
            after in "[:=/@?'\")&,.-]{0,3}[a-z]{0,5}",
        ) {
            let token = "aB3+/xYz".repeat(40);
            let shown = hide(&format!("{before}{token}{after}"));
            prop_assert!(!shown.contains("aB3+/xYzaB3"), "{}", shown);
        }
    }
}
