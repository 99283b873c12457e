//! One real API server for all tests that need one.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ecr_operator::api::{ECRRepository, ECRRepositoryClass};
use ecr_operator::cli::crds;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::response::Status;
use kube::{Api, Client, Config, Resource};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use xtask::control_plane::ControlPlane;
use xtask::kubectl::Kubectl;

use crate::{admission, bounds, cases, kubectl, manifests, ratchet, tenancy, three_states};

/// An API server that knows our definitions.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) kubectl: Kubectl,
}

impl Server {
    async fn of(control_plane: &ControlPlane) -> Self {
        let kubeconfig = Kubeconfig::read_from(control_plane.kubeconfig()).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .unwrap();
        Self {
            client: Client::try_from(config).unwrap(),
            kubectl: control_plane.kubectl().unwrap(),
        }
    }

    /// Objects of our kind in a namespace of their own, untyped: what is wrong can be sent too.
    pub(crate) async fn objects(&self, namespace: &str) -> Api<DynamicObject> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let mut object = Namespace::default();
        object.meta_mut().name = Some(namespace.to_owned());
        namespaces
            .create(&PostParams::default(), &object)
            .await
            .unwrap();
        let kind = ApiResource::erase::<ECRRepository>(&());
        Api::namespaced_with(self.client.clone(), namespace, &kind)
    }

    /// Classes, untyped.
    pub(crate) fn classes(&self) -> Api<DynamicObject> {
        let kind = ApiResource::erase::<ECRRepositoryClass>(&());
        Api::all_with(self.client.clone(), &kind)
    }

    /// Applies our definitions, or what `loosen` makes of them, and waits until they are in effect.
    pub(crate) async fn define(&self, loosen: impl Fn(&mut Value)) {
        for (_, text) in crds::yaml().unwrap() {
            let mut definition: Value = serde_yaml::from_str(&text).unwrap();
            loosen(&mut definition);
            let text = definition.to_string();
            let apply = ["apply", "--server-side", "-f", "-"];
            self.kubectl.run_with(&apply, &text).await.unwrap();
            let wait = [
                "wait",
                "--for=condition=Established",
                "--timeout=60s",
                "-f",
                "-",
            ];
            self.kubectl.run_with(&wait, &text).await.unwrap();
        }
    }

    /// Waits until the rules are (or are not) in effect: a definition changes a moment after it was
    /// applied.
    pub(crate) async fn wait_for_rules(&self, in_effect: bool) {
        let kind = ApiResource::erase::<ECRRepository>(&());
        let objects: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), "default", &kind);
        let dry_run = PostParams {
            dry_run: true,
            field_manager: None,
        };
        let wrong = object("probe", &json!({"repositoryName": "WRONG"}));
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            match objects.create(&dry_run, &wrong).await {
                Ok(_) if !in_effect => return,
                Err(kube::Error::Api(status)) if in_effect && status.is_invalid() => return,
                other => assert!(Instant::now() < end, "rules {in_effect}: {other:?}"),
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// An object with this spec.
pub(crate) fn object(name: &str, spec: &Value) -> DynamicObject {
    let kind = ApiResource::erase::<ECRRepository>(&());
    DynamicObject::new(name, &kind).data(json!({"spec": spec}))
}

/// A class with this spec.
pub(crate) fn class(name: &str, spec: &Value) -> DynamicObject {
    let kind = ApiResource::erase::<ECRRepositoryClass>(&());
    DynamicObject::new(name, &kind).data(json!({"spec": spec}))
}

/// What a user reads of a refusal: field and message of every mistake.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> Vec<String> {
    let Err(kube::Error::Api(status)) = result else {
        return result.map_or_else(|error| vec![error.to_string()], |_| Vec::new());
    };
    let Status {
        details, message, ..
    } = *status;
    let causes = details.map(|it| it.causes).unwrap_or_default();
    if causes.is_empty() {
        return vec![message];
    }
    let mut lines: Vec<String> = causes
        .into_iter()
        .map(|cause| format!("{}: {}", cause.field, cause.message))
        // Comes with every mistake of shape, and is not about any of them.
        .filter(|line| !line.contains("some validation rules were not checked"))
        .collect();
    lines.sort();
    lines
}

type Part = fn(Arc<Server>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// One test, because the API server ends with the value that stands for it. Every part is run, and
/// those that failed are named.
#[tokio::test]
async fn the_api_server_holds_the_rules() {
    let directory = tempfile::tempdir().unwrap();
    let control_plane = ControlPlane::start(directory.path()).await.unwrap();
    let server = Arc::new(Server::of(&control_plane).await);
    let parts: [(&str, Part); 19] = [
        // First, because it changes the definition under the others.
        ("old objects are not locked in", |s| {
            Box::pin(ratchet::old_objects_are_not_locked_in(s))
        }),
        ("accepted", |s| Box::pin(cases::accepted(s))),
        ("refused", |s| Box::pin(cases::refused(s))),
        ("bounds", |s| Box::pin(bounds::are_held(s))),
        ("changes", |s| Box::pin(cases::changes(s))),
        ("manifests", |s| Box::pin(manifests::are_accepted(s))),
        ("the greatest object", |s| Box::pin(cases::greatest(s))),
        ("three states", |s| {
            Box::pin(three_states::are_told_apart(s))
        }),
        ("columns", |s| Box::pin(kubectl::columns(s))),
        ("field selectors", |s| Box::pin(kubectl::selectors(s))),
        ("describe", |s| Box::pin(kubectl::described(s))),
        ("waiting", |s| Box::pin(kubectl::waiting(s))),
        ("explain", |s| Box::pin(kubectl::explain(s))),
        ("null", |s| Box::pin(kubectl::null(s))),
        ("unknown fields", |s| Box::pin(kubectl::unknown_fields(s))),
        ("classes", |s| Box::pin(cases::classes(s))),
        ("columns of classes", |s| {
            Box::pin(kubectl::class_columns(s))
        }),
        ("attempts of tenants", |s| Box::pin(tenancy::attempts(s))),
        // Last, because it binds the others too.
        ("admission policies", |s| {
            Box::pin(admission::policies_refuse(s))
        }),
    ];
    let mut failed = Vec::new();
    for (name, part) in parts {
        if tokio::spawn(part(server.clone())).await.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "failed, as said above: {failed:?}");
}
