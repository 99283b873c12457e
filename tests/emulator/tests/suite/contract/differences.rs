//! Where moto is not like ECR, and what AWS says about it: the table in `differences.md`.

use std::collections::BTreeMap;

use super::Pairs;

const TABLE: &str = include_str!("differences.md");

/// The cells of the rows, without the heads of the tables.
fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    let rows = TABLE.lines().filter_map(|line| {
        let cells = line.strip_prefix("| ")?.strip_suffix(" |")?;
        Some(cells.split(" | ").collect::<Vec<_>>())
    });
    rows.filter(|row| !["step", "---"].contains(&row[0]))
}

/// What ECR answers, and the emulator with it, and what moto answers, by step.
pub(super) fn known() -> Pairs<'static> {
    let known: Pairs<'_> = rows().map(|row| (row[0], (row[1], row[2]))).collect();
    assert_eq!(known.len(), rows().count(), "a step has one line");
    known
}

/// The documents below the table, by the name that its rows give them.
fn documents() -> BTreeMap<&'static str, &'static str> {
    let links = TABLE
        .lines()
        .filter_map(|line| line.strip_prefix('[')?.split_once("]: "));
    links.collect()
}

#[test]
fn every_difference_is_settled_by_a_document() {
    let documents = documents();
    let cited: Vec<&str> = rows()
        .map(|row| {
            let [_, _, _, document, says] = row.as_slice() else {
                panic!("five cells: {row:?}");
            };
            assert!(!says.is_empty(), "{row:?}");
            document
                .strip_prefix('[')
                .and_then(|name| name.strip_suffix(']'))
                .unwrap()
        })
        .collect();
    for name in &cited {
        assert!(documents[name].starts_with("https://"), "{name}");
    }
    assert!(
        documents.keys().all(|name| cited.contains(name)),
        "a document that nobody cites"
    );
}
