//! [`RateLimiter`]: how often a user may do something.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The burst, as time: a user who was idle may do at once as much as the rate allows in two seconds.
const BURST: Duration = Duration::from_secs(2);

/// A token bucket, as the generic cell rate algorithm (GCRA) has it: the whole state is one moment. The bucket holds
/// two seconds' worth of tokens, each use takes one, and they come back at a steady rate. So a user may do much at
/// once, but not for long.
#[derive(Debug, Default)]
pub(crate) struct RateLimiter {
    /// When the bucket is, or was, full again. `None` before the first use.
    full_at: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// Takes a token from a bucket that gets `rate` tokens a second. A rate of 0 is no limit. If the bucket is empty,
    /// returns how long it takes until the next token.
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

    /// Time is paused: it moves only when the test says so.
    #[tokio::test(start_paused = true)]
    async fn after_a_burst_of_two_seconds_worth_there_is_one_at_a_time() {
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
            assert_eq!(limiter.try_acquire(10), Ok(()), "and never more");
        }
        assert!(limiter.try_acquire(10).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_of_0_is_no_limit() {
        let limiter = RateLimiter::default();
        assert!((0..1_000_000).all(|_| limiter.try_acquire(0).is_ok()));
    }
}
