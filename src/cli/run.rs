//! `ecr-operator run`: the controller and its admin server, until a signal.

use std::{error::Error as _, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, ValueEnum};
use k8s_openapi::jiff::Timestamp;
use kube::{
    Client, Config,
    client::ClientBuilder,
    config::{InferConfigError, KubeconfigError},
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tower::timeout::TimeoutLayer;

use super::values::{address, levels, namespace, up_to_a_year, up_to_an_hour, up_to_ten_thousand};
use crate::{
    controller::{self, BoundedPages, Cluster, DEFINITIONS, Definitions, Settings, WATCHED},
    domain::{
        identity::{ClusterName, ClusterUid},
        retry::back_off,
    },
    ecr::{AwsClients, Fence, Open, check_endpoints},
    ops::{
        self,
        leader::{
            Election, FenceLayer, LEASE, LeaseFence, Settings as LeaseSettings, identity,
            lease_name, lease_namespace,
        },
    },
    telemetry::{CountRequests, Health, LogFormat, Metrics, Traces, api_error, init_logs},
};

/// How long a request to the API server may take until its answer begins. A watch answers at once
/// and then goes on.
const KUBERNETES_TIMEOUT: Duration = Duration::from_secs(15);

/// How long running passes may take to finish after a signal: less than the 30 seconds after which
/// Kubernetes kills a pod.
const DRAIN: Duration = Duration::from_secs(25);

/// The part of the process that knows which cluster this is.
const CLUSTER: &str = "cluster";

/// What must work before a process is ready that works.
const PARTS: [&str; 4] = [CLUSTER, WATCHED[0], WATCHED[1], WATCHED[2]];

/// The flags of `run`; each has an environment variable as well.
#[derive(Args, Debug)]
pub(super) struct Flags {
    /// This cluster's name in owner tags; give each cluster its own, and keep it.
    #[arg(long, env = "ECR_OPERATOR_CLUSTER_NAME", value_parser = ClusterName::parse)]
    cluster_name: ClusterName,

    /// Names that this cluster went by before, whose repositories are still its own.
    #[arg(long, env = "ECR_OPERATOR_PREVIOUS_CLUSTER_NAMES", value_delimiter = ',', value_parser = ClusterName::parse)]
    previous_cluster_names: Vec<ClusterName>,

    /// Seconds (1 to 31536000) between two looks at a repository's settings and tags.
    #[arg(long, env = "ECR_OPERATOR_RESYNC_SECONDS", default_value_t = 300, value_parser = up_to_a_year, allow_negative_numbers = true)]
    resync_seconds: u64,

    /// Seconds (1 to 31536000) between two looks at a repository's lifecycle and repository policy.
    #[arg(long, env = "ECR_OPERATOR_POLICY_RESYNC_SECONDS", default_value_t = 28_800, value_parser = up_to_a_year, allow_negative_numbers = true)]
    policy_resync_seconds: u64,

    /// Seconds (1 to 31536000) until something is tried again that AWS called invalid.
    #[arg(long, env = "ECR_OPERATOR_STALLED_RETRY_SECONDS", default_value_t = 1_800, value_parser = up_to_a_year, allow_negative_numbers = true)]
    stalled_retry_seconds: u64,

    /// Where /livez, /readyz and /metrics are served; by default on a free port of the loopback
    /// interface, which the log names.
    #[arg(long, env = "ECR_OPERATOR_ADMIN_ADDR", default_value = "127.0.0.1:0")]
    admin_addr: SocketAddr,

    /// The one namespace to watch; all when absent.
    #[arg(long, env = "ECR_OPERATOR_WATCH_NAMESPACE", value_parser = namespace)]
    watch_namespace: Option<String>,

    /// Make the class `default` where there is no class at all: the operator's own account and region, for
    /// every namespace.
    #[arg(long, env = "ECR_OPERATOR_CREATE_DEFAULT_CLASS", default_value_t = false, num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    create_default_class: bool,

    /// Write although the definitions in the cluster lack fields that this version knows. What objects say there
    /// is lost, such as that they are suspended.
    #[arg(long, env = "ECR_OPERATOR_ALLOW_OLDER_DEFINITIONS", default_value_t = false, num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    allow_older_definitions: bool,

    /// Show metrics of single objects as well, of so many at most (1 to 10000): first of those that are not
    /// ready. How many are left out is shown, too.
    #[arg(long, env = "ECR_OPERATOR_PER_OBJECT_METRICS", num_args = 0..=1, default_missing_value = "1000", require_equals = true, value_parser = up_to_ten_thousand)]
    per_object_metrics: Option<usize>,

    /// Run only while holding a lease, so that several replicas may stand by.
    #[arg(long, env = "ECR_OPERATOR_LEADER_ELECT", default_value_t = false, num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    leader_elect: bool,

    /// The namespace of the lease; the pod's own when absent.
    #[arg(long, env = "ECR_OPERATOR_LEASE_NAMESPACE", value_parser = namespace)]
    lease_namespace: Option<String>,

    /// Seconds (1 to 3600) that a lease must be seen unchanged before another replica takes it.
    #[arg(
        long,
        env = "ECR_OPERATOR_LEASE_DURATION_SECONDS",
        default_value_t = 15,
        value_parser = up_to_an_hour,
        allow_negative_numbers = true
    )]
    lease_duration_seconds: u64,

    /// Seconds (1 to 3600) for which a leader goes on that can't renew its lease.
    #[arg(
        long,
        env = "ECR_OPERATOR_LEASE_RENEW_DEADLINE_SECONDS",
        default_value_t = 10,
        value_parser = up_to_an_hour,
        allow_negative_numbers = true
    )]
    lease_renew_deadline_seconds: u64,

    /// Seconds (1 to 3600) between two attempts to take or renew the lease.
    #[arg(long, env = "ECR_OPERATOR_LEASE_RETRY_SECONDS", default_value_t = 2, value_parser = up_to_an_hour, allow_negative_numbers = true)]
    lease_retry_seconds: u64,

    /// How log lines are written.
    #[arg(long, env = "ECR_OPERATOR_LOG_FORMAT", value_enum, default_value_t = Format::Text)]
    log_format: Format,

    /// What is logged: `level` or `target=level`, separated by commas.
    #[arg(long, env = "ECR_OPERATOR_LOG", default_value = "info", value_parser = levels)]
    log: String,

    /// A file that says what --log would, and counts instead of it; it is read every 5 seconds.
    #[arg(long, env = "ECR_OPERATOR_LOG_LEVELS_FILE")]
    log_levels_file: Option<PathBuf>,

    /// The OpenTelemetry collector that traces are sent to, such as <http://collector:4318>; without
    /// it there are none.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_parser = address)]
    otlp_endpoint: Option<String>,
}

