//! `ecr-operator crds`: the custom resource definitions as YAML.

use kube::CustomResourceExt;

use super::yaml;
use crate::api::{ECRRepository, ECRRepositoryClass};

/// What every file in `crds/` begins with.
const HEADER: &str =
    "# Generated from src/api by `UPDATE=1 cargo test --test crd`; not to be edited.\n";

/// The definition of every kind, each with the name of its file in `crds/`.
///
/// # Errors
/// When a definition cannot be written as YAML, which is a mistake in the schema.
pub fn yaml() -> Result<Vec<(&'static str, String)>, yaml::Error> {
    let definitions = [
        (
            "ecr-operator.dev_ecrrepositories.yaml",
            ECRRepository::crd(),
        ),
        (
            "ecr-operator.dev_ecrrepositoryclasses.yaml",
            ECRRepositoryClass::crd(),
        ),
    ];
    let text = |(file, definition)| {
        let text = yaml::text(&definition)?;
        Ok((file, format!("{HEADER}{text}")))
    };
    definitions.into_iter().map(text).collect()
}

/// All definitions as one stream of YAML documents, for `kubectl apply -f -`.
///
/// # Errors
/// As [`yaml`].
pub fn stream() -> Result<String, yaml::Error> {
    let documents = yaml()?.into_iter();
    Ok(documents
        .flat_map(|(_, text)| ["---\n".to_owned(), text])
        .collect())
}
