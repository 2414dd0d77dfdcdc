//! [`Database`]: one SQLite file, with a thread that writes and a thread that reads. No other server can open it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, Error as SqlError, ErrorCode, TransactionBehavior};
use shared::FileLock;

use super::connection::{ConnectionThread, ReadPause};
use super::rooms::StoredRooms;
use super::space::{Sizes, Space};
use crate::backend::OpenError;

/// How long a statement waits for another program that has locked the file, in milliseconds. No other program should
/// lock it, and a longer wait would delay clients and a stop of the server.
const BUSY_TIMEOUT: u32 = 500;

/// Marks the file as a database of the chat (`PRAGMA application_id`): "chat" in ASCII.
const APPLICATION_ID: i32 = 0x6368_6174;

/// An open database. The file stays locked for this process until this is dropped.
pub(super) struct Database {
    /// Runs all writes.
    pub(super) writer: ConnectionThread,
    /// Runs all reads. It does not wait for the transactions of the writer.
    pub(super) reader: ConnectionThread,
    /// The rooms that have messages.
    pub(super) rooms: Arc<StoredRooms>,
    /// The last field, so that it is dropped last: no other server may open the file before this one has closed it.
    _lock: Option<FileLock>,
}

impl Database {
    /// Opens `file`, or creates it. With `:memory:` the database is only in memory. It may take `size` bytes. Each of
    /// the `migrations` is the SQL for the next version of the tables.
    pub(super) fn open(file: &Path, size: u64, migrations: &[String]) -> Result<Self, OpenError> {
        if file == ":memory:" {
            // The two connections share the database by this name, and no other database has it.
            let name = format!("file:/{:x}?vfs=memdb", rand::random::<u128>());
            return Self::open_at(Path::new(&name), None, size, migrations, None);
        }
        // SQLite would parse `file:x.db` as a URI. With a leading `./` it is a file name, as it is for the lock.
        let path = Path::new(".").join(file);
        // If two servers used one file, neither would publish the messages of the other.
        let lock = FileLock::acquire(&path)?;
        let mut wal = path.clone().into_os_string();
        wal.push("-wal");
        Self::open_at(&path, Some(wal.into()), size, migrations, Some(lock))
    }

    fn open_at(
        path: &Path,
        wal: Option<PathBuf>,
        size: u64,
        migrations: &[String],
        lock: Option<FileLock>,
    ) -> Result<Self, OpenError> {
        let sizes = Sizes::of(size);
        let writer = open_writer(path, sizes, migrations)?;
        let rooms = Arc::new(StoredRooms::load(&writer)?);
        let pause = ReadPause::default();
        let space = Space {
            wal,
            sizes,
            pause: pause.clone(),
            rooms: Arc::clone(&rooms),
        };
        let prepare = move |connection: &mut Connection| space.prepare(connection);
        Ok(Self {
            writer: ConnectionThread::start_writer(writer, sizes.transaction, prepare)?,
            reader: ConnectionThread::start_reader(Connection::open(path)?, pause)?,
            rooms,
            _lock: lock,
        })
    }
}

/// Opens the connection for the writer, and brings the tables up to date.
fn open_writer(path: &Path, sizes: Sizes, migrations: &[String]) -> Result<Connection, OpenError> {
    let mut connection = Connection::open(path)?;
    let version = stored_version(&connection)?;
    let missing = migrations.get(usize::try_from(version)?..);
    let Some(missing) = missing else {
        return Err(format!("it was made by a later version of the chat ({version})").into());
    };
    // With WAL, reads do not wait for the writer. With FULL, a commit is on disk when it returns.
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA max_page_count = {max_pages};
         PRAGMA busy_timeout = {BUSY_TIMEOUT};
         BEGIN;
         {missing}
         PRAGMA application_id = {APPLICATION_ID};
         PRAGMA user_version = {version};
         COMMIT;",
        max_pages = sizes.pages,
        missing = missing.concat(),
        version = migrations.len(),
    ))?;
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
    Ok(connection)
}

/// Returns the version of the tables in a database of the chat, or 0 for an empty file. Fails for any other file,
/// before anything in it is changed.
fn stored_version(connection: &Connection) -> Result<u32, OpenError> {
    const NOT_OURS: &str = "it is not a chat database, and is left as it is";
    let identity = connection.query_row(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
         FROM pragma_application_id, pragma_user_version",
        [],
        |row| row.try_into(),
    );
    let (application_id, version, tables): (i32, u32, i64) = match identity {
        Ok(identity) => identity,
        Err(error) if is_not_a_database(&error) => return Err(NOT_OURS.into()),
        Err(error) => return Err(error.into()),
    };
    let is_empty = (application_id, version, tables) == (0, 0, 0);
    if !is_empty && application_id != APPLICATION_ID {
        return Err(NOT_OURS.into());
    }
    if connection.is_readonly("main")? {
        return Err("it cannot be written".into());
    }
    Ok(version)
}

fn is_not_a_database(error: &SqlError) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::NotADatabase)
}

#[cfg(test)]
mod tests;
