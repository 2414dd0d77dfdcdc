//! Each receiver gets each buffered item exactly once, and dropped receivers cost nothing.

use std::iter;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, StreamExt as _, future};
use proptest::prelude::*;
use tokio::{runtime, sync::oneshot, task, time::timeout};

use super::*;

/// Returns everything that can be received without waiting.
fn receive_ready<T: Clone>(receiver: &mut Receiver<T>) -> Vec<Result<T, Lagged>> {
    iter::from_fn(|| receiver.next().now_or_never().flatten()).collect()
}

#[tokio::test]
async fn a_receiver_gets_each_later_item_in_order() {
    let channel = Broadcast::new(3);
    channel.send(&1);
    let mut first = channel.subscribe();
    channel.send(&2);
    let mut second = channel.clone().subscribe();
    channel.send(&3);
    assert_eq!(receive_ready(&mut first), [Ok(2), Ok(3)]);
    assert_eq!(receive_ready(&mut second), [Ok(3)]);
    assert_eq!(receive_ready(&mut first), []);
}

#[tokio::test]
async fn a_receiver_that_is_too_far_behind_lags_and_continues() {
    let channel = Broadcast::new(2);
    let mut receiver = channel.subscribe();
    (1..=2).for_each(|item| channel.send(&item));
    assert_eq!(receive_ready(&mut receiver), [Ok(1), Ok(2)], "not too far");
    (3..=9).for_each(|item| channel.send(&item));
    assert_eq!(receive_ready(&mut receiver), [Err(Lagged), Ok(8), Ok(9)]);
}

/// A receiver that does not read must not fill the memory, even if the items are long.
#[tokio::test]
async fn a_receiver_that_is_too_many_bytes_behind_lags() {
    let channel = Broadcast::with_byte_budget(100, 10);
    let mut receiver = channel.subscribe();
    channel.send_sized(&1, 4);
    channel.send_sized(&2, 6);
    assert_eq!(receive_ready(&mut receiver), [Ok(1), Ok(2)], "just fits");
    for item in 3..=5 {
        channel.send_sized(&item, 4);
    }
    assert_eq!(receive_ready(&mut receiver), [Err(Lagged), Ok(4), Ok(5)]);
    channel.send_sized(&6, 1_000);
    assert_eq!(
        receive_ready(&mut receiver),
        [Ok(6)],
        "one item always fits"
    );
    channel.send_sized(&7, 10);
    assert_eq!(
        receive_ready(&mut receiver),
        [Ok(7)],
        "received items do not count"
    );
}

/// The tempting wrong answer makes only those receivers lag that have not received all items yet.
#[tokio::test]
async fn lag_all_makes_every_receiver_lag_once() {
    let channel = Broadcast::new(3);
    let (mut quick, mut slow) = (channel.subscribe(), channel.subscribe());
    channel.send(&1);
    assert_eq!(receive_ready(&mut quick), [Ok(1)]);
    channel.lag_all();
    channel.send(&2);
    let mut late = channel.subscribe();
    channel.send(&3);
    assert_eq!(receive_ready(&mut quick), [Err(Lagged), Ok(2), Ok(3)]);
    assert_eq!(receive_ready(&mut slow), [Err(Lagged), Ok(2), Ok(3)]);
    assert_eq!(receive_ready(&mut late), [Ok(3)]);
}

proptest! {
    /// The model is the number of items that were sent, and the number of the last item of each receiver.
    #[test]
    fn a_receiver_behaves_like_a_simple_model(
        capacity in 1..4_usize,
        steps in prop::collection::vec(0..5_usize, 0..60),
    ) {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        let _inside = runtime.enter();
        let channel = Broadcast::new(capacity);
        let mut receivers = [channel.subscribe(), channel.subscribe()];
        let mut received = [0, 0];
        let mut sent = 0_usize;
        for step in steps {
            let Some(receiver) = receivers.get_mut(step) else {
                sent += 1;
                channel.send(&sent);
                continue;
            };
            let lost = sent.saturating_sub(capacity);
            let expected = if received[step] < lost {
                received[step] = lost;
                Some(Err(Lagged))
            } else if received[step] < sent {
                received[step] += 1;
                Some(Ok(received[step]))
            } else {
                None
            };
            prop_assert_eq!(receiver.next().now_or_never().flatten(), expected);
        }
    }
}

