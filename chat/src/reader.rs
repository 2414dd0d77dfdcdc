//! [`Reader`]: reads a room from a cursor, first from the log and then from live events.
//!
//! A reader never misses a message and never gets one twice, because of the order of its steps. First it subscribes to
//! the events of the room. Then it reads the log from its cursor. Then it takes the events that have arrived since it
//! subscribed, without the messages that it has already read. A reader that is too slow loses events. It then reads
//! the missing messages from the log, in the same way.

use std::{collections::VecDeque, sync::Arc, time::Duration, vec};

use futures_util::FutureExt as _;
use shared::{broadcast::Lagged, error::Error};
use tokio::time::sleep;

use crate::backend::Backend;
use crate::event::{Event, EventKind};
use crate::input::Cursor;
use crate::log::{Message, View};
use crate::metrics::{LagOutcome, OpenConnection};
use crate::room::Membership;

/// How long a reader waits before it reads the log again after an error. Its connection stays open
/// during an outage, so that not all clients reconnect at the same moment. A long poll gets the error.
const READ_RETRY: Duration = Duration::from_secs(1);

/// The reader of one connection to a room, over any transport.
pub(crate) struct Reader {
    backend: Arc<dyn Backend>,
    membership: Membership,
    /// How far this reader has read.
    pub(crate) cursor: Cursor,
    /// Whether the log may have messages after the cursor that will not arrive as events.
    has_unread_log: bool,
    /// Events to deliver first, such as the roster.
    queue: VecDeque<Arc<Event>>,
    /// Messages from the log to deliver after `queue`. They are not encoded yet, so that a client that does not read
    /// costs little memory.
    messages: vec::IntoIter<Message>,
    connection: OpenConnection,
}

impl Reader {
    /// Creates a reader that has seen everything up to `cursor`.
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        membership: Membership,
        cursor: Cursor,
        connection: OpenConnection,
    ) -> Self {
        let mut reader = Self {
            backend,
            membership,
            cursor,
            has_unread_log: true,
            queue: VecDeque::new(),
            messages: Vec::new().into_iter(),
            connection,
        };
        reader.queue_roster();
        reader
    }

    /// Waits for the next event for this reader and returns it. A caller may stop waiting at any time, and no event is
    /// lost.
    pub(crate) async fn next(&mut self) -> Arc<Event> {
        loop {
            if let Some(event) = self.next_queued() {
                return event;
            }
            if self.has_unread_log {
                // Boxed, so that a reader needs the memory for reading only while it reads.
                if Box::pin(self.read_next_page()).await.is_err() {
                    sleep(READ_RETRY).await;
                }
                continue;
            }
            match self.membership.events.recv().await {
                Ok(event) if self.advance_past(&event) => return event,
                Ok(_) => {}
                Err(Lagged) => {
                    self.connection.count_lag(LagOutcome::ReadFromLog);
                    self.has_unread_log = true;
                    self.queue_roster();
                }
            }
        }
    }

    /// Returns all events that are there already, with at most one page of the log.
    pub(crate) async fn drain_ready(&mut self) -> Result<Vec<Arc<Event>>, Error> {
        if self.has_unread_log && self.messages.len() == 0 {
            self.read_next_page().await?;
        }
        let mut events = Vec::new();
        loop {
            let has_queued = !self.queue.is_empty() || self.messages.len() > 0;
            if self.has_unread_log && !has_queued {
                return Ok(events); // The next call reads the next page.
            }
            match self.next().now_or_never() {
                Some(event) => events.push(event),
                None => return Ok(events),
            }
        }
    }

    fn next_queued(&mut self) -> Option<Arc<Event>> {
        if let Some(event) = self.queue.pop_front() {
            return Some(event);
        }
        let message = self.messages.next()?;
        Some(Event::message(&message))
    }

    async fn read_next_page(&mut self) -> Result<(), Error> {
        let view = View {
            room: self.membership.room().clone(),
            reader: self.membership.user.id,
        };
        let read = self.backend.page_after(view, self.cursor.id);
        let page = self.membership.user.read_in_turn(read).await?;
        self.queue.extend(page.reset.map(Event::reset));
        self.messages = page.messages.into_iter();
        self.cursor.id = Some(page.cursor);
        self.has_unread_log = page.has_more;
        Ok(())
    }

    /// Queues the roster, or the changes of it that the reader does not know yet.
    fn queue_roster(&mut self) {
        for event in self.membership.roster_since(self.cursor.roster) {
            if self.advance_past(&event) {
                self.queue.push_back(event);
            }
        }
    }

    /// Moves the cursor past `event` and returns whether to deliver the event.
    ///
    /// A reader subscribes before it reads the log, so a message can arrive twice: once from the log and once as an
    /// event. The cursor shows that: an event that is not after the cursor is dropped.
    fn advance_past(&mut self, event: &Event) -> bool {
        let me = self.membership.user.id;
        match event.kind {
            EventKind::Message { id, between } => {
                // `None` is less than every `Some`, so without a cursor every message is new.
                if self.cursor.id >= Some(id) {
                    return false;
                }
                self.cursor.id = Some(id);
                between.is_none_or(|users| users.contains(&me))
            }
            // An older version counts, too: a store that has lost data has an older roster, which is now the right one.
            EventKind::Roster { version } => self.cursor.roster.replace(version) != Some(version),
            EventKind::PresenceChange { version } => {
                let is_new = self.cursor.roster < Some(version);
                if is_new {
                    self.cursor.roster = Some(version);
                }
                is_new
            }
            EventKind::Typing { user } => user != me,
            EventKind::Direct => false, // Not for a room.
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.membership.events.has_lagged() {
            self.connection.count_lag(LagOutcome::Disconnected);
        }
    }
}

#[cfg(test)]
mod tests;
