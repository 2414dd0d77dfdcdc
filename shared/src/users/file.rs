//! The users file. The server reads it once at the start, and replaces the whole file at each change.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::{List, MAX_SAFE_INTEGER, MAX_USERS};
use crate::file_lock::FileLock;

/// The largest users file that is read, in bytes. [`MAX_USERS`] users with long names need about a third of that.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Why the users could not be loaded. The message says how to solve the problem.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file, its folder, or the lock file beside it cannot be opened.
    #[error(
        "cannot open {}: {error}. Check that its folder exists and that you may read and write both",
        path.display()
    )]
    Unreadable {
        /// The file that could not be opened.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Another server uses the same file. Each server would overwrite the other's changes.
    #[error("{} is in use by another server. Stop that one, or choose another file", path.display())]
    InUse {
        /// The users file.
        path: PathBuf,
    },
    /// The file does not hold a list of users.
    #[error(
        "{} is not a users file: {reason}. Fix it or move it away; it was not changed",
        path.display()
    )]
    Malformed {
        /// The users file.
        path: PathBuf,
        /// The problem in the file, and its line and column.
        reason: String,
    },
    /// The list cannot be written as JSON.
    #[error("cannot write the users as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// A users file that no other server uses at the same time.
#[derive(Debug)]
pub(super) struct UsersFile {
    path: PathBuf,
    directory: Directory,
    /// Released when this server ends.
    _lock: FileLock,
}

impl UsersFile {
    /// Locks the file at `path`, which need not exist yet.
    pub(super) fn open(path: &Path) -> Result<Self, LoadError> {
        let unreadable = |error| LoadError::Unreadable {
            path: path.to_owned(),
            error,
        };
        let file_path = resolve(path).map_err(unreadable)?;
        let directory = Directory::of(&file_path).map_err(unreadable)?;
        match FileLock::acquire(&file_path) {
            Ok(lock) => Ok(Self {
                path: file_path,
                directory,
                _lock: lock,
            }),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                Err(LoadError::InUse { path: file_path })
            }
            Err(error) => Err(unreadable(error)),
        }
    }

    /// Reads the list. Returns `None` if there is no file.
    pub(super) fn load(&self) -> Result<Option<List>, LoadError> {
        let path = self.path.clone();
        let json = match fs::read(&path) {
            Ok(json) => json,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LoadError::Unreadable { path, error }),
        };
        let list = serde_json::from_slice(&json).map_err(|error| error.to_string());
        match list.and_then(validate) {
            Ok(list) => Ok(Some(list)),
            Err(reason) => Err(LoadError::Malformed { path, reason }),
        }
    }

    /// Replaces the file. The new file is written beside the old one, synced, and then renamed. So after a crash at any
    /// moment, either the old file or the new file is complete. The new file gets the permissions of the old one.
    pub(super) fn save(&self, list: &List) -> io::Result<()> {
        let mut new_path = self.path.clone().into_os_string();
        new_path.push(".new");
        match fs::remove_file(&new_path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {} // It is removed (a crash may have left it behind), or there was none.
        }
        let mut new_file = File::create_new(&new_path)?;
        if let Ok(old_file) = fs::metadata(&self.path) {
            new_file.set_permissions(old_file.permissions())?;
        }
        new_file.write_all(&serde_json::to_vec_pretty(list)?)?;
        new_file.sync_all()?;
        fs::rename(&new_path, &self.path)?;
        self.directory.sync()
    }
}

/// Returns the path of the users file without symbolic links, so that `save` replaces the file and not a link to it. If
/// the file exists, this checks that it is a file, is writable, and is not too large.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let resolved = match fs::canonicalize(path) {
        Ok(resolved) => resolved,
        Err(error) if error.kind() == ErrorKind::NotFound && !path.is_symlink() => {
            return Ok(path.to_owned());
        }
        Err(error) => return Err(error),
    };
    let metadata = fs::metadata(&resolved)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(io::Error::other(format!(
            "it is larger than {MAX_FILE_BYTES} bytes"
        )));
    }
    File::options().read(true).write(true).open(&resolved)?;
    Ok(resolved)
}

/// Checks the values of a parsed list: it must not have too many users, and its ids must grow, so that none occurs
/// twice. Sets `next_id` to an id after the last one.
fn validate(mut list: List) -> Result<List, String> {
    if list.users.len() > MAX_USERS {
        return Err(format!(
            "it holds {} users, {MAX_USERS} at most",
            list.users.len()
        ));
    }
    let mut pairs = list.users.iter().zip(list.users.iter().skip(1));
    if let Some((first, second)) = pairs.find(|(first, second)| first.id >= second.id) {
        return Err(format!(
            "id {} follows id {}, and ids must grow",
            second.id, first.id
        ));
    }
    let after_last = list
        .users
        .last()
        .map_or(1, |user| user.id.saturating_add(1));
    list.next_id = list.next_id.max(after_last);
    if list.next_id >= MAX_SAFE_INTEGER || list.version >= MAX_SAFE_INTEGER {
        return Err(format!(
            "an id or the version is too large: less than {MAX_SAFE_INTEGER} each"
        ));
    }
    Ok(list)
}

/// The directory of the users file. It is open, because `save` has to sync it after the rename.
#[cfg(unix)]
#[derive(Debug)]
struct Directory(File);

#[cfg(unix)]
impl Directory {
    /// Opens the directory of the file at `path`.
    fn of(path: &Path) -> io::Result<Self> {
        let directory = path.parent().unwrap_or(Path::new(""));
        let is_current = directory.as_os_str().is_empty();
        let file = File::open(if is_current {
            Path::new(".")
        } else {
            directory
        })?;
        Ok(Self(file))
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// A replacement that does nothing, because Windows cannot open a directory to sync it.
#[cfg(not(unix))]
#[derive(Debug)]
struct Directory;

#[cfg(not(unix))]
impl Directory {
    fn of(_path: &Path) -> io::Result<Self> {
        Ok(Self)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
