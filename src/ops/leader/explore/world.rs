//! Candidates, an API server, the network between them and what happens to all of it, in true time.
//! Everything follows from the script and one seed.

use std::{collections::BTreeMap, time::Duration};

use super::candidate::{Answer, Candidate, Request, Step};
use crate::ops::leader::{
    fence::Grip,
    settings::Settings,
    view::{Lease, Moment, Record},
};

/// True time, in milliseconds.
pub(super) type Time = u64;

/// How long a write may still be on its way once its process sends nothing more.
const FLIGHT: Time = 500;

/// What happens to the candidates and their lease.
#[derive(Clone, Debug)]
pub(super) enum Disturbance {
    /// SIGSTOP, and SIGCONT after a while.
    Pause(usize, Time),
    /// SIGKILL; it is started again after a while.
    Kill(usize, Time),
    /// SIGTERM: the lease is given back; it is started again after a while.
    Stop(usize, Time),
    /// No way between a candidate and the API server.
    CutOff(usize, Time),
    /// The API server answers nobody.
    Down(Time),
    /// Every other answer is lost.
    Lossy(Time),
    /// Requests and answers take up to 20 seconds.
    Slow(Time),
    /// kubectl delete lease.
    Delete,
    /// Another holder, written by hand: a candidate, or nobody that exists.
    Edit(Option<usize>),
    /// No holder, written by hand.
    Clear,
}

/// What is broken on purpose, to see that the exploration finds it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Broken {
    Nothing,
    /// The API server takes every write.
    OptimisticLock,
    /// Writes go on until somebody says that the lease is lost.
    Fence,
}

#[derive(Debug)]
enum Event {
    Wake(usize, u64),
    Arrives(usize, u64, Request),
    Answers(usize, u64, Answer),
    GivenUp(usize, u64),
    Resumes(usize),
    Starts(usize),
    Disturbs(Disturbance),
}

struct Process {
    candidate: Option<Candidate>,
    rate: f64,
    offset: Moment,
    is_paused: bool,
    /// What happened to it while it was paused.
    missed: Vec<Event>,
    cut_until: Time,
    /// Numbers its waits: an answer to another one comes too late.
    asked: u64,
    /// Until when something that it sent may still arrive.
    echoes: Time,
}

pub(super) struct World {
    settings: Settings,
    broken: Broken,
    dice: fastrand::Rng,
    now: Time,
    queue: BTreeMap<(Time, u64), Event>,
    count: u64,
    lease: Option<Lease>,
    version: u64,
    processes: Vec<Process>,
    down_until: Time,
    lossy_until: Time,
    slow_until: Time,
    started: u64,
    /// How often another candidate came to lead.
    pub(super) leaders: Vec<String>,
}

impl World {
    pub(super) fn new(settings: Settings, rates: &[f64], seed: u64, broken: Broken) -> Self {
        let process = |rate: &f64| Process {
            candidate: None,
            rate: *rate,
            offset: Duration::from_secs(1),
            is_paused: false,
            missed: Vec::new(),
            cut_until: 0,
            asked: 0,
            echoes: 0,
        };
        let mut world = Self {
            settings,
            broken,
            dice: fastrand::Rng::with_seed(seed),
            now: 0,
            queue: BTreeMap::new(),
            count: 0,
            lease: None,
            version: 0,
            processes: rates.iter().map(process).collect(),
            down_until: 0,
            lossy_until: 0,
            slow_until: 0,
            started: 0,
            leaders: Vec::new(),
        };
        for process in 0..rates.len() {
            let later = world.dice.u64(0..3_000);
            world.later(later, Event::Starts(process));
        }
        world
    }

    pub(super) fn disturb(&mut self, at: Time, disturbance: Disturbance) {
        self.later(at, Event::Disturbs(disturbance));
    }

