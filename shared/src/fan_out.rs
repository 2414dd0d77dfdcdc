//! [`FanOut`]: from one sender to many readers, where each reader costs as little as possible.
//!
//! tokio's `broadcast` and `watch` keep those who wait in one list for all threads. Each reader takes a
//! lock that all share, for each item, and whoever sends wakes tasks on other threads one by one. With
//! 5,000 open streams that is a quarter of the server's own work for a delivery. Here the readers of a
//! thread share a place of their own: a sender puts the item there and wakes one task, which wakes the
//! others without leaving their thread. And a reader who waits stays in the list when it is woken,
//! because the next thing that it does is to wait again.

use std::collections::{HashMap, VecDeque};
use std::future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};

use futures_util::Stream;
use slab::Slab;
use tokio::{sync::Notify, task::AbortHandle};

/// Sends each item to all who listen. Clones are handles to the same one.
#[derive(Debug)]
pub struct FanOut<T> {
    places: Arc<Mutex<HashMap<ThreadId, Weak<Place<T>>>>>,
    /// How many items a reader may be behind.
    capacity: usize,
}

/// Where the readers of one thread find what was sent.
#[derive(Debug)]
struct Place<T> {
    state: Mutex<State<T>>,
    news: Arc<Notify>,
    /// The task that wakes the readers; it ends with the last of them.
    waking: AbortHandle,
}

#[derive(Debug)]
struct State<T> {
    /// The newest items, `capacity` at most, from the oldest on that a reader has still to hear, each with
    /// how many have.
    recent: VecDeque<(T, usize)>,
    /// How many readers there are, waiting or not.
    listening: usize,
    /// How many items were sent so far, those that are gone included.
    sent: u64,
    readers: Slab<Waker>,
}

/// One reader: a stream of the items from the moment of listening on. It does not end.
#[derive(Debug)]
pub struct Listener<T> {
    place: Arc<Place<T>>,
    /// The number of the next item to hand out.
    next: u64,
    /// Which of the readers this is, once it has had to wait.
    reader: Option<usize>,
}

/// The reader was so far behind that items are lost to it; it goes on with the oldest that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged;

// Derived, it would ask for clones of the items.
impl<T> Clone for FanOut<T> {
    fn clone(&self) -> Self {
        Self {
            places: Arc::clone(&self.places),
            capacity: self.capacity,
        }
    }
}

impl<T: Clone + Send + 'static> FanOut<T> {
    /// Nobody listens yet. A reader may be `capacity` items behind, one at least.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            places: Arc::default(),
            capacity: capacity.max(1),
        }
    }

    /// Sends `item` to all who listen now.
    pub fn send(&self, item: &T) {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        for place in places.values().filter_map(Weak::upgrade) {
            let mut state = place.state();
            if state.recent.len() == self.capacity {
                state.recent.pop_front();
            }
            let unheard = state.listening;
            state.recent.push_back((item.clone(), unheard));
            state.sent += 1;
            place.news.notify_one();
        }
    }

    /// Makes every reader lag, because something may have happened that was never sent.
    pub fn lag_all(&self) {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        for place in places.values().filter_map(Weak::upgrade) {
            let mut state = place.state();
            // As if one item had been sent and dropped again before anybody could receive it.
            state.recent.clear();
            state.sent += 1;
            place.news.notify_one();
        }
    }

    /// Everything that is sent from now on.
    ///
    /// # Panics
    /// When it is called outside a tokio runtime.
    #[must_use]
    pub fn listen(&self) -> Listener<T> {
        let place = self.place_of_this_thread();
        let mut state = place.state();
        state.listening += 1;
        let next = state.sent;
        drop(state);
        Listener {
            place,
            next,
            reader: None,
        }
    }

    fn place_of_this_thread(&self) -> Arc<Place<T>> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let thread = thread::current().id();
        let place = places.get(&thread).and_then(Weak::upgrade);
        // A thread may outlive a runtime, in tests.
        if let Some(place) = place.filter(|place| !place.waking.is_finished()) {
            return place;
        }
        let place = Arc::new_cyclic(Place::new);
        places.retain(|_, place| place.strong_count() > 0);
        places.insert(thread, Arc::downgrade(&place));
        place
    }
}

impl<T: Send + 'static> Place<T> {
    fn new(place: &Weak<Self>) -> Self {
        let news = Arc::new(Notify::new());
        let waking = tokio::spawn(wake_readers(Arc::clone(&news), Weak::clone(place)));
        Self {
            state: Mutex::default(),
            news,
            waking: waking.abort_handle(),
        }
    }
}

impl<T> Place<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self {
            recent: VecDeque::new(),
            listening: 0,
            sent: 0,
            readers: Slab::new(),
        }
    }
}

impl<T> State<T> {
    /// Lets go of what everybody has heard, or those who have not are gone.
    fn forget_heard(&mut self) {
        while let Some((_, 0)) = self.recent.front() {
            self.recent.pop_front();
        }
    }
}

/// Wakes all readers of a place whenever something was sent.
async fn wake_readers<T>(news: Arc<Notify>, place: Weak<Place<T>>) {
    loop {
        news.notified().await;
        let Some(place) = place.upgrade() else { return };
        // To wake a task only puts it into a queue, so the lock is held for a moment.
        for (_, reader) in &place.state().readers {
            reader.wake_by_ref();
        }
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        self.waking.abort();
    }
}

impl<T: Clone> Listener<T> {
    /// The next item, as soon as there is one. Nothing is lost if this is dropped before.
    ///
    /// # Errors
    /// When items are lost to this reader. The next call returns the oldest that is still there.
    pub async fn recv(&mut self) -> Result<T, Lagged> {
        future::poll_fn(|context| self.poll_recv(context)).await
    }

    fn poll_recv(&mut self, context: &Context<'_>) -> Poll<Result<T, Lagged>> {
        let mut state = self.place.state();
        let kept = state.recent.len() as u64;
        let behind = state.sent - self.next;
        if behind > kept {
            self.next = state.sent - kept;
            return Poll::Ready(Err(Lagged));
        }
        let index = usize::try_from(kept - behind).ok();
        if let Some((item, unheard)) = index.and_then(|index| state.recent.get_mut(index)) {
            self.next += 1;
            *unheard -= 1;
            let item = item.clone();
            state.forget_heard();
            return Poll::Ready(Ok(item));
        }
        // Under the same lock, or what is sent meanwhile would wake everybody but this one.
        match self.reader.and_then(|reader| state.readers.get_mut(reader)) {
            Some(waker) => waker.clone_from(context.waker()),
            None => self.reader = Some(state.readers.insert(context.waker().clone())),
        }
        Poll::Pending
    }
}

impl<T: Clone> Stream for Listener<T> {
    type Item = Result<T, Lagged>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(context).map(Some)
    }
}

impl<T> Drop for Listener<T> {
    fn drop(&mut self) {
        let mut state = self.place.state();
        state.listening -= 1;
        let behind = usize::try_from(state.sent - self.next).unwrap_or(usize::MAX);
        for (_, unheard) in state.recent.iter_mut().rev().take(behind) {
            *unheard -= 1;
        }
        state.forget_heard();
        let waker = self
            .reader
            .and_then(|reader| state.readers.try_remove(reader));
        // In this order: with its last waker a task may go, and with that another reader of this place.
        drop(state);
        drop(waker);
    }
}

#[cfg(test)]
mod tests;
