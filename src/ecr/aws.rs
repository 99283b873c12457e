//! The adapter: ECR through the AWS SDK.
//!
//! The SDK does not retry: the operator does, per object and aspect, and two layers of retries
//! would multiply. Every call carries the registry's id, so that credentials of another account
//! never reach a repository by the same name there.

use std::{
    collections::BTreeSet,
    error::Error as StdError,
    future::Future,
    ops::Deref,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aws_config::SdkConfig;
use aws_sdk_ecr::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use tokio::{sync::Mutex, time::Instant};
use tracing::Instrument as _;

use super::{
    convert::{is_about, previewed, tags, unreadable},
    error::{Error, NO_LIFECYCLE_POLICY, NO_PREVIEW, NO_REPOSITORY_POLICY, PREVIEW_RUNS, read},
    fence::{Fence, fenced},
    lookups::Lookups,
    own::As,
    pacing::{Kind, Pacing, Turn},
    patience::in_turns,
    port::{Ecr, ImageCount, Preview, Swept, Tagged},
    proof::Proof,
    snapshot::Snapshot,
    write,
};
use crate::{
    domain::{
        action::Action,
        answer::Answer,
        failure::{Class, Failure},
        identity::{Identity, Region, Registry, RegistryId},
        lifecycle::Lifecycle,
        observed::{Described, Reading},
        policy::Document,
        turns::Errand,
    },
    telemetry::{Metrics, OK, Place, call_span},
};

/// How long a failed look-up of the account stands for all who ask.
pub(super) const ACCOUNT_RETRY: Duration = Duration::from_secs(2);

/// ECR, by the credentials of one class or by the operator's own, on somebody's errand.
pub struct Aws {
    shared: Arc<Shared>,
    pub(super) errand: Errand,
}

/// Each errand goes by what all of them share.
impl Deref for Aws {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

/// What all calls with the same credentials share.
pub struct Shared {
    pub(super) ecr: Client,
    pub(super) tagging: aws_sdk_resourcegroupstagging::Client,
    pub(super) snapshot: Arc<Snapshot>,
    sts: aws_sdk_sts::Client,
    region: Option<String>,
    /// The class that calls.
    class: String,
    /// The account that the credentials must belong to.
    declared: Option<RegistryId>,
    /// The one that they do belong to, once that is known.
    found: OnceLock<RegistryId>,
    account: Mutex<Account>,
    /// As whom it calls.
    caller: As,
    /// AWS no longer takes the credentials: another client gets new ones.
    refused: AtomicBool,
    /// Nor the operator's own, of the loading that it goes by.
    own_refused: OnceLock<u64>,
    opened: Instant,
    pub(super) pacing: Arc<Pacing>,
    pub(super) lookups: Lookups,
    fence: Arc<dyn Fence>,
    pub(super) metrics: Metrics,
}

/// What is known of the account behind the credentials.
enum Account {
    Unknown,
    Known(Registry),
    Failed(Failure, Instant),
}

impl Aws {
    pub(super) fn new(
        config: &SdkConfig,
        caller: As,
        (class, declared): (String, Option<RegistryId>),
        snapshot: Arc<Snapshot>,
        pacing: Arc<Pacing>,
        fence: Arc<dyn Fence>,
        metrics: Metrics,
    ) -> Self {
        let shared = Shared {
            ecr: Client::new(config),
            tagging: aws_sdk_resourcegroupstagging::Client::new(config),
            snapshot,
            sts: aws_sdk_sts::Client::new(config),
            region: config.region().map(ToString::to_string),
            class,
            declared,
            found: OnceLock::new(),
            account: Mutex::new(Account::Unknown),
            caller,
            refused: AtomicBool::new(false),
            own_refused: OnceLock::new(),
            opened: Instant::now(),
            pacing,
            lookups: Lookups::default(),
            fence,
            metrics,
        };
        Self {
            shared: Arc::new(shared),
            errand: Errand::default(),
        }
    }

    /// Whether AWS has refused the credentials. The SDK keeps those of a role until their hour is over,
    /// also where they were revoked. For a moment all who ask share the refusal.
    pub(super) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed) && self.opened.elapsed() >= ACCOUNT_RETRY
    }

    /// The loading of the operator's own credentials that AWS refused, if it did.
    pub(super) fn own_refused(&self) -> Option<u64> {
        self.own_refused.get().copied()
    }

    /// One call of ECR that reads: waits for its turn, counts it, and reads what went wrong.
    pub(super) async fn call<T, E>(
        &self,
        registry: &Registry,
        operation: &'static str,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Error>
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let turn = self.turn_to_read(registry, operation).await;
        self.call_in_turn(registry, operation, turn, send).await
    }

    async fn turn_to_read(&self, registry: &Registry, operation: &'static str) -> Turn {
        let turn = self
            .pacing
            .turn(registry, Kind::Read, operation, &self.errand);
        turn.await
    }

    async fn call_in_turn<T, E>(
        &self,
        registry: &Registry,
        operation: &'static str,
        turn: Turn,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Error>
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let span = call_span(operation, registry);
        // The SDK's futures are large, and this one would hold its own twice.
        let call = Box::pin(self.send(operation, turn.waited, send));
        let answer = call.instrument(span).await;
        self.note_rate(operation, turn, &answer);
        answer
    }

    /// One call of ECR that writes, in the turn that it was given: it asks the fence last of all.
    pub(super) async fn write_in_turn<T, E>(
        &self,
        registry: &Registry,
        operation: &'static str,
        turn: Turn,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Error>
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let span = call_span(operation, registry);
        let call = Box::pin(self.send(operation, turn.waited, send)).instrument(span);
        let answer = fenced(&*self.fence, call)
            .await
            .unwrap_or_else(|closed| Err(Error::not_leading(operation, closed)));
        self.note_rate(operation, turn, &answer);
        answer
    }

    /// What became of a call says how fast the next ones may follow.
    pub(super) fn note_rate<T>(
        &self,
        operation: &'static str,
        turn: Turn,
        answer: &Result<T, Error>,
    ) {
        let rate = turn.answered(answer.as_ref().map_err(|error| &error.failure));
        self.metrics.paced(operation, rate);
    }

    pub(super) async fn send<T, E>(
        &self,
        operation: &'static str,
        waited: Duration,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Error>
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let began = Instant::now();
        let answer = send.await.map_err(|error| read(operation, &error));
        let answer = self.caller.judge(answer);
        let code = answer.as_ref().map_or_else(Error::label, |_| OK);
        self.metrics
            .called(operation, code, began.elapsed(), waited);
        if let Err(error) = &answer {
            if error.failure.class == Class::Throttled {
                self.metrics.throttled(operation);
            }
            if matches!(error.failure.class, Class::Denied | Class::Credentials) {
                self.metrics.denied(operation, code, &self.place());
            }
            if error.failure.class == Class::Credentials {
                if let Some(loading) = self.caller.refused(error) {
                    // Where it was told before, it was the same one.
                    let _ = self.own_refused.set(loading);
                }
                self.refused.store(true, Ordering::Relaxed);
            }
            tracing::debug!(operation, code, said = %error.failure.said, "AWS said no");
        }
        answer
    }

    /// For which class it calls, and where.
    fn place(&self) -> Place {
        let account = self.found.get().or(self.declared.as_ref());
        Place {
            class: self.class.as_str().into(),
            account: account.map_or("", RegistryId::as_str).into(),
            region: self.region.as_deref().unwrap_or_default().into(),
            ..Place::default()
        }
    }

    async fn look_up_registry(&self) -> Result<Registry, Failure> {
        let lacking = |said: String| Failure {
            class: Class::Credentials,
            said,
        };
        let region = self.region.as_deref().unwrap_or_default();
        let region = Region::parse(region)
            .map_err(|why| lacking(format!("there is no region ({why}) — set AWS_REGION")))?;
        let call = self.sts.get_caller_identity().send();
        // Once a process and class: it waits for nobody.
        let operation = "GetCallerIdentity";
        let span = call_span(operation, &region);
        let asked = self.send(operation, Duration::ZERO, call);
        let caller = asked.instrument(span).await?;
        let id = RegistryId::parse(caller.account().unwrap_or_default()).map_err(unreadable)?;
        if let Some(declared) = self.declared.as_ref().filter(|declared| **declared != id) {
            return Err(Failure {
                class: Class::WrongAccount,
                said: format!("they belong to account {id}, and {declared} is declared"),
            });
        }
        tracing::info!(account = %id, %region, "calling AWS");
        // The credentials may be of another one only after another look.
        let _ = self.found.set(id.clone());
        Ok(Registry { id, region })
    }
}

