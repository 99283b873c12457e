//! A restart of the API server under many objects. It is a second one beside that of the control plane,
//! on the same etcd: only the operator notices that it goes.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use xtask::patience::eventually;
use xtask::program::Program;
use xtask::{paths, processes};

use super::audit::Audit;
use super::measure::{Bench, real};
use super::table::Row;

const NAMESPACE: &str = "api-server";
const OBJECTS: u32 = 1_000;

const READY_WITHIN: Duration = Duration::from_mins(2);

/// A server that starts refuses twice, as its authoriser has not read the roles yet (403) and its watch cache is
/// not filled (429), and then says that the version is too old (410); the fourth watch lasts. One more where it
/// refuses for longer than the first back-off.
const MOST_WATCHES: f64 = 5.0;

/// The kinds that are watched: objects, classes, namespaces.
const KINDS: [&str; 3] = ["ecrrepositories", "ecrrepositoryclasses", "namespaces"];

impl Bench {
    pub(super) async fn api_server(&mut self) -> Result<()> {
        let (operator, _) = self.populated(NAMESPACE, OBJECTS).await?;
        operator.stop().await?;
        println!("· killing the API server of {OBJECTS} objects, and starting it again");
        let dir = self.stack.dir.join("second");
        std::fs::create_dir_all(&dir)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let args = arguments(&dir, self.stack.control_plane.pid(), port)?;
        let server = self.second(&dir, &args).await?;
        let kubeconfig = dir.join("operator.kubeconfig");
        let text = std::fs::read_to_string(self.stack.dir.join("operator.kubeconfig"))?;
        let url = format!("https://127.0.0.1:{port}");
        std::fs::write(
            &kubeconfig,
            text.replace(self.stack.control_plane.server(), &url),
        )?;
        let flags = ["--watch-namespace", NAMESPACE];
        let operator = self.stack.operator_by(&kubeconfig, "bench", &flags).await?;
        self.quiet().await?;
        let cpu = processes::cpu(operator.pid())?;
        drop(server);
        self.zero().await?;
        let audit = Audit::now(&dir)?;
        let server = self.second(&dir, &args).await?;
        eventually("it watches again", READY_WITHIN, async || {
            let seen = audit.seen()?;
            let watches = |kind: &&str| seen.requests.contains_key(&format!("watch {kind}"));
            ensure!(KINDS.iter().all(watches), "{:?}", seen.requests);
            Ok(())
        })
        .await?;
        self.quiet().await?;
        let seen = audit.seen()?;
        let calls = self.calls().await? - self.policy_reads().await?;
        let cpu = processes::cpu(operator.pid())?.saturating_sub(cpu);
        operator.stop().await?;
        drop(server);
        println!("  {:?}", seen.requests);
        let most = |verb: &str| {
            let count = |kind| seen.requests.get(&format!("{verb} {kind}")).copied();
            real(KINDS.iter().filter_map(count).max().unwrap_or(0))
        };
        self.rows.extend([
            Row::noted(
                "a restart of the API server, 1,000 objects: lists of a kind, in pages",
                most("list"),
                "requests",
            ),
            Row::limited(
                "  watches of a kind",
                most("watch"),
                MOST_WATCHES,
                "requests",
            ),
            Row::limited("  Kubernetes writes", real(seen.writes), 0.0, "writes"),
            Row::limited("  ECR calls", calls, 0.0, "calls"),
            Row::noted("  CPU", cpu.as_secs_f64() * 1000.0, "ms"),
        ]);
        Ok(())
    }

    async fn second(&self, dir: &Path, args: &[String]) -> Result<Program> {
        let program = paths::target().join("control-plane/bin/kube-apiserver");
        let program = if program.exists() {
            program
        } else {
            paths::control_plane()?
        };
        let mut command = Command::new(program);
        std::os::unix::process::CommandExt::arg0(&mut command, "kube-apiserver");
        command.args(args).current_dir(dir);
        let server = Program::start("kube-apiserver", command, &dir.join("kube-apiserver.log"))?;
        let url = args
            .iter()
            .find_map(|arg| arg.strip_prefix("--secure-port="));
        let url = format!("https://127.0.0.1:{}", url.context("it has no port")?);
        let look = ["--server", &url, "get", "--raw", "/readyz"];
        server
            .until("the API server is ready", READY_WITHIN, async || {
                self.kubectl.run(&look).await
            })
            .await?;
        Ok(server)
    }
}

/// The arguments of the control plane's own API server, but for the port and the audit log.
fn arguments(dir: &Path, supervisor: u32, port: u16) -> Result<Vec<String>> {
    let audit: PathBuf = dir.join("audit.log");
    let own = own_arguments(supervisor)?;
    let args = own.into_iter().map(|arg| match arg.split_once('=') {
        Some(("--secure-port", _)) => format!("--secure-port={port}"),
        Some(("--audit-log-path", _)) => format!("--audit-log-path={}", audit.display()),
        Some(_) | None => arg,
    });
    Ok(args.collect())
}

/// How the supervisor started its API server.
fn own_arguments(supervisor: u32) -> Result<Vec<String>> {
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        let Ok(stat) = std::fs::read_to_string(path.join("stat")) else {
            continue;
        };
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1));
        if parent != Some(supervisor.to_string().as_str()) {
            continue;
        }
        let line = std::fs::read_to_string(path.join("cmdline"))?;
        let mut words = line.split('\0').filter(|word| !word.is_empty());
        if words.next() == Some("kube-apiserver") {
            return Ok(words.map(str::to_owned).collect());
        }
    }
    anyhow::bail!("the control plane has no API server")
}
