//! The local stack and the benches.
