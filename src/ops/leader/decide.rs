//! What a candidate does next: a function of what it knows and of the time, without any I/O.

use super::{
    settings::Settings,
    view::{Held, Lease, Moment, Record, View},
};

/// What a candidate does next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Decision {
    /// Read the lease: what is known of it is not enough.
    Read,
    /// Make the lease, held by nobody. Making it never makes a leader: who deleted it may have deleted
    /// that of one who still writes.
    Make,
    /// Take the lease, in place of this version.
    Take(Lease),
    /// Renew the lease, in place of this version; without one, make it again.
    Renew(Option<Lease>, Record),
    /// Nothing, for so long.
    Wait(Moment),
    /// Stop writing, and end.
    StepDown(Lost),
}

/// Why a leader no longer is one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Lost {
    /// It could not renew in time.
    #[error("it could not be renewed in time: check the way to the Kubernetes API if it lasts")]
    NotRenewed,
    /// The lease says that another holds it.
    #[error("it is held by {0:?} now")]
    Taken(String),
    /// The lease says that it was given back.
    #[error("somebody else gave it back")]
    Released,
}

/// What to do now.
pub(super) fn decide(view: &View, identity: &str, settings: &Settings, now: Moment) -> Decision {
    if let Some(held) = &view.held {
        return keep(view, held, identity, settings, now);
    }
    let Some(seen) = view.seen.as_ref().filter(|_| !view.is_stale) else {
        return Decision::Read;
    };
    let Some(lease) = &seen.lease else {
        return Decision::Make;
    };
    let rests = rest(&lease.record, view.attempt.as_ref(), identity, settings);
    let rested = now.saturating_sub(seen.since);
    match rests.saturating_sub(rested) {
        Moment::ZERO => Decision::Take(lease.clone()),
        left => Decision::Wait(left),
    }
}

/// How long a lease must be seen unchanged before it may be taken.
fn rest(record: &Record, attempt: Option<&Record>, identity: &str, settings: &Settings) -> Moment {
    // A write of ours whose answer was lost: nobody else ever wrote that record.
    let is_ours = record.holder == identity && attempt == Some(record);
    if is_ours || record.is_released() {
        return Moment::ZERO;
    }
    // A holder by other settings, during an upgrade, counts on its own.
    settings.duration.max(record.duration)
}

