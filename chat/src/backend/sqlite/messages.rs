//! The log in SQLite: its table, and the SQL that appends to it and reads it.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::connection::SqlResult;
use crate::input::{NewMessage, RoomName};
use crate::log::{MAX_MESSAGES_PER_ROOM, Message, PAGE_SIZE, Page, Receipt, View, resolve_cursor};
use crate::user::{User, UserId};

/// The log, ordered by room and id. `from_id` and `to_id` are users that may no longer exist; the names are as they
/// were. `time` is in Unix seconds.
pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS messages (
        room TEXT NOT NULL, id INTEGER NOT NULL,
        from_id INTEGER NOT NULL, from_name TEXT NOT NULL, to_id INTEGER, to_name TEXT,
        key TEXT NOT NULL, text TEXT NOT NULL, time INTEGER NOT NULL,
        PRIMARY KEY (room, id)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX IF NOT EXISTS messages_by_key ON messages (from_id, key);";

/// A message that is in the log, and the receipt for its author.
pub(super) struct Appended {
    pub(super) message: Message,
    pub(super) receipt: Receipt,
}

/// Appends a message, or finds the one that the author has sent under this idempotency key before. Returns `None` if
/// the message is new and its recipient does not exist.
pub(super) fn append(
    connection: &Connection,
    room: &RoomName,
    author: &User,
    new: &NewMessage,
) -> SqlResult<Option<Appended>> {
    // First of all: a repeat gets the first receipt even if its recipient has gone since.
    if let Some(message) = find_by_key(connection, author.id, &new.idempotency_key)? {
        return Ok(Some(Appended::of(message, false)));
    }
    // Before the insertion, so that a full disk has room for the new message.
    delete_oldest(connection, room)?;
    let message = insert(connection, room, author, new)?;
    Ok(message.map(|message| Appended::of(message, true)))
}

impl Appended {
    fn of(message: Message, created: bool) -> Self {
        let receipt = Receipt {
            id: message.id,
            time: message.time,
            created,
        };
        Self { message, receipt }
    }
}

fn find_by_key(connection: &Connection, author: UserId, key: &str) -> SqlResult<Option<Message>> {
    connection
        .prepare_cached("SELECT * FROM messages WHERE from_id = ? AND key = ?")?
        .query_row(params![author, key], read_message)
        .optional()
}

/// Makes room for one more message of a room that has as many as are kept.
fn delete_oldest(connection: &Connection, room: &RoomName) -> SqlResult<usize> {
    connection
        .prepare_cached(
            "DELETE FROM messages
             WHERE room = ?1 AND id <= (SELECT max(id) + 1 FROM messages WHERE room = ?1) - ?2",
        )?
        .execute(params![room.as_str(), MAX_MESSAGES_PER_ROOM])
}

/// Inserts a message at the end of its room. The first message of a room gets the time in milliseconds as its id.
/// Inserts nothing if the message has a recipient that does not exist.
fn insert(
    connection: &Connection,
    room: &RoomName,
    author: &User,
    new: &NewMessage,
) -> SqlResult<Option<Message>> {
    let row = params![
        room.as_str(),
        author.id,
        author.name(),
        new.idempotency_key,
        new.text,
        new.to
    ];
    connection
        .prepare_cached(
            "INSERT INTO messages
             SELECT ?1, ifnull((SELECT max(id) + 1 FROM messages WHERE room = ?1),
                               CAST(unixepoch('subsec') * 1000 AS INTEGER)),
                    ?2, ?3, users.id, users.name, ?4, ?5, unixepoch()
             FROM (SELECT ?6 AS recipient) LEFT JOIN users ON folded = recipient
             WHERE recipient IS NULL OR folded IS NOT NULL
             RETURNING *",
        )?
        .query_row(row, read_message)
        .optional()
}

/// Returns the page after `cursor`, or the latest page without a valid cursor.
pub(super) fn page_after(
    connection: &Connection,
    view: &View,
    cursor: Option<i64>,
) -> SqlResult<Page> {
    let (first_id, last_id) = first_and_last_id(connection, &view.room)?;
    let valid = cursor.and_then(|cursor| resolve_cursor(cursor, first_id, last_id));
    let Some(after) = valid else {
        let messages = latest_between(connection, view, 0, last_id)?;
        let before_page = messages.first().map_or(last_id, |message| message.id - 1);
        return Ok(Page {
            reset: cursor.map(|_| before_page),
            messages,
            cursor: last_id,
            has_more: false,
        });
    };
    let until = last_id.min(after + PAGE_SIZE);
    Ok(Page {
        reset: None,
        messages: latest_between(connection, view, after, until)?,
        cursor: until,
        has_more: until < last_id,
    })
}

/// Returns the latest messages before the one with this id.
pub(super) fn page_before(
    connection: &Connection,
    view: &View,
    id: i64,
) -> SqlResult<Vec<Message>> {
    latest_between(connection, view, 0, id - 1)
}

/// Returns the ids of the first and the last message of a room. An empty room has 1 and 0, so that its only valid
/// cursor is 0.
fn first_and_last_id(connection: &Connection, room: &RoomName) -> SqlResult<(i64, i64)> {
    connection
        .prepare_cached(
            "SELECT ifnull((SELECT min(id) FROM messages WHERE room = ?1), 1),
                    ifnull((SELECT max(id) FROM messages WHERE room = ?1), 0)",
        )?
        .query_row([room.as_str()], |row| row.try_into())
}

/// Returns the latest messages with an id over `after` and up to `until`, oldest first, a page at most.
fn latest_between(
    connection: &Connection,
    view: &View,
    after: i64,
    until: i64,
) -> SqlResult<Vec<Message>> {
    let mut messages = connection
        .prepare_cached(
            "SELECT * FROM messages WHERE room = ?1 AND id > ?2 AND id <= ?3
             AND (to_id IS NULL OR ?4 IN (from_id, to_id)) ORDER BY id DESC LIMIT ?5",
        )?
        .query_map(
            params![view.room.as_str(), after, until, view.reader, PAGE_SIZE],
            read_message,
        )?
        .collect::<SqlResult<Vec<_>>>()?;
    messages.reverse();
    Ok(messages)
}

fn read_message(row: &Row<'_>) -> SqlResult<Message> {
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
