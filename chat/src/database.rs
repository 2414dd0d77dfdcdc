//! [`Database`]: one SQLite file, one thread that writes, and one that reads beside it.
//!
//! A durable write costs a sync of the disk, however much it carries. So the writer takes all that is
//! waiting, makes one transaction of it, and only when that is on disk says so to everybody who
//! waited: *group commit*. The busier the server, the more writes share a sync.

use std::fs::File;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior, config::DbConfig};
use shared::error::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How many jobs may wait for a thread. Further ones wait in their own requests, for
/// `JOB_TIMEOUT` at most.
const WAITING: usize = 1024;

/// How long a job may take. A disk that hangs must not hang the clients as well.
const JOB_TIMEOUT: Duration = Duration::from_secs(5);

/// How large the file may grow, in pages of 4 KiB, so that it does not fill the disk: 4 GiB.
const MAX_PAGES: u32 = 1 << 20;

/// "chat" in ASCII, where SQLite keeps the kind of a file (`PRAGMA application_id`).
const CHAT: i32 = 0x6368_6174;

/// What SQLite says of a file that is none of its own.
const NO_DATABASE: Option<ErrorCode> = Some(ErrorCode::NotADatabase);

/// The version of the tables (`PRAGMA user_version`). A change of `SCHEMA` needs the next one.
const VERSION: i32 = 1;

/// `messages` is the log, ordered by room and id. `from_id` and `to_id` are users, who may have
/// gone since; the names are as they were. `time` is in Unix seconds.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS messages (
        room TEXT NOT NULL, id INTEGER NOT NULL,
        from_id INTEGER NOT NULL, from_name TEXT NOT NULL, to_id INTEGER, to_name TEXT,
        key TEXT NOT NULL, text TEXT NOT NULL, time INTEGER NOT NULL,
        PRIMARY KEY (room, id)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX IF NOT EXISTS messages_by_key ON messages (from_id, key);
    CREATE TABLE IF NOT EXISTS users (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE,
        token BLOB NOT NULL UNIQUE
    ) STRICT;";

/// What SQLite answers.
pub(crate) type Sql<T> = rusqlite::Result<T>;

/// Why a database cannot be used: a sentence.
pub(crate) type Unfit = Box<dyn std::error::Error>;

/// A part of a transaction. It returns what is called after the commit; if there is none, that is
/// dropped, and with it the oneshot that somebody waits for.
type Job = Box<dyn FnOnce(&Connection) -> Sql<Committed> + Send>;
type Committed = Box<dyn FnOnce() + Send>;

/// The open database. It stays locked for this process until this is dropped.
pub(crate) struct Database {
    /// For what changes something.
    pub(crate) writer: Worker,
    /// For what only reads, beside the writer: it waits for no sync.
    pub(crate) reader: Worker,
    /// Where everything is kept instead, if there are many servers.
    #[cfg(feature = "redis")]
    pub(crate) redis: Option<crate::redis::Redis>,
    /// The last to go: nobody else may open the file before.
    _lock: Option<File>,
}

impl Database {
    /// Opens `file`, or makes it; `:memory:` is one that ends with the process.
    pub(crate) fn open(file: &Path) -> Result<Self, Unfit> {
        let is_file = file != ":memory:";
        // Shared by the connections of this process that know the number.
        let memory = format!("file:/{:x}?vfs=memdb", rand::random::<u128>());
        // In a folder `file:x.db` is a name; for SQLite it would be an address, and the lock elsewhere.
        let here = Path::new(".").join(file);
        let place: &Path = if is_file { &here } else { memory.as_ref() };
        // Another server would not hear of what this one writes.
        let lock = is_file.then(|| shared::lock(place)).transpose()?;
        Ok(Self {
            writer: Worker::start(prepare(place)?, WAITING)?,
            // A read has no sync to share, and its error is not the others'.
            reader: Worker::start(Connection::open(place)?, 1)?,
            #[cfg(feature = "redis")]
            redis: None,
            _lock: lock,
        })
    }
}

