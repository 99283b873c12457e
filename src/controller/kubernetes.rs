//! All requests to the API server about an object: read it, write its status and its finalizer.

use std::fmt::Debug;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{context::Context, error::Error, watching::lean};
use crate::{
    api::{CLASS_FINALIZER, ECRRepository, ECRRepositoryClass, FINALIZER},
    domain::{
        identity::{ClusterUid, Owner},
        ownership::OwnerObject,
    },
    telemetry::api_error,
};

/// The field manager of everything that we write.
pub(super) const MANAGER: &str = "ecr-operator";

fn api(client: &Client, namespace: &str) -> Api<ECRRepository> {
    Api::namespaced(client.clone(), namespace)
}

/// The cluster's uid: that of namespace kube-system, which lives as long as the cluster.
///
/// # Errors
/// Where the API server can't be asked.
pub async fn cluster_uid(client: &Client) -> Result<ClusterUid, kube::Error> {
    let namespace = Api::<Namespace>::all(client.clone())
        .get("kube-system")
        .await?;
    let uid = namespace.metadata.uid.unwrap_or_default();
    ClusterUid::parse(&uid).map_err(|why| kube::Error::Service(Box::new(why)))
}

/// The resource version as a number: since Kubernetes 1.35 two of them may be compared
/// (KEP-5504).
pub(super) fn version(object: &impl Own) -> Option<u64> {
    object.resource_version()?.parse().ok()
}

/// The cache may lag behind our own last write, and what it lacks would be forgotten: an object that is
/// older than what was `written` is read again.
pub(super) async fn fresh<K: Own>(
    client: &Client,
    object: K,
    written: Option<u64>,
) -> Result<Option<K>, Error> {
    match (version(&object), written) {
        (Some(cached), Some(written)) if cached < written => live(client, &object).await,
        _ => Ok(Some(object)),
    }
}

/// The object as it is now; `None` where it is gone or has been replaced by another of its name.
pub(super) async fn live<K: Own>(client: &Client, object: &K) -> Result<Option<K>, Error> {
    let found = object
        .api(client)
        .get_opt(&object.name_any())
        .await
        .map_err(Error::kubernetes("a read of the object"))?;
    let found = found.filter(|found| found.uid() == object.uid());
    Ok(found.map(leaned))
}

/// The object without what means nothing to us: a pass holds it for as long as it takes.
fn leaned<K: Own>(mut object: K) -> K {
    lean(&mut object);
    object
}

/// An object of ours: of one of the kinds that we define.
pub(super) trait Own:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static
{
    /// The finalizer that we hold on it.
    const FINALIZER: &'static str;

    /// Where requests about it go.
    fn api(&self, client: &Client) -> Api<Self>;
}

impl Own for ECRRepository {
    const FINALIZER: &'static str = FINALIZER;

    fn api(&self, client: &Client) -> Api<Self> {
        api(client, &self.namespace().unwrap_or_default())
    }
}

impl Own for ECRRepositoryClass {
    const FINALIZER: &'static str = CLASS_FINALIZER;

    fn api(&self, client: &Client) -> Api<Self> {
        Api::all(client.clone())
    }
}

/// How often a status is written again because the object changed meanwhile.
const STATUS_TRIES: u32 = 5;

/// Writes the whole status, and never that of an object that was made anew under the name: writes to
/// a status take no uid as a condition, for the API server puts the former metadata back before it
/// looks (apiextensions-apiserver, `statusStrategy`). The resource version is one; where it is no
/// longer the same, only a read tells whether the object is.
pub(super) async fn write_status<K: Own>(
    client: &Client,
    object: &K,
    status: &impl Serialize,
) -> Result<K, Error> {
    let params = PatchParams::apply(MANAGER).force();
    let mut version = object.resource_version();
    for _ in 0..STATUS_TRIES {
        let patch = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": { "name": object.name_any(), "resourceVersion": version },
            "status": status,
        });
        let written = object
            .api(client)
            .patch_status(&object.name_any(), &params, &Patch::Apply(patch))
            .await
            .map_err(superseded("the status"));
        if !matches!(written, Err(Error::Superseded)) {
            return written.map(leaned);
        }
        let now = live(client, object).await?.ok_or(Error::Superseded)?;
        version = now.resource_version();
    }
    Err(Error::Superseded)
}

/// Adds or removes our finalizer, if the object is still the one that we know.
pub(super) async fn set_finalizer<K: Own>(
    client: &Client,
    object: &K,
    wanted: bool,
) -> Result<Option<K>, Error> {
    let mut finalizers = object.finalizers().to_vec();
    if finalizers.iter().any(|f| f == K::FINALIZER) == wanted {
        return Ok(None);
    }
    if wanted {
        finalizers.push(K::FINALIZER.to_owned());
    } else {
        finalizers.retain(|f| f != K::FINALIZER);
    }
    let patch = json!({ "metadata": {
        "uid": object.uid(),
        "resourceVersion": object.resource_version(),
        "finalizers": finalizers,
    }});
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    object
        .api(client)
        .patch(&object.name_any(), &params, &Patch::Merge(patch))
        .await
        .map(|written| Some(leaned(written)))
        .map_err(superseded("the finalizer"))
}

/// A conflict or an object that is gone is no failure: the next pass sees what there is.
fn superseded(request: &'static str) -> impl FnOnce(kube::Error) -> Error {
    move |error| match error {
        kube::Error::Api(status) if matches!(status.code, 404 | 409) => Error::Superseded,
        // With 500, and no reason but the message (structured-merge-diff, `typed`).
        kube::Error::Api(status) if status.message.contains("field not declared in schema") => {
            Error::OlderDefinition(Box::new(kube::Error::Api(status)))
        }
        other => Error::kubernetes(request)(other),
    }
}

/// Whether another owner of our own cluster still lives. What can't be told counts as alive.
pub(super) async fn look_up<C>(ctx: &Context<C>, owner: &Owner) -> OwnerObject {
    match api(&ctx.client, &owner.namespace)
        .get_opt(&owner.name)
        .await
    {
        Ok(None) => OwnerObject::Gone,
        Ok(Some(_)) => OwnerObject::Alive,
        Err(error) => {
            let error = api_error(&error);
            tracing::warn!(
                error,
                "can't tell whether another owner lives; it counts as alive"
            );
            OwnerObject::Alive
        }
    }
}
