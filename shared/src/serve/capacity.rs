//! [`Capacity`]: how many connections the server may have, given the number of files that the process may open.
//!
//! For the system each connection is an open file, and the system limits the open files of a process. At the limit a
//! server can neither accept a client nor read a file of its page, so it seems to hang. This server stops accepting
//! before that. Further clients wait in the system's queue until others disconnect.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The most connections of each worker thread, even if the process may open more files. An open stream costs 12 to 16
/// KiB in this process and as much in the kernel, so this many need about 300 MB.
const MAX_CONNECTIONS: usize = 10_000;

/// How many files the server itself has open: the standard streams, the listener, event loops.
const OWN_FILES: usize = 12;

/// How many files a worker thread opens for its event loop.
const FILES_PER_WORKER: usize = 4;

/// How many files are reserved for a database, the users file, and the files of the page while they are read.
const SPARE_FILES: usize = 20;

/// How many files a worker thread must have at least. If there are not enough files for one worker thread per core,
/// there are fewer worker threads, because each of them needs files of its own.
const MIN_FILES_PER_WORKER: usize = 128;

/// The most worker threads that actix-server allows.
const MAX_WORKERS: usize = 512;

/// The shortest time between two warnings, so that a busy server does not fill the log.
const WARNING_INTERVAL: Duration = Duration::from_secs(3600);

/// How many connections the server may have at the same time.
#[derive(Debug)]
pub(super) struct Capacity {
    /// The number of worker threads.
    pub(super) workers: usize,
    /// The most connections of each worker thread.
    pub(super) per_worker: usize,
    /// How many files the process may open; `None` if there is no limit.
    files: Option<usize>,
    last_warning: Mutex<Option<Instant>>,
}

impl Capacity {
    /// Raises this process's limit of open files as far as the system allows, and computes the capacity.
    pub(super) fn of_this_process() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::new(raise_file_limit(), cores)
    }

    /// Computes the capacity of a process that may open this many `files`, on a machine with this many `cores`.
    fn new(files: Option<usize>, cores: usize) -> Self {
        let most_workers = files.map_or(MAX_WORKERS, |files| files / MIN_FILES_PER_WORKER);
        let workers = cores.min(most_workers).clamp(1, MAX_WORKERS);
        let reserved = OWN_FILES + SPARE_FILES + FILES_PER_WORKER * workers;
        let for_clients = files.map_or(usize::MAX, |files| files.saturating_sub(reserved));
        Self {
            workers,
            per_worker: (for_clients / workers).clamp(1, MAX_CONNECTIONS),
            files,
            last_warning: Mutex::new(None),
        }
    }

    /// Logs a warning if nine tenths of the connections are in use, but not more than once an hour.
    ///
    /// `newest_file` is the file descriptor of the newest connection. The system always chooses the lowest free number,
    /// so at least this many files are open. The server need not count its connections.
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
            "{nearly_all} of {connections} connections are in use{}. When all are in use, further clients wait until \
             others disconnect",
            self.advice()
        );
    }

    /// Returns how to get more connections, if a higher limit of open files would help.
    fn advice(&self) -> String {
        match self.files {
            Some(files) if self.per_worker < MAX_CONNECTIONS => {
                format!(" (this process may open {files} files, and each takes one; see ulimit -n)")
            }
            _ => String::new(),
        }
    }
}

/// Raises the soft limit of open files to the hard limit, and returns the new soft limit. The usual soft limit is
/// 1,024, because old programs use the function `select`, which cannot handle more files (`man 2 select`).
#[cfg(unix)]
fn raise_file_limit() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    /// The highest soft limit that macOS accepts if the hard limit is "unlimited" (`OPEN_MAX`).
    const MACOS_LIMIT: u64 = 10_240;
    let maximum = getrlimit(Resource::Nofile).maximum;
    for current in [maximum, Some(MACOS_LIMIT)] {
        if setrlimit(Resource::Nofile, Rlimit { current, maximum }).is_ok() {
            break;
        }
    }
    // If the system has refused both, the limit is what it was before.
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
    fn clients_get_all_files_except_a_reserve() {
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
    fn a_warning_is_logged_once_at_nine_tenths() {
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
