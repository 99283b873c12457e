//! How the objects stand, for metrics. Only words of closed lists go there: status may be forged.

use std::{sync::Arc, time::Duration};

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use kube::{Resource, core::DeserializeGuard, runtime::reflector::ObjectRef};

use super::{
    context::Context,
    overview::{Wanted, overview},
    watched::Watched,
    watching::digest,
};
use crate::{
    api::{Aspect, ConditionType, ECRRepositoryClass},
    domain::{
        action::Action,
        conditions,
        event::{Done, Event},
        ownership::Conflict,
        reason::Reason,
    },
    telemetry::{Kind, Metrics, Place, Shown},
};

/// The reasons of losses.
const LOSSES: [Reason; 2] = [Reason::RepositoryLost, Reason::ManyRepositoriesLost];

/// By what work counts an object.
pub(super) fn key<K: Resource>(object: &ObjectRef<K>) -> u64 {
    digest((&object.namespace, &object.name))
}

/// The same of an object itself.
pub(super) fn key_of<K: Resource<DynamicType = ()>>(object: &K) -> u64 {
    key(&ObjectRef::from_obj(object))
}

/// Has all be shown from the beginning; how classes stand only where this process judges them.
pub(super) fn begin<C: Send + Sync + 'static>(ctx: &Arc<Context<C>>, classes_too: bool) {
    let (metrics, nowhere) = (&ctx.metrics, Place::default());
    for aspect in Aspect::ALL {
        metrics.repaired(aspect.as_str(), &nowhere, 0);
    }
    for reason in Conflict::REASONS {
        metrics.conflicted(reason.as_str(), &nowhere, 0);
    }
    for reason in LOSSES {
        metrics.lost(reason.as_str(), &nowhere, 0);
    }
    let (objects, classes) = (ctx.store.clone(), ctx.surroundings.classes.clone());
    let wanted = Wanted {
        per_object: ctx.settings.per_object_metrics,
        classes: classes_too,
    };
    metrics.shows(move || overview(&objects, &classes, wanted, Timestamp::now()));
}

pub(super) fn of_object(object: &Watched, place: Place, now: Timestamp) -> Shown {
    let shown = shown(Kind::Repository, object, object.stands(), now);
    Shown {
        mode: object.mode(),
        place,
        ..shown
    }
}

pub(super) fn of_class(
    class: &DeserializeGuard<ECRRepositoryClass>,
    place: Place,
    now: Timestamp,
) -> Shown {
    let readable = class.0.as_ref().ok();
    let stands = readable.map(|it| {
        let status = it.status.as_ref();
        Stands::of(status.map_or(&[] as &[_], |it| &it.conditions))
    });
    let shown = shown(Kind::Class, class, stands.as_ref(), now);
    Shown { place, ..shown }
}

/// What of an object's conditions is shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Stands {
    ready: Option<Ready>,
    stalled: bool,
}

/// The condition Ready: its status, its reason, and since when.
type Ready = (&'static str, &'static str, Time);

impl Stands {
    pub(super) fn of(conditions: &[Condition]) -> Self {
        let ready = conditions::find(conditions, ConditionType::Ready).map(|it| {
            let since = it.last_transition_time.clone();
            (word(&it.status), known(&it.reason), since)
        });
        Self {
            ready,
            stalled: conditions::find_true(conditions, ConditionType::Stalled).is_some(),
        }
    }
}

/// `stands` is none where the object can't be read.
fn shown(kind: Kind, object: &impl Resource, stands: Option<&Stands>, now: Timestamp) -> Shown {
    let meta = object.meta();
    let deleting_for = meta.deletion_timestamp.as_ref().map(|at| age(at, now));
    let ready = stands.and_then(|it| it.ready.as_ref());
    let (status, reason, since) = match (stands, ready) {
        (None, _) => ("Unknown", "Unreadable", None),
        (Some(_), None) => ("Unknown", "Unseen", None),
        (Some(_), Some((status, reason, since))) => (*status, *reason, Some(since)),
    };
    let may_rest = [Reason::Suspended, Reason::Observed].map(Reason::as_str);
    let since = since.or(meta.creation_timestamp.as_ref());
    let unready_for = since.map(|at| age(at, now));
    Shown {
        kind,
        ready: status,
        reason,
        stalled: stands.is_some_and(|it| it.stalled),
        unready_for: unready_for.filter(|_| status != "True" && !may_rest.contains(&reason)),
        deleting_for,
        mode: None,
        place: Place::default(),
    }
}

