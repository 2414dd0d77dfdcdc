//! What keeps the database file and its write-ahead log (WAL) within their sizes, whatever clients send.
//!
//! The WAL grows with each commit. SQLite can write it from the start again only at a moment when nobody reads, and
//! while clients read all the time there may be none. So the writer makes such a moment: it pauses the reader and
//! truncates the log. And when the database is nearly full, the writer deletes the oldest messages of the room that was
//! silent for longest, before SQLite has to refuse a message.

use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io};

use rusqlite::{Connection, Error as SqlError, params};

use super::connection::{ReadPause, SqlResult};
use super::rooms::StoredRooms;

/// SQLite's page size, in bytes.
const PAGE_BYTES: u64 = 4096;

/// The most that the write-ahead log may take, in bytes.
const MAX_WAL: u64 = 64 << 20;

/// How many of the oldest messages of a room are deleted in one step. It ends when there is room, so that little more is
/// deleted than needed.
const DELETE_STEP: i64 = 50;

/// How many steps are one transaction. Clients that write wait for it.
const MAX_STEPS: usize = 100;

/// How large the two files may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// The most pages that the database may have.
    pub(super) pages: u64,
    /// The most bytes that the write-ahead log may take.
    wal: u64,
    /// The most bytes that one transaction may add. So many are free in the database before it begins.
    pub(super) transaction: u64,
}

impl Sizes {
    /// Divides `total` bytes between the database and its write-ahead log.
    pub(super) fn of(total: u64) -> Self {
        let wal = MAX_WAL.min(total / 4);
        Self {
            pages: (total - wal) / PAGE_BYTES,
            wal,
            transaction: wal / 4,
        }
    }
}

/// Makes room before each transaction of the writer.
pub(super) struct Space {
    /// The write-ahead log; `None` for a database in memory, which has none.
    pub(super) wal: Option<PathBuf>,
    pub(super) sizes: Sizes,
    pub(super) pause: ReadPause,
    pub(super) rooms: Arc<StoredRooms>,
}

impl Space {
    /// Makes room for one transaction. Fails if that is impossible, because another program reads the file.
    pub(super) fn prepare(&self, connection: &mut Connection) -> SqlResult<()> {
        self.bound_wal(connection)?;
        if self.free_bytes(connection)? >= self.sizes.transaction {
            return Ok(());
        }
        // More than needed, so that this does not happen before every transaction.
        let wanted = 2 * self.sizes.transaction;
        while self.free_bytes(connection)? < wanted {
            let Some(room) = self.rooms.longest_silent() else {
                return Ok(()); // There are no messages to delete.
            };
            self.delete_oldest(connection, &room, wanted)?;
            self.bound_wal(connection)?;
        }
        Ok(())
    }

    /// Truncates the write-ahead log when it has a quarter of its size. Refuses to go on when a further transaction
    /// could make it too large.
    fn bound_wal(&self, connection: &Connection) -> SqlResult<()> {
        if self.wal_bytes()? < self.sizes.wal / 4 {
            return Ok(());
        }
        let paused = self.pause.lock();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        drop(paused);
        if self.wal_bytes()? + self.sizes.transaction > self.sizes.wal {
            let message = "another program reads the database, so that its log cannot be truncated";
            return Err(refusal(message));
        }
        Ok(())
    }

    fn wal_bytes(&self) -> SqlResult<u64> {
        let Some(wal) = &self.wal else { return Ok(0) };
        match fs::metadata(wal) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(refusal(&error.to_string())),
        }
    }

    fn free_bytes(&self, connection: &Connection) -> SqlResult<u64> {
        let pages =
            |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, u32>(0));
        let used = u64::from(pages("page_count")? - pages("freelist_count")?);
        Ok(self.sizes.pages.saturating_sub(used) * PAGE_BYTES)
    }

    /// Deletes the oldest messages of a room until `wanted` bytes are free, or for one transaction at most.
    fn delete_oldest(&self, connection: &mut Connection, room: &str, wanted: u64) -> SqlResult<()> {
        let transaction = connection.transaction()?;
        let mut deleted = 0;
        for _ in 0..MAX_STEPS {
            let in_step = transaction
                .prepare_cached(
                    "DELETE FROM messages WHERE room = ?1
                     AND id < (SELECT min(id) FROM messages WHERE room = ?1) + ?2",
                )?
                .execute(params![room, DELETE_STEP])?;
            deleted += in_step;
            if in_step == 0 {
                self.rooms.remove(room);
            }
            if in_step == 0 || self.free_bytes(&transaction)? >= wanted {
                break;
            }
        }
        transaction.commit()?;
        log::warn!("the database is full: deleted the {deleted} oldest messages of room {room}");
        Ok(())
    }
}

fn refusal(message: &str) -> SqlError {
    SqlError::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL),
        Some(message.to_owned()),
    )
}
