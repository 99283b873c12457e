//! Runs one task of the local stack.
fn main() {}
