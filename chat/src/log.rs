//! [`Log`]: what was said in each room, in one order for everyone.
//!
//! Each message of a room has the next number as its id. So a reader needs to remember one number to
//! miss nothing: the id of the last message that it has looked at. That is its cursor.
//!
//! The ids of a room are without gaps, and only the oldest messages are ever deleted. So what is kept
//! is all from the first id to the last, and a cursor is good if it is in there. The first id of a new room
//! is the time in milliseconds: whoever comes back with a cursor of a log that was thrown away has one
//! that is too old, and is told so.

use std::sync::Arc;

use chrono::Local;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::{
    database::{Database, Unavailable},
    input::{Draft, RoomName},
    session::{User, UserId},
};

/// How many messages of a room are kept; the oldest go first, and their keys with them.
pub(crate) const KEPT: i64 = 10_000;

/// How many messages somebody sees who is new in a room, or who goes back in its history.
pub(crate) const HISTORY: u8 = 50;

/// How many messages are read at a time: enough to be quick, and little to hold for each reader.
const PAGE: u8 = 200;

/// A message, once it is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: i64,
    pub(crate) from: (UserId, String),
    /// Whom it is for, if not for all.
    pub(crate) to: Option<(UserId, String)>,
    pub(crate) text: String,
    /// In Unix seconds.
    pub(crate) time: i64,
}

impl Message {
    /// A private message is for its author and its addressee only.
    pub(crate) fn is_for(&self, reader: UserId) -> bool {
        let to = |(addressee, _): &(UserId, String)| *addressee == reader;
        self.from.0 == reader || self.to.as_ref().is_none_or(to)
    }
}

/// What is told to the author: the message is in the log, there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) id: i64,
    /// In Unix seconds.
    pub(crate) time: i64,
    /// Not a repeat: it was not there before.
    pub(crate) fresh: bool,
}

/// A part of the log, for one reader.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// What the cursor was not good for: it starts from this one instead.
    pub(crate) reset: Option<i64>,
    /// Those messages that are for the reader, in their order.
    pub(crate) messages: Vec<Message>,
    /// The last id that was looked at, also if that message was for somebody else.
    pub(crate) cursor: i64,
    /// There may be more after the cursor.
    pub(crate) more: bool,
}

/// Who hears of a message that has just been stored.
type Publish = Arc<dyn Fn(&RoomName, Message) + Send + Sync>;

/// The log of all rooms. Clones are handles to the same one.
#[derive(Clone)]
pub(crate) struct Log {
    database: Arc<Database>,
    publish: Publish,
}

impl Log {
    /// The log in `database`. `publish` is called with each message once it is stored, in their order.
    pub(crate) fn new(
        database: Arc<Database>,
        publish: impl Fn(&RoomName, Message) + Send + Sync + 'static,
    ) -> Self {
        let publish = Arc::new(publish);
        Self { database, publish }
    }

    /// Adds a message to the log and returns when it is on disk. If the author has sent its key before,
    /// it is a repeat: nothing is added, and the answer is the first one.
    pub(crate) async fn append(
        &self,
        room: &RoomName,
        author: &User,
        draft: Draft,
    ) -> Result<Receipt, Unavailable> {
        let (publish, published_room, room) = (self.publish.clone(), room.clone(), room.clone());
        let now = Local::now();
        let mut message = Message {
            id: now.timestamp_millis(),
            from: (author.id, author.name.as_str().to_owned()),
            to: draft.to.map(|to| (to.id, to.name.as_str().to_owned())),
            text: draft.text.into(),
            time: now.timestamp(),
        };
        let stored = message.clone();
        let append =
            move |log: &rusqlite::Transaction<'_>| insert(log, &room, draft.key.as_str(), stored);
        let tell = move |receipt: Receipt| {
            if receipt.fresh {
                message.id = receipt.id;
                publish(&published_room, message);
            }
        };
        self.database.write(append, tell).await
    }

    /// What comes after `cursor` for `reader`, a page of it. Without a cursor, or with one that is not
    /// good any more, it is the newest of what there is.
    pub(crate) async fn after(
        &self,
        room: &RoomName,
        reader: UserId,
        cursor: Option<i64>,
    ) -> Result<Page, Unavailable> {
        let room = room.clone();
        let read = move |log: &Connection| page(log, &room, reader, cursor);
        self.database.read(read).await
    }

