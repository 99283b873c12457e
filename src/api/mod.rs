//! The custom resources: their types, their admission rules and the words of their conditions.

mod lifecycle;
mod repository;
mod status;

pub use lifecycle::*;
pub use repository::*;
pub use status::*;

/// The API group of every custom resource here.
pub const GROUP: &str = "ecr-operator.dev";
