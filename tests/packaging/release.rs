//! The release: the steps of its workflow that need no registry are run here by the scripts that it calls, and the rest
//! is held to an order in which nothing is public before all checks have passed.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use xtask::paths::{target, workspace};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn script(name: &str) -> Command {
    let mut command = Command::new(workspace().join("deploy/release").join(name));
    command.env("HELM", target().join("tools/helm"));
    command
}

#[track_caller]
fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    output
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

#[test]
fn chart_definitions_and_manifests_are_packaged() {
    let dir = tempfile::tempdir().unwrap();
    let mut package = script("package.sh");
    package.env("IMAGE", "ghcr.io/example/ecr-operator");
    run(package.arg(VERSION).arg(dir.path()));

    let chart = dir.path().join(format!("ecr-operator-{VERSION}.tgz"));
    let read = |name: &str| {
        let output = run(Command::new("tar")
            .arg("-xzOf")
            .arg(&chart)
            .arg(format!("ecr-operator/{name}")));
        String::from_utf8(output.stdout).unwrap()
    };
    let about: Value = serde_yaml::from_str(&read("Chart.yaml")).unwrap();
    assert_eq!(
        [&about["version"], &about["appVersion"]],
        [VERSION, VERSION]
    );
    let definitions = workspace().join("crds/ecr-operator.dev_ecrrepositories.yaml");
    assert_eq!(
        read("files/crds/ecr-operator.dev_ecrrepositories.yaml"),
        text(&definitions)
    );
    assert!(text(&dir.path().join("crds.yaml")).contains(&text(&definitions)));
    let install = text(&dir.path().join("install.yaml"));
    let image = format!("image: ghcr.io/example/ecr-operator:{VERSION}\n");
    assert!(install.contains(&image), "{image}");

    run(script("checksums.sh").arg(dir.path()));
    let sums = text(&dir.path().join("SHA256SUMS"));
    let names: Vec<_> = sums
        .lines()
        .filter_map(|it| it.split_whitespace().nth(1))
        .collect();
    let chart = format!("ecr-operator-{VERSION}.tgz");
    assert_eq!(names, ["crds.yaml", chart.as_str(), "install.yaml"]);
    fs::write(dir.path().join("crds.yaml"), "other").unwrap();
    let check = Command::new("sha256sum")
        .args(["--check", "--quiet", "SHA256SUMS"])
        .current_dir(dir.path())
        .output();
    assert!(
        !check.unwrap().status.success(),
        "a file that was changed has the same sum"
    );
}

#[test]
fn the_bill_of_materials_names_what_is_in_the_program() {
    let tools = fs::read_dir(target().join("tools")).unwrap();
    let tool = tools
        .map(|it| it.unwrap().path().join("bin/cargo-cyclonedx"))
        .find(|it| it.exists())
        .expect("cargo-cyclonedx: `make sbom` builds it");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sbom.json");
    run(script("sbom.sh")
        .arg(&file)
        .env("CARGO_CYCLONEDX", tool)
        .env("CARGO_NET_OFFLINE", "true"));
    let sbom: Value = serde_json::from_str(&text(&file)).unwrap();
    assert_eq!(sbom["bomFormat"], "CycloneDX");
    assert_eq!(sbom["metadata"]["component"]["name"], "ecr-operator");
    let names: BTreeSet<_> = sbom["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    for name in ["kube-client", "aws-sdk-ecr", "rustls", "tokio"] {
        assert!(names.contains(name), "{name}");
    }
    assert!(
        !names.contains("proptest"),
        "what only tests need is not in the program"
    );
}

#[test]
fn the_notes_are_those_of_the_version() {
    let notes = |version: &str| {
        let mut script = Command::new(workspace().join("deploy/image/version.sh"));
        script.arg(version).output().unwrap()
    };
    assert!(
        !notes("99.0.0").status.success(),
        "the version of other sources was taken"
    );
    let said = notes(VERSION);
    let heading = format!("## [{VERSION}]");
    let released = text(&workspace().join("CHANGELOG.md")).contains(&heading);
    assert_eq!(said.status.success(), released, "{said:?}");
}

/// The jobs of a workflow, by name.
fn jobs(workflow: &str) -> Vec<(String, Value)> {
    let path = workspace().join(".github/workflows").join(workflow);
    let workflow: Value = serde_yaml::from_str(&text(&path)).unwrap();
    let jobs = workflow["jobs"].as_object().unwrap().iter();
    jobs.map(|(name, job)| (name.clone(), job.clone()))
        .collect()
}

fn steps(job: &Value) -> &[Value] {
    job["steps"].as_array().map_or(&[], Vec::as_slice)
}

/// What makes something public, or could.
const PUBLIC: [&str; 8] = [
    "helm push",
    "skopeo copy",
    "docker push",
    "push=true",
    "imagetools create",
    "cosign ",
    "gh release",
    " login",
];

