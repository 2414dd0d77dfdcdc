//! [`Cut`]: ends every open stream and every held request at once.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Tells every open stream, held request and socket to end.
///
/// A graceful shutdown waits until all responses are finished. A stream is never finished, so without this the server
/// would wait for ever. Each handler that keeps a response open therefore also waits for [`Cut::cancelled`].
///
/// The page's "Cut all connections" button uses the same switch for a moment, so that a student can watch the browser
/// reconnect. Clones are handles to the same switch.
#[derive(Debug, Clone, Default)]
pub struct Cut {
    /// The next cut cancels this token. After a momentary cut a new one takes its place; after a shutdown it stays
    /// cancelled.
    token: Arc<Mutex<CancellationToken>>,
}

impl Cut {
    fn lock(&self) -> MutexGuard<'_, CancellationToken> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a future that ends at the next cut after this call; at once when the server is shutting down.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + use<> {
        let token = self.lock().clone();
        token.cancelled_owned()
    }

    /// Ends what is open now. What is opened later stays open.
    pub fn cut_now(&self) {
        let mut token = self.lock();
        if !token.is_cancelled() {
            mem::take(&mut *token).cancel();
        }
    }

    /// Ends what is open now and whatever is opened later: the server is shutting down.
    pub fn shut_down(&self) {
        self.lock().cancel();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::Cut;

    #[test]
    fn a_cut_ends_what_is_open_and_not_what_comes_later() {
        let cut = Cut::default();
        let open = cut.cancelled();
        cut.clone().cut_now();
        assert!(open.now_or_never().is_some());
        assert!(cut.cancelled().now_or_never().is_none());
    }

    #[test]
    fn a_shutdown_also_ends_what_comes_later() {
        let cut = Cut::default();
        let open = cut.cancelled();
        cut.shut_down();
        cut.cut_now();
        assert!(open.now_or_never().is_some());
        assert!(cut.cancelled().now_or_never().is_some());
    }
}
