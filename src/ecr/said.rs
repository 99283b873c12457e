//! What others say, without what nobody can use: another text at each try would be a write to status at each.

use std::error::Error as StdError;

use crate::telemetry;

/// What stands before something that differs from one call to the next.
const BEFORE: [&str; 5] = [
    "request id",
    "requestid",
    "request-id",
    "request_id",
    "date/time",
];

/// A message of AWS without the ids of requests and the times of day, in one line.
pub(super) fn steady(message: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    for word in message.split_whitespace() {
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
    kept.join(" ")
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

    proptest! {
        #[test]
        fn the_same_but_for_its_request_is_the_same(words in "[ a-z:;=/.()]{0,60}", ids in "[0-9a-f]{8}-[0-9a-f]{4} [0-9a-f]{8}-[0-9a-f]{4}") {
            let (one, other) = ids.split_once(' ').unwrap();
            let with = |id: &str| format!("{words} Request ID: 1{id}; more");
            prop_assert_eq!(steady(&with(one)), steady(&with(other)));
        }

        #[test]
        fn nothing_is_left_out_twice(text in "\\PC{0,80}") {
            let once = steady(&text);
            prop_assert_eq!(steady(&once), once);
        }
    }
}
