//! The emulator, driven as its users drive it: through the AWS SDK and through raw HTTP.
#![cfg(test)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "the tests write `json!({…})` where it is used"
)]

mod archive;
mod bad_input;
mod constraints;
mod contract;
mod events;
mod faults;
mod hooks;
mod images;
mod kms;
mod layers;
mod lifecycle;
mod lifecycle_preview;
mod lifecycle_run;
mod lifecycle_twice;
mod lifecycle_world;
mod model;
mod own_events;
mod paging;
mod policy;
mod program;
mod properties;
mod protocol;
mod pull_through;
mod registry;
mod replication;
mod repositories;
mod scanning;
mod sts;
mod support;
mod tagging;
mod tags;
mod templates;
mod unkind;