/// The values of --log-format.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Flags {
    /// What is given as nothing is absent.
    fn without_nothing(mut self) -> Self {
        for text in [
            &mut self.watch_namespace,
            &mut self.lease_namespace,
            &mut self.otlp_endpoint,
        ] {
            *text = text.take().filter(|it| !it.is_empty());
        }
        self
    }
}

/// Runs until SIGTERM or SIGINT.
pub(super) fn run(flags: Flags) -> anyhow::Result<()> {
    let flags = flags.without_nothing();
    check_endpoints().map_err(|why| anyhow!(why))?;
    let lease = lease(&flags)?;
    // One thread: most of the work is waiting, and waking other threads costs a third more of CPU, and
    // memory for each (docs/performance.md).
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime can't be started")?;
    let outcome = runtime.block_on(serve(flags, lease));
    // Who has lost the lease must end, whatever a name server takes its time for.
    runtime.shutdown_background();
    outcome
}

/// The lease to hold while working.
struct LeaseOf {
    namespace: String,
    name: String,
    settings: LeaseSettings,
}

fn lease(flags: &Flags) -> anyhow::Result<Option<LeaseOf>> {
    if !flags.leader_elect {
        return Ok(None);
    }
    let settings = LeaseSettings::parse(
        flags.lease_duration_seconds,
        flags.lease_renew_deadline_seconds,
        flags.lease_retry_seconds,
    );
    Ok(Some(LeaseOf {
        namespace: lease_namespace(flags.lease_namespace.as_deref()).map_err(|why| anyhow!(why))?,
        name: lease_name(flags.watch_namespace.as_deref()),
        settings: settings.map_err(|why| anyhow!(why))?,
    }))
}

