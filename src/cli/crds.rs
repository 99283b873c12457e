//! `ecr-operator crds`: the custom resource definitions as YAML.
//!
//! The one place that knows `serde_yaml`.

use kube::CustomResourceExt;

use crate::api::ECRRepository;

/// What every file in `crds/` begins with.
const HEADER: &str =
    "# Generated from src/api by `UPDATE=1 cargo test --test crd`; not to be edited.\n";

/// The definition of every kind, each with the name of its file in `crds/`.
///
/// # Errors
/// When a definition cannot be written as YAML, which is a mistake in the schema.
pub fn yaml() -> Result<Vec<(&'static str, String)>, serde_yaml::Error> {
    let repository = serde_yaml::to_string(&ECRRepository::crd())?;
    Ok(vec![(
        "ecr-operator.dev_ecrrepositories.yaml",
        format!("{HEADER}{repository}"),
    )])
}

/// All definitions as one stream of YAML documents, for `kubectl apply -f -`.
///
/// # Errors
/// As [`yaml`].
pub fn stream() -> Result<String, serde_yaml::Error> {
    let documents = yaml()?.into_iter();
    Ok(documents
        .flat_map(|(_, text)| ["---\n".to_owned(), text])
        .collect())
}
