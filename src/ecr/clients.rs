//! One client for each way of calling AWS: account, region and role of a class.
//!
//! They share the connections, and nothing else: credentials of one class never serve another.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_config::{
    BehaviorVersion, ConfigLoader, SdkConfig, retry::RetryConfig, sts::AssumeRoleProvider,
    timeout::TimeoutConfig,
};
use aws_credential_types::provider::SharedCredentialsProvider;

use super::{aws::Aws, fence::Fence, pacing::Pacing, port::Ecr, snapshot::Snapshot};
use crate::{
    domain::{
        class::{Budget, Role},
        identity::{ClusterName, Region, Registry, RegistryId},
    },
    telemetry::Metrics,
};

/// How long one call may take in all.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// As whom and where AWS is called.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Access {
    /// The class that asks.
    pub class: String,
    /// The account that the credentials must belong to; whichever it is when absent.
    pub account: Option<RegistryId>,
    /// The region; the operator's own when absent.
    pub region: Option<Region>,
    /// The role to assume; the operator's own credentials when absent.
    pub role: Option<Role>,
}

/// All ways of calling AWS.
pub trait Clients: Send + Sync + 'static {
    /// What it is called through.
    type Ecr: Ecr;

    /// The client of an access; the same for the same access, and nobody's errand.
    fn open(&self, access: &Access) -> impl Future<Output = Arc<Self::Ecr>> + Send;

    /// How fast the operations of a registry are called from now on.
    fn set_budget(&self, registry: &Registry, budget: Budget);
}

/// Clients of the AWS SDK.
pub struct AwsClients {
    base: SdkConfig,
    cluster: ClusterName,
    pacing: Arc<Pacing>,
    fence: Arc<dyn Fence>,
    metrics: Metrics,
    open: Mutex<HashMap<Access, Arc<Aws>>>,
    snapshots: Mutex<HashMap<Access, Arc<Snapshot>>>,
}

impl AwsClients {
    /// Takes the SDK's default chain of credentials and regions: environment, profile, IRSA, EKS
    /// Pod Identity, instance. Every write passes the fence.
    pub async fn from_environment(
        cluster: ClusterName,
        fence: Arc<dyn Fence>,
        metrics: Metrics,
    ) -> Self {
        let chain = aws_config::defaults(BehaviorVersion::v2026_01_12());
        Self::of(chain, cluster, fence, metrics).await
    }

