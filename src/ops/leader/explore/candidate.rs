//! A candidate without I/O: what `Election` does, one request at a time.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::ops::leader::{
    decide::{Decision, decide},
    fence::Grip,
    settings::Settings,
    view::{Lease, Moment, Record, View},
};

/// As in `Election::round`.
const STEPS: usize = 4;

/// What is asked of the API server.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Read,
    Write(Option<String>, Record),
}

/// What it answers.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Read(Option<Lease>),
    Written(Lease),
    Conflict,
}

/// What a candidate does next.
#[derive(Debug)]
pub(super) enum Step {
    /// Sends a request, and gives it up after so long.
    Send(Request, Moment),
    Sleep(Moment),
    Exit,
}

pub(super) struct Candidate {
    pub(super) identity: String,
    pub(super) grip: Grip,
    /// How wrong its wall clock is.
    skew: i64,
    settings: Settings,
    view: View,
    sent: Moment,
    steps: usize,
}

impl Candidate {
    pub(super) fn new(identity: String, skew: i64, settings: Settings) -> Self {
        Self {
            identity,
            grip: Grip::StandsBy,
            skew,
            settings,
            view: View::default(),
            sent: Moment::ZERO,
            steps: 0,
        }
    }

    /// A round begins.
    pub(super) fn round(&mut self, now: Moment, dice: f64) -> Step {
        self.steps = 0;
        if self.view.held.is_none() {
            self.view.doubts();
        }
        self.step(now, dice)
    }

    fn step(&mut self, now: Moment, dice: f64) -> Step {
        self.steps += 1;
        if self.steps > STEPS {
            return Step::Sleep(self.pause(now, dice));
        }
        let wall = Timestamp::from_second(1_800_000_000 + self.skew).unwrap() + now;
        match decide(&self.view, &self.identity, &self.settings, now) {
            Decision::Read => Step::Send(Request::Read, self.limit(now)),
            Decision::Make => self.write(None, Record::vacant(&self.settings), now),
            Decision::Take(lease) => {
                let record = lease.record.taken(&self.identity, &self.settings, wall);
                self.write(Some(lease), record, now)
            }
            Decision::Renew(lease, record) => self.write(lease, record.renewed(wall), now),
            Decision::Wait(rest) => Step::Sleep(rest.min(self.pause(now, dice))),
            Decision::StepDown(_) => {
                self.grip = Grip::Closed;
                Step::Exit
            }
        }
    }

    fn write(&mut self, lease: Option<Lease>, record: Record, now: Moment) -> Step {
        self.view.sends(&record);
        self.sent = now;
        let version = lease.map(|lease| lease.version);
        Step::Send(Request::Write(version, record), self.limit(now))
    }

    /// The request was answered, or given up.
    pub(super) fn answered(&mut self, answer: Option<Answer>, now: Moment, dice: f64) -> Step {
        match answer {
            Some(Answer::Read(lease)) => {
                self.view.read(lease, now);
                self.step(now, dice)
            }
            Some(Answer::Written(lease)) => {
                self.view.wrote(lease, &self.identity, self.sent, now);
                if self.view.held.is_some() {
                    self.grip = self.grip.renewed(self.sent, &self.settings, now);
                }
                Step::Sleep(self.pause(now, dice))
            }
            Some(Answer::Conflict) => {
                self.view.doubts();
                self.step(now, dice)
            }
            None => {
                self.view.doubts();
                Step::Sleep(self.pause(now, dice))
            }
        }
    }

    /// Gives the lease back: a read, and then the write.
    pub(super) fn release(&mut self, found: Option<Lease>) -> Option<Request> {
        self.grip = Grip::Closed;
        let lease = found.filter(|it| it.record.holder == self.identity)?;
        let record = lease.record.released(Timestamp::UNIX_EPOCH);
        Some(Request::Write(Some(lease.version), record))
    }

    fn remaining(&self, now: Moment) -> Option<Duration> {
        let held = self.view.held.as_ref()?;
        Some((held.sent + self.settings.renew_deadline).saturating_sub(now))
    }

    fn limit(&self, now: Moment) -> Duration {
        let limit = self.settings.request();
        self.remaining(now).map_or(limit, |it| it.min(limit))
    }

    fn pause(&self, now: Moment, dice: f64) -> Duration {
        let pause = self.settings.retry.mul_f64(1.0 + dice / 5.0);
        self.remaining(now).map_or(pause, |it| it.min(pause))
    }
}