/// Turns "there is no repository" into `None`.
pub(super) fn if_there<T>(answer: Result<T, Error>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.failure.class == Class::Gone => Ok(None),
        Err(error) => Err(error.failure),
    }
}

/// Reads a document, or AWS's word that there is none.
fn document<A, T>(
    answer: Result<A, Error>,
    none: &str,
    parse: impl FnOnce(&A) -> Option<T>,
) -> Result<Reading<T>, Failure> {
    match answer {
        Ok(answer) => parse(&answer)
            .map(Reading::Stored)
            .ok_or_else(|| unreadable("no text")),
        Err(error) if error.has_code(none) => Ok(Reading::Absent),
        Err(error) => Err(error.failure),
    }
}

/// Reads, each tried once.
impl Aws {
    async fn read_tags(&self, at: &Identity) -> Result<Option<Tagged>, Failure> {
        let operation = "ListTagsForResource";
        let turn = self.turn_to_read(&at.registry, operation).await;
        let read = Instant::now();
        let call = self
            .ecr
            .list_tags_for_resource()
            .resource_arn(at.arn())
            .send();
        let answer = self.call_in_turn(&at.registry, operation, turn, call);
        let answer = if_there(answer.await)?;
        // AWS sends an empty list where there is none: no list is another's answer, and says nothing of tags.
        let found = answer.map(|answer| {
            let found = answer.tags.as_deref();
            let tags = found.map(tags).ok_or_else(|| unreadable("no tags"))?;
            Ok(Tagged { tags, read })
        });
        found.transpose()
    }

