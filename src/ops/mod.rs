//! What the pod's surroundings ask of the process.

mod admin;
pub mod leader;
mod scrapes;

pub use admin::{listen, serve};
