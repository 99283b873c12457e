//! Kubernetes Events. They are a courtesy: one that is lost stops nothing.
//!
//! Not kube's Recorder: it repeats the first note of a series in place of the later ones
//! (kube-runtime, `events::Recorder`), and our notes are what people read.

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event as KubernetesEvent},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ObjectMeta, PostParams},
};

use crate::{domain::event::Event, telemetry::api_error};

/// Who tells: the name of the controller in every event.
const CONTROLLER: &str = "ecr-operator.dev/ecr-operator";

/// Publishes events.
#[derive(Clone)]
pub(super) struct Events {
    client: Client,
    instance: String,
}

impl Events {
    pub(super) fn new(client: Client) -> Self {
        // The pod's name, by which Kubernetes sets the host name.
        let instance = std::env::var("HOSTNAME")
            .ok()
            .filter(|name| !name.is_empty());
        Self {
            client,
            instance: instance.unwrap_or_else(|| "ecr-operator".to_owned()),
        }
    }

    pub(super) async fn publish<K>(&self, object: &K, events: Vec<Event>)
    where
        K: Resource<DynamicType = ()>,
    {
        let namespace = home(object);
        let api: Api<KubernetesEvent> = Api::namespaced(self.client.clone(), &namespace);
        for event in events {
            let event = self.event(object, event);
            if let Err(error) = api.create(&PostParams::default(), &event).await {
                lost(&error, event.note.as_deref());
            }
        }
    }

    fn event<K>(&self, object: &K, event: Event) -> KubernetesEvent
    where
        K: Resource<DynamicType = ()>,
    {
        KubernetesEvent {
            metadata: ObjectMeta {
                generate_name: Some(format!("{}-", short(&object.name_any()))),
                namespace: Some(home(object)),
                ..ObjectMeta::default()
            },
            type_: Some(if event.warning { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(event.reason.to_owned()),
            action: Some(event.action.to_owned()),
            note: Some(event.note),
            event_time: Some(MicroTime(Timestamp::now())),
            regarding: Some(ObjectReference {
                resource_version: None,
                ..object.object_ref(&())
            }),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            ..KubernetesEvent::default()
        }
    }
}

/// Where the events of an object are. Those of one that belongs to the cluster are in `default` (apiserver,
/// `events.ValidateEvent`).
fn home(object: &impl ResourceExt) -> String {
    object.namespace().unwrap_or_else(|| "default".to_owned())
}

/// Says so. A right that is missing is named: the API server's own words stand in the line as a quoted value.
fn lost(error: &kube::Error, note: Option<&str>) {
    let said = api_error(error);
    if is_not_granted(error) {
        tracing::warn!(
            error = said,
            note,
            "an event was lost — grant create on events of events.k8s.io (deploy/kustomize/rbac)"
        );
    } else {
        tracing::warn!(error = said, note, "an event was lost");
    }
}

/// Whether the operator lacks the right. Namespaces that end, quotas and webhooks forbid as well, and none of
/// them says that somebody "cannot create resource" (apiserver, `responsewriters.forbiddenMessage`).
fn is_not_granted(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => {
            status.code == 403 && status.message.contains(" cannot create resource ")
        }
        _ => false,
    }
}

/// Leaves room for the suffix that the API server adds to a generated name, which must stay a DNS
/// subdomain: no label may end in a dot and begin with a dash.
fn short(name: &str) -> &str {
    name.get(..200).unwrap_or(name).trim_end_matches(['.', '-'])
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn a_right_is_named_only_where_it_is_what_is_missing() {
        for (code, said, missing) in [
            (
                403,
                r#"events.events.k8s.io is forbidden: User "system:serviceaccount:a:b" cannot create resource "events" in API group "events.k8s.io" in the namespace "payments""#,
                true,
            ),
            (
                403,
                "events \"api-x2\" is forbidden: unable to create new content in namespace payments because it is being terminated",
                false,
            ),
            (
                403,
                "events \"api-x2\" is forbidden: exceeded quota: few",
                false,
            ),
            (500, "it cannot create resource versions", false),
        ] {
            let status = Status::failure(said, "Forbidden").with_code(code);
            let error = kube::Error::Api(Box::new(status));
            assert_eq!(is_not_granted(&error), missing, "{said}");
        }
        assert!(!is_not_granted(
            &kube::Error::LinesCodecMaxLineLengthExceeded
        ));
    }
}
