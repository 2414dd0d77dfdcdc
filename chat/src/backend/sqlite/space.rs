//! [`Space`]: keeps the database file and its write-ahead log (WAL) within their sizes.
//!
//! The WAL grows with each commit. SQLite can begin it again only at a moment when nobody reads. While clients read all
//! the time, there may be no such moment. So the writer makes one: it pauses the reader and truncates the WAL.
//!
//! SQLite refuses to write when the database is full. Before that, the writer deletes the oldest messages of the room
//! that was silent for longest.

use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io};

use rusqlite::{Connection, Error as SqlError, params};

use super::connection::{ReadPause, SqlResult};
use super::rooms::StoredRooms;

/// The size of a page of SQLite, in bytes.
pub(super) const SQLITE_PAGE_BYTES: u64 = 4096;

/// The largest size of the write-ahead log, in bytes: small compared with the default of `--database-size`, and large
/// enough for many commits between two pauses of the reader.
const MAX_WAL: u64 = 64 << 20;

/// How many messages are deleted before the free space is measured again, so that little more is deleted than needed.
const DELETE_STEP: u32 = 50;

/// How many such steps a transaction may have. Clients that write wait for it, and all that it changes must fit into the
/// write-ahead log.
const MAX_STEPS: usize = 200;

/// How large the two files may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// How many pages the database may have.
    pub(super) pages: u64,
    /// How many bytes the write-ahead log may have.
    wal: u64,
    /// How many bytes one transaction may add. As many are free before it begins.
    pub(super) transaction: u64,
}

impl Sizes {
    /// Divides `total` bytes between the database and the write-ahead log.
    pub(super) fn of(total: u64) -> Self {
        let wal = MAX_WAL.min(total / 4);
        Self {
            pages: (total - wal) / SQLITE_PAGE_BYTES,
            wal,
            transaction: wal / 4,
        }
    }
}

/// Frees space before each transaction of the writer.
pub(super) struct Space {
    /// The file of the write-ahead log. A database in memory has none.
    pub(super) wal: Option<PathBuf>,
    pub(super) sizes: Sizes,
    pub(super) pause: ReadPause,
    pub(super) rooms: Arc<StoredRooms>,
}

impl Space {
    /// Frees enough space for one transaction, and enough entries for its new rooms. Fails if another program reads the
    /// file and thereby prevents it.
    pub(super) fn prepare(&self, connection: &mut Connection) -> SqlResult<()> {
        self.bound_wal(connection)?;
        if self.rooms.is_nearly_full() {
            // One transaction at most, because clients that write wait. If it does not suffice, new rooms are refused.
            self.delete_oldest(connection, |_| !self.rooms.is_nearly_full())?;
            self.bound_wal(connection)?;
        }
        if self.free_bytes(connection)? >= self.sizes.transaction {
            return Ok(());
        }
        // More than needed, so that not every transaction has to wait for a deletion.
        let wanted = 2 * self.sizes.transaction;
        while self.free_bytes(connection)? < wanted {
            if self.delete_oldest(connection, |free| free >= wanted)? == 0 {
                return Ok(()); // There are no messages to delete.
            }
            self.bound_wal(connection)?;
        }
        Ok(())
    }

    /// Truncates the write-ahead log when it has reached a quarter of its largest size. Fails if the next transaction
    /// could make it too large.
    fn bound_wal(&self, connection: &Connection) -> SqlResult<()> {
        if self.wal_bytes()? < self.sizes.wal / 4 {
            return Ok(());
        }
        let paused = self.pause.lock();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        drop(paused);
        if self.wal_bytes()? + self.sizes.transaction > self.sizes.wal {
            let message =
                "another program reads the database, so its write-ahead log cannot be truncated";
            return Err(disk_full(message));
        }
        Ok(())
    }

    fn wal_bytes(&self) -> SqlResult<u64> {
        let Some(wal) = &self.wal else { return Ok(0) };
        match fs::metadata(wal) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(disk_full(&error.to_string())),
        }
    }

    fn free_bytes(&self, connection: &Connection) -> SqlResult<u64> {
        let pages =
            |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, u32>(0));
        let used = u64::from(pages("page_count")? - pages("freelist_count")?);
        Ok(self.sizes.pages.saturating_sub(used) * SQLITE_PAGE_BYTES)
    }

    /// Deletes the oldest messages of the room that was silent for longest, and then of the next one, until
    /// `is_enough`, which gets the number of free bytes. Returns how many messages it has deleted, in one transaction of
    /// at most `MAX_STEPS`. One transaction for each room would be slow if there are thousands of rooms with one message
    /// each.
    fn delete_oldest(
        &self,
        connection: &mut Connection,
        is_enough: impl Fn(u64) -> bool,
    ) -> SqlResult<usize> {
        let transaction = connection.transaction()?;
        let mut deleted = 0;
        for _ in 0..MAX_STEPS {
            let Some(room) = self.rooms.longest_silent() else {
                break;
            };
            transaction
                .prepare_cached(
                    "UPDATE deleted SET id = max(id, ifnull((SELECT max(id) FROM messages WHERE room = ?), 0))",
                )?
                .execute([&room])?;
            let in_step = transaction
                .prepare_cached(
                    "DELETE FROM messages WHERE room = ?1
                     AND id < (SELECT min(id) FROM messages WHERE room = ?1) + ?2",
                )?
                .execute(params![room, DELETE_STEP])?;
            deleted += in_step;
            // The ids of a room have no gaps, so a step that deletes fewer has deleted all.
            if in_step < DELETE_STEP as usize {
                self.rooms.remove(&room);
            }
            if is_enough(self.free_bytes(&transaction)?) {
                break;
            }
        }
        transaction.commit()?;
        log::warn!(
            "there are too many messages or rooms: deleted {deleted} messages of the rooms that were silent for longest"
        );
        Ok(deleted)
    }
}

fn disk_full(message: &str) -> SqlError {
    SqlError::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL),
        Some(message.to_owned()),
    )
}

#[cfg(test)]
mod tests {
    use super::super::messages;
    use super::*;

    /// The most likely mistake is one transaction for each room: then each deletion waits for the disk.
    #[test]
    fn rooms_with_one_message_each_are_emptied_in_one_transaction() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(messages::TABLE).unwrap();
        connection.execute_batch(messages::INDEXES).unwrap();
        connection.execute_batch(messages::DELETED).unwrap();
        for room in 0..100 {
            let sql = "INSERT INTO messages (room, id, from_id, from_name, key, text, time)
                       VALUES (?1, 1, 1, 'Ann', ?1, 'Hi', ?1)";
            connection.execute(sql, params![room]).unwrap();
        }
        let space = Space {
            wal: None,
            sizes: Sizes::of(8 << 20),
            pause: ReadPause::default(),
            rooms: Arc::new(StoredRooms::load(&connection).unwrap()),
        };
        let deleted = space.delete_oldest(&mut connection, |_| false).unwrap();
        assert_eq!(deleted, 100);
        assert_eq!(space.rooms.longest_silent(), None);
    }
}
