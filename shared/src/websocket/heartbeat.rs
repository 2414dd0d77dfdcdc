//! [`Heartbeat`]: decides when to ping a client, and when a client counts as dead.

use std::{cell::Cell, pin::Pin, rc::Rc, time::Duration};

use actix_ws::Closed;
use futures_util::FutureExt as _;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::send_slot::SendSlot;

/// A client counts as dead when it has sent nothing for this many heartbeats, and a send fails after as many. With two, a
/// client has at least one whole heartbeat to answer a ping.
const MISSED_HEARTBEATS: u32 = 2;

/// If the timer is late by more than a quarter of the period (the period divided by this number), the server has not
/// read from the client for a while, so it cannot know whether the client was silent. That happens when the process was
/// suspended or overloaded, or when the conversation waited for something else, such as a slow send.
const TIMER_DELAY_DIVISOR: u32 = 4;

/// What the conversation has to do now.
#[derive(Debug, PartialEq, Eq)]
pub enum Beat {
    /// Send a ping. One heartbeat has passed since the last ping.
    Ping,
    /// End the connection. The client has sent nothing for two heartbeats, not even the answer to a ping.
    Silent,
}

/// The client takes no more frames: it has stopped reading, or the connection is closed.
#[derive(Debug)]
pub struct Stalled;

/// The timer of one connection. It knows when the client has last sent something.
pub struct Heartbeat {
    period: Duration,
    /// When the last bytes arrived from the client. `FrameGuard` updates this time.
    last_received: Rc<Cell<Instant>>,
    /// Whether the connection has taken all frames. `SessionBody` in `closing.rs` sets it.
    pub(super) send_slot: Rc<SendSlot>,
    next_ping: Instant,
    /// Fires when the next ping is due, or when the client has been silent for too long, whichever comes first.
    /// Arriving bytes do not reset the timer, because that would cost more than reading a frame. So when the timer
    /// fires, [`Heartbeat::next`] has to check whether bytes have arrived in the meantime.
    timer: Pin<Box<Sleep>>,
}

impl Heartbeat {
    /// Starts a heartbeat. The first ping is due after one `period`.
    pub(super) fn new(period: Duration, last_received: Rc<Cell<Instant>>) -> Self {
        let next_ping = Instant::now() + period;
        Self {
            period,
            last_received,
            send_slot: Rc::new(SendSlot::new()),
            next_ping,
            timer: Box::pin(sleep_until(next_ping)),
        }
    }

    /// Waits until the conversation has something to do, and returns what. The future may be dropped at any time: the
    /// next call continues to wait for the same moment.
    ///
    /// In a `select!`, put the branch for messages before this one (`biased;`), because the answer to a ping may have
    /// arrived already.
    pub async fn next(&mut self) -> Beat {
        loop {
            self.timer.as_mut().await;
            let now = Instant::now();
            if self.timer.deadline() + self.period / TIMER_DELAY_DIVISOR < now {
                self.last_received.set(now);
            }
            let silent_at = self.last_received.get() + self.time_limit();
            if silent_at <= now {
                return Beat::Silent;
            }
            let is_ping_due = self.next_ping <= now;
            if is_ping_due {
                self.next_ping = now + self.period;
            }
            self.timer.as_mut().reset(self.next_ping.min(silent_at));
            if is_ping_due {
                return Beat::Ping;
            }
        }
    }

    /// Sends a frame: waits until the connection has taken the previous frame, and then for `sending`. Both together
    /// may take two heartbeats, because a client that has stopped reading perhaps never reads again.
    ///
    /// # Errors
    /// [`Stalled`] after two heartbeats, or if the connection is closed.
    pub fn limit_send(
        &self,
        sending: impl Future<Output = Result<(), Closed>>,
    ) -> impl Future<Output = Result<(), Stalled>> {
        // This is no `async fn`, because the future of an `async fn` would reserve memory for `sending` twice.
        let sent = self.send_slot.reserve().then(|()| sending);
        timeout(self.time_limit(), sent).map(|outcome| match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Closed)) | Err(_) => Err(Stalled),
        })
    }

    /// Returns how long a client may be silent, and how long a send may take.
    fn time_limit(&self) -> Duration {
        self.period * MISSED_HEARTBEATS
    }
}

#[cfg(test)]
mod tests {
    use std::future;

    use tokio::select;
    use tokio::time::{advance, sleep};

    use super::*;

    const PERIOD: Duration = Duration::from_secs(10);

    /// Returns a heartbeat, and the time that a frame guard would update.
    fn heartbeat() -> (Heartbeat, Rc<Cell<Instant>>) {
        let last_received = Rc::new(Cell::new(Instant::now()));
        (
            Heartbeat::new(PERIOD, Rc::clone(&last_received)),
            last_received,
        )
    }

