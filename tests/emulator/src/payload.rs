//! The body of an answer, which may break off.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// A body that is sent at once: all of it, or half of what its length announces.
#[derive(Debug)]
pub(crate) struct Payload {
    left: Option<Bytes>,
    length: u64,
    breaks_off: bool,
    /// Whether all of it comes.
    whole: bool,
}

impl Payload {
    /// All of a text.
    pub(crate) fn whole(text: String) -> Self {
        Self {
            length: text.len() as u64,
            left: Some(Bytes::from(text)),
            breaks_off: false,
            whole: true,
        }
    }

    /// Only the first half will come.
    pub(crate) fn broken_off(mut self) -> Self {
        self.breaks_off = true;
        self.whole = false;
        if let Some(bytes) = &mut self.left {
            bytes.truncate(bytes.len() / 2);
        }
        self
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = self.left.take();
        if part.is_none() && self.breaks_off {
            // hyper sends what it has only while it waits for more; then the end is too early.
            self.breaks_off = false;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(part.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_none() && self.whole
    }

    /// Becomes `Content-Length`; hyper closes the connection of a body that ends before.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
