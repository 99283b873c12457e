//! What the pod's surroundings ask of the process.

mod admin;

pub use admin::serve;