    /// Goes on until a time; fails when two may write at once.
    pub(super) fn run(&mut self, until: Time) -> Result<(), String> {
        while let Some(entry) = self.queue.first_entry() {
            let (at, _) = *entry.key();
            if at > until {
                break;
            }
            let event = entry.remove();
            self.now = at;
            self.happens(event);
            let writers = self.writers();
            if writers.len() > 1 {
                return Err(format!("two write at {at} ms: {writers:?}"));
            }
        }
        self.now = until;
        Ok(())
    }

    /// Those who may write now, or of whom a write may still arrive.
    pub(super) fn writers(&self) -> Vec<usize> {
        let all = 0..self.processes.len();
        all.filter(|it| self.writes(*it) || self.processes[*it].echoes > self.now)
            .collect()
    }

    /// Whether a write that it began may still be under way. A process that is paused sends nothing.
    fn writes(&self, process: usize) -> bool {
        let it = &self.processes[process];
        let grip = it.candidate.as_ref().map(|it| it.grip);
        let end = grip.and_then(|grip| match (grip, self.broken) {
            (Grip::Leads(_), Broken::Fence) => Some(Moment::MAX),
            (grip, _) => grip.end(&self.settings),
        });
        !it.is_paused && end.is_some_and(|end| self.local(process) < end)
    }

    fn local(&self, process: usize) -> Moment {
        let it = &self.processes[process];
        it.offset + Duration::from_millis(self.now).mul_f64(it.rate)
    }

