//! The log in SQLite: its table, and the SQL that appends to the log and reads it.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::connection::SqlResult;
use super::rooms::StoredRooms;
use super::space::SQLITE_PAGE_BYTES;
use crate::input::{NewMessage, RoomName};
use crate::log::{
    MAX_MESSAGES_PER_ROOM, Message, PAGE_SIZE, Page, PageBuilder, Receipt, View, resolve_cursor,
};
use crate::user::{User, UserId};

/// The log, ordered by room and id. The users `from_id` and `to_id` may no longer exist; `from_name` and `to_name` are
/// their names at the time of the message. `time` is in Unix seconds.
pub(super) const TABLE: &str = "
    CREATE TABLE messages (
        room TEXT NOT NULL, id INTEGER NOT NULL,
        from_id INTEGER NOT NULL, from_name TEXT NOT NULL, to_id INTEGER, to_name TEXT,
        key TEXT NOT NULL, text TEXT NOT NULL, time INTEGER NOT NULL,
        PRIMARY KEY (room, id)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX messages_by_key ON messages (from_id, key);";

/// Three indexes for the messages that a reader may see: public ones, private ones to the reader, and private ones from
/// the reader. With them, private messages of others do not make reading slower.
pub(super) const INDEXES: &str = "
    CREATE INDEX public_messages ON messages (room, id) WHERE to_id IS NULL;
    CREATE INDEX private_messages_to ON messages (room, to_id, id) WHERE to_id IS NOT NULL;
    CREATE INDEX private_messages_from ON messages (room, from_id, id) WHERE to_id IS NOT NULL;";

/// What the third version of the tables adds. A message that its author sends to itself is in `private_messages_to`
/// already. `deleted` has one row: the largest id of a message that was ever deleted to make room. A room that begins
/// again continues after it, so that no id is used twice.
pub(super) const DELETED: &str = "
    DROP INDEX private_messages_from;
    CREATE INDEX private_messages_from ON messages (room, from_id, id)
        WHERE to_id IS NOT NULL AND to_id <> from_id;
    CREATE TABLE deleted (id INTEGER NOT NULL) STRICT;
    INSERT INTO deleted VALUES (0);";

/// How many bytes a message may add to the database besides its text. These are six pages: one for the row, one for
/// each of the four indexes, and one because a long text fills whole pages.
const OVERHEAD: u64 = 6 * SQLITE_PAGE_BYTES;

/// A message that is in the log, and the receipt for its author.
pub(super) struct Appended {
    pub(super) message: Message,
    pub(super) receipt: Receipt,
}

/// Returns how many bytes a message adds to the database at most.
pub(super) fn max_bytes(message: &NewMessage) -> u64 {
    OVERHEAD + message.text.len() as u64
}

/// Why a new message was not appended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refusal {
    NoSuchRecipient,
    /// The message would be the first in its room, and there are messages in `MAX_STORED_ROOMS` rooms.
    TooManyRooms,
}

