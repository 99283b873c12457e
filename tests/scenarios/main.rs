//! Scenarios: the operator as a process of its own, under its own service account, against a real API
//! server and the ECR emulator. Each ends with the invariants of `world::invariants`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod looking;
mod samples;
mod world;

mod aspects;
mod bad_input;
mod creation;
mod deletion;
mod deletion_changes;
mod drift;
mod faults;
mod identity;
mod installation;
mod invalid;
mod loss;
mod manifests;
mod modes;
mod ownership;
mod refusals;
mod restart;
mod surroundings;
mod tags;
