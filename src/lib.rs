//! ecr-operator: makes AWS ECR match custom resources.

pub mod api;
