//! What one candidate knows of the lease.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::settings::Settings;

/// A moment by the process's own monotonic clock. It is never compared with a time that another wrote.
pub(super) type Moment = Duration;

/// What client-go's election record holds. Its times are for people and tools: nothing here compares
/// them with a clock.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Record {
    /// Who holds the lease; empty: nobody.
    pub(super) holder: String,
    /// How long it says that it is valid.
    pub(super) duration: Duration,
    /// When this holder took it.
    pub(super) acquired: Option<Timestamp>,
    /// When it last renewed it.
    pub(super) renewed: Option<Timestamp>,
    /// How often the holder changed.
    pub(super) transitions: i32,
}

/// The duration of a lease that was given back (client-go, `release`).
pub(super) const RELEASED: Duration = Duration::from_secs(1);

impl Record {
    /// A lease that nobody has held yet, or that somebody deleted: it must rest like any other.
    pub(super) fn vacant(settings: &Settings) -> Self {
        Self {
            holder: String::new(),
            duration: settings.duration,
            acquired: None,
            renewed: None,
            transitions: 0,
        }
    }

    /// Its holder gave it back: it writes no more. A lease whose holder was only cleared, by hand, is
    /// not given back.
    pub(super) fn is_released(&self) -> bool {
        self.holder.is_empty() && self.duration == RELEASED
    }

    /// The same, taken by another.
    pub(super) fn taken(&self, identity: &str, settings: &Settings, now: Timestamp) -> Self {
        let changes = i32::from(self.holder != identity);
        Self {
            holder: identity.to_owned(),
            duration: settings.duration,
            acquired: Some(now),
            renewed: Some(now),
            transitions: self.transitions.saturating_add(changes),
        }
    }

    /// The same, renewed by its holder.
    pub(super) fn renewed(&self, now: Timestamp) -> Self {
        Self {
            renewed: Some(now),
            ..self.clone()
        }
    }

    /// The same, given back.
    pub(super) fn released(&self, now: Timestamp) -> Self {
        Self {
            holder: String::new(),
            duration: RELEASED,
            acquired: Some(now),
            renewed: Some(now),
            transitions: self.transitions,
        }
    }
}

/// The lease as it was last read or written. Versions are the API server's: equal ones are the same
/// content, and a write is held to the one that it was decided on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Lease {
    pub(super) version: String,
    pub(super) record: Record,
}

/// The lease, and since when it has been as it is, as far as this candidate has seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Seen {
    /// `None`: there is none.
    pub(super) lease: Option<Lease>,
    pub(super) since: Moment,
}

/// That this candidate leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Held {
    /// What it last wrote.
    pub(super) record: Record,
    /// When it *sent* the last write that was taken: whoever saw that write saw it later.
    pub(super) sent: Moment,
}

/// What one candidate knows.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    pub(super) seen: Option<Seen>,
    pub(super) held: Option<Held>,
    /// What it last tried to write and does not know the fate of.
    pub(super) attempt: Option<Record>,
    /// The lease must be read before anything is concluded.
    pub(super) is_stale: bool,
}

impl View {
    /// A read was answered. The answer may be late, so the lease counts as new from now.
    pub(super) fn read(&mut self, lease: Option<Lease>, now: Moment) {
        self.is_stale = false;
        let version = |lease: &Option<Lease>| lease.as_ref().map(|it| it.version.clone());
        let same = |seen: &Seen| version(&seen.lease) == version(&lease);
        if !self.seen.as_ref().is_some_and(same) {
            self.seen = Some(Seen { lease, since: now });
        }
    }

    /// A write is about to be sent.
    pub(super) fn sends(&mut self, record: &Record) {
        self.attempt = Some(record.clone());
    }

    /// A write that was sent at `sent` was taken.
    pub(super) fn wrote(&mut self, lease: Lease, identity: &str, sent: Moment, now: Moment) {
        self.attempt = None;
        let record = lease.record.clone();
        self.held = (record.holder == identity).then_some(Held { record, sent });
        self.is_stale = false;
        self.seen = Some(Seen {
            lease: Some(lease),
            since: now,
        });
    }

    /// A write was refused because the lease is another one by now, or nobody knows what became of it.
    pub(super) fn doubts(&mut self) {
        self.is_stale = true;
    }
}