    fn later(&mut self, wait: Time, event: Event) {
        self.count += 1;
        let key = (self.now + wait, self.count);
        self.queue.insert(key, event);
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Starts(process) => self.start(process),
            Event::Resumes(process) => self.resume(process),
            Event::Disturbs(disturbance) => self.disturbed(&disturbance),
            Event::Arrives(process, asked, request) => self.serve(process, asked, request),
            Event::Wake(process, _) | Event::Answers(process, ..) | Event::GivenUp(process, _)
                if self.processes[process].is_paused =>
            {
                self.processes[process].missed.push(event);
            }
            Event::Wake(process, asked) => {
                let (now, dice) = (self.local(process), self.dice.f64());
                self.with(process, asked, |it| it.round(now, dice));
            }
            Event::Answers(process, asked, answer) => self.answer(process, asked, Some(answer)),
            Event::GivenUp(process, asked) => self.answer(process, asked, None),
        }
    }

    fn answer(&mut self, process: usize, asked: u64, answer: Option<Answer>) {
        let (now, dice) = (self.local(process), self.dice.f64());
        self.with(process, asked, |it| it.answered(answer, now, dice));
    }

    fn start(&mut self, process: usize) {
        let is_up = self.processes[process].candidate.is_some();
        if is_up {
            return;
        }
        self.started += 1;
        let identity = format!("{process}_{}", self.started);
        let skew = self.dice.i64(-3_600..3_600);
        self.processes[process].candidate = Some(Candidate::new(identity, skew, self.settings));
        let asked = self.next(process);
        self.later(0, Event::Wake(process, asked));
    }

    fn resume(&mut self, process: usize) {
        self.processes[process].is_paused = false;
        let mut missed = std::mem::take(&mut self.processes[process].missed);
        // Timers and answers are ready alike, in no order.
        self.dice.shuffle(&mut missed);
        for event in missed {
            self.later(0, event);
        }
    }

    /// What a candidate does about what it waited for.
    fn with(&mut self, process: usize, asked: u64, act: impl FnOnce(&mut Candidate) -> Step) {
        let it = &mut self.processes[process];
        let Some(candidate) = it.candidate.as_mut().filter(|_| it.asked == asked) else {
            return;
        };
        let led = matches!(candidate.grip, Grip::Leads(_));
        let step = act(candidate);
        if !led && matches!(candidate.grip, Grip::Leads(_)) {
            self.leaders.push(candidate.identity.clone());
        }
        let asked = self.next(process);
        match step {
            Step::Sleep(wait) => {
                let wait = self.true_time(process, wait);
                self.later(wait, Event::Wake(process, asked));
            }
            Step::Send(request, limit) => {
                let limit = self.true_time(process, limit);
                self.later(limit, Event::GivenUp(process, asked));
                let takes = self.latency();
                self.later(takes, Event::Arrives(process, asked, request));
            }
            Step::Exit => {
                let again = self.dice.u64(500..10_000);
                self.end(process, again);
            }
        }
    }

    fn next(&mut self, process: usize) -> u64 {
        let it = &mut self.processes[process];
        it.asked += 1;
        it.asked
    }

    fn true_time(&self, process: usize, local: Moment) -> Time {
        let wait = local.div_f64(self.processes[process].rate);
        u64::try_from(wait.as_millis()).unwrap() + 1
    }

    fn latency(&mut self) -> Time {
        let most = if self.slow_until > self.now {
            20_000
        } else {
            50
        };
        self.dice.u64(1..=most)
    }

    /// It is gone; what it sent last may still arrive.
    fn end(&mut self, process: usize, again: Time) {
        self.quiet(process);
        self.processes[process].candidate = None;
        self.later(again, Event::Starts(process));
    }

    fn quiet(&mut self, process: usize) {
        if self.writes(process) {
            self.processes[process].echoes = self.now + FLIGHT;
        }
    }

    fn is_cut(&self, process: usize) -> bool {
        self.processes[process].cut_until > self.now || self.down_until > self.now
    }

    fn serve(&mut self, process: usize, asked: u64, request: Request) {
        if self.is_cut(process) {
            return;
        }
        let answer = self.carry_out(request);
        let is_lost = self.lossy_until > self.now && self.dice.bool();
        if !is_lost {
            let takes = self.latency();
            self.later(takes, Event::Answers(process, asked, answer));
        }
    }

    fn carry_out(&mut self, request: Request) -> Answer {
        match request {
            Request::Read => Answer::Read(self.lease.clone()),
            Request::Write(version, record) => {
                let held = self.lease.as_ref().map(|lease| lease.version.clone());
                if held != version && self.broken != Broken::OptimisticLock {
                    return Answer::Conflict;
                }
                Answer::Written(self.put(record))
            }
        }
    }

    fn put(&mut self, record: Record) -> Lease {
        self.version += 1;
        let version = self.version.to_string();
        let lease = Lease { version, record };
        self.lease = Some(lease.clone());
        lease
    }

    fn disturbed(&mut self, disturbance: &Disturbance) {
        match *disturbance {
            Disturbance::Pause(process, time) => {
                if !self.processes[process].is_paused {
                    self.quiet(process);
                    self.processes[process].is_paused = true;
                    self.later(time, Event::Resumes(process));
                }
            }
            Disturbance::Kill(process, again) => self.end(process, again),
            Disturbance::Stop(process, again) => self.stop(process, again),
            Disturbance::CutOff(process, time) => {
                self.processes[process].cut_until = self.now + time;
            }
            Disturbance::Down(time) => self.down_until = self.now + time,
            Disturbance::Lossy(time) => self.lossy_until = self.now + time,
            Disturbance::Slow(time) => self.slow_until = self.now + time,
            Disturbance::Delete => self.lease = None,
            Disturbance::Edit(to) => {
                let holder = to.and_then(|to| self.processes[to].candidate.as_ref());
                let holder = holder.map_or("nobody", |it| &it.identity).to_owned();
                self.edit(|record| record.holder = holder);
            }
            Disturbance::Clear => self.edit(|record| record.holder.clear()),
        }
    }

    fn edit(&mut self, change: impl FnOnce(&mut Record)) {
        if let Some(lease) = self.lease.clone() {
            let mut record = lease.record;
            change(&mut record);
            self.put(record);
        }
    }

    /// All passes have ended before: nothing of it is under way.
    fn stop(&mut self, process: usize, again: Time) {
        if self.processes[process].is_paused {
            return;
        }
        let found = self.lease.clone().filter(|_| !self.is_cut(process));
        let candidate = self.processes[process].candidate.as_mut();
        if let Some(request) = candidate.and_then(|it| it.release(found)) {
            let takes = self.latency();
            self.later(takes, Event::Arrives(process, 0, request));
        }
        self.end(process, again);
    }
}