    async fn read_lifecycle(&self, at: &Identity) -> Result<Reading<Lifecycle>, Failure> {
        let call = self
            .ecr
            .get_lifecycle_policy()
            .registry_id(at.registry.id.as_str())
            .repository_name(at.name.as_str())
            .send();
        let answer = self.call(&at.registry, "GetLifecyclePolicy", call).await;
        document(answer, NO_LIFECYCLE_POLICY, |answer| {
            answer.lifecycle_policy_text().map(Lifecycle::stored)
        })
    }

    async fn read_policy(&self, at: &Identity) -> Result<Reading<Document>, Failure> {
        let call = self
            .ecr
            .get_repository_policy()
            .registry_id(at.registry.id.as_str())
            .repository_name(at.name.as_str())
            .send();
        let answer = self.call(&at.registry, "GetRepositoryPolicy", call).await;
        document(answer, NO_REPOSITORY_POLICY, |answer| {
            answer.policy_text().map(Document::stored)
        })
    }
}

impl Ecr for Aws {
    fn on_errand(&self, errand: Errand) -> Arc<Self> {
        Arc::new(Self {
            shared: Arc::clone(&self.shared),
            errand,
        })
    }

    async fn registry(&self) -> Result<Registry, Failure> {
        // The lock is held during the call: all who ask meanwhile share its answer.
        let mut account = self.account.lock().await;
        match &*account {
            Account::Known(registry) => return Ok(registry.clone()),
            Account::Failed(failure, at) if at.elapsed() < ACCOUNT_RETRY => {
                return Err(failure.clone());
            }
            Account::Unknown | Account::Failed(..) => {}
        }
        let answer = self.look_up_registry().await;
        *account = match &answer {
            Ok(registry) => Account::Known(registry.clone()),
            Err(failure) => Account::Failed(failure.clone(), Instant::now()),
        };
        answer
    }

