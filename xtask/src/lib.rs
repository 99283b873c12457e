//! The control plane and the install that the local stack, the benches and the scenario tests share.

pub mod control_plane;
pub mod install;
pub mod kubectl;
pub mod paths;
