//! The control plane, the programs beside it and the install, which the local stack, the benches and
//! the scenario tests share.

pub mod control_plane;
pub mod ecr;
pub mod emulator;
pub mod http;
pub mod install;
pub mod kubectl;
pub mod operator;
pub mod paths;
pub mod patience;
pub mod processes;
pub mod program;
pub mod rights;
pub mod stack;
