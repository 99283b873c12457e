//! What is in the image, run as a cluster runs it: `deploy/image/rootfs.sh` puts it together for this as
//! for the Dockerfile, and `deploy/image/confined.sh` takes the place of the container engine.

use std::{
    collections::BTreeSet,
    fs::Permissions,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::world::{Server, World, assert_says};

/// Where Kubernetes puts a pod's own account.
const ACCOUNT: &str = "var/run/secrets/kubernetes.io/serviceaccount";

fn script(name: &str) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/image");
    Command::new(path.join(name))
}

/// The image's content, in a directory that goes with the scenario.
fn content() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let root = dir.path().join("root");
    let built = script("rootfs.sh")
        .args([Path::new(env!("CARGO_BIN_EXE_ecr-operator")), &root])
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    (dir, root)
}

/// All files below a directory.
fn files(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
            } else {
                let path = entry.path();
                found.insert(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    found
}

/// Gives the pod its account, as the kubelet does. Gives the environment that goes with it.
fn mount_account(root: &Path, server: &Server) -> [(&'static str, String); 2] {
    let text = std::fs::read_to_string(&server.operator).unwrap();
    let kubeconfig: Value = serde_json::from_str(&text).unwrap();
    let token = kubeconfig["users"][0]["user"]["token"].as_str().unwrap();
    let authority = server.operator.with_file_name("pki").join("ca.crt");
    let account = root.join(ACCOUNT);
    std::fs::create_dir_all(&account).unwrap();
    std::fs::write(account.join("ca.crt"), std::fs::read(authority).unwrap()).unwrap();
    std::fs::write(account.join("namespace"), "ecr-operator-system").unwrap();
    std::fs::write(account.join("token"), token).unwrap();
    // Readable for the user of fsGroup and for nobody else. Where this runs as somebody other than root,
    // it is this user who takes the program's part.
    std::fs::set_permissions(account.join("token"), Permissions::from_mode(0o440)).unwrap();
    if chown(account.join("token"), None, Some(65532)).is_err() {
        assert_ne!(status(std::process::id(), "Uid")[0], "0");
    }
    let url = kubeconfig["clusters"][0]["cluster"]["server"].as_str();
    let (host, port) = url
        .and_then(|it| it.strip_prefix("https://")?.split_once(':'))
        .unwrap();
    [
        ("KUBERNETES_SERVICE_HOST", host.to_owned()),
        ("KUBERNETES_SERVICE_PORT", port.to_owned()),
    ]
}

/// A line of /proc/PID/status, without its name.
fn status(pid: u32, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|it| it.starts_with(&format!("{name}:")));
    line.unwrap()
        .split_whitespace()
        .skip(1)
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn there_is_nothing_in_it_but_what_the_operator_needs() {
    let (_dir, root) = content();
    let mut found = files(&root);
    for file in [
        "ecr-operator",
        "etc/group",
        "etc/nsswitch.conf",
        "etc/os-release",
        "etc/passwd",
        "etc/ssl/certs/ca-certificates.crt",
    ] {
        assert!(found.remove(file), "{file} is missing: {found:#?}");
    }
    let libraries = ["libc.so", "libm.so", "libgcc_s.so", "ld-linux"];
    found.retain(|path| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let library = libraries.iter().any(|it| name.starts_with(it));
        let described =
            path.starts_with("var/lib/dpkg/status.d/") || path.starts_with("usr/share/doc/");
        !library && !described
    });
    assert!(found.is_empty(), "{found:#?}");
    let authorities = std::fs::read_to_string(root.join("etc/ssl/certs/ca-certificates.crt"));
    let count = authorities.unwrap().matches("BEGIN CERTIFICATE").count();
    assert!(count > 50, "{count} certificate authorities");
}

#[test]
fn what_is_there_already_is_not_mixed_with_it() {
    let (_dir, root) = content();
    let again = script("rootfs.sh")
        .args([Path::new(env!("CARGO_BIN_EXE_ecr-operator")), &root])
        .output()
        .unwrap();
    assert!(!again.status.success());
    assert_says(
        String::from_utf8_lossy(&again.stderr).as_ref(),
        "there already",
    );
}

#[test]
fn a_program_with_a_library_that_nobody_decided_on_is_refused() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // bash is linked with libtinfo.
    let refused = script("rootfs.sh")
        .args([Path::new("/bin/bash"), &dir.path().join("root")])
        .output()
        .unwrap();
    assert!(!refused.status.success());
    assert_says(
        String::from_utf8_lossy(&refused.stderr).as_ref(),
        "the program needs",
    );
}

#[tokio::test]
async fn it_works_on_a_read_only_root_as_a_user_without_any_right() {
    let mut world = World::without_operator("image").await;
    let (_dir, root) = content();
    let environment = mount_account(&root, &world.server);
    let mut command = script("confined.sh");
    command
        .arg(&root)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .envs(environment);
    world.start_operator_by(command).await;

    let pid = world.operator().pid();
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    assert_eq!(program.file_name().unwrap(), "ecr-operator");
    assert!(!status(pid, "Uid").contains(&"0".to_owned()));
    assert_eq!(status(pid, "CapEff"), ["0000000000000000"]);
    assert_eq!(status(pid, "NoNewPrivs"), ["1"]);
    let mounts = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let options: Vec<_> = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter(|fields| fields[4] == "/")
        .map(|fields| fields[5].split(',').any(|it| it == "ro"))
        .collect();
    assert_eq!(options, [true], "{mounts}");

    let before = files(&root);
    let spec = json!({"imageTagMutability": "IMMUTABLE", "deletionPolicy": "Delete"});
    world.apply("api", spec).await;
    let object = world.ready("api").await;
    assert!(world.repository("api").is_some());
    world.delete("api").await;
    world.gone(&object).await;
    assert!(world.repository("api").is_none());
    assert_eq!(files(&root), before);
    world.finish().await;
}
