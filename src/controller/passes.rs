//! The loop that begins passes: over what somebody asks for, and over what is due.
//!
//! kube's own looks at each pass that it has begun whenever anything happens (kube-runtime,
//! `FutureHashMap`). With thousands of objects that wait for their turn at AWS's pace that was most of
//! what the process did.

use std::{collections::HashMap, pin::pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt as _};
use kube::{ResourceExt as _, runtime::reflector::ObjectRef};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    context::Context,
    queue::{Object, Queue, Why},
    reconcile::reconcile,
    shown::{key, key_of},
    watched::Watched,
};
use crate::ecr::Clients;

/// What the watches ask for.
pub(super) enum Wanted {
    /// An object is to have a pass.
    Pass(ObjectRef<Watched>, Why),
    /// An object is gone.
    Gone(ObjectRef<Watched>),
    /// All objects have been listed, perhaps again: some may be gone.
    Listed,
}

/// What has happened.
enum Happened {
    /// The first list is there.
    Listed,
    Wanted(Wanted),
    Due(Object),
    Ended(Ended),
    /// The definitions are as they should be, or no longer.
    Defined,
}

/// A pass that has ended.
struct Passed {
    name: Object,
    uid: Option<String>,
    /// When the next one is to come.
    next: Option<Duration>,
}

type Ended = Result<Passed, JoinError>;

/// Makes passes until the process is to stop, and waits for those under way.
pub(super) async fn passes<C: Clients>(ctx: Arc<Context<C>>, wanted: impl Stream<Item = Wanted>) {
    let mut wanted = pin!(wanted);
    let mut listed = pin!(ctx.store.wait_until_ready());
    let mut is_listed = false;
    let mut definitions = ctx.definitions.clone();
    let mut work = Work {
        ctx: &ctx,
        queue: Queue::new({
            let ctx = Arc::clone(&ctx);
            move |name| ctx.surroundings.class(name).is_some()
        }),
        passes: JoinSet::new(),
        running: HashMap::new(),
        weight: 0,
    };
    loop {
        let happened = tokio::select! {
            () = ctx.shutdown.cancelled() => break,
            it = &mut listed, if !is_listed => match it {
                Ok(()) => Happened::Listed,
                // The watch has ended, and with it all work.
                Err(_) => break,
            },
            Some(it) = wanted.next() => Happened::Wanted(it),
            Some(it) = work.queue.due() => Happened::Due(it),
            Some(it) = work.passes.join_next() => Happened::Ended(it),
            () = definitions.change() => Happened::Defined,
            else => break,
        };
        match happened {
            Happened::Listed => {
                is_listed = true;
                work.wants_all();
            }
            Happened::Wanted(it) if is_listed => work.told(it),
            // All that the first list shows have a pass once it is whole.
            Happened::Wanted(_) => {}
            Happened::Due(it) => work.wants(&it, Why::Look),
            Happened::Ended(it) => work.ended(it),
            Happened::Defined => work.defined(),
        }
        work.begin();
    }
    while let Some(ended) = work.passes.join_next().await {
        work.ended(ended);
    }
}

struct Work<'a, C> {
    ctx: &'a Arc<Context<C>>,
    queue: Queue,
    passes: JoinSet<Passed>,
    running: HashMap<Object, Running>,
    /// Of all that run.
    weight: usize,
}

/// A pass under way.
struct Running {
    /// Tells it that its object has changed.
    changed: CancellationToken,
    /// How large its object is, in bytes as it is kept.
    weight: usize,
}

/// Passes begin while their objects are no larger than this together, in bytes as they are kept: each has its
/// own in memory several times. Usual ones have less than a thousandth of it, and one class's cannot have all.
const HEAVIEST: usize = 4 << 20;

impl<C: Clients> Work<'_, C> {
    fn wants_all(&mut self) {
        for object in self.ctx.store.state() {
            self.joins(&object, Why::Look);
        }
    }

    fn told(&mut self, what: Wanted) {
        match what {
            Wanted::Pass(name, why) => self.wants(&name, why),
            Wanted::Gone(name) => {
                self.cuts_short(&name);
                self.queue.gone(&name);
            }
            Wanted::Listed => {
                let store = &self.ctx.store;
                self.queue.only(|name| store.get(name).is_some());
            }
        }
    }

    fn wants(&mut self, name: &ObjectRef<Watched>, why: Why) {
        match why {
            Why::Changed | Why::Surroundings => self.cuts_short(name),
            Why::Look => {}
        }
        // Whoever is gone meanwhile has had its last event.
        if let Some(object) = self.ctx.store.get(name) {
            self.joins(&object, why);
        }
    }

    /// What the pass under way waits for is no longer asked for, or no longer permitted.
    fn cuts_short(&self, name: &ObjectRef<Watched>) {
        if let Some(running) = self.running.get(name) {
            running.changed.cancel();
        }
    }

    /// Where objects no longer say what they were written to say, what is under way writes nothing more.
    fn defined(&self) {
        if !self.ctx.definitions.fit() {
            for running in self.running.values() {
                running.changed.cancel();
            }
        }
    }

    fn joins(&mut self, object: &Watched, why: Why) {
        self.ctx.objects.wanted(key_of(object));
        self.queue.wants(object, why);
    }

    fn begin(&mut self) {
        while self.weight < HEAVIEST
            && self.ctx.definitions.fit()
            && let Some(name) = self.queue.begins()
        {
            // It may have waited long: the pass is over the object as it is now.
            let Some(object) = self.ctx.store.get(&name) else {
                self.queue.ended(&name, None, None);
                continue;
            };
            let ctx = Arc::clone(self.ctx);
            let (changed, weight) = (CancellationToken::new(), object.weight());
            self.weight += weight;
            let running = Running {
                changed: changed.clone(),
                weight,
            };
            self.running.insert(Arc::clone(&name), running);
            self.passes.spawn(async move {
                let uid = object.uid();
                let next = reconcile(object, ctx, changed).await;
                Passed { name, uid, next }
            });
        }
    }

    fn ended(&mut self, ended: Ended) {
        let Passed { name, uid, next } = match ended {
            Ok(ended) => ended,
            // Nobody cancels a pass.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return,
            },
        };
        if let Some(running) = self.running.remove(&name) {
            self.weight -= running.weight;
        }
        let object = self.ctx.store.get(&name);
        if let Some(uid) = uid
            && object.as_ref().and_then(|it| it.uid()).as_ref() != Some(&uid)
        {
            // It went during the pass, which may have remembered something after all.
            self.ctx.memories.forget(&uid);
        }
        if let (Some(_), Some(next)) = (&object, next) {
            self.ctx.objects.later(key(&name), next);
        }
        self.queue.ended(&name, next, object.as_deref());
    }
}
