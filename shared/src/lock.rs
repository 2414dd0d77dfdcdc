//! [`lock()`]: a file for one server at a time.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Keeps other servers away from the file at `path`, which need not exist, for as long as the returned file
/// is open; the system lets go of it even after a `kill -9`. A symbolic link counts as the file that it leads to.
///
/// The lock is on a file of its own, `users.json.lock` for `users.json`: that itself is replaced with each
/// change, and any handle to a database that is closed would release the locks of SQLite (POSIX).
///
/// # Errors
/// [`ErrorKind::WouldBlock`] if another server has it, and any other if the lock file cannot be opened.
pub fn lock(path: &Path) -> io::Result<File> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut beside = path.into_os_string();
    beside.push(".lock");
    let mut options = File::options();
    // Not truncated: whatever else may have this name keeps what it holds.
    options.write(true).create(true).truncate(false);
    let lock = options.open(beside)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) => {
            let sentence = "it is in use by another server";
            Err(io::Error::new(ErrorKind::WouldBlock, sentence))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_server_at_a_time_and_the_lock_file_keeps_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let beside = folder.path().join("data.lock");
        fs::write(&beside, "mine").unwrap();
        let first = lock(&path).unwrap();
        let error = lock(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!(error.to_string(), "it is in use by another server");
        drop(first);
        lock(&path).unwrap();
        assert_eq!(fs::read_to_string(beside).unwrap(), "mine");
        let nowhere = folder.path().join("no/data");
        assert_eq!(lock(&nowhere).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
