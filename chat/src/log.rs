//! [`Log`]: what was said in each room, in one order for everyone.
//!
//! Each message of a room has the next number as its id. So a reader needs to remember one number to
//! miss nothing: the id of the last message that it has looked at. That is its cursor.
//!
//! The ids of a room are without gaps, and only the oldest messages are ever deleted. So what is kept
//! is all from the first id to the last, and a cursor is good if nothing after it was deleted. The first
//! id of a new room is the time in milliseconds: whoever comes back with a cursor of a log that was
//! thrown away has one that is too old, and is told so.

#[cfg(feature = "redis")]
pub(crate) mod redis;

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use shared::{clock, error::Error};

use crate::database::{Database, Sql};
use crate::input::{Draft, RoomName};
use crate::session::{User, UserId};

/// How many messages of a room are kept; the oldest go first, and their keys with them.
pub(crate) const KEPT: i64 = 10_000;

/// How many messages are read at a time, and seen by somebody who is new in a room: enough to be quick, and
/// little to hold for each reader.
const PAGE: i64 = 50;

/// A message in the log; as JSON, the data of its event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Message {
    pub(crate) id: i64,
    #[serde(skip)]
    pub(crate) from_id: UserId,
    pub(crate) from: String,
    pub(crate) text: String,
    /// In Unix seconds.
    #[serde(serialize_with = "clock::serialize_seconds")]
    pub(crate) time: i64,
    /// Whom it is for, if not for all.
    #[serde(skip)]
    pub(crate) to_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<String>,
}

/// What is told to the author: the message is in the log, there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Receipt {
    pub(crate) id: i64,
    /// In Unix seconds.
    #[serde(serialize_with = "clock::serialize_seconds")]
    pub(crate) time: i64,
    /// Not a repeat: it was not there before.
    #[serde(skip)]
    pub(crate) fresh: bool,
}

/// A part of the log, for one reader.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// If the cursor was not good: the one that `messages` come after instead.
    pub(crate) reset: Option<i64>,
    /// Those messages that are for the reader, in their order.
    pub(crate) messages: Vec<Message>,
    /// The last id that was looked at, also if that message was for somebody else.
    pub(crate) cursor: i64,
    /// There is more after the cursor.
    pub(crate) more: bool,
}

/// A room as one of its readers sees it: without what is private to others.
pub(crate) type View = (RoomName, UserId);

/// What is called with a message that has just been stored: the log need not know who listens.
type Publish = Arc<dyn Fn(&RoomName, &Message) + Send + Sync>;

/// No message is for a name that nobody has.
const NOBODY: Error = Error::Missing("Nobody here has the name that the message is addressed to.");

/// The log of all rooms. Clones are handles to the same one.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) database: Arc<Database>,
    /// Called with each message once it is stored, in their order.
    pub(crate) publish: Publish,
}

impl Log {
    /// Adds a message to the log and returns when it is on disk. If the author has sent its key before,
    /// it is a repeat: nothing is added, and the answer is the first one, even if its addressee has gone.
    pub(crate) async fn append(
        &self,
        room: &RoomName,
        author: &Arc<User>,
        draft: Draft,
    ) -> Result<Receipt, Error> {
        #[cfg(feature = "redis")]
        if let Some(redis) = &self.database.redis {
            return redis.append(room, author, &draft).await;
        }
        let (room, author, publish) = (room.clone(), Arc::clone(author), self.publish.clone());
        let append = move |db: &Connection| {
            let first = first(db, author.id, &draft.key)?;
            let fresh = first.is_none();
            let insert = || insert(db, &room, &author, &draft);
            let message = first.map_or_else(insert, |first| Ok(Some(first)))?;
            let receipt = |&Message { id, time, .. }: &Message| Receipt { id, time, fresh };
            let receipt = message.as_ref().map(receipt);
            let tell = move || {
                if let Some(message) = message.filter(|_| fresh) {
                    publish(&room, &message);
                }
            };
            Ok((receipt, tell))
        };
        self.database.writer.run_then(append).await?.ok_or(NOBODY)
    }

    /// What comes after `cursor`, a page of it. Without a cursor, or with one that is not good any more,
    /// it is the newest of what there is.
    pub(crate) async fn after(&self, view: View, cursor: Option<i64>) -> Result<Page, Error> {
        #[cfg(feature = "redis")]
        if let Some(redis) = &self.database.redis {
            return redis.after(&view, cursor).await;
        }
        let read = move |db: &_| page(db, &view, cursor);
        self.database.reader.run(read).await
    }

