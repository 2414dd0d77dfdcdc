//! The time formatter, and one tick per second for however many listen.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use chrono::{DateTime, Local, Timelike as _};
use futures_util::{Stream, stream};
use tokio::{sync::watch, task::AbortHandle, time};

/// How the lessons write a time, as `strftime` would: `2020-09-24 22:51:02`.
const FORMAT: &str = "%Y-%m-%d %H:%M:%S";

/// A local time as the lessons show it: `2020-09-24 22:51:02`.
#[must_use]
pub fn format(time: DateTime<Local>) -> String {
    time.format(FORMAT).to_string()
}

/// One item every full second: the second that has just begun.
///
/// All listeners of the process share one timer, which runs only while somebody listens. A
/// listener that is late gets the newest second and not those it missed. The stream ends only if
/// the runtime that drives the timer is gone.
///
/// # Panics
/// When it is called outside a tokio runtime.
pub fn ticks() -> impl Stream<Item = DateTime<Local>> + use<> {
    let ticker = Ticker::shared();
    let mut seconds = ticker.seconds.clone();
    seconds.mark_unchanged();
    stream::unfold((ticker, seconds), |(ticker, mut seconds)| async move {
        // An error means that the timer is gone, and with it the stream.
        seconds.changed().await.ok()?;
        let second = *seconds.borrow_and_update();
        Some((second, (ticker, seconds)))
    })
}

/// The timer that all listeners share; it stops when the last of them lets go of it.
struct Ticker {
    seconds: watch::Receiver<DateTime<Local>>,
    task: AbortHandle,
}

/// The ticker of this process, if anybody listens.
static TICKER: Mutex<Weak<Ticker>> = Mutex::new(Weak::new());

impl Ticker {
    /// The running ticker, or a new one if there is none or its runtime is gone.
    fn shared() -> Arc<Self> {
        let mut shared = TICKER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ticker) = shared.upgrade().filter(|ticker| !ticker.task.is_finished()) {
            return ticker;
        }
        let (sender, seconds) = watch::channel(second_of(Local::now()));
        let task = tokio::spawn(tick(sender, Local::now)).abort_handle();
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

/// Sends each second as it begins. It reads the clock anew each time, so that it neither drifts
/// nor repeats a second when somebody sets the clock.
async fn tick(sender: watch::Sender<DateTime<Local>>, now: impl Fn() -> DateTime<Local>) {
    loop {
        // Before the first sleep, too: a second may have begun since the channel was made.
        sender.send_if_modified(|shown| {
            let second = second_of(now());
            std::mem::replace(shown, second) != second
        });
        // chrono counts past one full second only in a leap second.
        let passed = Duration::from_nanos(now().nanosecond().into());
        time::sleep(Duration::from_secs(1).saturating_sub(passed)).await;
    }
}

/// The full second that `time` lies in.
fn second_of(time: DateTime<Local>) -> DateTime<Local> {
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
    async fn each_second_is_told_once_and_as_it_begins() {
        let begin = Local.with_ymd_and_hms(2020, 9, 24, 22, 51, 2).unwrap();
        let start = Instant::now();
        let now = move || begin + TimeDelta::milliseconds(300) + start.elapsed();
        let (sender, mut seconds) = watch::channel(begin);
        let task = tokio::spawn(tick(sender, now));

        for expected in 3..=120 {
            seconds.changed().await.unwrap();
            let second = *seconds.borrow_and_update();
            assert_eq!(second, begin + TimeDelta::seconds(expected - 2));
            assert!(now() - second < TimeDelta::milliseconds(2), "told late");
        }
        task.abort();
    }

    #[tokio::test]
    async fn listeners_share_one_timer_hear_each_new_second_and_stop_it_when_they_leave() {
        let mut first = Box::pin(ticks());
        let began = first.next().await.unwrap();
        assert!(began <= Local::now());

        let mut second = Box::pin(ticks());
        assert_eq!(TICKER.lock().unwrap().strong_count(), 2);
        if let Some(Some(early)) = second.next().now_or_never() {
            assert!(early > began, "the second that has long begun is no news");
        }

        drop(first);
        assert_eq!(TICKER.lock().unwrap().strong_count(), 1);
        drop(second);
        assert_eq!(TICKER.lock().unwrap().strong_count(), 0);
    }
}
