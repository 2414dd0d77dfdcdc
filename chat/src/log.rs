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
use serde::Serialize;
use shared::error::Error;

use crate::{
    database::{Database, Sql},
    event::local_time,
    input::{Draft, RoomName},
    session::{User, UserId},
};

/// How many messages of a room are kept; the oldest go first, and their keys with them.
pub(crate) const KEPT: i64 = 10_000;

/// How many messages somebody sees who is new in a room, or who goes back in its history.
pub(crate) const HISTORY: i64 = 50;

/// How many messages are read at a time: enough to be quick, and little to hold for each reader.
const PAGE: i64 = 200;

/// A message in the log; as JSON, the data of its event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Message {
    pub(crate) id: i64,
    #[serde(skip)]
    pub(crate) from_id: UserId,
    pub(crate) from: String,
    pub(crate) text: String,
    /// In Unix seconds.
    #[serde(serialize_with = "local_time")]
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
    #[serde(serialize_with = "local_time")]
    pub(crate) time: i64,
    /// Not a repeat: it was not there before.
    #[serde(skip)]
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
    /// There is more after the cursor.
    pub(crate) more: bool,
}

/// Who hears of a message that has just been stored.
type Publish = Arc<dyn Fn(&RoomName, &Message) + Send + Sync>;

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
        publish: impl Fn(&RoomName, &Message) + Send + Sync + 'static,
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
    ) -> Result<Receipt, Error> {
        let now = Local::now();
        let mut message = Message {
            id: now.timestamp_millis(),
            from_id: author.id,
            from: author.name().to_owned(),
            text: draft.text,
            time: now.timestamp(),
            to_id: draft.to.as_ref().map(|to| to.id),
            to: draft.to.map(|to| to.name().to_owned()),
        };
        let (publish, room) = (Arc::clone(&self.publish), room.clone());
        let append = move |log: &_| {
            let receipt = insert(log, &room, &draft.key, &message)?;
            message.id = receipt.id;
            let tell = move || {
                if receipt.fresh {
                    publish(&room, &message);
                }
            };
            Ok((receipt, tell))
        };
        self.database.write(append).await
    }

    /// What comes after `cursor` for `reader`, a page of it. Without a cursor, or with one that is not
    /// good any more, it is the newest of what there is.
    pub(crate) async fn after(
        &self,
        room: &RoomName,
        reader: UserId,
        cursor: Option<i64>,
    ) -> Result<Page, Error> {
        let room = room.clone();
        let read = move |log: &_| page(log, &room, reader, cursor);
        self.database.read(read).await
    }

    /// The newest messages for `reader` before the one with the id `end`, in their order.
    pub(crate) async fn before(
        &self,
        room: &RoomName,
        reader: UserId,
        end: i64,
    ) -> Result<Vec<Message>, Error> {
        let room = room.clone();
        let read = move |log: &_| newest(log, &room, reader, (0, end - 1), HISTORY);
        self.database.read(read).await
    }
}

/// Puts a message at the end of its room, unless it is there. Its `id` is that of the first one in a room that is new.
fn insert(log: &Connection, room: &RoomName, key: &str, it: &Message) -> Sql<Receipt> {
    let room = room.as_str();
    let first = log
        .prepare_cached("SELECT id, time, FALSE FROM messages WHERE from_id = ? AND key = ?")?
        .query_row(params![it.from_id, key], receipt)
        .optional()?;
    if let Some(first) = first {
        return Ok(first);
    }
    let last: Option<i64> = log
        .prepare_cached("SELECT max(id) FROM messages WHERE room = ?")?
        .query_row([room], |row| row.get(0))?;
    let id = last.map_or(it.id, |last| last + 1);
    // Before the new one comes, so that a full disk has room for it.
    log.prepare_cached("DELETE FROM messages WHERE room = ? AND id <= ?")?
        .execute(params![room, id - KEPT])?;
    let row = params![
        room, id, it.from_id, it.from, it.to_id, it.to, key, it.text, it.time
    ];
    log.prepare_cached("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?
        .execute(row)?;
    let (time, fresh) = (it.time, true);
    Ok(Receipt { id, time, fresh })
}

fn receipt(row: &Row<'_>) -> Sql<Receipt> {
    let (id, time, fresh) = row.try_into()?;
    Ok(Receipt { id, time, fresh })
}

fn page(log: &Connection, room: &RoomName, reader: UserId, cursor: Option<i64>) -> Sql<Page> {
    // A room that is empty has the cursor 0, which also stands before all that is kept.
    let (first, last): (i64, i64) = log
        .prepare_cached(
            "SELECT ifnull((SELECT min(id) FROM messages WHERE room = ?1), 1),
                    ifnull((SELECT max(id) FROM messages WHERE room = ?1), 0)",
        )?
        .query_row([room.as_str()], |row| row.try_into())?;
    let good = |cursor: &i64| *cursor == 0 || (first - 1..=last).contains(cursor);
    let start = cursor.filter(good).map(|cursor| cursor.max(first - 1));
    let (end, most) = start.map_or((last, HISTORY), |start| (last.min(start + PAGE), PAGE));
    let messages = newest(log, room, reader, (start.unwrap_or_default(), end), most)?;
    let new_start = messages.first().map_or(last, |message| message.id - 1);
    Ok(Page {
        reset: cursor.filter(|_| start.is_none()).map(|_| new_start),
        messages,
        cursor: end,
        more: end < last,
    })
}

/// The newest messages for `reader` after one id and up to another, `most` of them, in their order.
fn newest(
    log: &Connection,
    room: &RoomName,
    reader: UserId,
    (after, until): (i64, i64),
    most: i64,
) -> Sql<Vec<Message>> {
    let mut messages = log
        .prepare_cached(
            "SELECT * FROM messages WHERE room = ?1 AND id > ?2 AND id <= ?3
             AND (to_id IS NULL OR ?4 IN (from_id, to_id)) ORDER BY id DESC LIMIT ?5",
        )?
        .query_map(params![room.as_str(), after, until, reader, most], message)?
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
