//! Waiting for a state, never for a time.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Instant, sleep};

/// Looks again and again until `look` is satisfied.
///
/// # Errors
/// After `within`: that `what` was expected, and what the last look saw.
pub async fn eventually<T>(
    what: &str,
    within: Duration,
    look: impl AsyncFn() -> Result<T>,
) -> Result<T> {
    let end = Instant::now() + within;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(seen) if Instant::now() >= end => {
                return Err(seen).with_context(|| format!("expected within {within:?}: {what}"));
            }
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}
