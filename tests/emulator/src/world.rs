//! The emulated AWS: state, faults, settings, log and counters behind one lock, so that the log's
//! order is the order in which calls took effect, and what it says of the state before a call is
//! exactly what the call met.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use crate::api;
use crate::api::sqs::Queues;
use crate::api::tagging::{self, TagIndex};
use crate::caller::Caller;
use crate::clock::Clock;
use crate::error::Error;
use crate::events::News;
use crate::fault::{Effect, Fate, Fault, Target, decide};
use crate::lag::Lags;
use crate::log::Log;
use crate::paging::{with_repeated_token, without_token};
use crate::rates::Buckets;
use crate::session::{self, Sessions};
use crate::settings::Settings;
use crate::state::{Repository, now, repository_arn};

/// A call as the log keeps it. Calls that were refused, throttled or lost are there too.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// 1, 2, 3, … in the order of effect, since the last reset.
    pub seq: u64,
    /// When, in seconds since 1970, by the virtual clock.
    pub time: f64,
    /// When it had arrived as a whole, in seconds since 1970, by the real clock.
    pub arrived: f64,
    /// When it was answered, by the real clock.
    pub answered: f64,
    /// The caller's account; empty if the credentials could not be read.
    pub account: String,
    /// The region of the call; empty if the credentials could not be read.
    pub region: String,
    /// The access key id; empty if the credentials could not be read.
    pub access_key: String,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// The operation, e.g. `CreateRepository`.
    pub operation: String,
    /// The input; `null` if it was not JSON. The bytes of layer parts are left out.
    pub input: Value,
    /// The answer, also if it was lost; a dropped call has the error `ConnectionReset`.
    pub answer: Result<Value, Error>,
    /// Whether the call took effect (of a read: whether it was answered from the state).
    pub applied: bool,
    /// The fault that hit the call.
    pub fault: Option<String>,
    /// The tags of the addressed repository before the call; none if there was no such repository,
    /// or the call addresses none by `repositoryName` or `resourceArn`.
    pub owner_before: Option<BTreeMap<String, String>>,
    /// Whether the addressed repository existed before the call.
    pub existed_before: bool,
    /// How many images it held before the call.
    pub images_before: usize,
}

/// The service that a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Ecr,
    Sts,
    Tagging,
    Sqs,
}

/// A request, as far as it could be read.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) service: Service,
    pub(crate) operation: String,
    pub(crate) caller: Result<Caller, Error>,
    pub(crate) user_agent: String,
    /// What the client calls the emulator: the `Host` header.
    pub(crate) host: String,
    pub(crate) input: Result<Value, Error>,
}

/// What goes back to the client.
#[derive(Debug)]
pub(crate) enum Reply {
    Answer(Result<Value, Error>),
    /// The first half of the answer, then the connection is closed.
    Half(Result<Value, Error>),
    /// Status and body of what is not AWS's.
    Foreign(u16, String),
    /// The connection is reset.
    Cut,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct World(Mutex<Inner>);

#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) registries: api::Registries,
    pub(crate) jobs: Vec<api::Job>,
    /// What has happened and is not told yet.
    pub(crate) news: Vec<News>,
    pub(crate) settings: Settings,
    pub(crate) faults: Vec<Fault>,
    pub(crate) log: Log,
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) clock: Clock,
    /// When the lifecycle policies were last executed; none: not yet.
    pub(crate) lifecycle_run: Option<f64>,
    buckets: Buckets,
    pub(crate) lags: Lags,
    pub(crate) tag_index: TagIndex,
    pub(crate) queues: Queues,
    /// Survives all: credentials that were handed out stay good.
    pub(crate) sessions: Sessions,
    /// Never reset: identifiers stay unique.
    pub(crate) serial: u64,
}

/// When a request had arrived.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    /// In seconds since 1970, by the real clock.
    at: f64,
    /// The same by a clock that nobody sets, and that knows parts of a millisecond: a call never takes less than
    /// it was held up.
    since: Instant,
}

impl Arrival {
    fn new() -> Self {
        let (at, since) = (now(), Instant::now());
        Self { at, since }
    }

    /// So long from now, in seconds since 1970.
    fn after(self, wait: Duration) -> f64 {
        self.at + (self.since.elapsed() + wait).as_secs_f64()
    }
}

