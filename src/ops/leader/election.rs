//! Carries out what `decide` says: reads and writes the lease, and keeps the fence.

use std::{sync::Arc, time::Duration};

use super::{
    LEASE,
    decide::{Decision, Lost, decide},
    fence::LeaseFence,
    lock::{Failed, Lock},
    settings::Settings,
    view::{Lease, Moment, Record, View},
};
use crate::telemetry::{Health, Metrics, api_error};
use k8s_openapi::jiff::Timestamp;
use kube::Client;

/// How many requests one round may take: read, make or take, and both again after a conflict.
const STEPS: usize = 4;

/// How long giving back may take, so that it fits between the drain and the pod's end.
const RELEASE: Duration = Duration::from_secs(3);

/// One candidate, from standing by until it has given the lease back.
pub struct Election {
    lock: Lock,
    identity: String,
    settings: Settings,
    fence: Arc<LeaseFence>,
    metrics: Metrics,
    health: Health,
    view: View,
    /// When the one who led before last said so.
    led_until: Option<Timestamp>,
}

impl Election {
    /// A candidate for the lease of this namespace and name. Its client must not pass the fence.
    #[must_use]
    pub fn new(
        client: Client,
        (namespace, name): (&str, &str),
        identity: String,
        settings: Settings,
        fence: Arc<LeaseFence>,
        (metrics, health): (Metrics, Health),
    ) -> Self {
        tracing::info!(namespace, name, identity, "a candidate for the lease");
        metrics.leading(false);
        Self {
            lock: Lock::new(client, namespace, name),
            identity,
            settings,
            fence,
            metrics,
            health,
            view: View::default(),
            led_until: None,
        }
    }

    /// When the one who led before last said so, by its own clock: for what nobody did meanwhile, and for
    /// nothing that is decided about the lease.
    #[must_use]
    pub fn led_until(&self) -> Option<Timestamp> {
        self.led_until
    }

    /// Stands by until the lease is ours.
    pub async fn win(&mut self) {
        while self.view.held.is_none() {
            // Who does not hold the lease has nothing to lose.
            let pause = self.round().await.unwrap_or(self.settings.retry);
            if self.view.held.is_some() {
                break;
            }
            self.stand_by();
            tokio::time::sleep(pause).await;
        }
        tracing::info!(identity = self.identity, "leading");
        self.health.stand_by(None);
        self.metrics.leading(true);
    }

    /// Keeps the lease until it is lost; no write begins any more then.
    pub async fn keep(&mut self) -> Lost {
        loop {
            match self.round().await {
                Ok(pause) => tokio::time::sleep(pause).await,
                Err(lost) => {
                    self.fence.close();
                    self.metrics.leading(false);
                    return lost;
                }
            }
        }
    }

    /// Gives the lease back, if it is ours, so that another takes it at once. All passes have ended.
    pub async fn release(mut self) {
        self.fence.close();
        self.metrics.leading(false);
        if self.view.held.is_none() && self.view.attempt.is_none() {
            return;
        }
        match tokio::time::timeout(RELEASE, self.give_back()).await {
            Ok(Ok(())) => tracing::info!("the lease is given back"),
            Ok(Err(error)) => {
                let error = api_error(&error);
                tracing::warn!(error, "the lease is not given back: it runs out");
            }
            Err(_) => tracing::warn!("the lease is not given back in time: it runs out"),
        }
    }

    async fn give_back(&mut self) -> Result<(), Failed> {
        loop {
            let found = self.lock.read(RELEASE).await?;
            let Some(lease) = found.filter(|it| it.record.holder == self.identity) else {
                return Ok(());
            };
            let record = lease.record.released(Timestamp::now());
            match self.lock.write(Some(lease.version), &record, RELEASE).await {
                // A renewal of ours may have arrived late.
                Err(Failed::Conflict) => {}
                answer => return answer.map(drop),
            }
        }
    }

