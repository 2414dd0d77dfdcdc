//! [`StoredRooms`]: which rooms have messages in the database, and the time of the last message of each.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::connection::{QUEUE_CAPACITY, SqlResult};

/// How many rooms can have messages in the database. When there are nearly as many, the rooms that were silent for
/// longest lose their messages. A room with one message takes about a kilobyte in memory and on disk.
pub(super) const MAX_STORED_ROOMS: usize = 10_000;

/// The rooms in the database. Only the writer uses them; the mutex is there because the type must be `Sync`.
pub(super) struct StoredRooms {
    rooms: Mutex<ByLastMessage>,
}

/// The time of the last message of each room, in Unix seconds.
#[derive(Default)]
struct ByLastMessage {
    times: HashMap<String, i64>,
    /// The same in the order of the times, so that the first one is the room that was silent for longest.
    order: BTreeSet<(i64, String)>,
}

impl ByLastMessage {
    fn set(&mut self, room: &str, time: i64) {
        if self.times.get(room) == Some(&time) {
            return;
        }
        self.remove(room);
        self.times.insert(room.to_owned(), time);
        self.order.insert((time, room.to_owned()));
    }

    fn remove(&mut self, room: &str) {
        if let Some((room, time)) = self.times.remove_entry(room) {
            self.order.remove(&(time, room));
        }
    }

    fn longest_silent(&self) -> Option<String> {
        let (_, room) = self.order.first()?;
        Some(room.clone())
    }
}

impl StoredRooms {
    /// Reads the rooms that a database has.
    pub(super) fn load(connection: &Connection) -> SqlResult<Self> {
        // SQLite looks each next room up in the primary key; `SELECT DISTINCT` would read every message.
        let mut rooms = ByLastMessage::default();
        let mut statement = connection.prepare(
            "WITH RECURSIVE rooms(room) AS (
                     SELECT min(room) FROM messages
                     UNION ALL
                     SELECT (SELECT min(room) FROM messages WHERE room > rooms.room)
                     FROM rooms WHERE room IS NOT NULL)
                 SELECT room, (SELECT time FROM messages WHERE messages.room = rooms.room
                               ORDER BY id DESC LIMIT 1)
                 FROM rooms WHERE room IS NOT NULL",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            rooms.set(&row.get::<_, String>(0)?, row.get(1)?);
        }
        Ok(Self {
            rooms: Mutex::new(rooms),
        })
    }

    fn lock(&self) -> MutexGuard<'_, ByLastMessage> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether `room` may get a message: it has messages already, or there is space for one more room.
    pub(super) fn has_space_for(&self, room: &str) -> bool {
        let rooms = self.lock();
        rooms.times.len() < MAX_STORED_ROOMS || rooms.times.contains_key(room)
    }

    /// Returns whether the longest silent rooms should be deleted, so that every job of the next transaction can begin
    /// a room.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.lock().times.len() + QUEUE_CAPACITY > MAX_STORED_ROOMS
    }

    /// Returns the room whose last message is the oldest.
    pub(super) fn longest_silent(&self) -> Option<String> {
        self.lock().longest_silent()
    }

    /// Records a message of a room, sent at `time`.
    pub(super) fn touch(&self, room: &str, time: i64) {
        self.lock().set(room, time);
    }

    /// Removes a room that has no messages any more.
    pub(super) fn remove(&self, room: &str) {
        self.lock().remove(room);
    }
}