/// A thread with a connection of its own, and the way to it.
pub(crate) struct Worker {
    /// `None` once it is being dropped: that ends the thread.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// A thread that makes one transaction after the other, each of the jobs that were waiting when it
    /// began, `most` of them at most.
    fn start(mut connection: Connection, most: usize) -> Sql<Self> {
        // By default SQLite plans some statements anew for each value, which costs more than they do.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        let (jobs, mut waiting) = mpsc::channel(WAITING);
        let thread = thread::spawn(move || {
            let mut batch = Vec::with_capacity(most);
            while waiting.blocking_recv_many(&mut batch, most) > 0 {
                match commit(&mut connection, batch.drain(..)) {
                    Ok(committed) => committed.into_iter().for_each(|tell| tell()),
                    Err(error) => log::error!("cannot use the database: {error}"),
                }
            }
        });
        let (jobs, thread) = (Some(jobs), Some(thread));
        Ok(Self { jobs, thread })
    }

    /// Runs `job` in the next transaction, whose parts all see the same moment, and returns what it made
    /// once that is committed, which for a write is on disk. After an error it may be stored or not:
    /// whoever asked repeats it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Sql<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.run_then(|database| Ok((job(database)?, || ()))).await
    }

    /// Like `run`, for a job that makes two things: its outcome, and what the thread calls once the job is
    /// committed. What that publishes is on disk, and in the order of the log.
    pub(crate) async fn run_then<T: Send + 'static, Then: FnOnce() + Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Sql<(T, Then)> + Send + 'static,
    ) -> Result<T, Error> {
        let (done, answer) = oneshot::channel();
        let job: Job = Box::new(|database| {
            let (outcome, then) = job(database)?;
            Ok(Box::new(|| {
                // Who asked may be gone; it is done all the same.
                done.send(outcome).ok();
                then();
            }))
        });
        let running = async {
            self.jobs.as_ref()?.send(job).await.ok()?;
            answer.await.ok()
        };
        let sentence = "The database does not answer as it should. Send it again later.";
        let outcome = timeout(JOB_TIMEOUT, running).await.unwrap_or_default();
        outcome.ok_or(Error::Unavailable(sentence))
    }
}

impl Drop for Worker {
    /// Waits until what was still to be done is, and the connection is closed.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            log::error!("a thread of the database has failed");
        }
    }
}

/// All of `batch` in one transaction, or nothing of it.
fn commit(database: &mut Connection, batch: impl Iterator<Item = Job>) -> Sql<Vec<Committed>> {
    // Rolled back when it is dropped before the commit.
    let transaction = database.transaction()?;
    let committed = batch.map(|job| job(&transaction)).collect::<Sql<_>>()?;
    transaction.commit()?;
    Ok(committed)
}

/// The writer's connection to a chat database. Looks before it changes anything: a file that is not ours
/// stays as it is. What is there already is not made again.
fn prepare(place: &Path) -> Result<Connection, Unfit> {
    let mut connection = Connection::open(place)?;
    let what = "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
                FROM pragma_application_id, pragma_user_version";
    match connection.query_row(what, [], |row| row.try_into()) {
        Ok(_) if connection.is_readonly("main")? => Err("it cannot be written".into()),
        Ok((0, 0, 0) | (CHAT, VERSION, _)) => Ok(()),
        Ok((CHAT, other, _)) => Err(format!(
            "it was made by another version of the chat ({other})"
        )),
        Err(error) if error.sqlite_error_code() != NO_DATABASE => Err(error.to_string()),
        _ => Err("it is not a chat database, and is left as it is".into()),
    }?;
    // Readers go on while the writer writes, and a commit is on disk when it says so. Nobody else should be at
    // the file: to wait long for them, in milliseconds, is to keep the clients waiting, and a stop.
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA max_page_count = {MAX_PAGES};
         PRAGMA busy_timeout = 500; BEGIN; {SCHEMA} PRAGMA application_id = {CHAT}; PRAGMA user_version = {VERSION}; COMMIT"
    ))?;
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
    Ok(connection)
}

#[cfg(test)]
mod tests;