/// Appends a message, or finds the one that the author has sent under this idempotency key before.
pub(super) fn append(
    connection: &Connection,
    rooms: &StoredRooms,
    room: &RoomName,
    author: &User,
    new: &NewMessage,
) -> SqlResult<Result<Appended, Refusal>> {
    // This comes first, because a repeat gets the first receipt even if its recipient no longer exists.
    if let Some(message) = find_by_key(connection, author.id, &new.idempotency_key)? {
        return Ok(Ok(Appended::of(message, false)));
    }
    if !rooms.has_space_for(room.as_str()) {
        return Ok(Err(Refusal::TooManyRooms));
    }
    delete_oldest(connection, room)?;
    let Some(message) = insert(connection, room, author, new)? else {
        return Ok(Err(Refusal::NoSuchRecipient));
    };
    rooms.touch(room.as_str(), message.time);
    Ok(Ok(Appended::of(message, true)))
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

/// Deletes the oldest messages of a room that is full, so that it can get one more.
fn delete_oldest(connection: &Connection, room: &RoomName) -> SqlResult<usize> {
    connection
        .prepare_cached(
            "DELETE FROM messages
             WHERE room = ?1 AND id <= (SELECT max(id) + 1 FROM messages WHERE room = ?1) - ?2",
        )?
        .execute(params![room.as_str(), MAX_MESSAGES_PER_ROOM])
}

/// Inserts a message at the end of its room. The first message of a room gets the time in milliseconds as its id, or
/// a larger one if a deleted message had that. Inserts nothing if the message has a recipient who does not exist.
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
        new.to.as_ref().map(|to| &to.case_folded),
        new.to.as_ref().and_then(|to| to.id),
    ];
    connection
        .prepare_cached(
            "INSERT INTO messages
             SELECT ?1, ifnull((SELECT max(id) + 1 FROM messages WHERE room = ?1),
                               (SELECT max(CAST(unixepoch('subsec') * 1000 AS INTEGER), id + 1) FROM deleted)),
                    ?2, ?3, users.id, users.name, ?4, ?5, unixepoch()
             FROM (SELECT ?6 AS recipient)
             LEFT JOIN users ON folded = recipient AND (?7 IS NULL OR users.id = ?7)
             WHERE recipient IS NULL OR folded IS NOT NULL
             RETURNING *",
        )?
        .query_row(row, read_message)
        .optional()
}

/// Reads from the table of the messages.
pub(super) fn check_reading(connection: &Connection) -> SqlResult<()> {
    connection.query_row(
        "SELECT count(*) FROM (SELECT 1 FROM messages LIMIT 1)",
        [],
        |_| Ok(()),
    )
}

/// Writes a row without changing it.
pub(super) fn check_writing(connection: &Connection) -> SqlResult<()> {
    connection.execute("UPDATE deleted SET id = id", [])?;
    Ok(())
}

/// Returns the page after `cursor`. Without a valid cursor, the page begins with the latest `PAGE_SIZE` messages.
pub(super) fn page_after(
    connection: &Connection,
    view: &View,
    cursor: Option<i64>,
) -> SqlResult<Page> {
    let (first_id, last_id) = first_and_last_id(connection, &view.room)?;
    let valid = cursor.and_then(|cursor| resolve_cursor(cursor, first_id, last_id));
    let after = match valid {
        Some(after) => after,
        None => before_latest(connection, view)?.unwrap_or(last_id),
    };
    let (messages, has_more) = read_page(
        connection,
        &select_visible("*", "id > ?3", "ASC"),
        view,
        after,
    )?;
    let last_read = messages.last().map_or(after, |message| message.id);
    Ok(Page {
        reset: cursor.filter(|_| valid.is_none()).map(|_| after),
        messages,
        // Messages after the last page are private to others, so the cursor skips them.
        cursor: if has_more { last_read } else { last_id },
        has_more,
    })
}

/// Returns the latest messages before the one with this id, oldest first, at most one page.
pub(super) fn page_before(
    connection: &Connection,
    view: &View,
    id: i64,
) -> SqlResult<Vec<Message>> {
    let sql = select_visible("*", "id < ?3", "DESC");
    let (mut messages, _) = read_page(connection, &sql, view, id)?;
    messages.reverse();
    Ok(messages)
}

/// Returns the ids of the first and the last message of a room. For an empty room they are 1 and 0, so that its only
/// valid cursor is 0.
fn first_and_last_id(connection: &Connection, room: &RoomName) -> SqlResult<(i64, i64)> {
    connection
        .prepare_cached(
            "SELECT ifnull((SELECT min(id) FROM messages WHERE room = ?1), 1),
                    ifnull((SELECT max(id) FROM messages WHERE room = ?1), 0)",
        )?
        .query_row([room.as_str()], |row| row.try_into())
}

/// Returns the id before the latest `PAGE_SIZE` messages that the reader may see, or `None` if there are none.
fn before_latest(connection: &Connection, view: &View) -> SqlResult<Option<i64>> {
    let latest = select_visible("id", "id <= ?3", "DESC");
    let sql = format!("SELECT min(id) - 1 FROM ({latest} LIMIT {PAGE_SIZE})");
    connection
        .prepare_cached(&sql)?
        .query_row(params![view.room.as_str(), view.reader, i64::MAX], |row| {
            row.get(0)
        })
}

