//! Functions that wait for an event, but never longer than a limit.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time;

/// How long a test waits for an event that should happen at once. Even a busy machine needs less, so after this time
/// the promise is broken.
pub const TEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait between two checks of a condition.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// Waits until `condition` is true, and returns how long that took. Panics after the time `limit`; then `what` names
/// the condition in the message.
pub async fn eventually(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> bool,
) -> Duration {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        time::sleep(CHECK_INTERVAL).await;
    }
    start.elapsed()
}

/// Reads from `connection` until `is_enough` returns true or the server closes the connection. Returns the text.
pub async fn read_until(connection: &mut TcpStream, is_enough: impl Fn(&str) -> bool) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        while !is_enough(&String::from_utf8_lossy(&bytes)) {
            if connection.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                break;
            }
        }
    };
    let outcome = time::timeout(TEST_TIMEOUT, reading).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(outcome.is_ok(), "nothing more came after {text:?}");
    text
}
