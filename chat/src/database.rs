//! [`Database`]: one SQLite file, one thread that writes, and a few connections that read beside it.
//!
//! A durable write costs a sync of the disk, however much it carries. So the writer takes all that is
//! waiting, makes one transaction of it, and only when that is on disk says so to everybody who
//! waited: *group commit*. The busier the server, the more writes share a sync.

use std::{
    fmt,
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::spawn_blocking,
    time::timeout,
};

/// How many writes may wait for the writer. Further ones wait in their own requests, which have an
/// end; the next transaction takes all of these at once.
const WAITING_WRITES: usize = 1024;

/// How long a write may take. A disk that hangs must not hang the clients as well.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// How many reads run at the same time. Each has a connection and a thread of its own; the others wait.
const READERS: usize = 4;

/// How long SQLite waits for a lock that another connection of ours holds for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// "chat" in ASCII, where SQLite keeps the kind of a file (`PRAGMA application_id`).
const APPLICATION_ID: i32 = 0x6368_6174;

/// The version of the tables (`PRAGMA user_version`). A change of `SCHEMA` needs the next one.
const VERSION: i32 = 1;

/// `messages` is the log, ordered by room and id. `from_id` and `to_id` are users, who may be
/// forgotten by then; the names are as they were. `time` is in Unix seconds.
const SCHEMA: &str = "
    CREATE TABLE messages (
        room TEXT NOT NULL, id INTEGER NOT NULL,
        from_id INTEGER NOT NULL, from_name TEXT NOT NULL, to_id INTEGER, to_name TEXT,
        key TEXT NOT NULL, text TEXT NOT NULL, time INTEGER NOT NULL,
        PRIMARY KEY (room, id)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX messages_by_key ON messages (from_id, key);
    CREATE TABLE users (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE,
        token BLOB NOT NULL UNIQUE
    ) STRICT;";

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("it is in use by another server")]
    InUse,
    #[error("it cannot be locked: {0}")]
    Lock(io::Error),
    #[error("it is not a chat database, and is left as it is")]
    Foreign,
    #[error("it was made by a newer chat (version {0})")]
    Newer(i32),
    #[error("it cannot be written")]
    ReadOnly,
    #[error("{0}")]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => Self::Foreign,
            Some(rusqlite::ErrorCode::ReadOnly) => Self::ReadOnly,
            _ => Self::Sqlite(error),
        }
    }
}

/// The database did not do what was asked; the log says why. What was to be written may be there or
/// not: whoever asked repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unavailable;

impl From<Unavailable> for shared::error::Error {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable("The database does not answer as it should. Send it again later.")
    }
}

/// A part of the next transaction; what it returns is called once that is on disk. If it never will
/// be, it is dropped, and the oneshot in it tells whoever waits.
type Write = Box<dyn FnOnce(&Transaction<'_>) -> rusqlite::Result<Committed> + Send>;
type Committed = Box<dyn FnOnce() + Send>;

/// The open database. It stays locked for this process until this is dropped.
pub(crate) struct Database {
    /// `None` once it is being dropped: that ends the writer.
    writes: Option<mpsc::Sender<Write>>,
    writer: Option<JoinHandle<()>>,
    readers: Arc<Readers>,
}

impl Database {
    /// Opens `file`, or makes it; `:memory:` is one that ends with the process. It grows to at most
    /// `max_mebibytes`.
    pub(crate) fn open(file: &Path, max_mebibytes: u32) -> Result<Self, OpenError> {
        let (place, lock) = if file == ":memory:" {
            // Shared by the connections of this process that know the number.
            let place = format!("file:/{:x}?vfs=memdb", rand::random::<u128>());
            (PathBuf::from(place), None)
        } else {
            (file.to_owned(), Some(lock(file)?))
        };
        let connection = prepare(&place, max_mebibytes)?;
        let (sender, waiting) = mpsc::channel(WAITING_WRITES);
        let writer = std::thread::spawn(move || {
            write_all(connection, waiting);
            // After the connection: nobody else may open the file before.
            drop(lock);
        });
        let readers = Readers {
            place,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(READERS)),
        };
        Ok(Self {
            writes: Some(sender),
            writer: Some(writer),
            readers: Arc::new(readers),
        })
    }

    /// Runs `change` in the next transaction. Once that is on disk it returns what `change` made of it,
    /// and then calls `publish` with the same, on the writer's thread: what is published is in the
    /// order of the log, and stored.
    pub(crate) async fn write<T: Clone + Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
        publish: impl FnOnce(T) + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (done, written) = oneshot::channel();
        let write: Write = Box::new(|transaction| {
            let outcome = change(transaction)?;
            Ok(Box::new(|| {
                // Who asked may be gone; it is written all the same.
                done.send(outcome.clone()).ok();
                publish(outcome);
            }))
        });
        let writing = async {
            let writes = self.writes.as_ref().ok_or(Unavailable)?;
            writes.send(write).await.map_err(|_| Unavailable)?;
            written.await.map_err(|_| Unavailable)
        };
        timeout(WRITE_TIMEOUT, writing)
            .await
            .unwrap_or(Err(Unavailable))
    }

    /// Runs `query` beside the writer, on a thread where it may take its time.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let readers = Arc::clone(&self.readers);
        let permit = Arc::clone(&readers.permits).acquire_owned().await;
        let reading = spawn_blocking(move || {
            // Held in here: the query runs to its end also if nobody waits for it any more.
            let _permit = permit;
            readers.with(query)
        });
        match reading.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(unavailable("read", &error)),
            Err(error) => Err(unavailable("read", &error)),
        }
    }

    /// As `read`, on this thread: before the server listens, nobody waits.
    pub(crate) fn read_now<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.readers.with(query)
    }
}