impl World {
    /// A panic while the lock is held leaves valid data: every operation changes the state in steps
    /// that each leave it whole.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a request: what the faults make of it, how long it takes, then the effect.
    pub(crate) async fn serve(self: &Arc<Self>, mut request: Request) -> Reply {
        let arrived = Arrival::new();
        let fate = self.lock().receive(&mut request);
        if fate.delay_millis > 0 {
            tokio::time::sleep(Duration::from_millis(fate.delay_millis)).await;
        }
        self.wait_for_messages(&request).await;
        if let Some(Effect::Late { millis }) = fate.effect {
            let world = Arc::clone(self);
            let late = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                world.lock().settle(request, &fate, arrived)
            });
            return late.await.unwrap_or(Reply::Cut);
        }
        let reply = self.lock().settle(request, &fate, arrived);
        if fate.answer_millis > 0 {
            tokio::time::sleep(Duration::from_millis(fate.answer_millis)).await;
        }
        reply
    }
}

impl Inner {
    /// Learns whose the credentials are, and what is to become of the request.
    fn receive(&mut self, request: &mut Request) -> Fate {
        let Ok(caller) = &mut request.caller else {
            return Fate::default();
        };
        session::recognize(&self.sessions, caller);
        let input = request.input.as_ref().unwrap_or(&Value::Null);
        let target = Target {
            operation: &request.operation,
            account: &caller.account,
            region: &caller.region,
            repositories: all_named(input).collect(),
            access_key: &caller.access_key,
        };
        let mut fate = decide(&mut self.faults, &target);
        fate.delay_millis = fate
            .delay_millis
            .saturating_add(self.settings.latency_millis);
        let bucket = [target.operation, target.account, target.region];
        let now = self.clock.now();
        if fate.effect.is_none() && !self.buckets.take(&self.settings.rates, bucket, now) {
            fate.effect = Some(Effect::Throttle);
            fate.by_rate = true;
        }
        fate
    }

    /// Answers a request and writes it down.
    fn settle(&mut self, request: Request, fate: &Fate, arrived: Arrival) -> Reply {
        self.pass_time();
        let before = self.before(&request);
        let answer = injected(&request, fate).map_or_else(
            || guarded(&request.operation, || self.answer(&request, fate)),
            Err,
        );
        let reply = match &fate.effect {
            Some(Effect::Drop | Effect::LoseAnswer) => Reply::Cut,
            Some(Effect::Foreign { status, body }) => Reply::Foreign(*status, body.clone()),
            Some(Effect::Truncate) => Reply::Half(answer.clone()),
            _ => Reply::Answer(answer.clone()),
        };
        self.write_down(request, (fate, arrived), before, answer);
        reply
    }

    /// What AWS answers: bytes that are not JSON first, then whether there is such an operation, the
    /// credentials, a body that is empty, and the operation itself.
    fn answer(&mut self, request: &Request, fate: &Fate) -> Result<Value, Error> {
        if fate.effect == Some(Effect::Panic) {
            std::panic::resume_unwind(Box::new("injected"));
        }
        let input = request.input.as_ref().map_err(Clone::clone)?;
        if request.service == Service::Ecr && api::find(&request.operation).is_none() {
            return Err(Error::unknown_operation());
        }
        let caller = request.caller.as_ref().map_err(Clone::clone)?;
        caller.check(&self.settings, self.clock.now())?;
        if input.is_null() {
            return Err(Error::unreadable());
        }
        let first = (fate.effect == Some(Effect::RepeatToken)).then(|| without_token(input));
        let answer = self.dispatch(request, caller, first.as_ref().unwrap_or(input));
        match first {
            Some(_) => answer.map(with_repeated_token),
            None => answer,
        }
    }

    fn dispatch(
        &mut self,
        request: &Request,
        caller: &Caller,
        input: &Value,
    ) -> Result<Value, Error> {
        match request.service {
            Service::Ecr => self.apply_lagging(caller, &request.operation, input),
            Service::Sts => self.apply_sts(caller, &request.operation, input),
            Service::Tagging => tagging::call(
                &mut self.tag_index,
                &self.registries,
                (caller, &request.operation, input),
                (self.clock.now(), &self.settings),
            ),
            Service::Sqs => self.queues.call(
                (caller, &request.operation, input),
                &request.host,
                (self.clock.now(), &self.settings),
            ),
        }
    }

    /// The repository that a request addresses, as it is now.
    fn before(&self, request: &Request) -> Option<(BTreeMap<String, String>, usize)> {
        let caller = request.caller.as_ref().ok()?;
        let name = addressed(request.input.as_ref().ok()?)?;
        let repository = self.repository(&caller.account, &caller.region, name)?;
        Some((repository.tags.clone(), repository.images.len()))
    }

