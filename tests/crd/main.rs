//! The custom resource definitions, in files and on a real API server.

mod cases;
mod files;
mod kubectl;
mod manifests;
mod ratchet;
mod schema;
mod server;
mod three_states;
