//! The fence that every write passes last: may this process still write?
//!
//! It stands beside the port because what it protects is AWS; the writes to Kubernetes pass the same
//! one. Which writes are under way when another process takes over is a matter of time, so the fence
//! answers with a time: `docs/high-availability.md` has the arithmetic.

use std::{fmt::Debug, future::Future, pin::pin, task::Poll};

use tokio::time::{Instant, sleep_until};

/// Leave to write, up to a moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Permit {
    /// When the write must have ended; `None`: whenever it does.
    pub until: Option<Instant>,
}

/// This process does not lead, or not for long enough.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("this process may not write any more: it does not hold the lease")]
pub struct Closed;

/// Whether a write may begin now.
pub trait Fence: Debug + Send + Sync + 'static {
    /// Leave to begin a write now.
    ///
    /// # Errors
    /// Where this process does not lead.
    fn permit(&self) -> Result<Permit, Closed>;
}

/// The fence of a process that is alone by its installation.
#[derive(Clone, Copy, Debug)]
pub struct Open;

impl Fence for Open {
    fn permit(&self) -> Result<Permit, Closed> {
        Ok(Permit { until: None })
    }
}

/// Makes a call that writes, if the fence permits it, and for as long as it does. The clock is read
/// before each step of the call, so that a process that was stopped on the way goes on with nothing
/// that it had begun.
///
/// # Errors
/// Where the fence is closed, or closes before there is an answer: the call may then have arrived.
pub async fn fenced<T>(fence: &dyn Fence, call: impl Future<Output = T>) -> Result<T, Closed> {
    let mut call = pin!(call);
    let Some(until) = fence.permit()?.until else {
        return Ok(call.await);
    };
    let mut end = pin!(sleep_until(until));
    std::future::poll_fn(|context| {
        if Instant::now() >= until || end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(Closed));
        }
        call.as_mut().poll(context).map(Ok)
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        time::Duration,
    };

    use super::*;

    #[derive(Debug)]
    struct Until(Option<Instant>);

    impl Fence for Until {
        fn permit(&self) -> Result<Permit, Closed> {
            let until = self.0.ok_or(Closed)?;
            Ok(Permit { until: Some(until) })
        }
    }

    fn in_seconds(seconds: u64) -> Until {
        Until(Some(Instant::now() + Duration::from_secs(seconds)))
    }

    #[tokio::test]
    async fn a_closed_fence_begins_nothing() {
        let begun = AtomicU32::new(0);
        let call = async { begun.fetch_add(1, Ordering::Relaxed) };
        assert_eq!(fenced(&Until(None), call).await, Err(Closed));
        let call = async { begun.fetch_add(1, Ordering::Relaxed) };
        assert_eq!(fenced(&in_seconds(0), call).await, Err(Closed));
        assert_eq!(begun.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_call_that_hangs_ends_with_the_permit() {
        let permit = Until(Some(Instant::now() + Duration::from_millis(10)));
        let hangs = std::future::pending::<()>();
        assert_eq!(fenced(&permit, hangs).await, Err(Closed));
    }

    /// As after SIGSTOP: the call is woken, and its permit has run out meanwhile.
    #[tokio::test]
    async fn a_call_that_was_stopped_on_the_way_goes_no_further() {
        let until = Instant::now() + Duration::from_millis(20);
        let steps = AtomicU32::new(0);
        let call = std::future::poll_fn(|context| {
            steps.fetch_add(1, Ordering::Relaxed);
            // The whole thread stands still, timers and all.
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        assert_eq!(fenced(&Until(Some(until)), call).await, Err(Closed));
        assert_eq!(steps.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn within_its_permit_a_call_has_its_answer() {
        assert_eq!(fenced(&in_seconds(60), async { 7 }).await, Ok(7));
        assert_eq!(fenced(&Open, async { 7 }).await, Ok(7));
    }
}
