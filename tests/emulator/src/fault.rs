//! Faults that a test asks for: what AWS does on a bad day, on demand.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::world::Service;

/// For which calls something goes wrong, and what.
///
/// ```
/// use ecr_emulator::Fault;
/// let fault = Fault::on("PutLifecyclePolicy").skip(1).times(3).throttle();
/// ```
/// Matching faults are used in the order in which they were added: delays add up, the first other
/// one decides. A fault whose calls are used up is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// The operation; none: any.
    #[serde(default)]
    pub operation: Option<String>,
    /// Only calls of this account.
    #[serde(default)]
    pub account: Option<String>,
    /// Only calls to this region.
    #[serde(default)]
    pub region: Option<String>,
    /// Only calls that address this repository, by name or ARN, alone or in a list of names; empty: only calls
    /// that address none.
    #[serde(default)]
    pub repository: Option<String>,
    /// Only calls with this access key id.
    #[serde(default)]
    pub access_key: Option<String>,
    /// So many matching calls pass first.
    #[serde(default)]
    pub skip: u64,
    /// Of the calls after those, each so many-th alone is hit: 10 is every tenth, 0 and 1 are all.
    #[serde(default)]
    pub every: u64,
    /// Of the calls after those, so many of a hundred are hit, by chance; 0 is all.
    #[serde(default)]
    pub percent: u8,
    /// Where the dice of `percent` begin: the same seed throws the same.
    #[serde(default)]
    pub seed: u64,
    /// So many calls are hit then.
    #[serde(default)]
    pub times: Times,
    /// How often the dice were thrown.
    #[serde(skip)]
    thrown: u64,
    /// How many matching calls have passed since the last that was hit.
    #[serde(skip)]
    passed: u64,
    /// What happens to them.
    pub effect: Effect,
}

/// How often a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Times {
    /// So many calls.
    Count(u64),
    /// Until the faults are cleared: the word `"forever"`.
    Always(Forever),
}

/// The word `"forever"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Forever {
    /// Never used up.
    Forever,
}

impl Default for Times {
    fn default() -> Self {
        Self::Count(1)
    }
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Answers an error; the call has no effect.
    #[serde(rename_all = "camelCase")]
    Fail {
        /// AWS's exception name.
        code: String,
        /// The message.
        #[serde(default)]
        message: String,
        /// The HTTP status.
        #[serde(default = "bad_request")]
        status: u16,
    },
    /// What the service's model calls it, "Rate exceeded".
    Throttle,
    /// `AccessDeniedException` in AWS's words.
    Deny,
    /// Answers what is none of AWS's, as a proxy on the way does; the call has no effect.
    #[serde(rename_all = "camelCase")]
    Foreign {
        /// The HTTP status.
        status: u16,
        /// The body.
        #[serde(default)]
        body: String,
    },
    /// Waits so many milliseconds, then goes on.
    Delay {
        /// How long.
        millis: u64,
    },
    /// The call takes effect, and so many milliseconds later it is answered.
    DelayAnswer {
        /// How long.
        millis: u64,
    },
    /// The call takes effect so many milliseconds later, whether or not the caller still waits for the answer.
    Late {
        /// How long.
        millis: u64,
    },
    /// A list answers its first page each time, and with the same token: it has no end.
    RepeatToken,
    /// The call takes effect, then the connection is reset instead of an answer.
    LoseAnswer,
    /// The call takes effect, but only half of the answer comes before the connection is closed.
    Truncate,
    /// The connection is reset and the call has no effect.
    Drop,
    /// The handler panics before the call takes effect.
    Panic,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn bad_request() -> u16 {
    400
}

impl Fault {
    /// A fault of one operation, once; `ServerException` unless told otherwise.
    #[must_use]
    pub fn on(operation: &str) -> Self {
        Self {
            operation: Some(operation.to_owned()),
            ..Self::any()
        }
    }

    /// A fault of every operation, once; `ServerException` unless told otherwise.
    #[must_use]
    pub fn any() -> Self {
        Self {
            operation: None,
            account: None,
            region: None,
            repository: None,
            access_key: None,
            skip: 0,
            every: 0,
            percent: 0,
            seed: 0,
            times: Times::default(),
            thrown: 0,
            passed: 0,
            effect: Effect::Fail {
                code: "ServerException".to_owned(),
                message: "Injected fault".to_owned(),
                status: 500,
            },
        }
    }

    /// Only calls of this account.
    #[must_use]
    pub fn account(mut self, account: &str) -> Self {
        self.account = Some(account.to_owned());
        self
    }

