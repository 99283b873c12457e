//! Packaging: the Helm chart, the Kustomize bases and install.yaml. What is written from something else
//! is held fresh: `UPDATE=1 cargo test --test packaging` writes it anew.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod chart;
mod flags;
mod generated;
mod helm;
mod image;
mod kustomize;
mod readers;
mod release;
mod server;
mod thief;
