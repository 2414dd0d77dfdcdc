//! [`supervise`]: keeps a task running.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::sleep;

/// How long to wait before a task starts again, so that a task that fails at once does not fill the log.
const RESTART_DELAY: Duration = Duration::from_secs(1);

/// Runs the task that `start` returns. When that task ends, because it panics or returns, writes a line to the log and
/// starts a new one after a pause. `name` is the name of the task in the log.
pub(super) async fn supervise<Task>(name: &str, mut start: impl FnMut() -> Task)
where
    Task: Future<Output = ()>,
{
    loop {
        // The compiler warns that a panic may leave data half changed. That does no harm here: the new task reads
        // everything from Redis again.
        let task = AssertUnwindSafe(start());
        let end = match task.catch_unwind().await {
            Ok(()) => "has returned",
            Err(_panic) => "has panicked",
        };
        log::error!("the task `{name}` {end}; it starts again in {RESTART_DELAY:?}");
        sleep(RESTART_DELAY).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use log::{LevelFilter, Log, Metadata, Record};
    use tokio::time::timeout;

    use super::*;

    /// Keeps the lines of the log. A process has only one logger.
    struct Lines(Mutex<Vec<String>>);

    static LINES: Lines = Lines(Mutex::new(Vec::new()));

    impl Log for Lines {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &Record<'_>) {
            self.0.lock().unwrap().push(record.args().to_string());
        }

        fn flush(&self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ends_is_started_again_and_the_log_says_so() {
        log::set_logger(&LINES).unwrap();
        log::set_max_level(LevelFilter::Error);
        let starts = AtomicUsize::new(0);
        let task = supervise("test", || async {
            match starts.fetch_add(1, Ordering::Relaxed) {
                0 => panic!("the first one panics"),
                1 => {} // The second one returns.
                _ => std::future::pending().await,
            }
        });
        timeout(RESTART_DELAY * 10, task).await.unwrap_err();
        assert_eq!(starts.load(Ordering::Relaxed), 3);
        let lines = LINES.0.lock().unwrap();
        for end in ["has panicked", "has returned"] {
            let expected = format!("the task `test` {end}; it starts again in 1s");
            assert!(lines.contains(&expected), "{lines:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_always_fails_is_started_once_a_second() {
        let starts = AtomicUsize::new(0);
        let task = supervise("failing", || async {
            starts.fetch_add(1, Ordering::Relaxed);
            panic!("again");
        });
        timeout(RESTART_DELAY * 19 / 2, task).await.unwrap_err();
        assert_eq!(starts.load(Ordering::Relaxed), 10);
    }
}
