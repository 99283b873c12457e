//! What others say, without what nobody may see and what nobody can use.
//!
//! Status, Events and logs are read by more people than credentials are for, and AWS says credentials back: of a
//! signature that does not match, the request that it should have signed, with the session's token. And another
//! text at each try would be a write to status at each.

use std::error::Error as StdError;

use crate::{domain::status::fit, telemetry};

use super::hidden;

/// What is read of a text. AWS's errors have some hundred characters; an answer may have 16 MiB.
const READ: usize = 8 * 1024;

/// What is said of it, in bytes: with what to do before it, it fits a condition and a line of the log.
pub(super) const LONGEST: usize = 640;

/// The longest code of an error.
const LONGEST_CODE: usize = 64;

/// From here on a text is nobody's to read, or another one each time: what AWS says back of a request (Signature
/// Version 4, "Troubleshooting signing errors"), what it wraps for `DecodeAuthorizationMessage`, what a program
/// of `credential_process` prints (aws-config, `credential_process.rs`), when a certificate was looked at (rustls,
/// error.rs).
const ENDS: [&str; 7] = [
    "the canonical string",
    "the string-to-sign",
    "encoded authorization",
    "authorization header:",
    "authorization=",
    "stderr:",
    ": verification time",
];

/// What stands before something that differs from one call to the next.
const BEFORE: [&str; 5] = [
    "request id",
    "requestid",
    "request-id",
    "request_id",
    "date/time",
];

/// A message of AWS without secrets, ids of requests and times of day, in one line that has an end.
pub(super) fn steady(message: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    for word in beginning(message).split_whitespace() {
        let word = &hidden::hide(word);
        if word.is_empty() {
            continue;
        }
        let name = named(&kept, word);
        if name.is_none() && !is_time(word) {
            kept.push(word.to_owned());
            continue;
        }
        // Of what is left out the brackets stay that were opened before.
        let value = word.trim_end_matches([')', ']', '}', ';', ',']);
        let closing = word.strip_prefix(value).unwrap_or_default();
        let left = format!("{}{closing}", name.unwrap_or_default());
        if !left.is_empty() {
            kept.push(left);
        }
    }
    let said = kept.join(" ");
    if said.len() <= LONGEST {
        return said;
    }
    // One that ends in the mark is not cut again.
    let mut said = fit(&said, LONGEST - '…'.len_utf8());
    said.push('…');
    said
}

/// AWS's code, as a word: whoever answers in AWS's place may send anything.
pub(super) fn code(code: &str) -> String {
    let is_its = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '#');
    code.chars().filter(is_its).take(LONGEST_CODE).collect()
}

/// What of a text may be read at all.
fn beginning(message: &str) -> &str {
    let end = message.floor_char_boundary(READ);
    let text = message.get(..end).unwrap_or_default();
    // Of the same length.
    let small = text.to_ascii_lowercase();
    let Some(end) = ENDS.iter().filter_map(|it| small.find(it)).min() else {
        return text;
    };
    // What introduced it has no more to introduce.
    let text = text.get(..end).unwrap_or_default();
    text.trim_end_matches(|c: char| c.is_whitespace() || "'\"(".contains(c))
}

/// Where a word is a value that differs each time: the part of it that is its name.
fn named<'a>(kept: &[String], word: &'a str) -> Option<&'a str> {
    let is_name = |text: &str| {
        let text = text.to_lowercase();
        let text = text.trim_end_matches([':', '=']);
        BEFORE.iter().any(|name| text.ends_with(name))
    };
    let is_value = |text: &str| text.contains(|c: char| c.is_ascii_digit());
    let before: Vec<_> = kept.iter().rev().take(2).map(String::as_str).collect();
    let before = before.into_iter().rev().collect::<Vec<_>>().join(" ");
    if is_value(word) && is_name(&before) {
        return Some("");
    }
    let end = word.find([':', '='])?.saturating_add(1);
    let (name, value) = word.split_at_checked(end)?;
    (is_value(value) && is_name(name)).then_some(name)
}

/// A time as signatures have it: `20260102T030405Z`.
fn is_time(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    word.split_once('T').is_some_and(|(day, time)| {
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let time = time.strip_suffix('Z').unwrap_or_default();
        day.len() == 8 && time.len() == 6 && digits(day) && digits(time)
    })
}

