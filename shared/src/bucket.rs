//! [`Bucket`]: how often somebody may do something.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How much may be done at once: as much as comes in this time.
const BURST: Duration = Duration::from_secs(2);

/// A token bucket: it holds two seconds' worth, each use takes one out, and it fills at a steady
/// rate. So somebody may do much at once, but not for long.
#[derive(Debug, Default)]
pub struct Bucket {
    /// When it is, or was, full again.
    full: Mutex<Option<Instant>>,
}

impl Bucket {
    /// Takes one out of a bucket that gets `rate` a second. A rate of 0 is no limit.
    ///
    /// # Errors
    /// When it is empty: after what time there will be one.
    pub fn take(&self, rate: u32) -> Result<(), Duration> {
        let now = Instant::now();
        let one = Duration::from_secs(1).checked_div(rate).unwrap_or_default();
        let mut stored = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let full = stored.map_or(now, |full| full.max(now)) + one;
        let wait = full.saturating_duration_since(now + BURST);
        if !wait.is_zero() {
            return Err(wait);
        }
        *stored = Some(full);
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
        let bucket = Bucket::default();
        for _ in 0..20 {
            assert_eq!(bucket.take(10), Ok(()));
        }
        assert_eq!(bucket.take(10), Err(Duration::from_millis(100)));
        // Asking in vain costs nothing.
        assert_eq!(bucket.take(10), Err(Duration::from_millis(100)));
        advance(Duration::from_millis(101)).await;
        assert_eq!(bucket.take(10), Ok(()));
        assert!(bucket.take(10).is_err());
        advance(Duration::from_secs(3600)).await;
        for _ in 0..20 {
            assert_eq!(bucket.take(10), Ok(()), "and never more");
        }
        assert!(bucket.take(10).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_of_0_is_no_limit() {
        let bucket = Bucket::default();
        assert!((0..1_000_000).all(|_| bucket.take(0).is_ok()));
    }
}
