//! What a whole registry holds, read at once for all who only want to know that nothing has changed.
//!
//! A sweep lists the repositories, 1,000 a page, and their tags, 100 a page: two calls where each
//! object would make two of its own. It is a hint. Whoever finds in it anything but what he expects looks
//! for himself, and nobody writes because of it.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher as _},
    sync::{Mutex, PoisonError},
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::domain::{
    failure::{Class, Failure},
    identity::Owner,
    observed::{Described, Tags},
};

/// One repository, as a sweep saw it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Sight {
    /// Its settings.
    pub described: Described,
    /// Its tags; `None` where nobody may list those of many.
    pub tags: Option<Tags>,
}

fn digest(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// What the last sweep says of one repository.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Glance {
    /// Nothing: no sweep has looked at it yet.
    NotYet,
    /// It is what this object agreed with.
    Unchanged,
    /// It is what another object agreed with: that says nothing of whose it is to this one.
    Others,
    /// It is this.
    Seen(Sight),
    /// The registry does not list it.
    Unlisted,
    /// The last sweep failed.
    Failed(Failure),
    /// Nobody may list: each looks for himself.
    Denied,
}

/// How sweeping goes.
#[derive(Clone, Debug, Default)]
enum Outcome {
    #[default]
    NotYet,
    Swept,
    Failed(Failure),
    Denied,
}

/// What is kept of one repository. Of one that is as it should be, two digests.
#[derive(Debug, Default)]
struct Known {
    /// Whether anybody asks for it.
    watched: bool,
    /// Whether anybody did when the sweep that is under way began.
    is_looked_for: bool,
    /// Whether no object was bound to it at the last sweep. The watch may lag behind: once is not enough.
    was_unbound: bool,
    agreed: Option<Agreed>,
    last: Last,
}

/// What somebody found to be as it should be.
#[derive(Clone, Copy, Debug)]
struct Agreed {
    /// The digest of who that was. Several objects may be bound to one name, and one of them alone has it.
    by: u64,
    /// The digest of what it was.
    sight: u64,
}

#[derive(Debug, Default)]
enum Last {
    #[default]
    NotYet,
    Agreed,
    Seen(Box<Sight>),
    Unlisted,
}

#[derive(Debug, Default)]
struct State {
    outcome: Outcome,
    /// Whether any sweep has ended well.
    has_swept: bool,
    /// Whether nobody can list the tags of many.
    lacks_tags: bool,
    /// How often in a row that has failed.
    tags_failed: u32,
    /// Whether somebody sweeps.
    has_sweeper: bool,
    repositories: HashMap<String, Known>,
}

/// So often in a row the tags of many may fail to be listed before a sweep goes on without them: with back-off,
/// a quarter of a minute and more.
const TAG_TRIES: u32 = 3;

/// What the sweeps of one registry, by one role, have seen.
#[derive(Debug, Default)]
pub struct Snapshot {
    state: Mutex<State>,
    hurry: Notify,
    retired: CancellationToken,
}

impl Snapshot {
    /// What is known of a repository, to the object of this uid. From now on somebody asks for it.
    #[must_use]
    pub fn glance(&self, name: &str, uid: &str) -> Glance {
        let who = digest(uid);
        self.with(|state| {
            let known = state.repositories.entry(name.to_owned()).or_default();
            known.watched = true;
            match &state.outcome {
                Outcome::NotYet => Glance::NotYet,
                Outcome::Failed(failure) => Glance::Failed(failure.clone()),
                Outcome::Denied => Glance::Denied,
                Outcome::Swept => match &known.last {
                    Last::NotYet => Glance::NotYet,
                    Last::Agreed if known.is_agreed_by(who) => Glance::Unchanged,
                    Last::Agreed => Glance::Others,
                    Last::Seen(sight) => Glance::Seen((**sight).clone()),
                    Last::Unlisted => Glance::Unlisted,
                },
            }
        })
    }

    /// Whether no sweep has ended yet, well or not.
    #[must_use]
    pub fn is_untried(&self) -> bool {
        self.with(|state| matches!(state.outcome, Outcome::NotYet))
    }

