//! Waiting in line for something of which there is not enough. Whoever stops waiting leaves the line,
//! and what he had just been given goes to the next. Nobody is polled and no task is spawned.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{sync::oneshot, time::Instant};

use crate::domain::{
    retry::Moment,
    turns::{Errand, Ticket, Turns},
};

/// What those in line wait for.
pub(super) trait Supply {
    /// What each of them gets.
    type Share;

    /// One share, if there is one.
    fn take(&mut self, now: Moment) -> Option<Self::Share>;

    /// Takes back a share that was not used.
    fn give_back(&mut self, share: Self::Share);
}

/// A supply, and those who wait for it.
pub(super) struct Line<S: Supply> {
    began: Instant,
    state: Mutex<State<S>>,
}

struct State<S: Supply> {
    supply: S,
    turns: Turns<oneshot::Sender<S::Share>>,
}

impl<S: Supply> Line<S> {
    pub(super) fn new(supply: impl FnOnce(Moment) -> S) -> Self {
        Self {
            began: Instant::now(),
            state: Mutex::new(State {
                supply: supply(Moment::default()),
                turns: Turns::default(),
            }),
        }
    }

    fn now(&self) -> Moment {
        Moment(self.began.elapsed())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State<S>> {
        // Nothing here leaves it half-changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes or asks the supply, and gives out what there is then.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut S, Moment) -> T) -> T {
        let now = self.now();
        let mut state = self.lock();
        let changed = change(&mut state.supply, now);
        state.give_out(now);
        changed
    }

    /// When there is something to give out, as the supply tells it; `None` where nobody waits.
    pub(super) fn ready(&self, tells: impl FnOnce(&S, Moment) -> Moment) -> Option<Instant> {
        let now = self.now();
        let mut state = self.lock();
        state.give_out(now);
        let waits = !state.turns.is_empty();
        waits.then(|| self.began + tells(&state.supply, now).0)
    }

    /// Takes a place at the end.
    pub(super) fn join(self: &Arc<Self>, errand: &Errand) -> Place<S> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        let ticket = state.turns.join(errand, sender);
        state.give_out(self.now());
        drop(state);
        Place {
            line: Arc::clone(self),
            ticket,
            receiver,
        }
    }
}

impl<S: Supply> State<S> {
    fn give_out(&mut self, now: Moment) {
        while !self.turns.is_empty() {
            let Some(share) = self.supply.take(now) else {
                return;
            };
            let Some(next) = self.turns.call() else {
                self.supply.give_back(share);
                return;
            };
            if let Err(share) = next.send(share) {
                self.supply.give_back(share);
            }
        }
    }
}

/// A place in line. Dropping it leaves the line.
pub(super) struct Place<S: Supply> {
    line: Arc<Line<S>>,
    pub(super) ticket: Ticket,
    receiver: oneshot::Receiver<S::Share>,
}

impl<S: Supply> Place<S> {
    /// Waits for a share. Whoever keeps it too long alone is to blame if others wait.
    pub(super) async fn turn(&mut self) -> S::Share {
        match (&mut self.receiver).await {
            Ok(share) => share,
            // The line outlives each place in it, so this does not come.
            Err(_) => std::future::pending().await,
        }
    }
}

impl<S: Supply> Drop for Place<S> {
    fn drop(&mut self) {
        let now = self.line.now();
        let mut state = self.line.lock();
        let waited = state.turns.leave(&self.ticket).is_some();
        if !waited && let Ok(share) = self.receiver.try_recv() {
            state.supply.give_back(share);
            state.give_out(now);
        }
    }
}
