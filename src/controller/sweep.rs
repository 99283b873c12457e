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
    domain::retry::back_off,
    ecr::{Access, Clients, Ecr, Snapshot, Swept},
};

/// Where sweeps are asked for.
pub(super) type Wanted = UnboundedSender<Access>;

/// Sees to it that somebody sweeps what a snapshot shows.
pub(super) fn want(wanted: &Wanted, snapshot: &Snapshot, access: &Access) {
    if snapshot.wants_sweeper() {
        // Nobody listens any more once the process stops.
        let _ = wanted.unbounded_send(access.clone());
    }
}

/// The objects that are to be looked at, as sweeps show.
pub(super) fn news<C: Clients>(
    ctx: Arc<Context<C>>,
    wanted: UnboundedReceiver<Access>,
) -> impl Stream<Item = ObjectRef<Watched>> + Send + 'static {
    wanted
        .flat_map_unordered(None, move |access| {
            Box::pin(rounds(Round::first(Arc::clone(&ctx), access)))
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
    /// When the next one is due.
    due: Instant,
    failures: u32,
}

impl<C: Clients> Round<C> {
    /// The first one comes at any time within one resync: operators that start together do not stay in
    /// step. Objects that were at rest when the process began do not wait for so long: they hurry it.
    fn first(ctx: Arc<Context<C>>, access: Access) -> Self {
        let part = 0.5 + fastrand::f64() / 2.0;
        Self {
            due: Instant::now() + ctx.settings.resync.mul_f64(part),
            ctx,
            access,
            failures: 0,
        }
    }

    /// Waits until the next one is due, and makes it. None: nobody asks for it.
    async fn made(&mut self) -> Option<Vec<ObjectRef<Watched>>> {
        let snapshot = self.client().await.snapshot();
        tokio::select! {
            () = sleep_until(self.due) => {}
            () = snapshot.hurried() => {}
        }
        if snapshot.let_sweeper_go() {
            self.ends().await;
            return None;
        }
        let began = Instant::now();
        let Swept { news, outcome } = self.swept().await;
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
        Some(self.ctx.bound_to(&news))
    }

    /// The client of the access: another one where AWS refused the credentials.
    async fn client(&self) -> Arc<C::Ecr> {
        self.ctx.clients.open(&self.access).await
    }

    /// What is no longer swept has no age.
    async fn ends(&self) {
        if let Ok(registry) = self.client().await.registry().await {
            self.ctx.metrics.no_longer_swept(&registry.to_string());
        }
    }

    async fn swept(&self) -> Swept {
        let client = self.client().await;
        match client.registry().await {
            Ok(registry) => {
                let bound = self.ctx.bound_names(&registry);
                client.sweep(&registry, &bound).await
            }
            Err(failure) => Swept {
                news: client.snapshot().failed(&failure),
                outcome: Err(failure),
            },
        }
    }
}
