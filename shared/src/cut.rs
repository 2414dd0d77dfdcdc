//! [`Cut`]: ends every open stream and every held request at once.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Ends every open stream, held request and WebSocket.
///
/// A graceful stop waits until all responses have ended. A stream does not end by itself, so the server would wait for
/// ever. Therefore each handler that keeps a response open also waits for [`Cut::cancelled`].
///
/// The page's button "Cut all connections" uses [`Cut::cut_now`], so that a student can watch the browser reconnect.
/// Clones are handles to the same value.
#[derive(Debug, Clone, Default)]
pub struct Cut {
    /// The token that the next cut cancels. [`Cut::cut_now`] then replaces it with a new token. After
    /// [`Cut::shut_down`] the cancelled token stays.
    token: Arc<Mutex<CancellationToken>>,
}

impl Cut {
    fn lock(&self) -> MutexGuard<'_, CancellationToken> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a future that ends at the next cut after this call. If the server is stopping, the future ends at once.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + use<> {
        let token = self.lock().clone();
        token.cancelled_owned()
    }

    /// Ends everything that is open now. Later streams and requests stay open.
    pub fn cut_now(&self) {
        let mut token = self.lock();
        if !token.is_cancelled() {
            mem::take(&mut *token).cancel();
        }
    }

    /// Ends everything that is open now, and ends later streams and requests at once. The server is stopping.
    pub fn shut_down(&self) {
        self.lock().cancel();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::Cut;

    #[test]
    fn a_cut_ends_only_what_is_open() {
        let cut = Cut::default();
        let open = cut.cancelled();
        cut.clone().cut_now();
        assert!(open.now_or_never().is_some());
        assert!(cut.cancelled().now_or_never().is_none());
    }

    #[test]
    fn a_shutdown_also_ends_what_opens_later() {
        let cut = Cut::default();
        let open = cut.cancelled();
        cut.shut_down();
        cut.cut_now();
        assert!(open.now_or_never().is_some());
        assert!(cut.cancelled().now_or_never().is_some());
    }
}
