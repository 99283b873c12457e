//! All requests to the API server about an object: read it, write its status and its finalizer.

use std::fmt::Debug;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{Patch, PatchParams},
    core::PartialObjectMeta,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    context::Context,
    error::Error,
    watched::{Unread, Watched},
    watching::lean,
};
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

fn api(client: &Client, namespace: &str) -> Api<Watched> {
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
        .map_err(Error::kubernetes("read the object"))?;
    let found = found.filter(|found| found.uid() == object.uid());
    found.map(taken).transpose()
}

/// The object as it was sent, without what means nothing to us: a pass holds it for as long as it takes.
pub(super) fn taken<K: Own>(sent: K::Sent) -> Result<K, Error> {
    let unread = |why| kube::Error::Service(Box::new(why));
    let taken = K::taken(sent).map_err(unread);
    taken.map_err(Error::kubernetes("read the answer"))
}

/// An object of ours: of one of the kinds that we define.
pub(super) trait Own: Resource<DynamicType = ()> + Clone + Debug + Send + 'static {
    /// The finalizer that we hold on it.
    const FINALIZER: &'static str;

    /// What an answer is read as.
    type Sent: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static;

    /// Where requests about it go.
    fn api(&self, client: &Client) -> Api<Self::Sent>;

    /// The object of an answer; or why it can't be read.
    fn taken(sent: Self::Sent) -> Result<Self, Unread>;
}

/// Read within the bounds of what the watch keeps.
impl Own for ECRRepository {
    const FINALIZER: &'static str = FINALIZER;

    type Sent = Watched;

    fn api(&self, client: &Client) -> Api<Watched> {
        api(client, &self.namespace().unwrap_or_default())
    }

    fn taken(sent: Watched) -> Result<Self, Unread> {
        sent.read()
    }
}

impl Own for Watched {
    const FINALIZER: &'static str = FINALIZER;

    type Sent = Self;

    fn api(&self, client: &Client) -> Api<Self> {
        api(client, &self.namespace().unwrap_or_default())
    }

    fn taken(sent: Self) -> Result<Self, Unread> {
        Ok(sent)
    }
}

impl Own for ECRRepositoryClass {
    const FINALIZER: &'static str = CLASS_FINALIZER;

    type Sent = Self;

    fn api(&self, client: &Client) -> Api<Self> {
        Api::all(client.clone())
    }

    fn taken(mut sent: Self) -> Result<Self, Unread> {
        lean(&mut sent);
        Ok(sent)
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
            .map_err(superseded("write status"));
        if !matches!(written, Err(Error::Superseded)) {
            return written.and_then(taken);
        }
        let now = live(client, object).await?.ok_or(Error::Superseded)?;
        version = now.resource_version();
    }
    Err(Error::Superseded)
}

/// Adds or removes our finalizer, if the object is still as we know it. Others' are not kept in memory: those that
/// are there stay.
pub(super) async fn set_finalizer<K: Own>(
    client: &Client,
    object: &K,
    wanted: bool,
) -> Result<Option<K>, Error> {
    if object.finalizers().iter().any(|f| f == K::FINALIZER) == wanted {
        return Ok(None);
    }
    let now = object
        .api(client)
        .get_metadata_opt(&object.name_any())
        .await;
    let now = now.map_err(Error::kubernetes("read the object"))?;
    let same = |now: &PartialObjectMeta<K::Sent>| {
        now.uid() == object.uid() && now.resource_version() == object.resource_version()
    };
    let now = now.filter(same).ok_or(Error::Superseded)?;
    let mut finalizers = now.finalizers().to_vec();
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
    object
        .api(client)
        .patch(&object.name_any(), &merging(), &Patch::Merge(patch))
        .await
        .map_err(superseded("write the finalizer"))
        .and_then(taken)
        .map(Some)
}

/// A merge patch in our name.
fn merging() -> PatchParams {
    PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

/// All fields of status.
const STATUS: [&str; 24] = [
    "observedGeneration",
    "conditions",
    "className",
    "owner",
    "registryId",
    "region",
    "repositoryName",
    "arn",
    "repositoryUri",
    "createdAt",
    "ownership",
    "tagKeys",
    "clusterUid",
    "applied",
    "compared",
    "effective",
    "pending",
    "lifecycleApproval",
    "lastLoss",
    "takenOver",
    "suspendedSince",
    "lastHandledReconcileAt",
    "lastHandledRequestAt",
    "workingMemory",
];

/// Takes away what is not read of a status that is too large. What is said then is applied as ever: that would
/// leave what others wrote, and what is replaced in one piece would be of two managers from then on.
pub(super) async fn shorten_status(client: &Client, object: &Watched) -> Result<Watched, Error> {
    let left = object.read().ok().and_then(|it| it.status);
    let left = serde_json::to_value(left).unwrap_or_default();
    let gone = STATUS.into_iter().filter(|field| left.get(field).is_none());
    let gone: Map<_, _> = gone.map(|it| (it.to_owned(), Value::Null)).collect();
    let patch = json!({
        "metadata": { "resourceVersion": object.resource_version() },
        "status": gone,
    });
    object
        .api(client)
        .patch_status(&object.name_any(), &merging(), &Patch::Merge(patch))
        .await
        .map_err(superseded("write status"))
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
        .get_metadata_opt(&owner.name)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::ECRRepositoryStatus;

    #[test]
    fn all_fields_of_status_can_be_taken_away() {
        let schema = schemars::schema_for!(ECRRepositoryStatus).to_value();
        let fields = schema["properties"].as_object().unwrap().keys();
        let fields: BTreeSet<_> = fields.map(String::as_str).collect();
        assert_eq!(fields, BTreeSet::from(STATUS));
    }
}
