//! [`Bucket`]: how often somebody may do something.

use std::time::Duration;

use tokio::time::Instant;

/// How much may be said at once, as what comes in so much time.
const BURST: Duration = Duration::from_secs(2);

/// A token bucket: it holds two seconds' worth, each message takes one out, and it fills at a steady
/// rate. So somebody may say much at once, but not for long.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// When it is, or was, full again.
    full: Option<Instant>,
}

impl Bucket {
    /// Takes one out of a bucket that gets `rate` a second, or says after what time there will be one.
    /// A rate of 0 is no limit.
    pub(crate) fn take(&mut self, rate: u32, now: Instant) -> Result<(), Duration> {
        let one = Duration::from_secs(1).checked_div(rate).unwrap_or_default();
        let full = self.full.map_or(now, |full| full.max(now)) + one;
        let wait = full.saturating_duration_since(now + BURST);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.full = Some(full);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_burst_of_two_seconds_worth_there_is_one_at_a_time() {
        let mut bucket = Bucket::default();
        let start = Instant::now();
        for _ in 0..20 {
            assert_eq!(bucket.take(10, start), Ok(()));
        }
        assert_eq!(bucket.take(10, start), Err(Duration::from_millis(100)));
        // Asking in vain costs nothing.
        assert_eq!(bucket.take(10, start), Err(Duration::from_millis(100)));
        let later = start + Duration::from_millis(101);
        assert_eq!(bucket.take(10, later), Ok(()));
        assert!(bucket.take(10, later).is_err());
        let much_later = start + Duration::from_secs(3600);
        for _ in 0..20 {
            assert_eq!(bucket.take(10, much_later), Ok(()), "and never more");
        }
        assert!(bucket.take(10, much_later).is_err());
    }

    #[test]
    fn a_rate_of_0_is_no_limit() {
        let mut bucket = Bucket::default();
        let start = Instant::now();
        assert!((0..1_000_000).all(|_| bucket.take(0, start).is_ok()));
    }
}
