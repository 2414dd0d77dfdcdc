//! [`Heartbeat`]: when to ping a peer, and when a peer counts as dead.

use std::{cell::Cell, pin::Pin, rc::Rc, time::Duration};

use actix_ws::Closed;
use futures_util::FutureExt as _;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::send_queue::SendQueue;

/// A peer counts as dead when it has sent nothing for this many heartbeats, or has taken no frame for so long.
/// Two, so that a peer has at least one whole heartbeat to answer a ping.
const MISSED_HEARTBEATS: u32 = 2;

/// How late the timer may fire, as a part of a heartbeat (a quarter). If it fires later than that, nobody has read
/// from the peer in the meantime, so its silence says nothing: the whole process was suspended or overloaded, or
/// the conversation was waiting for something else, such as a slow send.
const MAX_TIMER_DELAY: u32 = 4;

/// What there is to do for a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Beat {
    /// Send a ping. A heartbeat has passed since the last one.
    Ping,
    /// Give the connection up. The peer has sent nothing for two heartbeats, not even an answer to a ping.
    Silent,
}

/// The peer takes no more frames: it has stopped reading, or the connection is closed.
#[derive(Debug)]
pub struct Stalled;

/// The timer of one connection, and when its peer was last there.
pub struct Heartbeat {
    period: Duration,
    /// When the last bytes came from the peer. The frame guard, which sees them, sets it.
    last_received: Rc<Cell<Instant>>,
    /// Whether the connection has taken what was sent. The response's body, which sees it, sets it.
    pub(super) send_queue: Rc<SendQueue>,
    next_ping: Instant,
    /// Fires when the next ping is due, or when the peer has been silent for too long, whichever is first. It is not
    /// reset when bytes arrive, because that would cost more than a frame. So when it fires, the peer may have sent
    /// something in the meantime, and [`Heartbeat::next`] has to look.
    timer: Pin<Box<Sleep>>,
}

impl Heartbeat {
    /// Starts a heartbeat with its first ping after one `period`.
    pub(super) fn new(period: Duration, last_received: Rc<Cell<Instant>>) -> Self {
        let next_ping = Instant::now() + period;
        Self {
            period,
            last_received,
            send_queue: Rc::new(SendQueue::new()),
            next_ping,
            timer: Box::pin(sleep_until(next_ping)),
        }
    }

    /// Waits until there is something to do. The future may be dropped before that: the next call goes on.
    ///
    /// In a `select!`, look for messages first (`biased;`). The answer to a ping may have arrived already.
    pub async fn next(&mut self) -> Beat {
        loop {
            self.timer.as_mut().await;
            let now = Instant::now();
            if self.timer.deadline() + self.period / MAX_TIMER_DELAY < now {
                self.last_received.set(now);
            }
            let silent_at = self.last_received.get() + self.patience();
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

    /// Waits until the connection has taken the frame before, and then for `sending` to end: two heartbeats at most.
    ///
    /// A client that has stopped reading takes no frame, and may never take one again.
    ///
    /// # Errors
    /// [`Stalled`] if the time has run out or the connection is closed.
    pub fn limit(
        &self,
        sending: impl Future<Output = Result<(), Closed>>,
    ) -> impl Future<Output = Result<(), Stalled>> {
        // An `async fn` would have room for `sending` twice, and so would the task that waits for it.
        let sent = self.send_queue.reserve().then(|()| sending);
        timeout(self.patience(), sent).map(|outcome| match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Closed)) | Err(_) => Err(Stalled),
        })
    }

    fn patience(&self) -> Duration {
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

    /// A heartbeat, and what the frame guard has of it.
    fn heartbeat() -> (Heartbeat, Rc<Cell<Instant>>) {
        let last_received = Rc::new(Cell::new(Instant::now()));
        (
            Heartbeat::new(PERIOD, Rc::clone(&last_received)),
            last_received,
        )
    }

    /// The next beat, and how many seconds after `start` it came. Time is paused in these tests: it moves only
    /// while everything waits, and then at once.
    async fn next(heartbeat: &mut Heartbeat, start: Instant) -> (Beat, u64) {
        (heartbeat.next().await, start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_says_nothing_is_pinged_once_and_silent_after_two_heartbeats() {
        let (start, (mut heartbeat, _)) = (Instant::now(), heartbeat());
        assert_eq!(next(&mut heartbeat, start).await, (Beat::Ping, 10));
        assert_eq!(next(&mut heartbeat, start).await, (Beat::Silent, 20));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_answers_each_ping_is_pinged_each_heartbeat() {
        let (start, (mut heartbeat, last_received)) = (Instant::now(), heartbeat());
        for number in 1..100 {
            assert_eq!(next(&mut heartbeat, start).await, (Beat::Ping, 10 * number));
            last_received.set(Instant::now());
        }
    }

    /// Counted from its last byte, which need not be the answer to a ping.
    #[tokio::test(start_paused = true)]
    async fn a_peer_is_silent_exactly_two_heartbeats_after_its_last_byte() {
        let (start, (mut heartbeat, last_received)) = (Instant::now(), heartbeat());
        assert_eq!(next(&mut heartbeat, start).await, (Beat::Ping, 10));
        sleep(Duration::from_secs(3)).await;
        last_received.set(Instant::now());
        for expected in [(Beat::Ping, 20), (Beat::Ping, 30), (Beat::Silent, 33)] {
            assert_eq!(next(&mut heartbeat, start).await, expected);
        }
    }

    /// In a `select!` the future is dropped whenever something else happens. The tempting wrong answer starts
    /// the period anew with each call.
    #[tokio::test(start_paused = true)]
    async fn what_happens_in_between_puts_nothing_off() {
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

    /// As after a laptop was asleep: what the peer has sent meanwhile lies in its socket. It also gets one
    /// ping, not one for each heartbeat that was missed.
    #[tokio::test(start_paused = true)]
    async fn after_a_stall_the_peer_gets_a_new_chance() {
        let (start, (mut heartbeat, last_received)) = (Instant::now(), heartbeat());
        advance(PERIOD * 10).await;
        assert_eq!(next(&mut heartbeat, start).await, (Beat::Ping, 100));
        assert_eq!(next(&mut heartbeat, start).await, (Beat::Ping, 110));
        last_received.set(Instant::now());
        assert_eq!(next(&mut heartbeat, start).await, (Beat::Ping, 120));
        assert_eq!(next(&mut heartbeat, start).await, (Beat::Silent, 130));
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_a_little_late_is_no_stall() {
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
        assert!(heartbeat.limit(slow).await.is_ok());
        heartbeat.send_queue.set_empty();
        assert!(heartbeat.limit(future::pending()).await.is_err());
        assert_eq!(start.elapsed().as_secs(), 39);
        heartbeat.send_queue.set_empty();
        assert!(heartbeat.limit(future::ready(Err(Closed))).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_waits_until_the_connection_has_taken_the_one_before() {
        let (start, (heartbeat, _)) = (Instant::now(), heartbeat());
        let send = || heartbeat.limit(future::ready(Ok(())));
        assert!(send().await.is_ok(), "the first need not wait");
        let taken = async {
            sleep(Duration::from_secs(7)).await;
            heartbeat.send_queue.set_empty();
        };
        let (second, ()) = tokio::join!(send(), taken);
        assert!(second.is_ok());
        assert_eq!(start.elapsed().as_secs(), 7);
        assert!(send().await.is_err(), "the second one is never taken");
        assert_eq!(start.elapsed().as_secs(), 27);
    }
}