    /// Reads where it has to, does what is decided, and tells how long to wait then.
    async fn round(&mut self) -> Result<Duration, Lost> {
        if self.view.held.is_none() {
            self.view.doubts();
        }
        for _ in 0..STEPS {
            let now = self.now();
            let is_done = match decide(&self.view, &self.identity, &self.settings, now) {
                Decision::Read => self.read().await,
                Decision::Make => {
                    let vacant = Record::vacant(&self.settings);
                    self.write(None, vacant).await
                }
                Decision::Take(lease) => {
                    let taken = &lease.record;
                    self.led_until = taken.renewed;
                    let record = taken.taken(&self.identity, &self.settings, Timestamp::now());
                    self.write(Some(lease), record).await
                }
                Decision::Renew(lease, record) => {
                    self.write(lease, record.renewed(Timestamp::now())).await
                }
                Decision::Wait(rest) => return Ok(rest.min(self.pause())),
                Decision::StepDown(lost) => return Err(lost),
            };
            if is_done {
                break;
            }
        }
        Ok(self.pause())
    }

    /// Whether the round is over.
    async fn read(&mut self) -> bool {
        let limit = self.limit();
        match self.lock.read(limit).await {
            Ok(lease) => {
                let now = self.now();
                self.view.read(lease, now);
                self.health.ready(LEASE);
                false
            }
            Err(failed) => self.note(&failed),
        }
    }

    /// Whether the round is over.
    async fn write(&mut self, lease: Option<Lease>, record: Record) -> bool {
        let limit = self.limit();
        self.view.sends(&record);
        // The clock is read before: whoever sees the write sees it later.
        let sent = self.now();
        let version = lease.map(|lease| lease.version);
        match self.lock.write(version, &record, limit).await {
            Ok(lease) => {
                let now = self.now();
                self.view.wrote(lease, &self.identity, sent, now);
                if self.view.held.is_some() {
                    self.fence.renewed(sent);
                }
                self.health.ready(LEASE);
                true
            }
            Err(failed) => {
                self.view.doubts();
                self.note(&failed)
            }
        }
    }

    /// Says what failed; whether the round is over.
    fn note(&self, failed: &Failed) -> bool {
        match failed {
            Failed::Conflict => return false,
            Failed::Refused(kube::Error::Api(status)) if matches!(status.code, 401 | 403) => {
                let why = format!(
                    "the lease can't be used: {failed} — grant the operator's RBAC for leases (deploy/kustomize/rbac)"
                );
                self.health.unready(LEASE, &why);
            }
            Failed::Refused(_) | Failed::TimedOut => {
                let why = format!(
                    "the lease can't be read or written: {failed} — check the way to the Kubernetes API if it lasts"
                );
                self.health.unready(LEASE, &why);
            }
        }
        true
    }

    fn stand_by(&self) {
        let seen = self.view.seen.as_ref();
        let holder = seen.and_then(|seen| seen.lease.as_ref());
        let why = match holder.map(|lease| lease.record.holder.as_str()) {
            None | Some("") => "standing by: nobody leads yet".to_owned(),
            Some(holder) => format!("standing by: {holder} leads"),
        };
        self.health.stand_by(Some(why));
    }

    fn now(&self) -> Moment {
        self.fence.now()
    }

    /// How long until a leader has to step down.
    fn remaining(&self) -> Option<Duration> {
        let held = self.view.held.as_ref()?;
        let end = held.sent.saturating_add(self.settings.renew_deadline);
        Some(end.saturating_sub(self.now()))
    }

    /// How long the next request may take.
    fn limit(&self) -> Duration {
        let limit = self.settings.request();
        self.remaining().map_or(limit, |it| it.min(limit))
    }

    /// Until the next round: the retry period and up to a fifth more, so that candidates do not stay in
    /// step.
    fn pause(&self) -> Duration {
        let pause = self.settings.retry.mul_f64(1.0 + fastrand::f64() / 5.0);
        self.remaining().map_or(pause, |it| it.min(pause))
    }
}
