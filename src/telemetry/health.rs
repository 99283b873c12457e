//! Whether the process is ready and alive, and if not, why.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

/// What is known of one part.
type State = Result<(), String>;

/// How long something that beats may be silent: every watch ends and begins anew every 200 seconds.
const SILENCE: Duration = Duration::from_mins(10);

/// The answers of /readyz and /livez; clones share them. The process is ready when all of its parts
/// are, and alive while whatever has begun to beat goes on.
#[derive(Clone)]
pub struct Health {
    parts: Arc<watch::Sender<BTreeMap<&'static str, State>>>,
    /// Why a process that is ready does nothing.
    standing_by: Arc<watch::Sender<Option<String>>>,
    /// What is to be said although the process is ready.
    remarks: Arc<watch::Sender<BTreeMap<&'static str, String>>>,
    beats: Arc<Mutex<BTreeMap<&'static str, Instant>>>,
}

impl Health {
    /// None of these parts is ready yet.
    #[must_use]
    pub fn of(parts: impl IntoIterator<Item = &'static str>) -> Self {
        let health = Self {
            parts: Arc::new(watch::Sender::new(BTreeMap::new())),
            standing_by: Arc::new(watch::Sender::new(None)),
            remarks: Arc::new(watch::Sender::new(BTreeMap::new())),
            beats: Arc::default(),
        };
        health.expect(parts);
        health
    }

    /// These parts are waited for as well from now on.
    pub fn expect(&self, parts: impl IntoIterator<Item = &'static str>) {
        for part in parts {
            self.note(part, Err("starting".to_owned()));
        }
    }

    /// The process is ready, and does nothing for the time being; says so in the log when that is news.
    pub fn stand_by(&self, why: Option<String>) {
        let news = self.standing_by.send_if_modified(|held| {
            let news = *held != why;
            held.clone_from(&why);
            news
        });
        if let (true, Some(why)) = (news, why) {
            tracing::info!("{why}");
        }
    }

    /// What is to be said of a part although the process is ready; nothing more where there is none.
    pub fn remark(&self, part: &'static str, remark: Option<String>) {
        self.remarks.send_if_modified(|all| {
            match remark {
                Some(remark) => all.insert(part, remark),
                None => all.remove(part),
            };
            false
        });
    }

    /// What is said while the process is ready.
    #[must_use]
    pub fn fine(&self) -> String {
        let (standing_by, remarks) = (self.standing_by.borrow(), self.remarks.borrow());
        let said = standing_by.iter().chain(remarks.values());
        let said = std::iter::once("ok").chain(said.map(String::as_str));
        said.collect::<Vec<_>>().join(", ")
    }

    /// A part does its work.
    pub fn ready(&self, part: &'static str) {
        if self.note(part, Ok(())) && self.check().is_ok() {
            tracing::info!("ready");
        }
    }

    /// A part can't do its work; says so in the log when that is news.
    pub fn unready(&self, part: &'static str, why: &str) {
        if self.note(part, Err(why.to_owned())) {
            tracing::error!("not ready: {why}");
        }
    }

    /// Notes a state; whether it is news.
    fn note(&self, part: &'static str, state: State) -> bool {
        self.parts.send_if_modified(|parts| {
            let before = parts.insert(part, state.clone());
            before != Some(state)
        })
    }

    /// Ready, or why not: of what is known to be wrong, before what has not begun.
    ///
    /// # Errors
    /// Says why not.
    pub fn check(&self) -> Result<(), String> {
        let parts = self.parts.borrow();
        let mut missing: Vec<_> = parts
            .values()
            .filter_map(|state| state.as_ref().err())
            .collect();
        missing.sort_by_key(|why| *why == "starting");
        missing.first().map_or(Ok(()), |why| Err((*why).clone()))
    }
}

impl Health {
    /// Something that goes on for ever has gone on.
    pub fn beats(&self, what: &'static str) {
        self.lock().insert(what, Instant::now());
    }

    /// Alive, or what has stood still for so long that only a restart helps.
    ///
    /// # Errors
    /// Says what stands still.
    pub fn alive(&self, now: Instant) -> Result<(), String> {
        let beats = self.lock();
        let mut ages = beats
            .iter()
            .map(|(what, at)| (what, now.saturating_duration_since(*at)));
        ages.find(|(_, age)| *age > SILENCE)
            .map_or(Ok(()), |(what, age)| {
                Err(format!(
                    "the watch of {what} has stood still for {} seconds",
                    age.as_secs()
                ))
            })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Instant>> {
        // A map is whole after any panic.
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_when_all_parts_are() {
        let health = Health::of(["a", "b"]);
        assert_eq!(health.check(), Err("starting".to_owned()));
        health.ready("a");
        assert_eq!(health.check(), Err("starting".to_owned()));
        health.ready("b");
        assert_eq!(health.check(), Ok(()));
        health.unready("a", "install it");
        health.ready("b");
        assert_eq!(health.check(), Err("install it".to_owned()));
    }

    #[test]
    fn who_stands_by_is_ready_and_says_so() {
        let health = Health::of(["lease"]);
        health.ready("lease");
        health.stand_by(Some("standing by: a leads".to_owned()));
        assert_eq!(health.check(), Ok(()));
        assert_eq!(health.fine(), "ok, standing by: a leads");
        health.remark("b", Some("b is old".to_owned()));
        assert_eq!(health.fine(), "ok, standing by: a leads, b is old");
        health.remark("b", None);
        health.stand_by(None);
        health.expect(["watch"]);
        assert_eq!(health.fine(), "ok");
        assert_eq!(health.check(), Err("starting".to_owned()));
    }

    #[test]
    fn what_stands_still_is_told_and_what_never_began_is_not() {
        let health = Health::of(["a"]);
        let later = Instant::now() + SILENCE * 2;
        assert_eq!(health.alive(later), Ok(()));
        health.beats("a");
        health.beats("b");
        assert_eq!(health.alive(Instant::now()), Ok(()));
        let why = health.alive(later).unwrap_err();
        assert!(why.starts_with("the watch of a has stood still"), "{why}");
    }

    #[test]
    fn what_is_wrong_is_said_before_what_has_not_begun() {
        let health = Health::of(["a", "b"]);
        health.unready("b", "install it");
        assert_eq!(health.check(), Err("install it".to_owned()));
    }
}
