//! [`SendSlot`]: room for one frame between the conversation and the connection.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// Whether the conversation may send a frame.
///
/// actix-ws has a queue of 32 frames for each connection. A client that does not read would fill it, and 32 long frames
/// are megabytes. So a frame is sent only when the connection has *taken* the previous one: when actix-http has moved it
/// into its write buffer.
pub(super) struct SendSlot {
    is_free: Cell<bool>,
    /// Wakes the conversation when it waits for the slot.
    waker: RefCell<Option<Waker>>,
}

impl SendSlot {
    pub(super) fn new() -> Self {
        Self {
            is_free: Cell::new(true),
            waker: RefCell::new(None),
        }
    }

    /// Waits until the connection has taken all frames. The caller then sends one, so afterwards the slot is not free.
    pub(super) fn reserve(&self) -> impl Future<Output = ()> + '_ {
        poll_fn(|context| {
            if self.is_free.replace(false) {
                return Poll::Ready(());
            }
            self.waker.replace(Some(context.waker().clone()));
            Poll::Pending
        })
    }

    /// Notes that the connection has taken all frames.
    pub(super) fn release(&self) {
        if !self.is_free.replace(true)
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
    }
}
