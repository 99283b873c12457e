//! Repositories that are served over HTTP on loopback.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Context as _;
use xtask::{paths::target, program::Program};

/// A git server with its repositories.
pub(crate) struct Git {
    root: PathBuf,
    url: String,
    _server: Program,
}

impl Git {
    /// Serves an empty directory.
    pub(crate) async fn start(dir: &Path) -> Self {
        let root = dir.join("git");
        fs::create_dir_all(&root).unwrap();
        let log = dir.join("git-server.log");
        let mut command = Command::new(target().join("gitops/git-server"));
        command.arg(&root).env("GIT_CONFIG_GLOBAL", "/dev/null");
        let server = Program::start("git-server", command, &log).unwrap();
        let look = async || {
            let said = fs::read_to_string(&log)?;
            let line = said.strip_suffix('\n').context("nothing is printed yet")?;
            anyhow::Ok(line.to_owned())
        };
        let within = Duration::from_secs(30);
        let url = server.until("it says where", within, look).await.unwrap();
        Self {
            root,
            url,
            _server: server,
        }
    }

    /// A repository's URL.
    pub(crate) fn url(&self, repository: &str) -> String {
        format!("{}/{repository}.git", self.url)
    }

    fn work(&self, repository: &str) -> PathBuf {
        self.root.join("work").join(repository)
    }

    /// Changes the files of a repository by `change`, which is given their directory, and pushes that to `main`.
    pub(crate) fn push(&self, repository: &str, change: impl FnOnce(&Path)) {
        let (bare, work) = (
            self.root.join(format!("{repository}.git")),
            self.work(repository),
        );
        if !bare.exists() {
            fs::create_dir_all(&work).unwrap();
            git(
                &self.root,
                &["init", "-q", "--bare", "-b", "main", bare.to_str().unwrap()],
            );
            git(&work, &["init", "-q", "-b", "main"]);
            git(&work, &["remote", "add", "origin", bare.to_str().unwrap()]);
        }
        change(&work);
        git(&work, &["add", "-A"]);
        git(&work, &["commit", "-q", "--allow-empty", "-m", "Change"]);
        git(&work, &["push", "-q", "origin", "main"]);
    }

    /// Tags what is in `main`.
    pub(crate) fn tag(&self, repository: &str, tag: &str) {
        let work = self.work(repository);
        git(&work, &["tag", tag]);
        git(&work, &["push", "-q", "origin", tag]);
    }
}

fn git(directory: &Path, arguments: &[&str]) {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(directory)
        .envs([
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_AUTHOR_NAME", "platform"),
            ("GIT_AUTHOR_EMAIL", "platform@example.com"),
            ("GIT_COMMITTER_NAME", "platform"),
            ("GIT_COMMITTER_EMAIL", "platform@example.com"),
        ])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {stderr}");
}

/// Copies a directory, with each text changed by `change`.
pub(crate) fn copy(from: &Path, to: &Path, change: &impl Fn(String) -> String) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to, change);
        } else {
            let text = fs::read_to_string(&path).unwrap();
            fs::write(to, change(text)).unwrap();
        }
    }
}
