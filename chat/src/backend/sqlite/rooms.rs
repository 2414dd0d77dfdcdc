//! [`StoredRooms`]: which rooms have messages in the database, and when somebody last sent one to each.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::connection::SqlResult;

/// How many rooms have messages in the database. When a further one begins, the room that was silent for longest loses
/// its messages. A room with one message takes about a kilobyte here and on disk.
pub(super) const MAX_STORED_ROOMS: usize = 10_000;

/// The rooms in the database. Only the thread that writes changes them; the mutex is for `Sync`.
pub(super) struct StoredRooms {
    /// The time of the last message of each room, in Unix seconds.
    last_message: Mutex<HashMap<String, i64>>,
}

impl StoredRooms {
    /// Reads the rooms that a database has.
    pub(super) fn load(connection: &Connection) -> SqlResult<Self> {
        // SQLite finds each next room in the primary key; `SELECT DISTINCT` would look at every message.
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

    /// Returns the room that has to give way before `room` can have its first message, if one has to.
    pub(super) fn room_to_give_way(&self, room: &str) -> Option<String> {
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

    /// Records a message.
    pub(super) fn touch(&self, room: &str, time: i64) {
        let mut rooms = self.lock();
        if let Some(last) = rooms.get_mut(room) {
            *last = time;
        } else {
            rooms.insert(room.to_owned(), time);
        }
    }

    /// Removes a room without messages.
    pub(super) fn remove(&self, room: &str) {
        self.lock().remove(room);
    }
}

fn longest_silent(rooms: &HashMap<String, i64>) -> Option<String> {
    let (room, _) = rooms.iter().min_by_key(|(_, time)| **time)?;
    Some(room.clone())
}