/// Returns the SQL for the messages of room `?1` that reader `?2` may see, limited by the id `?3`. Each of the three
/// parts reads an index of its own, without messages that are private to others. SQLite merges the parts in the order
/// of the ids, and reads no more rows than needed.
fn select_visible(columns: &str, range: &str, order: &str) -> String {
    format!(
        "SELECT {columns} FROM messages INDEXED BY public_messages
         WHERE room = ?1 AND to_id IS NULL AND {range}
         UNION ALL
         SELECT {columns} FROM messages INDEXED BY private_messages_to
         WHERE room = ?1 AND to_id = ?2 AND {range}
         UNION ALL
         SELECT {columns} FROM messages INDEXED BY private_messages_from
         WHERE room = ?1 AND from_id = ?2 AND to_id <> from_id AND {range}
         ORDER BY id {order}"
    )
}

/// Reads the messages that `sql` selects until the page is full. Returns them, and whether there are more.
fn read_page(
    connection: &Connection,
    sql: &str,
    view: &View,
    id: i64,
) -> SqlResult<(Vec<Message>, bool)> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![view.room.as_str(), view.reader, id])?;
    let mut page = PageBuilder::default();
    while let Some(row) = rows.next()? {
        if page.is_full() {
            return Ok((page.messages, true));
        }
        page.push(read_message(row)?);
    }
    Ok((page.messages, false))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A query plan that scans the table, or sorts, reads more rows than it returns.
    #[test]
    fn a_page_is_read_from_three_indexes_and_merged() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLE).unwrap();
        connection.execute_batch(INDEXES).unwrap();
        connection.execute_batch(DELETED).unwrap();
        for (range, order) in [("id > ?3", "ASC"), ("id < ?3", "DESC")] {
            let sql = select_visible("*", range, order);
            let mut plan = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .unwrap();
            let steps: Vec<String> = plan
                .query_map(params!["lobby", 1, 1], |row| row.get("detail"))
                .unwrap()
                .collect::<SqlResult<_>>()
                .unwrap();
            let searches = |index| {
                let step = format!("SEARCH messages USING INDEX {index}");
                steps.iter().any(|planned| planned.starts_with(&step))
            };
            assert!(searches("public_messages (room=? AND id"), "{steps:?}");
            assert!(
                searches("private_messages_to (room=? AND to_id=? AND id"),
                "{steps:?}"
            );
            assert!(
                searches("private_messages_from (room=? AND from_id=? AND id"),
                "{steps:?}"
            );
            let is_costly = |step: &String| step.contains("SCAN") || step.contains("TEMP B-TREE");
            assert!(!steps.iter().any(is_costly), "{steps:?}");
        }
    }

    /// Such a message is in the index of its recipient and could be in that of its author, too.
    #[test]
    fn messages_to_oneself_make_a_page_no_slower() {
        let connection = Connection::open_in_memory().unwrap();
        for sql in [TABLE, INDEXES, DELETED] {
            connection.execute_batch(sql).unwrap();
        }
        let steps = |count: u32| {
            connection
                .execute(
                    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
                     INSERT OR IGNORE INTO messages
                     SELECT 'lobby', n, 1, 'Ann', 1, 'Ann', n, 'Hi', 0 FROM numbers",
                    [count],
                )
                .unwrap();
            let mut page = connection
                .prepare(&select_visible("*", "id > ?3", "ASC"))
                .unwrap();
            let mut rows = page.query(params!["lobby", 1, 0]).unwrap();
            for _ in 0..PAGE_SIZE {
                assert!(rows.next().unwrap().is_some());
            }
            drop(rows);
            page.get_status(rusqlite::StatementStatus::VmStep)
        };
        assert_eq!(steps(100), steps(10_000));
    }
}