    async fn confirm_registry(&self) -> Result<Registry, Failure> {
        let answer = self.look_up_registry().await;
        let mut account = self.account.lock().await;
        match &answer {
            Ok(registry) => *account = Account::Known(registry.clone()),
            // Whom they belonged to says nothing of whom they belong to now.
            Err(failure) if failure.class == Class::WrongAccount => {
                *account = Account::Failed(failure.clone(), Instant::now());
            }
            Err(_) => {}
        }
        answer
    }

    async fn describe(&self, at: &Identity) -> Result<Option<Described>, Failure> {
        in_turns(|| self.look_up_alone(at)).await
    }

    async fn describe_known(&self, at: &Identity) -> Result<Option<Described>, Failure> {
        in_turns(|| self.look_up(at)).await
    }

    async fn tags(&self, at: &Identity) -> Result<Option<Tagged>, Failure> {
        in_turns(|| self.read_tags(at)).await
    }

    async fn lifecycle(&self, at: &Identity) -> Result<Reading<Lifecycle>, Failure> {
        in_turns(|| self.read_lifecycle(at)).await
    }

    async fn policy(&self, at: &Identity) -> Result<Reading<Document>, Failure> {
        in_turns(|| self.read_policy(at)).await
    }

    async fn start_preview(&self, at: &Identity, policy: &Lifecycle) -> Result<bool, Failure> {
        let call = self
            .ecr
            .start_lifecycle_policy_preview()
            .registry_id(at.registry.id.as_str())
            .repository_name(at.name.as_str())
            .lifecycle_policy_text(policy.text())
            .send();
        let operation = "StartLifecyclePolicyPreview";
        match self.call(&at.registry, operation, call).await {
            Ok(answer) => is_about(at, operation, answer.repository_name()).map(|()| true),
            Err(error) if error.has_code(PREVIEW_RUNS) => Ok(false),
            Err(error) => Err(error.failure),
        }
    }

    async fn preview(&self, at: &Identity) -> Result<Preview, Failure> {
        let call = self
            .ecr
            .get_lifecycle_policy_preview()
            .registry_id(at.registry.id.as_str())
            .repository_name(at.name.as_str())
            .max_results(1)
            .send();
        let operation = "GetLifecyclePolicyPreview";
        match self.call(&at.registry, operation, call).await {
            Ok(answer) => previewed(&answer),
            Err(error) if error.has_code(NO_PREVIEW) => Ok(Preview::None),
            Err(error) => Err(error.failure),
        }
    }

    async fn count_images(&self, at: &Identity) -> Result<ImageCount, Failure> {
        let call = self
            .ecr
            .describe_images()
            .registry_id(at.registry.id.as_str())
            .repository_name(at.name.as_str())
            .max_results(1000)
            .send();
        let page = self.call(&at.registry, "DescribeImages", call).await?;
        let images = page.image_details.as_deref();
        let count = images.ok_or_else(|| unreadable("no imageDetails"))?.len();
        Ok(match page.next_token() {
            None => ImageCount::Exactly(count),
            Some(_) => ImageCount::MoreThan(count),
        })
    }

    async fn names(&self, registry: &Registry) -> Result<BTreeSet<String>, Failure> {
        let mut names = BTreeSet::new();
        self.each_repository(registry, |name, _| {
            names.insert(name.to_owned());
        })
        .await?;
        Ok(names)
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot)
    }

    async fn sweep(&self, registry: &Registry, bound: &BTreeSet<String>) -> Swept {
        self.sweep_registry(registry, bound).await
    }

    async fn turn(&self, at: &Identity, action: &Action) -> Turn {
        let operation = action.operation();
        let turn = self
            .pacing
            .turn(&at.registry, Kind::Write, operation, &self.errand);
        turn.await
    }

    async fn write(
        &self,
        at: &Identity,
        action: &Action,
        turn: Turn,
        proof: &Proof,
    ) -> Result<Answer, Failure> {
        write::send(self, at, action, turn, *proof).await
    }
}
