//! [`RateLimiter`]: how often a user may do something.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How large a burst may be, as a time: a user who was idle may do at once as much as the rate allows in two seconds.
/// A client that was offline sends its waiting messages at once.
const BURST: Duration = Duration::from_secs(2);

/// A token bucket. It holds the tokens of two seconds, each use takes one, and new tokens arrive at a steady rate. So a
/// user may do much at once, but not for long. The generic cell rate algorithm (GCRA) needs only one moment as state.
#[derive(Debug, Default)]
pub(crate) struct RateLimiter {
    /// The moment when the bucket is, or was, full again. `None` before the first use.
    full_at: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// Takes a token from a bucket that gets `rate` tokens a second. If the bucket is empty, returns the time until the
    /// next token arrives. A rate of 0 is no limit.
    pub(crate) fn try_acquire(&self, rate: u32) -> Result<(), Duration> {
        let Some(refill_interval) = Duration::from_secs(1).checked_div(rate) else {
            return Ok(());
        };
        let now = Instant::now();
        let mut stored = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = stored.map_or(now, |full_at| full_at.max(now)) + refill_interval;
        let wait = full_at.saturating_duration_since(now + BURST);
        if !wait.is_zero() {
            return Err(wait);
        }
        *stored = Some(full_at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_a_burst_the_rate_is_the_limit() {
        let limiter = RateLimiter::default();
        for _ in 0..20 {
            assert_eq!(limiter.try_acquire(10), Ok(()));
        }
        assert_eq!(limiter.try_acquire(10), Err(Duration::from_millis(100)));
        // A refused attempt costs nothing.
        assert_eq!(limiter.try_acquire(10), Err(Duration::from_millis(100)));
        advance(Duration::from_millis(101)).await;
        assert_eq!(limiter.try_acquire(10), Ok(()));
        assert!(limiter.try_acquire(10).is_err());
        advance(Duration::from_secs(3600)).await;
        for _ in 0..20 {
            assert_eq!(limiter.try_acquire(10), Ok(()), "a full bucket");
        }
        assert!(limiter.try_acquire(10).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_of_0_is_no_limit() {
        let limiter = RateLimiter::default();
        assert!((0..1_000_000).all(|_| limiter.try_acquire(0).is_ok()));
    }
}