/// A receiver reads the buffer and then starts to wait. The sender, the receivers and the task that wakes them are on
/// three threads, so an item may be sent at every moment in between.
#[test]
fn an_item_wakes_a_receiver_that_starts_to_wait() {
    const ITEMS: usize = 5_000;
    const LIMIT: Duration = Duration::from_secs(5);
    let channel = Broadcast::new(ITEMS);
    let (receivers_sender, receivers) = mpsc::sync_channel(1);
    let (ready_sender, ready) = mpsc::sync_channel(1);
    let (end_sender, end) = oneshot::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(|| {
            on_this_thread(async {
                let receivers: Vec<_> = (0..ITEMS).map(|_| channel.subscribe()).collect();
                receivers_sender.send(receivers).unwrap();
                end.await.unwrap_err();
            });
        });
        let receiving = scope.spawn(move || {
            on_this_thread(async {
                for (item, mut receiver) in receivers.recv().unwrap().into_iter().enumerate() {
                    receiver.position = item as u64;
                    ready_sender.send(()).unwrap();
                    let begun = Instant::now();
                    // At the timeout, `timeout` polls the receiver once more. An item that is found only then was late.
                    let received = timeout(LIMIT, receiver.recv()).await;
                    assert_eq!(received.expect("sent"), Ok(item));
                    assert!(begun.elapsed() < LIMIT, "not woken");
                }
            });
        });
        for item in 0..ITEMS {
            // If this fails, the receiving thread has panicked, and `join` below reports that.
            ready.recv().ok();
            channel.send(&item);
        }
        receiving.join().unwrap();
        drop(end_sender);
    });
}

/// Runs `future` in a new runtime on this thread.
fn on_this_thread<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = runtime::Builder::new_current_thread();
    runtime.enable_time().build().unwrap().block_on(future)
}

/// One task may poll a stream first, and then another, such as the task that closes the stream.
#[tokio::test]
async fn the_task_that_polled_last_is_woken() {
    let channel = Broadcast::new(1);
    let mut receiver = channel.subscribe();
    assert_eq!(receive_ready(&mut receiver), [], "this task waits");
    let other = task::spawn(async move { receiver.next().await });
    task::yield_now().await;
    channel.send(&1);
    let item = timeout(Duration::from_secs(5), other).await;
    assert_eq!(item.expect("woken").unwrap(), Some(Ok(1)));
}

/// If a channel stored the last 256 messages, each room would need megabytes.
#[tokio::test]
async fn an_item_that_all_have_received_is_dropped() {
    let channel = Broadcast::new(3);
    let (mut quick, mut slow) = (channel.subscribe(), channel.subscribe());
    let [first, second] = [Arc::new(1), Arc::new(2)];
    channel.send(&first);
    channel.send(&second);
    assert_eq!(receive_ready(&mut quick).len(), 2);
    assert_eq!(Arc::strong_count(&first), 2, "kept for the slow one");
    assert_eq!(slow.recv().await.as_deref(), Ok(&1));
    assert_eq!(Arc::strong_count(&first), 1);
    assert_eq!(Arc::strong_count(&second), 2);
    drop(slow);
    assert_eq!(Arc::strong_count(&second), 1, "only `slow` needed it");
    channel.send(&first);
    assert_eq!(receive_ready(&mut quick), [Ok(Arc::clone(&first))]);
    let mut late = channel.subscribe();
    channel.send(&second);
    assert_eq!(receive_ready(&mut late), [Ok(second)]);
}

#[tokio::test]
async fn a_dropped_receiver_leaves_nothing_behind() {
    let channel = Broadcast::<u8>::new(1);
    let mut receivers: Vec<_> = (0..1_000).map(|_| channel.subscribe()).collect();
    for receiver in &mut receivers {
        assert_eq!(receive_ready(receiver), []);
    }
    let last = receivers.pop().unwrap();
    drop(receivers);
    assert_eq!(last.shard.lock().wakers.len(), 1);
    drop(last);

    // The shard of a thread that has ended is removed when the next receiver comes.
    let other_thread = channel.clone();
    let leave = move || on_this_thread(async { drop(other_thread.subscribe()) });
    thread::spawn(leave).join().unwrap();
    let _receiver = channel.subscribe();
    assert_eq!(channel.shards.lock().unwrap().len(), 1);
}

/// Two tests may run on one thread, one after the other, and a receiver of the first test may still exist.
#[test]
fn a_new_runtime_on_a_thread_gets_a_new_shard() {
    let channel = Broadcast::new(1);
    let mut old_receivers = Vec::new();
    for round in 0..2 {
        on_this_thread(async {
            let mut receiver = channel.subscribe();
            let sender = channel.clone();
            let send = async move { sender.send(&round) };
            let (item, ()) = future::join(receiver.recv(), send).await;
            assert_eq!(item, Ok(round));
            old_receivers.push(receiver);
        });
    }
}