    /// The newest messages for `reader` before the one with the id `end`, in their order.
    pub(crate) async fn before(
        &self,
        room: &RoomName,
        reader: UserId,
        end: i64,
    ) -> Result<Vec<Message>, Unavailable> {
        let room = room.clone();
        let read = move |log: &Connection| newest(log, &room, reader, end);
        self.database.read(read).await
    }
}

/// Puts a message at the end of its room. Its `id` is that of the first one in a room that is new.
fn insert(
    log: &Connection,
    room: &RoomName,
    key: &str,
    message: Message,
) -> rusqlite::Result<Receipt> {
    let repeat = log
        .prepare_cached("SELECT id, time FROM messages WHERE from_id = ? AND key = ?")?
        .query_row(params![message.from.0.0, key], |row| {
            let (id, time) = (row.get(0)?, row.get(1)?);
            let fresh = false;
            Ok(Receipt { id, time, fresh })
        })
        .optional()?;
    if let Some(receipt) = repeat {
        return Ok(receipt);
    }
    let last: Option<i64> = log
        .prepare_cached("SELECT max(id) FROM messages WHERE room = ?")?
        .query_row([room.as_str()], |row| row.get(0))?;
    let id = last.map_or(message.id, |last| last + 1);
    // Before the new one comes, so that a full disk has room for it.
    log.prepare_cached("DELETE FROM messages WHERE room = ? AND id <= ?")?
        .execute(params![room.as_str(), id - KEPT])?;
    let (to_id, to_name) = message.to.map(|(to, name)| (to.0, name)).unzip();
    log.prepare_cached("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            room.as_str(),
            id,
            message.from.0.0,
            message.from.1,
            to_id,
            to_name,
            key,
            message.text,
            message.time
        ])?;
    let (time, fresh) = (message.time, true);
    Ok(Receipt { id, time, fresh })
}

fn page(
    log: &Connection,
    room: &RoomName,
    reader: UserId,
    cursor: Option<i64>,
) -> rusqlite::Result<Page> {
    let (first, last): (Option<i64>, Option<i64>) = log
        .prepare_cached(
            "SELECT (SELECT min(id) FROM messages WHERE room = ?1),
                    (SELECT max(id) FROM messages WHERE room = ?1)",
        )?
        .query_row([room.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    // A room that is empty has the cursor 0, which also stands before all that is kept.
    let (first, last) = (first.unwrap_or(1), last.unwrap_or(0));
    let good = |cursor: &i64| *cursor == 0 || (first - 1..=last).contains(cursor);
    let Some(cursor) = cursor.filter(good) else {
        let messages = newest(log, room, reader, last + 1)?;
        let start = messages.first().map_or(last, |message| message.id - 1);
        return Ok(Page {
            reset: cursor.map(|_| start),
            messages,
            cursor: last,
            more: false,
        });
    };
    let mut messages = log
        .prepare_cached("SELECT * FROM messages WHERE room = ? AND id > ? ORDER BY id LIMIT ?")?
        .query_map(params![room.as_str(), cursor, PAGE], message)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let more = messages.len() == usize::from(PAGE);
    let cursor = messages.last().map_or(cursor, |message| message.id);
    messages.retain(|message| message.is_for(reader));
    Ok(Page {
        reset: None,
        messages,
        cursor,
        more,
    })
}

fn newest(
    log: &Connection,
    room: &RoomName,
    reader: UserId,
    end: i64,
) -> rusqlite::Result<Vec<Message>> {
    let mut messages = log
        .prepare_cached(
            "SELECT * FROM messages WHERE room = ?1 AND id < ?2
             AND (to_id IS NULL OR to_id = ?3 OR from_id = ?3) ORDER BY id DESC LIMIT ?4",
        )?
        .query_map(params![room.as_str(), end, reader.0, HISTORY], message)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    messages.reverse();
    Ok(messages)
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    let to: Option<i64> = row.get("to_id")?;
    Ok(Message {
        id: row.get("id")?,
        from: (UserId(row.get("from_id")?), row.get("from_name")?),
        to: to.map(UserId).zip(row.get("to_name")?),
        text: row.get("text")?,
        time: row.get("time")?,
    })
}

#[cfg(test)]
mod tests;
