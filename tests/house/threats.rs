//! docs/threat-model.md names the tests that show each claim: they are there.

use std::{fs, path::Path};

/// What a page's table names as its tests: files, or directories with a slash.
fn named(page: &str) -> Vec<&str> {
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let last = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    let words = last.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    words
        .filter(|word| word.contains('/') || word.split('.').nth(1) == Some("rs"))
        .collect()
}

fn is_there(root: &Path, name: &str) -> bool {
    root.join(name).exists() || root.join("tests/scenarios").join(name).exists()
}

#[test]
fn each_test_that_is_named_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/threat-model.md")).unwrap();
    let named = named(&page);
    assert!(named.len() > 20, "{named:?}");
    let missing: Vec<_> = named.iter().filter(|it| !is_there(root, it)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_last_column_names_them() {
    let page = "| a | `not.rs` | `one.rs`, and `tests/two`, `make lint` |\ntext `not.rs`\n";
    assert_eq!(named(page), ["one.rs", "tests/two"]);
    assert!(!is_there(
        Path::new(env!("CARGO_MANIFEST_DIR")),
        "no_such.rs"
    ));
}
