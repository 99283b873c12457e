//! tests/scenarios/main.rs names, for each way in which others fail their users, the scenario that
//! shows that we do not: it is there.

use std::{fs, path::Path};

const PAGE: &str = "tests/scenarios/main.rs";

/// The rows of the table: what goes wrong, and the scenarios that it names.
fn rows(page: &str) -> Vec<(usize, &str, Vec<&str>)> {
    let rows = page.lines().zip(1..).filter_map(|(line, number)| {
        let row = line.strip_prefix("//! |")?.strip_suffix('|')?;
        let (failure, scenarios) = row.split_once('|')?;
        Some((number, failure.trim(), scenarios))
    });
    // The first two are the head.
    rows.skip(2)
        .map(|(number, failure, scenarios)| {
            (
                number,
                failure,
                scenarios.split('`').skip(1).step_by(2).collect(),
            )
        })
        .collect()
}

/// What is wrong with the table; `read` gives the text of a theme's file.
fn faults(page: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, failure, scenarios) in rows(page) {
        let mut fault = |what: String| faults.push(format!("{PAGE}:{number}: {what}"));
        if failure.is_empty() || scenarios.is_empty() {
            fault("say what goes wrong, and name the scenario in backticks".to_owned());
        }
        for scenario in scenarios {
            let there = scenario.split_once("::").is_some_and(|(theme, function)| {
                let test = format!("#[tokio::test]\nasync fn {function}()");
                read(theme).is_some_and(|text| text.contains(&test))
            });
            if !there {
                fault(format!(
                    "there is no scenario {scenario}: name theme::function"
                ));
            }
        }
    }
    faults
}

#[test]
fn every_failure_of_others_names_a_scenario_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join(PAGE)).unwrap();
    assert!(rows(&page).len() > 20, "{PAGE} lost its table");
    let read =
        |theme: &str| fs::read_to_string(root.join(format!("tests/scenarios/{theme}.rs"))).ok();
    let faults = faults(&page, read);
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn a_failure_without_its_scenario_is_found() {
    let page = "//! | failure | scenario |\n//! |---|---|\n//! | one | `a::b`, `a::c` |\n//! | two | |\n//! | three | `b` |";
    let read = |theme: &str| {
        (theme == "a").then(|| "#[tokio::test]\nasync fn b() {\n#[test]\nfn c() {".to_owned())
    };
    let found = faults(page, read);
    let lines: Vec<_> = found
        .iter()
        .map(|it| it.split(':').nth(1).unwrap())
        .collect();
    assert_eq!(lines, ["3", "4", "5"], "{found:#?}");
}
