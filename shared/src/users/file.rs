//! The users file: read once at the start, replaced as a whole at each change.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::{List, MAX_SAFE_INTEGER, MAX_USERS};

/// The largest users file in bytes that is read: three times what [`MAX_USERS`] can need.
const MAX_FILE: u64 = 1024 * 1024;

/// Why the users could not be loaded. The message says what to do about it.
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
    folder: Folder,
    /// Locked for as long as this server lives.
    _lock: File,
}

impl UsersFile {
    /// Claims the file at `path`, which need not exist yet.
    pub(super) fn open(path: &Path) -> Result<Self, LoadError> {
        let unreadable = |error| LoadError::Unreadable {
            path: path.to_owned(),
            error,
        };
        let file_path = resolve(path).map_err(unreadable)?;
        let folder = Folder::of(&file_path).map_err(unreadable)?;
        match crate::lock(&file_path) {
            Ok(lock) => Ok(Self {
                path: file_path,
                folder,
                _lock: lock,
            }),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                Err(LoadError::InUse { path: file_path })
            }
            Err(error) => Err(unreadable(error)),
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
    /// the new one is written beside it, synced, and only then takes its name. It keeps the old
    /// one's permissions.
    pub(super) fn save(&self, list: &List) -> io::Result<()> {
        let mut new_path = self.path.clone().into_os_string();
        new_path.push(".new");
        match fs::remove_file(&new_path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {} // What a crash has left behind, or nothing.
        }
        let mut new_file = File::create_new(&new_path)?;
        if let Ok(old_file) = fs::metadata(&self.path) {
            new_file.set_permissions(old_file.permissions())?;
        }
        new_file.write_all(&serde_json::to_vec_pretty(list)?)?;
        new_file.sync_all()?;
        fs::rename(&new_path, &self.path)?;
        self.folder.sync()
    }
}

/// Where the users file is, or will be. A link is followed once, here, because replacing the file
/// must not replace the link. What exists must be a file of moderate size that may be changed.
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
    if metadata.len() > MAX_FILE {
        return Err(io::Error::other(format!(
            "it is larger than {MAX_FILE} bytes"
        )));
    }
    File::options().read(true).write(true).open(&resolved)?;
    Ok(resolved)
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
    if list.next_id >= MAX_SAFE_INTEGER || list.version >= MAX_SAFE_INTEGER {
        return Err(format!(
            "an id or the version is too large: less than {MAX_SAFE_INTEGER} each"
        ));
    }
    Ok(list)
}

/// The folder of the users file, open so that a rename in it can be made durable.
#[cfg(unix)]
#[derive(Debug)]
struct Folder(File);

#[cfg(unix)]
impl Folder {
    fn of(path: &Path) -> io::Result<Self> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new("."))).map(Self)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// Windows cannot open a folder to sync it.
#[cfg(not(unix))]
#[derive(Debug)]
struct Folder;

#[cfg(not(unix))]
impl Folder {
    fn of(_path: &Path) -> io::Result<Self> {
        Ok(Self)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
