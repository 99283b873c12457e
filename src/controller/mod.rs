//! The shell around the pure core: watches objects, and for each makes ECR match.
//!
//! Parse, observe, plan, execute, status: `enforce` and `delete` are the two ways through it.

mod assign;
mod bounded;
mod class;
mod context;
mod default_class;
mod definitions;
mod delete;
mod documents;
mod enforce;
mod enforced;
mod errand;
mod error;
mod events;
mod excess;
mod execute;
mod guard;
mod kubernetes;
mod loss;
mod memory;
mod observe;
mod overview;
mod owned;
mod ownership;
mod pages;
mod pass;
mod passes;
mod permission;
mod prove;
mod queue;
mod reconcile;
mod request;
mod rest;
mod roll_call;
mod shown;
mod surroundings;
mod sweep;
mod takeover;
mod watch;
mod watched;
mod watching;

pub use context::{Cluster, Settings};
pub use definitions::{DEFINITIONS, Definitions};
pub use kubernetes::cluster_uid;
pub use pages::BoundedPages;
pub use watch::run;
pub use watching::WATCHED;