    /// What was seen is as it should be for the object of this uid: a sweep that sees the same is no news.
    pub fn agree(&self, name: &str, uid: &str, sight: &Sight) {
        let agreed = Agreed {
            by: digest(uid),
            sight: digest(sight),
        };
        self.with(|state| {
            if let Some(known) = state.repositories.get_mut(name) {
                known.agreed = Some(agreed);
                if matches!(&known.last, Last::Seen(seen) if known.agrees(seen)) {
                    known.last = Last::Agreed;
                }
            }
        });
    }

    /// Something else is asked for, or was written: whatever was agreed with says nothing any more.
    pub fn doubt(&self, name: &str) {
        self.with(|state| {
            if let Some(known) = state.repositories.get_mut(name) {
                known.agreed = None;
                known.last = Last::NotYet;
            }
        });
    }

    /// Whether somebody must begin to sweep. Who is told so does it, until nobody asks any more.
    #[must_use]
    pub fn wants_sweeper(&self) -> bool {
        !self.retired.is_cancelled()
            && self.with(|state| !std::mem::replace(&mut state.has_sweeper, true))
    }

    /// Somebody waits for the very first sweep.
    pub fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Waits until somebody waits for the very first sweep; for ever once that was made.
    pub async fn hurried(&self) {
        loop {
            self.hurry.notified().await;
            if self.is_untried() {
                return;
            }
        }
    }

    /// Whoever swept does so no longer, whatever for: who asks next begins anew.
    pub fn sweeper_goes(&self) {
        self.with(|state| state.has_sweeper = false);
    }

    /// No class calls AWS in this way any more: nobody sweeps for it from now on.
    pub(super) fn retire(&self) {
        self.retired.cancel();
    }

    /// Waits until no class calls AWS in this way any more.
    pub async fn retired(&self) {
        self.retired.cancelled().await;
    }

    /// Nobody asks for a repository here any more.
    pub(super) fn forget(&self, name: &str) {
        self.with(|state| state.repositories.remove(name));
    }

    /// Ends the sweeping where nobody asks; whether it has ended.
    #[must_use]
    pub fn let_sweeper_go(&self) -> bool {
        self.with(|state| {
            state.has_sweeper = !state.repositories.is_empty();
            !state.has_sweeper
        })
    }

    /// Begins a sweep on behalf of objects that are bound to these names.
    pub(super) fn sweep<'a>(&'a self, bound: &'a BTreeSet<String>) -> Sweep<'a> {
        let is_first = self.with(|state| {
            for known in state.repositories.values_mut() {
                known.is_looked_for = known.watched;
            }
            !state.has_swept
        });
        Sweep {
            snapshot: self,
            bound,
            is_first,
            tags: Some(HashMap::new()),
            seen: HashMap::new(),
        }
    }

