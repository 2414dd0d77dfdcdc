//! The time as text, and a stream with one item each second.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use chrono::{DateTime, Local, Timelike as _};
use futures_util::{Stream, stream};
use tokio::{sync::watch, task::AbortHandle, time};

/// The format of a time in the lessons (see `chrono::format::strftime`).
const FORMAT: &str = "%Y-%m-%d %H:%M:%S";

/// Formats a local time as the lessons show it: `2020-09-24 22:51:02`.
#[must_use]
pub fn format(time: DateTime<Local>) -> String {
    time.format(FORMAT).to_string()
}

/// Returns a stream with one item at each full second: the second that has just begun.
///
/// All streams of the process share one timer, which runs only while there is a stream. If a stream is not read for
/// some seconds, the next item is the latest second, and the others are skipped. The stream ends only when the runtime
/// that runs the timer ends.
///
/// # Panics
/// When it is called outside a tokio runtime.
pub fn ticks() -> impl Stream<Item = DateTime<Local>> + use<> {
    let ticker = Ticker::get_or_start();
    let mut seconds = ticker.seconds.clone();
    seconds.mark_unchanged();
    stream::unfold((ticker, seconds), |(ticker, mut seconds)| async move {
        // An error means that the timer has ended. Then the stream ends, too.
        seconds.changed().await.ok()?;
        let second = *seconds.borrow_and_update();
        Some((second, (ticker, seconds)))
    })
}

/// The timer that all streams share. It stops when the last stream is dropped.
struct Ticker {
    seconds: watch::Receiver<DateTime<Local>>,
    task: AbortHandle,
}

/// The ticker of this process, if there is a stream.
static TICKER: Mutex<Weak<Ticker>> = Mutex::new(Weak::new());

impl Ticker {
    /// Returns the running ticker. Starts one if there is none, or if its runtime has ended.
    fn get_or_start() -> Arc<Self> {
        let mut shared = TICKER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ticker) = shared.upgrade().filter(|ticker| !ticker.task.is_finished()) {
            return ticker;
        }
        let (sender, seconds) = watch::channel(truncate_to_second(Local::now()));
        let task = tokio::spawn(run(sender, Local::now)).abort_handle();
        let ticker = Arc::new(Self { seconds, task });
        *shared = Arc::downgrade(&ticker);
        ticker
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sends each second when it begins. The function reads the clock before each sleep, so it stays exact, even if
/// somebody sets the clock.
async fn run(sender: watch::Sender<DateTime<Local>>, now: impl Fn() -> DateTime<Local>) {
    loop {
        // This is done before the first sleep, too, because a second may have begun since the channel was created.
        sender.send_if_modified(|last_sent| {
            let second = truncate_to_second(now());
            std::mem::replace(last_sent, second) != second
        });
        // In a leap second chrono returns more than 1,000,000,000 nanoseconds. Then the difference is zero.
        let since_full_second = Duration::from_nanos(now().nanosecond().into());
        time::sleep(Duration::from_secs(1).saturating_sub(since_full_second)).await;
    }
}

/// Returns the full second that contains `time`.
fn truncate_to_second(time: DateTime<Local>) -> DateTime<Local> {
    time.with_nanosecond(0).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone as _};
    use futures_util::{FutureExt as _, StreamExt as _};
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn a_time_has_leading_zeros_and_no_fraction() {
        let time = Local.with_ymd_and_hms(2020, 9, 4, 2, 51, 2).unwrap();
        assert_eq!(
            format(time + TimeDelta::milliseconds(999)),
            "2020-09-04 02:51:02"
        );
    }

    /// Time is paused: when all tasks wait, tokio's clock jumps to the end of the next wait.
    #[tokio::test(start_paused = true)]
    async fn each_second_is_sent_once_when_it_begins() {
        let begin = Local.with_ymd_and_hms(2020, 9, 24, 22, 51, 2).unwrap();
        let start = Instant::now();
        let now = move || begin + TimeDelta::milliseconds(300) + start.elapsed();
        let (sender, mut seconds) = watch::channel(begin);
        let task = tokio::spawn(run(sender, now));

        for expected in 3..=120 {
            seconds.changed().await.unwrap();
            let second = *seconds.borrow_and_update();
            assert_eq!(second, begin + TimeDelta::seconds(expected - 2));
            assert!(now() - second < TimeDelta::milliseconds(2), "sent late");
        }
        task.abort();
    }

    #[tokio::test]
    async fn streams_share_one_timer_and_the_last_one_stops_it() {
        let mut first = Box::pin(ticks());
        let began = first.next().await.unwrap();
        assert!(began <= Local::now());

        let mut second = Box::pin(ticks());
        assert_eq!(TICKER.lock().unwrap().strong_count(), 2);
        if let Some(Some(early)) = second.next().now_or_never() {
            assert!(early > began, "a second that began before is no update");
        }

        drop(first);
        assert_eq!(TICKER.lock().unwrap().strong_count(), 1);
        drop(second);
        assert_eq!(TICKER.lock().unwrap().strong_count(), 0);
    }
}
