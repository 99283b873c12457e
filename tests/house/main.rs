//! The rules of the house, read from the sources: who may use whom, what stays pure, how long a file
//! may be. ARCHITECTURE.md says why.
//!
//! Each rule takes one [`source::Source`] and gives its faults, so that it can be tried on a few lines.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod architecture;
mod arrows;
mod iam;
mod iam_decisions;
mod pages;
mod peers;
mod purity;
mod source;
mod style;
mod threats;

use source::{Fault, Source};

/// Checks every source below `directories` and shows all faults at once.
fn check(directories: &[&str], rule: impl Fn(&Source) -> Vec<Fault>) {
    let sources = Source::all(directories);
    assert!(!sources.is_empty(), "no source in {directories:?}");
    let faults: Vec<String> = sources
        .iter()
        .flat_map(rule)
        .map(|fault| fault.to_string())
        .collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Asserts what a rule says of a few lines: the lines with a fault.
#[track_caller]
fn expect(rule: impl Fn(&Source) -> Vec<Fault>, path: &str, text: &str, lines: &[usize]) {
    let faults = rule(&Source::new(path, text));
    let found: Vec<usize> = faults.iter().map(|fault| fault.line).collect();
    assert_eq!(found, lines, "{path}:\n{text}\n{faults:#?}");
}
