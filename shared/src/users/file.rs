//! The users file: read once at the start, replaced as a whole at each change.

use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use super::{List, MAX_SAFE_INTEGER, MAX_USERS};

/// Why the users could not be loaded. The message says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file, or the lock file beside it, cannot be opened.
    #[error(
        "cannot open {}: {error}. Check that the folder exists and that you may read and write in it",
        path.display()
    )]
    Unreadable {
        /// The file that could not be opened.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Another server has the same file open; each would undo the other's changes.
    #[error("{} is in use by another server. Stop that one, or choose another file", path.display())]
    InUse {
        /// The users file.
        path: PathBuf,
    },
    /// The file holds something else than a list of users.
    #[error(
        "{} is not a users file: {reason}. Fix it or move it away; it was left as it is",
        path.display()
    )]
    Malformed {
        /// The users file.
        path: PathBuf,
        /// What is wrong with it, and where.
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
    /// Locked for as long as this server lives; the system lets go of it even after a `kill -9`.
    /// It is a file of its own because the users file itself is replaced at each change.
    _lock: File,
}

impl UsersFile {
    /// Claims the file at `path`, which need not exist yet.
    pub(super) fn open(path: &Path) -> Result<Self, LoadError> {
        // A link is followed once, here: replacing the file must not replace the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let lock_path = beside(&path, "lock");
        let lock = match File::create(&lock_path) {
            Ok(lock) => lock,
            Err(error) => {
                return Err(LoadError::Unreadable {
                    path: lock_path,
                    error,
                });
            }
        };
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(LoadError::InUse { path }),
            Err(TryLockError::Error(error)) => Err(LoadError::Unreadable {
                path: lock_path,
                error,
            }),
        }
    }

    /// The list in the file; `None` if there is no file.
    pub(super) fn load(&self) -> Result<Option<List>, LoadError> {
        let path = self.path.clone();
        let json = match fs::read(&path) {
            Ok(json) => json,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LoadError::Unreadable { path, error }),
        };
        let list = serde_json::from_slice(&json).map_err(|error| error.to_string());
        match list.and_then(checked) {
            Ok(list) => Ok(Some(list)),
            Err(reason) => Err(LoadError::Malformed { path, reason }),
        }
    }

    /// Replaces the file. After a crash at any moment there is either the old file or the new one:
    /// the new one is written beside it, synced, and only then takes its name.
    pub(super) fn save(&self, list: &List) -> io::Result<()> {
        let new_path = beside(&self.path, "new");
        let mut new_file = File::create(&new_path)?;
        new_file.write_all(&serde_json::to_vec_pretty(list)?)?;
        new_file.sync_all()?;
        fs::rename(&new_path, &self.path)?;
        sync_folder(&self.path)
    }
}

/// What JSON alone cannot promise: ids that are in order and never used twice, and not too many.
fn checked(mut list: List) -> Result<List, String> {
    if list.users.len() > MAX_USERS {
        return Err(format!(
            "it holds {} users, {MAX_USERS} at most",
            list.users.len()
        ));
    }
    let mut neighbours = list.users.iter().zip(list.users.iter().skip(1));
    if let Some((first, second)) = neighbours.find(|(first, second)| first.id >= second.id) {
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
    if list.next_id > MAX_SAFE_INTEGER || list.version > MAX_SAFE_INTEGER {
        return Err(format!(
            "an id or the version is larger than {MAX_SAFE_INTEGER}"
        ));
    }
    Ok(list)
}

/// `users.json` → `users.json.new`, in the same folder.
fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// Makes a rename durable: the folder, too, is written to disk.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Windows cannot open a folder to sync it.
#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}