    /// Returns the next beat, and how many seconds after `start` it came. Time is paused in these tests: when all tasks
    /// wait, tokio's clock jumps to the end of the next wait.
    async fn next(heartbeat: &mut Heartbeat, start: Instant) -> (Beat, u64) {
        (heartbeat.next().await, start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_nothing_is_silent_after_two_heartbeats() {
        let (start, (mut heartbeat, _)) = (Instant::now(), heartbeat());
        assert_eq!(next(&mut heartbeat, start).await, (Beat::Ping, 10));
        assert_eq!(next(&mut heartbeat, start).await, (Beat::Silent, 20));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_answers_each_ping_is_pinged_each_heartbeat() {
        let (start, (mut heartbeat, last_received)) = (Instant::now(), heartbeat());
        for number in 1..100 {
            assert_eq!(next(&mut heartbeat, start).await, (Beat::Ping, 10 * number));
            last_received.set(Instant::now());
        }
    }

    /// The last byte need not belong to the answer to a ping.
    #[tokio::test(start_paused = true)]
    async fn a_client_is_silent_two_heartbeats_after_its_last_byte() {
        let (start, (mut heartbeat, last_received)) = (Instant::now(), heartbeat());
        assert_eq!(next(&mut heartbeat, start).await, (Beat::Ping, 10));
        sleep(Duration::from_secs(3)).await;
        last_received.set(Instant::now());
        for expected in [(Beat::Ping, 20), (Beat::Ping, 30), (Beat::Silent, 33)] {
            assert_eq!(next(&mut heartbeat, start).await, expected);
        }
    }

    /// A `select!` drops the future whenever another branch is ready. The tempting wrong answer starts a new period
    /// with each call of `next`.
    #[tokio::test(start_paused = true)]
    async fn other_events_do_not_delay_a_beat() {
        let (start, (mut heartbeat, _)) = (Instant::now(), heartbeat());
        let mut beats = Vec::new();
        while beats.last() != Some(&(Beat::Silent, 20)) {
            select! {
                beat = next(&mut heartbeat, start) => beats.push(beat),
                () = sleep(Duration::from_millis(700)) => {}
            }
        }
        assert_eq!(beats, [(Beat::Ping, 10), (Beat::Silent, 20)]);
    }

    /// For example, the server's laptop was asleep, and the bytes that the client has sent were not read yet. The
    /// client gets one ping, not one for each heartbeat that was missed.
    #[tokio::test(start_paused = true)]
    async fn after_a_suspension_a_client_can_still_answer() {
        let (start, (mut heartbeat, last_received)) = (Instant::now(), heartbeat());
        advance(PERIOD * 10).await;
        assert_eq!(next(&mut heartbeat, start).await, (Beat::Ping, 100));
        assert_eq!(next(&mut heartbeat, start).await, (Beat::Ping, 110));
        last_received.set(Instant::now());
        assert_eq!(next(&mut heartbeat, start).await, (Beat::Ping, 120));
        assert_eq!(next(&mut heartbeat, start).await, (Beat::Silent, 130));
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_a_little_late_is_no_suspension() {
        let (start, (mut heartbeat, _)) = (Instant::now(), heartbeat());
        assert_eq!(next(&mut heartbeat, start).await, (Beat::Ping, 10));
        advance(PERIOD + PERIOD / 5).await;
        assert_eq!(next(&mut heartbeat, start).await, (Beat::Silent, 22));
    }

    #[tokio::test(start_paused = true)]
    async fn a_send_may_take_two_heartbeats() {
        let (start, (heartbeat, _)) = (Instant::now(), heartbeat());
        let slow = async {
            sleep(Duration::from_millis(19_999)).await;
            Ok(())
        };
        assert!(heartbeat.limit_send(slow).await.is_ok());
        heartbeat.send_slot.release();
        assert!(heartbeat.limit_send(future::pending()).await.is_err());
        assert_eq!(start.elapsed().as_secs(), 39);
        heartbeat.send_slot.release();
        assert!(
            heartbeat
                .limit_send(future::ready(Err(Closed)))
                .await
                .is_err()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_waits_until_the_connection_has_taken_the_one_before() {
        let (start, (heartbeat, _)) = (Instant::now(), heartbeat());
        let send = || heartbeat.limit_send(future::ready(Ok(())));
        assert!(send().await.is_ok(), "the first need not wait");
        let taken = async {
            sleep(Duration::from_secs(7)).await;
            heartbeat.send_slot.release();
        };
        let (second, ()) = tokio::join!(send(), taken);
        assert!(second.is_ok());
        assert_eq!(start.elapsed().as_secs(), 7);
        assert!(send().await.is_err(), "the second one is never taken");
        assert_eq!(start.elapsed().as_secs(), 27);
    }
}