    fn write_down(
        &mut self,
        request: Request,
        (fate, arrived): (&Fate, Arrival),
        before: Option<(BTreeMap<String, String>, usize)>,
        answer: Result<Value, Error>,
    ) {
        *self.counts.entry(request.operation.clone()).or_default() += 1;
        let (account, region, access_key) = request.caller.map_or_else(
            |_| Default::default(),
            |caller| (caller.account, caller.region, caller.access_key),
        );
        let keep = self.settings.log_answers;
        self.log.push(Call {
            seq: self.log.len() as u64 + 1,
            time: self.clock.now(),
            arrived: arrived.at,
            // The log has it from its effect on.
            answered: arrived.after(Duration::from_millis(fate.answer_millis)),
            account,
            region,
            access_key,
            user_agent: request.user_agent,
            operation: request.operation,
            input: without_blob(request.input.unwrap_or(Value::Null)),
            applied: answer.is_ok(),
            answer: answer.map(|answer| if keep { answer } else { Value::Null }),
            fault: fate.label(),
            existed_before: before.is_some(),
            images_before: before.as_ref().map_or(0, |(_, images)| *images),
            owner_before: before.map(|(tags, _)| tags),
        });
    }

    /// A repository, if it exists.
    pub(crate) fn repository(
        &self,
        account: &str,
        region: &str,
        name: &str,
    ) -> Option<&Repository> {
        let place = (account.to_owned(), region.to_owned());
        self.registries.get(&place)?.repositories.get(name)
    }

    /// The names of the repositories of an account in a region.
    pub(crate) fn repositories(&self, account: &str, region: &str) -> Vec<String> {
        let place = (account.to_owned(), region.to_owned());
        self.registries
            .get(&place)
            .map(|registry| registry.repositories.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// Empties log and counters.
    pub(crate) fn reset(&mut self) {
        self.log.clear();
        self.counts.clear();
    }

    /// Empties everything.
    pub(crate) fn wipe(&mut self) {
        let queues = std::mem::take(&mut self.queues).emptied();
        queues.bell.notify_waiters();
        *self = Self {
            serial: self.serial,
            sessions: std::mem::take(&mut self.sessions),
            queues,
            ..Self::default()
        };
    }
}

/// Runs a handler; its panic is an answer of status 500 and a line of the log, never the end.
pub(crate) fn guarded(
    operation: &str,
    handler: impl FnOnce() -> Result<Value, Error>,
) -> Result<Value, Error> {
    // Every operation changes the state in steps that each leave it whole.
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(handler));
    outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        let reason = text.unwrap_or_default();
        eprintln!("ecr-emulator: the handler of {operation} panicked: {reason}");
        Err(Error::server("The handler of the operation panicked"))
    })
}

/// The error that a fault puts in the place of the operation.
fn injected(request: &Request, fate: &Fate) -> Option<Error> {
    if fate.effect == Some(Effect::Drop) {
        let message = "The connection was reset before the call took effect";
        return Some(Error::new("ConnectionReset", message).with_status(0));
    }
    let caller = request.caller.as_ref().ok()?;
    let because_of = fate.repository.as_deref().filter(|name| !name.is_empty());
    fate.error(request.service, || {
        let input = request.input.as_ref().unwrap_or(&Value::Null);
        let name = because_of.or_else(|| addressed(input)).unwrap_or("*");
        let action = match request.service {
            Service::Ecr => format!("ecr:{}", request.operation),
            Service::Sts => format!("sts:{}", request.operation),
            Service::Tagging => format!("tag:{}", request.operation),
            Service::Sqs => format!("sqs:{}", request.operation),
        };
        let resource = repository_arn(&caller.account, &caller.region, name);
        Error::access_denied(&caller.arn(), &action, &resource)
    })
}

/// The one repository that an input addresses, by name, by ARN or alone in a list.
pub(crate) fn addressed(input: &Value) -> Option<&str> {
    let alone = || match input.get("repositoryNames")?.as_array()?.as_slice() {
        [name] => name.as_str(),
        _ => None,
    };
    named(input).or_else(alone)
}

/// The same, but for what stands in a list.
pub(crate) fn named(input: &Value) -> Option<&str> {
    let text = |name: &str| input.get(name).and_then(Value::as_str);
    text("repositoryName").or_else(|| Some(api::parse_arn(text("resourceArn")?)?.name))
}

/// All repositories that an input names, also in a list.
pub(crate) fn all_named(input: &Value) -> impl Iterator<Item = &str> {
    let many = input.get("repositoryNames").and_then(Value::as_array);
    let many = many.into_iter().flatten().filter_map(Value::as_str);
    many.chain(named(input))
}

/// Layer parts and what is longer than any text that ECR takes tell a reader of the log nothing,
/// and would fill the memory.
pub(crate) fn without_blob(mut input: Value) -> Value {
    const LONGEST: usize = 4 * 1024 * 1024;
    let members = input.as_object_mut().into_iter().flatten();
    for (name, member) in members {
        let length = member.as_str().map_or(0, str::len);
        if name == "layerPartBlob" {
            *member = json!(format!("({length} characters of base64)"));
        } else if length > LONGEST {
            *member = json!(format!("({length} bytes of text)"));
        }
    }
    input
}
