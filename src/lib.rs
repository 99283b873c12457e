//! ecr-operator: makes AWS ECR match custom resources.

pub mod api;
pub mod cli;
pub mod domain;
pub mod domain;
