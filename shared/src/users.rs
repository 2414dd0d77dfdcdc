//! The users store: a list that changes, and two ways to wait for changes.
//!
//! Each change publishes a new immutable [`Snapshot`] through two channels: one of tokio's [`watch`] channels for
//! [`Users::changed_since`], and a [`Broadcast`] for the streams that [`Users::watch`] returns. A slow client skips to
//! the latest snapshot, so no queue grows for it.

mod file;
mod new_user;
mod username;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::http::StatusCode;
use bytestring::ByteString;
use futures_util::{Stream, StreamExt as _, future, stream};
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task};

use crate::broadcast::Broadcast;
use crate::error::Error;
pub use file::LoadError;
use file::UsersFile;
pub use new_user::NewUser;
pub use username::{Username, UsernameError};

/// The most users in the list. With the longest names a snapshot then has about 150 KB, and each client gets one after
/// each change.
pub const MAX_USERS: usize = 1_000;

/// The largest id or version: the largest integer that JavaScript can represent exactly (`Number.MAX_SAFE_INTEGER`).
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// One user, on the wire `{"id":1,"username":"张三"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// A number that is not used again after the user is removed. A list in memory begins again with each start.
    pub id: u64,
    /// Two users may have the same name.
    pub username: Username,
}

/// The list at one moment, on the wire `{"version":7,"users":[{"id":1,"username":"张三"}]}`. Clones share the list and
/// its JSON.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// A number that grows by one with each change. The first version is the time of the start in milliseconds, so a
    /// restarted server never uses a version of an earlier run again.
    pub version: u64,
    /// The users in the order of their ids.
    pub users: Arc<[User]>,
    json: ByteString,
}

impl Snapshot {
    /// Returns the snapshot as JSON. The JSON is created once for each change, and all responses share it.
    #[must_use]
    pub fn json(&self) -> ByteString {
        self.json.clone()
    }
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The list has [`MAX_USERS`] users already.
    #[error("The list is full: {MAX_USERS} users at most. Remove one first.")]
    Full,
    /// The users file could not be written. The list has not changed.
    #[error("The change could not be saved, so it was not made.")]
    NotSaved(#[from] io::Error),
}

impl From<ChangeError> for Error {
    fn from(error: ChangeError) -> Self {
        if let ChangeError::NotSaved(cause) = &error {
            log::error!("cannot save the users: {cause}");
            return Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
        }
        Self::conflict(error.to_string())
    }
}

/// The users store. Clones are handles to the same list.
#[derive(Debug, Clone)]
pub struct Users {
    store: Arc<Store>,
}

/// The data that all clones of [`Users`] share.
#[derive(Debug)]
struct Store {
    /// The latest snapshot.
    latest: watch::Sender<Snapshot>,
    /// The same snapshots for streams. With thousands of streams this costs less than `latest`.
    changes: Broadcast<Snapshot>,
    /// The current list. It stays locked until a change is on disk and published, so that the disk and the streams get
    /// all changes in the same order.
    list: Mutex<List>,
    file: Option<UsersFile>,
}

/// The list as the store changes it, and as the users file holds it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    version: u64,
    #[serde(default)]
    next_id: u64,
    users: Vec<User>,
}

impl Users {
    /// Creates a store with the two default users, in memory.
    ///
    /// # Errors
    /// If the first snapshot cannot be written as JSON.
    pub fn in_memory() -> Result<Self, LoadError> {
        Self::from_list(List::default_users(), None)
    }

    /// Creates a store with the users in the file at `path`, or with the default users if there is no such file. Each
    /// change is on disk before [`Users::add`] or [`Users::remove`] returns.
    ///
    /// # Errors
    /// If the file cannot be read, is not a users file, or is in use by another server. The file is not changed then.
    pub fn in_file(path: &Path) -> Result<Self, LoadError> {
        let file = UsersFile::open(path)?;
        let list = file.load()?.unwrap_or_else(List::default_users);
        Self::from_list(list, Some(file))
    }

    /// Creates a store with the users of `list`. The version is the time, or larger if `list` has a larger one.
    fn from_list(mut list: List, file: Option<UsersFile>) -> Result<Self, LoadError> {
        list.version = unix_millis().max(list.version + 1);
        let store = Store {
            latest: watch::Sender::new(list.snapshot()?),
            // One item is enough: a stream that lags needs only the latest snapshot.
            changes: Broadcast::new(1),
            list: Mutex::new(list),
            file,
        };
        Ok(Self {
            store: Arc::new(store),
        })
    }

