//! The operator as a process of its own, which never outlives its scenario.

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::{PATIENCE, REGION, Server, http};

/// The operator's access key id: any that has not twelve digits stands for the account.
pub(crate) const KEY: &str = "AKIAOPERATOR";
/// The operator's secret, which must never show up anywhere.
pub(crate) const SECRET: &str = "canary/secret+access-key";

/// A running operator.
pub(crate) struct Operator {
    child: Child,
    log: PathBuf,
}

impl Operator {
    pub(crate) fn spawn(
        server: &Server,
        endpoint: &str,
        flags: &[String],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ecr-operator"));
        command.env_clear().env("KUBECONFIG", &server.operator);
        Self::start(command, endpoint, flags, environment)
    }

    /// Starts it by a command that ends in the program and knows the way to Kubernetes.
    pub(crate) fn start(
        mut command: Command,
        endpoint: &str,
        flags: &[String],
        environment: &[(&str, &str)],
    ) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("operator-{}-{number}.log", std::process::id()));
        let output = File::create(&log).unwrap();
        let child = command
            .args(["run", "--admin-addr=127.0.0.1:0"])
            .args(flags)
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged and printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where its admin server listens, once it says so.
    fn admin(&self) -> Option<String> {
        let log = self.log();
        let (_, rest) = log.split_once("admin=")?;
        rest.split_whitespace().next().map(ToOwned::to_owned)
    }

    /// The answer of /readyz, if it answers.
    pub(crate) async fn readyz(&self) -> Option<(u16, String)> {
        http::get(&self.admin()?, "/readyz").await
    }

    /// The answer of /livez, if it comes within this time.
    pub(crate) async fn livez(&self, within: Duration) -> Option<(u16, String)> {
        let admin = self.admin()?;
        let asked = http::get(&admin, "/livez");
        tokio::time::timeout(within, asked).await.ok()?
    }

    /// All that its admin server tells, by path.
    pub(crate) async fn pages(&self) -> Vec<(&'static str, String)> {
        let admin = self.admin().unwrap();
        let mut pages = Vec::new();
        for path in ["/livez", "/readyz", "/metrics"] {
            let (_, body) = http::get(&admin, path).await.unwrap();
            pages.push((path, body));
        }
        pages
    }

    /// Begins so many requests to its admin server, and ends none.
    pub(crate) async fn half_requests(&self, count: usize) -> Vec<TcpStream> {
        let admin = self.admin().unwrap();
        let mut halves = Vec::new();
        for _ in 0..count {
            let mut half = TcpStream::connect(&admin).await.unwrap();
            let head = b"GET /livez HTTP/1.1\r\nHost: half\r\n";
            half.write_all(head).await.unwrap();
            halves.push(half);
        }
        halves
    }

    /// How often its watches failed, as /metrics tells.
    pub(crate) async fn watch_errors(&self) -> u64 {
        let text = self.scrape().await.unwrap_or_default();
        let of_kinds = text
            .lines()
            .filter(|it| it.starts_with("ecr_operator_watch_errors_total{"));
        let numbers = of_kinds.filter_map(|it| it.rsplit(' ').next()?.parse::<u64>().ok());
        numbers.sum()
    }

    /// How many passes over objects it has made, as /metrics tells.
    pub(crate) async fn passes(&self) -> u64 {
        let text = self.scrape().await.unwrap_or_default();
        let ended = text.lines().filter(|it| {
            it.starts_with("controller_runtime_reconcile_total{")
                && it.contains("controller=\"ecrrepository\"")
        });
        let numbers = ended.filter_map(|it| it.rsplit(' ').next()?.parse::<u64>().ok());
        numbers.sum()
    }

    /// Head and body of an answer.
    pub(crate) async fn ask(&self, path: &str) -> Option<(String, String)> {
        http::ask(&self.admin()?, path).await
    }

    /// What /metrics tells.
    pub(crate) async fn scrape(&self) -> Option<String> {
        let (status, text) = http::get(&self.admin()?, "/metrics").await?;
        (status == 200).then_some(text)
    }

    /// Waits until it is ready.
    pub(crate) async fn ready(&self) {
        self.readiness(|status, _| status == 200).await;
    }

    /// Waits until /readyz answers as `is` wants it.
    pub(crate) async fn readiness(&self, is: impl Fn(u16, &str) -> bool) {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let waiting = async {
            loop {
                if let Some((status, body)) = self.readyz().await
                    && is(status, &body)
                {
                    return;
                }
                ticks.tick().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(
            waited.is_ok(),
            "not as wanted: {:?}\n{}",
            self.readyz().await,
            self.log()
        );
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(mut self) -> (ExitStatus, String) {
        let status = self.exit().await;
        (status, self.log())
    }

    async fn exit(&mut self) -> ExitStatus {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let waiting = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                ticks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("the operator ends")
    }

    /// SIGTERM, and a clean end. Gives its log.
    pub(crate) async fn stop(mut self) -> String {
        let kill = Command::new("kill")
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(kill.success());
        let status = self.exit().await;
        assert!(
            status.success(),
            "SIGTERM ended in {status}\n{}",
            self.log()
        );
        self.log()
    }

    /// SIGKILL. Gives its log.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.log()
    }

    /// Stops it for a while, as a machine that hangs; `SIGCONT` lets it go on.
    pub(crate) fn signal(&self, signal: &str) {
        let kill = Command::new("kill")
            .args(["-s", signal, &self.child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
