//! One state of an object, and what Argo CD is to say of it.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use serde_json::{Value, json};

/// Health, in Argo CD's words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Health {
    Healthy,
    Progressing,
    Degraded,
    Suspended,
}

/// An object as the API server shows it.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// Of the file, without its ending.
    pub(crate) name: String,
    pub(crate) object: Value,
    pub(crate) health: Health,
    pub(crate) message: String,
}

/// When everything happened: the files are to stay as they are.
pub(crate) fn then() -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap()
}

/// What Argo CD says of an object whose status is of a former generation. It may be old: Argo CD asks the script again
/// at the next refresh.
pub(crate) const NOT_SEEN: &str = "Changed, and not seen by the operator when Argo CD last looked — refresh the \
                                   application to look again";

/// The generation that status speaks of.
pub(crate) const SEEN: i64 = 3;

/// An object of generation [`SEEN`].
pub(crate) fn object(kind: &str, name: &str, spec: &Value, status: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": kind,
        "metadata": {
            "name": name,
            "generation": SEEN,
            "creationTimestamp": Time(then()),
            "uid": "8d2f6d7e-5f5a-4f0e-9c1b-2f1f3f9f6a01",
        },
        "spec": spec,
        "status": status,
    });
    if kind == "ECRRepository" {
        object["metadata"]["namespace"] = json!("payments");
    }
    object
}

/// The object, on its way out and held by a finalizer.
pub(crate) fn going(mut object: Value, finalizer: &str) -> Value {
    object["metadata"]["deletionTimestamp"] = json!(Time(then()));
    object["metadata"]["finalizers"] = json!([finalizer]);
    object
}

/// What the condition `Ready` says.
pub(crate) fn said(conditions: &[Condition]) -> String {
    let ready = conditions.iter().find(|it| it.type_ == "Ready");
    ready.unwrap().message.clone()
}

/// `AwsUnavailable` as `aws-unavailable`.
pub(crate) fn dashed(word: &str) -> String {
    let mut dashed = String::new();
    for it in word.chars() {
        if it.is_uppercase() && !dashed.is_empty() {
            dashed.push('-');
        }
        dashed.extend(it.to_lowercase());
    }
    dashed
}
