//! [`Database`]: one SQLite file that belongs to this server, with a thread that writes and one that reads.

use std::path::Path;

use rusqlite::{Connection, Error as SqlError, ErrorCode, TransactionBehavior};
use shared::FileLock;

use super::connection::{ConnectionThread, QUEUE_CAPACITY};
use crate::backend::OpenError;

/// How large the file may grow, in pages of 4 KiB, so that it does not fill the disk: 4 GiB.
const MAX_PAGES: u32 = 1 << 20;

/// How long a statement waits for another program that holds the file, in milliseconds. No other program should;
/// waiting longer would delay the clients and a shutdown.
const BUSY_TIMEOUT: u32 = 500;

/// "chat" in ASCII, where SQLite stores what kind of file this is (`PRAGMA application_id`).
const APPLICATION_ID: i32 = 0x6368_6174;

/// The version of the tables (`PRAGMA user_version`). A change of a schema needs the next one.
const SCHEMA_VERSION: i32 = 1;

/// An open database. The file stays locked for this process until this is dropped.
pub(super) struct Database {
    /// For everything that changes something.
    pub(super) writer: ConnectionThread,
    /// For everything that only reads. It does not wait for the writer.
    pub(super) reader: ConnectionThread,
    /// Declared last, so that it is dropped last: no other server may open the file before this one has closed it.
    _lock: Option<FileLock>,
}

impl Database {
    /// Opens `file`, or creates it with the tables of `schema`. `:memory:` is a database that ends with the process.
    pub(super) fn open(file: &Path, schema: &str) -> Result<Self, OpenError> {
        if file == ":memory:" {
            // A name that only the two connections of this database know.
            let name = format!("file:/{:x}?vfs=memdb", rand::random::<u128>());
            return Self::open_at(Path::new(&name), schema, None);
        }
        // SQLite would parse `file:x.db` as a URI. With a leading `./` it is a file name, and the lock is beside it.
        let path = Path::new(".").join(file);
        // Two servers on one file would not receive each other's messages.
        let lock = FileLock::acquire(&path)?;
        Self::open_at(&path, schema, Some(lock))
    }

    fn open_at(path: &Path, schema: &str, lock: Option<FileLock>) -> Result<Self, OpenError> {
        let writer = open_writer(path, schema)?;
        Ok(Self {
            writer: ConnectionThread::start(writer, QUEUE_CAPACITY)?,
            // Reads are not batched: there is no sync to share, and one failed query must not fail others.
            reader: ConnectionThread::start(Connection::open(path)?, 1)?,
            _lock: lock,
        })
    }
}

/// Opens the connection that writes, and creates the tables of a new database.
fn open_writer(path: &Path, schema: &str) -> Result<Connection, OpenError> {
    let mut connection = Connection::open(path)?;
    check_is_ours(&connection)?;
    // With WAL, readers go on while the writer writes. With FULL, a commit is on disk when it returns.
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA max_page_count = {MAX_PAGES};
         PRAGMA busy_timeout = {BUSY_TIMEOUT};
         BEGIN;
         {schema}
         PRAGMA application_id = {APPLICATION_ID};
         PRAGMA user_version = {SCHEMA_VERSION};
         COMMIT;"
    ))?;
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
    Ok(connection)
}

/// Checks that the file is empty or a database of this version of the chat, before anything in it is changed.
fn check_is_ours(connection: &Connection) -> Result<(), OpenError> {
    const NOT_OURS: &str = "it is not a chat database, and is left as it is";
    let identity = connection.query_row(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
         FROM pragma_application_id, pragma_user_version",
        [],
        |row| row.try_into(),
    );
    let (application_id, version, tables): (i32, i32, i64) = match identity {
        Ok(identity) => identity,
        Err(error) if is_not_a_database(&error) => return Err(NOT_OURS.into()),
        Err(error) => return Err(error.into()),
    };
    let is_new = (application_id, version, tables) == (0, 0, 0);
    if !is_new && application_id != APPLICATION_ID {
        return Err(NOT_OURS.into());
    }
    if !is_new && version != SCHEMA_VERSION {
        return Err(format!("it was made by another version of the chat ({version})").into());
    }
    if connection.is_readonly("main")? {
        return Err("it cannot be written".into());
    }
    Ok(())
}

fn is_not_a_database(error: &SqlError) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::NotADatabase)
}

#[cfg(test)]
mod tests;
