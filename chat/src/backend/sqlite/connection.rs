//! [`ConnectionThread`]: a thread with a SQLite connection of its own, which runs one transaction after the other.
//!
//! A durable write costs one sync of the disk, however much it carries. So the thread takes all writes that are
//! waiting, makes one transaction of them, and reports success to everybody once that is on disk: *group commit*. The
//! busier the server, the more writes share a sync.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, config::DbConfig};
use shared::error::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How many jobs may wait for a thread. Further ones wait in their own requests, for `JOB_TIMEOUT` at most.
pub(super) const QUEUE_CAPACITY: usize = 1024;

/// How long a job may take. A disk that hangs must not hang the clients as well.
const JOB_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) type SqlResult<T> = rusqlite::Result<T>;

/// One part of a transaction. It returns a callback that runs after the commit. If the transaction fails, the
/// callback is dropped, which wakes the caller with an error.
type Job = Box<dyn FnOnce(&Connection) -> SqlResult<AfterCommit> + Send>;
type AfterCommit = Box<dyn FnOnce() + Send>;

/// A handle to the thread. Dropping it finishes the jobs that are queued and closes the connection.
pub(super) struct ConnectionThread {
    /// `None` only while this is being dropped: without a sender the thread ends.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl ConnectionThread {
    /// Starts a thread that runs jobs on `connection`, up to `max_batch` of those that are waiting in one
    /// transaction.
    pub(super) fn start(mut connection: Connection, max_batch: usize) -> SqlResult<Self> {
        // By default SQLite plans some statements again for each value, which costs more than running them.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        let (sender, mut receiver) = mpsc::channel(QUEUE_CAPACITY);
        let thread = thread::spawn(move || {
            let mut batch = Vec::with_capacity(max_batch);
            while receiver.blocking_recv_many(&mut batch, max_batch) > 0 {
                match commit(&mut connection, batch.drain(..)) {
                    Ok(callbacks) => callbacks.into_iter().for_each(|callback| callback()),
                    Err(error) => log::error!("cannot use the database: {error}"),
                }
            }
        });
        Ok(Self {
            jobs: Some(sender),
            thread: Some(thread),
        })
    }

    /// Runs `job` in the next transaction and returns its result once that is committed, which for a write means
    /// on disk. After an error the job may have been committed or not: repeat it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    ) -> Result<T, Error> {
        let job = |connection: &Connection| Ok((job(connection)?, || ()));
        self.run_with_callback(job).await
    }

    /// Runs a job that returns two things: its result, and a callback for the thread to call after the commit. The
    /// callbacks of all jobs are called in the order in which the jobs were run.
    pub(super) async fn run_with_callback<
        T: Send + 'static,
        Callback: FnOnce() + Send + 'static,
    >(
        &self,
        job: impl FnOnce(&Connection) -> SqlResult<(T, Callback)> + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, result) = oneshot::channel();
        let job: Job = Box::new(|connection| {
            let (result, callback) = job(connection)?;
            Ok(Box::new(|| {
                // The caller may have given up waiting; the job is done anyway.
                sender.send(result).ok();
                callback();
            }))
        });
        let running = async {
            self.jobs.as_ref()?.send(job).await.ok()?;
            result.await.ok()
        };
        let result = timeout(JOB_TIMEOUT, running).await.unwrap_or_default();
        let message = "The database does not answer as it should. Send it again later.";
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

/// Runs all jobs of `batch` in one transaction. If one of them fails, nothing is stored.
fn commit(
    connection: &mut Connection,
    batch: impl Iterator<Item = Job>,
) -> SqlResult<Vec<AfterCommit>> {
    // Rolled back when it is dropped before the commit.
    let transaction = connection.transaction()?;
    let callbacks = batch
        .map(|job| job(&transaction))
        .collect::<SqlResult<_>>()?;
    transaction.commit()?;
    Ok(callbacks)
}
