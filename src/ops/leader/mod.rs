//! Leader election by a Lease (`coordination.k8s.io/v1`), as client-go does it and with its fields, so
//! that other tools read it; stricter where client-go leaves two writers a moment.
//!
//! `decide` is pure: what a candidate knows and the time by its own monotonic clock make what it does
//! next. `election` carries it out, `fence` tells every write whether it may begin and when it must have
//! ended, and `layer` puts the fence into the client of the API server. The argument that there are never
//! two writers is in `docs/high-availability.md`; `explore` tries it.

mod decide;
mod election;
#[cfg(test)]
mod explore;
mod fence;
mod identity;
mod layer;
mod lock;
mod settings;
mod view;

pub use decide::Lost;
pub use election::Election;
pub use fence::LeaseFence;
pub use identity::{identity, lease_name, lease_namespace};
pub use layer::FenceLayer;
pub use settings::Settings;

/// The part of the process that reads the lease.
pub const LEASE: &str = "lease";
