//! [`ConnectionThread`]: a thread with its own SQLite connection, which runs one transaction after the other.
//!
//! A durable write costs one sync of the disk, even if it is large. So the writer puts all waiting writes into one
//! transaction, and reports success to all callers when that transaction is on disk (*group commit*). The busier the
//! server, the more writes share a sync.
//!
//! When a disk is full or hangs, `ConnectionThread::queue` returns a 503.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, config::DbConfig};
use shared::error::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::backend::outage::log_error;

/// How many jobs may wait for a thread, and how many writes may share a transaction. Requests with further jobs wait
/// for a slot, until `JOB_TIMEOUT` at most.
pub(super) const QUEUE_CAPACITY: usize = 1024;

/// How long a job may take, with the wait for its turn. If the disk hangs, clients get an error after that.
const JOB_TIMEOUT: Duration = Duration::from_secs(5);

/// The result of SQL statements, before it becomes an [`Error`] for a client.
pub(super) type SqlResult<T> = rusqlite::Result<T>;

/// One part of a transaction.
struct Job {
    run: Run,
    /// How many bytes the job may add to the database, at most. 0 for a job that only reads.
    bytes: u64,
}

/// The work of a job, which returns a callback. If the work or the transaction fails, the callback is dropped, and the
/// caller that waits for the job gets an error.
type Run = Box<dyn FnOnce(&Connection) -> SqlResult<AfterCommit> + Send>;

/// A callback that runs after the commit.
type AfterCommit = Box<dyn FnOnce() + Send>;

/// Pauses the reader while the writer has it locked. Clones are handles to the same pause.
#[derive(Debug, Clone, Default)]
pub(super) struct ReadPause(Arc<Mutex<()>>);

impl ReadPause {
    /// Waits until the other thread has dropped its guard, and returns a new one.
    pub(super) fn lock(&self) -> MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle to the thread. Dropping it finishes the jobs in the queue and closes the connection.
pub(super) struct ConnectionThread {
    /// `None` only during the drop: the thread ends when there is no sender.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl ConnectionThread {
    /// Starts a thread that runs all waiting jobs in one transaction, or in several that add at most `max_bytes` each.
    /// Before each transaction it calls `prepare`. If `prepare` fails, the jobs fail, too.
    pub(super) fn start_writer(
        connection: Connection,
        max_bytes: u64,
        mut prepare: impl FnMut(&mut Connection) -> SqlResult<()> + Send + 'static,
    ) -> SqlResult<Self> {
        Self::start(connection, QUEUE_CAPACITY, move |connection, jobs| {
            for batch in split_by_bytes(jobs, max_bytes) {
                run_and_report(|| {
                    prepare(connection)?;
                    commit(connection, batch)
                });
            }
        })
    }

    /// Starts a thread that runs each job in a transaction of its own, because reads need no sync. `pause` is locked
    /// while a job runs.
    pub(super) fn start_reader(connection: Connection, pause: ReadPause) -> SqlResult<Self> {
        Self::start(connection, 1, move |connection, jobs| {
            let _reading = pause.lock();
            run_and_report(|| commit(connection, jobs));
        })
    }

    fn start(
        mut connection: Connection,
        max_batch: usize,
        mut run: impl FnMut(&mut Connection, Vec<Job>) + Send + 'static,
    ) -> SqlResult<Self> {
        // Otherwise SQLite plans some statements again for each value, which takes longer than to run them.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        let (sender, mut receiver) = mpsc::channel(QUEUE_CAPACITY);
        let thread = thread::spawn(move || {
            let mut jobs = Vec::new();
            while receiver.blocking_recv_many(&mut jobs, max_batch) > 0 {
                run(&mut connection, std::mem::take(&mut jobs));
            }
        });
        Ok(Self {
            jobs: Some(sender),
            thread: Some(thread),
        })
    }

