//! One client for each way of calling AWS: account, region and role of a class.
//!
//! They share the connections, and nothing else: credentials of one class never serve another.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_config::{BehaviorVersion, SdkConfig, identity::IdentityCache, sts::AssumeRoleProvider};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ecr::config::IntoShared as _;

use super::{
    aws::Aws,
    bounded::Bounded,
    endpoints,
    fence::Fence,
    own::{As, Chain, Own},
    pacing::Pacing,
    port::Ecr,
    snapshot::Snapshot,
};
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

impl Access {
    /// What AWS is told of it. The name of the class is among that only as a tag of the session, and IAM may
    /// decide by that: classes that call AWS alike share what was seen.
    #[must_use]
    pub fn as_told(&self) -> Self {
        let is_told = self.role.as_ref().is_some_and(|role| role.session_tags);
        let mut told = self.clone();
        if !is_told {
            told.class.clear();
        }
        told
    }
}

/// All ways of calling AWS.
pub trait Clients: Send + Sync + 'static {
    /// What it is called through.
    type Ecr: Ecr;

    /// The client of an access; the same for the same access, and nobody's errand.
    fn open(&self, access: &Access) -> impl Future<Output = Arc<Self::Ecr>> + Send;

    /// How fast the operations of a registry are called from now on.
    fn set_budget(&self, registry: &Registry, budget: Budget);

    /// From now on AWS is called in these ways alone: credentials, and what was seen, of all others is dropped.
    fn keep(&self, used: &HashSet<Access>);

    /// A repository is no longer looked at in this way.
    fn leave(&self, access: &Access, repository: &str);
}

