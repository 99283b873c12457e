//! A limit of memory for one program, as a container has it: a cgroup where one may be made, else a scope
//! of systemd, else a limit of the address space.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Joins the cgroup that `$0` names and becomes the program: nothing of it runs outside.
const JOIN: &str = r#"echo $$ > "$0/cgroup.procs" && exec "$@""#;

/// Limits its own address space to `$0` KiB and becomes the program.
const LIMIT: &str = r#"ulimit -v "$0" && exec "$@""#;

/// Where cgroups are, of both versions, and the names of their limits.
const CGROUPS: [(&str, &str); 2] = [
    ("/sys/fs/cgroup", "memory.max"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
];

/// So many bytes for one program.
#[derive(Debug)]
pub(super) struct Limit {
    /// How it is done, for people.
    pub(super) by: String,
    /// What starts the program.
    pub(super) wrapper: Vec<String>,
    cgroup: Option<PathBuf>,
}

impl Limit {
    /// `reserved`: the address space that the program has without being resident in it. It is counted
    /// where only the address space can be limited, so it comes on top of the limit there.
    pub(super) fn of(bytes: u64, reserved: u64) -> Self {
        for (root, file) in CGROUPS {
            if let Some(limit) = Self::cgroup(Path::new(root), file, bytes) {
                return limit;
            }
        }
        if let Some(limit) = Self::scope(bytes) {
            return limit;
        }
        let kibibytes = (bytes + reserved) / 1024;
        Self {
            by: format!("ulimit -v {kibibytes}: as much, and what it reserves when it is idle"),
            wrapper: shell(LIMIT, &kibibytes.to_string()),
            cgroup: None,
        }
    }

    /// None: no cgroup may be made here, or its memory can't be limited.
    fn cgroup(root: &Path, file: &str, bytes: u64) -> Option<Self> {
        let dir = root.join(format!("ecr-operator-bench-{}", std::process::id()));
        std::fs::create_dir(&dir).ok()?;
        let limit = Self {
            by: format!("{file} of a cgroup"),
            wrapper: shell(JOIN, &dir.display().to_string()),
            cgroup: Some(dir.clone()),
        };
        // Without the memory controller a cgroup has no such file, and other directories have none at all.
        let set = |file: &str, value: &str| {
            let file = dir.join(file);
            file.exists() && std::fs::write(file, value).is_ok()
        };
        let limited = set(file, &bytes.to_string());
        // Nothing is to be moved out of memory instead; not every kernel has this.
        set("memory.swap.max", "0");
        limited.then_some(limit)
    }

    fn scope(bytes: u64) -> Option<Self> {
        let limit = format!("MemoryMax={bytes}");
        let scope = [
            "systemd-run",
            "--user",
            "--scope",
            "--quiet",
            "-p",
            &limit,
            "-p",
            "MemorySwapMax=0",
            "--",
        ];
        let (program, args) = scope.split_first()?;
        let tried = Command::new(program)
            .args(args)
            .arg("true")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        tried.is_ok_and(|status| status.success()).then(|| Self {
            by: "a scope of systemd".to_owned(),
            wrapper: scope.map(str::to_owned).to_vec(),
            cgroup: None,
        })
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        if let Some(dir) = &self.cgroup {
            // Its program has ended by now, or the directory stays.
            let _ = std::fs::remove_dir(dir);
        }
    }
}

fn shell(script: &str, first: &str) -> Vec<String> {
    ["sh", "-c", script, first].map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(wrapper: &[String], program: &[&str]) -> std::process::ExitStatus {
        let (first, args) = wrapper.split_first().unwrap();
        let mut command = Command::new(first);
        command.args(args).args(program);
        command.stderr(Stdio::null()).status().unwrap()
    }

    /// A shell that has 128 MB in one word.
    const LARGE: [&str; 3] = [
        "sh",
        "-c",
        r#"x=$(head -c 128000000 /dev/zero | tr "\0" x); test ${#x} -eq 128000000"#,
    ];

    fn holds(wrapper: &[String]) {
        assert!(run(wrapper, &["true"]).success(), "{wrapper:?}");
        assert!(!run(wrapper, &LARGE).success(), "{wrapper:?}");
    }

    #[test]
    fn a_program_within_its_limit_runs_and_one_beyond_it_does_not() {
        let none = ["env".to_owned()];
        assert!(run(&none, &LARGE).success());
        holds(&Limit::of(64 << 20, 0).wrapper);
        holds(&shell(LIMIT, "65536"));
    }
}