/// Starts logs and traces, which are the first to begin and the last to end.
async fn serve(flags: Flags, lease: Option<LeaseOf>) -> anyhow::Result<()> {
    let format = match flags.log_format {
        Format::Text => LogFormat::Text,
        Format::Json => LogFormat::Json,
    };
    let endpoint = flags.otlp_endpoint.as_deref();
    let traces = endpoint
        .map(Traces::to)
        .transpose()
        .context("--otlp-endpoint can't be used")?;
    let levels = init_logs(format, &flags.log, traces.as_ref());
    let levels = levels.map_err(|why| anyhow!("--log can't be read: {why}"))?;
    if let Some(file) = flags.log_levels_file.clone() {
        tokio::spawn(async move { levels.follow(&file).await });
    }
    // Boxed: the future holds the whole process.
    let outcome = Box::pin(serve_logged(flags, lease)).await;
    if let Some(traces) = traces {
        traces.end().await;
    }
    outcome
}

async fn serve_logged(flags: Flags, lease: Option<LeaseOf>) -> anyhow::Result<()> {
    let mut stop = Stop::listen()?;
    let config = config().await?;
    let parts = if lease.is_some() {
        [LEASE].as_slice()
    } else {
        &PARTS
    };
    let health = Health::of(parts.iter().copied());
    // Also of who stands by: a rollout stops before the last process goes that could work.
    health.expect([DEFINITIONS]);
    let metrics = Metrics::of(&lease_name(flags.watch_namespace.as_deref()));
    let listener = ops::listen(flags.admin_addr)
        .with_context(|| format!("--admin-addr {} can't be listened on", flags.admin_addr))?;
    tracing::info!(admin = %listener.local_addr()?, cluster = %flags.cluster_name, "starting");
    let shutdown = CancellationToken::new();
    let admin = ops::serve(
        listener,
        health.clone(),
        metrics.clone(),
        shutdown.clone().cancelled_owned(),
    );
    let admin = tokio::spawn(admin);
    let seen = (metrics, health);
    let reader = client(config.clone(), Arc::new(Open), &seen.0)?;
    let (definitions, followed) =
        Definitions::followed(reader, seen.1.clone(), flags.allow_older_definitions);
    tokio::spawn(followed);
    let outcome = match lease {
        None => {
            seen.0.leading(true);
            let client = client(config, Arc::new(Open), &seen.0)?;
            let work = Box::pin(work(
                flags,
                (client, definitions),
                (Arc::new(Open), None),
                seen,
                shutdown.clone(),
            ));
            until_stopped(work, &mut stop, shutdown.clone()).await
        }
        Some(lease) => {
            let to = (config, definitions);
            while_leading(flags, to, lease, seen, &mut stop, &shutdown).await
        }
    };
    shutdown.cancel();
    if outcome.is_ok() {
        admin.await.context("the admin server failed")?;
    }
    outcome
}

/// Stands by, works while the lease is held, and gives it back once all work has ended.
async fn while_leading(
    flags: Flags,
    (config, definitions): (Config, Definitions),
    lease: LeaseOf,
    seen: (Metrics, Health),
    stop: &mut Stop,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let fence = Arc::new(LeaseFence::new(lease.settings));
    let mut election = Election::new(
        // What keeps the fence open is not behind it.
        client(config.clone(), Arc::new(Open), &seen.0)?,
        (&lease.namespace, &lease.name),
        identity(),
        lease.settings,
        Arc::clone(&fence),
        seen.clone(),
    );
    let win = async {
        // Who could not work leaves the lease to one of another version.
        definitions.wait().await;
        election.win().await;
    };
    tokio::select! {
        () = win => {}
        () = stop.asked() => {
            election.release().await;
            tracing::info!("stopped");
            return Ok(());
        }
    }
    seen.1.expect(PARTS);
    let client = client(config, Arc::clone(&fence) as Arc<dyn Fence>, &seen.0)?;
    let work = Box::pin(work(
        flags,
        (client, definitions),
        (fence, election.led_until()),
        seen,
        shutdown.clone(),
    ));
    tokio::select! {
        lost = election.keep() => bail!(
            "the lease {}/{} is lost, {lost}; this process ends, and stands by when it is started again",
            lease.namespace, lease.name
        ),
        outcome = until_stopped(work, stop, shutdown.clone()) => outcome?,
    }
    election.release().await;
    Ok(())
}

/// How to reach the API server, by the kubeconfig or the pod's service account.
async fn config() -> anyhow::Result<Config> {
    Config::infer().await.map_err(|error| no_way(&error))
}

