//! [`log_error`]: the log line of a store that does not respond.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The shortest time between two lines. While a store is away, a busy server has thousands of errors a second. That
/// many lines fill a disk, and if nobody reads the log, they block the server.
const PAUSE: Duration = Duration::from_secs(1);

/// The lines of this process.
static LINES: Mutex<Lines> = Mutex::new(Lines {
    last: None,
    left_out: 0,
});

/// Logs that `store` cannot be used, and why: at most once a second, with the number of errors since the last line.
pub(super) fn log_error(store: &str, error: &dyn Display) {
    let now = Instant::now();
    let due = LINES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .due(now);
    match due {
        Some(0) => log::error!("cannot use {store}: {error}"),
        Some(left_out) => {
            log::error!(
                "cannot use {store}: {error} (and {left_out} more errors since the last line)"
            );
        }
        None => {}
    }
}

/// When the last line was written, and how many errors have had none since then.
struct Lines {
    last: Option<Instant>,
    left_out: u64,
}

impl Lines {
    /// Returns the number of errors without a line, if it is time for a line.
    fn due(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now < last + PAUSE) {
            self.left_out += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_logged_at_once_and_then_at_most_once_a_second() {
        let mut lines = Lines {
            last: None,
            left_out: 0,
        };
        let start = Instant::now();
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(lines.due(start), Some(0));
        assert_eq!(lines.due(after(1)), None);
        assert_eq!(lines.due(after(999)), None);
        assert_eq!(lines.due(after(1000)), Some(2));
        assert_eq!(lines.due(after(1001)), None);
        assert_eq!(lines.due(after(9000)), Some(1));
        assert_eq!(lines.due(after(10_000)), Some(0));
    }
}
