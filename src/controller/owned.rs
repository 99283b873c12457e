//! Which repositories this process itself has seen to be ours, by their owner tags. Status says the same
//! of many more, and whoever may write it may say anything: it counts for its own namespace, and what one
//! other namespace says counts for nobody else.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;
use kube::{Resource as _, ResourceExt as _, runtime::reflector::ObjectRef};

use super::{context::Context, pass::Pass, watching::digest};
use crate::{
    api::ECRRepositoryStatus as Status,
    domain::{
        identity::{Identity, Owner, Registry},
        loss::{Claim, Lost},
        retry::Moment,
        status::binding,
    },
    ecr::Clients,
};

/// What was seen of one repository.
#[derive(Debug)]
struct Seen {
    name: Box<str>,
    /// When it was last found to be gone.
    lost: Option<Moment>,
}

/// By the object that each belongs to: a digest of its uid.
type Repositories = HashMap<u64, Seen>;

/// All that was seen, by registry.
#[derive(Debug, Default)]
pub(super) struct Owned(Mutex<HashMap<Registry, Repositories>>);

impl Owned {
    fn with<T>(&self, change: impl FnOnce(&mut HashMap<Registry, Repositories>) -> T) -> T {
        // A map is whole after any panic: nothing here leaves it half-changed.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that a repository belongs to an object.
    fn note(&self, registry: &Registry, name: &str, uid: &str) {
        self.with(|all| {
            if !all.contains_key(registry) {
                all.insert(registry.clone(), Repositories::new());
            }
            let seen = all.get_mut(registry).map(|it| it.entry(digest(uid)));
            let seen = seen.map(|it| {
                it.or_insert_with(|| Seen {
                    name: name.into(),
                    lost: None,
                })
            });
            if let Some(seen) = seen.filter(|it| *it.name != *name) {
                seen.name = name.into();
            }
        });
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&self, uid: &str) {
        self.with(|all| {
            for repositories in all.values_mut() {
                repositories.remove(&digest(uid));
            }
        });
    }

    /// Whether nothing of a registry was ever seen to be ours.
    pub(super) fn is_empty(&self, registry: &Registry) -> bool {
        self.with(|all| all.get(registry).is_none_or(HashMap::is_empty))
    }
}

/// What the statuses of one namespace say.
#[derive(Default)]
struct Claimed {
    bound: BTreeSet<String>,
    gone: BTreeSet<String>,
}

/// What is gone of a registry, as each namespace may know it.
pub(super) struct Losses {
    /// Of what was seen to be ours.
    proved: Lost,
    /// What statuses claim beyond that, by namespace.
    claimed: HashMap<String, Claim>,
}

impl Losses {
    /// What counts for an object of this namespace, which has lost one.
    pub(super) fn of(&self, namespace: &str) -> Lost {
        let own = self.claimed.get(namespace).copied().unwrap_or_default();
        let others = self.claimed.iter();
        let others = others.filter(|(other, _)| other.as_str() != namespace);
        self.proved.beside(own, others.map(|(_, claim)| *claim))
    }
}

impl<C: Clients> Pass<'_, C> {
    /// Notes that the repository was just proved to be the object's.
    pub(super) fn note_ownership(&self, at: &Identity) {
        let uid = self.object.uid().unwrap_or_default();
        self.ctx.owned.note(&at.registry, at.name.as_str(), &uid);
    }
}

impl<C> Context<C> {
    /// Notes whose repositories are, as a sweep saw their tags.
    pub(super) fn note_owners(&self, registry: &Registry, owned: Vec<(String, Owner)>) {
        let cluster = &self.cluster;
        let ours = owned.into_iter().filter(|(_, owner)| {
            owner.cluster == cluster.name || cluster.previous_names.contains(&owner.cluster)
        });
        for (name, owner) in ours {
            let object = ObjectRef::new(&owner.name).within(&owner.namespace);
            let object = self.store.get(&object);
            if let Some(uid) = object.and_then(|object| object.uid()) {
                self.owned.note(registry, &name, &uid);
            }
        }
    }

    /// What is gone of a registry that lists these names.
    pub(super) fn losses(&self, registry: &Registry, names: &BTreeSet<String>) -> Losses {
        let resync = self.settings.resync;
        let since = Timestamp::now().as_second();
        let since = since.saturating_sub(i64::try_from(resync.as_secs()).unwrap_or(i64::MAX));
        let mut alive = HashSet::new();
        let mut claimed: HashMap<String, Claimed> = HashMap::new();
        for object in self.store.state() {
            if object.meta().deletion_timestamp.is_some() {
                continue;
            }
            alive.insert(digest(object.uid().unwrap_or_default().as_str()));
            let Some(status) = object.place() else {
                continue;
            };
            let Some(name) = established(&status, registry) else {
                continue;
            };
            let claims = claimed.entry(object.namespace().unwrap_or_default());
            let claims = claims.or_default();
            if !names.contains(&name) || lost_since(&status, since) {
                claims.gone.insert(name.clone());
            }
            claims.bound.insert(name);
        }
        let now = self.now();
        self.owned.with(|all| {
            let mut none = Repositories::new();
            let seen = all.get_mut(registry).unwrap_or(&mut none);
            seen.retain(|object, _| alive.contains(object));
            for seen in seen.values_mut() {
                seen.look(names, now, resync);
            }
            tally(seen, &claimed)
        })
    }
}

