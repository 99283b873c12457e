//! What flags take, and variables in their place.

use clap::Command;

use crate::{ecr::is_address, telemetry::read_levels};

/// The longest name of a namespace, a DNS label (Kubernetes, "Object Names and IDs").
const LONGEST_LABEL: usize = 63;

/// A variable that is set to nothing is one that is not set, whichever flag it stands for: templates leave values
/// out in this way.
pub(super) fn without_empty_variables(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        let set = arg.get_env().and_then(std::env::var_os);
        if set.is_some_and(|value| value.is_empty()) {
            arg.env(None::<&str>)
        } else {
            arg
        }
    });
    command.mut_subcommands(without_empty_variables)
}

/// Seconds between two things that are done again and again: never is a year.
pub(super) fn up_to_a_year(text: &str) -> Result<u64, String> {
    seconds(text, 365 * 24 * 60 * 60)
}

/// Seconds of the lease.
pub(super) fn up_to_an_hour(text: &str) -> Result<u64, String> {
    seconds(text, 60 * 60)
}

/// A number of objects.
pub(super) fn up_to_ten_thousand(text: &str) -> Result<usize, String> {
    let number = text.trim().parse().ok();
    let number = number.filter(|number| (1..=10_000).contains(number));
    number.ok_or_else(|| "give a whole number, from 1 to 10000".to_owned())
}

fn seconds(text: &str, most: u64) -> Result<u64, String> {
    let seconds = text.trim().parse().ok();
    let seconds = seconds.filter(|seconds| (1..=most).contains(seconds));
    seconds.ok_or_else(|| format!("give whole seconds, from 1 to {most}"))
}

/// What is logged.
pub(super) fn levels(text: &str) -> Result<String, String> {
    read_levels(text).map(|_| text.to_owned())
}

/// The name of a namespace, or nothing: it stands in the paths of the API.
pub(super) fn namespace(text: &str) -> Result<String, String> {
    let is_its = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_label = text.len() <= LONGEST_LABEL
        && text.chars().all(is_its)
        && !text.starts_with('-')
        && !text.ends_with('-');
    if is_label {
        return Ok(text.to_owned());
    }
    Err(format!(
        "give the name of one namespace: up to {LONGEST_LABEL} of a-z, 0-9 and dashes, with none at its ends"
    ))
}

/// The address of a collector, or nothing.
pub(super) fn address(text: &str) -> Result<String, String> {
    if text.is_empty() || is_address(text) {
        return Ok(text.to_owned());
    }
    Err("give an address that is asked by HTTP, such as http://collector:4318".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_a_label_or_nothing() {
        for text in ["", "a", "0", "kube-system", "a--b", &"x".repeat(63)] {
            assert_eq!(namespace(text).as_deref(), Ok(text));
        }
        for text in [
            "a/b",
            "UPPER",
            "a_b",
            "a.b",
            "-a",
            "a-",
            " a",
            "a b",
            "ä",
            "..",
            &"x".repeat(64),
        ] {
            assert!(namespace(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_collector_is_asked_by_http() {
        for text in [
            "",
            "http://collector:4318",
            "https://collector.example.com/otlp",
        ] {
            assert_eq!(address(text).as_deref(), Ok(text));
        }
        for text in [
            "ftp://x",
            "collector:4318",
            "collector",
            "not a url",
            "http://",
        ] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
