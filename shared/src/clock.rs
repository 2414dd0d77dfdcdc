//! The time formatter, and one tick per second for any number of streams.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use chrono::{DateTime, Local, Timelike as _};
use futures_util::{Stream, stream};
use tokio::{sync::watch, task::AbortHandle, time};

/// How the lessons write a time, as `strftime` would: `2020-09-24 22:51:02`.
const FORMAT: &str = "%Y-%m-%d %H:%M:%S";

/// Formats a local time as the lessons show it: `2020-09-24 22:51:02`.
#[must_use]
pub fn format(time: DateTime<Local>) -> String {
    time.format(FORMAT).to_string()
}

/// Returns a stream with one item at each full second: the second that has just begun.
///
/// All streams of the process share one timer, which runs only while there is a stream. A stream that is read late
/// returns the latest second and not those that it missed. It ends only when the runtime of the timer is gone.
///
/// # Panics
/// When it is called outside a tokio runtime.
pub fn ticks() -> impl Stream<Item = DateTime<Local>> + use<> {
    let ticker = Ticker::get_or_start();
    let mut seconds = ticker.seconds.clone();
    seconds.mark_unchanged();
    stream::unfold((ticker, seconds), |(ticker, mut seconds)| async move {
        // An error means that the timer is gone. Then the stream ends, too.
        seconds.changed().await.ok()?;
        let second = *seconds.borrow_and_update();
        Some((second, (ticker, seconds)))
    })
}

/// The timer that all streams share. It stops when the last stream drops it.
struct Ticker {
    seconds: watch::Receiver<DateTime<Local>>,
    task: AbortHandle,
}

/// The ticker of this process, if there is a stream.
static TICKER: Mutex<Weak<Ticker>> = Mutex::new(Weak::new());

impl Ticker {
    /// Returns the running ticker, or starts one if there is none or its runtime is gone.
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

/// Sends each second as it begins. It reads the clock each time, so that it neither drifts nor repeats a second when
/// somebody sets the clock.
async fn run(sender: watch::Sender<DateTime<Local>>, now: impl Fn() -> DateTime<Local>) {
    loop {
        // Also before the first sleep: a second may have begun since the channel was created.
        sender.send_if_modified(|shown| {
            let second = truncate_to_second(now());
            std::mem::replace(shown, second) != second
        });
        // chrono returns more than a full second only in a leap second.
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
    fn a_time_is_shown_with_leading_zeros_and_without_fraction() {
        let time = Local.with_ymd_and_hms(2020, 9, 4, 2, 51, 2).unwrap();
        assert_eq!(
            format(time + TimeDelta::milliseconds(999)),
            "2020-09-04 02:51:02"
        );
    }

    /// Time is paused: the test's clock moves only while everything sleeps.
    #[tokio::test(start_paused = true)]
    async fn each_second_is_sent_once_and_as_it_begins() {
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
            assert!(early > began, "a second that began before is no news");
        }

        drop(first);
        assert_eq!(TICKER.lock().unwrap().strong_count(), 1);
        drop(second);
        assert_eq!(TICKER.lock().unwrap().strong_count(), 0);
    }
}