/// A client whose requests end in time, and whose writes pass the fence.
fn client(config: Config, fence: Arc<dyn Fence>, metrics: &Metrics) -> anyhow::Result<Client> {
    let url = &config.cluster_url;
    let host = url.authority().map_or("", |authority| authority.as_str());
    let counted = CountRequests::of(metrics.clone(), host);
    let builder = ClientBuilder::try_from(config).context(
        "no way to the Kubernetes API — check the certificates in KUBECONFIG, and unset \
             HTTPS_PROXY for it",
    )?;
    let in_time = builder.with_layer(&TimeoutLayer::new(KUBERNETES_TIMEOUT));
    let fenced = in_time.with_layer(&FenceLayer::new(fence));
    let counted = fenced.with_layer(&counted);
    Ok(counted.with_layer(&BoundedPages::default()).build())
}

/// Why there is no way to the API server. What a parser says quotes the file, which holds secrets.
fn no_way(error: &InferConfigError) -> anyhow::Error {
    let kubeconfig = error.source().and_then(|e| e.downcast_ref());
    let why = match kubeconfig {
        Some(KubeconfigError::Parse(_)) => "the file is not a kubeconfig in YAML".to_owned(),
        Some(_) | None => error.to_string(),
    };
    let path = std::env::var("KUBECONFIG").unwrap_or_else(|_| "~/.kube/config".to_owned());
    anyhow!(
        "no way to the Kubernetes API: {why} — check KUBECONFIG ({path}), or the pod's service account"
    )
}

async fn work(
    flags: Flags,
    (client, definitions): (Client, Definitions),
    (fence, worked_until): (Arc<dyn Fence>, Option<Timestamp>),
    (metrics, health): (Metrics, Health),
    shutdown: CancellationToken,
) {
    let name = flags.cluster_name.clone();
    let clients = AwsClients::from_environment(name, fence, metrics.clone()).await;
    let uid = tokio::select! {
        uid = cluster_uid(&client, &health) => uid,
        () = shutdown.cancelled() => return,
    };
    let cluster = Cluster {
        name: flags.cluster_name,
        previous_names: flags.previous_cluster_names,
        uid,
        worked_until,
    };
    let settings = Settings {
        resync: Duration::from_secs(flags.resync_seconds),
        policy_resync: Duration::from_secs(flags.policy_resync_seconds),
        stalled_retry: Duration::from_secs(flags.stalled_retry_seconds),
        create_default_class: flags.create_default_class,
        per_object_metrics: flags.per_object_metrics,
    };
    let namespace = flags.watch_namespace.as_deref();
    controller::run(
        (client, definitions),
        namespace,
        clients,
        cluster,
        settings,
        (metrics, health),
        shutdown,
    )
    .await;
}

/// Asks until the API server answers: it may come up after us.
async fn cluster_uid(client: &Client, health: &Health) -> ClusterUid {
    let mut failures = 0;
    loop {
        match controller::cluster_uid(client).await {
            Ok(uid) => {
                health.ready(CLUSTER);
                return uid;
            }
            Err(error) => health.unready(CLUSTER, &without_uid(&error)),
        }
        tokio::time::sleep(back_off(failures, fastrand::f64()).min(Duration::from_secs(10))).await;
        failures = failures.saturating_add(1);
    }
}

/// Why the cluster's uid is not known, and what to do.
fn without_uid(error: &kube::Error) -> String {
    let said = api_error(error);
    match error {
        kube::Error::Api(status) if matches!(status.code, 401 | 403) => {
            format!(
                "the cluster's uid can't be read: {said} — let the operator read namespace kube-system \
                 (deploy/kustomize/rbac)"
            )
        }
        _ => format!(
            "the Kubernetes API can't be asked: {said} — check KUBECONFIG and the network if it lasts"
        ),
    }
}

/// The signals that ask the process to end.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Works until a signal, and then until the passes that are under way have ended.
async fn until_stopped(
    mut work: impl Future<Output = ()> + Unpin,
    stop: &mut Stop,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    tokio::select! {
        () = &mut work => bail!("the watch ended — restart the operator"),
        () = stop.asked() => {}
    }
    tracing::info!("stopping: no new work is begun");
    shutdown.cancel();
    if tokio::time::timeout(DRAIN, work).await.is_err() {
        bail!(
            "stopped with work under way: it did not end within {} seconds",
            DRAIN.as_secs()
        );
    }
    tracing::info!("stopped");
    Ok(())
}
