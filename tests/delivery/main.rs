//! GitOps for real: Flux's own controllers and Argo CD's, as processes, against an API server, a git server on loopback
//! and the operator. `make gitops` builds them and runs this.
//!
//! What takes a while is printed: `docs/gitops.md` has it as figures.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and the figures are to be seen"
)]

mod argocd;
mod chart;
mod cluster;
mod fields;
mod flux;
mod git;
mod many;
mod prune;
mod sample;
