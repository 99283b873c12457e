//! Which passes are under way. The controller begins one for each object that has something to do, and
//! each waits here, small, until its class has room: an account that does not answer holds up the
//! objects of its own class alone.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use kube::{ResourceExt as _, api::ObjectMeta, runtime::reflector::ObjectRef};

use super::watched::Watched;
use crate::{
    api::{ECRRepository, ECRRepositoryStatus, RECONCILE_ANNOTATION, RECONCILE_FLUX_ANNOTATION},
    domain::{
        retry::Moment,
        turns::{Errand, Lane, Ticket},
    },
    ecr::{Line, Place, Supply},
};

/// How many objects of one class are worked on at the same time. Most of that time is waiting for AWS, and
/// each of them has its requests in memory: at a tenth of a second a call, it is enough for 300 a second.
pub(super) const OF_A_CLASS: u16 = 32;

/// Room for passes.
struct Room {
    free: usize,
}

impl Supply for Room {
    type Share = ();

    fn take(&mut self, _: Moment) -> Option<()> {
        self.free = self.free.checked_sub(1)?;
        Some(())
    }

    fn give_back(&mut self, (): ()) {
        self.free += 1;
    }
}

type Rooms = Arc<Line<Room>>;

/// All that wait, and the room that each class has.
#[derive(Default)]
pub(super) struct Admission {
    rooms: Mutex<HashMap<Option<String>, Rooms>>,
    waiting: Mutex<HashMap<ObjectRef<Watched>, (Rooms, Ticket)>>,
}

/// Leave for one pass, until it is dropped.
pub(super) struct Admitted(Rooms);

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.with(|room, _| room.give_back(()));
    }
}

/// An object that waits, by name: somebody may come to need it meanwhile.
struct Listed<'a> {
    admission: &'a Admission,
    object: ObjectRef<Watched>,
    place: Place<Room>,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.admission.with_waiting(|all| all.remove(&self.object));
    }
}

impl Admission {
    /// Waits for room; in vain where the process is `stopping`.
    pub(super) async fn admit(
        &self,
        object: &Watched,
        stopping: impl Future<Output = ()>,
    ) -> Option<Admitted> {
        // Objects that name no class share one room: whichever is the default, it is one.
        let room = self.room(object.class_name().unwrap_or_default());
        let place = room.join(&Errand {
            lane: lane(object.is_at_rest()),
            namespace: object.namespace().unwrap_or_default().into(),
        });
        let mut listed = self.list(object, Arc::clone(&room), place);
        tokio::select! {
            biased;
            () = listed.place.turn() => Some(Admitted(room)),
            () = stopping => None,
        }
    }

    fn room(&self, class: Option<&str>) -> Rooms {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let room = rooms.entry(class.map(ToOwned::to_owned));
        let room = room.or_insert_with(|| {
            Arc::new(Line::new(|_| Room {
                free: OF_A_CLASS.into(),
            }))
        });
        Arc::clone(room)
    }