/// What a library says of its error.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    steady(&telemetry::innermost(error))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_differs_from_one_call_to_the_next_is_left_out() {
        for (said, kept) in [
            ("Rate exceeded", "Rate exceeded"),
            (
                "The ciphertext refers to a key that is not there (Service: AWSKMS; Status Code: 400; \
                 Error Code: NotFoundException; Request ID: 8d5a0a76-1111-4222-8333-944455556666; \
                 Proxy: null)",
                "The ciphertext refers to a key that is not there (Service: AWSKMS; Status Code: 400; \
                 Error Code: NotFoundException; Request ID: ; Proxy: null)",
            ),
            ("down (RequestId=abc-1)", "down (RequestId=)"),
            ("down, request id abc1 it was", "down, request id it was"),
            (
                "Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z \
                 (20260101T002000Z - 5 min.)",
                "Signature expired: is now earlier than - 5 min.)",
            ),
            (
                "Token expired: current date/time 1699999999 must be before the expiration date/time \
                 1699990000",
                "Token expired: current date/time must be before the expiration date/time",
            ),
            (
                "Token expired: current date/time 2026-01-01T00:00:00Z must be before",
                "Token expired: current date/time must be before",
            ),
            ("two\n  lines", "two lines"),
            // What stays the same stays.
            (
                "The repository with name 'build-1699999999' does not exist in the registry with id \
                 '123456789012'",
                "The repository with name 'build-1699999999' does not exist in the registry with id \
                 '123456789012'",
            ),
            (
                "no key arn:aws:kms:eu-central-1:123456789012:key/8d5a0a76-1111-4222-8333-944455556666",
                "no key arn:aws:kms:eu-central-1:123456789012:key/8d5a0a76-1111-4222-8333-944455556666",
            ),
        ] {
            assert_eq!(steady(said), kept);
        }
    }

    /// What AWS, and the libraries on the way to it, are known to say: the secrets in it never show, and what it
    /// says does not change with them.
    #[test]
    fn nobody_learns_a_secret_from_what_aws_says() {
        for (said, kept) in [
            // Signature Version 4, of a request that was signed with another key.
            (
                "The request signature we calculated does not match the signature you provided. Check your AWS \
                 Secret Access Key and signing method. Consult the service documentation for details.\n\nThe \
                 Canonical String for this request should have been\n'POST\n/\n\ncontent-type:application/\
                 x-amz-json-1.1\nx-amz-date:{time}\nx-amz-security-token:{token}\n\ncontent-type;x-amz-date;\
                 x-amz-security-token\n{hash}'\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\n\
                 {time}\n20260101/eu-central-1/ecr/aws4_request\n{hash}'\n",
                "The request signature we calculated does not match the signature you provided. Check your AWS \
                 Secret Access Key and signing method. Consult the service documentation for details.",
            ),
            (
                "The String-to-Sign should have been 'AWS4-HMAC-SHA256 {time} {hash}'",
                "",
            ),
            (
                "'{key}/20260101/eu-central-1/ecr/aws4_request' not a valid key=value pair (missing equal-sign) in \
                 Authorization header: 'AWS4-HMAC-SHA256 Credential= {key}/20260101/eu-central-1/ecr/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature={hash}'.",
                "'…' not a valid key=value pair (missing equal-sign) in",
            ),
            (
                "Authorization header requires 'Signature' parameter. Authorization={token}",
                "Authorization header requires 'Signature' parameter.",
            ),
            // EC2 and services by it.
            (
                "You are not authorized to perform this operation. User: arn:aws:sts::111122223333:assumed-role/\
                 ecr-operator/botocore-session-{number} is not authorized to perform: kms:CreateGrant. Encoded \
                 authorization failure message: {token}",
                "You are not authorized to perform this operation. User: arn:aws:sts::111122223333:assumed-role/\
                 ecr-operator is not authorized to perform: kms:CreateGrant.",
            ),
            // ECR, under IRSA: each loading of credentials is another session.
            (
                "User: arn:aws:sts::111122223333:assumed-role/ecr-operator/web-identity-token-{number} is not \
                 authorized to perform: ecr:CreateRepository on resource: arn:aws:ecr:eu-central-1:111122223333:\
                 repository/team/api because no identity-based policy allows the ecr:CreateRepository action",
                "User: arn:aws:sts::111122223333:assumed-role/ecr-operator is not authorized to perform: \
                 ecr:CreateRepository on resource: arn:aws:ecr:eu-central-1:111122223333:repository/team/api because \
                 no identity-based policy allows the ecr:CreateRepository action",
            ),
            // STS.
            (
                "1 validation error detected: Value '{token}' at 'webIdentityToken' failed to satisfy constraint",
                "1 validation error detected: Value '…' at 'webIdentityToken' failed to satisfy constraint",
            ),
            (
                "The AWS Access Key Id {key} does not exist in our records",
                "The AWS Access Key Id … does not exist in our records",
            ),
            (
                "No OpenIDConnect provider found in your account for https://oidc.eks.eu-central-1.amazonaws.com/id/\
                 EXAMPLED539D4633E53DE1B71EXAMPLE",
                "No OpenIDConnect provider found in your account for https://oidc.eks.eu-central-1.amazonaws.com/id/\
                 EXAMPLED539D4633E53DE1B71EXAMPLE",
            ),
            // The agent of EKS Pod Identity.
            (
                "failed to load credentials [AccessDeniedException]: operation error EKS Auth: \
                 AssumeRoleForPodIdentity, https response error StatusCode: 400, RequestID: {id}, \
                 AccessDeniedException: Unauthorized Exception! EKS does not have permissions",
                "failed to load credentials [AccessDeniedException]: operation error EKS Auth: \
                 AssumeRoleForPodIdentity, https response error StatusCode: 400, RequestID: , \
                 AccessDeniedException: Unauthorized Exception! EKS does not have permissions",
            ),
            // aws-config, of a program that prints what it should not.
            (
                "Error retrieving credentials: external process exited with code exit status: 1. Stderr: \
                 secret {number}",
                "Error retrieving credentials: external process exited with code exit status: 1.",
            ),
            // rustls.
            (
                "invalid peer certificate: certificate expired: verification time {number} (UNIX), but certificate \
                 is not valid after 1699990000 ({number} seconds ago)",
                "invalid peer certificate: certificate expired",
            ),
            // Of addresses that carry what they should not.
            (
                "failed to apply endpoint `https://me:{id}@ecr.example.com/?token={token}`",
                "failed to apply endpoint `https://ecr.example.com/`",
            ),
            (
                "GET https://ecr.example.com/x?X-Amz-Security-Token={token}&X-Amz-Signature={hash} failed",
                "GET https://ecr.example.com/x failed",
            ),
        ] {
            for n in [1_u64, 2] {
                let said = filled(said, n);
                assert_eq!(steady(&said), kept, "{said}");
            }
        }
    }

    /// With secrets of the nth session in it.
    fn filled(said: &str, n: u64) -> String {
        let token = format!("IQoJb3JpZ2luX2VjE{}/", format!("{n}aB3+/xYz==").repeat(60));
        said.replace("{token}", &token)
            .replace("{hash}", &format!("{n}3b0c442").repeat(8))
            .replace("{key}", &format!("ASIAIOSFODNN7EXAMP{n}E"))
            .replace("{number}", &format!("169999999999{n}"))
            .replace("{time}", &format!("2026010{n}T000000Z"))
            .replace("{id}", &format!("8d5a0a76-1111-4222-8333-94445555666{n}"))
    }

    #[test]
    fn whatever_is_said_has_an_end() {
        let said = steady(&"é said it ".repeat(1_000_000));
        assert!(said.len() <= LONGEST && said.ends_with('…'), "{said}");
        assert_eq!(steady(&said), said);
        assert_eq!(code("Some\nThing Else<html>"), "SomeThingElsehtml");
        assert_eq!(code(&"x".repeat(1_000)).len(), LONGEST_CODE);
    }

    proptest! {
        #[test]
        fn the_same_but_for_its_request_is_the_same(words in "[ a-z:;=/.()]{0,60}", ids in "[0-9a-f]{8}-[0-9a-f]{4} [0-9a-f]{8}-[0-9a-f]{4}") {
            let (one, other) = ids.split_once(' ').unwrap();
            let with = |id: &str| format!("{words} Request ID: 1{id}; more");
            prop_assert_eq!(steady(&with(one)), steady(&with(other)));
        }

        #[test]
        fn nothing_is_left_out_twice(text in "(\\PC{0,80}|[ a-zé]{600,800})") {
            let once = steady(&text);
            prop_assert_eq!(steady(&once), once);
        }
    }
}
