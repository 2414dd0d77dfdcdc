//! Nobody misses anything that is kept, nobody is told twice, and those who left cost nothing.

use std::iter;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, StreamExt as _, future};
use proptest::prelude::*;
use tokio::{runtime, sync::oneshot, task, time::timeout};

use super::*;

/// All that there is to hear without waiting.
fn hear<T: Clone>(listener: &mut Listener<T>) -> Vec<Result<T, Lagged>> {
    iter::from_fn(|| listener.next().now_or_never().flatten()).collect()
}

#[tokio::test]
async fn all_who_listen_hear_everything_in_order_and_nothing_from_before() {
    let news = FanOut::new(3);
    news.send(&1);
    let mut first = news.listen();
    news.send(&2);
    let mut second = news.clone().listen();
    news.send(&3);
    assert_eq!(hear(&mut first), [Ok(2), Ok(3)]);
    assert_eq!(hear(&mut second), [Ok(3)]);
    assert_eq!(hear(&mut first), []);
}

#[tokio::test]
async fn whoever_is_too_far_behind_is_told_so_and_goes_on_with_what_is_kept() {
    let news = FanOut::new(2);
    let mut listener = news.listen();
    (1..=2).for_each(|item| news.send(&item));
    assert_eq!(hear(&mut listener), [Ok(1), Ok(2)], "not too far");
    (3..=9).for_each(|item| news.send(&item));
    assert_eq!(hear(&mut listener), [Err(Lagged), Ok(8), Ok(9)]);
}

proptest! {
    /// Against a model: how much was sent, and how far each listener has come.
    #[test]
    fn a_listener_hears_what_the_model_says(
        capacity in 1..4_usize,
        steps in prop::collection::vec(0..5_usize, 0..60),
    ) {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        let _inside = runtime.enter();
        let news = FanOut::new(capacity);
        let mut listeners = [news.listen(), news.listen()];
        let mut heard = [0, 0];
        let mut sent = 0_usize;
        for step in steps {
            let Some(listener) = listeners.get_mut(step) else {
                sent += 1;
                news.send(&sent);
                continue;
            };
            let lost = sent.saturating_sub(capacity);
            let expected = if heard[step] < lost {
                heard[step] = lost;
                Some(Err(Lagged))
            } else if heard[step] < sent {
                heard[step] += 1;
                Some(Ok(heard[step]))
            } else {
                None
            };
            prop_assert_eq!(listener.next().now_or_never().flatten(), expected);
        }
    }
}

/// The sender, the readers and the task that wakes them are each on another thread, so that an item comes in
/// every moment while a reader begins to wait.
#[test]
fn whoever_begins_to_wait_while_something_is_sent_is_woken() {
    const ITEMS: usize = 5_000;
    const LIMIT: Duration = Duration::from_secs(5);
    let news = FanOut::new(ITEMS);
    let (give, take) = mpsc::sync_channel(1);
    let (ask, asked) = mpsc::sync_channel(1);
    let (over, until_over) = oneshot::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(|| {
            on_this_thread(async {
                let listeners: Vec<_> = (0..ITEMS).map(|_| news.listen()).collect();
                give.send(listeners).unwrap();
                until_over.await.unwrap_err();
            });
        });
        let reader = scope.spawn(move || {
            on_this_thread(async {
                for (item, mut listener) in take.recv().unwrap().into_iter().enumerate() {
                    listener.next = item as u64;
                    ask.send(()).unwrap();
                    let begun = Instant::now();
                    // It looks once more when the time is over, and must not find it only then.
                    let heard = timeout(LIMIT, listener.recv()).await;
                    assert_eq!(heard.expect("sent"), Ok(item));
                    assert!(begun.elapsed() < LIMIT, "not woken");
                }
            });
        });
        for item in 0..ITEMS {
            // Fails if the reader has, who tells why.
            asked.recv().ok();
            news.send(&item);
        }
        reader.join().unwrap();
        drop(over);
    });
}

fn on_this_thread<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = runtime::Builder::new_current_thread();
    runtime.enable_time().build().unwrap().block_on(future)
}

/// A stream may be polled by one task and then by another, such as the one that closes it.
#[tokio::test]
async fn whoever_polled_last_is_woken() {
    let news = FanOut::new(1);
    let mut listener = news.listen();
    assert_eq!(hear(&mut listener), [], "this task waits");
    let other = task::spawn(async move { listener.next().await });
    task::yield_now().await;
    news.send(&1);
    let heard = timeout(Duration::from_secs(5), other).await;
    assert_eq!(heard.expect("woken").unwrap(), Some(Ok(1)));
}

/// In a channel of 256 long messages that would be megabytes for each room.
#[tokio::test]
async fn what_all_have_heard_is_not_kept() {
    let news = FanOut::new(3);
    let (mut quick, mut slow) = (news.listen(), news.listen());
    let [first, second] = [Arc::new(1), Arc::new(2)];
    news.send(&first);
    news.send(&second);
    assert_eq!(hear(&mut quick).len(), 2);
    assert_eq!(Arc::strong_count(&first), 2, "kept for the slow one");
    assert_eq!(slow.recv().await.as_deref(), Ok(&1));
    assert_eq!(Arc::strong_count(&first), 1);
    assert_eq!(Arc::strong_count(&second), 2);
    drop(slow);
    assert_eq!(Arc::strong_count(&second), 1, "the only one who needed it");
    news.send(&first);
    assert_eq!(hear(&mut quick), [Ok(Arc::clone(&first))]);
    let mut late = news.listen();
    news.send(&second);
    assert_eq!(hear(&mut late), [Ok(second)]);
}

#[tokio::test]
async fn who_leaves_is_forgotten_and_with_the_last_one_everything() {
    let news = FanOut::<u8>::new(1);
    let mut listeners: Vec<_> = (0..1_000).map(|_| news.listen()).collect();
    for listener in &mut listeners {
        assert_eq!(hear(listener), []);
    }
    let last = listeners.pop().unwrap();
    drop(listeners);
    assert_eq!(last.place.state().readers.len(), 1);
    drop(last);

    // What another thread has left is swept away when a new reader comes.
    let elsewhere = news.clone();
    let leave = move || on_this_thread(async { drop(elsewhere.listen()) });
    thread::spawn(leave).join().unwrap();
    let _listener = news.listen();
    assert_eq!(news.places.lock().unwrap().len(), 1);
}

/// Two tests may run on one thread, one after the other, and a stream of the first may still be there.
#[test]
fn a_new_runtime_on_the_same_thread_has_readers_of_its_own() {
    let news = FanOut::new(1);
    let mut left_over = Vec::new();
    for round in 0..2 {
        on_this_thread(async {
            let mut listener = news.listen();
            let sender = news.clone();
            let send = async move { sender.send(&round) };
            let (heard, ()) = future::join(listener.recv(), send).await;
            assert_eq!(heard, Ok(round));
            left_over.push(listener);
        });
    }
}
