//! Sweeps: one look at a registry for all objects at rest. Those that it concerns are woken.

use std::sync::Arc;

use futures::{
    Stream, StreamExt as _,
    channel::mpsc::{UnboundedReceiver, UnboundedSender},
    stream,
};
use kube::runtime::reflector::ObjectRef;
use tokio::time::{Instant, sleep_until};

use super::{context::Context, watched::Watched};
use crate::{
    domain::{identity::Registry, retry::back_off},
    ecr::{Access, Clients, Ecr, Snapshot, Swept},
};

/// Where sweeps are asked for.
pub(super) type Wanted = UnboundedSender<Asked>;

/// How AWS is to be called for them, and what is to show them.
pub(super) type Asked = (Access, Arc<Snapshot>);

/// Sees to it that somebody sweeps what a snapshot shows.
pub(super) fn want(wanted: &Wanted, snapshot: &Arc<Snapshot>, access: &Access) {
    if snapshot.wants_sweeper() {
        // Nobody listens any more once the process stops.
        let _ = wanted.unbounded_send((access.clone(), Arc::clone(snapshot)));
    }
}

/// The objects that are to be looked at, as sweeps show.
pub(super) fn news<C: Clients>(
    ctx: Arc<Context<C>>,
    wanted: UnboundedReceiver<Asked>,
) -> impl Stream<Item = ObjectRef<Watched>> + Send + 'static {
    wanted
        .flat_map_unordered(None, move |asked| {
            Box::pin(rounds(Round::first(Arc::clone(&ctx), asked)))
        })
        .flat_map(stream::iter)
}

/// Sweeps one registry by one role again and again, until nobody asks any more.
fn rounds<C: Clients>(first: Round<C>) -> impl Stream<Item = Vec<ObjectRef<Watched>>> + Send {
    stream::unfold(first, |mut round| async move {
        let woken = round.made().await?;
        Some((woken, round))
    })
}

/// The sweeps of one registry by one role.
struct Round<C> {
    ctx: Arc<Context<C>>,
    access: Access,
    snapshot: Arc<Snapshot>,
    /// What was swept, as the metrics know it.
    registry: Option<Registry>,
    /// When the next one is due.
    due: Instant,
    failures: u32,
}

impl<C: Clients> Round<C> {
    /// The first one comes at any time within one resync: operators that start together do not stay in
    /// step. Objects that wait for it need not wait for so long: they hurry it.
    fn first(ctx: Arc<Context<C>>, (access, snapshot): Asked) -> Self {
        let part = 0.5 + fastrand::f64() / 2.0;
        Self {
            due: Instant::now() + ctx.settings.resync.mul_f64(part),
            ctx,
            access,
            snapshot,
            registry: None,
            failures: 0,
        }
    }

    /// Waits until the next one is due, and makes it. None: nobody asks for it, or no class calls AWS like this
    /// any more, which ends it at once, also in the middle.
    async fn made(&mut self) -> Option<Vec<ObjectRef<Watched>>> {
        let snapshot = Arc::clone(&self.snapshot);
        let made = tokio::select! {
            biased;
            () = snapshot.retired() => None,
            made = self.next(&snapshot) => made,
        };
        if made.is_none() {
            self.ends();
        }
        made
    }

    async fn next(&mut self, snapshot: &Snapshot) -> Option<Vec<ObjectRef<Watched>>> {
        tokio::select! {
            () = sleep_until(self.due) => {}
            () = snapshot.hurried() => {}
        }
        if snapshot.let_sweeper_go() {
            return None;
        }
        let client = self.client().await?;
        let began = Instant::now();
        let Swept {
            news,
            owned,
            outcome,
        } = self.swept(&client).await;
        if let Some(registry) = &self.registry {
            // Before anybody is woken: who has lost his repository asks what else is there.
            self.ctx.note_owners(registry, owned);
        }
        self.due = match outcome {
            Ok(()) => {
                self.failures = 0;
                // Exactly the resync: nothing may stay unseen for longer.
                began + self.ctx.settings.resync
            }
            Err(failure) => {
                tracing::warn!(class = failure.class.label(), said = %failure.said, "not swept");
                let wait = back_off(self.failures, fastrand::f64());
                self.failures = self.failures.saturating_add(1);
                Instant::now() + wait.min(self.ctx.settings.resync)
            }
        };
        let users = self.ctx.users_of_access(&self.access);
        Some(self.ctx.bound_to(&news, &users))
    }

    /// The client of the access: another one where AWS refused the credentials, that of another class where only
    /// that still calls AWS alike. None: none does.
    async fn client(&mut self) -> Option<Arc<C::Ecr>> {
        self.access = self.ctx.alike(&self.access)?;
        Some(self.ctx.clients.open(&self.access).await)
    }

    /// What is no longer swept has no age.
    fn ends(&self) {
        self.snapshot.sweeper_goes();
        if let Some(registry) = &self.registry {
            self.ctx.metrics.no_longer_swept(&registry.to_string());
        }
    }

    async fn swept(&mut self, client: &C::Ecr) -> Swept {
        match client.registry().await {
            Ok(registry) => {
                let users = self.ctx.users_of_access(&self.access);
                let bound = self.ctx.bound_names_of(&registry, &users);
                self.registry = Some(registry.clone());
                client.sweep(&registry, &bound).await
            }
            Err(failure) => Swept {
                news: client.snapshot().failed(&failure),
                owned: Vec::new(),
                outcome: Err(failure),
            },
        }
    }
}
