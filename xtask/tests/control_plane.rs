//! The control plane as the scenario tests use it.

use std::path::Path;
use std::time::{Duration, Instant};

use xtask::control_plane::ControlPlane;

#[tokio::test]
async fn a_dropped_control_plane_leaves_no_process_and_no_port() {
    let dir = tempfile::tempdir().unwrap();
    let control_plane = ControlPlane::start(dir.path()).await.unwrap();
    let kubectl = control_plane.kubectl().unwrap();
    let name = kubectl
        .run(&["get", "namespace", "default", "-o", "name"])
        .await
        .unwrap();
    assert_eq!(name.trim(), "namespace/default");
    assert_eq!(processes_naming(dir.path()), 4);

    drop(control_plane);

    let end = Instant::now() + Duration::from_secs(30);
    while processes_naming(dir.path()) > 0 {
        assert!(Instant::now() < end, "processes are left behind");
        std::thread::sleep(Duration::from_millis(10));
    }
    let refused = kubectl.run(&["get", "namespaces"]).await.unwrap_err();
    assert!(refused.to_string().contains("refused"), "{refused}");
}

#[tokio::test]
async fn a_control_plane_that_cannot_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let error = ControlPlane::start_with(dir.path(), &["--no-such-flag"])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no-such-flag"), "{error}");
}

fn processes_naming(dir: &Path) -> usize {
    let needle = dir.display().to_string();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .filter(|cmdline| String::from_utf8_lossy(cmdline).contains(&needle))
        .count()
}