/// What a leader does.
fn keep(view: &View, held: &Held, identity: &str, settings: &Settings, now: Moment) -> Decision {
    if now.saturating_sub(held.sent) >= settings.renew_deadline {
        return Decision::StepDown(Lost::NotRenewed);
    }
    let Some(seen) = view.seen.as_ref().filter(|_| !view.is_stale) else {
        return Decision::Read;
    };
    let Some(lease) = &seen.lease else {
        return Decision::Renew(None, held.record.clone());
    };
    let holder = &lease.record.holder;
    if lease.record.is_released() {
        return Decision::StepDown(Lost::Released);
    }
    // Without a holder it was made anew, or edited by hand, and it rests: nobody else may take it yet.
    if holder == identity || holder.is_empty() {
        return Decision::Renew(Some(lease.clone()), held.record.clone());
    }
    Decision::StepDown(Lost::Taken(holder.clone()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::ops::leader::view::{RELEASED, Seen};

    const ME: &str = "me";

    fn settings() -> Settings {
        Settings::parse(15, 10, 2).unwrap()
    }

    fn at(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    fn record(holder: &str) -> Record {
        Record::vacant(&settings()).taken(holder, &settings(), Timestamp::UNIX_EPOCH)
    }

    fn lease(record: Record) -> Lease {
        let version = "7".to_owned();
        Lease { version, record }
    }

    /// Seen at ten seconds.
    fn stands_by(record: Option<Record>) -> View {
        let seen = Seen {
            lease: record.map(lease),
            since: at(10),
        };
        View {
            seen: Some(seen),
            ..View::default()
        }
    }

    /// Sent at ten seconds.
    fn leads(record: Option<Record>) -> View {
        let held = Held {
            record: self::record(ME),
            sent: at(10),
        };
        View {
            held: Some(held),
            ..stands_by(record)
        }
    }

    fn decided(view: &View, seconds: u64) -> Decision {
        decide(view, ME, &settings(), at(seconds))
    }

    #[test]
    fn a_lease_of_another_is_taken_when_it_has_rested() {
        let theirs = record("other");
        let view = stands_by(Some(theirs.clone()));
        assert_eq!(decided(&view, 24), Decision::Wait(at(1)));
        assert_eq!(decided(&view, 25), Decision::Take(lease(theirs.clone())));
        // One of a holder that counts on more.
        let duration = at(60);
        let longer = stands_by(Some(Record { duration, ..theirs }));
        assert_eq!(decided(&longer, 25), Decision::Wait(at(45)));
    }

    #[test]
    fn a_lease_that_says_our_own_name_is_another_ones() {
        // Somebody wrote it there: whoever held it may still write.
        let view = stands_by(Some(record(ME)));
        assert_eq!(decided(&view, 11), Decision::Wait(at(14)));
        // But for the write whose answer was lost.
        let mut view = view;
        view.attempt = Some(record(ME));
        assert_eq!(decided(&view, 11), Decision::Take(lease(record(ME))));
    }

    #[test]
    fn only_a_lease_that_was_given_back_is_taken_at_once() {
        let released = record("other").released(Timestamp::UNIX_EPOCH);
        assert_eq!(released.duration, RELEASED);
        let view = stands_by(Some(released.clone()));
        assert_eq!(decided(&view, 10), Decision::Take(lease(released)));
        let mut cleared = record("other");
        cleared.holder.clear();
        let view = stands_by(Some(cleared));
        assert_eq!(decided(&view, 10), Decision::Wait(at(15)));
    }

    #[test]
    fn a_missing_lease_is_made_and_rests_like_any_other() {
        assert_eq!(decided(&stands_by(None), 10), Decision::Make);
        let view = stands_by(Some(Record::vacant(&settings())));
        assert_eq!(decided(&view, 24), Decision::Wait(at(1)));
    }

    #[test]
    fn nothing_is_decided_without_a_look() {
        assert_eq!(decided(&View::default(), 100), Decision::Read);
        let mut view = stands_by(Some(record("other")));
        view.doubts();
        assert_eq!(decided(&view, 100), Decision::Read);
    }

    #[test]
    fn a_leader_renews_until_its_deadline() {
        let own = record(ME);
        let view = leads(Some(own.clone()));
        let renews = Decision::Renew(Some(lease(own.clone())), own);
        assert_eq!(decided(&view, 19), renews);
        let late = Decision::StepDown(Lost::NotRenewed);
        assert_eq!(decided(&view, 20), late);
        let mut view = view;
        view.doubts();
        assert_eq!(decided(&view, 19), Decision::Read);
        assert_eq!(decided(&view, 20), late, "whatever it does not know");
    }

    #[test]
    fn a_leader_puts_back_what_was_deleted_or_cleared() {
        let renews = Decision::Renew(None, record(ME));
        assert_eq!(decided(&leads(None), 11), renews);
        let vacant = Record::vacant(&settings());
        let renews = Decision::Renew(Some(lease(vacant.clone())), record(ME));
        assert_eq!(decided(&leads(Some(vacant)), 11), renews);
    }

    #[test]
    fn a_leader_steps_down_for_another() {
        let taken = Decision::StepDown(Lost::Taken("other".to_owned()));
        assert_eq!(decided(&leads(Some(record("other"))), 11), taken);
        let released = record(ME).released(Timestamp::UNIX_EPOCH);
        let view = leads(Some(released));
        assert_eq!(decided(&view, 11), Decision::StepDown(Lost::Released));
    }
}