impl Drop for Database {
    /// Waits until what was still to be written is, and the file is closed.
    fn drop(&mut self) {
        self.writes = None;
        if self
            .writer
            .take()
            .is_some_and(|writer| writer.join().is_err())
        {
            log::error!("the database's writer has failed");
        }
    }
}

fn unavailable(what: &str, error: &impl fmt::Display) -> Unavailable {
    log::error!("cannot {what} the database: {error}");
    Unavailable
}

/// The writer: one transaction after the other, each with all that was waiting when it began.
fn write_all(mut connection: Connection, mut waiting: mpsc::Receiver<Write>) {
    let mut batch = Vec::with_capacity(WAITING_WRITES);
    while waiting.blocking_recv_many(&mut batch, WAITING_WRITES) > 0 {
        match commit(&mut connection, batch.drain(..)) {
            Ok(committed) => committed.into_iter().for_each(|tell| tell()),
            Err(error) => {
                unavailable("write", &error);
            }
        }
    }
}

/// All of `batch` in one transaction, or nothing of it.
fn commit(
    connection: &mut Connection,
    batch: impl Iterator<Item = Write>,
) -> rusqlite::Result<Vec<Committed>> {
    // Rolled back when it is dropped before the commit.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let committed = batch
        .map(|write| write(&transaction))
        .collect::<rusqlite::Result<Vec<_>>>()?;
    transaction.commit()?;
    Ok(committed)
}

/// The connections that only read.
struct Readers {
    place: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    /// Runs `query` in a transaction, so that all of its parts see the same moment.
    fn with<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = idle().pop();
        let mut connection = match connection {
            Some(connection) => connection,
            None => connect(&self.place)?,
        };
        let transaction = connection.transaction()?;
        let answer = query(&transaction)?;
        transaction.finish()?;
        idle().push(connection);
        Ok(answer)
    }
}

fn connect(place: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(place)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Keeps every other server away: it would not hear of what this one writes. The lock is on a file of
/// its own, because closing any handle to the database would release SQLite's own locks (POSIX).
fn lock(file: &Path) -> Result<File, OpenError> {
    let mut place = file.as_os_str().to_owned();
    place.push("-lock");
    let lock = File::create(&place).map_err(OpenError::Lock)?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => OpenError::InUse,
        TryLockError::Error(error) => OpenError::Lock(error),
    })?;
    Ok(lock)
}

/// The writer's connection to a chat database, which is made if there is nothing yet. Looks before it
/// changes anything: a file that is not ours stays as it is.
fn prepare(place: &Path, max_mebibytes: u32) -> Result<Connection, OpenError> {
    let mut connection = connect(place)?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (kind, version) = (number("application_id")?, number("user_version")?);
    let tables: i32 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (kind, version) {
        (0, 0) if tables == 0 => {}
        (APPLICATION_ID, VERSION) => {}
        (APPLICATION_ID, newer) => return Err(OpenError::Newer(newer)),
        _ => return Err(OpenError::Foreign),
    }
    if connection.is_readonly("main")? {
        return Err(OpenError::ReadOnly);
    }
    // Readers go on while the writer writes, and a commit is on disk when it says so. The answer names
    // the mode: a database in memory keeps its own.
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let page_bytes: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let pages = i64::from(max_mebibytes) * 1024 * 1024 / page_bytes.max(1);
    connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    if tables == 0 {
        let transaction = connection.transaction()?;
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
    }
    Ok(connection)
}

#[cfg(test)]
mod tests;
