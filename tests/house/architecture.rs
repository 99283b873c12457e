//! ARCHITECTURE.md names, for each invariant, the test that holds it: the test is there.

use std::{fs, path::Path};

const PAGE: &str = "ARCHITECTURE.md";

/// What an invariant says, and its first line.
struct Invariant<'a> {
    line: usize,
    text: &'a str,
}

fn invariants(page: &str) -> Vec<Invariant<'_>> {
    let mut line = 1;
    let mut found = Vec::new();
    for text in page.split("\n\n") {
        if text.trim_start().starts_with("Invariant:") {
            found.push(Invariant { line, text });
        }
        line += text.matches('\n').count() + 2;
    }
    found
}

/// What stands between backticks.
fn named(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// What is wrong with an invariant: it names no file, or a file or function that is not there.
fn faults(invariant: &Invariant, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let fault = |what: String| format!("{PAGE}:{}: {what}", invariant.line);
    let (files, others): (Vec<_>, Vec<_>) =
        named(invariant.text).partition(|name| name.contains(".rs"));
    let sources: Vec<_> = files.iter().map(|file| (file, read(file))).collect();
    let mut faults = Vec::new();
    if files.is_empty() {
        faults.push(fault("name the test that holds it".to_owned()));
    }
    for (file, source) in &sources {
        if source.is_none() {
            faults.push(fault(format!(
                "there is no {file}: name the test that holds it"
            )));
        }
    }
    let functions = others
        .iter()
        .filter(|name| name.contains('_') && !name.contains('/'));
    for function in functions {
        let definition = format!("fn {function}(");
        let there = sources
            .iter()
            .any(|(_, s)| s.as_ref().is_some_and(|s| s.contains(&definition)));
        if !there {
            faults.push(fault(format!(
                "no file it names has {definition}…): name the one that is"
            )));
        }
    }
    faults
}

#[test]
fn every_invariant_names_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join(PAGE)).unwrap();
    let invariants = invariants(&page);
    assert!(
        !invariants.is_empty(),
        "{PAGE} has no line that begins with Invariant:"
    );
    let read = |file: &str| fs::read_to_string(root.join(file)).ok();
    let faults: Vec<_> = invariants.iter().flat_map(|it| faults(it, read)).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn an_invariant_without_its_test_is_found() {
    let page =
        "# Page\n\nInvariant: one, `some_test` in\n`tests/a.rs`.\n\nNot one.\n\nInvariant: two.";
    let found = invariants(page);
    assert_eq!(found.iter().map(|it| it.line).collect::<Vec<_>>(), [3, 8]);
    let there = |_: &str| Some("fn some_test() {}".to_owned());
    assert_eq!(faults(&found[0], there), [""; 0]);
    assert_eq!(
        faults(&found[0], |_| None).len(),
        2,
        "neither file nor function"
    );
    assert_eq!(
        faults(&found[0], |_| Some(String::new())).len(),
        1,
        "no function"
    );
    assert_eq!(faults(&found[1], there).len(), 1, "names nothing");
}