    fn list(&self, object: &Watched, room: Rooms, place: Place<Room>) -> Listed<'_> {
        let object = ObjectRef::from_obj(object);
        let waits = (room, place.ticket().clone());
        self.with_waiting(|all| all.insert(object.clone(), waits));
        Listed {
            admission: self,
            object,
            place,
        }
    }

    /// Somebody changed an object, or asked for it: where it waits as one at rest, it goes ahead.
    pub(super) fn hasten(&self, object: &ObjectRef<Watched>) {
        self.with_waiting(|all| {
            if let Some((room, ticket)) = all.get(object) {
                room.hasten(ticket);
            }
        });
    }

    fn with_waiting<T>(
        &self,
        change: impl FnOnce(&mut HashMap<ObjectRef<Watched>, (Rooms, Ticket)>) -> T,
    ) -> T {
        // A map is whole after any panic.
        change(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// On whose behalf an object is worked on, as far as it tells by itself.
pub(super) fn errand(object: &ECRRepository) -> Errand {
    Errand {
        lane: lane(is_at_rest(&object.metadata, object.status.as_ref())),
        namespace: object.namespace().unwrap_or_default().into(),
    }
}

fn lane(is_at_rest: bool) -> Lane {
    if is_at_rest {
        Lane::Drift
    } else {
        Lane::Person
    }
}

/// Whether all is well and nobody asks for anything.
pub(super) fn is_at_rest(meta: &ObjectMeta, status: Option<&ECRRepositoryStatus>) -> bool {
    let Some(status) = status else {
        return false;
    };
    let asked = |annotation: &str| meta.annotations.as_ref()?.get(annotation);
    let asks = |annotation: &str, handled: &Option<String>| asked(annotation) != handled.as_ref();
    meta.deletion_timestamp.is_none()
        && status.observed_generation == meta.generation
        && !asks(RECONCILE_FLUX_ANNOTATION, &status.last_handled_reconcile_at)
        && !asks(RECONCILE_ANNOTATION, &status.last_handled_request_at)
        && status
            .conditions
            .iter()
            .any(|it| it.type_ == "Ready" && it.status == "True")
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures::FutureExt as _;
    use serde_json::{Value, json};

    use super::*;

    fn sent(namespace: &str, name: &str, class: Option<&str>) -> Value {
        json!({
            "apiVersion": "ecr-operator.dev/v1alpha1",
            "kind": "ECRRepository",
            "metadata": {"namespace": namespace, "name": name, "generation": 2},
            "spec": {"className": class},
            "status": {
                "observedGeneration": 2,
                "conditions": [{
                    "type": "Ready", "status": "True", "reason": "Synced", "message": "",
                    "observedGeneration": 2, "lastTransitionTime": "2026-01-01T00:00:00Z",
                }],
            },
        })
    }

    fn object(namespace: &str, name: &str, class: Option<&str>) -> Watched {
        serde_json::from_value(sent(namespace, name, class)).unwrap()
    }

    fn with(change: impl FnOnce(&mut Value)) -> Lane {
        let mut value = sent("a", "it", None);
        change(&mut value);
        let watched: Watched = serde_json::from_value(value.clone()).unwrap();
        let lane = errand(&serde_json::from_value(value).unwrap()).lane;
        assert_eq!(super::lane(watched.is_at_rest()), lane);
        lane
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
    }

    /// All the room of a class is taken.
    fn fill(admission: &Admission, class: Option<&str>) -> Vec<Admitted> {
        let mut admitted = Vec::new();
        for n in 0..OF_A_CLASS {
            let object = object("busy", &n.to_string(), class);
            let admission = admission.admit(&object, pending());
            admitted.push(admission.now_or_never().unwrap().unwrap());
        }
        admitted
    }

    #[tokio::test]
    async fn a_class_without_room_holds_up_no_other() {
        let admission = Admission::default();
        let mut admitted = fill(&admission, Some("hangs"));
        let waits = object("a", "waits", Some("hangs"));
        let mut waits = Box::pin(admission.admit(&waits, pending()));
        assert!(waits.as_mut().now_or_never().is_none());
        for class in [Some("well"), None] {
            let other = object("a", "other", class);
            let other = admission.admit(&other, pending()).now_or_never();
            assert!(other.is_some(), "{class:?}");
        }
        admitted.pop();
        assert!(waits.await.is_some());
    }

    #[tokio::test]
    async fn what_people_change_while_it_waits_goes_ahead() {
        let admission = Admission::default();
        let mut admitted = fill(&admission, None);
        let objects = ["first", "changed"].map(|name| object("a", name, None));
        let [mut first, mut changed] =
            [0, 1].map(|n: usize| Box::pin(admission.admit(&objects[n], pending())));
        assert!(first.as_mut().now_or_never().is_none());
        assert!(changed.as_mut().now_or_never().is_none());
        admission.hasten(&ObjectRef::from_obj(&objects[1]));
        admitted.pop();
        assert!(first.as_mut().now_or_never().is_none());
        assert!(changed.await.is_some());
        assert!(first.await.is_some(), "the one before has ended");
        assert!(admission.with_waiting(|all| all.is_empty()));
    }

    #[tokio::test]
    async fn stopping_ends_all_waiting() {
        let admission = Admission::default();
        let _admitted = fill(&admission, None);
        let waits = object("a", "waits", None);
        let ended = admission.admit(&waits, std::future::ready(())).await;
        assert!(ended.is_none());
        assert!(admission.with_waiting(|all| all.is_empty()));
    }

    #[test]
    fn waiting_is_small() {
        let admission = Admission::default();
        let object = object("a", "waits", None);
        let size = std::mem::size_of_val(&admission.admit(&object, pending()));
        assert!(size <= 512, "{size} bytes");
    }
}
