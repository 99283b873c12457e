//! A whole cluster with several accounts: an API server of its own, an operator that serves all
//! namespaces, and classes.

use std::{sync::Arc, time::Duration};

use ecr_emulator::{Call, Emulator};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use xtask::{control_plane::ControlPlane, install::apply_install};

use super::{
    CLUSTER, Canaries, Operator, PATIENCE, Server, crash, invariants, plain,
    quiet::{OFTEN, SELDOM},
    told,
};

/// A kind of ours, as JSON: what a person sees of it.
fn kind(kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        group: "ecr-operator.dev".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "ecr-operator.dev/v1alpha1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

/// An object as JSON.
pub(crate) type Object = DynamicObject;

/// See the module's documentation.
pub(crate) struct Estate {
    _control_plane: ControlPlane,
    pub(crate) server: Server,
    pub(crate) emulator: Arc<Emulator>,
    pub(crate) client: Client,
    operator: Option<Operator>,
    past_log: String,
    intervals: [&'static str; 3],
    /// Repositories that may be adopted.
    pub(crate) adopted: Vec<String>,
}

impl Estate {
    /// One without any class.
    pub(crate) async fn new(name: &str) -> Self {
        Self::that_looks(name, OFTEN).await
    }

    /// The same with an operator that looks only when something changed or failed.
    pub(crate) async fn quiet(name: &str) -> Self {
        Self::that_looks(name, SELDOM).await
    }

    async fn that_looks(name: &str, intervals: [&'static str; 3]) -> Self {
        let (control_plane, dir) = Server::bare(name).await;
        apply_install(control_plane.kubeconfig()).await.unwrap();
        let server = Server::of(&control_plane, &dir).await;
        let emulator = Emulator::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let mut estate = Self {
            client: server.client().await,
            _control_plane: control_plane,
            server,
            emulator: Arc::new(emulator),
            operator: None,
            past_log: String::new(),
            intervals,
            adopted: Vec::new(),
        };
        estate.start_operator().await;
        estate
    }

    pub(crate) async fn start_operator(&mut self) {
        self.spawn_operator();
        self.operator().ready().await;
    }

    /// Starts the operator, and does not wait for it.
    pub(crate) fn spawn_operator(&mut self) {
        self.spawn_operator_with(None);
    }

    /// Starts the operator with one more flag.
    pub(crate) async fn start_operator_with(&mut self, flag: &str) {
        self.spawn_operator_with(Some(flag.to_owned()));
        self.operator().ready().await;
    }

    fn spawn_operator_with(&mut self, flag: Option<String>) {
        let cluster = format!("--cluster-name={CLUSTER}");
        let intervals = self.intervals.map(ToOwned::to_owned);
        let flags: Vec<_> = [cluster].into_iter().chain(intervals).chain(flag).collect();
        let operator = Operator::spawn(&self.server, &self.emulator.url(), &flags, &[]);
        self.operator = Some(operator);
    }

    pub(crate) fn operator(&self) -> &Operator {
        self.operator.as_ref().unwrap()
    }

    pub(crate) async fn stop_operator(&mut self) {
        if let Some(operator) = self.operator.take() {
            self.past_log += &operator.stop().await;
        }
    }

    pub(crate) fn classes(&self) -> Api<Object> {
        let classes = kind("ECRRepositoryClass", "ecrrepositoryclasses");
        Api::all_with(self.client.clone(), &classes)
    }

    pub(crate) fn repositories(&self, namespace: &str) -> Api<Object> {
        let repositories = kind("ECRRepository", "ecrrepositories");
        Api::namespaced_with(self.client.clone(), namespace, &repositories)
    }

    async fn apply_to(api: &Api<Object>, object: Value) -> Result<Object, kube::Error> {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let params = PatchParams::apply("admin").force();
        api.patch(&name, &params, &Patch::Apply(object)).await
    }

    /// Applies a class that is no default.
    pub(crate) async fn class(&self, name: &str, spec: Value) -> Object {
        self.class_as(name, &json!({}), spec).await
    }

    /// Applies a class that is that of objects which name none.
    pub(crate) async fn default_class(&self, name: &str, spec: Value) -> Object {
        let default = json!({"ecr-operator.dev/is-default-class": "true"});
        self.class_as(name, &default, spec).await
    }

    async fn class_as(&self, name: &str, annotations: &Value, spec: Value) -> Object {
        let class = json!({
            "apiVersion": "ecr-operator.dev/v1alpha1",
            "kind": "ECRRepositoryClass",
            "metadata": {"name": name, "annotations": annotations},
            "spec": spec,
        });
        Self::apply_to(&self.classes(), class).await.unwrap()
    }

    /// Makes a namespace, or sets its labels.
    pub(crate) async fn namespace(&self, name: &str, labels: Value) {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels},
        });
        let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(self.client.clone());
        let params = PatchParams::apply("admin").force();
        namespaces
            .patch(name, &params, &Patch::Apply(namespace))
            .await
            .unwrap();
    }

    /// Applies a repository, as a team would.
    pub(crate) async fn apply(&self, namespace: &str, name: &str, spec: Value) -> Object {
        self.apply_with(namespace, name, json!({}), spec).await
    }

    /// The same with labels.
    pub(crate) async fn apply_with(
        &self,
        namespace: &str,
        name: &str,
        labels: Value,
        spec: Value,
    ) -> Object {
        self.try_apply(namespace, name, labels, spec).await.unwrap()
    }

    pub(crate) async fn try_apply(
        &self,
        namespace: &str,
        name: &str,
        labels: Value,
        spec: Value,
    ) -> Result<Object, kube::Error> {
        let object = json!({
            "apiVersion": "ecr-operator.dev/v1alpha1",
            "kind": "ECRRepository",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": spec,
        });
        Self::apply_to(&self.repositories(namespace), object).await
    }

    pub(crate) async fn annotate(&self, namespace: &str, name: &str, key: &str, value: &str) {
        let annotations = json!({"annotations": {key: value}});
        self.patch(&self.repositories(namespace), name, annotations)
            .await;
    }

    /// Pushes an image behind the operator's back.
    pub(crate) fn push(&self, account: &str, region: &str, repository: &str, tag: &str) {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [],
            "annotations": {"tag": tag},
        });
        let input = json!({
            "repositoryName": repository, "imageManifest": manifest.to_string(), "imageTag": tag,
        });
        let pushed = self.emulator.call(account, region, "PutImage", input);
        pushed.unwrap();
    }

    /// Asks for the deletion of an object, and does not wait for it.
    pub(crate) async fn delete(&self, api: &Api<Object>, name: &str) {
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until an object has a finalizer.
    pub(crate) async fn held(&self, api: &Api<Object>, name: &str) {
        self.wait(api, name, "the finalizer", |it| !it.finalizers().is_empty())
            .await;
    }

    /// Waits until an object is gone.
    pub(crate) async fn gone(&self, api: &Api<Object>, name: &str) {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        let going = async {
            while api.get_opt(name).await.unwrap().is_some() {
                ticks.tick().await;
            }
        };
        let gone = tokio::time::timeout(PATIENCE, going).await;
        assert!(gone.is_ok(), "waited in vain for {name} to go");
    }

    /// Changes the metadata of an object.
    pub(crate) async fn patch(&self, api: &Api<Object>, name: &str, metadata: Value) {
        let patch = Patch::Merge(json!({"metadata": metadata}));
        api.patch(name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    /// Waits until an object is as `is` wants it.
    pub(crate) async fn wait(
        &self,
        api: &Api<Object>,
        name: &str,
        what: &str,
        is: impl Fn(&Object) -> bool,
    ) -> Object {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        let waiting = async {
            loop {
                if let Some(found) = api.get_opt(name).await.unwrap().filter(|it| is(it)) {
                    return found;
                }
                ticks.tick().await;
            }
        };
        if let Ok(found) = tokio::time::timeout(PATIENCE, waiting).await {
            return found;
        }
        let found = api.get_opt(name).await.unwrap();
        let calls: Vec<_> = self.calls().iter().map(told).collect();
        panic!(
            "waited in vain for {name}: {what}\n{}\ncalls:\n{}\nlog:\n{}",
            serde_json::to_string_pretty(&found).unwrap(),
            calls.join("\n"),
            self.operator
                .as_ref()
                .map(Operator::log)
                .unwrap_or_default()
        )
    }

    /// Waits for a condition with this status and reason, of the generation that is there now.
    pub(crate) async fn says(
        &self,
        api: &Api<Object>,
        name: &str,
        [type_, status, reason]: [&str; 3],
    ) -> Object {
        let generation = api.get(name).await.unwrap().metadata.generation;
        self.wait(api, name, &format!("{type_}={status}/{reason}"), |object| {
            object.data["status"]["observedGeneration"].as_i64() >= generation
                && condition(object, type_) == Some((status.to_owned(), reason.to_owned()))
        })
        .await
    }

    pub(crate) async fn ready(&self, namespace: &str, name: &str) -> Object {
        let api = self.repositories(namespace);
        self.says(&api, name, ["Ready", "True", "Synced"]).await
    }

    pub(crate) async fn stalled(&self, namespace: &str, name: &str, reason: &str) -> Object {
        let api = self.repositories(namespace);
        self.says(&api, name, ["Stalled", "True", reason]).await
    }

    /// Waits until the emulator is as `is` wants it.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let waiting = async {
            while !is(self) {
                ticks.tick().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "waited in vain for {what}");
    }

    /// Waits until all faults have struck.
    pub(crate) async fn struck(&self) {
        let striking = crash::struck(&self.emulator);
        tokio::time::timeout(PATIENCE, striking).await.unwrap();
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.emulator.log()
    }

    /// The writes that took effect since a mark in the calls.
    pub(crate) fn writes_since(&self, mark: usize) -> Vec<String> {
        let calls = self.calls();
        let writes = calls[mark..]
            .iter()
            .filter(|call| invariants::is_write(call) && call.applied && call.answer.is_ok());
        writes.map(told).collect()
    }

    /// Waits until the operator has called an operation so often more.
    pub(crate) async fn more(&self, operation: &str, times: usize) {
        let count = |estate: &Self| {
            let calls = estate.calls();
            calls.iter().filter(|c| c.operation == operation).count()
        };
        let before = count(self);
        self.until(&format!("{times} more calls of {operation}"), |it| {
            count(it) >= before + times
        })
        .await;
    }

    /// Ends the scenario: nothing panicked, no secret is told, nobody's spec was changed.
    pub(crate) async fn finish(mut self) {
        self.stop_operator().await;
        assert!(!self.past_log.contains("panicked"), "{}", self.past_log);
        Canaries::of(&self.server).are_not_in("the log", &self.past_log);
        plain::is_plain_log(&self.past_log);
        let all = Api::<Object>::all_with(
            self.client.clone(),
            &kind("ECRRepository", "ecrrepositories"),
        );
        for object in all.list(&ListParams::default()).await.unwrap() {
            for type_ in ["Ready", "Accepted", "Synced"] {
                plain::is_plain(&message(&object, type_));
            }
            let ours = object.managed_fields().iter().filter(|entry| {
                entry.manager.as_deref() == Some("ecr-operator")
                    && entry.subresource.as_deref() != Some("status")
            });
            for entry in ours {
                let fields = json!(entry.fields_v1);
                assert!(fields.get("f:spec").is_none(), "6: {fields}");
            }
        }
        let calls = self.calls();
        invariants::no_unowned_write_of_a_cluster(CLUSTER, &calls, &self.adopted);
        invariants::permitted_in_a_cluster(&self.server, &self.client, &calls).await;
    }
}

/// Status and reason of a condition.
pub(crate) fn condition(object: &Object, type_: &str) -> Option<(String, String)> {
    let conditions = object.data["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|it| it["type"] == type_)?;
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    Some((text("status"), text("reason")))
}

/// The message of a condition.
pub(crate) fn message(object: &Object, type_: &str) -> String {
    let conditions = object.data["status"]["conditions"].as_array();
    let found = conditions
        .into_iter()
        .flatten()
        .find(|it| it["type"] == type_);
    found.map_or_else(String::new, |it| {
        it["message"].as_str().unwrap_or_default().to_owned()
    })
}