impl Seen {
    /// What was lost within the last resync and is there again is lost still: a slow loss is a loss as well.
    fn look(&mut self, names: &BTreeSet<String>, now: Moment, resync: Duration) {
        if !names.contains(&*self.name) {
            self.lost = Some(now);
        } else if self.lost.is_some_and(|lost| lost.until(now) > resync) {
            self.lost = None;
        }
    }
}

/// Counts what was seen once for all, and what statuses claim beyond that by their namespaces.
fn tally(seen: &Repositories, claimed: &HashMap<String, Claimed>) -> Losses {
    let there: BTreeSet<_> = seen.values().map(|it| &*it.name).collect();
    let lost = seen.values().filter(|it| it.lost.is_some());
    let gone: BTreeSet<_> = lost.map(|it| &*it.name).collect();
    let beyond = |names: &BTreeSet<String>, known: &BTreeSet<&str>| {
        let names = names.iter();
        names.filter(|name| !known.contains(name.as_str())).count()
    };
    let claimed = claimed.iter().map(|(namespace, claims)| {
        let claim = Claim {
            gone: beyond(&claims.gone, &gone),
            expected: beyond(&claims.bound, &there),
        };
        (namespace.clone(), claim)
    });
    Losses {
        proved: Lost {
            gone: gone.len(),
            expected: there.len(),
            proved: there.len(),
        },
        claimed: claimed.collect(),
    }
}

/// The repository's name, where status says that it was there.
fn established(status: &Status, registry: &Registry) -> Option<String> {
    let binding = binding(status)?;
    let is_there = binding.established && binding.identity.registry == *registry;
    is_there.then(|| binding.identity.name.to_string())
}

fn lost_since(status: &Status, since: i64) -> bool {
    let at = status.last_loss.as_ref().map(|loss| &loss.at);
    at.and_then(|at| at.parse::<Timestamp>().ok())
        .is_some_and(|at| at.as_second() >= since)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(names: &[usize]) -> BTreeSet<String> {
        names.iter().map(|name| format!("r{name}")).collect()
    }

    fn seen(names: &[usize], lost: &[usize]) -> Repositories {
        let seen = |name: &usize| Seen {
            name: format!("r{name}").into(),
            lost: lost.contains(name).then(Moment::default),
        };
        names.iter().map(|it| (*it as u64, seen(it))).collect()
    }

    fn claims(bound: &[usize], gone: &[usize]) -> Claimed {
        Claimed {
            bound: set(bound),
            gone: set(gone),
        }
    }

    proptest! {
        /// Whatever the statuses of one namespace say, another one counts as if they were not there.
        #[test]
        fn what_one_namespace_claims_counts_at_home_alone(
            (owned, lost, bound, gone) in (
                proptest::collection::vec(0..50_usize, 0..20),
                proptest::collection::vec(0..50_usize, 0..20),
                proptest::collection::vec(0..100_usize, 0..40),
                proptest::collection::vec(0..100_usize, 0..40),
            )
        ) {
            let seen = seen(&owned, &lost);
            let home = || claims(&owned, &lost);
            let forged = HashMap::from([("b".to_owned(), home()), ("a".to_owned(), claims(&bound, &gone))]);
            let honest = HashMap::from([("b".to_owned(), home())]);
            prop_assert_eq!(tally(&seen, &forged).of("b"), tally(&seen, &honest).of("b"));
        }
    }

    #[test]
    fn what_was_seen_counts_for_all_and_a_claim_beyond_it_at_home() {
        let all: Vec<_> = (0..10).collect();
        let claimed = HashMap::from([
            ("a".to_owned(), claims(&[0, 10, 11], &[0, 10, 11])),
            ("b".to_owned(), claims(&[1], &[])),
        ]);
        let losses = tally(&seen(&all, &[0]), &claimed);
        let lost = |gone, expected, proved| Lost {
            gone,
            expected,
            proved,
        };
        assert_eq!(losses.of("a"), lost(3, 12, 10));
        assert_eq!(losses.of("b"), lost(1, 10, 10));
        assert_eq!(losses.of("c"), lost(1, 10, 10), "its own loss counts");
        // Others that each say the same are believed, but for one of them.
        let lost_by = |it: usize| (format!("n{it}"), claims(&[it], &[it]));
        let everywhere: HashMap<_, _> = (1..12).map(lost_by).collect();
        let losses = tally(&seen(&[0], &[]), &everywhere);
        assert_eq!(losses.of("n1"), lost(10, 11, 1));
        let nothing = tally(&Repositories::new(), &claimed);
        assert!(nothing.of("a").is_suspicious() && nothing.of("b").is_suspicious());
    }

    #[test]
    fn what_came_back_is_lost_for_a_resync() {
        let mut repository = Seen {
            name: "r1".into(),
            lost: None,
        };
        let resync = Duration::from_mins(5);
        let at = |seconds| Moment(Duration::from_secs(seconds));
        for (seconds, is_there, lost) in [
            (0, true, false),
            (10, false, true),
            (20, true, true),
            (310, true, true),
            (311, true, false),
        ] {
            let names = set(if is_there { &[1] } else { &[] });
            repository.look(&names, at(seconds), resync);
            assert_eq!(repository.lost.is_some(), lost, "{seconds}");
        }
    }
}
