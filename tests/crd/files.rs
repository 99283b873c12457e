//! `crds/` and `docs/` hold what the types say.

use std::fs;
use std::path::Path;

use ecr_operator::api::{ECRRepository, ECRRepositoryClass};
use ecr_operator::cli::crds;
use ecr_operator::domain::reason::Reason;
use kube::CustomResourceExt;

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
