//! What a user sees while `make demo`, `make up` and `make test` build: `xtask/setup/setup.py`, with a makefile that
//! builds nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

const CONTROL_PLANE: &str = "target/control-plane/control-plane";

/// As cargo and Go speak: bars that are drawn over and over, and a line for each package.
const BUILDS: &str = "\
programs:
\t@printf '    Updating crates.io index\\n  Downloaded serde v1.0.0\\n   Compiling serde v1.0.0\\n'
\t@printf '    Building [=>   ] 1/4: serde\\r    Building [====>] 4/4: demo\\r    Finished `dev` profile\\n'
target/control-plane/control-plane:
\t@printf 'go: downloading k8s.io/api v0.37.2\\npackages: 2\\nk8s.io/api/core/v1\\nk8s.io/kubernetes\\n'
\t@mkdir -p $(@D) && touch $@
";

/// A workspace with this makefile.
fn workspace(makefile: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let setup = dir.path().join("xtask/setup");
    fs::create_dir_all(&setup).unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("setup/setup.py");
    fs::copy(ours, setup.join("setup.py")).unwrap();
    let lock = "[[package]]\nname = \"serde\"\nversion = \"1.0.0\"\nsource = \"registry\"\n";
    fs::write(dir.path().join("Cargo.lock"), lock).unwrap();
    fs::write(dir.path().join("Makefile"), makefile).unwrap();
    dir
}

fn command(dir: &Path, before: &[&str], parts: &[&str]) -> Command {
    let mut words = before.iter().chain(&["xtask/setup/setup.py"]).chain(parts);
    let mut command = Command::new(words.next().unwrap());
    command
        .args(words)
        .current_dir(dir)
        .env("CARGO_HOME", dir.join("home"))
        .env_remove("CARGO_TARGET_DIR");
    command
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn it_says_what_it_will_take_and_keeps_the_rest_in_logs() {
    let dir = workspace(BUILDS);
    let parts = ["programs", CONTROL_PLANE];
    let output = command(dir.path(), &["python3"], &parts).output().unwrap();
    let (out, err) = said(&output);
    assert!(output.status.success() && err.is_empty(), "{out}{err}");
    for part in [
        "Building from source, once:",
        "From nothing that takes about",
        "Of 1 crates 1 are still to be downloaded",
        "The whole output is in target/logs",
        "operator and demo: 0 min",
        "Kubernetes: 0 min",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    for noise in ["Compiling", "Downloaded", "go: downloading", "k8s.io/api"] {
        assert!(!out.contains(noise), "{noise}: {out}");
    }
    assert!(out.lines().count() <= 6, "{out}");
    let log = |name: &str| fs::read_to_string(dir.path().join("target/logs").join(name)).unwrap();
    let programs = log("programs.log");
    assert!(programs.contains("Compiling serde v1.0.0"), "{programs}");
    assert!(!programs.contains("Building ["), "{programs}");
    assert!(log("control-plane.log").contains("k8s.io/kubernetes"));
}

#[test]
fn what_is_there_already_is_not_announced_again() {
    let dir = workspace(BUILDS);
    for _ in 0..2 {
        let output = command(dir.path(), &["python3"], &[CONTROL_PLANE]).output();
        assert!(output.unwrap().status.success());
    }
    let output = command(dir.path(), &["python3"], &[CONTROL_PLANE]).output();
    assert_eq!(said(&output.unwrap()), (String::new(), String::new()));
}

#[test]
fn a_terminal_has_one_line_of_progress() {
    let slow = BUILDS.replace("4/4: demo\\r", "2/4: demo\\r' && sleep 1.2 && printf '");
    let dir = workspace(&slow);
    let terminal = [
        "python3",
        "-c",
        "import pty, sys, os; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))",
        "python3",
    ];
    let output = command(dir.path(), &terminal, &["programs"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = said(&output);
    assert!(output.status.success(), "{out}{err}");
    let drawn = out.split('\r').find(|it| it.contains("2/4 crates"));
    let drawn = drawn.unwrap_or_else(|| panic!("{out}"));
    assert!(drawn.contains(" 50%, "), "{drawn}");
    assert!(drawn.contains(" left"), "{drawn}");
}

#[test]
fn what_fails_is_named_with_its_last_lines_and_its_log() {
    let broken = "programs:\n\t@echo 'error: no linker' && exit 7\ntarget/control-plane/control-plane:\n\t@sleep 600\n";
    let dir = workspace(broken);
    let parts = ["programs", CONTROL_PLANE];
    let output = command(dir.path(), &["python3"], &parts).output().unwrap();
    let (out, err) = said(&output);
    // As make has it, which says 2 whatever its command said.
    assert_eq!(output.status.code(), Some(2), "{out}{err}");
    for part in [
        "operator and demo failed with exit code 2",
        "target/logs/programs.log",
        "error: no linker",
        "Error 7",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
}

#[test]
fn a_part_that_is_not_known_is_refused() {
    let dir = workspace(BUILDS);
    let output = command(dir.path(), &["python3"], &["nothing"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).1.contains("unknown: nothing"));
}

#[test]
fn interrupted_it_takes_what_it_began_with_it() {
    let dir = workspace("programs:\n\t@echo $$$$ > pid && sleep 600\n");
    let mut command = command(dir.path(), &["python3"], &["programs"]);
    let child = command
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = dir.path().join("pid");
    while fs::read_to_string(&pid).unwrap_or_default().is_empty() {
        std::thread::yield_now();
    }
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process_group(group, Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(said(&output).1.contains("stopped"));
    let shell = fs::read_to_string(&pid).unwrap();
    let alive = || {
        let status = fs::read_to_string(format!("/proc/{}/status", shell.trim()));
        status.is_ok_and(|it| !it.contains("State:\tZ"))
    };
    while alive() {
        std::thread::yield_now();
    }
}
