//! [`SendQueue`]: whether the connection has taken the last frame.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// What the conversation and the response's body know of the frames between them.
///
/// actix-ws has a queue of 32 frames for each connection. A client that does not read would fill it, and 32 long frames
/// are megabytes. So a frame is sent only when the connection has taken the one before it.
pub(super) struct SendQueue {
    is_empty: Cell<bool>,
    /// Wakes the conversation when it waits for the queue to be empty.
    waker: RefCell<Option<Waker>>,
}

impl SendQueue {
    pub(super) fn new() -> Self {
        Self {
            is_empty: Cell::new(true),
            waker: RefCell::new(None),
        }
    }

    /// Waits until the connection has taken all frames. The caller then sends one, so afterwards the queue counts as
    /// not empty.
    pub(super) fn reserve(&self) -> impl Future<Output = ()> + '_ {
        poll_fn(|context| {
            if self.is_empty.replace(false) {
                return Poll::Ready(());
            }
            self.waker.replace(Some(context.waker().clone()));
            Poll::Pending
        })
    }

    /// Notes that the connection has taken all frames and asks for more.
    pub(super) fn set_empty(&self) {
        if !self.is_empty.replace(true)
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
    }
}
