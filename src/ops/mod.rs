//! What the pod's surroundings ask of the process.

mod admin;
pub mod leader;

pub use admin::serve;