#[test]
fn nothing_is_public_before_all_checks_have_passed() {
    let jobs = jobs("release.yml");
    let names: BTreeSet<_> = jobs.iter().map(|(name, _)| name.as_str()).collect();
    for (name, job) in &jobs {
        let rights = job["permissions"].as_object().unwrap().values();
        let writes = rights.clone().any(|it| it != "read");
        let publishes = steps(job)
            .iter()
            .filter_map(|it| it["run"].as_str())
            .any(|run| PUBLIC.iter().any(|it| run.contains(it)));
        assert_eq!(
            (writes, publishes),
            (name == "publish", name == "publish"),
            "{name}"
        );
    }
    let publish = &jobs.iter().find(|it| it.0 == "publish").unwrap().1;
    let needs: BTreeSet<_> = publish["needs"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(
        needs,
        names
            .iter()
            .copied()
            .filter(|it| *it != "publish")
            .collect()
    );
    let all: Vec<_> = jobs
        .iter()
        .flat_map(|it| steps(&it.1))
        .filter_map(|it| it["run"].as_str())
        .collect();
    for check in [
        ".ci/run",
        "make advisories",
        "GRYPE",
        "deploy/release/package.sh",
        "deploy/release/checksums.sh",
    ] {
        assert!(all.iter().any(|it| it.contains(check)), "{check}");
    }
    // Also within the last job: what needs no registry comes first.
    let runs: Vec<_> = steps(publish)
        .iter()
        .filter_map(|it| it["run"].as_str())
        .collect();
    assert!(
        runs[0].contains("version.sh") && runs[0].contains("checksums.sh"),
        "{runs:?}"
    );
}

#[test]
fn every_script_of_a_workflow_is_there() {
    let mut found = 0;
    for workflow in ["ci.yml", "release.yml"] {
        for (_, job) in jobs(workflow) {
            let runs = steps(&job).iter().filter_map(|it| it["run"].as_str());
            let words = runs.flat_map(str::split_whitespace);
            for word in words.filter(|it| it.starts_with("deploy/") || it.starts_with(".ci/")) {
                let path = workspace().join(word);
                let mode = fs::metadata(&path)
                    .unwrap_or_else(|why| panic!("{word}: {why}"))
                    .permissions()
                    .mode();
                assert!(mode & 0o111 != 0, "{word} is no program");
                found += 1;
            }
        }
    }
    assert!(found >= 5, "{found}");
}

#[test]
fn actions_and_images_are_pinned_by_what_cannot_move() {
    for workflow in ["ci.yml", "release.yml"] {
        let text = text(&workspace().join(".github/workflows").join(workflow));
        for line in text
            .lines()
            .filter_map(|it| it.trim().trim_start_matches("- ").strip_prefix("uses: "))
        {
            let (_, rest) = line.split_once('@').unwrap();
            let (commit, version) = rest
                .split_once(" # v")
                .unwrap_or_else(|| panic!("{line}: write the version beside it"));
            let is_commit = commit.len() == 40 && commit.bytes().all(|it| it.is_ascii_hexdigit());
            assert!(
                is_commit && version.starts_with(|it: char| it.is_ascii_digit()),
                "{line}"
            );
        }
    }
    let dockerfile = text(&workspace().join("Dockerfile"));
    assert!(
        !dockerfile.contains("# syntax="),
        "a frontend that nobody pinned"
    );
    let mut stages: BTreeSet<&str> = BTreeSet::from(["scratch"]);
    for line in dockerfile.lines().filter_map(|it| it.strip_prefix("FROM ")) {
        let (base, name) = line.split_once(" AS ").unwrap_or((line, ""));
        let by_digest = base
            .split_once("@sha256:")
            .is_some_and(|it| it.1.len() == 64);
        assert!(by_digest || stages.contains(base), "{line}");
        stages.insert(name);
    }
    // What makes the list of the program's parts brings many of its own: not where the program is built.
    let (_, build) = dockerfile.split_once(" AS build\n").unwrap();
    assert!(!build.contains("cargo install"), "{build}");
}

/// The directories below `directory` that have a go.mod.
fn modules(directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.join("go.mod").exists() {
            let relative = path.strip_prefix(workspace()).unwrap();
            found.push(format!("/{}", relative.display()));
        }
        if path.is_dir() {
            modules(&path, found);
        }
    }
}

#[test]
fn every_module_of_go_is_kept_up_to_date() {
    let updates = text(&workspace().join(".github/dependabot.yml"));
    let updates: Value = serde_yaml::from_str(&updates).unwrap();
    let updates = updates["updates"].as_array().unwrap();
    let of_go = updates.iter().find(|it| it["package-ecosystem"] == "gomod");
    let named = of_go.unwrap()["directories"].as_array().unwrap().iter();
    let named: BTreeSet<_> = named.map(|it| it.as_str().unwrap().to_owned()).collect();
    let mut found = Vec::new();
    for directory in ["tests", "deploy"] {
        modules(&workspace().join(directory), &mut found);
    }
    found.retain(|it| !named.contains(it));
    assert!(
        found.is_empty(),
        "name them in .github/dependabot.yml: {found:?}"
    );
}
