//! What is asked, what is there, and what to do about the difference: pure, without I/O and clock.

mod digest;
pub mod lifecycle;
pub mod policy;
pub mod setting;

pub(crate) use digest::digest;
