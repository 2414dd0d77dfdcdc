//! [`Capacity`]: how many connections fit into the files that this process may open.
//!
//! To the system each connection is an open file, and a process may have only so many. A server that has no more of
//! them can neither accept a client nor read a file of its own page; it looks as if it hung. So this one stops before
//! that: when all connections that fit are in use, further clients wait in the system's queue, and are accepted as
//! soon as others leave.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The most connections that each worker thread (one per core) takes, however many files it may open.
/// An open stream costs 12 to 16 KiB here and as much in the kernel.
const MAX_CONNECTIONS: usize = 10_000;

/// How many files the server itself has open: the standard streams, the listener, event loops.
const OWN_FILES: usize = 12;

/// How many more a worker thread has open for its event loop.
const FILES_PER_WORKER: usize = 4;

/// How many files are kept free for a database, the users file, and the files of the page while they are read.
const SPARE_FILES: usize = 20;

/// With fewer files than this for each worker thread there are fewer threads, which leaves more files to clients.
const MIN_FILES_PER_WORKER: usize = 128;

/// actix-server takes no more worker threads.
const MAX_WORKERS: usize = 512;

/// How often at most the log repeats that the connections are nearly used up.
const WARNING_INTERVAL: Duration = Duration::from_secs(3600);

/// How many connections the server takes at the same time.
#[derive(Debug)]
pub(super) struct Capacity {
    /// The number of worker threads.
    pub(super) workers: usize,
    /// The most connections of each of them.
    pub(super) per_worker: usize,
    /// How many files the process may open; `None` if there is no limit.
    files: Option<usize>,
    last_warning: Mutex<Option<Instant>>,
}

impl Capacity {
    /// Raises this process's limit of open files as far as the system allows, and computes what fits.
    pub(super) fn of_this_process() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::new(raise_file_limit(), cores)
    }

    fn new(files: Option<usize>, cores: usize) -> Self {
        let most = files.map_or(MAX_WORKERS, |files| files / MIN_FILES_PER_WORKER);
        let workers = cores.min(most).clamp(1, MAX_WORKERS);
        let not_for_clients = OWN_FILES + SPARE_FILES + FILES_PER_WORKER * workers;
        let fitting = files.map_or(usize::MAX, |files| files.saturating_sub(not_for_clients));
        Self {
            workers,
            per_worker: (fitting / workers).clamp(1, MAX_CONNECTIONS),
            files,
            last_warning: Mutex::new(None),
        }
    }

    /// Says in the log, once an hour at most, that nine tenths of the connections are in use.
    ///
    /// `newest_file` is the number that the system gave to the newest connection. It gives the lowest number that is
    /// free, so at least as many files are open. That is why nobody has to count the connections.
    pub(super) fn warn_if_nearly_used(&self, newest_file: usize) {
        let connections = self.workers * self.per_worker;
        let nearly_all = connections - connections / 10;
        if newest_file < OWN_FILES + FILES_PER_WORKER * self.workers + nearly_all {
            return;
        }
        let mut last = self
            .last_warning
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < WARNING_INTERVAL) {
            return;
        }
        *last = Some(Instant::now());
        log::warn!(
            "{nearly_all} of {connections} connections are in use{}. When all are, further clients wait until others \
             leave",
            self.reason()
        );
    }

    /// Returns why there are no more connections, if a higher limit of open files would help.
    fn reason(&self) -> String {
        match self.files {
            Some(files) if self.per_worker < MAX_CONNECTIONS => {
                format!(" (this process may open {files} files, and each takes one; see ulimit -n)")
            }
            _ => String::new(),
        }
    }
}

/// Raises the soft limit of open files to the hard one, and returns what holds now. Often the soft limit is 1,024 for
/// the sake of old programs, which `select` on files and cannot deal with more (`man 2 select`).
#[cfg(unix)]
fn raise_file_limit() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    /// What macOS takes if its hard limit is "unlimited" (`OPEN_MAX`).
    const MACOS_LIMIT: u64 = 10_240;
    let maximum = getrlimit(Resource::Nofile).maximum;
    for current in [maximum, Some(MACOS_LIMIT)] {
        if setrlimit(Resource::Nofile, Rlimit { current, maximum }).is_ok() {
            break;
        }
    }
    // What was refused leaves the limit as it was.
    let files = getrlimit(Resource::Nofile).current?;
    usize::try_from(files).ok()
}

#[cfg(not(unix))]
fn raise_file_limit() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fill_the_files_that_there_are_and_leave_some_for_others() {
        for (files, cores, workers, per_worker) in [
            (Some(300), 2, 2, 130),
            (Some(300), 64, 2, 130),
            (Some(1_024), 2, 2, 492),
            (Some(1_024), 64, 8, 120),
            (Some(20_000), 2, 2, 9_980),
            (Some(1_000_000), 2, 2, MAX_CONNECTIONS),
            (None, 1_000, MAX_WORKERS, MAX_CONNECTIONS),
            (Some(10), 8, 1, 1),
        ] {
            let capacity = Capacity::new(files, cores);
            let found = (capacity.workers, capacity.per_worker);
            assert_eq!(
                found,
                (workers, per_worker),
                "{files:?} files, {cores} cores"
            );
        }
    }

    #[test]
    fn a_warning_comes_at_nine_tenths_and_not_again() {
        let capacity = Capacity::new(Some(300), 2);
        let warned = || capacity.last_warning.lock().unwrap().is_some();
        capacity.warn_if_nearly_used(20 + 233);
        assert!(!warned());
        capacity.warn_if_nearly_used(20 + 234);
        assert!(warned());
        let first = *capacity.last_warning.lock().unwrap();
        capacity.warn_if_nearly_used(20 + 259);
        assert_eq!(*capacity.last_warning.lock().unwrap(), first);
    }
}
