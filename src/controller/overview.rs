//! All objects and classes at a glance, for metrics: which place each belongs to, and, where somebody asks for single
//! objects, those first that need somebody.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use k8s_openapi::jiff::Timestamp;
use kube::{ResourceExt as _, runtime::reflector::Store};

use super::{
    shown::{of_class, of_object},
    surroundings::WatchedClass,
    watched::Watched,
};
use crate::{
    domain::identity::{Region, RegistryId},
    telemetry::{Each, One, OneLabels, Place, Shown, Sight},
};

/// The classes that are there: only their names become labels, for anybody may write any name.
#[derive(Default)]
pub(super) struct Classes(HashMap<String, Place>);

impl Classes {
    fn of(classes: &[Arc<WatchedClass>]) -> Self {
        let places = classes.iter().map(|class| {
            let name = class.name_any();
            let read = class.0.as_ref().ok();
            let status = read.and_then(|it| it.status.as_ref());
            // What is declared holds where it was never found.
            let declared = read.and_then(|it| it.spec.registry.as_ref());
            let account = status.and_then(|it| it.registry_id.as_deref());
            let account = account.or(declared.map(|it| it.account_id.as_str()));
            let region = status.and_then(|it| it.region.as_deref());
            let region = region.or(declared.map(|it| it.region.as_str()));
            (name.clone(), place("", &name, (account, region)))
        });
        Self(places.collect())
    }

    /// The place of an object: of the class that it names, or that it is of by default.
    fn place_of(&self, object: &Watched) -> Place {
        let named = object.class_name().ok();
        let class = named.and_then(|named| named.or(object.last_class_name()));
        let class = class.and_then(|name| self.0.get(name));
        Place {
            exported_namespace: object.namespace().unwrap_or_default().into(),
            ..class.cloned().unwrap_or_default()
        }
    }
}

