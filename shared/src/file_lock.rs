//! [`FileLock`]: lets only one server at a time use a file.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// While this exists, no other server can lock the same file. The system also releases the lock when the process is
/// killed.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Locks the file at `path`, which need not exist yet. A symbolic link counts as the file that it points to.
    ///
    /// The lock is on a separate file, `users.json.lock` for `users.json`. A lock on the users file itself would be
    /// lost when a change replaces the file. A lock on a database would disturb SQLite: when a process closes any
    /// handle of a file, POSIX releases all its locks on that file.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if another server has the lock, and any other kind if the lock file cannot be opened.
    pub fn acquire(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        // Without `truncate`: if the user has a file with this name, its content stays.
        options.write(true).create(true).truncate(false);
        let file = options.open(lock_path(path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::Error(error)) => Err(error),
            Err(TryLockError::WouldBlock) => {
                let message = "it is in use by another server";
                Err(io::Error::new(ErrorKind::WouldBlock, message))
            }
        }
    }
}

/// Returns the path of the lock file for `path`.
fn lock_path(path: &Path) -> PathBuf {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut lock_path = path.into_os_string();
    lock_path.push(".lock");
    lock_path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_server_at_a_time_can_lock_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let beside = folder.path().join("data.lock");
        fs::write(&beside, "mine").unwrap();
        let first = FileLock::acquire(&path).unwrap();
        let error = FileLock::acquire(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!(error.to_string(), "it is in use by another server");
        drop(first);
        drop(FileLock::acquire(&path).unwrap());
        assert_eq!(fs::read_to_string(beside).unwrap(), "mine");
        let nowhere = folder.path().join("no/data");
        let error = FileLock::acquire(&nowhere).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}