fn age(at: &Time, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at.0)).unwrap_or_default()
}

fn word(status: &str) -> &'static str {
    match status {
        "True" => "True",
        "False" => "False",
        _ => "Unknown",
    }
}

fn known(reason: &str) -> &'static str {
    let mut all = Reason::ALL.iter().map(|it| it.as_str());
    all.find(|it| *it == reason).unwrap_or("Other")
}

/// Counts what a pass did and told.
pub(super) fn count(metrics: &Metrics, place: &Place, events: &[Event], done: &[Done]) {
    for it in done {
        if let (true, Some(aspect)) = (it.drift, it.action.aspect()) {
            metrics.repaired(aspect.as_str(), place, 1);
        }
        if let Action::DeleteRepository { force } = it.action {
            metrics.deleted(force, place);
        }
    }
    for event in events {
        let is = |reason: &Reason| reason.as_str() == event.reason;
        if Conflict::REASONS.iter().any(is) {
            metrics.conflicted(event.reason, place, 1);
        }
        if LOSSES.iter().any(is) {
            metrics.lost(event.reason, place, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(ready: Option<(&str, &str)>, stalled: bool) -> Watched {
        let since = Time(Timestamp::UNIX_EPOCH);
        let condition = |type_: &str, status: &str, reason: &str| {
            serde_json::json!({
                "type": type_, "status": status, "reason": reason, "message": "",
                "lastTransitionTime": since,
            })
        };
        let mut conditions = Vec::new();
        conditions.extend(ready.map(|(status, reason)| condition("Ready", status, reason)));
        if stalled {
            conditions.push(condition("Stalled", "True", "X"));
        }
        let object = serde_json::json!({
            "apiVersion": "ecr-operator.dev/v1alpha1",
            "kind": "ECRRepository",
            "metadata": {"name": "api", "creationTimestamp": since},
            "spec": {},
            "status": {"conditions": conditions},
        });
        serde_json::from_value(object).unwrap()
    }

    fn look(object: &Watched) -> Shown {
        let later = Timestamp::from_second(60).unwrap();
        of_object(object, Place::default(), later)
    }

    #[test]
    fn readiness_and_reason_are_those_of_the_condition() {
        let minute = Some(Duration::from_mins(1));
        for (ready, stalled, expected) in [
            (Some(("True", "Synced")), false, ("True", "Synced", None)),
            (
                Some(("False", "AccessDenied")),
                true,
                ("False", "AccessDenied", minute),
            ),
            (
                Some(("Unknown", "Progressing")),
                false,
                ("Unknown", "Progressing", minute),
            ),
            // Whoever suspends it means it.
            (
                Some(("False", "Suspended")),
                false,
                ("False", "Suspended", None),
            ),
            // And so does whoever only observes.
            (
                Some(("False", "Observed")),
                false,
                ("False", "Observed", None),
            ),
            (None, false, ("Unknown", "Unseen", minute)),
        ] {
            let it = look(&object(ready, stalled));
            assert_eq!((it.ready, it.reason, it.unready_for), expected);
            assert_eq!((it.stalled, it.deleting_for), (stalled, None));
        }
    }

    #[test]
    fn a_forged_status_makes_no_new_labels() {
        let it = look(&object(Some(("maybe", "x-1")), false));
        assert_eq!((it.ready, it.reason), ("Unknown", "Other"));
    }

    #[test]
    fn what_can_not_be_read_is_counted_as_such() {
        let invalid = serde_json::json!({"metadata": {"name": "api"}, "spec": {"suspend": "no"}});
        let it = look(&serde_json::from_value(invalid).unwrap());
        assert_eq!((it.ready, it.reason), ("Unknown", "Unreadable"));
    }
}
