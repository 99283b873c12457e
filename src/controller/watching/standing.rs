//! Whether a watch does its work. Each failure is followed by another attempt, and nobody tells of one that works
//! where nothing happens: so many failures in a row count, and then a silence of them.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use kube::runtime::watcher::{self, Event};
use tokio::time::{Instant, Sleep, sleep};

use crate::telemetry::{Health, Metrics, api_error, numbered};

/// So many failures in a row are more than a server that restarts: with the waits between them, some 20 seconds.
const AT_MOST: u32 = 5;

/// Longer than from one attempt to the next: what fails for good would have failed again.
const SILENCE: Duration = Duration::from_secs(30);

/// Failures are in a row that are not further apart.
const ROW: Duration = Duration::from_mins(1);

/// How the watch of a kind stands.
pub(super) struct Standing {
    kind: &'static str,
    metrics: Metrics,
    health: Health,
    in_row: u32,
    last: Option<Instant>,
    /// Since the watch, and not a list, failed for so often.
    silence: Option<Pin<Box<Sleep>>>,
}

impl Standing {
    pub(super) fn of(kind: &'static str, (metrics, health): (Metrics, Health)) -> Self {
        metrics.watch_failed(kind, 0);
        Self {
            kind,
            metrics,
            health,
            in_row: 0,
            last: None,
            silence: None,
        }
    }

    /// Somebody still asks for events.
    pub(super) fn asked(&mut self, cx: &mut Context<'_>) {
        self.health.beats(self.kind);
        let is_over = self.silence.as_mut().map(|it| it.as_mut().poll(cx));
        if let Some(Poll::Ready(())) = is_over {
            self.works();
        }
    }

    pub(super) fn told<T>(&mut self, event: &watcher::Result<Event<T>>) {
        match event {
            Ok(Event::Apply(_) | Event::Delete(_)) => self.works(),
            // A list tells nothing of a watch that failed after the last one.
            Ok(Event::InitDone) if self.silence.is_none() => self.works(),
            Ok(Event::InitDone | Event::Init | Event::InitApply(_)) => {}
            Err(error) => self.failed(error),
        }
    }

    fn works(&mut self) {
        self.in_row = 0;
        self.silence = None;
        self.health.ready(self.kind);
    }

    fn failed(&mut self, error: &watcher::Error) {
        self.metrics.watch_failed(self.kind, 1);
        let now = Instant::now();
        let is_row = self.last.is_some_and(|last| now.duration_since(last) < ROW);
        self.in_row = if is_row {
            self.in_row.saturating_add(1)
        } else {
            1
        };
        self.last = Some(now);
        let (lists, is_definite) = (is_list(error), is_definite(error));
        if lists || is_definite || self.in_row >= AT_MOST {
            self.health.unready(self.kind, &explain(self.kind, error));
            self.silence = (!lists).then(|| Box::pin(sleep(SILENCE)));
        } else {
            let said = said(error);
            tracing::warn!("the watch of {} ended, and begins again: {said}", self.kind);
        }
    }
}

fn is_list(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(_) => true,
        watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::WatchError(_)
        | watcher::Error::NoResourceVersion => false,
    }
}

/// Whether one failure is enough: the kind is not there.
fn is_definite(error: &watcher::Error) -> bool {
    code(error) == Some(404)
}

/// What the API server answered.
fn code(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status.code),
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::NoResourceVersion => None,
    }
}

/// What went wrong.
fn said(error: &watcher::Error) -> String {
    numbered(code(error), api_error(error))
}

/// What failures of a watch mean, and what to do.
fn explain(kind: &str, error: &watcher::Error) -> String {
    let (verb, said) = (
        if is_list(error) { "listed" } else { "watched" },
        said(error),
    );
    match code(error) {
        Some(404) => format!(
            "the API server does not know {kind} — install the CRDs (kubectl apply --server-side -f crds/)"
        ),
        Some(401) => format!(
            "{kind} can't be {verb}: {said} — the API server does not take the operator's credentials: is its \
             ServiceAccount there (deploy/kustomize/rbac)?"
        ),
        Some(403) => format!(
            "{kind} can't be {verb}: {said} — grant the operator's RBAC (deploy/kustomize/rbac)"
        ),
        Some(_) | None => format!(
            "{kind} can't be {verb}: {said} — check the API server and the way to it if it lasts"
        ),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn refused(code: u16, message: &str) -> kube::Error {
        kube::Error::Api(Box::new(Status::failure(message, message).with_code(code)))
    }

    fn new() -> (Standing, Health) {
        let health = Health::of(["Kind"]);
        let metrics = Metrics::of("ecr-operator");
        (Standing::of("Kind", (metrics, health.clone())), health)
    }

    const LISTED: watcher::Result<Event<()>> = Ok(Event::InitDone);

    fn watch_refused(standing: &mut Standing, times: u32) {
        for _ in 0..times {
            let error = watcher::Error::WatchStartFailed(refused(401, "Unauthorized"));
            standing.told::<()>(&Err(error));
        }
    }

    fn passes_in_silence(standing: &mut Standing) {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        standing.asked(&mut cx);
    }

    #[tokio::test]
    async fn a_few_failures_of_a_watch_are_not_many() {
        let (mut standing, health) = new();
        standing.told(&LISTED);
        watch_refused(&mut standing, AT_MOST - 1);
        assert_eq!(health.check(), Ok(()));
        standing.told(&Ok(Event::Apply(())));
        watch_refused(&mut standing, AT_MOST - 1);
        assert_eq!(health.check(), Ok(()));
        watch_refused(&mut standing, 1);
        let why = health.check().unwrap_err();
        assert!(
            why.starts_with("Kind can't be watched: 401 Unauthorized — "),
            "{why}"
        );
        standing.told(&Ok(Event::Apply(())));
        assert_eq!(health.check(), Ok(()));
    }

    #[tokio::test]
    async fn a_list_says_nothing_of_a_watch_that_is_refused() {
        let (mut standing, health) = new();
        watch_refused(&mut standing, AT_MOST);
        standing.told(&LISTED);
        passes_in_silence(&mut standing);
        assert!(health.check().is_err());
        // Time alone would tell.
        standing.silence = Some(Box::pin(sleep(Duration::ZERO)));
        tokio::time::sleep(Duration::from_millis(5)).await;
        passes_in_silence(&mut standing);
        assert_eq!(health.check(), Ok(()));
    }

    #[tokio::test]
    async fn a_list_that_fails_is_told_at_once_and_so_is_its_end() {
        for (code, said, expected) in [
            (404, "no such kind", "install the CRDs"),
            (
                401,
                "Unauthorized",
                "does not take the operator's credentials",
            ),
            (403, "may not list it", "grant the operator's RBAC"),
            (500, "no room", "check the API server"),
        ] {
            let (mut standing, health) = new();
            let error = watcher::Error::InitialListFailed(refused(code, said));
            standing.told::<()>(&Err(error));
            let why = health.check().unwrap_err();
            assert!(why.contains(expected) && why.contains(" — "), "{why}");
            standing.told(&LISTED);
            assert_eq!(health.check(), Ok(()));
        }
    }
}