    async fn of(
        chain: ConfigLoader,
        cluster: ClusterName,
        fence: Arc<dyn Fence>,
        metrics: Metrics,
    ) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(CALL_TIMEOUT)
            .operation_attempt_timeout(CALL_TIMEOUT)
            .build();
        let base = chain
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .load()
            .await;
        Self {
            base,
            cluster,
            pacing: Arc::default(),
            fence,
            metrics,
            open: Mutex::default(),
            snapshots: Mutex::default(),
        }
    }

    async fn config(&self, access: &Access) -> SdkConfig {
        let mut config = self.base.to_builder();
        if let Some(region) = &access.region {
            config = config.region(aws_config::Region::new(region.to_string()));
        }
        let config = config.build();
        let Some(role) = &access.role else {
            return config;
        };
        let mut provider = AssumeRoleProvider::builder(&role.arn)
            .session_name(session_name(&self.cluster, &access.class))
            .configure(&config);
        if let Some(id) = &role.external_id {
            provider = provider.external_id(id);
        }
        if role.session_tags {
            provider = provider.tags([
                ("ecr-operator.dev/cluster", self.cluster.as_str()),
                ("ecr-operator.dev/class", access.class.as_str()),
            ]);
        }
        let provider = SharedCredentialsProvider::new(provider.build().await);
        config.into_builder().credentials_provider(provider).build()
    }

    /// Classes that call AWS alike share what was seen. The name of the class is among what AWS is told
    /// only as a tag of the session, and IAM may decide by that.
    fn snapshot(&self, access: &Access) -> Arc<Snapshot> {
        let is_told = access.role.as_ref().is_some_and(|role| role.session_tags);
        let mut shared = access.clone();
        if !is_told {
            shared.class.clear();
        }
        let mut snapshots = self
            .snapshots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(snapshots.entry(shared).or_default())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Access, Arc<Aws>>> {
        // A map is whole after any panic.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What `CloudTrail` shows of the session: 2 to 64 of `[\w+=,.@-]` (STS, `AssumeRole`).
fn session_name(cluster: &ClusterName, class: &str) -> String {
    let name: String = format!("ecr-operator@{cluster}@{class}");
    name.chars().take(64).collect()
}

impl Clients for AwsClients {
    type Ecr = Aws;

    async fn open(&self, access: &Access) -> Arc<Aws> {
        if let Some(known) = self.known().get(access).filter(|it| !it.is_refused()) {
            return Arc::clone(known);
        }
        let config = self.config(access).await;
        let account = access.account.clone();
        let opened = Aws::new(
            &config,
            account,
            self.snapshot(access),
            Arc::clone(&self.pacing),
            Arc::clone(&self.fence),
            self.metrics.clone(),
        );
        // Two that ask at once share the one that is kept.
        let mut known = self.known();
        if let Some(known) = known.get(access).filter(|it| !it.is_refused()) {
            return Arc::clone(known);
        }
        let opened = Arc::new(opened);
        known.insert(access.clone(), Arc::clone(&opened));
        opened
    }

    fn set_budget(&self, registry: &Registry, budget: Budget) {
        self.pacing.set_budget(registry, budget);
    }
}

#[cfg(test)]
mod tests {
    use aws_credential_types::{
        Credentials,
        provider::{ProvideCredentials, future},
    };
    use ecr_emulator::{Emulator, Fault};
    use tokio::time::Instant;

    use super::*;
    use crate::{
        domain::{
            action::Action,
            answer::Answer,
            failure::{Class, Failure},
            identity::{Identity, RepositoryName},
        },
        ecr::{Open, Proof},
    };

    #[test]
    fn session_names_are_those_of_sts() {
        let cluster = ClusterName::parse("prod.eu-1").unwrap();
        assert_eq!(
            session_name(&cluster, "team-a"),
            "ecr-operator@prod.eu-1@team-a"
        );
        assert_eq!(session_name(&cluster, &"x".repeat(128)).len(), 64);
    }

    fn registry() -> Registry {
        Registry {
            id: RegistryId::parse("123456789012").unwrap(),
            region: Region::parse("eu-central-1").unwrap(),
        }
    }

    /// A client of the emulator, whose credentials take so long to come at each call.
    async fn client(
        emulator: &Emulator,
        credentials: impl ProvideCredentials + 'static,
    ) -> Arc<Aws> {
        let chain = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .endpoint_url(emulator.url())
            .identity_cache(aws_config::identity::IdentityCache::no_cache())
            .credentials_provider(credentials)
            .region(aws_config::Region::new("eu-central-1"));
        let cluster = ClusterName::parse("prod").unwrap();
        let metrics = Metrics::of("ecr-operator");
        let clients = AwsClients::of(chain, cluster, Arc::new(Open), metrics).await;
        clients.open(&Access::default()).await
    }

    fn at_once() -> Credentials {
        Credentials::new("AKIA", "secret", None, None, "test")
    }

    /// Each time later than a proof serves.
    #[derive(Debug)]
    struct Late;

    impl ProvideCredentials for Late {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::new(async {
                tokio::time::sleep(Duration::from_millis(2100)).await;
                Ok(at_once())
            })
        }
    }

    async fn deletes(client: &Aws, proof: Proof) -> Result<Answer, Failure> {
        let at = Identity {
            registry: registry(),
            name: RepositoryName::parse("team/api").unwrap(),
        };
        let action = Action::DeleteRepository { force: true };
        let turn = client.turn(&at, &action).await;
        client.write(&at, &action, turn, &proof).await
    }

    #[tokio::test]
    async fn nothing_is_sent_by_a_proof_that_is_too_old_or_of_something_else() {
        let emulator = Emulator::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let client = client(&emulator, at_once()).await;
        let now = Instant::now();
        let old = now - Duration::from_secs(2);
        for proof in [
            Proof::deletable(old, now),
            Proof::deletable(now, old),
            Proof::wanted(now),
            Proof::ours(now),
            Proof::adoptable(now, now),
        ] {
            let failure = deletes(&client, proof).await.unwrap_err();
            assert_eq!(failure.class, Class::Unavailable, "{proof:?}");
        }
        assert!(emulator.log().is_empty(), "{:?}", emulator.log());
        let now = Instant::now();
        deletes(&client, Proof::deletable(now, now)).await.unwrap();
        assert_eq!(emulator.log().len(), 1);
    }

    #[tokio::test]
    async fn nothing_is_sent_where_credentials_came_later_than_the_proof_serves() {
        let emulator = Emulator::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let client = client(&emulator, Late).await;
        let now = Instant::now();
        let failure = deletes(&client, Proof::deletable(now, now)).await;
        let failure = failure.unwrap_err();
        assert_eq!(failure.class, Class::Unavailable);
        assert!(failure.said.contains("nothing was sent"), "{failure}");
        assert!(emulator.log().is_empty(), "{:?}", emulator.log());
    }

    #[tokio::test]
    async fn one_throttled_call_is_one_call_and_slows_down_that_operation() {
        let emulator = Emulator::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        emulator.inject(Fault::any().forever().throttle());
        let credentials = Credentials::new("AKIA", "secret", None, None, "test");
        let chain = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .endpoint_url(emulator.url())
            .credentials_provider(credentials)
            .region(aws_config::Region::new("eu-central-1"));
        let cluster = ClusterName::parse("prod").unwrap();
        let metrics = Metrics::of("ecr-operator");
        let clients = AwsClients::of(chain, cluster, Arc::new(Open), metrics.clone()).await;
        let client = clients.open(&Access::default()).await;
        let failure = client.names(&registry()).await.unwrap_err();
        assert_eq!(failure.class, Class::Throttled);
        assert_eq!(emulator.log().len(), 1, "{:?}", emulator.log());
        let text = metrics.text();
        let rate = "ecr_operator_aws_rate{operation=\"DescribeRepositories\"} 4.0";
        assert!(text.contains(rate), "{text}");
    }
}