/// Clients of the AWS SDK.
pub struct AwsClients {
    own: Own,
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
        let chain = || aws_config::defaults(BehaviorVersion::v2026_01_12());
        Self::of(Box::new(chain), cluster, fence, metrics).await
    }

    async fn of(
        chain: Chain,
        cluster: ClusterName,
        fence: Arc<dyn Fence>,
        metrics: Metrics,
    ) -> Self {
        let own = Own::load(chain, Bounded::new().into_shared()).await;
        let (config, _) = own.held(None, false).await;
        endpoints::warn(config.endpoint_url());
        Self {
            own,
            cluster,
            pacing: Arc::default(),
            fence,
            metrics,
            open: Mutex::default(),
            snapshots: Mutex::default(),
        }
    }

    /// As whom and where, after AWS refused what was used before, if it did.
    async fn config(&self, access: &Access, refused: Option<u64>) -> (SdkConfig, As) {
        let (own, caller) = self.own.held(refused, access.role.is_some()).await;
        let mut config = own.into_builder();
        if let Some(region) = &access.region {
            config = config.region(aws_config::Region::new(region.to_string()));
        }
        let config = config.build();
        let Some(role) = &access.role else {
            return (config, caller);
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
        // A cache of its own, which goes with its client. One for all has room for 64 identities, and makes
        // room for one more by dropping any (aws-smithy-runtime, client/identity/cache/lazy.rs).
        let cache = IdentityCache::lazy().build();
        let config = config.into_builder().identity_cache(cache);
        (config.credentials_provider(provider).build(), caller)
    }

    fn snapshot(&self, access: &Access) -> Arc<Snapshot> {
        Arc::clone(self.seen().entry(access.as_told()).or_default())
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, HashMap<Access, Arc<Snapshot>>> {
        // A map is whole after any panic.
        let seen = self.snapshots.lock();
        seen.unwrap_or_else(PoisonError::into_inner)
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
        let known = self.known().get(access).map(Arc::clone);
        let refused = match known {
            Some(known) if !known.is_refused() => return known,
            Some(known) => known.own_refused(),
            None => None,
        };
        let (config, caller) = self.config(access, refused).await;
        let of = (access.class.clone(), access.account.clone());
        let opened = Aws::new(
            &config,
            caller,
            of,
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

    fn keep(&self, used: &HashSet<Access>) {
        // By the default one passes begin, before they know their class.
        let first = Access::default();
        let mut known = self.known();
        known.retain(|access, _| *access == first || used.contains(access));
        drop(known);
        let told: HashSet<_> = used.iter().map(Access::as_told).collect();
        self.seen().retain(|access, snapshot| {
            let stays = told.contains(access);
            if !stays {
                snapshot.retire();
            }
            stays
        });
    }

    fn leave(&self, access: &Access, repository: &str) {
        if let Some(snapshot) = self.seen().get(&access.as_told()) {
            snapshot.forget(repository);
        }
    }
}

#[cfg(test)]
mod tests {
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
    use aws_credential_types::{
        Credentials,
        provider::{ProvideCredentials, future},
    };
    use ecr_emulator::{Emulator, Fault};
    use tokio::time::Instant;

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
        credentials: impl ProvideCredentials + Clone + 'static,
    ) -> Arc<Aws> {
        let url = emulator.url();
        let chain = move || {
            aws_config::defaults(BehaviorVersion::v2026_01_12())
                .endpoint_url(&url)
                .identity_cache(IdentityCache::no_cache())
                .credentials_provider(credentials.clone())
                .region(aws_config::Region::new("eu-central-1"))
        };
        let cluster = ClusterName::parse("prod").unwrap();
        let metrics = Metrics::of("ecr-operator");
        let clients = AwsClients::of(Box::new(chain), cluster, Arc::new(Open), metrics).await;
        clients.open(&Access::default()).await
    }

    fn at_once() -> Credentials {
        Credentials::new("AKIA", "secret", None, None, "test")
    }

    /// Each time later than a proof serves.
    #[derive(Clone, Debug)]
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

    /// Clients of what listens at this address, with credentials that are loaded anew each time.
    async fn clients_of(url: &str, metrics: &Metrics) -> AwsClients {
        let url = url.to_owned();
        let keys = std::sync::atomic::AtomicU32::new(0);
        let chain = move || {
            let key = format!(
                "AKIA{}",
                keys.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
            );
            let credentials = Credentials::new(key, "secret", None, None, "test");
            aws_config::defaults(BehaviorVersion::v2026_01_12())
                .endpoint_url(&url)
                .credentials_provider(credentials)
                .region(aws_config::Region::new("eu-central-1"))
        };
        let cluster = ClusterName::parse("prod").unwrap();
        AwsClients::of(Box::new(chain), cluster, Arc::new(Open), metrics.clone()).await
    }

    async fn emulator() -> Emulator {
        Emulator::start(([127, 0, 0, 1], 0).into()).await.unwrap()
    }

    #[tokio::test]
    async fn a_throttled_call_is_one_call_and_a_second_one_slows_down_that_operation() {
        let emulator = emulator().await;
        emulator.inject(Fault::any().forever().throttle());
        let metrics = Metrics::of("ecr-operator");
        let clients = clients_of(&emulator.url(), &metrics).await;
        let client = clients.open(&Access::default()).await;
        for (calls, rate) in [(1, "10.0"), (2, "4.0")] {
            let failure = client.names(&registry()).await.unwrap_err();
            assert_eq!(failure.class, Class::Throttled);
            assert_eq!(emulator.log().len(), calls, "{:?}", emulator.log());
            let text = metrics.text();
            let rate =
                format!("ecr_operator_aws_rate{{operation=\"DescribeRepositories\"}} {rate}");
            assert!(text.contains(&rate), "{text}");
        }
    }

    #[tokio::test]
    async fn own_credentials_that_were_refused_are_loaded_anew() {
        let emulator = emulator().await;
        emulator.configure(|it| _ = it.revoked_access_keys.insert("AKIA0".to_owned()));
        let metrics = Metrics::of("ecr-operator");
        let clients = clients_of(&emulator.url(), &metrics).await;
        let access = Access::default();
        let refused = clients.open(&access).await;
        let failure = refused.names(&registry()).await.unwrap_err();
        assert_eq!(failure.class, Class::Credentials);
        // For a moment all share the refusal.
        assert!(Arc::ptr_eq(&refused, &clients.open(&access).await));
        let client = next(&clients, &access, &refused).await;
        client.names(&registry()).await.unwrap();
        let keys: Vec<_> = emulator
            .log()
            .into_iter()
            .map(|call| call.access_key)
            .collect();
        assert_eq!(keys, ["AKIA0", "AKIA1"]);
    }

    fn of_class(class: &str, role: &str) -> Access {
        Access {
            class: class.to_owned(),
            role: Some(Role {
                arn: format!("arn:aws:iam::123456789012:role/{role}"),
                external_id: None,
                session_tags: false,
            }),
            ..Access::default()
        }
    }

    /// The client that there is after this one was refused.
    async fn next(clients: &AwsClients, access: &Access, refused: &Arc<Aws>) -> Arc<Aws> {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        loop {
            ticks.tick().await;
            let client = clients.open(access).await;
            if !Arc::ptr_eq(refused, &client) {
                return client;
            }
        }
    }

    #[tokio::test]
    async fn a_broken_role_has_nobodys_own_credentials_loaded_anew() {
        let emulator = emulator().await;
        let access = of_class("one", "broken");
        let role = access.role.as_ref().map(|role| role.arn.clone());
        emulator.configure(|it| it.denied_roles.extend(role));
        let clients = clients_of(&emulator.url(), &Metrics::of("ecr-operator")).await;
        let mut client = clients.open(&access).await;
        for _ in 0..3 {
            let failure = client.names(&registry()).await.unwrap_err();
            assert_eq!(failure.class, Class::Credentials);
            client = next(&clients, &access, &client).await;
        }
        let keys: Vec<_> = emulator.log().into_iter().map(|it| it.access_key).collect();
        assert_eq!(keys, ["AKIA0"; 3]);
    }

    /// An instance that hands out credentials or, as there is no other way to have the SDK's own word for that, is
    /// not at its address.
    #[derive(Clone, Debug)]
    struct Instance(Arc<std::sync::atomic::AtomicBool>);

    impl ProvideCredentials for Instance {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::new(async {
                if self.0.load(std::sync::atomic::Ordering::Relaxed) {
                    return Ok(at_once());
                }
                let nobody = aws_config::imds::Client::builder().endpoint("http://127.0.0.1:1");
                let imds = aws_config::imds::credentials::ImdsCredentialsProvider::builder()
                    .imds_client(nobody.unwrap().build());
                aws_config::meta::credentials::CredentialsProviderChain::first_try(
                    "Ec2InstanceMetadata",
                    imds.build(),
                )
                .provide_credentials()
                .await
            })
        }
    }

    #[tokio::test]
    async fn an_instance_that_is_not_reached_heals_where_it_was_before() {
        let emulator = emulator().await;
        let there = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let is_there = |is| there.store(is, std::sync::atomic::Ordering::Relaxed);
        let client = client(&emulator, Instance(Arc::clone(&there))).await;
        let failure = client.names(&registry()).await.unwrap_err();
        assert_eq!(failure.class, Class::Credentials);
        is_there(true);
        client.names(&registry()).await.unwrap();
        is_there(false);
        let failure = client.names(&registry()).await.unwrap_err();
        assert_eq!(failure.class, Class::Unavailable, "{failure}");
    }

    #[tokio::test]
    async fn what_no_class_uses_is_dropped_and_what_is_shared_stays() {
        let clients = clients_of("http://127.0.0.1:1", &Metrics::of("ecr-operator")).await;
        let (one, other) = (of_class("one", "same"), of_class("other", "same"));
        let former = of_class("one", "former");
        for access in [&Access::default(), &one, &other, &former] {
            clients.open(access).await;
        }
        let retired = clients.open(&former).await.snapshot();
        let shared = clients.open(&one).await.snapshot();
        assert!(Arc::ptr_eq(&shared, &clients.open(&other).await.snapshot()));
        clients.keep(&HashSet::from([other.clone()]));
        retired.retired().await;
        assert!(!retired.wants_sweeper() && shared.wants_sweeper());
        let known: HashSet<_> = clients.known().keys().cloned().collect();
        assert_eq!(known, HashSet::from([Access::default(), other.clone()]));
        let seen: Vec<_> = clients.seen().keys().cloned().collect();
        assert_eq!(seen, [other.as_told()]);
    }

    #[tokio::test]
    async fn an_endless_answer_ends() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 16_384]).await.unwrap();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut sent = 0_usize;
            while sent < 400 * 1024 * 1024 && stream.write_all(&[b' '; 8_192]).await.is_ok() {
                sent += 8_192;
            }
            sent
        });
        let clients = clients_of(&url, &Metrics::of("ecr-operator")).await;
        let client = clients.open(&Access::default()).await;
        let failure = client.names(&registry()).await.unwrap_err();
        assert_eq!(failure.class, Class::Unavailable);
        assert_eq!(
            failure.said,
            "DescribeRepositories: an answer that can't be read: it is longer than 16 MiB, as no answer of AWS is"
        );
        let sent = server.await.unwrap();
        assert!(sent < 40 * 1024 * 1024, "{sent} bytes");
    }

    #[tokio::test]
    async fn what_is_not_of_aws_is_told_as_what_it_is_and_heals() {
        let emulator = emulator().await;
        let clients = clients_of(&emulator.url(), &Metrics::of("ecr-operator")).await;
        let client = clients.open(&Access::default()).await;
        let html = "<html>Please log in</html>";
        for (status, body) in [
            (200, html),
            (403, html),
            (404, ""),
            (200, "{}"),
            (400, "{}"),
            (200, "{\"repo"),
        ] {
            emulator.inject(Fault::any().foreign(status, body));
            let failure = client.names(&registry()).await.unwrap_err();
            assert_eq!(
                failure.class,
                Class::Unavailable,
                "{status} {body}: {failure:?}"
            );
            let told = failure.said.contains("not AWS's") || failure.said.contains("without sense");
            assert!(told, "{status} {body}: {failure:?}");
        }
        let at = Identity {
            registry: registry(),
            name: RepositoryName::parse("api").unwrap(),
        };
        for read in ["tags", "describe", "count"] {
            emulator.inject(Fault::any().foreign(200, "{}"));
            let failure = match read {
                "tags" => client.tags(&at).await.unwrap_err(),
                "describe" => client.describe(&at).await.unwrap_err(),
                _ => client.count_images(&at).await.unwrap_err(),
            };
            assert_eq!(failure.class, Class::Unavailable, "{read}");
        }
        emulator.inject(Fault::any().foreign(200, html));
        let failure = client.registry().await.unwrap_err();
        assert_eq!(failure.class, Class::Unavailable, "{failure:?}");
    }
}
