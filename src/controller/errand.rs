//! On whose behalf an object is worked on, as far as it tells by itself.

use kube::api::ObjectMeta;

use super::watched::Watched;
use crate::{
    api::{
        ConditionType, ECRRepository, ECRRepositoryStatus, RECONCILE_ANNOTATION,
        RECONCILE_FLUX_ANNOTATION,
    },
    domain::{
        conditions::find_true,
        turns::{Errand, Lane},
    },
};

/// The errand of a pass under way.
pub(super) fn errand(object: &ECRRepository) -> Errand {
    of(object, is_at_rest(&object.metadata, object.status.as_ref()))
}

/// The same of an object that waits for its pass.
pub(super) fn errand_of(object: &Watched) -> Errand {
    of(object, object.is_at_rest())
}

fn of(object: &impl kube::ResourceExt, is_at_rest: bool) -> Errand {
    Errand {
        lane: if is_at_rest {
            Lane::Drift
        } else {
            Lane::Person
        },
        namespace: object.namespace().unwrap_or_default().into(),
    }
}

/// Whether all is well and nobody asks for anything.
pub(super) fn is_at_rest(meta: &ObjectMeta, status: Option<&ECRRepositoryStatus>) -> bool {
    let Some(status) = status else {
        return false;
    };
    let asked = |annotation: &str| meta.annotations.as_ref()?.get(annotation);
    let asks = |annotation: &str, handled: &Option<String>| {
        asked(annotation).is_some_and(|it| Some(it) != handled.as_ref())
    };
    meta.deletion_timestamp.is_none()
        && status.observed_generation == meta.generation
        && !asks(RECONCILE_FLUX_ANNOTATION, &status.last_handled_reconcile_at)
        && !asks(RECONCILE_ANNOTATION, &status.last_handled_request_at)
        && find_true(&status.conditions, ConditionType::Ready).is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sent() -> Value {
        json!({
            "apiVersion": "ecr-operator.dev/v1alpha1",
            "kind": "ECRRepository",
            "metadata": {"namespace": "a", "name": "it", "generation": 2},
            "spec": {},
            "status": {
                "observedGeneration": 2,
                "conditions": [{
                    "type": "Ready", "status": "True", "reason": "Synced", "message": "",
                    "observedGeneration": 2, "lastTransitionTime": "2026-01-01T00:00:00Z",
                }],
            },
        })
    }

    fn with(change: impl FnOnce(&mut Value)) -> Lane {
        let mut value = sent();
        change(&mut value);
        let watched: Watched = serde_json::from_value(value.clone()).unwrap();
        let errand = errand(&serde_json::from_value(value).unwrap());
        assert_eq!(errand_of(&watched), errand);
        errand.lane
    }

    #[test]
    fn only_what_is_at_rest_is_drift() {
        let at = "2026-01-01T00:00:00Z";
        assert_eq!(with(|_| {}), Lane::Drift);
        let people: [fn(&mut Value); 6] = [
            |it| it["metadata"]["generation"] = json!(3),
            |it| it["status"] = Value::Null,
            |it| it["status"]["conditions"][0]["status"] = json!("False"),
            |it| it["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
            |it| it["metadata"]["annotations"] = json!({RECONCILE_ANNOTATION: "now"}),
            |it| it["metadata"]["annotations"] = json!({RECONCILE_FLUX_ANNOTATION: "now"}),
        ];
        for (n, change) in people.into_iter().enumerate() {
            assert_eq!(with(change), Lane::Person, "{n}");
        }
        let handled = with(|it| {
            it["metadata"]["annotations"] = json!({RECONCILE_ANNOTATION: at});
            it["status"]["lastHandledRequestAt"] = json!(at);
        });
        assert_eq!(handled, Lane::Drift);
        // Flux has taken the annotation away.
        let gone = with(|it| it["status"]["lastHandledRequestAt"] = json!(at));
        assert_eq!(gone, Lane::Drift);
    }
}