    /// A sweep failed. Tells who is to know.
    pub fn failed(&self, failure: &Failure) -> BTreeSet<String> {
        self.with(|state| {
            let is_denied = failure.class == Class::Denied;
            let is_news = match state.outcome {
                // Whoever waits for the first one goes on without it.
                Outcome::NotYet => true,
                Outcome::Denied => false,
                Outcome::Swept | Outcome::Failed(_) => is_denied,
            };
            state.outcome = if is_denied {
                Outcome::Denied
            } else {
                Outcome::Failed(failure.clone())
            };
            if is_news {
                state.watched().collect()
            } else {
                BTreeSet::new()
            }
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        // State is whole after any panic: nothing here leaves it half-changed.
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Known {
    /// Whether this was agreed with. Without the tags nothing is proved.
    fn agrees(&self, sight: &Sight) -> bool {
        let is_same = |agreed: Agreed| agreed.sight == digest(sight);
        sight.tags.is_some() && self.agreed.is_some_and(is_same)
    }

    fn is_agreed_by(&self, who: u64) -> bool {
        self.agreed.is_some_and(|agreed| agreed.by == who)
    }

    fn compare(&self, seen: Option<Sight>) -> Last {
        match seen {
            None => Last::Unlisted,
            Some(sight) if self.agrees(&sight) => Last::Agreed,
            Some(sight) => Last::Seen(Box::new(sight)),
        }
    }
}

impl State {
    /// What no object asks for is dropped.
    fn drop_unbound(&mut self, bound: &BTreeSet<String>) {
        self.repositories.retain(|name, known| {
            let is_bound = bound.contains(name);
            let was_unbound = std::mem::replace(&mut known.was_unbound, !is_bound);
            is_bound || !was_unbound
        });
    }

    fn watched(&self) -> impl Iterator<Item = String> {
        let watched = self.repositories.iter().filter(|(_, known)| known.watched);
        watched.map(|(name, _)| name.clone())
    }
}

/// A sweep under way. It keeps only what is asked for, so that a large registry costs little.
pub(super) struct Sweep<'a> {
    snapshot: &'a Snapshot,
    bound: &'a BTreeSet<String>,
    /// The first one keeps whatever has an object: all will ask.
    is_first: bool,
    /// The tags of those that have our tag; `None` where nobody can list them.
    tags: Option<HashMap<String, Tags>>,
    seen: HashMap<String, Sight>,
}

impl Sweep<'_> {
    fn is_looked_for(&self, name: &str) -> bool {
        let known = |state: &mut State| {
            let known = state.repositories.get(name);
            known.is_some_and(|it| it.is_looked_for)
        };
        (self.is_first && self.bound.contains(name)) || self.snapshot.with(known)
    }

    /// The tags of many could not be listed. Whether that was so the last times, too.
    pub(super) fn tags_fail_again(&self) -> bool {
        self.snapshot.with(|state| {
            state.tags_failed = state.tags_failed.saturating_add(1);
            state.tags_failed > TAG_TRIES
        })
    }

    /// Nobody can list the tags of many.
    pub(super) fn without_tags(&mut self) {
        self.tags = None;
    }

    /// Whether it is news that nobody can.
    pub(super) fn lacks_tags_for_the_first_time(&self) -> bool {
        self.snapshot
            .with(|state| !std::mem::replace(&mut state.lacks_tags, true))
    }

    /// Takes down the tags of one.
    pub(super) fn tagged(&mut self, name: &str, tags: Tags) {
        if self.is_looked_for(name)
            && let Some(all) = &mut self.tags
        {
            all.insert(name.to_owned(), tags);
        }
    }

    /// Takes down one that the registry lists.
    pub(super) fn listed(&mut self, name: &str, described: impl FnOnce() -> Option<Described>) {
        if !self.is_looked_for(name) {
            return;
        }
        // One whose answer makes no sense is looked at singly, where that is told.
        let Some(described) = described() else {
            return;
        };
        let tags = self
            .tags
            .as_mut()
            .map(|all| all.remove(name).unwrap_or_default());
        self.seen.insert(name.to_owned(), Sight { described, tags });
    }

    /// Whose the repositories are that were looked for and are listed, by their tags.
    pub(super) fn owned(&self) -> Vec<(String, Owner)> {
        let owner = |sight: &Sight| Owner::parse(sight.tags.as_ref()?.get(Owner::TAG)?);
        let seen = self.seen.iter();
        seen.filter_map(|(name, sight)| Some((name.clone(), owner(sight)?)))
            .collect()
    }

    /// Ends it. Tells which repositories are not what was agreed with.
    pub(super) fn end(mut self) -> BTreeSet<String> {
        let (snapshot, bound) = (self.snapshot, self.bound);
        snapshot.with(|state| {
            state.outcome = Outcome::Swept;
            state.has_swept = true;
            state.lacks_tags = self.tags.is_none();
            // Where it ended well without them, the next one asks once, and goes on without.
            if self.tags.is_some() {
                state.tags_failed = 0;
            }
            state.drop_unbound(bound);
            for name in bound.iter().filter(|_| self.is_first) {
                let known = state.repositories.entry(name.clone()).or_default();
                known.is_looked_for = true;
            }
            let mut news = BTreeSet::new();
            let looked_for = state.repositories.iter_mut();
            for (name, known) in looked_for.filter(|(_, known)| known.is_looked_for) {
                known.last = known.compare(self.seen.remove(name));
                if known.watched && !matches!(known.last, Last::Agreed) {
                    news.insert(name.clone());
                }
            }
            news
        })
    }
}

#[cfg(test)]
mod tests;
