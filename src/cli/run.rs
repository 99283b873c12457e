//! `ecr-operator run`: the controller and its admin server, until a signal.

use std::{error::Error as _, net::SocketAddr, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, ValueEnum};
use kube::{
    Client,
    client::ClientBuilder,
    config::{InferConfigError, KubeconfigError},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tower::timeout::TimeoutLayer;

use crate::{
    controller::{self, Cluster, Settings, WATCHED},
    domain::{
        identity::{ClusterName, ClusterUid},
        retry::back_off,
    },
    ecr::AwsClients,
    ops,
    telemetry::{Health, LogFormat, Metrics, init_logs},
};

/// How long a request to the API server may take until its answer begins. A watch answers at once
/// and then goes on.
const KUBERNETES_TIMEOUT: Duration = Duration::from_secs(15);

/// How long running passes may take to finish after a signal: less than the 30 seconds after which
/// Kubernetes kills a pod.
const DRAIN: Duration = Duration::from_secs(25);

/// The part of the process that knows which cluster this is.
const CLUSTER: &str = "cluster";

/// The flags of `run`; each has an environment variable as well.
#[derive(Args, Debug)]
pub(super) struct Flags {
    /// This cluster's name in owner tags; give each cluster its own, and keep it.
    #[arg(long, env = "ECR_OPERATOR_CLUSTER_NAME", value_parser = ClusterName::parse)]
    cluster_name: ClusterName,

    /// Names that this cluster went by before, whose repositories are still its own.
    #[arg(long, env = "ECR_OPERATOR_PREVIOUS_CLUSTER_NAMES", value_delimiter = ',', value_parser = ClusterName::parse)]
    previous_cluster_names: Vec<ClusterName>,

    /// Seconds between two looks at a repository's settings and tags.
    #[arg(long, env = "ECR_OPERATOR_RESYNC_SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    resync_seconds: u64,

    /// Seconds between two looks at a repository's lifecycle and repository policy.
    #[arg(long, env = "ECR_OPERATOR_POLICY_RESYNC_SECONDS", default_value_t = 28_800, value_parser = clap::value_parser!(u64).range(1..))]
    policy_resync_seconds: u64,

    /// Seconds until something is tried again that AWS called invalid.
    #[arg(long, env = "ECR_OPERATOR_STALLED_RETRY_SECONDS", default_value_t = 1_800, value_parser = clap::value_parser!(u64).range(1..))]
    stalled_retry_seconds: u64,

    /// Where /livez, /readyz and /metrics are served; by default on a free port of the loopback
    /// interface, which the log names.
    #[arg(long, env = "ECR_OPERATOR_ADMIN_ADDR", default_value = "127.0.0.1:0")]
    admin_addr: SocketAddr,

    /// The one namespace to watch; all when absent.
    #[arg(long, env = "ECR_OPERATOR_WATCH_NAMESPACE")]
    watch_namespace: Option<String>,

    /// Run only while holding a lease, so that several replicas may stand by.
    #[arg(long, env = "ECR_OPERATOR_LEADER_ELECT", default_value_t = false, num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    leader_elect: bool,

    /// The namespace of the lease.
    #[arg(long, env = "ECR_OPERATOR_LEASE_NAMESPACE")]
    lease_namespace: Option<String>,

    /// How log lines are written.
    #[arg(long, env = "ECR_OPERATOR_LOG_FORMAT", value_enum, default_value_t = Format::Text)]
    log_format: Format,

    /// What is logged: `level` or `target=level`, separated by commas.
    #[arg(long, env = "ECR_OPERATOR_LOG", default_value = "info")]
    log: String,
}

/// The values of --log-format.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Runs until SIGTERM or SIGINT.
pub(super) fn run(flags: Flags) -> anyhow::Result<()> {
    let format = match flags.log_format {
        Format::Text => LogFormat::Text,
        Format::Json => LogFormat::Json,
    };
    init_logs(format, &flags.log).context("--log can't be read")?;
    if flags.leader_elect || flags.lease_namespace.is_some() {
        bail!(
            "leader election is not there yet: run one replica, without --leader-elect and --lease-namespace"
        );
    }
    // One thread: all passes are one task anyway, and waking other threads for the connections costs
    // a third more of CPU, and memory for each (docs/performance.md).
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime can't be started")?
        .block_on(serve(flags))
}

async fn serve(flags: Flags) -> anyhow::Result<()> {
    let client = client().await?;
    let parts = [CLUSTER].into_iter().chain(WATCHED);
    let (health, metrics) = (Health::of(parts), Metrics::default());
    let listener = TcpListener::bind(flags.admin_addr)
        .await
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
    // Boxed: the future holds the whole controller.
    let work = Box::pin(work(flags, client, (metrics, health), shutdown.clone()));
    let outcome = until_signal(work, shutdown.clone()).await;
    shutdown.cancel();
    admin.await?.context("the admin server failed")?;
    outcome
}

/// The API server's client, by the kubeconfig or the pod's service account.
async fn client() -> anyhow::Result<Client> {
    let config = kube::Config::infer()
        .await
        .map_err(|error| no_way(&error))?;
    let builder = ClientBuilder::try_from(config)
        .context("no way to the Kubernetes API: check the certificates in KUBECONFIG")?;
    Ok(builder
        .with_layer(&TimeoutLayer::new(KUBERNETES_TIMEOUT))
        .build())
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
        "no way to the Kubernetes API: check KUBECONFIG ({path}), or the pod's service account: {why}"
    )
}

async fn work(
    flags: Flags,
    client: Client,
    (metrics, health): (Metrics, Health),
    shutdown: CancellationToken,
) {
    let clients = AwsClients::from_environment(flags.cluster_name.clone(), metrics.clone()).await;
    let uid = tokio::select! {
        uid = cluster_uid(&client, &health) => uid,
        () = shutdown.cancelled() => return,
    };
    let cluster = Cluster {
        name: flags.cluster_name,
        previous_names: flags.previous_cluster_names,
        uid,
    };
    let settings = Settings {
        resync: Duration::from_secs(flags.resync_seconds),
        policy_resync: Duration::from_secs(flags.policy_resync_seconds),
        stalled_retry: Duration::from_secs(flags.stalled_retry_seconds),
    };
    let namespace = flags.watch_namespace.as_deref();
    controller::run(
        client,
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
    match error {
        kube::Error::Api(status) if matches!(status.code, 401 | 403) => {
            format!("let the operator read namespace kube-system (deploy/kustomize): {error}")
        }
        _ => format!(
            "check KUBECONFIG and the network if it lasts: the Kubernetes API can't be asked: \
             {error}"
        ),
    }
}

/// Works until a signal, and then until the passes that are under way have ended.
async fn until_signal(
    mut work: impl Future<Output = ()> + Unpin,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        () = &mut work => bail!("the watch ended: restart the operator"),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
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
