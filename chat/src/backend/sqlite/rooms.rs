//! [`StoredRooms`]: which rooms have messages in the database, and the time of the last message of each.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::connection::SqlResult;

/// How many rooms can have messages in the database. When there is one more, the room that was silent for longest loses
/// its messages. A room with one message takes about a kilobyte in memory and on disk.
pub(super) const MAX_STORED_ROOMS: usize = 10_000;

/// The rooms in the database. Only the writer uses them; the mutex is there because the type must be `Sync`.
pub(super) struct StoredRooms {
    /// The time of the last message of each room, in Unix seconds.
    last_message: Mutex<HashMap<String, i64>>,
}

impl StoredRooms {
    /// Reads the rooms that a database has.
    pub(super) fn load(connection: &Connection) -> SqlResult<Self> {
        // SQLite looks each next room up in the primary key; `SELECT DISTINCT` would read every message.
        let rooms = connection
            .prepare(
                "WITH RECURSIVE rooms(room) AS (
                     SELECT min(room) FROM messages
                     UNION ALL
                     SELECT (SELECT min(room) FROM messages WHERE room > rooms.room)
                     FROM rooms WHERE room IS NOT NULL)
                 SELECT room, (SELECT time FROM messages WHERE messages.room = rooms.room
                               ORDER BY id DESC LIMIT 1)
                 FROM rooms WHERE room IS NOT NULL",
            )?
            .query_map([], |row| row.try_into())?
            .collect::<SqlResult<_>>()?;
        Ok(Self {
            last_message: Mutex::new(rooms),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        self.last_message
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the room that has to lose its messages before `room` gets its first message, if there is one.
    pub(super) fn room_to_evict(&self, room: &str) -> Option<String> {
        let rooms = self.lock();
        if rooms.len() < MAX_STORED_ROOMS || rooms.contains_key(room) {
            return None;
        }
        longest_silent(&rooms)
    }

    /// Returns the room whose last message is the oldest.
    pub(super) fn longest_silent(&self) -> Option<String> {
        longest_silent(&self.lock())
    }

    /// Records a message of a room, sent at `time`.
    pub(super) fn touch(&self, room: &str, time: i64) {
        let mut rooms = self.lock();
        if let Some(last) = rooms.get_mut(room) {
            *last = time;
        } else {
            rooms.insert(room.to_owned(), time);
        }
    }

    /// Removes a room that has no messages any more.
    pub(super) fn remove(&self, room: &str) {
        self.lock().remove(room);
    }
}

fn longest_silent(rooms: &HashMap<String, i64>) -> Option<String> {
    let (room, _) = rooms.iter().min_by_key(|(_, time)| **time)?;
    Some(room.clone())
}
