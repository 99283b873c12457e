//! The custom resource definitions, in files and on a real API server.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod admission;
mod bounds;
mod cases;
mod files;
mod kubectl;
mod manifests;
mod ratchet;
mod schema;
mod server;
mod tenancy;
mod three_states;
