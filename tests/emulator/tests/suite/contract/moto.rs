//! moto's server: installed once, with pip, to a directory under `target/`.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Pinned: another version differs in other places. Of the server's packages only what it needs to
/// serve ECR: all of them are three times as many bytes.
const PACKAGES: [&str; 3] = ["moto[ecr,sts]==5.2.5", "flask==3.1.3", "flask-cors==6.0.5"];

/// Serves on a free port, says which, and ends when its input does: when the test does, however.
const SERVE: &str = "
import os, sys, threading
from werkzeug.serving import make_server
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
server = make_server('127.0.0.1', 0, DomainDispatcherApplication(create_backend_app), threaded=True)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
print(server.port, flush=True)
server.serve_forever()
";

/// A running server.
pub(super) struct Moto {
    process: Child,
    /// Held open for as long as the server is to run.
    _input: ChildStdin,
    pub(super) url: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Moto {
    pub(super) fn start() -> Self {
        let mut process = Command::new("python3")
            .args(["-c", SERVE])
            .env("PYTHONPATH", installed())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = process.stdin.take().unwrap();
        let mut port = String::new();
        let output = process.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut port).unwrap();
        let port: u16 = port.trim().parse().expect("moto's server does not start");
        Self {
            process,
            _input: input,
            url: format!("http://127.0.0.1:{port}"),
        }
    }
}

fn installed() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let packages = directory.join("moto-5.2.5");
    if !packages.exists() {
        // Whole or not at all: a run that was cut off leaves nothing that looks installed.
        let part = directory.join("moto-5.2.5.part");
        let target = ["--upgrade", "--target", part.to_str().unwrap()];
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ];
        crate::model::python(&[&pip[..], &target, &PACKAGES].concat());
        std::fs::rename(&part, &packages).unwrap();
    }
    packages
}
