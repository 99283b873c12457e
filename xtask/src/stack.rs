//! A control plane with the install, an emulator and, where wanted, an operator: all of it lives as
//! long as the value.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::control_plane::ControlPlane;
use crate::emulator::Emulator;
use crate::install::{apply_install, apply_local_class, operator_kubeconfig};
use crate::kubectl::Kubectl;
use crate::operator::{Operator, Settings};

/// A control plane with the install, and an emulator.
#[derive(Debug)]
pub struct Stack {
    /// Where logs and kubeconfigs are.
    pub dir: PathBuf,
    /// The emulator.
    pub emulator: Emulator,
    /// The control plane.
    pub control_plane: ControlPlane,
}

impl Stack {
    /// Starts them side by side in `dir`, and installs what an administrator installs.
    ///
    /// # Errors
    /// When something has not been built or does not start.
    pub async fn start(dir: &Path, control_plane_args: &[&str]) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let (control_plane, emulator) = tokio::try_join!(
            ControlPlane::start_with(dir, control_plane_args),
            Emulator::start(dir)
        )?;
        apply_install(control_plane.kubeconfig()).await?;
        apply_local_class(control_plane.kubeconfig()).await?;
        operator_kubeconfig(control_plane.kubeconfig(), &dir.join("operator.kubeconfig")).await?;
        Ok(Self {
            dir: dir.to_path_buf(),
            emulator,
            control_plane,
        })
    }

    /// kubectl as an administrator.
    ///
    /// # Errors
    /// When it has not been built.
    pub fn kubectl(&self) -> Result<Kubectl> {
        self.control_plane.kubectl()
    }

    /// Starts an operator under its own `ServiceAccount`.
    ///
    /// # Errors
    /// When it has not been built or does not become ready.
    pub async fn operator(&self, cluster_name: &str, flags: &[&str]) -> Result<Operator> {
        let kubeconfig = self.dir.join("operator.kubeconfig");
        self.operator_by(&kubeconfig, cluster_name, flags).await
    }

    /// As `operator`, by another kubeconfig of its `ServiceAccount`.
    ///
    /// # Errors
    /// As `operator`.
    pub async fn operator_by(
        &self,
        kubeconfig: &Path,
        cluster_name: &str,
        flags: &[&str],
    ) -> Result<Operator> {
        let settings = self.settings(kubeconfig, cluster_name, flags);
        Operator::start(&settings, &self.dir.join("operator.log")).await
    }

    /// As `operator`, started by another command.
    ///
    /// # Errors
    /// As `operator`.
    pub async fn operator_within(
        &self,
        wrapper: Vec<String>,
        cluster_name: &str,
        flags: &[&str],
    ) -> Result<Operator> {
        let kubeconfig = self.dir.join("operator.kubeconfig");
        let settings = Settings {
            wrapper,
            ..self.settings(&kubeconfig, cluster_name, flags)
        };
        Operator::start(&settings, &self.dir.join("operator.log")).await
    }

    fn settings(&self, kubeconfig: &Path, cluster_name: &str, flags: &[&str]) -> Settings {
        Settings {
            cluster_name: cluster_name.to_owned(),
            kubeconfig: kubeconfig.to_path_buf(),
            endpoint: self.emulator.url().to_owned(),
            flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
            wrapper: Vec::new(),
        }
    }
}
