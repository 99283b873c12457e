//! What Argo CD and Flux make of every state that the operator leaves an object in.
//!
//! The states come from the operator's own pure status functions and are written to
//! `deploy/argocd/resource_customizations`, in the layout of Argo CD's own sources. They are judged apart, in
//! Go, by what Argo CD and Flux run themselves: `tests/gitops/judges`.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod class_states;
mod files;
mod layout;
mod reasons;
mod repository_states;
mod state;
