//! The image's archive, made without a container engine: what `make image` makes, of the program that tests run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use xtask::paths::{target, workspace};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ecr-operator");

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    output
}

/// Makes the archive, and unpacks it.
fn layout() -> (TempDir, PathBuf, String) {
    let packer = target().join("tools/oci-image");
    assert!(
        packer.exists(),
        "{}: `make image` builds it",
        packer.display()
    );
    let dir = tempfile::tempdir().unwrap();
    let script = workspace().join("deploy/image/archive.sh");
    run(Command::new(script)
        .arg(PROGRAM)
        .arg(packer)
        .arg(dir.path()));
    let name = format!("ecr-operator-{}-oci.tar", env!("CARGO_PKG_VERSION"));
    let layout = dir.path().join("layout");
    fs::create_dir(&layout).unwrap();
    run(Command::new("tar")
        .arg("-xf")
        .arg(dir.path().join(&name))
        .arg("-C")
        .arg(&layout));
    let digest = fs::read_to_string(dir.path().join(name + ".digest")).unwrap();
    (dir, layout, digest.trim().to_owned())
}

fn blob(layout: &Path, digest: &Value) -> PathBuf {
    let digest = digest.as_str().unwrap().replace(':', "/");
    layout.join("blobs").join(digest)
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// What the last stage of the Dockerfile says of the image, with the values that its arguments have here.
fn dockerfile(config: &Value) -> Value {
    let text = fs::read_to_string(workspace().join("Dockerfile")).unwrap();
    let (_, stage) = text.split_once("\nFROM scratch\n").unwrap();
    let stage = stage.replace("\\\n", " ");
    let line = |word: &str| {
        let mut lines = stage.lines().filter_map(|it| it.strip_prefix(word));
        lines.next().unwrap().trim().to_owned()
    };
    let mut labels = json!({});
    for label in line("LABEL").split("\" ") {
        let (name, value) = label.split_once('=').unwrap();
        let value = value.trim_matches('"');
        // `${VERSION}`, which the build fills in.
        labels[name.trim()] = if value.starts_with("${") {
            config["Labels"][name.trim()].clone()
        } else {
            json!(value)
        };
    }
    let list = |word: &str| serde_json::from_str::<Value>(&line(word)).unwrap();
    json!({
        "User": line("USER"),
        "Entrypoint": list("ENTRYPOINT"),
        "Cmd": list("CMD"),
        "Labels": labels,
    })
}

#[test]
fn the_archive_is_the_image_that_the_dockerfile_makes() {
    let (_dir, layout, digest) = layout();
    let index = json_of(&layout.join("index.json"));
    let manifest = &index["manifests"][0];
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(manifest["digest"], json!(digest));
    assert_eq!(manifest["platform"]["os"], "linux");
    let manifest = json_of(&blob(&layout, &manifest["digest"]));
    let image = json_of(&blob(&layout, &manifest["config"]["digest"]));
    let mut config = image["config"].clone();
    assert_eq!(
        config["Labels"]["org.opencontainers.image.version"],
        env!("CARGO_PKG_VERSION")
    );
    let wanted = dockerfile(&config);
    // Not said by the Dockerfile, and what a container engine fills in.
    for filled in ["Env", "WorkingDir"] {
        config.as_object_mut().unwrap().remove(filled);
    }
    assert_eq!(config, wanted);
    let user = wanted["User"].as_str().unwrap();
    assert!(!user.starts_with('0') && user != "root", "{user}");
}

#[test]
fn the_program_runs_from_what_is_unpacked() {
    let (dir, layout, _) = layout();
    let index = json_of(&layout.join("index.json"));
    let manifest = json_of(&blob(&layout, &index["manifests"][0]["digest"]));
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    for layer in manifest["layers"].as_array().unwrap() {
        run(Command::new("tar")
            .arg("-xzf")
            .arg(blob(&layout, &layer["digest"]))
            .arg("-C")
            .arg(&root));
    }
    // As a cluster would: its root, read-only, not root.
    let confined = |argument: &str| {
        let script = workspace().join("deploy/image/confined.sh");
        let output = run(Command::new(script).arg(&root).arg(argument));
        String::from_utf8(output.stdout).unwrap()
    };
    let version = concat!("ecr-operator ", env!("CARGO_PKG_VERSION"));
    assert_eq!(confined("--version").trim(), version);
    let direct = run(Command::new(PROGRAM).arg("crds"));
    assert_eq!(confined("crds"), String::from_utf8(direct.stdout).unwrap());
}

#[test]
fn two_archives_of_one_program_are_the_same() {
    let [(_first, _, one), (_second, _, other)] = [layout(), layout()];
    assert!(one.starts_with("sha256:") && one.len() == 71, "{one}");
    assert_eq!(one, other);
}