    /// Only calls to this region.
    #[must_use]
    pub fn region(mut self, region: &str) -> Self {
        self.region = Some(region.to_owned());
        self
    }

    /// Only calls that address this repository.
    #[must_use]
    pub fn repository(mut self, name: &str) -> Self {
        self.repository = Some(name.to_owned());
        self
    }

    /// Only calls that address no single repository.
    #[must_use]
    pub fn no_repository(self) -> Self {
        self.repository("")
    }

    /// Only calls with this access key id.
    #[must_use]
    pub fn access_key(mut self, id: &str) -> Self {
        self.access_key = Some(id.to_owned());
        self
    }

    /// Lets so many matching calls pass first.
    #[must_use]
    pub fn skip(mut self, calls: u64) -> Self {
        self.skip = calls;
        self
    }

    /// Hits only each so many-th of the matching calls.
    #[must_use]
    pub fn every(mut self, calls: u64) -> Self {
        self.every = calls;
        self
    }

    /// Hits so many of a hundred matching calls, by dice that begin at a seed.
    #[must_use]
    pub fn percent(mut self, percent: u8, seed: u64) -> Self {
        (self.percent, self.seed) = (percent, seed);
        self
    }

    /// Hits so many calls.
    #[must_use]
    pub fn times(mut self, calls: u64) -> Self {
        self.times = Times::Count(calls);
        self
    }

    /// Hits calls until the faults are cleared.
    #[must_use]
    pub fn forever(mut self) -> Self {
        self.times = Times::Always(Forever::Forever);
        self
    }

    fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// Answers this error.
    #[must_use]
    pub fn fail(self, status: u16, code: &str, message: &str) -> Self {
        self.effect(Effect::Fail {
            code: code.to_owned(),
            message: message.to_owned(),
            status,
        })
    }

    /// Answers `ServerException`, 500.
    #[must_use]
    pub fn server_error(self) -> Self {
        self.fail(500, "ServerException", "Internal server error")
    }

    /// Answers as a proxy on the way does.
    #[must_use]
    pub fn foreign(self, status: u16, body: &str) -> Self {
        self.effect(Effect::Foreign {
            status,
            body: body.to_owned(),
        })
    }

    /// Answers the service's throttling error.
    #[must_use]
    pub fn throttle(self) -> Self {
        self.effect(Effect::Throttle)
    }

    /// Answers `AccessDeniedException`.
    #[must_use]
    pub fn deny(self) -> Self {
        self.effect(Effect::Deny)
    }

    /// Waits, then goes on.
    #[must_use]
    pub fn delay(self, duration: Duration) -> Self {
        let millis = millis(duration);
        self.effect(Effect::Delay { millis })
    }

    /// Applies the call, and waits before it is answered.
    #[must_use]
    pub fn delay_answer(self, duration: Duration) -> Self {
        let millis = millis(duration);
        self.effect(Effect::DelayAnswer { millis })
    }

    /// Applies the call so much later, whether or not the caller still waits.
    #[must_use]
    pub fn late(self, duration: Duration) -> Self {
        let millis = millis(duration);
        self.effect(Effect::Late { millis })
    }

    /// Makes a list without an end, by a token that repeats.
    #[must_use]
    pub fn repeat_token(self) -> Self {
        self.effect(Effect::RepeatToken)
    }

    /// Applies the call and resets the connection instead of an answer.
    #[must_use]
    pub fn lose_answer(self) -> Self {
        self.effect(Effect::LoseAnswer)
    }

    /// Applies the call and sends only half of the answer.
    #[must_use]
    pub fn truncate(self) -> Self {
        self.effect(Effect::Truncate)
    }

    /// Makes the handler panic.
    #[must_use]
    pub fn panic(self) -> Self {
        self.effect(Effect::Panic)
    }

    /// Resets the connection without applying the call.
    #[must_use]
    pub fn drop_call(self) -> Self {
        self.effect(Effect::Drop)
    }
}

/// The facts of a call that faults look at.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) operation: &'a str,
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    /// Those that it addresses.
    pub(crate) repositories: Vec<&'a str>,
    pub(crate) access_key: &'a str,
}

impl Fault {
    fn concerns(&self, call: &Target<'_>) -> bool {
        let same = |wanted: &Option<String>, found: Option<&str>| {
            wanted.is_none() || wanted.as_deref() == found
        };
        same(&self.operation, Some(call.operation))
            && same(&self.account, Some(call.account))
            && same(&self.region, Some(call.region))
            && self.addresses(&call.repositories)
            && same(&self.access_key, Some(call.access_key))
    }

