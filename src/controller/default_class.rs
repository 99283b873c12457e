//! The first class: where there is none, objects that name none would wait for somebody to make one. No
//! package can bring it along with its kind: Helm and kubectl both ask the API server for every kind
//! before they create the first object.

use std::time::Duration;

use kube::{ResourceExt as _, api::PostParams};

use super::{
    context::Context,
    kubernetes::{MANAGER, Own as _},
};
use crate::{
    api::{
        DEFAULT_CLASS_ANNOTATION, ECRRepositoryClass, ECRRepositoryClassSpec, NamespaceSelector,
    },
    domain::retry::back_off,
    telemetry::api_error,
};

const NAME: &str = "default";

/// Makes the class `default`, unless there is a class, of whatever name. Once in the life of a process:
/// whoever deletes the last class means it.
pub(super) async fn make_where_there_is_none<C>(ctx: &Context<C>) {
    ctx.surroundings.ready().await;
    if !ctx.surroundings.classes.state().is_empty() {
        return;
    }
    let class = default_class();
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    let mut failures = 0;
    loop {
        match class.api(&ctx.client).create(&params, &class).await {
            Ok(_) => return tracing::info!(class = NAME, "made, as there was no class"),
            Err(kube::Error::Api(status)) if status.code == 409 => return,
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 403 | 422) => {
                return tracing::warn!(
                    said = status.message,
                    "the class `default` is not made: grant create on ecrrepositoryclasses \
                     (deploy/kustomize/rbac), make a class, or set --create-default-class=false"
                );
            }
            Err(error) => {
                let error = api_error(&error);
                tracing::warn!(error, class = NAME, "not made yet: tried again");
            }
        }
        let wait = back_off(failures, fastrand::f64()).min(Duration::from_secs(10));
        tokio::time::sleep(wait).await;
        failures = failures.saturating_add(1);
    }
}

/// The operator's own account and region, for every namespace; what is absent is at its safest.
fn default_class() -> ECRRepositoryClass {
    let spec = ECRRepositoryClassSpec {
        allowed_namespaces: Some(NamespaceSelector::default()),
        ..ECRRepositoryClassSpec::default()
    };
    let mut class = ECRRepositoryClass::new(NAME, spec);
    let is_default = (DEFAULT_CLASS_ANNOTATION.to_owned(), "true".to_owned());
    class.annotations_mut().insert(is_default.0, is_default.1);
    class
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_one_that_the_documents_show() {
        let shown = include_str!("../../deploy/samples/default-class.yaml");
        let shown: ECRRepositoryClass = serde_yaml::from_str(shown).unwrap();
        assert_eq!(default_class(), shown);
    }
}
