//! Where things are: the workspace, and what is built in it.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The workspace's own directory.
#[must_use]
pub fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

/// Where cargo and make put what they build: `CARGO_TARGET_DIR`, else `target` in the workspace.
#[must_use]
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        // join keeps an absolute path as it is.
        Some(dir) if !dir.is_empty() => workspace().join(dir),
        _ => workspace().join("target"),
    }
}

/// The control plane's program, which `make control-plane` builds.
///
/// # Errors
/// When it has not been built.
pub fn control_plane() -> Result<PathBuf> {
    built("control-plane/control-plane", "make control-plane")
}

/// kubectl, built with the control plane.
///
/// # Errors
/// When it has not been built.
pub fn kubectl() -> Result<PathBuf> {
    built("control-plane/bin/kubectl", "make control-plane")
}

/// A program of the build that this one is of, such as `ecr-operator`: the optimised one measures, the other shows.
///
/// # Errors
/// When it has not been built.
pub fn program(name: &str) -> Result<PathBuf> {
    if cfg!(debug_assertions) {
        built(&format!("debug/{name}"), "make programs")
    } else {
        built(&format!("release/{name}"), "make release")
    }
}

fn built(relative: &str, command: &str) -> Result<PathBuf> {
    let path = target().join(relative);
    if !path.exists() {
        bail!("{} is not built: run `{command}` first", path.display());
    }
    Ok(path)
}