    fn addresses(&self, repositories: &[&str]) -> bool {
        match self.repository.as_deref() {
            None => true,
            Some("") => repositories.is_empty(),
            Some(name) => repositories.contains(&name),
        }
    }

    /// Uses up one call: true if the fault strikes, false if the call is one of those that pass.
    fn strike(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if self.percent > 0 && self.throw() >= u64::from(self.percent) {
            return false;
        }
        self.passed += 1;
        if self.passed < self.every {
            return false;
        }
        self.passed = 0;
        match &mut self.times {
            Times::Always(_) => true,
            Times::Count(0) => false,
            Times::Count(left) => {
                *left -= 1;
                true
            }
        }
    }
}

impl Fault {
    /// A number below a hundred (`SplitMix64`, <https://prng.di.unimi.it/splitmix64.c>).
    fn throw(&mut self) -> u64 {
        self.thrown += 1;
        let mut number = self
            .seed
            .wrapping_add(self.thrown.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (number ^ (number >> 31)) % 100
    }
}

/// What the faults make of one call.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    /// How long it waits before it takes effect.
    pub(crate) delay_millis: u64,
    /// How long its answer waits after that.
    pub(crate) answer_millis: u64,
    pub(crate) effect: Option<Effect>,
    /// The repository because of which.
    pub(crate) repository: Option<String>,
    /// It is throttled by a rate, not by a fault.
    pub(crate) by_rate: bool,
}

impl Fate {
    /// What the log says of it.
    pub(crate) fn label(&self) -> Option<String> {
        let effect = match &self.effect {
            Some(Effect::Fail { code, .. }) => format!("fail {code}"),
            Some(Effect::Throttle) if self.by_rate => "rate".to_owned(),
            Some(Effect::Throttle) => "throttle".to_owned(),
            Some(Effect::Deny) => "deny".to_owned(),
            Some(Effect::Foreign { status, .. }) => format!("foreign {status}"),
            Some(Effect::Late { millis }) => format!("late {millis} ms"),
            Some(Effect::RepeatToken) => "repeatToken".to_owned(),
            Some(Effect::LoseAnswer) => "loseAnswer".to_owned(),
            Some(Effect::Truncate) => "truncate".to_owned(),
            Some(Effect::Drop) => "drop".to_owned(),
            Some(Effect::Panic) => "panic".to_owned(),
            Some(Effect::Delay { .. } | Effect::DelayAnswer { .. }) | None => String::new(),
        };
        let delay = |what: &str, millis: u64| match millis {
            0 => String::new(),
            millis => format!("{what} {millis} ms"),
        };
        let parts = [
            delay("delay", self.delay_millis),
            delay("delayAnswer", self.answer_millis),
            effect,
        ];
        let parts: Vec<_> = parts.into_iter().filter(|it| !it.is_empty()).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// The error that the call answers, if it answers one.
    pub(crate) fn error(&self, service: Service, denied: impl FnOnce() -> Error) -> Option<Error> {
        match self.effect.as_ref()? {
            Effect::Fail {
                code,
                message,
                status,
            } => Some(Error::new(code, message.clone()).with_status(*status)),
            Effect::Throttle => Some(Error::throttled(service)),
            Effect::Deny => Some(denied()),
            Effect::Foreign { status, .. } => {
                let message = "Something on the way answered instead of AWS";
                Some(Error::new("ForeignAnswer", message).with_status(*status))
            }
            Effect::Delay { .. }
            | Effect::DelayAnswer { .. }
            | Effect::Late { .. }
            | Effect::RepeatToken
            | Effect::LoseAnswer
            | Effect::Truncate
            | Effect::Drop
            | Effect::Panic => None,
        }
    }
}

/// Decides the fate of a call and uses up the faults that decided it.
pub(crate) fn decide(faults: &mut Vec<Fault>, call: &Target<'_>) -> Fate {
    let mut fate = Fate::default();
    for fault in faults.iter_mut().filter(|fault| fault.concerns(call)) {
        if !fault.strike() {
            continue;
        }
        match &fault.effect {
            Effect::Delay { millis } => {
                fate.delay_millis = fate.delay_millis.saturating_add(*millis);
            }
            Effect::DelayAnswer { millis } => {
                fate.answer_millis = fate.answer_millis.saturating_add(*millis);
            }
            effect => {
                fate.effect = Some(effect.clone());
                fate.repository.clone_from(&fault.repository);
                break;
            }
        }
    }
    faults.retain(|fault| fault.times != Times::Count(0));
    fate
}
