//! Strings about the model's patterns: some that fit, and others that differ from them by a character.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;
use regex_lite::Regex;

/// Strings that fit.
const STRINGS: usize = 16;
/// What a wrong character is taken from: all that some pattern gives a meaning.
const CHARACTERS: &str = "aA0 -_./:*@!é";

/// A string, and whether it fits.
type Judged = (String, bool);

/// Strings about a pattern. They are made once and are the same in every run.
pub(super) fn strings(pattern: &str) -> Vec<Judged> {
    static MADE: OnceLock<Mutex<BTreeMap<String, Vec<Judged>>>> = OnceLock::new();
    let mut made = MADE.get_or_init(Mutex::default).lock().unwrap();
    let strings = made.entry(pattern.to_owned());
    strings.or_insert_with(|| make(pattern)).clone()
}

fn make(pattern: &str) -> Vec<Judged> {
    let regex = Regex::new(&format!("^(?:{pattern})$")).unwrap();
    let strategy = string_regex(&generating(pattern)).unwrap();
    let mut runner = TestRunner::deterministic();
    let mut strings = Vec::new();
    for _ in 0..STRINGS {
        let fitting = strategy.new_tree(&mut runner).unwrap().current();
        assert!(regex.is_match(&fitting), "{pattern}: {fitting}");
        let places: Vec<usize> = fitting.char_indices().map(|(place, _)| place).collect();
        let spread = places.len().div_ceil(3).max(1);
        for place in places.iter().step_by(spread) {
            for wrong in CHARACTERS.chars() {
                let mut other = fitting.clone();
                other.insert(*place, wrong);
                let fits = regex.is_match(&other);
                strings.push((other, fits));
            }
        }
        strings.push((fitting, true));
    }
    strings
}

/// The pattern as the generator wants it: without anchors, with the letters of `\w` that AWS means,
/// and with few repetitions, for many short strings that have one of everything.
fn generating(pattern: &str) -> String {
    let pattern = pattern.strip_prefix("^$|").unwrap_or(pattern);
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    let pattern = pattern.strip_suffix('$').unwrap_or(pattern);
    let pattern = pattern
        .replace(r"-\w+", "-[A-Za-z0-9_]+")
        .replace(r"\w", "A-Za-z0-9_");
    let (mut written, mut in_class, mut escaped) = (String::new(), false, false);
    for character in pattern.chars() {
        match character {
            '+' if !in_class && !escaped => written.push_str("{1,2}"),
            '*' if !in_class && !escaped => written.push_str("{0,2}"),
            other => written.push(other),
        }
        in_class = match character {
            '[' => true,
            ']' => false,
            _ => in_class,
        };
        escaped = character == '\\' && !escaped;
    }
    written
}
