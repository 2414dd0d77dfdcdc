//! [`Cut`]: ends every open stream and every hanging request at once.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// A switch that all endless bodies, hanging requests and sockets of a server listen to.
///
/// It is pulled for good when the server stops, because a graceful stop waits for every open
/// connection, and a stream never finishes by itself. The page's "cut" button pulls it for a
/// moment, so that a student can watch the browser come back.
///
/// Clones are handles to the same switch.
#[derive(Debug, Clone, Default)]
pub struct Cut {
    /// Cancelled by the next cut. After a momentary cut a fresh one takes its place; after the
    /// final one it stays cancelled.
    next: Arc<Mutex<CancellationToken>>,
}

impl Cut {
    /// Resolves at the next cut that follows this call; at once when the server is stopping.
    pub fn wait(&self) -> impl Future<Output = ()> + Send + use<> {
        let next = self
            .next
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        next.cancelled_owned()
    }

    /// Ends what is open now. What is opened later stays open.
    pub fn now(&self) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if !next.is_cancelled() {
            std::mem::take(&mut *next).cancel();
        }
    }

    /// Ends what is open now and whatever may still be opened: the server is stopping.
    pub fn for_good(&self) {
        self.next
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .cancel();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::Cut;

    #[test]
    fn a_cut_ends_what_is_open_and_not_what_comes_later() {
        let cut = Cut::default();
        let open = cut.wait();
        cut.clone().now();
        assert!(open.now_or_never().is_some());
        assert!(cut.wait().now_or_never().is_none());
    }

    #[test]
    fn a_final_cut_also_ends_what_comes_later() {
        let cut = Cut::default();
        let open = cut.wait();
        cut.for_good();
        cut.now();
        assert!(open.now_or_never().is_some());
        assert!(cut.wait().now_or_never().is_some());
    }
}