    /// Returns the latest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.store.latest.borrow().clone()
    }

    /// Waits until the latest snapshot has another version than `version`, and returns that snapshot. If it has another
    /// version already, returns it at once.
    pub async fn changed_since(&self, version: u64) -> Snapshot {
        let mut latest = self.store.latest.subscribe();
        let is_other = |snapshot: &Snapshot| snapshot.version != version;
        match latest.wait_for(is_other).await {
            Ok(snapshot) => snapshot.clone(),
            // This cannot happen: an error means that the sender was dropped, and `self` owns the sender.
            Err(_) => self.snapshot(),
        }
    }

    /// Returns a stream: its first item is the current snapshot, and after each change the next item is the latest
    /// snapshot. The stream never ends.
    ///
    /// # Panics
    /// When it is called outside a tokio runtime.
    pub fn watch(&self) -> impl Stream<Item = Snapshot> + use<> {
        // This subscribes first and reads second, so it cannot miss a change in between. Such a change would come
        // twice, so the filter drops what is not newer.
        let changes = self.store.changes.subscribe();
        let first = self.snapshot();
        let mut last_sent = first.version;
        let later = changes.filter_map(move |change| {
            // After an error (`Lagged`), the next item is the latest snapshot.
            let newer = change.ok().filter(|snapshot| snapshot.version > last_sent);
            if let Some(snapshot) = &newer {
                last_sent = snapshot.version;
            }
            future::ready(newer)
        });
        stream::once(future::ready(first)).chain(later)
    }

    /// Adds a user at the end of the list.
    ///
    /// # Errors
    /// If the list is full or the change cannot be saved. The list has not changed then.
    pub async fn add(&self, username: Username) -> Result<User, ChangeError> {
        self.change(|list| {
            if list.users.len() >= MAX_USERS {
                return Err(ChangeError::Full);
            }
            let user = User {
                id: list.next_id,
                username,
            };
            list.next_id += 1;
            list.users.push(user.clone());
            Ok(user)
        })
        .await
    }

    /// Removes the user `id` and returns that user, or `None` if there is no such user.
    ///
    /// # Errors
    /// If the change cannot be saved. The list has not changed then.
    pub async fn remove(&self, id: u64) -> Result<Option<User>, ChangeError> {
        self.change(move |list| {
            let index = list.users.iter().position(|user| user.id == id);
            Ok(index.map(|index| list.users.remove(index)))
        })
        .await
    }

    /// Checks that the list can be saved, by saving it. A list in memory always can.
    ///
    /// # Errors
    /// Why it cannot be saved.
    pub async fn check_saving(&self) -> io::Result<()> {
        let store = Arc::clone(&self.store);
        let save = task::spawn_blocking(move || {
            let list = store.list.lock().unwrap_or_else(PoisonError::into_inner);
            store.file.as_ref().map_or(Ok(()), |file| file.save(&list))
        });
        save.await.map_err(io::Error::other)?
    }

    /// Makes one change, on a thread that may wait for the disk. If the caller drops the future, the change is still
    /// completed, so a change that is on disk is also published.
    async fn change<T: Send + 'static>(
        &self,
        edit: impl FnOnce(&mut List) -> Result<T, ChangeError> + Send + 'static,
    ) -> Result<T, ChangeError> {
        let store = Arc::clone(&self.store);
        let change = task::spawn_blocking(move || store.change(edit));
        change.await.map_err(io::Error::other)?
    }
}

impl Store {
    /// Makes one change: edits a copy of the list, saves it, and publishes it. An edit that changes nothing is not
    /// saved.
    fn change<T>(
        &self,
        edit: impl FnOnce(&mut List) -> Result<T, ChangeError>,
    ) -> Result<T, ChangeError> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let mut edited = list.clone();
        let outcome = edit(&mut edited)?;
        if edited.users == list.users {
            return Ok(outcome);
        }
        edited.version += 1;
        let snapshot = edited.snapshot().map_err(io::Error::from)?;
        if let Some(file) = &self.file {
            file.save(&edited)?;
        }
        *list = edited;
        self.latest.send_replace(snapshot.clone());
        self.changes.send(&snapshot);
        Ok(outcome)
    }
}

impl List {
    /// Returns the list of a new server. One name is not ASCII, so that a wrong charset is visible at once.
    fn default_users() -> Self {
        let names = [Username::parse("张三"), Username::parse("Alice")];
        let users: Vec<User> = (1..)
            .zip(names.into_iter().flatten())
            .map(|(id, username)| User { id, username })
            .collect();
        Self {
            version: 0,
            next_id: 3,
            users,
        }
    }

    /// Returns the list as a snapshot, with its JSON.
    fn snapshot(&self) -> serde_json::Result<Snapshot> {
        #[derive(Serialize)]
        struct SnapshotJson<'list> {
            version: u64,
            users: &'list [User],
        }
        let json = SnapshotJson {
            version: self.version,
            users: &self.users,
        };
        let json = serde_json::to_string(&json)?.into();
        Ok(Snapshot {
            version: self.version,
            users: self.users.as_slice().into(),
            json,
        })
    }
}

/// Returns the time in milliseconds since 1970, [`MAX_SAFE_INTEGER`] at most.
fn unix_millis() -> u64 {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_1970.as_millis())
        .unwrap_or(u64::MAX)
        .min(MAX_SAFE_INTEGER)
}

#[cfg(test)]
mod tests;