/// A place by the words of a status, which may be anything.
pub(super) fn place(
    namespace: &str,
    class: &str,
    (account, region): (Option<&str>, Option<&str>),
) -> Place {
    let account = account.filter(|it| RegistryId::parse(it).is_ok());
    let region = region.filter(|it| Region::parse(it).is_ok());
    Place {
        exported_namespace: namespace.into(),
        class: class.into(),
        account: account.unwrap_or_default().into(),
        region: region.unwrap_or_default().into(),
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// So many single objects, if any.
    pub(super) per_object: Option<usize>,
    /// Whether this process says how classes stand. One that sees one namespace alone does not: nobody would take
    /// back that they are not ready.
    pub(super) classes: bool,
}

/// All that a scrape shows; of single objects so many, where they are asked for.
pub(super) fn overview(
    objects: &Store<Watched>,
    classes: &Store<WatchedClass>,
    wanted: Wanted,
    now: Timestamp,
) -> Sight {
    let (objects, classes) = (objects.state(), classes.state());
    let places = Classes::of(&classes);
    let mut counts = BTreeMap::<Place, usize>::new();
    let mut shown = Vec::with_capacity(objects.len());
    for object in &objects {
        let place = places.place_of(object);
        let count = counts.entry(place.clone()).or_default();
        *count = count.saturating_add(1);
        shown.push(of_object(object, place, now));
    }
    for (object, shown) in objects.iter().zip(&mut shown) {
        let is_told =
            shown.unready_for.is_some() || shown.deleting_for.is_some() || shown.mode.is_some();
        if is_told && shown.place.account.is_empty() {
            shown.place = bound(object, &shown.place);
        }
    }
    let each = wanted.per_object.map(|most| each(&objects, &shown, most));
    shown.extend(classes.iter().map(|class| {
        let place = places.0.get(&class.name_any()).cloned();
        let shown = of_class(class, place.unwrap_or_default(), now);
        let unready_for = shown.unready_for.filter(|_| wanted.classes);
        Shown {
            unready_for,
            ..shown
        }
    }));
    let used: HashSet<_> = counts.keys().map(|it| Arc::clone(&it.class)).collect();
    let unused = places.0.into_values();
    let unused = unused.filter(|it| !used.contains(&it.class));
    counts.extend(unused.map(|place| (place, 0)));
    Sight {
        shown,
        counts,
        each,
    }
}

/// The place of an object whose class does not say where it leads: where it is bound.
fn bound(object: &Watched, by_class: &Place) -> Place {
    let status = object.place();
    let account = status.as_ref().and_then(|it| it.registry_id.as_deref());
    let region = status.as_ref().and_then(|it| it.region.as_deref());
    place(
        &by_class.exported_namespace,
        &by_class.class,
        (account, region),
    )
}

/// Single objects: first those that wait for a person, then by how long they have not been as they should be.
fn each(objects: &[Arc<Watched>], shown: &[Shown], most: usize) -> Each {
    let mut all: Vec<_> = objects.iter().zip(shown).collect();
    all.sort_by_cached_key(|(object, shown)| {
        let lasts = shown.unready_for.max(shown.deleting_for);
        let name = (object.namespace(), object.name_any());
        (Reverse(shown.stalled), Reverse(lasts), name)
    });
    let left_out = all.len().saturating_sub(most);
    let shown = all.into_iter().take(most);
    Each {
        objects: shown.map(|(object, shown)| one(object, shown)).collect(),
        left_out,
    }
}

fn one(object: &Watched, shown: &Shown) -> One {
    let status = object.place();
    let bound = status.as_ref().and_then(|it| it.repository_name.as_deref());
    let lost = status.as_ref().and_then(|it| it.last_loss.as_ref());
    let lost_at = lost.and_then(|it| it.at.parse::<Timestamp>().ok());
    One {
        labels: OneLabels {
            name: object.name_any().into(),
            place: shown.place.clone(),
            repository: bound.unwrap_or_default().into(),
            ready: shown.ready,
            reason: shown.reason,
            stalled: shown.waits(),
            mode: shown.mode.unwrap_or_default(),
        },
        unready_for: shown.unready_for,
        deleting_for: shown.deleting_for,
        lost_at: lost_at.map(Timestamp::as_second),
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::{reflector::store, watcher::Event};
    use serde_json::{Value, json};

    use super::*;

    fn object(name: &str, spec: &Value, status: &Value) -> Watched {
        let object = json!({
            "metadata": {
                "namespace": "team", "name": name, "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": spec, "status": status,
        });
        serde_json::from_value(object).unwrap()
    }

    fn class(name: &str, status: &Value) -> WatchedClass {
        let class = json!({"metadata": {"name": name}, "spec": {}, "status": status});
        serde_json::from_value(class).unwrap()
    }

    fn stands(ready: &str, reason: &str, since: &str) -> Value {
        let of = |type_: &str, status: &str| {
            json!({
                "type": type_, "status": status, "reason": reason, "message": "",
                "lastTransitionTime": since,
            })
        };
        let mut conditions = vec![of("Ready", ready)];
        if ready == "False" {
            conditions.push(of("Stalled", "True"));
        }
        json!({"conditions": conditions})
    }

    fn seen(objects: Vec<Watched>, classes: Vec<WatchedClass>, most: Option<usize>) -> Sight {
        let (objects_of, mut writer) = store();
        for object in objects {
            writer.apply_watcher_event(&Event::Apply(object));
        }
        let (classes_of, mut class_writer) = store();
        for class in classes {
            class_writer.apply_watcher_event(&Event::Apply(class));
        }
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        let wanted = Wanted {
            per_object: most,
            classes: true,
        };
        overview(&objects_of, &classes_of, wanted, now)
    }

    #[test]
    fn who_is_not_ready_shows_where_it_belongs_and_no_name_is_made_up() {
        let known = json!({"registryId": "111122223333", "region": "eu-central-1"});
        let forged = json!({"registryId": "a\"b", "region": "\n"});
        let since = "2026-01-01T00:30:00Z";
        let objects = vec![
            object(
                "a",
                &json!({"className": "prod"}),
                &stands("False", "InvalidSpec", since),
            ),
            object(
                "b",
                &json!({"className": "nosuch"}),
                &stands("False", "ClassNotFound", since),
            ),
            object(
                "c",
                &json!({"className": "odd", "suspend": true}),
                &json!({}),
            ),
        ];
        let sight = seen(
            objects,
            vec![
                class("prod", &known),
                class("odd", &forged),
                class("unused", &json!({})),
            ],
            None,
        );
        let place = |at: usize| {
            let it = &sight.shown[at].place;
            [&it.exported_namespace, &it.class, &it.account, &it.region].map(ToString::to_string)
        };
        let mut places: Vec<_> = (0..3).map(place).collect();
        places.sort();
        let of = |it: [&str; 4]| it.map(ToOwned::to_owned);
        assert_eq!(
            places,
            [
                of(["team", "", "", ""]),
                of(["team", "odd", "", ""]),
                of(["team", "prod", "111122223333", "eu-central-1"]),
            ]
        );
        let suspended: Vec<_> = sight.shown.iter().filter_map(|it| it.mode).collect();
        assert_eq!(suspended, ["suspend"]);
        let counts = sight.counts.iter();
        let counts: Vec<_> = counts
            .map(|(it, count)| {
                (
                    it.exported_namespace.to_string(),
                    it.class.to_string(),
                    *count,
                )
            })
            .collect();
        let of =
            |namespace: &str, class: &str, count| (namespace.to_owned(), class.to_owned(), count);
        let expected = [
            of("", "unused", 0),
            of("team", "", 1),
            of("team", "odd", 1),
            of("team", "prod", 1),
        ];
        assert_eq!(counts, expected);
        assert!(sight.each.is_none(), "nobody asked for that");
    }

    #[test]
    fn of_single_objects_those_come_first_that_need_somebody() {
        let objects = vec![
            object(
                "a-fine",
                &json!({}),
                &stands("True", "Synced", "2026-01-01T00:00:00Z"),
            ),
            object(
                "new",
                &json!({}),
                &stands("Unknown", "Progressing", "2026-01-01T00:50:00Z"),
            ),
            object(
                "short",
                &json!({}),
                &stands("False", "InvalidSpec", "2026-01-01T00:40:00Z"),
            ),
            object(
                "long",
                &json!({}),
                &stands("False", "InvalidSpec", "2026-01-01T00:10:00Z"),
            ),
        ];
        for (most, expected, left_out) in [
            (4, vec!["long", "short", "new", "a-fine"], 0),
            (2, vec!["long", "short"], 2),
            (0, vec![], 4),
        ] {
            let each = seen(objects.clone(), Vec::new(), Some(most)).each.unwrap();
            let names = each.objects.iter();
            let names: Vec<_> = names.map(|it| it.labels.name.to_string()).collect();
            assert_eq!(
                (names, each.left_out),
                (
                    expected.iter().map(|it| (*it).to_owned()).collect(),
                    left_out
                )
            );
        }
    }

    #[test]
    fn a_loss_is_told_with_its_time() {
        let mut status = stands("True", "Synced", "2026-01-01T00:00:00Z");
        status["lastLoss"] = json!({"at": "2026-01-01T00:30:00Z"});
        status["repositoryName"] = json!("team/api");
        let each = seen(
            vec![object("api", &json!({}), &status)],
            Vec::new(),
            Some(9),
        )
        .each
        .unwrap();
        let one = &each.objects[0];
        assert_eq!(one.lost_at, Some(1_767_227_400));
        assert_eq!(&*one.labels.repository, "team/api");
    }
}
