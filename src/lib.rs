//! ecr-operator: makes AWS ECR match custom resources.

pub mod api;
pub mod cli;
pub mod controller;
pub mod domain;
pub mod ecr;
pub mod ops;
pub mod telemetry;
