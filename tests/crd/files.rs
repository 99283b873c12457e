//! `crds/` and `docs/` hold what the types say.

use std::fs;
use std::path::Path;

use ecr_operator::api::{ECRRepository, ECRRepositoryClass};
use ecr_operator::cli::crds;
use ecr_operator::domain::reason::Reason;
use kube::CustomResourceExt;
use serde_json::Value;

use crate::schema::Field;

fn repository_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares `crds/` with what the types say; with `UPDATE` set, writes it.
#[test]
fn definitions_are_fresh() {
    let directory = repository_root().join("crds");
    let expected = crds::yaml().unwrap();
    for (file, text) in &expected {
        let path = directory.join(file);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, text).unwrap();
        }
        assert!(
            fs::read_to_string(&path).unwrap_or_default() == *text,
            "crds/{file} is not what src/api says: run `UPDATE=1 cargo test --test crd` and commit it"
        );
    }
    for entry in fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            expected.iter().any(|(file, _)| *file == name),
            "crds/{name} belongs to no kind: remove it"
        );
    }
}

/// `kubectl apply` keeps the object in an annotation, which may have 256 KiB.
#[test]
fn definitions_fit_into_an_annotation() {
    for (file, text) in crds::yaml().unwrap() {
        assert!(
            text.len() < 255 * 1024,
            "crds/{file} has {} bytes: shorten descriptions",
            text.len()
        );
    }
}

#[test]
fn definitions_make_one_stream() {
    let stream = crds::stream().unwrap();
    assert_eq!(
        stream.matches("\nkind: CustomResourceDefinition\n").count(),
        crds::yaml().unwrap().len()
    );
    assert!(stream.starts_with("---\n"));
}

/// `kubectl delete all --all` must not reach images.
#[test]
fn no_kind_is_in_category_all() {
    for (definition, short) in [
        (ECRRepository::crd(), "ecrrepo"),
        (ECRRepositoryClass::crd(), "ecrclass"),
    ] {
        let names = definition.spec.names;
        assert_eq!(names.categories.unwrap(), ["ecr", "aws"]);
        assert_eq!(names.short_names.unwrap(), [short]);
    }
}

/// Every field has its line in the page about its kind: its path below `spec` or `status`, in
/// backquotes.
#[test]
fn the_page_names_every_field() {
    for (definition, page) in [
        (ECRRepository::crd(), "docs/ecrrepository.md"),
        (ECRRepositoryClass::crd(), "docs/ecrrepositoryclass.md"),
    ] {
        let text = fs::read_to_string(repository_root().join(page)).unwrap();
        let missing: Vec<String> = Field::all(&definition)
            .into_iter()
            .map(|field| field.path)
            .filter(|path| path.starts_with("spec.") || path.starts_with("status."))
            .filter(|path| !text.contains(&format!("`{path}`")))
            .collect();
        assert!(missing.is_empty(), "{page} does not speak of {missing:#?}");
    }
}

/// Every reason has its line in one of the pages, in backquotes.
#[test]
fn the_pages_name_every_reason() {
    let pages = ["docs/ecrrepository.md", "docs/ecrrepositoryclass.md"]
        .map(|page| fs::read_to_string(repository_root().join(page)).unwrap());
    let missing: Vec<&str> = Reason::ALL
        .iter()
        .map(|reason| reason.as_str())
        .filter(|reason| !pages.concat().contains(&format!("| `{reason}` |")))
        .collect();
    assert!(
        missing.is_empty(),
        "no page tells cause and cure of {missing:#?}"
    );
}

/// The YAML blocks of the page.
fn examples(page: &str) -> Vec<Value> {
    let blocks = page.split("```yaml\n").skip(1);
    let block = |text: &str| text.split("```").next().unwrap_or_default().to_owned();
    blocks
        .map(|text| serde_yaml::from_str(&block(text)).unwrap())
        .collect()
}

/// Whether one of the values has something at a path such as `rules[].action`.
fn has(values: &[&Value], path: &str) -> bool {
    let (step, rest) = path.split_once('.').unwrap_or((path, ""));
    let name = step.trim_end_matches("[]");
    let mut below: Vec<&Value> = values.iter().filter_map(|value| value.get(name)).collect();
    if step.ends_with("[]") {
        below = below
            .into_iter()
            .filter_map(Value::as_array)
            .flatten()
            .collect();
    }
    !below.is_empty() && (rest.is_empty() || has(&below, rest))
}

/// Every field of spec is in one of the page's examples, which the API server accepts.
#[test]
fn the_page_has_an_example_of_every_field() {
    let page = fs::read_to_string(repository_root().join("docs/ecrrepository.md")).unwrap();
    let examples = examples(&page);
    let examples: Vec<&Value> = examples.iter().collect();
    let missing: Vec<String> = Field::all(&ECRRepository::crd())
        .into_iter()
        .map(|field| field.path)
        .filter(|path| path.starts_with("spec.") && !has(&examples, path))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/ecrrepository.md has no example of {missing:#?}"
    );
}

/// The cells of the row that begins with a word in backquotes.
fn row<'a>(page: &'a str, word: &str) -> Vec<&'a str> {
    let start = format!("| `{word}` |");
    let line = page.lines().find(|line| line.starts_with(&start));
    let cells = line.unwrap_or_default().trim_matches('|').split('|');
    cells.map(str::trim).collect()
}

/// Every reason has its row on the page of one of the kinds: where it shows, its cause (or meaning), its cure.
#[test]
fn the_page_has_cause_and_cure_of_every_reason() {
    let reasons = ["docs/ecrrepository.md", "docs/ecrrepositoryclass.md"].map(|file| {
        let page = fs::read_to_string(repository_root().join(file)).unwrap();
        let reasons = page.split("## Condition reasons").nth(1).unwrap();
        reasons.split("### Events").next().unwrap().to_owned()
    });
    let missing: Vec<&str> = Reason::ALL
        .iter()
        .map(|reason| reason.as_str())
        .filter(|reason| {
            // Only where a reason shows may be left out.
            let is_whole =
                |cells: Vec<&str>| cells.len() == 4 && !cells[2].is_empty() && !cells[3].is_empty();
            !reasons.iter().any(|page| is_whole(row(page, reason)))
        })
        .collect();
    assert!(
        missing.is_empty(),
        "the pages of the kinds lack cause or cure of {missing:?}"
    );
}