    /// The newest messages before the one with the id `end`, in their order.
    pub(crate) async fn before(&self, view: View, end: i64) -> Result<Vec<Message>, Error> {
        #[cfg(feature = "redis")]
        if let Some(redis) = &self.database.redis {
            return redis.newest(&view, (0, end - 1)).await;
        }
        let read = move |db: &_| newest(db, &view, (0, end - 1));
        self.database.reader.run(read).await
    }
}

/// What the author has sent under this key.
fn first(db: &Connection, author: UserId, key: &str) -> Sql<Option<Message>> {
    db.prepare_cached("SELECT * FROM messages WHERE from_id = ? AND key = ?")?
        .query_row(params![author, key], message)
        .optional()
}

/// Puts a message at the end of its room; the first one in a new room has the time as its id. Nothing is
/// added or returned if nobody has the name that it is addressed to.
fn insert(db: &Connection, room: &RoomName, from: &User, it: &Draft) -> Sql<Option<Message>> {
    let room = room.as_str();
    // Before the new one comes, so that a full disk has room for it.
    db.prepare_cached(
        "DELETE FROM messages
         WHERE room = ?1 AND id <= (SELECT max(id) + 1 FROM messages WHERE room = ?1) - ?2",
    )?
    .execute(params![room, KEPT])?;
    let row = params![room, from.id, from.name(), it.key, it.text, it.to];
    db.prepare_cached(
        "INSERT INTO messages
         SELECT ?1, ifnull((SELECT max(id) + 1 FROM messages WHERE room = ?1),
                           CAST(unixepoch('subsec') * 1000 AS INTEGER)),
                ?2, ?3, users.id, users.name, ?4, ?5, unixepoch()
         FROM (SELECT ?6 AS addressee) LEFT JOIN users ON folded = addressee
         WHERE addressee IS NULL OR folded IS NOT NULL
         RETURNING *",
    )?
    .query_row(row, message)
    .optional()
}

/// The id to read on after, if the cursor is good for what is kept; 0 starts where that does.
fn start(cursor: Option<i64>, first: i64, last: i64) -> Option<i64> {
    let good = |cursor: &i64| *cursor == 0 || (first - 1..=last).contains(cursor);
    cursor.filter(good).map(|cursor| cursor.max(first - 1))
}

fn page(db: &Connection, view: &View, cursor: Option<i64>) -> Sql<Page> {
    // A room that is empty has the cursor 0, which also stands before all that is kept.
    let (first, last): (i64, i64) = db
        .prepare_cached(
            "SELECT ifnull((SELECT min(id) FROM messages WHERE room = ?1), 1),
                    ifnull((SELECT max(id) FROM messages WHERE room = ?1), 0)",
        )?
        .query_row([view.0.as_str()], |row| row.try_into())?;
    // Without a good cursor it is the newest of all.
    let start = start(cursor, first, last);
    let end = start.map_or(last, |start| last.min(start + PAGE));
    let messages = newest(db, view, (start.unwrap_or_default(), end))?;
    let new_start = messages.first().map_or(last, |message| message.id - 1);
    Ok(Page {
        reset: cursor.filter(|_| start.is_none()).map(|_| new_start),
        messages,
        cursor: end,
        more: end < last,
    })
}

/// The newest messages after one id and up to another, a page of them, in their order.
fn newest(db: &Connection, view: &View, ids: (i64, i64)) -> Sql<Vec<Message>> {
    let ((room, reader), (after, until)) = (view, ids);
    let mut messages = db
        .prepare_cached(
            "SELECT * FROM messages WHERE room = ?1 AND id > ?2 AND id <= ?3
             AND (to_id IS NULL OR ?4 IN (from_id, to_id)) ORDER BY id DESC LIMIT ?5",
        )?
        .query_map(params![room.as_str(), after, until, reader, PAGE], message)?
        .collect::<Sql<Vec<_>>>()?;
    messages.reverse();
    Ok(messages)
}

fn message(row: &Row<'_>) -> Sql<Message> {
    Ok(Message {
        id: row.get("id")?,
        from_id: row.get("from_id")?,
        from: row.get("from_name")?,
        text: row.get("text")?,
        time: row.get("time")?,
        to_id: row.get("to_id")?,
        to: row.get("to_name")?,
    })
}

#[cfg(test)]
mod tests;
