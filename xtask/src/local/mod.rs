//! The local stack in the background: `up` and `down`.

mod start;
mod state;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xtask::ecr::{ACCESS_KEY, REGION};
use xtask::kubectl::Kubectl;
use xtask::{emulator, paths};

use self::start::{repair_install, start_control_plane, start_emulator, start_operator};
use self::state::State;
use crate::narration::Ink;

/// Where the local stack lives.
struct Home {
    dir: PathBuf,
    /// One `up` or `down` at a time.
    _lock: File,
}

impl Home {
    fn open() -> Result<Self> {
        let dir = paths::target().join("local");
        std::fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        let lock = File::create(dir.join("lock"))?;
        lock.lock()
            .context("wait for another make up or make down")?;
        Ok(Self { dir, _lock: lock })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn state(&self) -> PathBuf {
        self.path("state.json")
    }

    fn kubeconfig(&self) -> PathBuf {
        self.path("admin.kubeconfig")
    }
}

/// Starts what does not run yet, and makes sure that what runs answers. An operator whose program was
/// built anew is restarted: edit, `make up`, try.
pub(crate) async fn up(with_operator: bool) -> Result<()> {
    let home = Home::open()?;
    let ink = Ink::of_stdout();
    let mut state = State::load(&home.state())?;
    if answers(&home, &state).await {
        ink.check("the control plane and the emulator run already");
        repair_install(&home, &mut state, ink).await?;
    } else {
        stop_all(&home, &mut state).await?;
        start_control_plane(&home, &mut state, ink).await?;
        start_emulator(&home, &mut state, ink).await?;
    }
    if with_operator {
        start_operator(&home, &mut state, ink).await?;
    } else {
        stop_operator(&home, &mut state).await?;
    }
    write_environment(&home, &state)?;
    report(&home, ink);
    Ok(())
}

/// Stops what runs; nothing is no error.
pub(crate) async fn down() -> Result<()> {
    let home = Home::open()?;
    let ink = Ink::of_stdout();
    let mut state = State::load(&home.state())?;
    let count = stop_all(&home, &mut state).await?;
    let _ = std::fs::remove_file(home.path("env"));
    let _ = std::fs::remove_file(home.state());
    match count {
        0 => println!("nothing runs"),
        _ => ink.check("the local stack is down"),
    }
    Ok(())
}

/// Whether the control plane and the emulator live and answer.
async fn answers(home: &Home, state: &State) -> bool {
    let (Some(control_plane), Some(emulator)) = (&state.control_plane, &state.emulator) else {
        return false;
    };
    if !control_plane.alive() || !emulator.alive() {
        return false;
    }
    let Ok(kubectl) = Kubectl::new(&home.kubeconfig()) else {
        return false;
    };
    kubectl.run(&["get", "--raw", "/readyz"]).await.is_ok()
        && emulator::calls(&emulator.url).await.is_ok()
}

/// Stops everything that is recorded, and says how much of it still ran.
async fn stop_all(home: &Home, state: &mut State) -> Result<usize> {
    let parts = [&state.operator, &state.emulator, &state.control_plane];
    let mut running = 0;
    for recorded in parts.into_iter().flatten() {
        running += usize::from(recorded.alive());
        recorded.stop().await?;
    }
    *state = State::default();
    state.save(&home.state())?;
    Ok(running)
}

async fn stop_operator(home: &Home, state: &mut State) -> Result<()> {
    if let Some(operator) = state.operator.take() {
        operator.stop().await?;
        state.save(&home.state())?;
    }
    Ok(())
}

/// What a shell sources to work with the stack.
fn write_environment(home: &Home, state: &State) -> Result<()> {
    let url = state.emulator.as_ref().map_or("", |emulator| &emulator.url);
    let programs = paths::target().join("control-plane/bin");
    let text = format!(
        "export KUBECONFIG={}\nexport AWS_ENDPOINT_URL={}\n\
         export AWS_REGION={REGION}\nexport AWS_DEFAULT_REGION={REGION}\n\
         export AWS_ACCESS_KEY_ID={ACCESS_KEY}\nexport AWS_SECRET_ACCESS_KEY={ACCESS_KEY}\n\
         export PATH={}:\"$PATH\"\n",
        quoted(&home.kubeconfig()),
        quoted(Path::new(url)),
        quoted(&programs),
    );
    std::fs::write(home.path("env"), text).context("write target/local/env")
}

/// For a POSIX shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

fn report(home: &Home, ink: Ink) {
    println!();
    println!("  source {}", home.path("env").display());
    println!("  kubectl apply -f deploy/samples/demo.yaml && kubectl get ecrrepo");
    println!(
        "  {}",
        ink.dim(&format!(
            "logs: {}/*.log; make down stops it",
            home.dir.display()
        ))
    );
}
