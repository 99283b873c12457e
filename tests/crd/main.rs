//! The custom resource definitions, in files and on a real API server.

mod files;
mod schema;