    /// Runs `job` and returns its result. The job is skipped if its caller stops waiting before it begins.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.queue(0, |sender| {
            Box::new(move |connection| {
                if sender.is_closed() {
                    return Ok(Box::new(|| ()));
                }
                let result = job(connection)?;
                Ok(Box::new(move || drop(sender.send(result))))
            })
        })
        .await
    }

    /// Runs a write that adds at most `bytes`, and returns its result when the write is on disk. After an error the
    /// write may have been committed or not, so the caller should repeat it.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        bytes: u64,
        job: impl FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.write_then(bytes, |connection| Ok((job(connection)?, || ())))
            .await
    }

    /// Runs a write that returns its result, and a callback that the thread calls after the commit. The callbacks are
    /// called in the order in which the writes were run.
    pub(super) async fn write_then<T: Send + 'static, Callback: FnOnce() + Send + 'static>(
        &self,
        bytes: u64,
        job: impl FnOnce(&Connection) -> SqlResult<(T, Callback)> + Send + 'static,
    ) -> Result<T, Error> {
        self.queue(bytes, |sender| {
            Box::new(move |connection| {
                let (result, callback) = job(connection)?;
                Ok(Box::new(move || {
                    // The caller may have stopped waiting, but the write is on disk.
                    sender.send(result).ok();
                    callback();
                }))
            })
        })
        .await
    }

    /// Queues the job that `make` returns, and waits for the result that the job sends. Returns a 503 if the job fails
    /// or takes too long.
    async fn queue<T>(
        &self,
        bytes: u64,
        make: impl FnOnce(oneshot::Sender<T>) -> Run,
    ) -> Result<T, Error> {
        let (sender, result) = oneshot::channel();
        let job = Job {
            run: make(sender),
            bytes,
        };
        let running = async {
            self.jobs.as_ref()?.send(job).await.ok()?;
            result.await.ok()
        };
        let result = timeout(JOB_TIMEOUT, running).await.unwrap_or_default();
        let message = "The database does not respond as it should. Try again later.";
        result.ok_or_else(|| Error::service_unavailable(message))
    }
}

impl Drop for ConnectionThread {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            log::error!("a thread of the database has panicked");
        }
    }
}

/// Splits jobs into batches, in their order. A batch adds at most `max_bytes`, or has only one job.
fn split_by_bytes(jobs: Vec<Job>, max_bytes: u64) -> Vec<Vec<Job>> {
    let mut batches = Vec::new();
    let mut batch = Vec::new();
    let mut bytes = 0;
    for job in jobs {
        if bytes + job.bytes > max_bytes && !batch.is_empty() {
            batches.push(std::mem::take(&mut batch));
            bytes = 0;
        }
        bytes += job.bytes;
        batch.push(job);
    }
    batches.push(batch);
    batches
}

/// Runs a transaction, and then the callbacks that it returns. Logs an error.
fn run_and_report(transaction: impl FnOnce() -> SqlResult<Vec<AfterCommit>>) {
    match transaction() {
        Ok(callbacks) => callbacks.into_iter().for_each(|callback| callback()),
        Err(error) => log_error("the database", &error),
    }
}

/// Runs all jobs of `batch` in one transaction. A job that fails does not prevent the commit of the others: SQLite undoes
/// the statement that failed, and the earlier statements of that job do no harm without it.
fn commit(connection: &mut Connection, batch: Vec<Job>) -> SqlResult<Vec<AfterCommit>> {
    // An error drops the transaction before the commit, and thereby rolls it back.
    let transaction = connection.transaction()?;
    let mut callbacks = Vec::with_capacity(batch.len());
    for job in batch {
        match (job.run)(&transaction) {
            Ok(callback) => callbacks.push(callback),
            // Some errors, such as a full disk, end the transaction.
            Err(error) if transaction.is_autocommit() => return Err(error),
            Err(error) => log_error("the database", &error),
        }
    }
    transaction.commit()?;
    Ok(callbacks)
}
