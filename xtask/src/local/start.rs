//! Starts the parts of the local stack. Each is recorded before anything waits for it, so that also a
//! half-made stack can be stopped.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use xtask::control_plane::Endpoint;
use xtask::install::{
    NAMESPACE, SERVICE_ACCOUNT, apply_install, apply_local_class, operator_kubeconfig,
};
use xtask::kubectl::Kubectl;
use xtask::operator::{self, Settings, free_address};
use xtask::program::{alive_until, logged, tail};
use xtask::{emulator, http, paths};

use super::Home;
use super::state::{Recorded, State};
use crate::narration::{Ink, seconds};

const READY_WITHIN: Duration = Duration::from_mins(3);

/// The name that the operator of the local stack gives its cluster.
const CLUSTER_NAME: &str = "local";

pub(super) async fn start_control_plane(home: &Home, state: &mut State, ink: Ink) -> Result<()> {
    let clock = Instant::now();
    let mut command = Command::new(paths::control_plane()?);
    command.args(["start", "--dir"]).arg(&home.dir);
    let log = home.path("control-plane.log");
    let pid = record(command, &log, home, state, |state| &mut state.control_plane)?;
    let look = async || {
        let said = std::fs::read_to_string(&log)?;
        let endpoint: Endpoint = serde_json::from_str(&said)?;
        anyhow::Ok(endpoint)
    };
    let endpoint = alive_until(
        "control-plane",
        pid,
        &log,
        "it is ready",
        READY_WITHIN,
        look,
    )
    .await?;
    apply_install(&endpoint.kubeconfig).await?;
    operator_kubeconfig(&endpoint.kubeconfig, &home.path("operator.kubeconfig")).await?;
    let text = format!(
        "control plane  {} ({})",
        endpoint.server,
        seconds(clock.elapsed())
    );
    ink.check(&text);
    set_url(
        home,
        state,
        |state| &mut state.control_plane,
        endpoint.server,
    )
}

pub(super) async fn start_emulator(home: &Home, state: &mut State, ink: Ink) -> Result<()> {
    let log = home.path("emulator.log");
    let pid = record(emulator::command()?, &log, home, state, |state| {
        &mut state.emulator
    })?;
    let look = async || emulator::url_in(&log);
    let url = alive_until("ecr-emulator", pid, &log, "it listens", READY_WITHIN, look).await?;
    ink.check(&format!("ECR emulator   {url}"));
    set_url(home, state, |state| &mut state.emulator, url)
}

/// Puts the install back, and gives the operator another token where the API server no longer knows its own: whoever
/// tried `kubectl delete -k` on a stack that runs has taken the `ServiceAccount` from it. Its process is stopped then.
pub(super) async fn repair_install(home: &Home, state: &mut State, ink: Ink) -> Result<()> {
    apply_install(&home.kubeconfig()).await?;
    let kubeconfig = home.path("operator.kubeconfig");
    let account = ["get", "serviceaccount", SERVICE_ACCOUNT, "-n", NAMESPACE];
    let uid = [account.as_slice(), &["-o", "jsonpath={.metadata.uid}"]].concat();
    let uid = Kubectl::new(&home.kubeconfig())?.run(&uid).await?;
    // By uid: the API server remembers for a while that it knew a token.
    let whoami = ["auth", "whoami", "-o", "jsonpath={.status.userInfo.uid}"];
    let ours = Kubectl::new(&kubeconfig)?.run(&whoami).await;
    if ours.ok().as_deref() != Some(uid.as_str()) {
        operator_kubeconfig(&home.kubeconfig(), &kubeconfig).await?;
        super::stop_operator(home, state).await?;
        ink.check("the operator has its ServiceAccount again");
    }
    Ok(())
}

/// Starts the operator, unless the current program runs already and is ready.
pub(super) async fn start_operator(home: &Home, state: &mut State, ink: Ink) -> Result<()> {
    if let Some(running) = &state.operator {
        let current = running.alive() && !running.outdated(&paths::program("ecr-operator")?)?;
        if current && http::get(&format!("{}/readyz", running.url)).await.is_ok() {
            ink.check("the operator runs already");
            return Ok(());
        }
        super::stop_operator(home, state).await?;
    }
    let clock = Instant::now();
    apply_local_class(&home.kubeconfig()).await?;
    let settings = Settings {
        cluster_name: CLUSTER_NAME.to_owned(),
        kubeconfig: home.path("operator.kubeconfig"),
        endpoint: state
            .emulator
            .as_ref()
            .map(|it| it.url.clone())
            .unwrap_or_default(),
        flags: Vec::new(),
        wrapper: Vec::new(),
    };
    let admin = free_address()?;
    let url = format!("http://{admin}");
    let log = home.path("operator.log");
    let command = operator::command(&settings, admin)?;
    let pid = record(command, &log, home, state, |state| &mut state.operator)?;
    let look = async || http::get(&format!("{url}/readyz")).await;
    alive_until("ecr-operator", pid, &log, "it is ready", READY_WITHIN, look).await?;
    ink.check(&format!(
        "operator       {url}/readyz ({})",
        seconds(clock.elapsed())
    ));
    set_url(home, state, |state| &mut state.operator, url)
}

type Part = fn(&mut State) -> &mut Option<Recorded>;

/// Starts a process that outlives us, away from the terminal, and records it.
fn record(
    mut command: Command,
    log: &Path,
    home: &Home,
    state: &mut State,
    part: Part,
) -> Result<u32> {
    let program = PathBuf::from(command.get_program());
    let child = logged(&mut command, log)?.process_group(0).spawn();
    let child = child.with_context(|| format!("start {}", program.display()))?;
    let recorded = Recorded::new(child.id(), &program);
    *part(state) =
        Some(recorded.with_context(|| format!("{}:\n{}", log.display(), tail(log, 20)))?);
    state.save(&home.state())?;
    Ok(child.id())
}

fn set_url(home: &Home, state: &mut State, part: Part, url: String) -> Result<()> {
    if let Some(recorded) = part(state) {
        recorded.url = url;
    }
    state.save(&home.state())
}
