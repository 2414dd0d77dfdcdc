//! [`Reader`]: one reader of a room, from its cursor through the log into what happens now.
//!
//! It never misses a message and never gets one twice, because of the order of things: it listens
//! first, then reads the log, then goes on with what it has heard meanwhile, less what it has already
//! read. If it is too slow to hear everything, it reads what it did not hear, in the same way.

use std::{collections::VecDeque, sync::Arc, vec};

use futures_util::FutureExt as _;
use shared::{error::Error, fan_out::Lagged};

use crate::event::{About, Event};
use crate::input::Cursor;
use crate::log::{Log, Message};
use crate::room::Visit;

/// Somebody's connection to a room, whatever the transport.
pub(crate) struct Reader {
    log: Log,
    visit: Visit,
    /// How far this reader has come.
    pub(crate) cursor: Cursor,
    /// There is, or may be, something in the log after the cursor.
    behind: bool,
    /// What is still to be handed out: first the roster and the like, then what was read from the log, not yet
    /// encoded: a client that does not read holds little.
    waiting: VecDeque<Arc<Event>>,
    messages: vec::IntoIter<Message>,
}

impl Reader {
    /// A reader who has seen everything up to `cursor`.
    pub(crate) fn new(log: Log, visit: Visit, cursor: Cursor) -> Self {
        let mut reader = Self {
            log,
            visit,
            cursor,
            behind: true,
            waiting: VecDeque::new(),
            messages: Vec::new().into_iter(),
        };
        reader.queue_roster();
        reader
    }

    /// The next event for this reader. It can be called again after it was dropped halfway: what it
    /// has taken is not lost.
    pub(crate) async fn next(&mut self) -> Result<Arc<Event>, Error> {
        loop {
            let message = || Some(Event::message(&self.messages.next()?));
            if let Some(event) = self.waiting.pop_front().or_else(message) {
                return Ok(event);
            }
            if self.behind {
                // Boxed: only while it runs does the reader need memory for it.
                let read = Box::pin(self.read_on()).await;
                #[cfg(feature = "redis")]
                let read = self.log.try_again(read).await;
                read?;
                continue;
            }
            match self.visit.events.recv().await {
                #[cfg(feature = "redis")]
                Ok(event) if event.about == About::Missed => {
                    self.behind = true;
                    self.cursor.roster = None; // It may be one that Redis has forgotten.
                    self.queue_roster();
                }
                Ok(event) if self.is_news(&event) => return Ok(event),
                Ok(_) => {}
                Err(Lagged) => {
                    self.behind = true;
                    self.queue_roster();
                }
            }
        }
    }

    /// All that there is to tell at once: from the log one page at most.
    pub(crate) async fn ready(&mut self) -> Result<Vec<Arc<Event>>, Error> {
        if self.behind && self.messages.len() == 0 {
            self.read_on().await?;
        }
        let mut events = Vec::new();
        while (!self.behind || self.waiting.len() + self.messages.len() > 0)
            && let Some(event) = self.next().now_or_never()
        {
            events.push(event?);
        }
        Ok(events)
    }

    /// Reads the next page of the log.
    async fn read_on(&mut self) -> Result<(), Error> {
        let view = (self.visit.room.clone(), self.visit.user.id);
        let page = self.log.after(view, self.cursor.id).await?;
        self.waiting.extend(page.reset.map(Event::reset));
        self.messages = page.messages.into_iter();
        self.cursor.id = Some(page.cursor);
        self.behind = page.more;
        Ok(())
    }

    /// Queues the roster, unless it is the one that the reader knows.
    fn queue_roster(&mut self) {
        if let Some(roster) = self.visit.roster()
            && let About::Roster(version) = roster.about
            && self.cursor.roster.replace(version) != Some(version)
        {
            self.waiting.push_back(roster);
        }
    }

    /// Whether `event` is for this reader and was not seen yet; from now on it was.
    fn is_news(&mut self, event: &Event) -> bool {
        let me = self.visit.user.id;
        match event.about {
            About::Message(id, private) if self.cursor.id < Some(id) => {
                self.cursor.id = Some(id);
                private.is_none_or(|(from, to)| from == me || to == me)
            }
            About::Roster(version) if self.cursor.roster < Some(version) => {
                self.cursor.roster = Some(version);
                true
            }
            About::Typing(user) => user != me,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
