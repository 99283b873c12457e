//! What errors of libraries say, in words for people: no value as Rust prints it for its programmers.

use std::error::Error as StdError;

/// The most that is told of one error, in bytes: a server may say anything of any length.
const LONGEST: usize = 1024;

/// An error and its causes.
pub fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The innermost cause that was written for people.
#[must_use]
pub fn innermost(error: &(dyn StdError + 'static)) -> String {
    let told: Vec<_> = chain(error).map(ToString::to_string).collect();
    let mut told = told.into_iter().rev();
    let told = told.find(|text| !text.trim().is_empty() && !is_debug(text));
    told.map_or_else(|| "no answer".to_owned(), |text| ended(&text, LONGEST))
}

/// A text that has an end: the same, or its first bytes and a mark.
pub(super) fn ended(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(longest.saturating_sub('…'.len_utf8()));
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// What was said, with the number of the answer where that is all: `401 Unauthorized`.
#[must_use]
pub fn numbered(code: Option<u16>, said: String) -> String {
    match code {
        Some(code) if !said.contains(' ') => format!("{code} {said}"),
        Some(_) | None => said,
    }
}

/// What the Kubernetes API said, or why it said nothing.
#[must_use]
pub fn api_error(error: &(dyn StdError + 'static)) -> String {
    let said = chain(error).find_map(|cause| match cause.downcast_ref() {
        Some(kube::Error::Api(status)) => Some(status),
        _ => None,
    });
    let Some(status) = said else {
        return innermost(error);
    };
    match (status.message.as_str(), status.reason.as_str()) {
        ("", reason) => format!("HTTP status {} {reason}", status.code),
        (message, _) => ended(message, LONGEST),
    }
}

/// Whether a text is a value as Rust prints it.
fn is_debug(text: &str) -> bool {
    const SIGNS: [&str; 5] = ["{ ", "Some(", "Err(", "ApiError", "ServiceError"];
    // ARNs have two colons as well.
    let is_path = |word: &str| word.contains("::") && !word.contains("arn:");
    SIGNS.iter().any(|sign| text.contains(sign)) || text.split_whitespace().any(is_path)
}

#[cfg(test)]
mod tests {
    use std::io;

    use kube::core::Status;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{said}")]
    struct Outer {
        said: &'static str,
        source: Option<io::Error>,
    }

    #[test]
    fn the_innermost_cause_counts_that_is_for_people() {
        let refused = || io::Error::other("Connection refused");
        let debug = || io::Error::other(r#"Error { code: "x" }"#);
        for (said, source, expected) in [
            ("dispatch failure", None, "dispatch failure"),
            ("dispatch failure", Some(refused()), "Connection refused"),
            ("dispatch failure", Some(debug()), "dispatch failure"),
            ("a::B", Some(debug()), "no answer"),
        ] {
            assert_eq!(innermost(&Outer { said, source }), expected);
        }
    }

    #[test]
    fn whatever_is_told_has_an_end() {
        let endless = "é".repeat(100_000);
        let status = Status::failure(&endless, "Invalid").with_code(422);
        for error in [
            kube::Error::Api(Box::new(status)),
            kube::Error::Service(Box::new(io::Error::other(endless.clone()))),
        ] {
            let told = api_error(&error);
            assert!(told.len() <= LONGEST && told.ends_with("é…"), "{told}");
        }
    }

    #[test]
    fn the_kubernetes_api_is_told_in_its_own_words() {
        let status = Status::failure("no such thing", "NotFound").with_code(404);
        let error = kube::Error::Api(Box::new(status));
        assert_eq!(api_error(&error), "no such thing");
        let empty = Status::failure("", "NotFound").with_code(404);
        let error = kube::Error::Api(Box::new(empty));
        assert_eq!(api_error(&error), "HTTP status 404 NotFound");
        let error = kube::Error::Service(Box::new(io::Error::other("Connection refused")));
        assert_eq!(api_error(&error), "Connection refused");
    }
}
