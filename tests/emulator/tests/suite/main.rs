//! The emulator, driven as its users drive it: through the AWS SDK and through raw HTTP.
#![cfg(test)]

mod constraints;
mod faults;
mod hooks;
mod images;
mod layers;
mod lifecycle;
mod paging;
mod policy;
mod program;
mod properties;
mod protocol;
mod repositories;
mod support;
mod tags;
